"""Closing clinics and rooms, and absences and extra shifts. Sessions in the way are kept, and told of at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from services.runtime.clock import Clock
from services.runtime.errors import FieldViolation, InvalidArgumentError, NotFoundError
from services.runtime.identifiers import new_id
from services.runtime.names import etag_of, format_name
from services.scheduler.domain.availability import Closure, ExceptionKind, ShiftException
from services.scheduler.domain.blockers import Blocker, BlockerCode
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.local_time import LocalTime, resolve
from services.scheduler.domain.roster_changes import Kind
from services.scheduler.domain.stranded import StrandedSession
from services.scheduler.errors import StaleEtagError
from services.scheduler.ports.availability import StrandedFilter
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.stranded import propose_hand_overs

Stranded = tuple[StrandedSession, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClosure:
    """A clinic, or one room of it, to close."""

    clinic_id: UUID
    room_id: UUID | None
    start: LocalTime
    end: LocalTime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewException:
    """An absence or an extra shift to add; `time_zone` is given where no clinic is."""

    practitioner_id: UUID
    clinic_id: UUID | None
    kind: ExceptionKind
    time_zone: str
    start: LocalTime
    end: LocalTime


@dataclass(frozen=True, slots=True)
class Deletion:
    """A resource to delete, as the caller read it."""

    resource_id: UUID
    etag: str


async def create_closure(new: NewClosure, unit: UnitOfWork, clock: Clock) -> tuple[Closure, Stranded]:
    """Close a clinic or a room, and return every session that stands in that time and has not begun.

    Raises:
        NotFoundError: the clinic or the room is not known.
        InvalidArgumentError: every fault of the times, or the room is at another clinic.
    """
    clinic = await unit.roster.clinic(new.clinic_id)
    faults = []
    if new.room_id is not None and (await unit.roster.place(new.room_id)).clinic_id != new.clinic_id:
        faults.append(FieldViolation("closure.room", "write a room of that clinic"))
    closure = Closure(
        closure_id=new_id(),
        clinic_id=new.clinic_id,
        room_id=new.room_id,
        time_zone=clinic.time_zone,
        interval=_interval("closure", new.start, new.end, ZoneInfo(clinic.time_zone), now=clock.now(), faults=faults),
        reason=new.reason,
        create_time=clock.now(),
    )
    await unit.roster_changes.lock(Kind.CLINIC, new.clinic_id)
    await unit.availability.add_closure(closure)
    return closure, await unit.stranded.every(StrandedFilter(closure_id=closure.closure_id), clock.now())


async def delete_closure(deletion: Deletion, unit: UnitOfWork) -> None:
    """Open a clinic or a room again.

    Raises:
        NotFoundError: the closure is not known.
        StaleEtagError: it is not as it was read.
    """
    closure = await unit.availability.closure(deletion.resource_id)
    if deletion.etag != etag_of(closure):
        raise StaleEtagError(format_name("closures", closure.closure_id))
    await unit.availability.delete_closure(closure.closure_id)


async def create_exception(new: NewException, unit: UnitOfWork, clock: Clock) -> tuple[ShiftException, Stranded]:
    """Add an absence or an extra shift, and return the sessions that have lost their supervisor by it.

    Those that are under way come with who could take over.

    Raises:
        NotFoundError: the practitioner or the clinic is not known.
        InvalidArgumentError: every fault of the times, or they work at another clinic then.
    """
    now = clock.now()
    zone = (await unit.roster.clinic(new.clinic_id)).time_zone if new.clinic_id is not None else new.time_zone
    if await unit.roster_changes.lock(Kind.PRACTITIONER, new.practitioner_id) is None:
        raise NotFoundError(format_name("practitioners", new.practitioner_id))
    exception = ShiftException(
        shift_exception_id=new_id(),
        practitioner_id=new.practitioner_id,
        clinic_id=new.clinic_id,
        kind=new.kind,
        time_zone=zone,
        interval=_interval("shift_exception", new.start, new.end, ZoneInfo(zone), now=now, faults=[]),
        create_time=now,
    )
    before = await unsupervised(new.practitioner_id, unit, now)
    await unit.availability.add_exception(exception)
    await require_one_place("shift_exception", new.practitioner_id, unit, now)
    lost = newly(before, await unsupervised(new.practitioner_id, unit, now))
    return exception, await propose_hand_overs(lost, unit)


async def delete_exception(deletion: Deletion, unit: UnitOfWork, clock: Clock) -> Stranded:
    """Delete an absence or an extra shift, and return the sessions that have lost their supervisor by it.

    Those that are under way come with who could take over.

    Raises:
        NotFoundError: it is not known.
        StaleEtagError: it is not as it was read.
        InvalidArgumentError: without the absence they would work at two clinics at once.
    """
    exception, now = await unit.availability.exception(deletion.resource_id), clock.now()
    await unit.roster_changes.lock(Kind.PRACTITIONER, exception.practitioner_id)
    if deletion.etag != etag_of(await unit.availability.exception(deletion.resource_id)):
        raise StaleEtagError(format_name("shiftExceptions", deletion.resource_id))
    before = await unsupervised(exception.practitioner_id, unit, now)
    await unit.availability.delete_exception(deletion.resource_id)
    await require_one_place("name", exception.practitioner_id, unit, now)
    lost = newly(before, await unsupervised(exception.practitioner_id, unit, now))
    return await propose_hand_overs(lost, unit)


async def unsupervised(practitioner_id: UUID, unit: UnitOfWork, now: datetime) -> Stranded:
    """Return the sessions of a practitioner that nobody who may supervise them is there for."""
    found = await unit.stranded.every(StrandedFilter(practitioner_id=practitioner_id), now)
    return tuple(one for one in found if BlockerCode.NO_SUPERVISOR in one.reasons)


def newly(before: Iterable[StrandedSession], after: Iterable[StrandedSession]) -> Stranded:
    """Return the sessions that were not among those before."""
    known = {one.session_id for one in before}
    return tuple(one for one in after if one.session_id not in known)


async def require_one_place(path: str, practitioner_id: UUID, unit: UnitOfWork, now: datetime) -> None:
    """Refuse what would have a practitioner work an extra shift while they are on shift at another clinic.

    Raises:
        InvalidArgumentError: it would; the fault is at `path`.
    """
    clash = await unit.availability.extra_elsewhere(practitioner_id, now)
    if clash is not None:
        name = format_name("shiftExceptions", clash.shift_exception_id)
        fault = f"the practitioner would work at two clinics at once: {name} is at a time of theirs at another clinic"
        raise InvalidArgumentError([FieldViolation(path, fault)])


def _interval(
    path: str, start: LocalTime, end: LocalTime, zone: ZoneInfo, *, now: datetime, faults: list[FieldViolation]
) -> Interval:
    """Return the interval between two times on a clock, or refuse it with these faults and its own."""
    first, last = resolve(start, zone), resolve(end, zone)
    if isinstance(first, Blocker):
        faults.append(FieldViolation(f"{path}.start", first.description))
    if isinstance(last, Blocker):
        faults.append(FieldViolation(f"{path}.end", last.description))
    elif last <= now:
        faults.append(FieldViolation(f"{path}.end", "write a time that is not past"))
    elif not isinstance(first, Blocker) and last <= first:
        faults.append(FieldViolation(f"{path}.end", "write a time after the start"))
    if faults or isinstance(first, Blocker) or isinstance(last, Blocker):
        raise InvalidArgumentError(faults)
    return Interval(first, last)
