"""The form of a channel: of all that a channel can have, what its way needs."""

import base64
import secrets
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from credentials import kinds
from credentials.forms import SecretHolderForm
from credentials.models import Channel
from health import admin_base
from health.models import Component

RULES = ("owner", "providers", "kinds", "metadata", "recoveries", "remind_every")
FIELDS = {
    Channel.Way.EMAIL.value: ("addresses",),
    Channel.Way.SLACK.value: ("url",),
    Channel.Way.WEBHOOK.value: ("url", "signing_secret"),
}


class MetadataField(forms.CharField):
    """Pairs, one on each line: customer_id=acme. Gives an object."""

    empty_values = [None, ""]

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(f"{key}={one}" for key, one in value.items()) if isinstance(value, dict) else value

    def to_python(self, value: Any) -> Any:
        found: dict[str, str] = {}
        for number, line in enumerate((value or "").splitlines(), start=1):
            if not line.strip():
                continue
            key, equals, text = (part.strip() for part in line.partition("="))
            if not (key and equals and text):
                raise ValidationError(_("Line %d is not of the form key=value.") % number)
            if key in found:
                raise ValidationError(_("Line %(n)d names %(key)s once more.") % {"n": number, "key": key})
            found[key] = text
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return (initial or {}) != self.to_python(data)
        except ValidationError:
            return True


class ChannelForm(SecretHolderForm):
    """Which fields there are follows from the way; `WAY` is that of a new channel."""

    WAY = ""

    providers = forms.MultipleChoiceField(
        label=gettext_lazy("Providers"),
        choices=[(one.key, one.name) for one in kinds.PROVIDERS.values()],
        required=False,
        widget=admin_base.UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=Channel._meta.get_field("providers").help_text,
    )
    kinds = forms.MultipleChoiceField(
        label=gettext_lazy("Kinds of components"),
        choices=Component.Kind.choices,
        required=False,
        widget=admin_base.UnfoldAdminCheckboxSelectMultipleWidget,
        help_text=Channel._meta.get_field("kinds").help_text,
    )
    metadata = MetadataField(
        label=gettext_lazy("Metadata of the credential"),
        required=False,
        max_length=2000,
        widget=admin_base.UnfoldAdminTextareaWidget({"rows": 3, "placeholder": "customer_id=acme"}),
        help_text=Channel._meta.get_field("metadata").help_text,
    )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.instance._state.adding:
            self.instance.way = self.WAY
        for name in ("remove_url", "remove_signing_secret"):
            self.fields.pop(name, None)
        if "addresses" in self.fields:
            self.fields["addresses"].required = True
        if "url" in self.fields:
            self._explain_url(self.fields["url"])
        if "signing_secret" in self.fields:
            self._offer_secret(self.fields["signing_secret"])

    def _explain_url(self, field: forms.Field) -> None:
        hosts = settings.NOTIFICATION_HOSTS
        approved = (
            _("Approved hosts: %s.") % ", ".join(hosts)
            if hosts
            else _("No host is approved yet. Whoever runs Lanyard names those in NOTIFICATION_HOSTS.")
        )
        field.required = self.instance._state.adding
        field.help_text = f"{field.help_text} {approved}"
        if not self.instance._state.adding and "signing_secret" in self.fields:
            again = _("With a new URL the signing secret is entered again.")
            field.help_text = f"{field.help_text} {again}"

    def _offer_secret(self, field: forms.Field) -> None:
        field.required = self.instance._state.adding
        made = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        offer = _("Here is one that was made just now and is kept nowhere:")
        field.help_text = format_html("{} {} <code>{}</code>", field.help_text, offer, made)

    class Meta:
        model = Channel
        fields = ("name", "enabled", "addresses", "url", "signing_secret", *RULES)
