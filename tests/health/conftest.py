"""Who is signed in on the tests of health's pages."""

import pytest


@pytest.fixture
def ada(admin_client):
    return admin_client
