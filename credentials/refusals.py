"""Why a consent made no credential, in words for the person who comes back."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from credentials.models import Credential

# What providers call it when whoever saw their page did not allow the access, or did not sign in: RFC 6749,
# OpenID Connect, and words of their own.
DENIED = frozenset(
    "access_denied user_cancelled_login user_denied login_required consent_required"
    " interaction_required".split()
)
# What they call a fault of theirs, after RFC 6749. All else is about our app.
THEIRS = frozenset(("temporarily_unavailable", "server_error"))

# By code: a title, what happened, and what to do.
WORDS = {
    "denied": (
        gettext_lazy("The consent was not given"),
        gettext_lazy("Whoever saw the provider's page did not allow the access."),
        gettext_lazy("Nothing was changed. Connect again when the customer agrees."),
    ),
    "expired": (
        gettext_lazy("This connection is no longer waiting"),
        gettext_lazy(
            "It took more than ten minutes, was finished already, was begun by somebody else or in another"
            " browser, or you were signed out meanwhile."
        ),
        gettext_lazy("Nothing was changed. Begin again from the credential or the catalogue."),
    ),
    "other_account": (
        gettext_lazy("Another account answered"),
        gettext_lazy("The consent was given for another account than the one of this credential."),
        gettext_lazy(
            "The stored secret was left as it is. Sign in to the right account, then connect again."
        ),
    ),
    "misconfigured": (
        gettext_lazy("The provider does not accept our OAuth app"),
        gettext_lazy("Its client id, client secret or redirect address is not what the provider knows."),
        gettext_lazy("Correct the OAuth app here or at the provider. The customer cannot help."),
    ),
    "requested": (
        gettext_lazy("An owner has to approve it first"),
        gettext_lazy("Whoever saw the provider's page may not install the app, and asked an owner to."),
        gettext_lazy("Nothing was changed. Connect again when the owner has approved."),
    ),
    "forged": (
        gettext_lazy("This answer did not come from the provider"),
        gettext_lazy("A part that only the provider can write is missing or wrong."),
        gettext_lazy("Nothing was changed. Begin again from the credential or the catalogue."),
    ),
    "failed": (
        gettext_lazy("The account could not be connected"),
        gettext_lazy("The provider gave no access that works."),
        gettext_lazy(
            "Nothing was changed. Try again; if it fails again, look at the provider's status page."
        ),
    ),
}


def of_error(name: str) -> str:
    """The code of the refusal that a provider's `error` is."""
    return "denied" if name in DENIED else "failed" if name in THEIRS else "misconfigured"


class Refused(Exception):
    """A consent made no credential. `code` is a key of WORDS; `detail` are further words, redacted."""

    def __init__(self, code: str, detail: str = "", credential: "Credential | None" = None):
        super().__init__(code)
        self.code, self.detail, self.credential = code, detail, credential
