#!/usr/bin/env python3
"""Runs one of Lanyard's commands: `manage.py help` lists them."""

import os
import sys


def main() -> None:
    # Set, not defaulted: there is one settings file, and a stray variable must not choose another.
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    try:
        from django.conf import settings
        from django.core.management import execute_from_command_line
        from django.db import OperationalError
    except ImportError:
        sys.exit("Django is not installed for this Python. Use .venv/bin/python, which `make run` builds.")
    # One connection is enough here, and its error says what is wrong where the pool's only says it waited.
    settings.DATABASES["default"].get("OPTIONS", {}).pop("pool", None)
    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        # Lanyard's commands say it themselves; this is for Django's.
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        sys.stderr.write(
            f"The database cannot be used: {reason}. Look at DATABASE_URL, and whether the server runs.\n"
        )
        sys.exit(2)


if __name__ == "__main__":
    main()
