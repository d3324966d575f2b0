#!/usr/bin/env python3
"""Runs one of Lanyard's commands: `manage.py help` lists them."""

import os
import sys


def main() -> None:
    # Set, not defaulted: there is one settings file, and a stray variable must not choose another.
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed for this Python. Use .venv/bin/python, which `make run` builds.")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
