"""The form of an OAuth app."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from credentials import kinds
from credentials.forms import SecretHolderForm
from credentials.models import Credential, OAuthApp
from credentials.models.app_choice import followers, followers_by_provider
from health import admin_base


class OAuthAppForm(SecretHolderForm):
    """Its provider is chosen once. A change of the default app is confirmed where credentials follow it."""

    provider = forms.ChoiceField(label=gettext_lazy("Provider"), widget=admin_base.UnfoldAdminSelectWidget)
    # Shown only where there are such credentials.
    confirm_default = forms.BooleanField(
        label=gettext_lazy("Confirm"),
        required=False,
        widget=admin_base.UnfoldBooleanSwitchWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            provider: Any = self.fields["provider"]
            provider.choices = [("", _("Choose one"))] + [
                (kind.PROVIDER.key, kind.PROVIDER.name) for kind in _with_apps()
            ]
            counts = followers_by_provider()
        else:
            self.fields.pop("provider", None)
            count = followers(self.instance.provider).count()
            counts = {self.instance.provider: count} if count else {}
        if "is_default" in self.fields and counts:
            self.fields["confirm_default"].help_text = self._who_follows(counts)
        else:
            self.fields.pop("confirm_default", None)

    def _who_follows(self, counts: dict[str, int]) -> str:
        total = sum(counts.values())
        if self.instance._state.adding:
            named = (f"{kinds.PROVIDERS[key].name} {count:,}" for key, count in counts.items())
            return _("Needed with “default”. So many credentials name no app and will use this one: %s.") % (
                ", ".join(named)
            )
        words = ngettext(
            "Needed to change “default”. %(count)s credential names no app and follows the default one.",
            "Needed to change “default”. %(count)s credentials name no app and follow the default one.",
            total,
        )
        return words % {"count": f"{total:,}"}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "confirm_default" in self.fields and not cleaned.get("confirm_default"):
            self._ask_about_default(cleaned)
        return cleaned

    def _ask_about_default(self, cleaned: dict[str, Any]) -> None:
        """Refuse a change of the default app by which credentials get another app, or none."""
        default = cleaned.get("is_default", False)
        if default == (not self.instance._state.adding and self.initial.get("is_default", False)):
            return
        count = followers(cleaned.get("provider") or self.instance.provider).count()
        if not count:
            return
        if default:
            words = ngettext(
                "%(count)s credential that names no app will use this one: tick this to confirm.",
                "%(count)s credentials that name no app will use this one: tick this to confirm.",
                count,
            )
        else:
            words = ngettext(
                "%(count)s credential that names no app will have none: tick this to confirm.",
                "%(count)s credentials that name no app will have none: tick this to confirm.",
                count,
            )
        message = words % {"count": f"{count:,}"}
        self.add_error("confirm_default", ValidationError(message, code="confirm"))

    class Meta:
        model = OAuthApp
        fields = (
            *("name", "is_default", "client_id", "client_secret", "app_id", "private_key", "scopes"),
            "metadata",
        )


def _with_apps() -> list[type[Credential]]:
    """One kind for each provider that authenticates through an OAuth app of ours."""
    found = {kind.PROVIDER.key: kind for kind in kinds.KINDS.values() if kind.USES_OAUTH_APP}
    return sorted(found.values(), key=lambda kind: kind.PROVIDER.name)
