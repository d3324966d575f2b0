"""What can be seen when somebody looks at a component: each observation has a code, and each code a meaning.

The codes are the vocabulary between those who look (probes, sessions, refreshes) and the verdicts. A code
that is not listed means the same as `unclassified`: unknown is ours, never the customer's.
"""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext_lazy as _

from health.meaning import CUSTOMER, US, About, Code, Weight
from health.platform_codes import PLATFORM_CODES

__all__ = ["CODES", "About", "Code", "Observation", "Weight", "target_of"]


@dataclass(frozen=True)
class Observation:
    """One look at a component. `detail` is what the provider said, redacted; `retry_after` is in seconds."""

    code: str
    started_at: datetime
    finished_at: datetime
    # The version of the secret that was tried.
    revision: str = ""
    detail: str = ""
    retry_after: float | None = None
    source: str = "probe"

    @property
    def meaning(self) -> Code:
        return CODES.get(self.code, CODES["unclassified"])


def target_of(code: str) -> About:
    """To which component an observation with this code belongs.

    For OAUTH_APP it is given to `observe` with the app's component, and the app's revision. All others are
    given with the component that was looked at: `observe` finds the provider and the platform by itself.
    """
    return CODES.get(code, CODES["unclassified"]).about


CODES: dict[str, Code] = {
    "ok": Code(Weight.OK, _("It works."), _("Nothing to do."), works=True),
    # It shows neither whose account it was nor what else is allowed: only a look does.
    "answered": Code(Weight.OK, _("A request of a worker was answered."), _("Nothing to do.")),
    # --- the customer's turn --------------------------------------------------------------------------------
    "other_account": Code(
        Weight.HARD,
        _("The secret now belongs to another account than the one stored here."),
        _("Ask the customer which account is meant, and connect that one; the stored account stays."),
        CUSTOMER,
        only_probes=True,
        customer_words=_("The connection points to another account than before. Please connect it again."),
    ),
    "revoked": Code(
        Weight.HARD,
        _("The provider no longer accepts the secret: it was revoked, replaced or removed."),
        _("Ask the customer to connect again, or for a new key."),
        CUSTOMER,
        customer_words=_("Our access was removed. Please connect your account again, or send a new key."),
    ),
    "expired": Code(
        Weight.HARD,
        _("The secret has expired."),
        _("Ask the customer to connect again, or for a new key."),
        CUSTOMER,
        customer_words=_("Our access has expired. Please connect your account again, or send a new key."),
    ),
    "token_lost": Code(
        Weight.HARD,
        _("A refresh was cut off after the provider had taken the old token, so the new one is lost."),
        _("Connect the account again. The customer did nothing wrong: say so when you ask them."),
        CUSTOMER,
        customer_words=_(
            "Through a fault of ours the connection was lost. Please connect your account again."
        ),
    ),
    "insufficient_scope": Code(
        Weight.HARD,
        _("The secret works, but may not do what a sync needs."),
        _("Ask the customer to grant the missing permission, then connect again."),
        CUSTOMER,
        only_probes=True,
        customer_words=_("Our access lacks a permission. Please grant it, or connect again and accept all."),
    ),
    "consent_required": Code(
        Weight.HARD,
        _("The provider wants the customer to consent again."),
        _("Ask the customer to connect again."),
        CUSTOMER,
        only_probes=True,
        customer_words=_("Your provider asks you to confirm our access again. Please connect your account."),
    ),
    "suspended": Code(
        Weight.HARD,
        _("The account, or our access to it, is suspended: frozen, locked, unpaid or switched off."),
        _("Ask the customer to put their account at the provider in order."),
        CUSTOMER,
        customer_words=_("Your account at the provider is suspended. Please put it in order there."),
    ),
    "address_not_allowed": Code(
        Weight.HARD,
        _("The account admits only certain network addresses, and ours is not among them."),
        _("Ask the customer to put our addresses on their list of allowed ones."),
        CUSTOMER,
        customer_words=_("Your account admits only listed addresses. Please add ours to the list."),
    ),
    "client_rejected": Code(
        Weight.HARD,
        _("The provider does not accept the customer's client id or client secret."),
        _("Ask the customer for the client id and secret as they are now."),
        CUSTOMER,
        customer_words=_("The client id or secret that you gave us is not accepted. Please send them again."),
    ),
    "account_missing": Code(
        Weight.SOFT,
        _("The provider does not know this account or its address: renamed, moved or deleted."),
        _("Ask the customer whether it was renamed or deleted, and correct the address here."),
        CUSTOMER,
        only_probes=True,
        customer_words=_("We cannot find your account any more. Was it renamed or deleted?"),
    ),
    "certificate_invalid": Code(
        Weight.SOFT,
        _("The customer's own host shows a certificate that is expired, self-signed or for another name."),
        _("Ask the customer to renew the certificate of that host."),
        CUSTOMER,
        only_probes=True,
        customer_words=_("The certificate of your host is not valid. Please renew it."),
    ),
    "quota_exhausted": Code(
        Weight.NOTE,
        _("The account has used up its allowance for the day or month."),
        _("Wait for the new period, lower the rate limit, or ask the customer to raise the allowance."),
    ),
    "secret_must_be_reentered": Code(
        Weight.HARD,
        _("The address it is for was changed, so the stored secret is not sent there."),
        _("Enter the secret again. If it is not at hand, ask the customer for it."),
        CUSTOMER,
        at_once=True,
        customer_words=_("The address of your account has changed. Please send us the secret for it again."),
    ),
    "secret_missing": Code(
        Weight.HARD,
        _("No secret is stored."),
        _("Enter the secret, or connect the account."),
        CUSTOMER,
        at_once=True,
        customer_words=_("We have no access to your account yet. Please connect it, or send us a key."),
    ),
    # --- nobody's turn --------------------------------------------------------------------------------------
    "rate_limited": Code(
        Weight.NOTE,
        _("The provider asks us to slow down."),
        _("Nothing to do: we wait. If it happens often, lower the rate limit."),
    ),
    "superseded": Code(
        Weight.INCONCLUSIVE,
        _("The secret was replaced while it was tried, so the answer tells nothing."),
        _("Nothing to do: the new one is tried next."),
    ),
    "limit_reached": Code(
        Weight.INCONCLUSIVE,
        _("Our own rate limit had no room for the test."),
        _("Nothing to do: it is tried again. If it lasts, raise the limit."),
    ),
    "busy": Code(
        Weight.INCONCLUSIVE,
        _("Another worker is refreshing the token."),
        _("Nothing to do: it is tried again."),
    ),
    "token_waits": Code(
        Weight.INCONCLUSIVE,
        _("Getting an access token failed several times, so it is not tried again for a moment."),
        _("Nothing to do: it is tried again by itself. What failed stands below, and counts by itself."),
    ),
    "inside_transaction": Code(
        Weight.INCONCLUSIVE,
        _("It was tested inside a database transaction, where no token may be exchanged."),
        _("Test it again outside of one."),
    ),
    "deleted": Code(
        Weight.INCONCLUSIVE,
        _("The credential was deleted, so its secret is not used."),
        _("Restore it first, if it should be used again."),
    ),
    # --- the provider's -------------------------------------------------------------------------------------
    "provider_outage": Code(
        Weight.SOFT,
        _("The provider has a fault of its own."),
        _("Look at the provider's status page. Nobody can do anything but wait."),
        US,
        About.PROVIDER,
    ),
    "timeout": Code(
        Weight.SOFT,
        _("The provider did not answer in time."),
        _("Look at the provider's status page; if it is well, look at our network."),
        US,
        About.PROVIDER,
    ),
    "connection_failed": Code(
        Weight.SOFT,
        _("No connection to the provider could be made, or it broke off."),
        _("Look at the provider's status page; if it is well, look at our network."),
        US,
        About.PROVIDER,
    ),
    "tls_failed": Code(
        Weight.SOFT,
        _("No trusted connection could be made: the provider's certificate is not valid for us."),
        _("Look at the provider's status page, at our clock, and at our list of authorities."),
        US,
        About.PROVIDER,
    ),
    "garbled": Code(
        Weight.SOFT,
        _("The answer was not what this provider gives: a web page, cut off, or too large."),
        _("Look at the provider's status page; if it lasts, look at what we ask."),
        US,
        About.PROVIDER,
    ),
    "redirected": Code(
        Weight.SOFT,
        _("The provider wanted to send us to another address. Secrets do not follow."),
        _("Check the address that is stored; if it is right, the provider has changed something."),
        US,
        About.PROVIDER,
    ),
    # --- our turn -------------------------------------------------------------------------------------------
    "blocked": Code(
        Weight.SOFT,
        _("A guard before the provider took us for an attacker."),
        _("Ask the provider about our addresses, and send fewer bad requests."),
        US,
    ),
    "oauth_app_rejected": Code(
        Weight.HARD,
        _("The provider does not accept our OAuth app: its secret or key is wrong, or it was removed."),
        _("Enter the app's secret or key as it is now. The customer cannot help."),
        US,
        About.OAUTH_APP,
    ),
    "oauth_app_quota": Code(
        Weight.NOTE,
        _("Our OAuth app has used up its own allowance at the provider."),
        _("Wait for the new period, or raise the app's plan."),
        US,
        About.OAUTH_APP,
    ),
    "oauth_app_missing": Code(
        Weight.HARD,
        _("No OAuth app is set for it, and the provider has no default app."),
        _("Add the provider's OAuth app, or choose one for this credential."),
        US,
        at_once=True,
    ),
    "our_fault": Code(
        Weight.HARD,
        _("Our request was not right: its signature, time or form."),
        _("Check this machine's clock, and then the code that makes the request."),
        US,
    ),
    "decryption_failed": Code(
        Weight.HARD,
        _("No key in FERNET_KEYS opens the secret."),
        _("Put back the key that sealed it, or enter the secret again."),
        US,
        at_once=True,
    ),
    "sealed_for_another_row": Code(
        Weight.HARD,
        _("The secret was sealed for another row: somebody moved it in the database."),
        _("Find out who did. Then enter the secret again."),
        US,
        at_once=True,
    ),
    "name_not_found": Code(
        Weight.HARD,
        _("The name of the host could not be found, and other names could not either."),
        _("Check this machine's DNS."),
        US,
        About.PLATFORM,
        at_once=True,
    ),
    "address_refused": Code(
        Weight.HARD,
        _("The host's name leads to an address inside a network that is off limits."),
        _("Check the stored address. Somebody may be trying to reach our own network."),
        US,
    ),
    "host_refused": Code(
        Weight.HARD,
        _("The request was for a host that does not belong to this credential; it was not sent."),
        _("Check the stored address."),
        US,
    ),
    "internal_error": Code(
        Weight.SOFT,
        _("Our own code failed while it looked."),
        _("Look at the log: it names the place."),
        US,
    ),
    "unclassified": Code(
        Weight.SOFT,
        _("The provider answered something that we do not know."),
        _("Read the answer below and add a rule for it. Until then it counts as ours."),
        US,
    ),
}
CODES |= PLATFORM_CODES
