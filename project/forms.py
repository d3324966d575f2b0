"""Forms of users and groups. They offer what the person who fills them in may give, and leave the rest."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth.models import Group, User
from django.db import transaction
from unfold.forms import AdminPasswordChangeForm, UserChangeForm

from credentials import audit

if TYPE_CHECKING:
    Base = forms.ModelForm
else:
    Base = object


class KeepsWhatItDoesNotOffer(Base):
    """Of rows with many others, takes only those that the form offers; what it does not offer stays.

    So nobody loses a right because somebody saved the page who may not give it.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            for name, field in self.many().items():
                held = getattr(self.instance, name)
                self.initial[name] = list(held.filter(pk__in=field.queryset.order_by().values("pk")))

    def many(self) -> dict[str, Any]:
        return {
            name: field
            for name, field in self.fields.items()
            if isinstance(field, forms.ModelMultipleChoiceField)
        }

    def _save_m2m(self) -> None:
        for name, field in self.many().items():
            held = getattr(self.instance, name)
            hidden = held.exclude(pk__in=field.queryset.order_by().values("pk"))
            self.cleaned_data[name] = [*self.cleaned_data[name], *hidden]
        super()._save_m2m()  # type: ignore[misc]  # Django's ModelForm has it


class RightsField(forms.ModelMultipleChoiceField):
    """Rights in words, without the table that each belongs to: those in use are told apart by their names."""

    def label_from_instance(self, obj: Any) -> str:
        return str(obj.name)


class UserForm(KeepsWhatItDoesNotOffer, UserChangeForm):
    class Meta(UserChangeForm.Meta):
        model = User


class GroupForm(KeepsWhatItDoesNotOffer, forms.ModelForm):
    class Meta:
        model = Group
        fields = ("name", "permissions")


class PasswordForm(AdminPasswordChangeForm):
    """Another's password, set by a superuser."""

    def save(self, commit: bool = True) -> Any:
        with transaction.atomic():
            user = super().save(commit)
            audit.record("set_password", user, fields=["password"])
        return user
