"""The matrix of rights as tables: who may see which page, and who may do what, after section 5.4 of the
security page.

`python -m tests.project.role_matrix` tries every cell, and prints the matrix as it came out.
"""

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

from tests import conftest
from tests.postgres_plugin import prepare

COLUMNS = ("anonymous", "outsider", "nobody", "viewer", "operator", "auditor", "admin", "superuser")

STAFF = "nobody viewer operator auditor admin superuser"
SEE = "viewer operator auditor admin superuser"
OPERATE = "operator admin superuser"
AUDIT = "auditor admin superuser"
ADMIN = "admin superuser"
SUPERUSER = "superuser"
NOBODY = ""

PAGES = {
    "index": SEE,
    "home": SEE,
    # Of what it finds, each sees what they may open.
    "find": STAFF,
    "find_leaked": SEE,
    "search": STAFF,
    "jsi18n": STAFF,
    # Django's older address of a row, without /change/: leads there, where the page asks.
    "old_address": STAFF,
    "password_change": STAFF,
    "password_change_done": STAFF,
    "app_list health": SEE,
    "app_list credentials": SEE,
    "app_list auth": ADMIN,
    "autocomplete components": SEE,
    "autocomplete people": ADMIN,
    "credentials_credential_changelist": SEE,
    "credentials_credential_add": OPERATE,
    "credentials_credential_change": SEE,
    "credentials_credential_history": SEE,
    "credentials_credential_delete": ADMIN,
    # Leads to the list of all kinds, which asks.
    "credentials_kind_changelist": STAFF,
    "credentials_kind_add": OPERATE,
    "credentials_kind_change": SEE,
    "credentials_kind_history": SEE,
    "credentials_kind_delete": ADMIN,
    "credentials_oauthapp_changelist": SEE,
    "credentials_oauthapp_add": ADMIN,
    "credentials_oauthapp_change": SEE,
    "credentials_oauthapp_history": SEE,
    "credentials_oauthapp_delete": ADMIN,
    "credentials_channel_changelist": OPERATE,
    "credentials_channel_add": ADMIN,
    "credentials_channel_change": OPERATE,
    "credentials_channel_history": OPERATE,
    "credentials_channel_delete": ADMIN,
    "deliveries": OPERATE,
    "credentials_auditevent_changelist": AUDIT,
    "credentials_auditevent_add": NOBODY,
    "credentials_auditevent_change": AUDIT,
    "credentials_auditevent_history": AUDIT,
    "credentials_auditevent_delete": NOBODY,
    "connect_new": OPERATE,
    "oauth_refused": STAFF,
    "health_component_changelist": SEE,
    "health_component_add": OPERATE,
    "health_component_change": SEE,
    "health_component_history": SEE,
    "health_component_delete": ADMIN,
    "health_flip_changelist": SEE,
    "health_flip_add": NOBODY,
    "health_flip_change": SEE,
    "health_flip_history": SEE,
    "health_flip_delete": NOBODY,
    "auth_user_changelist": ADMIN,
    "auth_user_add": ADMIN,
    "auth_user_change": ADMIN,
    "auth_user_history": ADMIN,
    "auth_user_delete": ADMIN,
    "auth_user_password_change": SUPERUSER,
    "auth_group_changelist": ADMIN,
    "auth_group_add": ADMIN,
    "auth_group_change": ADMIN,
    "auth_group_history": ADMIN,
    "auth_group_delete": ADMIN,
    "health_board": SEE,
    "health_component": SEE,
    "health_act": OPERATE,
    "providers": SEE,
    "provider": SEE,
    "rate_limits": SEE,
    "rate_limit": SEE,
    "credentials": SEE,
    "credential": SEE,
    "replace_secret": OPERATE,
    "new_credential": OPERATE,
    "import_credentials": OPERATE,
    "upload": OPERATE,
    "jobs": SEE,
    # Somebody else's: whoever reads the audit trail sees it.
    "job": AUDIT,
}
# Routes that only take what is sent, with the act that tries each.
SENT = {
    "save_view": "save a view",
    "rename_view": "rename a view",
    "delete_view": "delete a view",
    "plan_maintenance": "plan a provider's maintenance",
    "lift_hold_off": "lift a hold-off",
    "adopt_limit": "adopt a provider's limit",
    "connect_again": "connect a credential again",
    "test_credential": "test a credential",
    "test_oauth_app": "test an app",
    "test_channel": "send a test message",
    "bulk_credentials": "start a bulk test",
    "cancel_job": "cancel another's job",
    "deliver_again": "send a message again",
}
# Routes that show nothing of the database, with what an anonymous person gets there.
OPEN = {
    "login": 200,
    "logout": 302,
    # Without the state of somebody's own consent it leads to a page that says so, which asks to sign in.
    "oauth_callback": 302,
    "livez": 200,
    "readyz": 200,
    "metrics": 403,  # without METRICS_TOKEN for programs on this machine only
    "catch_all": 302,  # any other address below /admin/: to the sign-in page, and then it does not exist
}

WHO_MAY = {
    "look for a leaked key": SEE,
    "save a view": SEE,
    "rename a view": SEE,
    "delete a view": SEE,
    "add a credential": OPERATE,
    "add a credential that was tested": OPERATE,
    "send a file": OPERATE,
    "import a file": OPERATE,
    "rename a credential": OPERATE,
    "replace a secret": OPERATE,
    "replace a secret on its page": OPERATE,
    "change a destination": OPERATE,
    "change a rate limit": OPERATE,
    "change a rate limit in the list": OPERATE,
    "change a rate limit on its page": OPERATE,
    "lift a hold-off": OPERATE,
    "adopt a provider's limit": OPERATE,
    "delete a credential": ADMIN,
    "delete many credentials": ADMIN,
    "restore a credential": ADMIN,
    "begin a consent": OPERATE,
    "connect a credential again": OPERATE,
    "test a credential": OPERATE,
    "test many credentials": OPERATE,
    "look before a bulk test": OPERATE,
    "start a bulk test": OPERATE,
    "start a bulk pause": OPERATE,
    "start a bulk change of limits": OPERATE,
    "start a bulk change of metadata": OPERATE,
    "start a bulk deletion": ADMIN,
    "export many credentials": OPERATE,
    "cancel one's own job": SEE,
    "cancel another's job": ADMIN,
    "test an app": OPERATE,
    "add an app": ADMIN,
    "rename an app": ADMIN,
    "replace the secret of an app": ADMIN,
    "delete an app": ADMIN,
    "delete many apps": ADMIN,
    "add a channel": ADMIN,
    "rename a channel": ADMIN,
    "replace the URL of a channel": ADMIN,
    "delete a channel": ADMIN,
    "delete many channels": ADMIN,
    "send a test message": ADMIN,
    "send a message again": ADMIN,
    "report a status": OPERATE,
    "write a note": OPERATE,
    "remove a note": OPERATE,
    "pause a component": OPERATE,
    "resume a component": OPERATE,
    "end one pause of a component": OPERATE,
    "plan a provider's maintenance": OPERATE,
    "override a status": OPERATE,
    "lift an override": OPERATE,
    "add a component": OPERATE,
    "rename a component": OPERATE,
    "wire a component": OPERATE,
    "delete a component": ADMIN,
    "delete many components": ADMIN,
    "add a flip": NOBODY,
    "change a flip": NOBODY,
    "delete a flip": NOBODY,
    "delete many flips": NOBODY,
    "add an event": NOBODY,
    "change an event": NOBODY,
    "delete an event": NOBODY,
    "delete many events": NOBODY,
    "change one's own password": STAFF,
    "add a person": ADMIN,
    "correct a person's name": ADMIN,
    "correct one's own name": ADMIN,
    "give a role": ADMIN,
    "take a role": ADMIN,
    "shut a person out": ADMIN,
    "delete a person": ADMIN,
    "delete many people": ADMIN,
    "add a group of rights one has": ADMIN,
    "change a group": ADMIN,
    "delete a group": ADMIN,
    "delete many groups": ADMIN,
    "rename a person": SUPERUSER,
    "set another's password": SUPERUSER,
    "set one's own password without the old one": NOBODY,
    "make another a superuser": SUPERUSER,
    "make oneself a superuser": SUPERUSER,
    "take another role oneself": SUPERUSER,
    "let another reveal": SUPERUSER,
    "let another reveal through a group": SUPERUSER,
    "let a group reveal": SUPERUSER,
    "add a group that reveals": SUPERUSER,
    "change a group that reveals": SUPERUSER,
    "delete a group that reveals": SUPERUSER,
    "change what a role may": SUPERUSER,
    "delete a role": NOBODY,
    "delete many roles": NOBODY,
    "correct a superuser's name": SUPERUSER,
    "shut a superuser out": SUPERUSER,
    "delete a superuser": SUPERUSER,
    "delete many people with a superuser": SUPERUSER,
}
# Acts that are answered with a page, and whether they change anything of ours before the provider answers.
SHOWN = {
    "look for a leaked key": True,
    "begin a consent": True,
    "connect a credential again": True,
    "test a credential": False,
    "test many credentials": False,
    "look before a bulk test": False,
    "export many credentials": True,
    "test an app": False,
}
SIDEBAR = {
    "Overview": SEE,
    "Credentials": SEE,
    "OAuth apps": SEE,
    "Rate limits": SEE,
    "Providers": SEE,
    "Jobs": SEE,
    "Health": SEE,
    "Components": SEE,
    "Flips": SEE,
    "Notification channels": OPERATE,
    "Users": ADMIN,
    "Groups": ADMIN,
    "Audit trail": AUDIT,
}
# Refused by a form or a list that does not take it, where the page as such may be open; else with 403.
NOT_TAKEN = {act for act in WHO_MAY if act.startswith(("delete many", "restore", "test many"))} | {
    *("rename a person", "make another a superuser", "make oneself a superuser", "take another role oneself"),
    *("let another reveal", "let another reveal through a group", "let a group reveal"),
    *("add a group that reveals", "set one's own password without the old one"),
}

# Which act of the matrix tries an action of a list. The lists of single kinds lead to that of all kinds.
ACTIONS = {
    "credentials.Credential delete_selected": "delete many credentials",
    "credentials.Credential restore": "restore a credential",
    "credentials.Credential test_selected": "test many credentials",
    "credentials.OAuthApp delete_selected": "delete many apps",
    "credentials.Channel delete_selected": "delete many channels",
    "credentials.AuditEvent delete_selected": "delete many events",
    "health.Component delete_selected": "delete many components",
    "health.Flip delete_selected": "delete many flips",
    "auth.User delete_selected": "delete many people",
    "auth.Group delete_selected": "delete many groups",
}

# Commands ask for no role: whoever may run them on this machine has its keys and its database. Those that
# change something write down who that was: True. The others change nothing.
COMMANDS = {
    "accept_keys": True,
    "changepassword": True,
    # Checking itself asks providers, as a worker; this only compares.
    "check_health": False,
    "createsuperuser": True,
    "demo": True,
    "dumpdata": False,
    # A run is recorded, though it changes nothing else.
    "export_credentials": True,
    "first_administrator": True,
    "import_credentials": True,
    "purge_credentials": True,
    "rate_limits": False,
    "report_health": True,
    # A run is recorded; the secrets stay what they are.
    "rotate_keys": True,
    "shell": True,
    "show_audit": False,
    "show_health": False,
    "verify_audit": False,
}
# Those that this suite does not run, and why.
COMMANDS_APART = {
    "simulate_providers": "serves until it is stopped, and opens no database",
    "test_credential": "asks a provider",
}


# --- trying all cells outside of pytest ---------------------------------------------------------------------


def cells(role: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Each cell of one column: its name, and the test of it."""
    from tests.project import test_roles as matrix

    for act in WHO_MAY:
        yield act, partial(in_a_cell, matrix.test_who_does_what, role, act)
    for page in PAGES:
        yield page, partial(in_a_cell, matrix.test_who_sees_what, role, page)
    if role in STAFF.split():
        yield "sidebar", partial(in_a_cell, matrix.test_who_is_led_where, role)
    if role != "anonymous":
        yield "reveal", partial(in_a_cell, matrix.test_nobody_reveals_by_their_role, role)


def in_a_cell(test: Callable[..., None], role: str, *cell: str) -> None:
    from tests.project.role_cast import make_cast

    test(make_cast(role), role, *cell)


def passes(test: Callable[[], None]) -> bool:
    """Run the test of a cell, and take back what it did."""
    from django.db import transaction

    try:
        with transaction.atomic():
            test()
            transaction.set_rollback(True)
    except Exception:  # noqa: BLE001 - whatever goes wrong, the cell is not as the table says
        return False
    except BaseException as error:
        # pytest.raises fails with an exception of its own.
        if type(error).__name__ != "Failed":
            raise
        return False
    return True


@contextlib.contextmanager
def database() -> Iterator[None]:
    """A SQLite database with all tables for as long as this lasts, in which a command of the tests acts."""
    prepare()
    with tempfile.TemporaryDirectory() as directory:
        os.environ["DATABASE_URL"] = f"sqlite:///{Path(directory) / 'matrix.sqlite3'}"
        import django
        from django.core.management import call_command
        from django.test.utils import setup_test_environment

        conftest.pytest_configure()
        django.setup()
        setup_test_environment()
        call_command("migrate", verbosity=0)
        from credentials import audit

        logging.disable(logging.CRITICAL)
        who = audit.Acting("cli:tests@localhost")
        audit._acting = ContextVar("acting", default=who)
        yield


def main() -> int:
    """Print the matrix. The exit status is 1 where a cell came out otherwise than its table says."""
    outcomes = {(role, name): passes(test) for role in COLUMNS for name, test in cells(role)}
    rows = [("Pages", PAGES), ("Acts", WHO_MAY), ("Secrets", {"reveal": NOBODY})]
    for title, table in rows:
        print(f"\n| {title} | {' | '.join(COLUMNS)} |")
        print(f"|---|{':-:|' * len(COLUMNS)}")
        for name, who in table.items():
            shown = [shown_as(role in who.split(), outcomes.get((role, name))) for role in COLUMNS]
            print(f"| {name.replace('_', ' ')} | {' | '.join(shown)} |")
    print("\n| Commands | whoever runs them on this machine |\n|---|---|")
    for name, changes in COMMANDS.items():
        said = "may; written down as cli:name@host" if changes else "may; changes nothing"
        print(f"| manage.py {name} | {said} |")
    for name, why in COMMANDS_APART.items():
        print(f"| manage.py {name} | may; not tried here: {why} |")
    wrong = [f"{role}: {name}" for (role, name), passed in outcomes.items() if not passed]
    for cell in wrong:
        print(f"not as the table says: {cell}")
    print(f"\ncells {len(outcomes)}, as the table says {len(outcomes) - len(wrong)}, otherwise {len(wrong)}")
    return 1 if wrong else 0


def shown_as(may: bool, passed: Any) -> str:
    if passed is None:
        return ""
    return ("✓" if may else "–") if passed else "!"


if __name__ == "__main__":
    with database():
        sys.exit(main())
