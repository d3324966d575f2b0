"""System checks that ask the database: `manage.py check --database default`; migrate runs them too."""

from typing import Any

from django.core import checks

from credentials import keys


@checks.register(checks.Tags.database)
def check_keys(databases: Any = None, **options: Any) -> list[checks.CheckMessage]:
    """The keys are those that the database was written with."""
    if "default" not in (databases or ()):
        return []
    try:
        warning = keys.compare()
    except keys.OtherKeys as error:
        return [checks.Error(str(error), id="project.E001")]
    return [checks.Warning(warning, id="project.W001")] if warning else []
