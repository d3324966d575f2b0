"""Reads what the environment and .env say, and refuses to start on a mistake: all of them at once,
one line each, exit status 2. No line ever holds the value of a secret."""

import base64
import binascii
import io
import os
import re
import sys
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environ

from project import dotenv

SECRETS = ("SECRET_KEY", "FERNET_KEYS", "FINGERPRINT_KEY", "DATABASE_URL", "EMAIL_URL", "METRICS_TOKEN")
LOOPBACK_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
TRUE, FALSE = ("1", "on", "true", "yes"), ("0", "off", "false", "no")
HOST_NAME = re.compile(r"\*|\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\]")
SIMULATOR = re.compile(
    r"(http://)(127\.0\.0\.1|localhost|\[::1\])((?::[1-9]\d{0,4})?(?:/[\w.~-]+)*)/?", re.ASCII
)
BASE_URL = re.compile(r"https?://[A-Za-z0-9._-]+(:[1-9]\d{0,4})?(/[\w.~-]+)*", re.ASCII)
PLAIN_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]", re.ASCII)
MAIL_SCHEMES = ("smtp", "smtps", "smtp+tls", "smtp+ssl")
LOOPBACK = re.compile(r"(.+\.)?localhost|127(\.\d+){3}|\[::1\]", re.IGNORECASE)
HOW_TO_MAKE_A_KEY = (
    "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'. "
    "A new installation gets all its keys from: python3 -m project.dotenv"
)


@dataclass
class Environment:
    """Values by name, and the mistakes found while they are read."""

    values: Mapping[str, str]
    mistakes: list[str] = field(default_factory=list)

    def wrong(self, sentence: str) -> None:
        self.mistakes.append(sentence)

    def exit_on_mistakes(self) -> None:
        """Ends the process when there are mistakes: manage.py, gunicorn and pytest alike."""
        if self.mistakes:
            sys.stderr.write("".join(f"lanyard: {mistake}\n" for mistake in self.mistakes))
            raise SystemExit(2)

    def text(self, name: str) -> str:
        """Returns the value without blanks around it; empty when it is not given.

        A secret may be in the file that NAME_FILE names instead. (environ.Env.str is not used: it takes a
        value that begins with $ for the name of another variable.)
        """
        value = self.values.get(name, "").strip()
        file_name = self.values.get(f"{name}_FILE", "").strip() if name in SECRETS else ""
        if not file_name:
            return value
        if value:
            self.wrong(f"{name} and {name}_FILE are both given: keep one of them.")
            return value
        try:
            value = Path(file_name).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            self.wrong(
                f"{name}_FILE: {file_name!r} cannot be read ({reason}). Name a file this user can read."
            )
            return ""
        if not value:
            self.wrong(f"{name}_FILE: {file_name!r} is empty. Put the value into it.")
        return value

    def required(self, name: str) -> str:
        """Returns the value; that there is none is a mistake, said once."""
        mistakes_before = len(self.mistakes)
        value = self.text(name)
        if not split(value) and len(self.mistakes) == mistakes_before:
            self.wrong(f"{name} is not set: put it into .env or the environment. {HOW_TO_MAKE_A_KEY}")
        return value

    def switch(self, name: str) -> bool:
        value = self.text(name).lower()
        if value and value not in TRUE + FALSE:
            self.wrong(f"{name} is neither on nor off: write {name}=on or {name}=off.")
        return value in TRUE

    def secret_key(self) -> str:
        key = self.required("SECRET_KEY")
        if key.startswith("django-insecure"):
            self.wrong(f"SECRET_KEY begins with django-insecure: it is an example. {HOW_TO_MAKE_A_KEY}")
        elif 0 < len(key) < 50:
            self.wrong(f"SECRET_KEY has {len(key)} characters: at least 50 are needed. {HOW_TO_MAKE_A_KEY}")
        elif key and (len(set(key)) < 10 or is_periodic(key)):
            self.wrong(f"SECRET_KEY can be guessed: it repeats itself. {HOW_TO_MAKE_A_KEY}")
        return key

    def random_keys(self, name: str) -> list[str]:
        """Returns the keys that NAME lists; each must be 32 random bytes or more as urlsafe base64."""
        keys = split(self.required(name))
        for number, key in enumerate(keys, start=1):
            if weakness := weakness_of(key):
                which = f"{name}, key {number}," if len(keys) > 1 else name
                self.wrong(f"{which} {weakness}. {HOW_TO_MAKE_A_KEY}")
        for (first, one), (second, other) in combinations(enumerate(keys, start=1), 2):
            if same_key(one, other):
                self.wrong(f"{name}: key {first} and key {second} are the same. Remove one of them.")
        return keys

    def random_key(self, name: str) -> str:
        keys = self.random_keys(name)
        if len(keys) > 1:
            self.wrong(f"{name} holds {len(keys)} keys: keep one.")
        return keys[0] if keys else ""

    def must_differ(self, secret_key: str, fernet_keys: list[str], fingerprint_key: str) -> None:
        named = [(f"FERNET_KEYS, key {number},", key) for number, key in enumerate(fernet_keys, start=1)]
        for name, key in named:
            if same_key(key, fingerprint_key):
                self.wrong(f"{name} is the FINGERPRINT_KEY: they must differ. {HOW_TO_MAKE_A_KEY}")
        for name, key in [*named, ("FINGERPRINT_KEY", fingerprint_key)]:
            if same_key(key, secret_key):
                self.wrong(f"{name} is the SECRET_KEY: they must differ. {HOW_TO_MAKE_A_KEY}")

    def hosts(self, *, debug: bool, https: bool) -> list[str]:
        hosts = split(self.text("ALLOWED_HOSTS")) or LOOPBACK_HOSTS
        for host in hosts:
            if not HOST_NAME.fullmatch(host):
                self.wrong(
                    f"ALLOWED_HOSTS: {host!r} is not a host name. Leave out https://, the port and paths."
                )
        if https and "*" in hosts:
            self.wrong("ALLOWED_HOSTS is * although HTTPS is on: name the hosts.")
        if debug and not all(LOOPBACK.fullmatch(host) for host in hosts):
            self.wrong("DEBUG is on although ALLOWED_HOSTS names more than this machine: set DEBUG=off.")
        return hosts

    def provider_simulator(self, hosts: list[str]) -> str:
        """Returns the address of the simulator that answers in the place of all providers; empty for none."""
        text = self.text("PROVIDER_SIMULATOR_URL")
        if not text:
            return ""
        match = SIMULATOR.fullmatch(text)
        if not match:
            self.wrong(
                "PROVIDER_SIMULATOR_URL is not an http address of this machine. "
                "Write one such as http://127.0.0.1:8400."
            )
            return ""
        if not all(LOOPBACK.fullmatch(host) for host in hosts):
            self.wrong(
                "PROVIDER_SIMULATOR_URL is set although ALLOWED_HOSTS names more than this machine: "
                "where others come, calls go to the providers. Remove one of them."
            )
        scheme, host, rest = match.groups()
        return scheme + ("127.0.0.1" if host == "localhost" else host) + rest

    def time_zone(self) -> str:
        name = self.text("TIME_ZONE") or "UTC"
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            self.wrong(f"TIME_ZONE: {name!r} is not a time zone. Write one such as UTC or Europe/Berlin.")
            return "UTC"
        return name

    def token(self, name: str) -> str:
        """Returns what others must know to be let in; empty for none."""
        text = self.text(name)
        if text and (len(text) < 24 or not (text.isascii() and text.isprintable()) or is_periodic(text)):
            self.wrong(
                f"{name} can be guessed, or holds odd characters: at least 24 are needed. {HOW_TO_MAKE_A_KEY}"
            )
            return ""
        return text

    def base_url(self, name: str) -> str:
        """Returns the address under which people reach Lanyard, without a slash at the end; empty: none."""
        text = self.text(name).rstrip("/")
        if text and not BASE_URL.fullmatch(text):
            self.wrong(f"{name} is not an address. Write one such as https://lanyard.example.com.")
            return ""
        return text

    def plain_hosts(self, name: str) -> list[str]:
        """Returns names of hosts, in small letters: each is one host, none stands for several."""
        hosts = [host.lower() for host in split(self.text(name))]
        for host in hosts:
            if not PLAIN_HOST.fullmatch(host):
                self.wrong(
                    f"{name}: {host!r} is not the full name of a host, such as hooks.slack.com. "
                    "Leave out https://, the port, paths and stars."
                )
        return hosts

    def mail(self, name: str) -> dict[str, Any]:
        """Returns Django's settings of the mail server; none where no server is given."""
        url = self.text(name)
        if not url:
            return {}
        try:
            if url.partition("://")[0].lower() not in MAIL_SCHEMES or not urlsplit(url).hostname:
                raise ValueError
            config: dict[str, Any] = environ.Env.email_url_config(url)
        except (ValueError, KeyError):  # its text may hold the password
            self.wrong(
                f"{name} is not smtp+tls://USER:PASSWORD@HOST:PORT, smtp+ssl://... or smtp://HOST:PORT. "
                "Write % codes for special characters of the password."
            )
            return {}
        by_security = 465 if config.get("EMAIL_USE_SSL") else 587 if config.get("EMAIL_USE_TLS") else 25
        return config | {"EMAIL_PORT": config.get("EMAIL_PORT") or by_security}

    def database(self, base_dir: Path) -> dict[str, Any]:
        """Returns Django's settings of the database. A PostgreSQL socket may stand in ?host=DIR or,
        with %2F for each slash, in the place of the host."""
        url = self.text("DATABASE_URL") or "sqlite:///db.sqlite3"
        scheme = url.partition("://")[0].lower()
        if scheme not in ("sqlite", "postgres", "postgresql"):
            self.wrong("DATABASE_URL is not sqlite:///FILE or postgresql://USER:PASSWORD@HOST:PORT/NAME.")
            return {}
        try:
            split_url = urlsplit(url)
            if scheme == "sqlite" and (split_url.netloc or not split_url.path.strip("/")):
                self.wrong(
                    "DATABASE_URL names no file: write sqlite:///NAME, or sqlite:////PATH from the root."
                )
                return {}
            config: dict[str, Any] = environ.Env.db_url_config(url)
        except ValueError:  # its text may hold the password: what follows a / in one is read as the port
            self.wrong("DATABASE_URL cannot be read: write % codes for special characters of the password.")
            return {}
        host = split_url.netloc.rpartition("@")[2]
        if "%2f" in host.lower():  # django-environ leaves it as it is, in small letters
            config["HOST"] = unquote(host.partition(":")[0])
        if scheme == "sqlite":
            config["NAME"] = str(base_dir / config["NAME"])
        elif not config["NAME"]:
            self.wrong("DATABASE_URL names no database: write postgresql://USER:PASSWORD@HOST:PORT/NAME.")
        return config


def split(text: str) -> list[str]:
    """Returns the parts between commas or line ends, without blanks and empty parts."""
    return [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]


def weakness_of(key: str) -> str:
    """Returns why a key does not do, as the end of a sentence; empty when it does."""
    bare = key.rstrip("=")
    try:
        if re.search(r"[^A-Za-z0-9_-]", bare):
            raise ValueError
        decoded = base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except (ValueError, binascii.Error):
        return "is not urlsafe base64 (letters, digits, - and _)"
    size = len(bare) // 2 if re.fullmatch(r"[0-9A-Fa-f]+", bare) else len(decoded)
    if size < 32:
        return f"holds {size} bytes: at least 32 random ones are needed"
    if len(set(decoded)) < 16 or is_periodic(bare) or all(32 <= byte < 127 for byte in decoded):
        return "can be guessed: it is not made of random bytes"
    return ""


def is_periodic(text: str) -> bool:
    """Returns whether the text is a shorter one written again and again."""
    return text in (text + text)[1:-1]


def same_key(one: str, other: str) -> bool:
    return bool(one) and one.rstrip("=") == other.rstrip("=")


def parsed(lines: list[str]) -> dict[str, str]:
    """Returns the variables that lines of a .env file give, as django-environ reads them."""

    class InFile(environ.Env):
        ENVIRON: dict[str, str] = {}  # not os.environ: the keys stay out of child processes

    InFile.read_env(io.StringIO("\n".join(lines)))
    return InFile.ENVIRON


def load(base_dir: Path) -> Environment:
    """Returns the real environment and, where that is silent, what .env says.

    ENV_FILE names another file than .env; an empty ENV_FILE means none. NAME and NAME_FILE are one setting:
    the real environment's replaces both of the file's.
    """
    values = dict(os.environ)
    file_name = os.environ.get("ENV_FILE", ".env")
    lines, mistakes = dotenv.read(base_dir / file_name) if file_name else ([], [])
    for name, value in parsed(lines).items():
        setting = name.removesuffix("_FILE")
        same_setting = {setting, f"{setting}_FILE"} if setting in SECRETS else {name}
        if not same_setting & os.environ.keys():
            values[name] = value
    return Environment(values, mistakes)
