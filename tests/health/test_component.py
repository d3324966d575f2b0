"""Components: what has a health, and what depends on what."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from credentials.kinds.github import GitHubApp
from credentials.models import Credential
from health.models import Component, Dependency
from health.status import Status

pytestmark = pytest.mark.django_db


def component(name="Sync of Arrakis", kind=Component.Kind.SYNC, **fields):
    return Component.objects.create(kind=kind, name=name, **fields)


def test_a_new_component_is_healthy_and_says_that_nobody_looked():
    made = component()
    assert made.status == Status.HEALTHY
    assert not made.checked
    assert made.document() == {"status": "healthy", "notes": ["Not checked yet."], "time": None}


def test_a_component_that_was_looked_at_says_when():
    now = timezone.now()
    made = component(last_observed_at=now, known_since=now)
    assert made.checked
    assert made.document() == {"status": "healthy", "notes": [], "time": now}


def test_a_component_is_named_with_its_kind():
    assert str(component()) == "Sync Sync of Arrakis"
    assert str(component("Ours", Component.Kind.OAUTH_APP)) == "OAuth app Ours"


def test_the_database_refuses_an_unknown_status():
    with pytest.raises(IntegrityError), transaction.atomic():
        component(status="ok")


def test_components_form_a_graph():
    sync, credential, provider = component(), component("Key", "credential"), component("Stripe", "provider")
    sync.depends_on.add(credential)
    credential.depends_on.add(provider)
    assert list(sync.depends_on.all()) == [credential]
    assert list(provider.dependants.all()) == [credential]
    assert [str(one) for one in sync.dependencies.all()] == ["Sync Sync of Arrakis → Credential Key"]


def test_a_dependency_stands_once():
    sync, credential = component(), component("Key", "credential")
    sync.depends_on.add(credential)
    sync.depends_on.add(credential)
    assert Dependency.objects.count() == 1


def test_nothing_depends_on_itself():
    sync = component()
    with pytest.raises((IntegrityError, ValidationError)), transaction.atomic():
        Dependency.objects.create(component=sync, depends_on=sync)


def test_dependencies_go_with_what_depended():
    sync, credential = component(), component("Key", "credential")
    sync.depends_on.add(credential)
    sync.delete()
    assert not Dependency.objects.exists()
    assert Component.objects.get() == credential


# --- the component of a credential ------------------------------------------------------------


@pytest.fixture
def credential():
    properties = {"account_login": "arrakis", "account_type": "User", "installation_id": 7}
    made = GitHubApp.from_properties(properties, name="Arrakis")
    made.save()
    return made


def test_a_credential_has_a_component_that_repeats_its_name_and_provider(credential):
    made = Component.objects.get()
    assert credential.component == made
    assert (made.kind, made.name, made.provider, made.revision) == ("credential", "Arrakis", "github", "0")


def test_a_renamed_credential_renames_its_component(credential):
    credential.name = "House Atreides"
    credential.save()
    assert Component.objects.get().name == "House Atreides"


def test_an_edit_leaves_the_status_alone(credential):
    Component.objects.update(status=Status.SEQUIN_INTERVENTION, code="outage", sequence=3)
    credential.name = "House Atreides"
    credential.save()
    made = Component.objects.get()
    assert (made.status, made.code, made.sequence) == ("sequin_intervention", "outage", 3)


def test_a_component_goes_with_its_credential(credential):
    credential.delete()
    assert not Component.objects.exists()


def test_many_components_go_with_their_credentials(credential):
    Credential.objects.all().delete()
    assert not Component.objects.exists()
