"""GitHub: https://docs.github.com/en/rest"""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import jwt
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from credentials import answers
from credentials.answers import Reading, Rule
from credentials.exchange import Answer, Call
from credentials.fields import WholeNumberField
from credentials.kinds.provider import Provider
from credentials.models.access import Quota, Tokens, whole
from credentials.models.credential import Credential
from credentials.models.declaration import Values
from credentials.models.rate_limit import HOUR, Limit
from health.fields import PlainTextField

if TYPE_CHECKING:
    from credentials.models.oauth_app import OAuthApp

PROVIDER = Provider(
    key="github",
    name="GitHub",
    category=_("Developer tools"),
    docs_url="https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api",
    limits=_("5,000 requests per hour for each installation, 100 at the same time."),
)

# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api and
# https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
RULES = (
    Rule("rate_limited", status=(403, 429), header=("X-RateLimit-Remaining", "0"), says=("rate limit",)),
    Rule("suspended", status=(403,), says=("suspended",)),
    Rule("address_not_allowed", status=(403,), says=("ip allow list",)),
    Rule("our_fault", status=(403,), says=("user-agent",)),
    Rule("insufficient_scope", status=(403,), says=("not accessible by integration", "permission")),
)
# A JWT may live for ten minutes; a minute before now is allowed for a clock that goes wrong.
JWT_LIFETIME, JWT_DRIFT = 540, 60


class GitHubApp(Credential):
    KIND = "github_app"
    PROVIDER = PROVIDER
    LABEL = _("App installation")
    SUMMARY = _("An installation of your GitHub App. It holds no secret: the app's private key signs for it.")
    HELP_URL = (
        "https://docs.github.com/en/apps/using-github-apps/reviewing-and-modifying-installed-github-apps"
    )
    PROPERTIES = ("account_login", "account_type", "installation_id")
    OLDER_KINDS = ("github",)
    USES_OAUTH_APP = True
    API_HOST = "api.github.com"
    HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    RULES = RULES
    # The app itself asks here: a 401 is about its key or our clock, a 404 about the installation.
    TOKEN_RULES = (
        *RULES,
        Rule("our_fault", status=(401,), says=("claim",)),
        Rule("oauth_app_rejected", status=(401,)),
        Rule("oauth_app_rejected", status=(404,), says=("integration not found",)),
        Rule("revoked", status=(404,)),
        Rule("consent_required", status=(422,)),
    )

    class AccountType(models.TextChoices):
        USER = "User", _("User")
        ORGANIZATION = "Organization", _("Organization")

    account_login = PlainTextField(
        _("account"), max_length=100, help_text=_("The user or organization that installed the app.")
    )
    account_type = models.CharField(
        _("type of account"),
        max_length=20,
        choices=AccountType.choices,
        help_text=_("Whether that account is a person's own or an organization's."),
    )
    installation_id = WholeNumberField(
        _("installation id"),
        help_text=_("The number at the end of the address of the installation's settings page."),
    )

    class Meta:
        verbose_name = _("GitHub App installation")
        verbose_name_plural = _("GitHub App installations")

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        found = (answer or {}).get("id") or properties.get("installation_id")
        return str(found) if found else None

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        return Limit(5000, HOUR, 100)

    def exchanges(self) -> bool:
        return True

    def token_call(self, app: "OAuthApp") -> Call:
        now = int(time.time())
        signed = jwt.encode(
            {"iat": now - JWT_DRIFT, "exp": now + JWT_LIFETIME, "iss": str(app.app_id)},
            app.private_key.use(app.destination()),
            algorithm="RS256",
        )
        path = f"/app/installations/{self.installation_id}/access_tokens"
        return Call("POST", self.at(path), headers={**self.HEADERS, "Authorization": f"Bearer {signed}"})

    def tokens(self, answer: Answer) -> Tokens | None:
        found = answer.json if isinstance(answer.json, dict) else {}
        if not isinstance(found.get("token"), str):
            return None
        try:
            ends = datetime.fromisoformat(str(found.get("expires_at")))
            lifetime = (ends - timezone.now()).total_seconds()
        except (TypeError, ValueError):
            lifetime = self.TOKEN_LIFETIME
        return Tokens(found["token"], expires_in=max(lifetime, 0) or None)

    def probe_call(self) -> Call:
        return Call("GET", self.at("/installation/repositories"), params={"per_page": "1"})

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        found = super().facts(answer)
        # The token was made for this installation and no other; the account can be renamed.
        return {"id": self.installation_id} if found and "repositories" in found else None

    def read_failure(self, answer: Answer) -> Reading | None:
        found = answer.json if isinstance(answer.json, dict) else {}
        # The document of a suspended installation comes with 200.
        return Reading("suspended") if found.get("suspended_at") else super().read_failure(answer)

    def wait(self, answer: Answer) -> float | None:
        # Secondary limits name no time: a minute at least.
        used_up = answer.header("X-RateLimit-Remaining") == "0"
        reset = answers.until(answer, "X-RateLimit-Reset") if used_up else None
        return super().wait(answer) or reset or 60.0

    def quota(self, answer: Answer) -> Quota | None:
        allowed = whole(answer.header("X-RateLimit-Limit"))
        remaining = whole(answer.header("X-RateLimit-Remaining"))
        return Quota(allowed, HOUR, remaining) if allowed else None
