"""Secrets at rest: every edge between plaintext and ciphertext is in this file.

A `SecretField` stores a Fernet token (by django-fernet-fields-v2's field and key derivation). What it adds:

- Loading never decrypts. The attribute gives a `Secret`, which prints as a mask and cannot be compared,
  pickled or serialised. Only `Secret.use()` (code) and `Secret.reveal()` (people) open it.
- A token is bound to its model, field, row, version and destination, all of them sealed together with the
  text, and so means nothing in any other place. Moving the row's destination makes its secrets unusable until
  entered again.
- `save()` and the insertion of new rows are the only writers. `update()`, `bulk_update()` and expressions
  raise: the library stores the encrypted *text of the expression* there, which destroys the secret of every
  row.

Each field brings two plain columns: `<name>_seal_version` counts replacements, `<name>_seal_key` names the
key.
"""

import base64
import functools
import hashlib
import hmac
import json
import re
import unicodedata
from typing import TYPE_CHECKING, Any, NoReturn, Self

from cryptography.fernet import Fernet, InvalidToken
from django import forms
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import models
from django.db.models.query_utils import DeferredAttribute
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from fernet_fields import EncryptedTextField
from fernet_fields.hkdf import derive_fernet_key

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from credentials.models.secret_holder import SecretHolder

MASK = "*" * 11
# What people paste when they copied a masked value somewhere: see is_mask(). Every part of the expressions is
# bounded, so that no text makes them go back over themselves for long.
FULL_STARS = "*•●∙·‧⬤◦○■█▇＊∗⁎✱★"
STARS = frozenset(FULL_STARS + ".…")
AROUND_STARS = frozenset(" \t\r\n|_-")
HIDDEN = rf"([{FULL_STARS}]{{3,64}}|\.{{3,16}}|…)"
MARKERS = re.compile(
    r"\[redacted\]|<redacted>|\[filtered\]|<hidden>|\(hidden\)|\(sensitive value\)|\$encrypted\$"
    r"|\*\*\*removed\*\*\*|SecretStr\('\*{1,64}'\)"
    rf"|((sk|rk|pk)_(live|test)|rt|whsec|shp[a-z]{{2}}|gh[a-z]|github_pat|lin_(api|oauth))_"
    rf"(\w{{0,40}}{HIDDEN}\w{{0,4}}|x{{8,99}})",
    re.IGNORECASE | re.ASCII,
)
SHORTENED = re.compile(rf"\S{{4}}{HIDDEN}\S{{4}}|\S{{4}}[{FULL_STARS}]{{4,64}}|[{FULL_STARS}]{{4,64}}\S{{4}}")
# Tokens are padded to whole blocks, so that their length does not tell the length of the secret.
BLOCK = 256


class SecretError(Exception):
    """A secret cannot be opened. `code` says why in one word; the message never holds the secret."""

    code = "secret_error"


class UnreadableSecret(SecretError):
    """No key in FERNET_KEYS opens it, or it is damaged."""

    code = "decryption_failed"


class SealedElsewhere(SecretError):
    """It was sealed for another row, field or version: somebody moved the stored token."""

    code = "sealed_for_another_row"


class DestinationChanged(SecretError):
    """It was sealed for another destination, and must be entered again."""

    code = "secret_must_be_reentered"


# --- keys ---------------------------------------------------------------------------------------------------


def key_id(key: str) -> str:
    """The public name of a key: eight hexadecimal digits of the hash of what is derived from it."""
    return hashlib.sha256(derive_fernet_key(key)).hexdigest()[:8]


@functools.lru_cache(maxsize=8)
def _fernets(keys: tuple[str, ...]) -> dict[str, Fernet]:
    return {key_id(key): Fernet(derive_fernet_key(key)) for key in keys}


def keyring() -> dict[str, Fernet]:
    """The keys in force by key id, newest first. Raises ImproperlyConfigured where there is none."""
    # A text would be taken for a list of one-letter keys.
    if not isinstance(settings.FERNET_KEYS, (list, tuple)) or not all(map(_is_key, settings.FERNET_KEYS)):
        raise ImproperlyConfigured("FERNET_KEYS must be a list of keys of at least 32 characters.")
    if not settings.FERNET_KEYS:
        raise ImproperlyConfigured("FERNET_KEYS holds no key.")
    return _fernets(tuple(settings.FERNET_KEYS))


def _is_key(key: object) -> bool:
    return isinstance(key, str) and len(key) >= 32


def fingerprint(text: "str | Fresh") -> str:
    """A keyed hash of a secret: finds equal secrets without opening any. 64 hexadecimal digits."""
    key = settings.FINGERPRINT_KEY.encode()
    return hmac.digest(key, b"lanyard fingerprint 1\0" + _utf8(text), "sha256").hex()


def _utf8(text: "str | Fresh") -> bytes:
    return (text.text if isinstance(text, Fresh) else text).encode("utf-8", "surrogatepass")


# --- the seal -----------------------------------------------------------------------------------------------


def seal(text: "str | Fresh", place: list[Any], destination: tuple[str, ...]) -> tuple[str, bytes]:
    """Seal a text for one place and destination; returns the key's id and the token."""
    newest, fernet = next(iter(keyring().items()))
    return newest, fernet.encrypt(_payload(text, place, destination))


def _payload(text: "str | Fresh", place: list[Any], destination: tuple[str, ...]) -> bytes:
    plain = text.text if isinstance(text, Fresh) else text
    payload = json.dumps([1, place, list(destination), plain]).encode()
    return payload + b" " * (-len(payload) % BLOCK)


def unseal(token: bytes, key: str, place: list[Any], destination: tuple[str, ...]) -> str:
    """The text of a token that was sealed for exactly this place and destination.

    Raises UnreadableSecret, SealedElsewhere or DestinationChanged.
    """
    fernet = keyring().get(key)
    if fernet is None:
        raise UnreadableSecret(f"The key {key or '(none)'} that sealed it is not in FERNET_KEYS.")
    contents: Any = _decrypt(fernet, token)
    error: SecretError | None = None
    if contents is None:
        error = UnreadableSecret(f"The key {key} does not open it: the stored value is damaged.")
    elif contents[1] != place:
        error = SealedElsewhere("It was sealed for another row, field or version.")
    elif contents[2] != list(destination):
        error = DestinationChanged("Its destination has changed since it was entered: enter it again.")
    if error:
        # A traceback keeps the variables of its frames, and error reporters print them.
        del contents
        raise error
    return contents[3]


def reseal(token: bytes, key: str) -> tuple[str, bytes] | None:
    """A token under the newest key, with all that it was sealed with; None where its key does not open it.

    The text is opened in this frame only, and nothing of it is looked at: what was moved stays unusable.
    """
    newest, fernet = next(iter(keyring().items()))
    old = keyring().get(key)
    try:
        return (newest, fernet.encrypt(old.decrypt(token))) if old else None
    except InvalidToken:
        return None


def _decrypt(fernet: Fernet, token: bytes) -> list[Any] | None:
    try:
        contents = json.loads(fernet.decrypt(token))
    except (InvalidToken, ValueError):
        return None
    return contents if isinstance(contents, list) and len(contents) == 4 and contents[0] == 1 else None


class _Opaque:
    """What stands in an instance's __dict__ for a secret: prints as a mask, refuses serialisation."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("A secret cannot be pickled or serialised.")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self


class Sealed(_Opaque):
    """A token as it is stored. `digest` is the secret's fingerprint, known only if it was sealed just now."""

    __slots__ = ("digest", "token")

    def __init__(self, token: bytes, digest: str = ""):
        self.token = token
        self.digest = digest


class Fresh(_Opaque):
    """A secret that was assigned and not saved yet."""

    __slots__ = ("text",)

    def __init__(self, text: str):
        self.text = text


class Refused(_Opaque):
    """What a fixture holds in place of a token. Only the attempt to store it fails: Django repeats the value
    in the message of an error that is raised any earlier."""

    __slots__ = ()


class Cleared(_Opaque):
    """A stored secret that was set to None and not saved yet."""

    __slots__ = ()


class Secret(_Opaque):
    """One secret of one row: what `credential.refresh_token` gives. True, masked, and closed until used."""

    __slots__ = ("_field", "_owner")

    def __init__(self, owner: "SecretHolder", field: "SecretField"):
        self._owner = owner
        self._field = field

    __str__ = _Opaque.__repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (str, bytes)):
            del other
            raise TypeError("A secret is not compared with a text. Compare fingerprints.")
        return self is other

    __hash__ = None  # type: ignore[assignment]  # how Python says unhashable

    @property
    def key(self) -> str:
        """The id of the key that sealed it; an empty string before it is saved."""
        return getattr(self._owner, self._field.key_name)

    @property
    def readable(self) -> bool:
        """Whether a key for it is at hand. Does not decrypt; a damaged token shows only when it is opened."""
        return isinstance(self._state, Fresh) or self.key in keyring()

    def opens(self) -> bool:
        """Whether it can be opened for its row and destination as these are now. Decrypts, and forgets."""
        try:
            self._open()
        except SecretError:
            return False
        return True

    def use(self, destination: tuple[str, ...]) -> str:
        """The plaintext, for the code that sends it to `destination` and nowhere else.

        Raises SecretError: unreadable, moved, or sealed for another destination than the row's or that named.
        """
        if destination != self._owner.destination():
            raise DestinationChanged("This secret belongs to another destination.")
        # Opened twice, so that no frame holds the text while the use is noted, which may fail.
        self._open()
        self._owner.secret_used()
        return self._open()

    use.alters_data = True  # type: ignore[attr-defined]  # no template may call it

    def reveal(self, *, actor: Any, reason: str) -> str:
        """The plaintext, for a person. It is recorded first; what cannot be recorded is not revealed.

        Raises PermissionDenied (no right, or too often), ValidationError (no reason) and SecretError.
        """
        self._owner.authorise_reveal(self._field.name, actor=actor, reason=reason)
        return self._open()

    reveal.alters_data = True  # type: ignore[attr-defined]  # no template may call it

    @property
    def _state(self) -> Sealed | Fresh | Cleared | Refused | None:
        return self._field.state(self._owner)

    def _open(self) -> str:
        state = self._state
        if isinstance(state, Fresh):
            return state.text
        if not isinstance(state, Sealed):
            raise SecretError("It is not set any more.")
        try:
            return unseal(state.token, self.key, self._field.place(self._owner), self._owner.destination())
        except (UnreadableSecret, SealedElsewhere):
            self._owner.secret_failed(self._field)
            raise


class SecretAttribute(DeferredAttribute):
    """The attribute of a SecretField: gives a Secret or None, takes a text or None."""

    field: "SecretField"

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return self
        super().__get__(instance, cls)  # loads it where it was deferred
        state = instance.__dict__[self.field.attname]
        return None if state is None or isinstance(state, Cleared) else Secret(instance, self.field)

    def __set__(self, instance: Any, value: Any) -> None:
        name = self.field.attname
        before = instance.__dict__.get(name)
        if isinstance(value, Secret):
            if value._owner is instance and value._field.attname == name:
                return
            # refresh_from_db() copies from a second instance of the same row. Nothing else may.
            if (type(value._owner), value._owner.pk, value._field.attname) != (
                type(instance),
                instance.pk,
                name,
            ):
                raise TypeError("A secret cannot be copied to another row or field. Enter it there.")
            value = value._state
        if isinstance(value, str):
            value = Fresh(value)
        elif value is None:
            # Absent from a stored row means deferred: there may be one to clear.
            stored = before is not None if name in instance.__dict__ else not instance._state.adding
            value = Cleared() if stored else None
        elif not isinstance(value, (Sealed, Fresh, Cleared, Refused)):
            found = type(value).__name__
            del value
            raise TypeError(f"{self.field.name}: a secret is a text, not {found}.")
        instance.__dict__[name] = value


# --- the field ----------------------------------------------------------------------------------------------


def problem(
    text: str, *, max_length: int, multiline: bool = False, spaces: bool = False
) -> "StrOrPromise | None":
    """Why a text cannot be a secret, or None. The words never repeat the text.

    It returns and does not raise: the frame that holds the text must not end up in a traceback.
    """
    if not text:
        return _("Enter the secret.")
    if len(text) > max_length:
        return _("This is too long to be the secret: %(length)d characters, at most %(max)d.") % {
            "length": len(text),
            "max": max_length,
        }
    if is_mask(text, password=spaces):
        return _("This is a masked value: enter the secret itself.")
    allowed = "\r\n\t" if multiline else ""
    for position, character in enumerate(text, start=1):
        control = character < " " or "\x7f" <= character <= "\x9f"
        if "\ud800" <= character <= "\udfff" or (control and character not in allowed):
            return _("Character %(position)d is a control character: copy the secret again.") % {
                "position": position
            }
    if not spaces and not multiline and (text != text.strip() or _invisible(text[0]) or _invisible(text[-1])):
        return _("The secret begins or ends with a space or an invisible character: leave it out.")
    return None


def is_mask(text: str, *, password: bool = False) -> bool:
    """Whether a text is a masked secret and not a secret, in time proportional to its length.

    In every field, because neither providers nor people choose these:
    - nothing but stars, bullets, blocks or dots, at least three of them, with separators or not: `***-***`;
    - what well-known tools write for a secret: `[REDACTED]`, `<hidden>`, `sealed:...`;
    - the beginning of a well-known key that is hidden from there, up to four characters at the end left out:
      `sk_live_...wxyz`, `shpat_********`, `sk_test_xxxxxxxx`.
    In fields for secrets that a provider makes, also a shortened one: exactly four characters, what hides the
    rest, and exactly four characters, `abcd...wxyz`; with four stars or more one end is enough, `****wxyz`.
    A password that somebody chose may look like that: `wait...what`.
    """
    hidden = sum(3 if character == "…" else 1 for character in text if character in STARS)
    if text.startswith("sealed:") or (hidden >= 3 and (STARS | AROUND_STARS).issuperset(text)):
        return True
    if len(text) > 256:
        return False
    return MARKERS.fullmatch(text) is not None or (not password and SHORTENED.fullmatch(text) is not None)


def _invisible(character: str) -> bool:
    return unicodedata.category(character) == "Cf"


class SecretField(EncryptedTextField):
    """A secret, sealed at rest. The model must offer what `credentials.models.secret_holder` gives it.

    `multiline` is for keys in PEM form; `spaces` allows white space at the ends, as passwords may have it.
    """

    descriptor_class = SecretAttribute
    empty_values = (None,)
    default_max_length = 8192

    def __init__(self, *args: Any, multiline: bool = False, spaces: bool = False, **kwargs: Any):
        if "db_default" in kwargs or "default" in kwargs:
            raise ImproperlyConfigured("A SecretField has no default: it would stand in the schema in clear.")
        self.multiline = multiline
        self.spaces = spaces
        kwargs.setdefault("max_length", self.default_max_length)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        if kwargs.get("max_length") == self.default_max_length:
            del kwargs["max_length"]
        kwargs |= {key: True for key in ("multiline", "spaces") if getattr(self, key)}
        return name, path, args, kwargs

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        self.version_name, self.key_name = f"{name}_seal_version", f"{name}_seal_key"
        # Migrations list the two columns by themselves; an abstract model hands them on with the field.
        if cls.__module__ != "__fake__" and not cls._meta.abstract:
            version = models.PositiveIntegerField(_("version of the seal"), default=0, editable=False)
            key = models.CharField(_("key of the seal"), max_length=8, default="", blank=True, editable=False)
            cls.add_to_class(self.version_name, version)
            cls.add_to_class(self.key_name, key)

    def place(self, instance: "SecretHolder") -> list[Any]:
        """Where a secret of this field stands: model, field, row, version. Sealed with the secret."""
        return [
            self.model._meta.label_lower,
            self.name,
            # Not the primary key: it is None while the parent row of a child model is being saved.
            str(instance.id),
            getattr(instance, self.version_name),
        ]

    def state(self, instance: models.Model) -> Sealed | Fresh | Cleared | Refused | None:
        """What an instance holds for this field, without opening it."""
        return instance.__dict__.get(self.attname)

    def problem(self, text: str) -> "StrOrPromise | None":
        """Why a text cannot be a secret of this field, or None."""
        return problem(text, max_length=self.max_length, multiline=self.multiline, spaces=self.spaces)

    def clean(self, value: Any, model_instance: Any) -> Any:
        state = self.state(model_instance)
        message: StrOrPromise | None = None
        if isinstance(state, Fresh):
            message = self.problem(state.text)
        elif value is None and not self.blank:
            message = _("Enter the secret.")
        if message:
            raise ValidationError(message, code="secret")
        return value

    def pre_save(self, model_instance: Any, add: bool) -> Any:
        state = self.state(model_instance)
        if isinstance(state, Fresh):
            if not hasattr(model_instance, "destination"):
                raise TypeError("Models of a migration cannot seal secrets. Use the real model.")
            self._next_version(model_instance)
            key, token = seal(state, self.place(model_instance), model_instance.destination())
            setattr(model_instance, self.key_name, key)
            state = Sealed(token, fingerprint(state))
            model_instance.__dict__[self.attname] = state
        elif isinstance(state, Cleared):
            self._next_version(model_instance)
            setattr(model_instance, self.key_name, "")
            state = model_instance.__dict__[self.attname] = None
        return state

    def _next_version(self, instance: models.Model) -> None:
        setattr(instance, self.version_name, (getattr(instance, self.version_name) or 0) + 1)

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if value is None:
            return None
        if isinstance(value, Secret):  # loaddata saves what the attribute gives
            value = value._state
        if isinstance(value, Refused):
            raise ValueError(f"{self.name}: a fixture holds no secret in clear. Use import_credentials.")
        if not isinstance(value, Sealed):
            raise TypeError(
                f"{self.name}: only save() and the insertion of new rows write a secret, "
                "not update(), bulk_update() or an expression."
            )
        return connection.Database.Binary(value.token)

    def from_db_value(self, value: Any, expression: Any, connection: Any, *args: Any) -> Sealed | None:
        if value is None:
            return None
        # SQLite keeps whatever somebody wrote past Django, a number too.
        return Sealed(bytes(value) if isinstance(value, (bytes, memoryview)) else b"")

    def to_python(self, value: Any) -> Any:
        """For loaddata, which takes back what dumpdata gave: the token, readable only where its key is."""
        if value is None or isinstance(value, (Secret, Sealed)):
            return value
        try:
            token = base64.b64decode(value.removeprefix("sealed:"), validate=True)
        except (AttributeError, TypeError, ValueError):
            return Refused()
        # Every token of Fernet begins like this: its version and the high bytes of its time.
        return Sealed(token) if value.startswith("sealed:") and token.startswith(b"gAAAA") else Refused()

    def value_to_string(self, obj: models.Model) -> str:
        state = self.state(obj)
        if not isinstance(state, Sealed):
            raise TypeError("A secret is serialised only after it was saved.")
        return "sealed:" + base64.b64encode(state.token).decode()

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        """Empty keeps what is stored."""
        if data:
            setattr(instance, self.name, data)

    def formfield(self, **kwargs: Any) -> Any:
        help_text: Any = kwargs.get("help_text", self.help_text)
        field = SecretFormField(
            label=kwargs.get("label", capfirst(self.verbose_name)),
            help_text=help_text,
            required=not self.blank,
            strip=not self.spaces,
        )
        field.widget = SecretTextarea() if self.multiline else SecretInput()
        return field


# --- the form -----------------------------------------------------------------------------------------------


class SecretInput(forms.PasswordInput):
    """An input which never renders a value, neither the stored one nor the one just sent."""

    def __init__(self, attrs: dict | None = None):
        super().__init__(
            {"autocomplete": "new-password", "spellcheck": "false", "data-secret": "", **(attrs or {})},
            render_value=False,
        )


class SecretTextarea(forms.Textarea):
    """The same for secrets of several lines."""

    def __init__(self, attrs: dict | None = None):
        super().__init__(
            {"autocomplete": "off", "spellcheck": "false", "rows": 4, "data-secret": "", **(attrs or {})}
        )

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


class SecretFormField(forms.CharField):
    """Write-only: nothing is shown, empty means "keep what is stored"."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(data)

    def bound_data(self, data: Any, initial: Any) -> None:
        return None

    def prepare_value(self, value: Any) -> None:
        return None

    def to_python(self, value: Any) -> str:
        return "" if isinstance(value, Secret) else super().to_python(value) or ""


def secret_fields(model: type[models.Model]) -> list[SecretField]:
    """The secret fields of a model, in order of declaration."""
    return [field for field in model._meta.concrete_fields if isinstance(field, SecretField)]
