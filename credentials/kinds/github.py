"""GitHub: https://docs.github.com/en/rest"""

import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jwt
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from credentials import answers
from credentials.answers import Reading, Rule
from credentials.exchange import Answer, Call
from credentials.fields import WholeNumberField
from credentials.kinds.provider import Provider
from credentials.models.access import Quota, Tokens, seconds, whole
from credentials.models.consent import Consent
from credentials.models.credential import Credential
from credentials.models.declaration import Values
from credentials.models.rate_limit import HOUR, Limit
from credentials.sealing import SecretError
from health.fields import PlainTextField

if TYPE_CHECKING:
    from credentials.models.oauth_app import OAuthApp

PROVIDER = Provider(
    key="github",
    name="GitHub",
    category=_("Developer tools"),
    docs_url="https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api",
    status_url="https://www.githubstatus.com/",
    limits=_("5,000 requests per hour for each installation, 100 at the same time."),
)

# https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api and
# https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
RULES = (
    Rule("rate_limited", status=(403, 429), header=("X-RateLimit-Remaining", "0")),
    Rule("rate_limited", status=(403, 429), says=("rate limit", "rate limits")),
    Rule("suspended", status=(403,), says=("is suspended", "was suspended", "been suspended")),
    Rule("address_not_allowed", status=(403,), says=("ip allow list",)),
    Rule("our_fault", status=(403,), says=("user-agent",)),
    Rule(
        "insufficient_scope",
        status=(403,),
        says=("not accessible by integration", "permission", "permissions"),
    ),
)
# By what was not found: an installation, or a repository that it may not see.
NOT_FOUND = {"/rest/apps/": "revoked", "/rest/repos/": "insufficient_scope"}
# A JWT may live for ten minutes; a minute before now is allowed for a clock that goes wrong.
JWT_LIFETIME, JWT_DRIFT = 540, 60


class UnusableKey(SecretError):
    """The app's private key looks like one and is none."""

    code = "oauth_app_rejected"


class GitHubApp(Credential):
    KIND = "github_app"
    PROVIDER = PROVIDER
    LABEL = _("App installation")
    SUMMARY = _("An installation of your GitHub App. It holds no secret: the app's private key signs for it.")
    HELP_URL = (
        "https://docs.github.com/en/apps/using-github-apps/reviewing-and-modifying-installed-github-apps"
    )
    SECRETS_BEGIN = ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_")
    PROPERTIES = ("account_login", "account_type", "installation_id")
    OLDER_KINDS = ("github",)
    USES_OAUTH_APP = True
    API_HOST = "api.github.com"
    # https://docs.github.com/en/apps/sharing-github-apps/sharing-your-github-app
    CONSENT = Consent(
        "https://github.com/apps/{slug}/installations/new", echoes=("installation_id",), gives_code=False
    )
    HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
    RULES = RULES
    # The app itself asks here: a 401 is about its key or our clock, a 404 about the installation.
    TOKEN_RULES = (
        *RULES,
        Rule("our_fault", status=(401,), says=("claim",)),
        Rule("oauth_app_rejected", status=(401,)),
        Rule("oauth_app_rejected", status=(404,), says=("integration not found",)),
        Rule("revoked", status=(404,), says=("not found",)),
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
        return self._as_app(app, "POST", f"/app/installations/{self.installation_id}/access_tokens")

    def _as_app(self, app: "OAuthApp", method: str, path: str) -> Call:
        """A call that the app itself makes, signed with its private key. Raises SecretError."""
        now = int(time.time())
        claims = {"iat": now - JWT_DRIFT, "exp": now + JWT_LIFETIME, "iss": str(app.app_id)}
        try:
            signed = jwt.encode(claims, app.private_key.use(app.destination()), algorithm="RS256")
        except (jwt.PyJWTError, ValueError):
            raise UnusableKey("The app's private key is none that can sign.") from None
        return Call(method, self.at(path), headers={**self.HEADERS, "Authorization": f"Bearer {signed}"})

    # --- installing the app ---------------------------------------------------------------------------------

    APP_TEST_LEAVES_OPEN = _("Its setup address: only installing the app shows it.")

    def app_call(self, app: "OAuthApp") -> Call:
        return self._as_app(app, "GET", "/app")

    def read_app_answer(self, answer: Answer) -> Reading:
        found = self._timed(answers.read(answer, (*self.TOKEN_RULES, *answers.TOKEN_RULES)), answer)
        known = isinstance(answer.json, dict) and "id" in answer.json
        return found or Reading("ok" if known else "garbled")

    def page_call(self, app: "OAuthApp") -> Call:
        # The page's address holds the app's name in GitHub's spelling.
        return self.app_call(app)

    def consent_url(
        self,
        app: "OAuthApp",
        *,
        state: str,
        challenge: str,
        redirect_uri: str,
        found: Mapping[str, Any] | None = None,
    ) -> str:
        slug = str((found or {}).get("slug", ""))
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,99}", slug):
            raise ValidationError(_("GitHub does not say where this app's page is."))
        return f"{self.CONSENT.authorize_url.format(slug=slug)}?{urlencode({'state': state})}"

    def consent_check(self, app: "OAuthApp", params: Mapping[str, str]) -> None:
        if params.get("setup_action") == "request":
            raise ValidationError(_("An owner of the organization must approve first."), code="requested")
        super().consent_check(app, params)
        number = params["installation_id"]
        if not re.fullmatch(r"[1-9][0-9]{0,17}", number):
            raise ValidationError(_("This is no id of an installation."), code="callback")
        # Anybody can write this number: the app's own key must open the installation, or nothing is stored.
        self.installation_id = int(number)

    def code_call(self, app: "OAuthApp", form: Mapping[str, str]) -> Call:
        return self.token_call(app)

    def account_call(self, app: "OAuthApp") -> Call:
        return self._as_app(app, "GET", f"/app/installations/{self.installation_id}")

    def consented(self, tokens: Tokens, params: Values, facts: Values) -> dict[str, Any]:
        if facts.get("id", self.installation_id) != self.installation_id:
            raise ValidationError(_("GitHub answered for another installation."), code="account")
        account = facts.get("account")
        known: Values = account if isinstance(account, dict) else {}
        return {
            "account_login": known.get("login"),
            "account_type": known.get("type"),
            "installation_id": self.installation_id,
        }

    def tokens(self, answer: Answer) -> Tokens | None:
        found = answer.json if isinstance(answer.json, dict) else {}
        if not isinstance(found.get("token"), str):
            return None
        try:
            ends = datetime.fromisoformat(str(found.get("expires_at")))
            lifetime = (ends - timezone.now()).total_seconds()
        except (TypeError, ValueError):
            lifetime = self.TOKEN_LIFETIME
        return Tokens(found["token"], expires_in=seconds(lifetime))

    def probe_call(self) -> Call:
        return Call("GET", self.at("/installation/repositories"), params={"per_page": "1"})

    def facts(self, answer: Answer) -> Mapping[str, Any] | None:
        found = super().facts(answer)
        # The token was made for this installation and no other; the account can be renamed.
        return {"id": self.installation_id} if found and "repositories" in found else None

    def read_failure(self, answer: Answer) -> Reading | None:
        if answer.status == 404 or b'"suspended_at"' in answer.body:
            found = answer.json if isinstance(answer.json, dict) else {}
            # The document of a suspended installation comes with 200; people have such a time as well.
            if found.get("suspended_at") and "app_id" in found:
                return Reading("suspended")
            # What was not found, says only the page of the documentation that is named.
            page = str(found.get("documentation_url"))
            for part, code in NOT_FOUND.items():
                if answer.status == 404 and part in page:
                    return Reading(code, "not found", guessed=True)
        return super().read_failure(answer)

    def wait(self, answer: Answer) -> float | None:
        # Secondary limits name no time: a minute at least.
        used_up = answer.header("X-RateLimit-Remaining") == "0"
        reset = answers.until(answer, "X-RateLimit-Reset") if used_up else None
        return super().wait(answer) or reset or 60.0

    def quota(self, answer: Answer) -> Quota | None:
        allowed = whole(answer.header("X-RateLimit-Limit"))
        remaining = whole(answer.header("X-RateLimit-Remaining"))
        return Quota(allowed, HOUR, remaining) if allowed else None
