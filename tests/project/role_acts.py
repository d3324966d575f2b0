"""Everything that changes something, sent straight to the server: no page is asked first what it offers.

What a form must hold is looked up as a superuser, so that a refusal is one of the act and not of its form.
"""

from typing import Any
from unittest import mock

from django.contrib.auth.models import Group, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from credentials import app_tests, probes, testing, trials
from credentials.models import Job
from health.observations import Observation
from tests.credentials import admin_pages
from tests.project.role_cast import FILE, PASSWORD, rights

PEOPLE = "admin:auth_user_changelist"
GROUPS = "admin:auth_group_changelist"
BULK = "/credentials/bulk/"
FRESH = "another-good-password-42"


def _page(row: Any, action: str = "change") -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{action}", args=[row.pk])


def _delete(cast: Any, row: Any) -> Any:
    return cast.client.post(_page(row, "delete"), {"post": "yes"})


def _selected(cast: Any, route: str, action: str, *rows: Any, query: str = "") -> Any:
    data = {"action": action, "_selected_action": [row.pk for row in rows], "post": "yes"}
    return cast.client.post(reverse(route) + query, data)


def _change(cast: Any, row: Any, **values: Any) -> Any:
    return cast.client.post(_page(row), admin_pages.shown(cast.root, row, **values))


def _user(cast: Any, user: User | None, **values: Any) -> Any:
    """Send the page of a user as it is, with some values changed."""
    if user is None:
        user = cast.other
    data = {
        **{name: getattr(user, name) for name in ("username", "first_name", "last_name", "email")},
        **{name: "on" for name in ("is_active", "is_staff", "is_superuser") if getattr(user, name)},
        "groups": [group.pk for group in user.groups.all()],
        **values,
    }
    return cast.client.post(_page(user), {name: value for name, value in data.items() if value != ""})


def _group(cast: Any, group: Group, name: str, *codenames: str) -> Any:
    data = {"name": name, "permissions": [right.pk for right in rights(*codenames)]}
    return cast.client.post(_page(group), data)


def _limit(cast: Any) -> dict[str, Any]:
    """Another limit, as the forms of the console send it."""
    seen = cast.credential.rate_limit.revision
    return {"allowed_requests": 7, "interval_0": 1, "interval_1": "minute", "seen": seen}


def _lift(cast: Any) -> Any:
    cast.credential.rate_limit.hold_off(seconds=60)
    return cast.client.post(reverse("lift_hold_off", args=[cast.credential.pk]))


def _adopt(cast: Any) -> Any:
    cast.credential.rate_limit.note_quota(1, interval=1_000)
    return cast.client.post(reverse("adopt_limit", args=[cast.credential.pk]), {"seen": "1/1000"})


def _health(cast: Any, act: str, **posted: Any) -> Any:
    return cast.client.post(reverse("health_act", args=[cast.consumer.pk, act]), posted)


def _bulk(cast: Any, act: str, **values: Any) -> Any:
    """One credential, as the page that asks before sends it."""
    values = {**values, "seen": "1-1"}
    return cast.client.post(BULK, {"act": act, "pk": cast.credential.pk, "start": "1", **values})


def _cancel(cast: Any, job: Job) -> Any:
    return cast.client.post(reverse("cancel_job", args=[job.pk]))


def _tested(act: Any) -> Any:
    """An act that would ask a provider: who may is decided before, and tried here."""
    now = timezone.now()
    works = Observation("ok", now, now)
    with (
        mock.patch.object(probes, "test", lambda credential: probes.Test(credential, works)),
        mock.patch.object(trials, "look", lambda one: trials.Trial(probes.Test(one, works))),
        mock.patch.object(app_tests, "test", lambda app: app_tests.AppTest(app, works)),
        # Its threads have connections of their own, which see nothing of this test.
        mock.patch.object(testing, "_in_thread", lambda *args: "Not asked here."),
    ):
        return act()


def _approved(act: Any) -> Any:
    with override_settings(NOTIFICATION_HOSTS=["hooks.example.com"]):
        return act()


def _view(cast: Any) -> int:
    """The saved view of who acts; who has none tries any."""
    return cast.view.pk if cast.view else 1


def _pk(role: str) -> int:
    return Group.objects.get(name=role).pk


ACTS = {
    "look for a leaked key": lambda cast: cast.client.post(
        reverse("find_leaked"), {"leaked": "sk_test_fakeNobodys"}
    ),
    # One's own views of a list
    "save a view": lambda cast: cast.client.post(
        reverse("save_view"), {"page": "credentials", "name": "New", "query": "kind=stripe_key"}
    ),
    "rename a view": lambda cast: cast.client.post(
        reverse("rename_view", args=[_view(cast)]), {"name": "After"}
    ),
    "delete a view": lambda cast: cast.client.post(reverse("delete_view", args=[_view(cast)])),
    # Credentials
    "add a credential": lambda cast: cast.client.post(
        admin_pages.add_page("github_app"), admin_pages.entries("github_app")
    ),
    "add a credential that was tested": lambda cast: _tested(
        lambda: cast.client.post(
            admin_pages.add_page("github_app"), admin_pages.entries("github_app") | {"_test": "1"}
        )
    ),
    "send a file": lambda cast: cast.client.post(
        reverse("import_credentials"), {"file": SimpleUploadedFile("file.json", FILE)}
    ),
    "import a file": lambda cast: cast.client.post(reverse("upload", args=[cast.upload.pk]), {"import": "1"}),
    "rename a credential": lambda cast: _change(cast, cast.credential, name="After"),
    "replace a secret": lambda cast: _change(cast, cast.credential, secret="sk_test_fakeAfter"),
    "replace a secret on its page": lambda cast: cast.client.post(
        reverse("replace_secret", args=[cast.credential.pk]),
        {"secret": "sk_test_fakeAfter", "seen_version": cast.credential.version},
    ),
    "change a destination": lambda cast: _change(
        cast, cast.shop, shop_url="after.myshopify.com", access_token="shpat_fake_after"
    ),
    "change a rate limit": lambda cast: _change(cast, cast.credential, allowed_requests=7),
    "change a rate limit in the list": lambda cast: cast.client.post(
        f"{reverse('rate_limits')}?edit={cast.credential.pk}", _limit(cast)
    ),
    "change a rate limit on its page": lambda cast: cast.client.post(
        reverse("rate_limit", args=[cast.credential.pk]), _limit(cast)
    ),
    "lift a hold-off": _lift,
    "adopt a provider's limit": _adopt,
    "delete a credential": lambda cast: _delete(cast, cast.credential),
    "delete many credentials": lambda cast: _selected(
        cast, "admin:credentials_credential_changelist", "delete_selected", cast.credential, cast.shop
    ),
    "restore a credential": lambda cast: _selected(
        cast, "admin:credentials_credential_changelist", "restore", cast.deleted, query="?deleted=1"
    ),
    "begin a consent": lambda cast: cast.client.post(
        reverse("connect_new", args=["shopify_oauth2"]), {"oauth_app": cast.app.pk, "shop_url": "new"}
    ),
    "connect a credential again": lambda cast: cast.client.post(
        reverse("connect_again", args=[cast.connected.pk])
    ),
    "test a credential": lambda cast: _tested(
        lambda: cast.client.post(reverse("test_credential", args=[cast.credential.pk]))
    ),
    "test many credentials": lambda cast: _tested(
        lambda: _selected(
            cast, "admin:credentials_credential_changelist", "test_selected", cast.credential, cast.shop
        )
    ),
    "look before a bulk test": lambda cast: cast.client.post(BULK, {"act": "test", "pk": cast.credential.pk}),
    "start a bulk test": lambda cast: _bulk(cast, "test"),
    "start a bulk pause": lambda cast: _bulk(cast, "pause", confirm="Before", reason="Why.", hours=1),
    "start a bulk change of limits": lambda cast: _bulk(cast, "limit", **_limit(cast)),
    "start a bulk change of metadata": lambda cast: _bulk(
        cast, "metadata", how="set", key="plan", value="growth", form="text"
    ),
    "start a bulk deletion": lambda cast: _bulk(cast, "delete", confirm="Before"),
    "export many credentials": lambda cast: _bulk(cast, "export", format="csv"),
    "cancel one's own job": lambda cast: _cancel(cast, cast.own_job),
    "cancel another's job": lambda cast: _cancel(cast, cast.job),
    # OAuth apps
    "test an app": lambda cast: _tested(
        lambda: cast.client.post(reverse("test_oauth_app", args=[cast.app.pk]))
    ),
    "add an app": lambda cast: cast.client.post(
        admin_pages.ADD_APP,
        {"name": "New", "provider": "hubspot", "client_id": "new", "client_secret": "fake", "scopes": "a"},
    ),
    "rename an app": lambda cast: _change(cast, cast.app, name="After"),
    "replace the secret of an app": lambda cast: _change(cast, cast.app, client_secret="fake-after"),
    "delete an app": lambda cast: _delete(cast, cast.app),
    "delete many apps": lambda cast: _selected(
        cast, "admin:credentials_oauthapp_changelist", "delete_selected", cast.app
    ),
    # Notifications
    "add a channel": lambda cast: cast.client.post(
        f"{reverse('admin:credentials_channel_add')}?way=email",
        {"name": "New", "enabled": "on", "addresses": "new@example.com", "owner": ""},
    ),
    "rename a channel": lambda cast: _change(cast, cast.channel, name="After"),
    "replace the URL of a channel": lambda cast: _approved(
        lambda: _change(cast, cast.slack, url="https://hooks.example.com/after")
    ),
    "delete a channel": lambda cast: _delete(cast, cast.channel),
    "delete many channels": lambda cast: _selected(
        cast, "admin:credentials_channel_changelist", "delete_selected", cast.channel, cast.slack
    ),
    "send a test message": lambda cast: cast.client.post(reverse("test_channel", args=[cast.channel.pk])),
    "send a message again": lambda cast: cast.client.post(reverse("deliver_again", args=[cast.delivery.key])),
    # Health
    "report a status": lambda cast: cast.client.post(
        reverse("health_act", args=[cast.sync.pk, "report"]),
        {"status": "sequin_intervention", "code": "broken"},
    ),
    "write a note": lambda cast: _health(cast, "note", text="Ask Anna."),
    "remove a note": lambda cast: _health(cast, "remove-note", note=cast.consumer.notes.get().pk),
    "pause a component": lambda cast: _health(cast, "pause", reason="Maintenance.", hours=1),
    "resume a component": lambda cast: _health(cast, "resume"),
    "end one pause of a component": lambda cast: _health(
        cast, "cancel-pause", pause=cast.consumer.pauses.get().pk
    ),
    "plan a provider's maintenance": lambda cast: cast.client.post(
        reverse("plan_maintenance", args=["stripe"])
    ),
    "override a status": lambda cast: _health(
        cast, "override", status="sequin_intervention", reason="I know better.", hours=1
    ),
    "lift an override": lambda cast: _health(cast, "lift"),
    "add a component": lambda cast: cast.client.post(
        reverse("admin:health_component_add"), {"kind": "consumer", "name": "new"}
    ),
    "rename a component": lambda cast: cast.client.post(_page(cast.sync), {"name": "after"}),
    "wire a component": lambda cast: cast.client.post(
        _page(cast.sync), {"name": "orders", "depends_on": [str(cast.credential.component_id)]}
    ),
    "delete a component": lambda cast: _delete(cast, cast.sync),
    "delete many components": lambda cast: _selected(
        cast, "admin:health_component_changelist", "delete_selected", cast.sync, cast.target
    ),
    "delete a flip": lambda cast: _delete(cast, cast.flip),
    "change a flip": lambda cast: cast.client.post(_page(cast.flip), {"note": "never happened"}),
    "add a flip": lambda cast: cast.client.post(reverse("admin:health_flip_add"), {"note": "new"}),
    "delete many flips": lambda cast: _selected(
        cast, "admin:health_flip_changelist", "delete_selected", cast.flip
    ),
    # The audit trail
    "add an event": lambda cast: cast.client.post(
        reverse("admin:credentials_auditevent_add"), {"actor": "user:boss", "action": "create"}
    ),
    "change an event": lambda cast: cast.client.post(_page(cast.event), {"actor": "user:boss"}),
    "delete an event": lambda cast: _delete(cast, cast.event),
    "delete many events": lambda cast: _selected(
        cast, "admin:credentials_auditevent_changelist", "delete_selected", cast.event
    ),
    # People
    "change one's own password": lambda cast: cast.client.post(
        reverse("admin:password_change"),
        {"old_password": PASSWORD, "new_password1": FRESH, "new_password2": FRESH},
    ),
    "add a person": lambda cast: cast.client.post(
        reverse("admin:auth_user_add"),
        {"username": "new", "usable_password": "true", "password1": FRESH, "password2": FRESH},
    ),
    "correct a person's name": lambda cast: _user(cast, cast.other, first_name="Grace"),
    "correct one's own name": lambda cast: _user(cast, cast.me, first_name="Grace"),
    "give a role": lambda cast: _user(cast, cast.other, groups=[_pk("viewer"), _pk("operator")]),
    "take a role": lambda cast: _user(cast, cast.other, groups=[]),
    "shut a person out": lambda cast: _user(cast, cast.other, is_active=""),
    "delete a person": lambda cast: _delete(cast, cast.other),
    "delete many people": lambda cast: _selected(cast, PEOPLE, "delete_selected", cast.other),
    "add a group of rights one has": lambda cast: cast.client.post(
        reverse("admin:auth_group_add"),
        {"name": "new", "permissions": [right.pk for right in rights("view_flip", "delete_oauthapp")]},
    ),
    "change a group": lambda cast: _group(cast, cast.shift, "day shift", "view_flip"),
    "delete a group": lambda cast: _delete(cast, cast.shift),
    "delete many groups": lambda cast: _selected(cast, GROUPS, "delete_selected", cast.shift),
    # Raising rights
    "rename a person": lambda cast: _user(cast, cast.other, username="somebody-else"),
    "set another's password": lambda cast: cast.client.post(
        reverse("admin:auth_user_password_change", args=[cast.other.pk]),
        {"usable_password": "true", "password1": FRESH, "password2": FRESH},
    ),
    "set one's own password without the old one": lambda cast: cast.client.post(
        reverse("admin:auth_user_password_change", args=[(cast.me or cast.other).pk]),
        {"usable_password": "true", "password1": FRESH, "password2": FRESH},
    ),
    "make another a superuser": lambda cast: _user(cast, cast.other, is_superuser="on"),
    "make oneself a superuser": lambda cast: _user(
        cast, cast.me, is_superuser="on", user_permissions=[right.pk for right in rights("reveal_credential")]
    ),
    "take another role oneself": lambda cast: _user(cast, cast.me, groups=[_pk("auditor"), cast.shift.pk]),
    "let another reveal": lambda cast: _user(
        cast, cast.other, user_permissions=[right.pk for right in rights("reveal_credential")]
    ),
    "let another reveal through a group": lambda cast: _user(cast, cast.other, groups=[cast.vault.pk]),
    "let a group reveal": lambda cast: _group(cast, cast.shift, "night shift", "reveal_credential"),
    "add a group that reveals": lambda cast: cast.client.post(
        reverse("admin:auth_group_add"),
        {"name": "new", "permissions": [right.pk for right in rights("reveal_credential")]},
    ),
    "change a group that reveals": lambda cast: _group(cast, cast.vault, "vault", "view_flip"),
    "delete a group that reveals": lambda cast: _delete(cast, cast.vault),
    "change what a role may": lambda cast: _group(cast, Group.objects.get(name="viewer"), "viewer"),
    "delete a role": lambda cast: _delete(cast, Group.objects.get(name="viewer")),
    "delete many roles": lambda cast: _selected(
        cast, GROUPS, "delete_selected", *Group.objects.filter(name__in=["viewer", "auditor"])
    ),
    "correct a superuser's name": lambda cast: _user(cast, cast.boss, first_name="Grace"),
    "shut a superuser out": lambda cast: _user(cast, cast.boss, is_active=""),
    "delete a superuser": lambda cast: _delete(cast, cast.boss),
    "delete many people with a superuser": lambda cast: _selected(
        cast, PEOPLE, "delete_selected", cast.other, cast.boss
    ),
}
