"""Taking in a roster: all of it or nothing, with every fault at once."""

from datetime import date

import pytest

from kat.scheduler.v1 import roster_pb2
from services.runtime.errors import InvalidArgumentError, NotFoundError
from tests.integration.scheduler.desk import SYSTEM, Desk, clock_time, day, identifier, roster

pytestmark = pytest.mark.external_postgres

SMALL = {
    "rooms": 2,
    "supervisors": 2,
    "ratio": 3,
    "patients": 3,
    "zone": "America/New_York",
    "hours": ("08:00", "18:00"),
    "key": "main",
    "days": range(1, 6),
}


async def imported(desk: Desk, request: roster_pb2.ImportRosterRequest) -> roster_pb2.ImportRosterResponse:
    return await desk.call(desk.roster.ImportRoster, request)


async def faults(desk: Desk, request: roster_pb2.ImportRosterRequest) -> dict[str, str]:
    with pytest.raises(InvalidArgumentError) as faulty:
        await imported(desk, request)
    return {fault.path: fault.description for fault in faulty.value.violations}


async def test_a_roster_is_taken_in_and_read_back(desk) -> None:
    saved = await imported(desk, roster(**SMALL))
    get = desk.roster
    for method, request, resources in (
        (get.GetClinic, roster_pb2.GetClinicRequest, saved.clinics),
        (get.GetRoom, roster_pb2.GetRoomRequest, saved.rooms),
        (get.GetPractitioner, roster_pb2.GetPractitionerRequest, saved.practitioners),
        (get.GetPatient, roster_pb2.GetPatientRequest, saved.patients),
    ):
        for resource in resources:
            assert await desk.call(method, request(name=resource.name)) == resource
    shifts = await desk.call(get.ListShifts, roster_pb2.ListShiftsRequest(practitioner=saved.practitioners[1].name))
    assert list(shifts.shifts) == list(saved.shifts[5:])
    assert {room.clinic for room in saved.rooms} == {saved.clinics[0].name}


async def test_taking_it_in_again_changes_nothing_and_names_stay(desk) -> None:
    first = await imported(desk, roster(**SMALL))
    second = await imported(desk, roster(**SMALL))
    assert [one.name for one in second.shifts] != [one.name for one in first.shifts]
    for kind in ("clinics", "rooms", "practitioners", "patients"):
        assert list(getattr(first, kind)) == list(getattr(second, kind))


async def test_what_is_known_is_changed_and_nothing_is_removed(desk) -> None:
    first = await imported(desk, roster(**SMALL))
    change = roster_pb2.ImportRosterRequest(
        clinics=[first.clinics[0]],
        shifts=[
            roster_pb2.Shift(
                practitioner=first.practitioners[0].name,
                clinic=f"identifiers/{SYSTEM}|main",
                day_of_week=1,
                start_time=clock_time("09:00"),
                end_time=clock_time("12:00"),
            )
        ],
    )
    del change.clinics[0].opening_hours[1:]
    change.clinics[0].title = "Renamed"
    second = await imported(desk, change)
    assert second.clinics[0].name == first.clinics[0].name
    assert second.clinics[0].etag != first.clinics[0].etag
    assert len(second.clinics[0].opening_hours) == 1
    shifts = (await desk.call(desk.roster.ListShifts, roster_pb2.ListShiftsRequest(page_size=100))).shifts
    of_first = [one for one in shifts if one.practitioner == first.practitioners[0].name]
    assert [one.start_time.hours for one in of_first] == [9]
    assert len(shifts) == 6
    rooms = await desk.call(desk.roster.ListRooms, roster_pb2.ListRoomsRequest())
    assert list(rooms.rooms) == list(first.rooms)


async def test_every_fault_at_once_with_its_path_and_nothing_written(desk) -> None:
    request = roster(**SMALL)
    request.clinics[0].time_zone = "America/Nowhere"
    request.clinics[0].opening_hours[2].close_time.CopyFrom(clock_time("07:00"))
    request.rooms[1].identifier.CopyFrom(request.rooms[0].identifier)
    request.rooms[0].clinic = f"identifiers/{SYSTEM}|elsewhere"
    request.practitioners[0].supervision_ratio = 99
    request.practitioners[1].subject = request.practitioners[0].subject
    request.practitioners[1].protocol_codes.append("IV!")
    request.shifts[3].practitioner = "identifiers/|"
    request.shifts[4].day_of_week = 0
    request.patients[0].birth_date.CopyFrom(day(date(2026, 3, 3)))
    request.patients[1].birth_date.day = 31
    request.patients[1].birth_date.month = 2
    request.patients[2].ClearField("identifier")
    found = await faults(desk, request)
    assert set(found) == {
        "clinics[0].time_zone",
        "clinics[0].opening_hours[2].close_time",
        "rooms[1].identifier",
        "rooms[0].clinic",
        "practitioners[0].supervision_ratio",
        "practitioners[0].subject",
        "practitioners[1].subject",
        "practitioners[1].protocol_codes[2]",
        "shifts[3].practitioner",
        "shifts[4].day_of_week",
        "patients[0].birth_date",
        "patients[1].birth_date",
        "patients[2].identifier.system",
        "patients[2].identifier.value",
    }
    assert await desk.execute("select count(*) from clinic") == [(0,)]
    assert not any("1980" in text or "2026" in text for text in found.values())


async def test_validate_only_checks_everything_and_writes_nothing(desk) -> None:
    request = roster(**SMALL)
    request.validate_only = True
    checked = await imported(desk, request)
    assert len(checked.patients) == 3
    assert {one.name for one in checked.clinics} == {""}
    assert await desk.execute("select count(*) from patient") == [(0,)]
    request.validate_only = False
    assert (await imported(desk, request)).clinics[0].name  # the same request id, which has written nothing yet


async def test_what_sessions_rest_on_stays(desk) -> None:
    opened = await desk.open_clinic()
    await desk.open_clinic(key="other")
    await desk.book(await desk.active_course(opened.patients[0].name), opened.rooms[0].name, date(2026, 3, 3))
    opened.clinics[0].time_zone = "America/Chicago"
    opened.rooms[0].clinic = f"identifiers/{SYSTEM}|other"
    found = await faults(desk, roster_pb2.ImportRosterRequest(clinics=opened.clinics, rooms=opened.rooms))
    assert set(found) == {"clinics[0].time_zone", "rooms[0].clinic"}


async def test_nobody_works_at_two_clinics_at_once(desk) -> None:
    request = roster(**SMALL)
    request.MergeFrom(roster(**SMALL | {"key": "other", "supervisors": 0}))
    clash = request.shifts.add()
    clash.CopyFrom(request.shifts[2])
    clash.clinic = f"identifiers/{SYSTEM}|other"
    assert await faults(desk, request) == {"shifts[10]": "at the time of shifts[2], which is at another clinic"}


async def test_subjects_can_be_exchanged_and_not_shared(desk) -> None:
    saved = await imported(desk, roster(**SMALL))
    one, other = saved.practitioners
    one.subject, other.subject = other.subject, one.subject
    await imported(desk, roster_pb2.ImportRosterRequest(practitioners=[one, other]))
    other.subject = one.subject
    found = await faults(desk, roster_pb2.ImportRosterRequest(practitioners=[other]))
    assert set(found) == {"practitioners[0].subject"}


async def test_lists_are_filtered_sorted_and_paged(desk) -> None:
    saved = await imported(desk, roster(**SMALL | {"patients": 7}))
    await imported(desk, roster(**SMALL | {"key": "other", "patients": 2}))
    names, token = [], ""
    while True:
        request = roster_pb2.ListPatientsRequest(clinic=saved.clinics[0].name, page_size=3, page_token=token)
        page = await desk.call(desk.roster.ListPatients, request)
        names += [one.name for one in page.patients]
        token = page.next_page_token
        if not token:
            break
    assert names == [one.name for one in saved.patients]
    by_identifier = roster_pb2.ListPractitionersRequest(identifier=identifier("other-supervisor-1"))
    found = await desk.call(desk.roster.ListPractitioners, by_identifier)
    assert [one.subject for one in found.practitioners] == ["other-subject-1"]
    of_clinic = roster_pb2.ListPractitionersRequest(clinic=saved.clinics[0].name)
    assert list((await desk.call(desk.roster.ListPractitioners, of_clinic)).practitioners) == list(saved.practitioners)
    clinics = (await desk.call(desk.roster.ListClinics, roster_pb2.ListClinicsRequest())).clinics
    assert [one.title for one in clinics] == ["Clinic main", "Clinic other"]


async def test_another_organization_finds_nothing(desk, database, clock) -> None:
    saved = await imported(desk, roster(**SMALL))
    stranger = Desk(database, clock)
    with pytest.raises(NotFoundError):
        await stranger.call(stranger.roster.GetPatient, roster_pb2.GetPatientRequest(name=saved.patients[0].name))
    assert not (await stranger.call(stranger.roster.ListClinics, roster_pb2.ListClinicsRequest())).clinics
    theirs = roster_pb2.ImportRosterRequest(rooms=[saved.rooms[0]])
    assert set(await faults(stranger, theirs)) == {"rooms[0].clinic"}


async def test_a_large_roster_keeps_its_order(desk) -> None:
    large = roster(**SMALL | {"rooms": 200, "supervisors": 200, "patients": 3_000})
    saved = await imported(desk, large)
    assert [one.identifier.value for one in saved.patients] == [one.identifier.value for one in large.patients]
    assert len(saved.shifts) == 1_000
