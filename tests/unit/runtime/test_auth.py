"""Who may call what, as the contracts say, and whose call is being served."""

import asyncio

import pytest

from kat.events.v1 import events_pb2
from kat.scheduler.v1 import course_pb2
from services.runtime.auth import allowed_roles, calling_as, current_caller, require_role
from services.runtime.errors import PermissionDeniedError, UnauthenticatedError
from tests.support.services import make_caller

SERVICES = [*course_pb2.DESCRIPTOR.services_by_name.values(), *events_pb2.DESCRIPTOR.services_by_name.values()]
REVIEW = "/kat.scheduler.v1.CourseService/ReviewScreening"
DELIVER = "/kat.events.v1.EventSink/Deliver"


def test_the_roles_of_an_rpc_are_those_of_its_contract():
    roles = allowed_roles(SERVICES)
    assert roles[REVIEW] == {"supervisor"}
    assert roles[DELIVER] == {"service"}


@pytest.mark.parametrize(
    ("roles", "method"),
    [(("clinician",), REVIEW), (("service",), REVIEW), (("supervisor",), DELIVER), (("supervisor",), "/kat.x.v1.Y/Z")],
)
def test_a_role_that_is_not_named_does_not_get_in(roles, method):
    with pytest.raises(PermissionDeniedError):
        require_role(make_caller(*roles), method, allowed_roles(SERVICES))


def test_one_named_role_among_others_gets_in():
    require_role(make_caller("auditor", "supervisor"), REVIEW, allowed_roles(SERVICES))


def test_outside_a_call_there_is_no_caller():
    with pytest.raises(UnauthenticatedError):
        current_caller()


async def test_calls_that_are_served_at_once_do_not_see_each_others_caller():
    both_inside = asyncio.Barrier(2)

    async def serve(subject: str) -> str:
        with calling_as(make_caller("auditor", subject=subject)):
            await both_inside.wait()
            return current_caller().actor.subject

    assert await asyncio.gather(serve("anna"), serve("ben")) == ["anna", "ben"]
