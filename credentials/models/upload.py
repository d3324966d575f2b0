"""A file of documents that somebody has sent, between its preview and its import."""

import base64
import uuid
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NoReturn, Self

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from credentials.sealing import SecretField

# Time to look at a preview, and at what came of it.
LIFETIME = timedelta(hours=1)
# Bytes of the file in one piece.
PIECE = 262_144
LONGEST_NAME = 120


class UploadQuerySet(models.QuerySet["Upload"]):
    def alive(self) -> Self:
        return self.filter(created_at__gt=timezone.now() - LIFETIME)

    def purge(self) -> int:
        """Remove those whose time is over, with their content; returns how many."""
        return self.filter(created_at__lte=timezone.now() - LIFETIME).delete()[1].get("credentials.Upload", 0)


class Upload(models.Model):
    """One file of one person. What is in it is sealed in pieces, which go as soon as it is imported; what was
    found of it, which never repeats a value, goes with the rest."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, editable=False, related_name="+"
    )
    name = models.CharField(max_length=LONGEST_NAME, editable=False)
    size = models.PositiveIntegerField(editable=False)
    form = models.CharField(max_length=8, editable=False)
    # Of CSV: what each column is taken for, empty for one that is left out; None: as its own header says.
    columns = models.JSONField(null=True, editable=False)
    # The kind of every row of CSV that names none.
    kind = models.CharField(max_length=40, blank=True, editable=False)
    preview = models.JSONField(null=True, editable=False, encoder=DjangoJSONEncoder)
    result = models.JSONField(null=True, editable=False, encoder=DjangoJSONEncoder)
    created_at = models.DateTimeField(auto_now_add=True)
    begun_at = models.DateTimeField(null=True, editable=False)

    objects = UploadQuerySet.as_manager()

    class Meta:
        verbose_name = _("file to import")
        verbose_name_plural = _("files to import")
        default_permissions = ()
        indexes = [models.Index(fields=["created_at"], name="upload_created")]

    def __str__(self) -> str:
        return self.name

    @property
    def gone_at(self) -> datetime:
        return self.created_at + LIFETIME

    def keep(self, content: bytes) -> None:
        """Store the row with its content, sealed."""
        starts = range(0, len(content), PIECE)
        with transaction.atomic():
            self.save(force_insert=True)
            UploadPiece.objects.bulk_create(
                [
                    UploadPiece(upload=self, number=number, content=_packed(content[start : start + PIECE]))
                    for number, start in enumerate(starts)
                ],
                batch_size=20,
            )

    def opened(self) -> bytes:
        """The content. Raises SecretError where its key is gone."""
        return b"".join(self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        for piece in self.pieces.order_by("number").iterator(chunk_size=20):
            yield zlib.decompress(base64.b64decode(piece.content.use(piece.destination())))

    def forget(self) -> None:
        """Remove the content."""
        self.pieces.all().delete()


def _packed(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 1)).decode()


class UploadPiece(models.Model):
    """A part of the content, bounded so that no row is large."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    upload = models.ForeignKey(Upload, on_delete=models.CASCADE, editable=False, related_name="pieces")
    number = models.PositiveIntegerField(editable=False)
    content = SecretField(_("content"), max_length=2 * PIECE, editable=False)

    class Meta:
        verbose_name = _("piece of a file")
        verbose_name_plural = _("pieces of files")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["upload", "number"], name="upload_piece_once")]

    def __str__(self) -> str:
        return f"piece {self.number} of a file"

    # --- what a SecretField asks of its row -----------------------------------------------------------------

    def destination(self) -> tuple[str, ...]:
        """Nowhere but the import of this file."""
        return ("upload", str(self.upload_id))

    def secret_used(self) -> None:
        """It is gone after its import."""

    def secret_failed(self, field: SecretField) -> None:
        """The file is sent again: nothing to note."""

    def authorise_reveal(self, field: str, *, actor: Any, reason: str) -> NoReturn:
        raise TypeError("An uploaded file is not shown to people.")
