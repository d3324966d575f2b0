"""How often a credential is looked at, in its form."""

from datetime import timedelta

import pytest
from django.utils import timezone

from credentials.models import AuditEvent
from health import incidents
from health.models import Component
from tests.credentials.admin_pages import page, problems, shown
from tests.factories import make_credential
from tests.health.cast import OURS, say

pytestmark = pytest.mark.django_db


def save(client, credential, number, unit):
    data = shown(client, credential) | {"check_every_0": str(number), "check_every_1": unit}
    return client.post(page(credential), data)


def test_it_is_entered_in_peoples_units_and_brings_the_next_check_nearer(admin_client):
    credential = make_credential("stripe_key")
    assert shown(admin_client, credential)["check_every_1"] == "minute"
    rows = Component.objects.filter(pk=credential.component_id)
    rows.update(next_check_at=timezone.now() + timedelta(hours=5))
    response = save(admin_client, credential, 2, "hour")
    assert response.status_code == 302, problems(response)
    row = rows.get()
    assert row.check_every == 7200 and row.next_check_at <= timezone.now() + timedelta(hours=2)
    assert AuditEvent.objects.filter(fields=["check_every"], object_id=str(credential.pk)).count() == 1
    data = shown(admin_client, credential)
    assert (data["check_every_0"], data["check_every_1"]) == (2, "hour")
    # Saved again without a change nothing is recorded; emptied, it is as usual again.
    save(admin_client, credential, 120, "minute")
    assert AuditEvent.objects.filter(fields=["check_every"]).count() == 1
    save(admin_client, credential, "", "minute")
    assert rows.get().check_every is None and AuditEvent.objects.filter(fields=["check_every"]).count() == 2


@pytest.mark.parametrize(("number", "unit"), [(59, "second"), (25, "hour"), (0, "minute"), (1, "day")])
def test_what_is_out_of_bounds_is_refused(admin_client, number, unit):
    credential = make_credential("stripe_key")
    response = save(admin_client, credential, number, unit)
    assert response.status_code == 200 and problems(response)
    assert Component.objects.get(pk=credential.component_id).check_every is None


def test_internal_components_are_in_the_list_only_when_asked_for(admin_client):
    make_credential("stripe_key")
    say(incidents.of_provider("stripe"), OURS)
    listed = {
        kind: [
            row.kind for row in admin_client.get(f"/admin/health/component/{kind}").context["cl"].result_list
        ]
        for kind in ("", "?kind=provider", "?status=sequin_intervention")
    }
    assert listed == {"": ["credential"], "?kind=provider": ["provider"], "?status=sequin_intervention": []}
