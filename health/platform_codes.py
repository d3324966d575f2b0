"""The codes for what the platform sees by itself: schemas, targets, lag, heartbeats, and our own watch.

Section 13.2 of the security reference names each. A target is the customer's unless its code begins with
`our_`.
"""

from django.utils.translation import gettext_lazy as _

from health.meaning import CUSTOMER, US, About, Code, Weight

PLATFORM_CODES: dict[str, Code] = {
    "limiter_unavailable": Code(
        Weight.SOFT,
        _("The place where rate limits are kept does not answer, so no request may be made."),
        _("Look at that database: PostgreSQL, or the limiter's own file beside SQLite's."),
        US,
        About.PLATFORM,
    ),
    # --- what the customer must know before it breaks -------------------------------------------------------
    "expires_soon": Code(
        Weight.NOTE,
        _("The secret expires within two weeks."),
        _("Ask the customer to connect again, or for a new key, before it does."),
        works=True,
    ),
    "expires_in_days": Code(
        Weight.NOTE,
        _("The secret expires within three days."),
        _("Ask the customer today to connect again, or for a new key."),
        works=True,
        urgent=True,
    ),
    "expiry_passed": Code(
        Weight.HARD,
        _("The day on which the secret expires has passed."),
        _("Ask the customer to connect again, or for a new key."),
        CUSTOMER,
        at_once=True,
        customer_words=_("Our access has expired. Please connect your account again, or send a new key."),
    ),
    # --- limits ---------------------------------------------------------------------------------------------
    "throttled_often": Code(
        Weight.SOFT,
        _("The provider turned away more than half of our calls for an hour."),
        _("Lower the rate limit: it is set higher than the provider allows."),
        US,
    ),
    "quota_exhausted_again": Code(
        Weight.HARD,
        _("The account has used up its allowance in two periods in a row."),
        _("Ask the customer to raise the allowance, or agree with them on a lower rate limit."),
        CUSTOMER,
        customer_words=_("Your account's allowance is used up again and again. Please raise it."),
    ),
    "limit_too_low": Code(
        Weight.SOFT,
        _("The rate limit that the customer asked for is too low: the sync is a day behind."),
        _("Ask the customer whether we may send more requests."),
        CUSTOMER,
        customer_words=_("The rate limit that you chose is too low to keep up. May we send more requests?"),
    ),
    # --- schema of the source -------------------------------------------------------------------------------
    "schema_grew": Code(
        Weight.NOTE,
        _("The source has new collections or fields."),
        _("Nothing to do, unless they are wanted."),
        works=True,
    ),
    "schema_removed": Code(
        Weight.HARD,
        _("A selected collection or field was removed at the source, or changed its type."),
        _("Ask the customer to bring it back, or take it out of the sync."),
        CUSTOMER,
        customer_words=_("Something that the sync reads was removed. Please bring it back, or deselect it."),
    ),
    "schema_unsupported": Code(
        Weight.SOFT,
        _("The source has a type that our mapping cannot express."),
        _("Extend the mapping. The customer cannot help."),
        US,
    ),
    # --- targets: databases of customers, and our own -------------------------------------------------------
    "target_refused": Code(
        Weight.HARD,
        _("The target refuses us: login, database name, permission, or it is read-only."),
        _("Ask the customer to let us in and write, as before."),
        CUSTOMER,
        customer_words=_("Your database does not let us in or write. Please check our login and its rights."),
    ),
    "target_full": Code(
        Weight.HARD,
        _("The target has no room left: its disk is full, or all its connections are taken."),
        _("Ask the customer to make room."),
        CUSTOMER,
        customer_words=_("Your database has no room left. Please free some, or allow more connections."),
    ),
    "target_altered": Code(
        Weight.HARD,
        _("A table of ours in the target was removed or altered, and not by a change that we made."),
        _("Ask the customer to bring it back, or start the sync anew."),
        CUSTOMER,
        customer_words=_(
            "A table that the sync writes was removed or altered. May we create it again, or will you"
            " bring it back?"
        ),
    ),
    "target_unsteady": Code(
        Weight.SOFT,
        _("The target restarts, breaks connections off, or cannot finish what we write."),
        _("Ask the customer how their database is."),
        CUSTOMER,
        customer_words=_("Your database breaks our connections off. Please check how it is doing."),
    ),
    "our_target_refused": Code(
        Weight.HARD,
        _("A target that we host refuses us: login, database name, permission, or it is read-only."),
        _("Put its login and rights in order."),
        US,
    ),
    "our_target_full": Code(
        Weight.HARD,
        _("A target that we host has no room left: its disk is full, or all its connections are taken."),
        _("Make room."),
        US,
    ),
    "our_target_altered": Code(
        Weight.HARD,
        _("A change that we made removed or altered a table which the sync writes."),
        _("Look at our last migration of this target, and mend it."),
        US,
    ),
    "our_target_unsteady": Code(
        Weight.SOFT,
        _("A target that we host restarts, breaks connections off, or cannot finish what we write."),
        _("Look how the database is."),
        US,
    ),
    # --- consumers and workers ------------------------------------------------------------------------------
    "lag_rising": Code(
        Weight.NOTE,
        _("The consumer falls behind."),
        _("Nothing to do yet. If it lasts, look at the workers and at the rate limit."),
        works=True,
    ),
    "lag_too_high": Code(
        Weight.SOFT,
        _("The consumer is more than half an hour behind: workers are busy or dead."),
        _("Start more workers, or find what holds them up."),
        US,
    ),
    "silent": Code(
        Weight.HARD,
        _("Nothing was heard of it for three times as long as expected."),
        _("See whether the process that should speak for it still runs."),
        US,
        at_once=True,
    ),
    # --- our own watch --------------------------------------------------------------------------------------
    "check_missing": Code(
        Weight.HARD,
        _("It was not checked for far too long, so its status is not known."),
        _("See whether the workers of check_health run. Watching is our job."),
        US,
        at_once=True,
    ),
    "never_checked": Code(
        Weight.HARD,
        _("It was never checked, though it is there for more than five minutes."),
        _("See whether the workers of check_health run. Watching is our job."),
        US,
        at_once=True,
    ),
    "outage_lasts": Code(
        Weight.HARD,
        _("The provider has had a fault for so long that the data are out of date."),
        _("Ask the provider when it will be over, and tell the customers who wait."),
        US,
    ),
    "provider_incident": Code(
        Weight.HARD,
        _("Many accounts at this provider fail at the same time: the fault is the provider's."),
        _("Follow the provider's status page. Nothing needs to be done in the accounts."),
        US,
        at_once=True,
    ),
    "tls_failed_everywhere": Code(
        Weight.HARD,
        _("No certificate of any host is valid for us."),
        _("Look at this machine's clock and at its list of authorities."),
        US,
        About.PLATFORM,
    ),
}

# By the five characters that PostgreSQL calls SQLSTATE; classes have two.
OF_SQLSTATE = {
    **dict.fromkeys(("28P01", "28000", "3D000", "42501", "25006"), "target_refused"),
    **dict.fromkeys(("53100", "53300"), "target_full"),
    **dict.fromkeys(("42P01", "42703"), "target_altered"),
    **dict.fromkeys(("57P01", "57P03", "40001", "40P01", "08"), "target_unsteady"),
}


def of_sqlstate(state: str, *, ours: bool) -> str:
    """The code for an error of a target's database. `ours`: we host it, or our own change broke the table.

    What is not listed is unclassified, and so ours.
    """
    code = OF_SQLSTATE.get(state) or OF_SQLSTATE.get(state[:2], "unclassified")
    return f"our_{code}" if ours and code != "unclassified" else code
