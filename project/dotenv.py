"""The .env file: `python -m project.dotenv [FILE]` creates it with fresh keys. Standard library only."""

import os
import re
import secrets
import sys
import tempfile
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
DEFAULT_PATH = BASE_DIR / ".env"

LINE = re.compile(r"(?:export )?([A-Za-z_][A-Za-z_0-9]*)=(.*)")

TEMPLATE = """\
# Lanyard's settings. Keep this file secret, and keep a copy of it in a safe place:
# without FERNET_KEYS no stored secret can ever be read again.
# Variables of the real environment win over the lines here.

SECRET_KEY={secret_key}

# The keys that seal the stored secrets, newest first, separated by commas.
FERNET_KEYS={fernet_key}

# Recognises a secret that was seen before. It never changes.
FINGERPRINT_KEY={fingerprint_key}

# Other settings, with what they are when nothing is said:
# DATABASE_URL=sqlite:///db.sqlite3
# ALLOWED_HOSTS=127.0.0.1,localhost,[::1]
# HTTPS=off
# TIME_ZONE=UTC
# DEBUG=off
# METRICS_TOKEN=
# PROVIDER_SIMULATOR_URL=
# LANYARD_URL=
# NOTIFICATION_HOSTS=
# EMAIL_URL=
# EMAIL_FROM=lanyard@localhost
"""


def new_key() -> str:
    """Returns 32 random bytes as urlsafe base64, 43 characters."""
    return secrets.token_urlsafe(32)


def create(path: Path = DEFAULT_PATH) -> bool:
    """Creates the file with fresh keys, readable by its owner alone.

    Returns whether it was created: a file that is there already is never changed.
    """
    if path.is_symlink() or path.exists():
        return False
    text = TEMPLATE.format(
        secret_key=secrets.token_urlsafe(48), fernet_key=new_key(), fingerprint_key=new_key()
    )
    # Written aside and linked into place: link() fails when the name is taken, so that of two
    # processes one wins, and nobody ever sees half a file. mkstemp gives mode 0600.
    descriptor, written = tempfile.mkstemp(prefix=".env-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(written, path)
    except FileExistsError:
        return False
    finally:
        os.unlink(written)
    return True


def read(path: Path) -> tuple[list[str], list[str]]:
    """Returns the lines that are NAME=value, and one sentence for every other mistake in the file.

    The sentences hold no values. A file that does not exist has neither.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return [], []
    except UnicodeDecodeError:
        return [], [f"{path} is not UTF-8 text: write it again, one NAME=value on each line."]
    except OSError as error:
        return [], [f"{path} cannot be read ({error.strerror}): let this user read it, or move it away."]
    lines, mistakes = [], []
    line_of: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = LINE.fullmatch(line)
        if match is None and line.strip() and not line.startswith("#"):
            mistakes.append(
                f"{path}, line {number}: not NAME=value. Write it without blanks before the name or around"
                " the equals sign, or begin the line with # to leave it out."
            )
        if match is None:
            continue
        lines.append(line)
        if match[1] in line_of:
            mistakes.append(
                f"{path}, line {number}: {match[1]} was given on line {line_of[match[1]]} already. Keep one."
            )
        line_of.setdefault(match[1], number)
    return lines, mistakes


def main(arguments: list[str]) -> None:
    path = Path(arguments[0]) if arguments else DEFAULT_PATH
    try:
        created = create(path)
    except OSError as error:
        sys.exit(f"{path} cannot be created: {error.strerror}.")
    if created:
        sys.stdout.write(f"Created {path} with fresh keys. Keep a copy of it in a safe place.\n")


if __name__ == "__main__":
    main(sys.argv[1:])
