"""No secret stands in clear or in a common encoding in the database: every table, column and file."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection, transaction

from credentials.kinds import KINDS
from credentials.models import AuditEvent, Conflict, Credential
from credentials.sealing import SecretError, secret_fields
from tests import canary
from tests.factories import PROPERTIES, make_credential, make_oauth_app, new_credential
from tests.rawsql import store

PREFIXES = {
    "stripe_key": "sk_test_",
    "stripe_oauth2": "rt_",
    "shopify_oauth2": "shpat_",
    "sendgrid_key": "SG.",
}
REASON = "to look for leaks afterwards"


def canaries_of(kind):
    """A canary for each secret of a kind; single words, as real ones are."""
    names = [field.name for field in secret_fields(KINDS[kind])]
    return {name: canary.make_plain(PREFIXES.get(kind, "")) for name in names}


@pytest.fixture
def planted(transactional_db):
    """Every kind and both sorts of app, each with a canary in each secret; gives the canaries."""
    found = []
    for kind in PROPERTIES:
        secrets = canaries_of(kind)
        make_credential(kind, **secrets)
        found += secrets.values()
    pem, client_secret, other = (canary.make_plain() for _ in range(3))
    make_oauth_app(
        "github", private_key=f"-----BEGIN KEY-----\n{pem}\n-----END KEY-----\n", client_secret=client_secret
    )
    make_oauth_app("hubspot", client_secret=other)
    password = canary.make_plain() + " <&\"'>ü"
    make_credential("checkout_champ_password", password=password.replace("&", "+"))
    return [*found, pem, client_secret, other, password.replace("&", "+")]


def leaks(canaries):
    if connection.vendor == "sqlite":
        connection.ensure_connection()
    return canary.leaks(canaries, canary.database())


def test_the_scan_sees_what_is_in_clear(planted):
    name = canary.make_plain()
    store(Credential.objects.first(), name=name)
    places = {leak.split(":")[0] for leak in leaks([name])}
    assert "credentials_credential.name" in places and len(places) >= 2


def test_no_stored_secret_is_in_the_database(planted):
    assert len(planted) >= 12
    assert leaks(planted) == []


def test_no_secret_is_in_the_database_after_all_that_can_be_done_with_it(planted, django_user_model):
    user = django_user_model.objects.create_user("ann")
    user.user_permissions.add(Permission.objects.get(codename="reveal_credential"))
    canaries = list(planted)
    for credential in Credential.objects.all():
        for name, text in canaries_of(credential.KIND).items():
            getattr(credential, name).use(credential.destination())
            setattr(credential, name, text)
            canaries.append(text)
        credential.save()
    shown = Credential.objects.kind("stripe_key").get().secret.reveal(actor=user, reason=REASON)
    assert shown in canaries and AuditEvent.objects.filter(action="reveal").count() == 1
    assert leaks(canaries) == []


def test_no_secret_is_in_the_database_after_what_fails(db):
    canaries = [canary.make_plain("sk_test_") for _ in range(5)]
    credential = make_credential(secret=canaries[0])
    stale = Credential.objects.get(pk=credential.pk)
    credential.secret = canaries[1]
    credential.save()
    stale.secret = canaries[2]
    with pytest.raises(Conflict):
        stale.save()
    refused = new_credential(secret=f"pk_{canaries[3]}")
    with pytest.raises(Exception, match="publishable"):
        refused.save()
    with pytest.raises(TypeError), transaction.atomic():
        type(credential).objects.update(secret=canaries[4])
    store(credential, secret=b"broken")
    loaded = Credential.objects.get(pk=credential.pk)
    with pytest.raises(SecretError):
        loaded.secret.reveal(actor="cli:me@host", reason=REASON)
    assert leaks(canaries) == []


def test_no_secret_is_left_after_deleting(transactional_db):
    secret = canary.make_plain("sk_test_")
    make_credential(secret=secret).delete()
    assert leaks([secret]) == []
