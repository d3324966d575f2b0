"""What a kind says of itself, beside its properties, which are model fields."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from credentials.models import formats
from credentials.models.formats import Format
from credentials.models.rate_limit import Limit

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from credentials.kinds.provider import Provider

# Properties by name, or what a probe answered.
Values = Mapping[str, Any]


class Declaration:
    """The upper-case names that a kind declares, and the methods that it overrides."""

    KIND: ClassVar[str] = ""
    PROVIDER: ClassVar["Provider"]
    LABEL: ClassVar["StrOrPromise"] = ""
    SUMMARY: ClassVar["StrOrPromise"] = ""
    HELP_URL: ClassVar[str] = ""
    # The documented properties in their order; "name" means the credential's own name.
    PROPERTIES: ClassVar[tuple[str, ...]] = ()
    # Those of them that decide to which host the secrets are sent.
    DESTINATION: ClassVar[tuple[str, ...]] = ()
    # Where only a probe tells the account: the properties which make it another one.
    SEPARATES: ClassVar[tuple[str, ...]] = ()
    # What their texts look like.
    FORMATS: ClassVar[tuple[Format, ...]] = ()
    # Older names in documents, for the kind and for its properties.
    OLDER_KINDS: ClassVar[tuple[str, ...]] = ()
    OLDER_PROPERTIES: ClassVar[Mapping[str, str]] = {}
    # How its secrets begin, and others of the provider: what begins so is kept out of addresses. Formats that
    # the provider promises, or that scanners for secrets know.
    SECRETS_BEGIN: ClassVar[tuple[str, ...]] = ()
    # Whether the kind authenticates through the platform's own OAuth app.
    USES_OAUTH_APP: ClassVar[bool] = False

    @classmethod
    def account_of(cls, properties: Values, answer: Values | None) -> str | None:
        """The provider's id of the account, from the properties or a probe's answer; None when unknown."""
        raise NotImplementedError

    @classmethod
    def default_limit(cls, properties: Values) -> Limit:
        """The rate limit that a new credential gets."""
        raise NotImplementedError

    def check_format(self) -> dict[str, Any]:
        """What is certainly wrong with the values, by property. Secrets are seen only while fresh."""
        return formats.problems(self, self.FORMATS, usual=False)

    def warnings(self) -> dict[str, Any]:
        """What looks odd but may be right, by property: formats that the provider does not promise."""
        return formats.problems(self, self.FORMATS, usual=True)
