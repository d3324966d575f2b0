"""What a person says before they are sent to a provider's consent page."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from credentials.models import Credential, OAuthApp
from credentials.models import properties as declared


class ConnectForm(forms.Form):
    """The OAuth app, a name, and the properties that decide where the consent page is."""

    oauth_app = forms.ModelChoiceField(
        OAuthApp.objects.none(),
        label=gettext_lazy("OAuth app"),
        empty_label=None,
        help_text=gettext_lazy("The app that the customer is asked to allow."),
        widget=UnfoldAdminSelectWidget,
    )
    name = forms.CharField(
        label=gettext_lazy("Name"),
        required=False,
        max_length=200,
        help_text=gettext_lazy("What people here call it. Empty: the provider and the account."),
        widget=UnfoldAdminTextInputWidget,
    )

    def __init__(self, kind: type[Credential], *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.kind = kind
        apps = OAuthApp.objects.filter(provider=kind.PROVIDER.key).order_by("-is_default", "name")
        choice: Any = self.fields["oauth_app"]
        choice.queryset = apps
        choice.initial = apps.first()
        consent = kind.CONSENT
        for name in consent.asks if consent else ():
            field = declared.field_of(kind, name)
            asked = field.formfield()
            if asked is None:
                raise TypeError(f"{name} cannot be asked for.")
            select = isinstance(asked.widget, forms.Select)
            asked.widget = (
                UnfoldAdminSelectWidget(choices=asked.widget.choices)
                if select
                else UnfoldAdminTextInputWidget()
            )
            self.fields[name] = asked

    def credential(self) -> Credential:
        """A credential of the kind as it was described, not stored."""
        values = (
            {name: self.cleaned_data[name] for name in self.kind.CONSENT.asks} if self.kind.CONSENT else {}
        )
        return self.kind(name=self.cleaned_data["name"], oauth_app=self.cleaned_data["oauth_app"], **values)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        # As it is stored: after the consent it is too late to say what is wrong with it.
        return str(declared.field_of(self.kind, "name").clean(name, None)) if name else ""

    def clean_oauth_app(self) -> OAuthApp:
        app: OAuthApp = self.cleaned_data["oauth_app"]
        if app.unreadable or not (app.client_secret or app.private_key):
            raise ValidationError(_("The secret of this app cannot be opened: enter it again first."))
        return app
