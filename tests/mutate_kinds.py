"""Does the contract suite notice when one method of a kind is its neighbour's? `python -m tests.mutate_kinds`

Gives every kind, one at a time, each declaration of every other kind, and runs the contract of that kind. A
swap that no test notices is a survivor. The exit status is 1 when there is one.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.postgres_plugin import prepare

DECLARATIONS = (
    *("account_of", "default_limit", "check_format", "warnings", "clean", "DESTINATION", "PROPERTIES"),
    *("KIND", "PROVIDER", "OLDER_KINDS", "OLDER_PROPERTIES", "USES_OAUTH_APP"),
)


def contract() -> list[Callable[[str], None]]:
    from tests.credentials import test_kinds

    return [test for name, test in vars(test_kinds).items() if name.startswith("test_")]


def noticed(kind: str) -> str:
    """The first test of the contract that fails for a kind, or an empty string."""
    from django.db import transaction

    for test in contract():
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

    for kind, model in KINDS.items():
        for name in DECLARATIONS:
            seen = [declared(model, name)]
            for donor, other in KINDS.items():
                if declared(other, name) not in seen:
                    seen.append(declared(other, name))
                    yield kind, name, donor


def declared(model: type, name: str) -> object:
    value = getattr(model, name)
    if name == "default_limit":
        # Two providers may promise the same.
        return [tuple(value(properties)) for properties in ({}, {"test": True})]
    return getattr(value, "__func__", value)


def survives(kind: str, name: str, donor: str) -> bool:
    from credentials.kinds import KINDS

    model = KINDS[kind]
    donated = next(vars(one)[name] for one in KINDS[donor].__mro__ if name in vars(one))
    own = vars(model).get(name)
    setattr(model, name, donated)
    try:
        return not noticed(kind)
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
        if test := noticed(kind):
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
