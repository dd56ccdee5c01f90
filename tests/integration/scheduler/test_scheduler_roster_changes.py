"""Adding and changing one resource of the roster at a time, under the rules of a whole roster."""

import asyncio
from datetime import date
from typing import Any

import pytest

from kat.scheduler.v1 import roster_pb2
from services.runtime.errors import AbortedError, AlreadyExistsError, InvalidArgumentError, NotFoundError
from services.runtime.identifiers import new_id
from tests.integration.scheduler.desk import SYSTEM, Desk, clock_time, codes, day, identifier

pytestmark = pytest.mark.external_postgres

TUESDAY = date(2026, 3, 3)
KINDS = ("clinic", "room", "practitioner", "patient")


async def write(desk: Desk, verb: str, resource: Any, **more: Any) -> Any:
    """Create or update a resource of whatever kind it is."""
    kind = type(resource).__name__
    request = getattr(roster_pb2, f"{verb}{kind}Request")(**{kind.lower(): resource}, **more)
    return await desk.call(getattr(desk.roster, f"{verb}{kind}"), request)


async def faults(attempt: Any) -> set[str]:
    with pytest.raises(InvalidArgumentError) as faulty:
        await attempt
    return {fault.path for fault in faulty.value.violations}


def copy(resource: Any, **changes: Any) -> Any:
    """A resource with other values in these fields."""
    changed = type(resource)()
    changed.CopyFrom(resource)
    for field in changes:
        changed.ClearField(field)
    changed.MergeFrom(type(resource)(**changes))
    return changed


def kinds(opened: roster_pb2.ImportRosterResponse) -> dict[str, Any]:
    return {kind: getattr(opened, f"{kind}s")[0] for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_resource_is_added_and_read_back(desk, kind) -> None:
    wanted = kinds(await desk.open_clinic())[kind]
    wanted = copy(wanted, identifier=identifier("another"))
    if kind == "practitioner":
        wanted.subject = "another-subject"
    added = await write(desk, "Create", wanted)
    assert added.name != wanted.name
    name = type(wanted).__name__
    get = getattr(desk.roster, f"Get{name}")
    assert await desk.call(get, getattr(roster_pb2, f"Get{name}Request")(name=added.name)) == added
    for field in ("name", "etag", "create_time"):
        added.ClearField(field)
        wanted.ClearField(field)
    assert added == wanted


@pytest.mark.parametrize("kind", KINDS)
async def test_an_identifier_that_is_taken_is_refused_and_its_holder_named(desk, kind) -> None:
    known = kinds(await desk.open_clinic())[kind]
    with pytest.raises(AlreadyExistsError) as taken:
        await write(desk, "Create", known)
    assert (taken.value.reason, taken.value.metadata["resource"]) == ("IDENTIFIER_TAKEN", known.name)
    other = copy(known, identifier=identifier("another"))
    if kind == "practitioner":
        other.subject = "another-subject"
    other = await write(desk, "Create", other)
    with pytest.raises(AlreadyExistsError):
        await write(desk, "Update", copy(other, identifier=known.identifier))


@pytest.mark.parametrize("kind", KINDS)
async def test_of_many_who_add_the_same_one_does(desk, kind) -> None:
    wanted = kinds(await desk.open_clinic())[kind]
    wanted = copy(wanted, identifier=identifier("another"))
    if kind == "practitioner":
        wanted.subject = "another-subject"
    attempts = (write(desk, "Create", wanted, request_id=str(new_id())) for _ in range(6))
    results = await asyncio.gather(*attempts, return_exceptions=True)
    refused = [result for result in results if isinstance(result, BaseException)]
    assert len(refused) == 5
    assert {error.reason for error in refused} == {"IDENTIFIER_TAKEN"}


@pytest.mark.parametrize("kind", KINDS)
async def test_everything_is_replaced_but_the_name_by_whoever_read_it_last(desk, kind) -> None:
    known = kinds(await desk.open_clinic())[kind]
    change = copy(known, identifier=identifier("renamed"))
    if kind == "patient":
        change.ClearField("clinic")
    elif kind == "practitioner":
        change.ClearField("protocol_codes")
    elif kind == "clinic":
        del change.opening_hours[1:]
    changed = await write(desk, "Update", change)
    assert changed.etag != known.etag
    assert changed == copy(change, etag=changed.etag)
    with pytest.raises(AbortedError) as stale:
        await write(desk, "Update", change)
    assert stale.value.reason == "STALE_ETAG"
    assert await write(desk, "Update", changed) == changed


async def test_an_identifier_is_unique_among_resources_of_its_kind_alone(desk) -> None:
    opened = await desk.open_clinic()
    room = copy(opened.rooms[0], identifier=opened.clinics[0].identifier)
    assert (await write(desk, "Update", room)).identifier == opened.clinics[0].identifier


async def test_every_fault_of_a_change_at_once_with_its_path(desk) -> None:
    wrong = roster_pb2.UpdatePractitionerRequest(
        practitioner=roster_pb2.Practitioner(name="rooms/1", supervision_ratio=99, protocol_codes=["IV!"])
    )
    found = await faults(desk.call(desk.roster.UpdatePractitioner, wrong))
    assert found == {
        "practitioner.name",
        "practitioner.etag",
        "practitioner.identifier.system",
        "practitioner.identifier.value",
        "practitioner.printed_name",
        "practitioner.credential",
        "practitioner.supervision_ratio",
        "practitioner.protocol_codes[0]",
    }
    born = roster_pb2.Patient(
        identifier=identifier("x\0"),
        time_zone="America/Nowhere",
        birth_date=day(date(2027, 1, 1)),
        clinic=f"identifiers/{SYSTEM}|nowhere",
    )
    assert await faults(write(desk, "Create", born)) == {
        "patient.identifier.value",
        "patient.time_zone",
        "patient.birth_date",
        "patient.clinic",
    }


async def test_what_sessions_rest_on_stays(desk) -> None:
    opened = await desk.open_clinic(supervisors=2)
    other = await desk.open_clinic(key="other")
    await desk.book(await desk.active_course(opened.patients[0].name), opened.rooms[0].name, TUESDAY)
    # The clinic and the room are known by their names, whatever their identifiers become.
    zone = copy(opened.clinics[0], time_zone="America/Chicago", identifier=identifier("new"))
    assert await faults(write(desk, "Update", zone)) == {"clinic.time_zone"}
    moved = copy(opened.rooms[0], clinic=other.clinics[0].name, identifier=identifier("new"))
    assert await faults(write(desk, "Update", moved)) == {"room.clinic"}
    shared = copy(opened.practitioners[0], subject="main-subject-1", identifier=identifier("new"))
    assert await faults(write(desk, "Update", shared)) == {"practitioner.subject"}
    own = copy(opened.practitioners[0], identifier=identifier("new"))
    assert (await write(desk, "Update", own)).subject == "main-subject-0"


async def test_what_is_not_there_is_not_found(desk) -> None:
    opened = await desk.open_clinic()
    for resource in kinds(opened).values():
        collection = resource.name.partition("/")[0]
        with pytest.raises(NotFoundError):
            await write(desk, "Update", copy(resource, name=f"{collection}/{new_id()}"))
    with pytest.raises(NotFoundError):
        await write(desk, "Update", copy(opened.shifts[0], name=f"shifts/{new_id()}", etag="x"))


async def test_another_organization_changes_nothing(desk, database, clock) -> None:
    opened = await desk.open_clinic()
    stranger = Desk(database, clock)
    own = await stranger.open_clinic()
    for resource in (opened.clinics[0], opened.practitioners[0]):
        with pytest.raises(NotFoundError):
            await write(stranger, "Update", resource)
    assert await faults(write(stranger, "Update", opened.rooms[0])) == {"room.clinic"}
    theirs = copy(own.shifts[0], practitioner=opened.practitioners[0].name)
    assert await faults(write(stranger, "Create", theirs)) == {"shift.practitioner"}
    with pytest.raises(NotFoundError):
        await stranger.call(stranger.roster.GetShift, roster_pb2.GetShiftRequest(name=opened.shifts[0].name))
    deletion = roster_pb2.DeleteShiftRequest(name=opened.shifts[0].name, etag=opened.shifts[0].etag)
    with pytest.raises(NotFoundError):
        await stranger.call(stranger.roster.DeleteShift, deletion)


async def test_a_shift_is_added_changed_and_deleted(desk) -> None:
    opened = await desk.open_clinic(days=[1])
    wanted = copy(opened.shifts[0], day_of_week=3, effective_start_date=day(TUESDAY))
    wanted.practitioner = f"identifiers/{SYSTEM}|main-supervisor-0"
    added = await write(desk, "Create", wanted)
    assert added.practitioner == opened.practitioners[0].name
    changed = await write(desk, "Update", copy(added, end_time=clock_time("12:00")))
    assert (changed.name, changed.end_time.hours) == (added.name, 12)
    assert await desk.call(desk.roster.GetShift, roster_pb2.GetShiftRequest(name=added.name)) == changed
    for verb in (roster_pb2.UpdateShiftRequest(shift=added), roster_pb2.DeleteShiftRequest(name=added.name, etag="x")):
        method = desk.roster.UpdateShift if "shift" in verb.DESCRIPTOR.fields_by_name else desk.roster.DeleteShift
        with pytest.raises(AbortedError):
            await desk.call(method, verb)
    await desk.call(desk.roster.DeleteShift, roster_pb2.DeleteShiftRequest(name=changed.name, etag=changed.etag))
    assert list((await desk.call(desk.roster.ListShifts, roster_pb2.ListShiftsRequest())).shifts) == list(opened.shifts)


async def test_a_shift_at_the_time_of_one_elsewhere_is_refused(desk) -> None:
    opened = await desk.open_clinic(days=[1, 2])
    other = await desk.open_clinic(key="other", days=[1])
    times = {"start_time": clock_time("17:59"), "end_time": clock_time("19:00")}
    elsewhere = copy(opened.shifts[0], clinic=other.clinics[0].name, **times)
    with pytest.raises(InvalidArgumentError, match=opened.shifts[0].name):
        await write(desk, "Create", elsewhere)
    after = copy(elsewhere, start_time=clock_time("18:00"))
    added = await write(desk, "Create", after)
    early = copy(added, start_time=clock_time("17:00"))
    with pytest.raises(InvalidArgumentError, match="another clinic"):
        await write(desk, "Update", early)
    assert await faults(write(desk, "Create", roster_pb2.Shift(day_of_week=9))) == {
        "shift.practitioner",
        "shift.clinic",
        "shift.day_of_week",
        "shift.start_time",
        "shift.end_time",
    }


async def test_a_deleted_shift_tells_whose_supervisor_it_takes(desk) -> None:
    opened = await desk.open_clinic(patients=2, days=[2, 3])
    for patient, on in zip(opened.patients, (3, 4), strict=True):
        await desk.book(await desk.active_course(patient.name), opened.rooms[0].name, date(2026, 3, on))
    shift = next(one for one in opened.shifts if one.day_of_week == 2)
    answer = await desk.call(desk.roster.DeleteShift, roster_pb2.DeleteShiftRequest(name=shift.name, etag=shift.etag))
    assert [(one.patient, list(one.reasons)) for one in answer.stranded_sessions] == [
        (opened.patients[0].name, ["NO_SUPERVISOR"])
    ]


async def test_a_change_of_a_shift_and_a_booking_do_not_miss_each_other(desk) -> None:
    """Whichever comes first: no session is booked under a supervisor whose shift was shortened before."""
    opened = await desk.open_clinic(rooms=8, patients=8, ratio=8)
    courses = [await desk.active_course(patient.name) for patient in opened.patients]
    shift = next(one for one in opened.shifts if one.day_of_week == 2)
    shorter = copy(shift, end_time=clock_time("10:00"))
    results = await asyncio.gather(
        *(desk.book(course, room.name, TUESDAY) for course, room in zip(courses[:4], opened.rooms[:4], strict=True)),
        write(desk, "Update", shorter),
        *(desk.book(course, room.name, TUESDAY) for course, room in zip(courses[4:], opened.rooms[4:], strict=True)),
        return_exceptions=True,
    )
    assert isinstance(results[4], roster_pb2.Shift)
    booked = [result.name for result in results if not isinstance(result, BaseException | roster_pb2.Shift)]
    for error in results:
        if isinstance(error, BaseException):
            assert {blocker.code for blocker in error.blockers} == {"NO_SUPERVISOR"}
    listed = await desk.call(desk.roster.ListStrandedSessions, roster_pb2.ListStrandedSessionsRequest())
    assert sorted(one.session for one in listed.stranded_sessions) == sorted(booked)
    assert codes(await desk.blockers(courses[0], opened.rooms[0].name, TUESDAY)) >= {"NO_SUPERVISOR"}
