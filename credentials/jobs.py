"""Jobs: acts on many credentials, which people start and watch. A turn of the worker runs them.

A worker claims a job for as long as it is heard of. Each item is taken and done in one transaction, which
also counts it and says that the worker is there, and all of it only while the claim holds: whoever is killed
leaves no item half done, and whoever comes back late does none twice. Only a test asks a provider in between,
and asks again where its worker was killed before the answer was written.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import InterfaceError, OperationalError, connections, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from credentials import audit, job_acts
from credentials.job_acts import Act, Failed, Refused
from credentials.models import Job, JobItem
from credentials.models.job import LONGEST
from health import schedule, turns
from health.models import Beat
from health.upkeep import ALIVE

logger = logging.getLogger(__name__)

MOST = 100_000
# A worker that was not heard of for so long holds nothing any more.
SILENCE = timedelta(seconds=60)
# In seconds: after so long another job has its turn; so often whoever started it is looked up again; and so
# often a worker says that it is there while it waits for providers.
SHARE, RIGHTS_EVERY, BEAT_EVERY = 20.0, 2.0, 10.0
# Tests at the same time.
AT_ONCE = 4
BATCH, INSERTED = 200, 5_000
# How long the results of a job are kept.
KEPT_FOR = timedelta(days=30)


class _Over(Exception):
    """The job is not this worker's any more: it was cancelled, or somebody else took it over."""


class _Stopped(Exception):
    """The job must not go on. The message says why."""


def register() -> None:
    turns.register("jobs", turn)


# --- starting and cancelling --------------------------------------------------------------------------------


def start(name: str, chosen: Iterable[tuple[UUID, str]], *, parameters: dict[str, Any], person: Any) -> Job:
    """Let a worker do an act to these credentials, given as (id, name); returns the job.

    Raises PermissionDenied, or ValidationError where there is none, or more than MOST.
    """
    act = job_acts.ACTS[name]
    if not person.has_perms(act.rights):
        raise PermissionDenied
    rows = dict(chosen)
    if not rows:
        raise ValidationError(_("Nothing is selected."))
    if len(rows) > MOST:
        raise ValidationError(_("At most %s at once: narrow the list.") % f"{MOST:,}")
    job = Job(
        act=name, person=person, actor=audit.actor_name(person)[:255], parameters=parameters, total=len(rows)
    )
    with transaction.atomic():
        job.save(force_insert=True)
        items = (JobItem(job=job, credential=pk, name=called[:LONGEST]) for pk, called in rows.items())
        JobItem.objects.bulk_create(items, batch_size=INSERTED)
        audit.record("start_job", job)
    return job


def cancel(job: Job, *, person: Any) -> bool:
    """End a job after what is under way; returns whether it was still open. What is done stays done."""
    words = _("Cancelled by %s.") % person.get_username()
    with transaction.atomic():
        ended = _end(Job.objects.filter(pk=job.pk, state__in=Job.OPEN), Job.State.CANCELLED, words)
        if ended:
            audit.record("cancel_job", job)
    job.refresh_from_db()
    return ended


def _end(rows: Any, state: Job.State, words: str = "") -> bool:
    now = timezone.now()
    return bool(rows.update(state=state, said=words[:LONGEST], ended_at=now, beat_at=None))


# --- the worker ---------------------------------------------------------------------------------------------


def turn(ending: threading.Event | None = None) -> None:
    """Run jobs until there is none left, each for a while in turn."""
    ending = ending or threading.Event()
    forget()
    while not ending.is_set() and (job := claim()):
        run(job, ending)


def forget() -> None:
    """Remove one of the jobs that ended long ago, with its results."""
    old = Job.objects.filter(ended_at__lt=timezone.now() - KEPT_FOR).order_by("created_at").first()
    if old:
        old.delete()


def claim() -> Job | None:
    """Take the job that waits longest; None where none is free. Of those who ask one gets it."""
    now = schedule.clock()
    free = Job.objects.filter(Q(beat_at=None) | Q(beat_at__lt=now - SILENCE), state__in=Job.OPEN)
    while job := free.order_by("turn_at", "pk").first():
        mine = free.filter(pk=job.pk, fence=job.fence).update(
            fence=F("fence") + 1,
            beat_at=now,
            turn_at=now,
            state=Job.State.RUNNING,
            started_at=job.started_at or now,
        )
        if mine:
            job.refresh_from_db()
            return job
    return None


def run(job: Job, ending: threading.Event | None = None) -> None:
    """Do what is left of a claimed job, in the name of whoever started it, and give it back after a while."""
    ending, until = ending or threading.Event(), time.monotonic() + SHARE
    act = job_acts.ACTS[job.act]

    def over() -> bool:
        return ending.is_set() or time.monotonic() > until

    with audit.acting(job.actor) as who:
        # All that a job does belongs together.
        who.request_id = job.pk
        try:
            (_look if act.looks else _do)(act, job, over)
            if not _waiting(job).exists():
                _end(_held(job), Job.State.DONE)
        except _Over:
            return
        except _Stopped as stopped:
            _end(_held(job), Job.State.STOPPED, str(stopped))
    _held(job).update(beat_at=None)


def _held(job: Job) -> Any:
    """The row of a job, as long as it is this claim's."""
    return Job.objects.filter(pk=job.pk, fence=job.fence, state=Job.State.RUNNING)


def _waiting(job: Job) -> Any:
    return JobItem.objects.filter(job=job, result="")


def _beat(job: Job, **counted: Any) -> None:
    """Say that the worker is there. Raises _Over."""
    if not _held(job).update(beat_at=schedule.clock(), **counted):
        raise _Over


def _items(act: Act, job: Job, over: Callable[[], bool]) -> Iterator[JobItem]:
    """The items that nobody did yet, in their order, while whoever started the job may do this. Raises
    _Stopped."""
    last, look_at = 0, 0.0
    while some := list(_waiting(job).filter(pk__gt=last).order_by("pk")[:BATCH]):
        for item in some:
            if over():
                return
            if time.monotonic() >= look_at:
                _person(act, job)
                look_at = time.monotonic() + RIGHTS_EVERY
            last = item.pk
            yield item


def _person(act: Act, job: Job) -> Any:
    """Whoever started a job, as they are now. Raises _Stopped where they may not do this any more."""
    person = get_user_model().objects.filter(pk=job.person_id).first() if job.person_id else None
    if person is None:
        raise _Stopped(_("Stopped: whoever started it is no user any more."))
    if not person.is_active:
        raise _Stopped(_("Stopped: whoever started it may not sign in any more."))
    if not person.has_perms(act.rights):
        raise _Stopped(_("Stopped: whoever started it may not do this any more."))
    return person


# --- one item -----------------------------------------------------------------------------------------------


def _do(act: Act, job: Job, over: Callable[[], bool]) -> None:
    """Do items one by one. What did not work is taken back before it is written down."""
    for item in _items(act, job, over):
        try:
            with transaction.atomic():
                if _taken(job, item):
                    words = job_acts.carry_out(act, item.credential, job.parameters, job.actor)
                    _write(job, item, JobItem.Result.WORKED, words)
        except (_Over, OperationalError, InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001 - one that fails must not keep the others from being done
            _keep(job, item, *_outcome(error))


def _look(act: Act, job: Job, over: Callable[[], bool]) -> None:
    """Ask providers, several at the same time; only this thread writes."""
    items, running = _items(act, job, over), dict[Future[tuple[str, str]], JobItem]()
    with ThreadPoolExecutor(AT_ONCE, "job") as pool:
        while True:
            while len(running) < AT_ONCE and (item := next(items, None)):
                running[pool.submit(_looked_at, act, job, item)] = item
            if not running:
                return
            done, _others = wait(running, BEAT_EVERY, FIRST_COMPLETED)
            if not done:
                _beat(job)
            for one in done:
                _keep(job, running.pop(one), *one.result())


def _looked_at(act: Act, job: Job, item: JobItem) -> tuple[str, str]:
    """What came of one item, in a thread of its own."""
    try:
        with audit.acting(job.actor) as who:
            who.request_id = job.pk
            words = job_acts.carry_out(act, item.credential, job.parameters, job.actor)
        return JobItem.Result.WORKED, words
    except Exception as error:  # noqa: BLE001 - as above
        return _outcome(error)
    finally:
        connections.close_all()


def _outcome(error: Exception) -> tuple[str, str]:
    if isinstance(error, Refused):
        return JobItem.Result.REFUSED, str(error)
    if isinstance(error, Failed):
        return JobItem.Result.FAILED, str(error)
    # Not its text, which can hold what should not be told.
    logger.error("A job could not do a credential, by a fault of ours: %s", type(error).__name__)
    return JobItem.Result.FAILED, _("It could not be done, by a fault of ours: %s.") % type(error).__name__


def _keep(job: Job, item: JobItem, result: str, words: str) -> None:
    """Write what came of an item, unless somebody else did already. Raises _Over."""
    with transaction.atomic():
        if _taken(job, item):
            _write(job, item, result, words)


def _taken(job: Job, item: JobItem) -> bool:
    """Take an item in this transaction; False where it is done already. Waits for who has taken it before."""
    return bool(_waiting(job).filter(pk=item.pk).update(result=JobItem.Result.WORKED))


def _write(job: Job, item: JobItem, result: str, words: str) -> None:
    """Write what came of an item that was taken, and count it. Raises _Over."""
    now = timezone.now()
    JobItem.objects.filter(pk=item.pk).update(result=result, said=words[:LONGEST], at=now)
    # Last, so that whoever cancels the job waits for no more than this.
    _beat(job, **{str(result): F(str(result)) + 1})


# --- watching -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """How a job goes: whether a worker has it, whether any worker is there, when it may be done."""

    held: bool
    workers: bool
    seconds_left: float | None

    @property
    def time_left(self) -> timedelta | None:
        return None if self.seconds_left is None else timedelta(seconds=round(self.seconds_left))


def progress(job: Job) -> Progress:
    now = schedule.clock()
    held = job.beat_at is not None and job.beat_at > now - SILENCE
    left = None
    if held and job.started_at and job.handled >= 10:
        left = (now - job.started_at).total_seconds() / job.handled * job.left
    return Progress(held, held or Beat.objects.filter(seen_at__gt=now - ALIVE).exists(), left)
