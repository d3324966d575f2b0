"""Who and what the matrix of rights is tried with, and the whole state of the database to compare."""

from copy import deepcopy
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone

from credentials.models import AuditEvent, Delivery, Job, Upload
from health import pausing, reports
from health.models import Component, Flip, Note
from project.models import SavedView
from project.roles import ROLES
from tests.credentials.notifications.cast import HOST, make_channel
from tests.factories import make_credential, make_oauth_app

FILE = (
    b'[{"name": "Sent", "properties": {"kind": "shopify_oauth2", "access_token": "x", "shop_url": "sent"}}]'
)
PASSWORD = "only-for-tests-0123456789"
# Kept by Django beside what people do.
BESIDE = {"django_session", "django_admin_log", "django_content_type", "django_migrations"}


def person(role: str, name: str = "me") -> User | None:
    """Somebody of a role; None for the anonymous. "outsider" has all rights of an admin, and is no staff."""
    if role == "anonymous":
        return None
    if role == "superuser":
        return User.objects.create_superuser(name, password=PASSWORD)
    user = User.objects.create_user(name, password=PASSWORD, is_staff=role != "outsider")
    if role == "outsider":
        role = "admin"
    if role in ROLES:
        user.groups.add(Group.objects.get(name=role))
    return user


def client_of(user: User | None) -> Client:
    client = Client()
    if user:
        client.force_login(user)
    return client


def make_cast(role: str, world: SimpleNamespace | None = None) -> SimpleNamespace:
    """One of everything, and somebody of a role at the keyboard: `me`, `client`. A world that was made before
    is left as it is."""
    world = world or make_world()
    me = person(role)
    rows = {name: deepcopy(row) for name, row in vars(world).items() if name != "root"}
    # The session lies in the database.
    root = Client()
    root.cookies = deepcopy(world.root.cookies)
    # The limiter knows what it saw of a limit beyond this transaction: this one is nobody else's.
    credential = make_credential("stripe_key", name="Before")
    view = me and SavedView.objects.create(user=me, page="credentials", name="Mine", query="kind=a")
    cast = SimpleNamespace(me=me, client=client_of(me), root=root, credential=credential, view=view, **rows)
    cast.own_job = make_job(me)
    cast.upload = make_upload(me or cast.other)
    return cast


def make_upload(person: User) -> Upload:
    """A file that somebody has sent, and looked at."""
    upload = Upload(owner=person, name="file.json", size=len(FILE), form="json")
    counts = dict.fromkeys(("updated", "unchanged", "superseded", "failed"), 0)
    upload.preview = {"created": 1, **counts, "problems": []}
    upload.keep(FILE)
    return upload


def make_job(person: User | None) -> Job:
    """A job that somebody started and no worker has taken yet."""
    return Job.objects.create(act="test", person=person, actor=f"user:{person or 'nobody'}", total=1)


def make_world() -> SimpleNamespace:
    """One of everything, with `root`, the client of a superuser, and nobody at the keyboard."""
    target = Component.objects.create(kind="target", name="orders-db")
    sync = Component.objects.create(kind="sync", name="orders")
    reports.report(target, "customer_intervention", actor="cli:cast@host", code="disk_full")
    consumer = Component.objects.create(kind="consumer", name="orders consumer")
    until = timezone.now() + timedelta(hours=1)
    pausing.override(consumer, "healthy", reason="Known.", actor="cli:cast@host", until=until)
    pausing.pause(consumer, reason="Maintenance.", actor="cli:cast@host")
    Note.objects.write(consumer, "Ask Anna.", actor="cli:cast@host")
    deleted = make_credential("stripe_key", name="Deleted")
    deleted.delete()
    shift, vault = Group.objects.create(name="night shift"), Group.objects.create(name="vault")
    shift.permissions.set(rights("view_component"))
    vault.permissions.set(rights("reveal_credential"))
    flip = Flip.objects.get(component=target)
    channel = make_channel("email", name="Before")
    with override_settings(NOTIFICATION_HOSTS=[HOST]):
        slack = make_channel("slack")
    boss = User.objects.create_superuser("boss")
    return SimpleNamespace(
        root=client_of(User.objects.create_superuser("root")),
        boss=boss,
        job=make_job(boss),
        other=person("viewer", "other"),
        shop=make_credential("shopify_oauth2", shop_url="before.myshopify.com"),
        app=make_oauth_app(name="Before"),
        connected=make_credential("hubspot_oauth2", oauth_app=make_oauth_app("hubspot", name="Of its own")),
        deleted=deleted,
        sync=sync,
        target=target,
        consumer=consumer,
        flip=flip,
        channel=channel,
        slack=slack,
        delivery=Delivery.objects.create(channel=channel, flip=flip, stage="began", state="sent"),
        event=AuditEvent.objects.order_by("time", "pk").first(),
        shift=shift,
        vault=vault,
    )


def rights(*codenames: str) -> Any:
    found = Permission.objects.filter(codename__in=codenames)
    assert len(found) == len(codenames)
    return found


def state() -> dict[str, list[str]]:
    """All rows of all tables, but for what Django keeps beside them."""
    with connection.cursor() as cursor:
        found = {}
        for table in sorted(set(connection.introspection.table_names(cursor)) - BESIDE):
            if table.startswith("limiter_"):
                continue  # written on connections of its own, and by the clock
            cursor.execute(f'SELECT * FROM "{table}"')
            found[table] = sorted(map(repr, cursor.fetchall()))
    return found


def difference(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """The tables that differ."""
    return [table for table in before if before[table] != after[table]]
