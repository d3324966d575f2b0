"""Does the contract suite notice when one method of a kind is its neighbour's?

    python -m tests.mutate_kinds [kinds|access]

Gives every kind, one at a time, each declaration of every other kind, and runs the contract of that kind. A
swap that no test notices is a survivor. The exit status is 1 when there is one.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType

from tests.postgres_plugin import prepare

DECLARATIONS = (
    *("account_of", "default_limit", "check_format", "warnings", "clean", "DESTINATION", "PROPERTIES"),
    "FORMATS",
    *("KIND", "PROVIDER", "OLDER_KINDS", "OLDER_PROPERTIES", "USES_OAUTH_APP"),
)
# How a kind reaches its provider: for these the contract in test_kind_access.py is run.
OF_ACCESS = (
    *("API_HOST", "SIGN_IN_HOST", "HEADERS", "RULES", "TOKEN_RULES", "REFRESHES_WITH", "ROTATES"),
    *("TOKEN_LIFETIME", "api_host", "exchanges", "token_call", "tokens", "authenticate"),
    *("probe", "probe_call", "read_failure", "facts", "granted", "wait", "quota"),
)
# Declarations that a donor makes in other words, with the same meaning for every kind that takes them.
SAME = {
    # With an access token the key is not looked at, and these always have one.
    ("authenticate", "stripe_key"),
    # Whether a required property is there, or simply yes.
    ("exchanges", "github_app"),
    ("exchanges", "linear_oauth2"),
    # The header about what is left, which ServiceNow does not send.
    ("quota", "github_app"),
}


def contract(name: str) -> list[Callable[[str], None]]:
    """The tests that hold a declaration to what is known of the kind."""
    from tests.credentials import test_kind_access, test_kinds

    module = test_kind_access if name in OF_ACCESS else test_kinds
    return [test for name, test in vars(module).items() if name.startswith("test_")]


def noticed(kind: str, name: str) -> str:
    """The first test of the contract that fails for a kind, or an empty string."""
    from django.db import transaction

    for test in contract(name):
        try:
            with transaction.atomic():
                test(kind)
                transaction.set_rollback(True)
        except Exception:  # noqa: BLE001 - whatever goes wrong, the swap was noticed
            return test.__name__
        except BaseException as error:
            # pytest.raises fails with an exception of its own.
            if type(error).__name__ != "Failed":
                raise
            return test.__name__
    return ""


def swaps() -> Iterator[tuple[str, str, str]]:
    """Each (kind, declaration, donor) where the donor declares something else."""
    from credentials.kinds import KINDS
    from credentials.models.access import Access

    for kind, model in KINDS.items():
        for name in chosen():
            if name == "API_HOST" and declared(model, "api_host") != declared(Access, "api_host"):
                continue  # it tells only that there is one, which test_kind_access.py holds it to
            seen = [declared(model, name)]
            for donor, other in KINDS.items():
                if declared(other, name) not in seen:
                    seen.append(declared(other, name))
                    if not _same(kind, name, donor):
                        yield kind, name, donor


def _same(kind: str, name: str, donor: str) -> bool:
    from tests.credentials.access_facts import ACCESS

    if (name, donor) not in SAME:
        return False
    provider_sends_it = ACCESS[kind].quota is not None
    always = ACCESS[kind].exchange is not None and ACCESS[kind].unexchanged is None
    return provider_sends_it and kind.startswith("servicenow") if name == "quota" else always


def chosen() -> tuple[str, ...]:
    """The declarations to swap: all, or those that the command line names."""
    return {"kinds": DECLARATIONS, "access": OF_ACCESS}.get(sys.argv[-1], (*DECLARATIONS, *OF_ACCESS))


def declared(model: type, name: str) -> object:
    value = getattr(model, name)
    if name == "default_limit":
        # Two providers may promise the same.
        return [tuple(value(properties)) for properties in ({}, {"test": True})]
    value = getattr(value, "__func__", value)
    if name in OF_ACCESS and isinstance(value, FunctionType):
        # Two kinds may say the same in the same words; what a closure holds is the class that says it.
        code = value.__code__
        return value if code.co_freevars else (code.co_code, code.co_consts, code.co_names)
    return value


def survives(kind: str, name: str, donor: str) -> bool:
    from credentials.kinds import KINDS

    model = KINDS[kind]
    donated = next(vars(one)[name] for one in KINDS[donor].__mro__ if name in vars(one))
    own = vars(model).get(name)
    setattr(model, name, donated)
    try:
        return not noticed(kind, name)
    finally:
        if own is None:
            delattr(model, name)
        else:
            setattr(model, name, own)


def main() -> int:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    from credentials import audit

    with audit.acting("cli:mutate_kinds@localhost"):
        return run()


def run() -> int:
    from credentials.kinds import KINDS

    for kind in KINDS:
        for name in (chosen()[0], chosen()[-1]):
            if test := noticed(kind, name):
                sys.exit(f"{kind}: {test} fails without any swap")
    count, survivors = 0, []
    for kind, name, donor in swaps():
        count += 1
        if survives(kind, name, donor):
            survivors.append(f"{kind}.{name} as in {donor}")
    for line in survivors:
        print(f"not noticed: {line}")
    print(f"swaps {count}, noticed {count - len(survivors)}, not noticed {len(survivors)}")
    return 1 if survivors else 0


if __name__ == "__main__":
    prepare()
    with tempfile.TemporaryDirectory() as directory:
        import os

        os.environ["DATABASE_URL"] = f"sqlite:///{Path(directory) / 'mutate.sqlite3'}"
        sys.exit(main())
