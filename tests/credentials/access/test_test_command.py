"""manage.py test_credential: which are tested, what it says, and how it ends."""

import io
import json
import uuid

import pytest
from django.core.management import CommandError, call_command

from credentials import probes
from credentials.models import AuditEvent, Credential
from credentials.models import properties as declared

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments):
    """Output and exit status."""
    out = io.StringIO()
    try:
        call_command("test_credential", *map(str, arguments), stdout=out, stderr=io.StringIO())
    except SystemExit as end:
        return out.getvalue(), end.code
    return out.getvalue(), 0


@pytest.fixture
def three(stored):
    """Two that work, and one that was revoked."""
    return (
        stored("stripe_key", 1),
        stored("hubspot_oauth2"),
        stored("sendgrid_key", api_key="SG.fake-sim-revoked-00.0000000000000000000000000"),
    )


def test_the_named_ones_are_tested(three):
    one, two, _revoked = three
    text, status = run(two.pk, one.pk, two.pk)
    assert status == 0
    assert [line.split()[0] for line in text.splitlines()] == ["ok", "ok", "tested"]
    assert text.splitlines()[0] == f"ok    {two.name} (hubspot_oauth2, account {two.account})"
    assert text.splitlines()[-1] == "tested 2: 2 work, 0 do not"


def test_all_those_of_a_kind_and_those_of_a_provider(three):
    assert run("--all")[0].splitlines()[-1] == "tested 3: 2 work, 1 do not"
    assert run("--kind", "stripe_key")[0].splitlines()[-1] == "tested 1: 1 work, 0 do not"
    assert run("--provider", "sendgrid")[0].splitlines()[-1] == "tested 1: 0 work, 1 do not"
    assert run("--provider", "workday") == ("There is no such credential.\n", 0)
    assert run("--provider", "stripe", "--kind", "hubspot_oauth2")[0] == "There is no such credential.\n"


def test_one_that_fails_says_what_was_asked_and_what_to_do(three):
    text, status = run(three[2].pk)
    assert status == 1
    lines = text.splitlines()
    assert lines[0].startswith(f"FAIL  {three[2].name}")
    assert "no longer accepts the secret" in lines[1] and "[revoked]" in lines[1]
    assert "asked: GET https://api.sendgrid.com/" in lines[2] and "-> 401" in lines[2]
    assert lines[-2].strip().startswith("do:    Ask the customer")


def test_json_is_an_array_that_a_program_reads(three):
    text, status = run("--all", "--json")
    found = json.loads(text)
    assert status == 1
    assert {one["id"]: one["works"] for one in found} == {
        str(three[0].pk): True,
        str(three[1].pk): True,
        str(three[2].pk): False,
    }
    failed = next(one for one in found if not one["works"])
    assert (failed["code"], failed["owner"], failed["asked"][0]["status"]) == ("revoked", "customer", 401)
    assert run("--kind", "workday_oauth2", "--json") == ("[]\n", 0)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (uuid.uuid4(),),
        ("not-an-id",),
        ("--all", "--kind", "stripe_key"),
        (uuid.uuid4(), "--all"),
    ],
)
def test_wrong_usage_ends_with_2_and_tests_nothing(three, calls, arguments):
    asked = len(calls())
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert caught.value.returncode == 2
    assert len(calls()) == asked


def test_an_unknown_id_is_named(three):
    unknown = uuid.uuid4()
    with pytest.raises(CommandError, match=f"There is no credential {unknown}."):
        run(three[0].pk, unknown)


def test_a_deleted_one_is_unknown(three):
    Credential.objects.get(pk=three[0].pk).delete()
    with pytest.raises(CommandError, match="There is no credential"):
        run(three[0].pk)
    assert run("--all")[0].splitlines()[-1] == "tested 2: 1 work, 1 do not"


def test_health_hears_of_it_and_the_account_is_filled_in(stored):
    credential = stored("stripe_key")
    assert credential.account is None
    run(credential.pk)
    row = Credential.objects.get()
    assert row.account.startswith("acct_")
    assert row.component.last_observed_at


def test_no_secret_is_in_what_it_prints(three):
    secrets = [
        getattr(row, name).use(row.destination())
        for row in Credential.objects.all()
        for name in declared.secret_names(type(row))
    ]
    text = run("--all")[0] + run("--all", "--json")[0]
    assert len(secrets) == 3
    for secret in secrets:
        assert secret not in text and secret[:12] not in text and secret[-12:] not in text


def test_looking_changes_nothing_that_is_recorded(stored):
    credential = stored("stripe_key", 1)
    probes.test(credential)
    before = AuditEvent.objects.count()
    run(credential.pk)
    assert AuditEvent.objects.count() == before
