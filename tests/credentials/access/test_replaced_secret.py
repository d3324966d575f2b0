"""A new secret is not known to work before somebody has looked: the story from the form to the check."""

import json

import pytest
from django.core.management import call_command
from django.urls import reverse

from credentials.models import Credential
from health import checking, schedule
from health.models import Doubt
from tests.health.cast import CUSTOMER, HEALTHY, say

pytestmark = pytest.mark.django_db(transaction=True)


def seen(admin_client, credential, capsys):
    """How it is, as people, documents and programs see it."""
    page = admin_client.get(reverse("admin:credentials_credential_changelist")).text
    found = Credential.objects.get(pk=credential.pk)
    capsys.readouterr()
    call_command("show_health", "--json")
    [listed] = [one for one in json.loads(capsys.readouterr().out) if one["kind"] == "credential"]
    return (
        "Waiting for a check" in page,
        any("Waiting for a check" in note for note in found.document()["health"]["notes"]),
        not listed["checked"],
    )


def test_a_replaced_secret_waits_for_its_check(stored, admin_client, capsys):
    credential = stored("sendgrid_key")
    say(credential.component, CUSTOMER, "revoked")
    assert seen(admin_client, credential, capsys) == (False, False, False)
    secret = credential.api_key.use(credential.destination())
    row = Credential.objects.get(pk=credential.pk)
    # A rename replaces nothing.
    row.name = "Renamed"
    row.save()
    assert not Doubt.objects.exists()
    row.api_key = secret
    row.save()
    assert seen(admin_client, credential, capsys) == (True, True, True)
    assert [one.pk for one in Credential.objects.status("unchecked")] == [row.pk]
    checking.Worker("tests", concurrency=2, due_by=schedule.clock()).run()
    assert seen(admin_client, credential, capsys) == (False, False, False)
    row.component.refresh_from_db()
    assert (row.component.status, row.component.sequence) == (HEALTHY, 2)
    doubt = Doubt.objects.get()
    assert doubt.ended_at == row.component.since
