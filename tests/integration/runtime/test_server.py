"""The server over real TLS: who gets in, what gets out, and how it ends."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from kat.scheduler.v1 import course_pb2_grpc
from kat.scheduler.v1.course_pb2 import EnrollPatientRequest, GetCourseRequest
from services.runtime.channel import bearer
from services.runtime.errors import (
    AbortedError,
    AlreadyExistsError,
    Blocker,
    FailedPreconditionError,
    FieldViolation,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    ResourceExhaustedError,
    UnavailableError,
)
from services.runtime.server import LIVENESS
from services.runtime.status import reason_of, status_from, violations_of
from tests.integration.runtime.server_system import (
    CANARY,
    SERVICE,
    Party,
    Running,
    assert_no_canary,
    everything_in,
    refusal,
    serving,
)
from tests.support.logs import LOG, capture_logs


@pytest.fixture(scope="module")
def party(tmp_path_factory) -> Party:
    capture_logs()
    return Party(tmp_path_factory.mktemp("party"))


@pytest.fixture
def log() -> io.StringIO:
    LOG.seek(0)
    LOG.truncate()
    return LOG


@pytest.fixture
async def running(party, sample_urls, unused_tcp_port, log) -> AsyncIterator[Running]:
    async with serving(party, sample_urls.app_url, unused_tcp_port) as running:
        yield running


async def test_a_permitted_call_is_answered_logged_and_counted(running, log):
    assert (await running.get(name="courses/7")).name == "courses/7"
    line = next(line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "rpc")
    assert (line["method"], line["caller"], line["code"]) == (f"/{SERVICE.full_name}/GetCourse", "person-1", "OK")
    counted = running.metrics.registry.get_sample_value(
        "kat_rpc_calls_total", {"method": f"/{SERVICE.full_name}/GetCourse", "code": "OK"}
    )
    assert counted == 1
    assert_no_canary(log)


async def test_without_a_client_certificate_nobody_is_connected(running, party):
    trusted = party.identity("cli").authority.read_bytes()
    channel = grpc.aio.secure_channel(running.address, grpc.ssl_channel_credentials(trusted))
    assert (await refusal(running.get(channel=channel))).code() == grpc.StatusCode.UNAVAILABLE
    assert (await refusal(running.get(channel=grpc.aio.insecure_channel(running.address)))).code() == (
        grpc.StatusCode.UNAVAILABLE
    )
    assert running.probe.calls == 0


async def test_a_certificate_of_another_authority_is_not_connected(running):
    error = await refusal(running.get(channel=running.channel("cli", stranger=True)))
    assert (error.code(), running.probe.calls) == (grpc.StatusCode.UNAVAILABLE, 0)


async def test_a_certificate_that_is_not_on_the_list_is_refused(running):
    error = await refusal(running.get(channel=running.channel("notifications")))
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED
    assert (reason_of(status_from(error)), running.probe.calls) == ("CERTIFICATE_REFUSED", 0)


async def test_a_call_without_a_deadline_is_refused(running, party):
    async with running.channel() as channel:
        stub = course_pb2_grpc.CourseServiceStub(channel)
        error = await refusal(stub.GetCourse(GetCourseRequest(), metadata=bearer(party.token())))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert [path for _, path, _ in violations_of(status_from(error))] == ["deadline"]


METADATA = [(), (("authorization", "Bearer"),), (("authorization", "Basic YTpi"),), (*bearer("x"), *bearer("x"))]


@pytest.mark.parametrize("metadata", METADATA)
async def test_a_call_needs_exactly_one_bearer_token(running, metadata):
    async with running.channel() as channel:
        stub = course_pb2_grpc.CourseServiceStub(channel)
        error = await refusal(stub.GetCourse(GetCourseRequest(), timeout=5, metadata=metadata))
    assert (error.code(), running.probe.calls) == (grpc.StatusCode.UNAUTHENTICATED, 0)


async def test_a_role_that_the_contract_does_not_name_is_refused_and_told(running, party):
    error = await refusal(running.review(party.token("clinician", "auditor")))
    assert error.code() == grpc.StatusCode.PERMISSION_DENIED
    assert "supervisor" in error.details()
    assert running.denied == [("person-1", f"/{SERVICE.full_name}/ReviewScreening", "ROLE_MISSING")]
    await running.review(party.token("clinician", "supervisor"))
    assert running.probe.calls == 1


async def test_a_service_may_not_call_what_is_for_persons(running, party):
    error = await refusal(running.get(party.token("service", organization="*")))
    assert (error.code(), running.probe.calls) == (grpc.StatusCode.PERMISSION_DENIED, 0)


async def test_a_method_that_is_not_implemented_does_nothing(running, party):
    async with running.channel() as channel:
        stub = course_pb2_grpc.CourseServiceStub(channel)
        error = await refusal(stub.EnrollPatient(EnrollPatientRequest(), timeout=5, metadata=bearer(party.token())))
        assert error.code() in {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL}
        unknown = channel.unary_unary("/kat.scheduler.v1.CourseService/Destroy")
        assert (await refusal(unknown(b"", timeout=5))).code() == grpc.StatusCode.UNIMPLEMENTED


class PatientError(Exception):
    """An error with personal data in its text, as libraries make them."""


async def test_an_untyped_error_leaves_with_nothing_but_an_id_that_the_log_has_too(running, log):
    async def fail() -> None:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise PatientError(f"no room for {CANARY}") from error

    running.probe.behaviour = fail
    error = await refusal(running.get(name=CANARY))
    assert error.code() == grpc.StatusCode.INTERNAL
    assert_no_canary(everything_in(error))
    assert_no_canary(log)
    logged = next(line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == "internal_error")
    assert logged["correlation_id"] in error.details()
    assert "PatientError at " in logged["exception"]
    assert "KeyError at " in logged["exception"]


async def test_what_a_client_calls_a_request_id_is_logged_only_where_it_is_one(running, party, log):
    await running.review(party.token(), request_id=CANARY)
    await running.review(party.token(), request_id=(good := "0198c7a2-7b1e-7c3a-9f52-3f5a0b6c1d2e"))
    assert_no_canary(log)
    assert good in log.getvalue()


BLOCKERS = [Blocker("LICENSE_EXPIRED", "practitioners/1", "Renew it"), Blocker("ROOM_TAKEN", "rooms/2", "Ünother room")]
TYPED = [
    (InvalidArgumentError([FieldViolation("a.b[2]", "write it"), FieldViolation("c", "also")]), "INVALID_ARGUMENT"),
    (NotFoundError("rooms/1"), "NOT_FOUND"),
    (AlreadyExistsError("There already", reason="TAKEN"), "ALREADY_EXISTS"),
    (FailedPreconditionError("Cannot", reason="BLOCKED", blockers=BLOCKERS), "FAILED_PRECONDITION"),
    (AbortedError("Read again", reason="STALE"), "ABORTED"),
    (PermissionDeniedError("Not you", reason="NO"), "PERMISSION_DENIED"),
    (ResourceExhaustedError("Later", reason="BUSY", retry_after=timedelta(seconds=7)), "RESOURCE_EXHAUSTED"),
    (UnavailableError("Away", reason="AWAY"), "UNAVAILABLE"),
]


@pytest.mark.parametrize(("raised", "code"), TYPED, ids=[code for _, code in TYPED])
async def test_a_typed_error_arrives_with_its_details(running, raised, code):
    async def fail() -> None:
        raise raised

    running.probe.behaviour = fail
    error = await refusal(running.get())
    status = status_from(error)
    assert (error.code().name, error.details(), reason_of(status)) == (code, raised.message, raised.reason)
    expected = [("FIELD", v.path, v.description) for v in getattr(raised, "violations", ())]
    expected += [(b.code, b.subject, b.description) for b in getattr(raised, "blockers", ())]
    assert violations_of(status) == expected
    retry = RetryInfo()
    delays = [retry.retry_delay.ToTimedelta() for detail in status.details if detail.Unpack(retry)]
    assert delays == ([timedelta(seconds=7)] if code == "RESOURCE_EXHAUSTED" else [])


@pytest.mark.parametrize("words", ["write 1 to 200 characters", "schreiben Sie höchstens zwölf Zeichen " * 5])
async def test_very_many_faults_arrive_as_far_as_a_status_can_hold(running, words):
    async def fail() -> None:
        raise InvalidArgumentError([FieldViolation(f"patients[{n}].identifier.value", words) for n in range(3_000)])

    running.probe.behaviour = fail
    error = await refusal(running.get())
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    found = violations_of(status_from(error))
    assert found[0] == ("FIELD", "patients[0].identifier.value", words)
    assert len(found) >= 10
    assert found[-1] == ("FIELD", "", f"and {3_001 - len(found)} more")


async def health_of(running: Running, service: str = "") -> int:
    async with running.channel("notifications") as channel:  # not on the list: a probe needs to be on none
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
        return answer.status


async def until_health(running: Running, status: int, service: str = "") -> None:
    async with asyncio.timeout(10):
        while await health_of(running, service) != status:
            await asyncio.sleep(0.05)


async def test_health_needs_no_token_and_tells_live_from_ready(running):
    await until_health(running, health_pb2.HealthCheckResponse.SERVING)
    await until_health(running, health_pb2.HealthCheckResponse.SERVING, SERVICE.full_name)
    assert await health_of(running, LIVENESS) == health_pb2.HealthCheckResponse.SERVING


async def test_without_its_database_a_server_is_live_and_not_ready(party, sample_urls, unused_tcp_port_factory):
    port, nobody = unused_tcp_port_factory(), unused_tcp_port_factory()
    async with serving(party, f"postgresql+asyncpg://a:b@127.0.0.1:{nobody}/c", port) as running:
        assert await health_of(running) == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await health_of(running, LIVENESS) == health_pb2.HealthCheckResponse.SERVING


async def reflect(running: Running, metadata) -> list[str]:
    async with running.channel() as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        call = stub.ServerReflectionInfo(iter([request]), timeout=5, metadata=metadata)
        return [service.name async for answer in call for service in answer.list_services_response.service]


async def test_reflection_is_for_whoever_has_a_token(running, party):
    assert SERVICE.full_name in await reflect(running, bearer(party.token("auditor")))
    assert (await refusal(reflect(running, ()))).code() == grpc.StatusCode.UNAUTHENTICATED


async def test_reflection_can_be_switched_off(party, sample_urls, unused_tcp_port):
    async with serving(party, sample_urls.app_url, unused_tcp_port, reflection=False) as running:
        error = await refusal(reflect(running, bearer(party.token())))
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_too_many_calls_at_once_are_refused(party, sample_urls, unused_tcp_port):
    async with serving(party, sample_urls.app_url, unused_tcp_port, maximum_concurrent_rpcs=2) as running:
        entered, go_on = asyncio.Semaphore(0), asyncio.Event()

        async def wait() -> None:
            entered.release()
            await go_on.wait()

        running.probe.behaviour = wait
        calls = [asyncio.create_task(running.get()) for _ in range(2)]
        for _ in calls:
            await entered.acquire()
        assert (await refusal(running.get())).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        go_on.set()
        assert len(await asyncio.gather(*calls)) == 2


async def test_a_drain_ends_what_is_under_way_and_takes_nothing_new(running, log):
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        entered.set()
        await go_on.wait()

    running.probe.behaviour = wait
    async with running.channel() as channel:
        call = asyncio.create_task(running.get(channel=running.channel()))
        await channel.channel_ready()
        await entered.wait()
        running.terminate()
        async with asyncio.timeout(10):
            while (await refusal_or_none(running, channel)) != grpc.StatusCode.UNAVAILABLE:
                await asyncio.sleep(0.02)
    assert not call.done()
    go_on.set()
    assert (await call).name == "courses/1"
    await running.task
    assert json.loads(log.getvalue().splitlines()[-1])["event"] == "stopped"


async def test_a_further_door_opens_and_closes_with_the_server(running):
    assert running.side_door.happened == ["start"]
    await running.stop()
    assert running.side_door.happened == ["start", "stop"]


async def refusal_or_none(running: Running, channel: grpc.aio.Channel) -> grpc.StatusCode | None:
    stub = health_pb2_grpc.HealthStub(channel)
    try:
        await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return None


async def test_a_drain_does_not_wait_for_ever(party, sample_urls, unused_tcp_port):
    async with serving(party, sample_urls.app_url, unused_tcp_port, drain_seconds=0.1) as running:
        entered = asyncio.Event()

        async def wait() -> None:
            entered.set()
            await asyncio.Event().wait()

        running.probe.behaviour = wait
        call = asyncio.create_task(refusal(running.get()))
        await entered.wait()
        await asyncio.wait_for(running.stop(), 5)
        assert (await call).code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


async def test_a_caller_who_hangs_up_is_not_counted_as_answered(running):
    entered, left = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()

    running.probe.behaviour = wait
    call = asyncio.create_task(running.get())
    await entered.wait()
    call.cancel()
    await asyncio.wait_for(left.wait(), 5)
    await asyncio.gather(call, return_exceptions=True)
    labels = {"method": f"/{SERVICE.full_name}/GetCourse", "code": "CANCELLED"}
    async with asyncio.timeout(5):
        while running.metrics.registry.get_sample_value("kat_rpc_calls_total", labels) != 1:
            await asyncio.sleep(0)
