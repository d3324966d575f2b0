"""GitHub: https://docs.github.com/en/rest"""

from django.db import models
from django.utils.translation import gettext_lazy as _

from credentials.fields import WholeNumberField
from credentials.kinds.provider import Provider
from credentials.models.credential import Credential, Values
from credentials.models.rate_limit import HOUR, Limit
from health.fields import PlainTextField

PROVIDER = Provider(
    key="github",
    name="GitHub",
    category=_("Developer tools"),
    docs_url="https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api",
    limits=_("5,000 requests per hour for each installation, 100 at the same time."),
)


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
