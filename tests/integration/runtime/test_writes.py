"""A write happens once for each request id, on a real PostgreSQL."""

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import func, insert, select

from kat.events.v1.events_pb2 import DeliverRequest, DeliverResponse, Event, Outcome
from services.runtime.auth import calling_as
from services.runtime.database import Database
from services.runtime.errors import AlreadyExistsError, InvalidArgumentError, PermissionDeniedError
from services.runtime.writes import Writer
from tests.support.sample import NOTE, TABLES
from tests.support.services import make_caller


class Office:
    """Writes notes; counts how often the work was done."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.writer = Writer(database, TABLES)
        self.done = 0
        self.fail_with: list[Exception] = []

    async def write(self, caller, request_id, *, body: str = "body") -> DeliverResponse:
        # Any message with a request id will do; a new object for each call, as each call has one.
        request = DeliverRequest(request_id=str(request_id), events=[Event(aggregate=body)])

        async def work(connection) -> DeliverResponse:
            values = {"organization_id": caller.organization, "note_id": uuid4(), "content": str(uuid4())}
            await connection.execute(insert(NOTE).values(values))
            self.done += 1
            if self.fail_with:
                raise self.fail_with.pop()
            return DeliverResponse(outcomes=[Outcome(reason=values["content"])])

        with calling_as(caller):
            return await self.writer.once(request, DeliverResponse, work)

    async def notes(self, caller) -> int:
        async with self.database.transaction(caller.organization) as connection:
            return await connection.scalar(select(func.count()).select_from(NOTE))


@pytest.fixture
def office(database) -> Office:
    return Office(database)


def a_caller(organization_id=None, subject="anna"):
    return make_caller("clinician", organization_id=organization_id or uuid4(), subject=subject)


async def test_fifty_calls_with_one_request_id_do_the_work_once_and_have_one_answer(office):
    caller, request_id = a_caller(), uuid4()
    answers = await asyncio.gather(*(office.write(caller, request_id) for _ in range(50)))
    assert (office.done, await office.notes(caller)) == (1, 1)
    assert all(answer == answers[0] for answer in answers)


async def test_a_request_id_in_capitals_is_the_same(office):
    caller, request_id = a_caller(), str(uuid4())
    first = await office.write(caller, request_id)
    with pytest.raises(AlreadyExistsError):  # the body differs: the id is a field of it
        await office.write(caller, request_id.upper())
    assert await office.write(caller, request_id) == first


async def test_an_empty_answer_is_an_answer(office):
    request = DeliverRequest(request_id=str(uuid4()))
    done = []

    async def work(connection) -> DeliverResponse:
        done.append(connection)
        return DeliverResponse()

    with calling_as(a_caller()):
        assert await office.writer.once(request, DeliverResponse, work) == DeliverResponse()
        assert await office.writer.once(request, DeliverResponse, work) == DeliverResponse()
    assert len(done) == 1


@pytest.mark.parametrize("other", [{"body": "other"}, {"subject": "ben"}])
async def test_a_request_id_of_another_request_or_caller_is_refused(office, other):
    caller, request_id = a_caller(), uuid4()
    await office.write(caller, request_id)
    if "subject" in other:
        caller = a_caller(caller.organization_id, **other)
        other = {}
    with pytest.raises(AlreadyExistsError) as caught:
        await office.write(caller, request_id, **other)
    assert (caught.value.reason, office.done) == ("REQUEST_ID_REUSED", 1)


async def test_another_organization_may_use_the_same_request_id(office):
    callers, request_id = [a_caller(), a_caller()], uuid4()
    for caller in callers:
        await office.write(caller, request_id)
    assert [await office.notes(caller) for caller in callers] == [1, 1]


async def test_work_that_failed_leaves_nothing_and_may_be_tried_again_with_its_id(office):
    caller, request_id = a_caller(), uuid4()
    office.fail_with = [ZeroDivisionError()]
    with pytest.raises(ZeroDivisionError):
        await office.write(caller, request_id)
    assert await office.notes(caller) == 0

    await office.write(caller, request_id)
    assert await office.notes(caller) == 1


async def test_one_that_waits_for_a_failing_first_does_the_work_itself(office):
    caller, request_id = a_caller(), uuid4()
    office.fail_with = [ZeroDivisionError()]
    answers = await asyncio.gather(*(office.write(caller, request_id) for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(answer, ZeroDivisionError) for answer in answers) == 1
    assert (office.done, await office.notes(caller)) == (2, 1)


@pytest.mark.parametrize(
    "request_id", ["", "x", "00000000-0000-0000-0000-000000000000", "{0198c7a2-7b1e-7c3a-9f52-3f5a0b6c1d2e}"]
)
async def test_a_write_needs_a_uuid(office, request_id):
    with pytest.raises(InvalidArgumentError) as caught:
        await office.write(a_caller(), request_id)
    assert [violation.path for violation in caught.value.violations] == ["request_id"]


async def test_a_service_belongs_to_no_organization_and_cannot_write_for_one(office):
    with pytest.raises(PermissionDeniedError) as caught:
        await office.write(make_caller("service"), uuid4())
    assert caught.value.reason == "ORGANIZATION_MISSING"
