"""Healthy are those that somebody found so; what nobody looked at is not checked yet."""

import io
import json

import pytest
from django.core.management import call_command

from health import reports, selection
from health.models import Component
from health.status import Status

pytestmark = pytest.mark.django_db


@pytest.fixture
def components():
    """Two that were reported on, one that never was, and one that only hangs on a broken one."""
    made = {
        name: Component.objects.create(kind="sync", name=name) for name in ("well", "new", "ill", "below")
    }
    reports.report(made["well"], Status.HEALTHY, actor="cli:anna@host")
    reports.report(made["ill"], Status.CUSTOMER_INTERVENTION, actor="cli:anna@host", code="expired")
    made["below"].depends_on.add(made["ill"])
    return made


EXPECTED = {
    "healthy": {"well"},
    "unchecked": {"new"},
    "customer_intervention": {"ill", "below"},
    "sequin_intervention": set(),
}


@pytest.mark.parametrize("value", selection.VALUES)
def test_each_component_has_exactly_one_of_the_choices(value, components):
    found = Component.objects.filter(selection.with_status(value))
    assert set(found.values_list("name", flat=True)) == EXPECTED[value]


@pytest.mark.parametrize("value", selection.VALUES)
def test_the_list_and_the_command_choose_alike(value, components, admin_client):
    page = admin_client.get("/admin/health/component/", {"status": value})
    assert {row.name for row in page.context["cl"].result_list} == EXPECTED[value]
    out = io.StringIO()
    call_command("show_health", status=value, as_json=True, stdout=out)
    assert {row["name"] for row in json.loads(out.getvalue())} == EXPECTED[value]
