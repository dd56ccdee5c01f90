"""Who may make, see and end calendar feeds, and what of an address is kept."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kat.scheduler.v1 import calendar_pb2
from services.runtime.database import ALL_ORGANIZATIONS
from services.runtime.errors import FailedPreconditionError, InvalidArgumentError, NotFoundError, PermissionDeniedError
from services.runtime.identifiers import new_id
from services.scheduler.servicers.calendar import CalendarServicer
from tests.integration.scheduler.calendar_door import feed_of, feeds, open_door, revoke
from tests.integration.scheduler.desk import Desk
from tests.support.services import make_caller

pytestmark = pytest.mark.external_postgres


def acting_as(desk: Desk, *roles: str, subject: str = "") -> Desk:
    """The same organization's desk, with another person at it."""
    other = Desk(desk.database, desk.clock, desk.organization_id)
    other.caller = make_caller(*roles, organization_id=desk.organization_id, subject=subject)
    return other


async def test_a_repeated_request_has_the_same_address_and_the_database_never_holds_it(desk):
    clinic = await desk.open_clinic()
    request = calendar_pb2.CreateCalendarFeedRequest(request_id=str(new_id()), room=clinic.rooms[0].name)
    first = await desk.call(desk.calendars.CreateCalendarFeed, request)
    second = await desk.call(desk.calendars.CreateCalendarFeed, request)
    assert first == second
    assert (len(await feeds(desk)), first.creator.subject) == (1, desk.caller.actor.subject)
    token = first.address.removeprefix("http://127.0.0.1/calendars/").removesuffix(".ics")
    assert len(token) == 43
    kept = await desk.execute("select answer from request where answer is not null")
    assert len(kept) == 2  # the clinic and the feed
    kept += await desk.execute("select calendar_feed::text from calendar_feed")
    assert [row for row in kept if token in str(row) or token.encode().hex() in str(row)] == []


async def test_only_the_making_of_a_feed_says_its_address(desk):
    clinic = await desk.open_clinic()
    made = await feed_of(desk, room=clinic.rooms[0].name)
    assert made.address
    assert [feed.address for feed in await feeds(desk)] == [""]
    assert (await revoke(desk, made)).address == ""


async def test_feeds_are_listed_newest_first_filtered_and_paged(desk):
    clinic = await desk.open_clinic(rooms=2)
    room, practitioner = clinic.rooms[0].name, clinic.practitioners[0].name
    made = [(await feed_of(desk, **subject)).name for subject in ({"room": room}, {"practitioner": practitioner}) * 2]
    assert [feed.name for feed in await feeds(desk)] == made[::-1]
    assert [feed.name for feed in await feeds(desk, room=room)] == [made[2], made[0]]
    assert [feed.name for feed in await feeds(desk, practitioner=practitioner)] == [made[3], made[1]]
    assert await feeds(desk, room=clinic.rooms[1].name) == []
    page = calendar_pb2.ListCalendarFeedsRequest(page_size=3)
    first = await desk.call(desk.calendars.ListCalendarFeeds, page)
    page.page_token = first.next_page_token
    second = await desk.call(desk.calendars.ListCalendarFeeds, page)
    assert [feed.name for feed in (*first.calendar_feeds, *second.calendar_feeds)] == made[::-1]
    assert not second.next_page_token


async def test_a_revoked_feed_stays_as_it_is(desk, clock):
    clinic = await desk.open_clinic()
    feed = await feed_of(desk, room=clinic.rooms[0].name)
    revoked = await revoke(desk, feed)
    assert revoked.revoker.subject == desk.caller.actor.subject
    clock.advance(hours=1)
    assert await revoke(acting_as(desk, "clinic_system"), feed) == revoked
    assert await feeds(desk) == [revoked]


async def test_a_clinician_handles_feeds_of_themselves_alone(desk):
    clinic = await desk.open_clinic(supervisors=2)
    mine, theirs = clinic.practitioners
    clinician = acting_as(desk, "clinician", subject=mine.subject)
    own = await feed_of(clinician, practitioner=mine.name)
    others = [await feed_of(desk, practitioner=theirs.name), await feed_of(desk, room=clinic.rooms[0].name)]
    for subject in ({"practitioner": theirs.name}, {"room": clinic.rooms[0].name}):
        with pytest.raises(PermissionDeniedError, match="your own schedule"):
            await feed_of(clinician, **subject)
        assert await feeds(clinician, **subject) == []
    for feed in others:
        with pytest.raises(PermissionDeniedError):
            await revoke(clinician, feed)
    assert [feed.name for feed in await feeds(clinician)] == [own.name]
    assert (await revoke(clinician, own)).HasField("revoke_time")
    assert len(await feeds(acting_as(desk, "clinician", "supervisor", subject="somebody"))) == 3


async def test_another_organization_finds_and_ends_nothing(desk, database, clock):
    clinic = await desk.open_clinic()
    feed = await feed_of(desk, room=clinic.rooms[0].name)
    stranger = Desk(database, clock)
    assert await feeds(stranger) == []
    with pytest.raises(NotFoundError):
        await revoke(stranger, feed)
    for subject in ({"room": clinic.rooms[0].name}, {"practitioner": clinic.practitioners[0].name}):
        with pytest.raises(NotFoundError):
            await feed_of(stranger, **subject)
    assert await stranger.execute("select * from calendar_feed") == []
    async with open_door(stranger) as door:
        assert (await door.ask(feed.address)).status == 200  # whoever has the address has the feed


@pytest.mark.parametrize("subject", [{}, {"room": "practitioners/x"}, {"practitioner": "7"}])
async def test_a_feed_is_of_a_practitioner_or_a_room(desk, subject):
    with pytest.raises(InvalidArgumentError) as fault:
        await feed_of(desk, **subject)
    assert [violation.path for violation in fault.value.violations] == [next(iter(subject), "subject")]


async def test_without_a_secret_no_feed_is_made_and_those_that_are_can_be_ended(desk):
    clinic = await desk.open_clinic()
    feed = await feed_of(desk, room=clinic.rooms[0].name)
    desk.calendars = CalendarServicer(desk.calendars._calls, desk.clock, None)
    with pytest.raises(FailedPreconditionError) as refused:
        await feed_of(desk, room=clinic.rooms[0].name)
    assert refused.value.reason == "CALENDAR_FEEDS_OFF"
    assert (await revoke(desk, feed)).HasField("revoke_time")


@pytest.mark.parametrize(
    "sql",
    [
        "update calendar_feed set revoke_time = null, revoker = null",
        "update calendar_feed set token_digest = sha256('x')",
        "update calendar_feed set room_id = null",
        "delete from calendar_feed",
    ],
)
async def test_the_service_s_own_role_can_neither_revive_nor_change_a_feed(desk, database, sql):
    clinic = await desk.open_clinic()
    await revoke(desk, await feed_of(desk, room=clinic.rooms[0].name))
    for scope in (desk.organization_id, ALL_ORGANIZATIONS):
        with pytest.raises(DBAPIError):
            async with database.transaction(scope) as connection:
                await connection.execute(text(sql))
