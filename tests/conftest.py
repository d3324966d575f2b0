"""Fixtures of the whole suite."""

import pytest

# --- Set-up of the tests: settings that make them fast and their database a file


def pytest_configure() -> None:
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    # Static files straight from the packages: nothing is collected for tests.
    settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix, tmp_path_factory):
    """Puts the SQLite test database into a file: in memory, all threads would share one connection, and
    none of the locking of a real installation would be tested."""
    from django.db import connection

    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.getbasetemp() / "test.sqlite3")


# --- End of the set-up of the tests
