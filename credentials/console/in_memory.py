"""How files come in: in memory only. Django's own handlers write a large one to a plain temporary file, which
stays on the disk where the process is killed, and a file of credentials is full of secrets."""

import io
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.urls import reverse

from credentials.console import uploads


class InMemory(FileUploadHandler):
    """Takes one file of at most `uploads.MOST` bytes, on the page that imports, of those who may. Every other
    file is read over; `request.file_too_large` says that it was for its length."""

    content: io.BytesIO
    taken = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.taken += 1
        if self.taken > 1 or not self._expected():
            raise SkipFile
        self.content = io.BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > uploads.MOST:
            self.content = io.BytesIO()
            self.request.file_too_large = True  # type: ignore[union-attr]  # it is that of this handler
            raise SkipFile
        self.content.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile | None:
        self.content.seek(0)
        return InMemoryUploadedFile(
            self.content,
            self.field_name,
            self.file_name,
            self.content_type,
            file_size,
            self.charset,
            self.content_type_extra,
        )

    def _expected(self) -> bool:
        request: Any = self.request
        user = getattr(request, "user", None)
        return bool(request.path == reverse("import_credentials") and user and user.has_perms(uploads.RIGHTS))
