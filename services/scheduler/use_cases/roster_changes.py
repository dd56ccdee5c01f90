"""Adding and changing one resource of the roster at a time, under the rules of a whole roster."""

from uuid import UUID

from services.runtime.clock import Clock
from services.runtime.errors import FieldViolation, InvalidArgumentError, NotFoundError
from services.runtime.identifiers import new_id
from services.runtime.names import etag_of, format_name
from services.scheduler.domain.roster import Identifier, Patient, Shift
from services.scheduler.domain.roster_changes import (
    Addition,
    Change,
    Kind,
    ShiftChange,
    elsewhere_at_once,
    faults_of_entry,
)
from services.scheduler.domain.roster_import import KnownRoster, Roster
from services.scheduler.domain.stranded import StrandedSession
from services.scheduler.errors import IdentifierTakenError, StaleEtagError
from services.scheduler.ports.roster import SavedRoster
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.use_cases.availability import Deletion, newly, require_one_place, unsupervised
from services.scheduler.use_cases.birth_dates import tell_corrected
from services.scheduler.use_cases.stranded import propose_hand_overs


async def create_resource(addition: Addition, unit: UnitOfWork, clock: Clock) -> SavedRoster:
    """Add a clinic, room, practitioner or patient.

    Raises:
        InvalidArgumentError: every fault, with field paths.
        IdentifierTakenError: another has its external identifier.
    """
    if not addition.roster.faults:
        await _require_free(addition.kind, addition.identifier, unit)
    known = await unit.roster.known(addition.roster)
    _require_faultless(addition.roster, known, clock)
    return await unit.roster_changes.add(addition, known, clock.now())


async def update_resource(change: Change, unit: UnitOfWork, clock: Clock) -> SavedRoster:
    """Replace everything of a clinic, room, practitioner or patient but its name; a corrected date of birth is told.

    Raises:
        InvalidArgumentError: every fault, with field paths.
        NotFoundError: it is not known.
        StaleEtagError: it was changed since it was read.
        IdentifierTakenError: another has the external identifier that it is to have.
    """
    current = await unit.roster_changes.lock(change.kind, change.resource_id)
    known = await unit.roster.known(change.roster)
    if current is not None:
        known = known.renamed(current.identifier, change.identifier)
    _require_faultless(change.roster, known, clock)
    name = format_name(change.kind.collection, change.resource_id)
    if current is None:
        raise NotFoundError(name)
    if change.etag != etag_of(current):
        raise StaleEtagError(name)
    if change.identifier != current.identifier:
        await _require_free(change.kind, change.identifier, unit)
    saved = await unit.roster_changes.change(change, known)
    if isinstance(current, Patient):
        await tell_corrected({current.patient_id: current.birth_date}, saved.patients, unit)
    return saved


async def create_shift(roster: Roster, unit: UnitOfWork, clock: Clock) -> Shift:
    """Add a weekly shift.

    Raises:
        InvalidArgumentError: every fault, with field paths.
    """
    known = await unit.roster.known(roster)
    _require_faultless(roster, known, clock)
    shift = _shift(new_id(), roster, known)
    await unit.roster_changes.lock(Kind.PRACTITIONER, shift.practitioner_id)
    await _save_shift(shift, unit, clock)
    return shift


async def update_shift(change: ShiftChange, unit: UnitOfWork, clock: Clock) -> Shift:
    """Replace everything of a weekly shift but its name.

    Raises:
        InvalidArgumentError: every fault, with field paths.
        NotFoundError: it is not known.
        StaleEtagError: it was changed since it was read.
    """
    known = await unit.roster.known(change.roster)
    _require_faultless(change.roster, known, clock)
    shift = _shift(change.shift_id, change.roster, known)
    had = (await unit.roster_changes.shift(change.shift_id)).practitioner_id
    for practitioner_id in sorted({had, shift.practitioner_id}):
        await unit.roster_changes.lock(Kind.PRACTITIONER, practitioner_id)
    _require_fresh(await unit.roster_changes.shift(change.shift_id), change.etag)
    await _save_shift(shift, unit, clock)
    return shift


async def delete_shift(deletion: Deletion, unit: UnitOfWork, clock: Clock) -> tuple[StrandedSession, ...]:
    """Delete a weekly shift, and return the sessions that have lost their supervisor by it.

    Raises:
        NotFoundError: it is not known.
        StaleEtagError: it was changed since it was read.
    """
    shift = await unit.roster_changes.shift(deletion.resource_id)
    await unit.roster_changes.lock(Kind.PRACTITIONER, shift.practitioner_id)
    _require_fresh(await unit.roster_changes.shift(deletion.resource_id), deletion.etag)
    before = await unsupervised(shift.practitioner_id, unit, clock.now())
    await unit.roster_changes.delete_shift(deletion.resource_id)
    lost = newly(before, await unsupervised(shift.practitioner_id, unit, clock.now()))
    return await propose_hand_overs(lost, unit)


def _shift(shift_id: UUID, roster: Roster, known: KnownRoster) -> Shift:
    (entry,) = roster.shifts
    return Shift(
        shift_id=shift_id,
        practitioner_id=known.practitioners[entry.practitioner],
        clinic_id=known.clinics[entry.clinic],
        weekday=entry.weekday,
        start_time=entry.start_time,
        end_time=entry.end_time,
        effective_start_date=entry.effective_start_date,
        effective_end_date=entry.effective_end_date,
    )


async def _save_shift(shift: Shift, unit: UnitOfWork, clock: Clock) -> None:
    clash = elsewhere_at_once(shift, await unit.roster_changes.shifts_of(shift.practitioner_id))
    if clash is not None:
        fault = f"at the time of shifts/{clash.shift_id}, which is at another clinic"
        raise InvalidArgumentError([FieldViolation("shift", fault)])
    await unit.roster_changes.save_shift(shift)
    await require_one_place("shift", shift.practitioner_id, unit, clock.now())


def _require_fresh(shift: Shift, etag: str) -> None:
    if etag != etag_of(shift):
        raise StaleEtagError(format_name("shifts", shift.shift_id))


def _require_faultless(roster: Roster, known: KnownRoster, clock: Clock) -> None:
    if faults := faults_of_entry(roster, known, clock.now().date()):
        raise InvalidArgumentError(faults)


async def _require_free(kind: Kind, identifier: Identifier, unit: UnitOfWork) -> None:
    holder = await unit.roster_changes.holder(kind, identifier)
    if holder is not None:
        raise IdentifierTakenError(format_name(kind.collection, holder))
