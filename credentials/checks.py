"""System checks: what must hold of the models, said before the server starts."""

from typing import Any

from django.apps import apps
from django.core import checks
from fernet_fields import EncryptedField

from credentials.models import AccessToken, Channel, Credential, PendingConsent, UploadPiece, kinds
from credentials.models.secret_holder import SecretHolder
from credentials.sealing import SecretField

# The models that give a SecretField what it asks of its row.
HOLDERS = (SecretHolder, AccessToken, PendingConsent, Channel, UploadPiece)


@checks.register(checks.Tags.models)
def check_secrets(**kwargs: Any) -> list[checks.Error]:
    """Every encrypted field is a SecretField, and stands on a model that keeps its promises."""
    errors = []
    for model in apps.get_models():
        for field in model._meta.local_concrete_fields:
            if isinstance(field, EncryptedField) and not isinstance(field, SecretField):
                errors.append(
                    checks.Error(
                        "An encrypted field of the library is used directly: "
                        "bulk_update() destroys its secrets.",
                        hint="Use credentials.sealing.SecretField.",
                        obj=field,
                        id="credentials.E001",
                    )
                )
            elif isinstance(field, SecretField) and not issubclass(model, HOLDERS):
                errors.append(
                    checks.Error(
                        "A SecretField stands on a model that is no SecretHolder.",
                        hint="Derive the model from credentials.models.secret_holder.SecretHolder.",
                        obj=field,
                        id="credentials.E002",
                    )
                )
    return errors


@checks.register(checks.Tags.models)
def check_kinds(**kwargs: Any) -> list[checks.Error]:
    """Every kind is listed, and declares what forms, documents and seals need."""
    errors = []
    for model in apps.get_models():
        if not issubclass(model, Credential) or model is Credential:
            continue
        missing = [
            name
            for name in ("KIND", "PROVIDER", "LABEL", "SUMMARY", "HELP_URL", "PROPERTIES")
            if not getattr(model, name, None)
        ]
        names = {field.name for field in model._meta.get_fields()}
        missing += [name for name in (*model.PROPERTIES, *model.DESTINATION) if name not in names]
        missing += [
            field.name
            for field in model._meta.local_concrete_fields
            if isinstance(field, SecretField) and field.name not in model.PROPERTIES
        ]
        if missing:
            errors.append(
                checks.Error(
                    f"This kind does not declare: {', '.join(missing)}.",
                    hint="See “Add a kind” in CONTRIBUTING.md.",
                    obj=model,
                    id="credentials.E003",
                )
            )
        elif kinds.KINDS.get(model.KIND) is not model:
            errors.append(
                checks.Error(
                    f"This kind is not in KINDS, or another one has its name “{model.KIND}”.",
                    hint="List it in credentials/kinds/__init__.py.",
                    obj=model,
                    id="credentials.E004",
                )
            )
    return errors
