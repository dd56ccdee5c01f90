"""A real server of the runtime on TLS, with a service whose answers the test decides, and clients of every kind."""

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc

from kat.scheduler.v1 import course_pb2, course_pb2_grpc, session_pb2, session_pb2_grpc
from kat.scheduler.v1.course_pb2 import Course, GetCourseRequest, ListCoursesResponse, ReviewScreeningRequest
from kat.scheduler.v1.session_pb2 import WatchSessionsRequest, WatchSessionsResponse
from services.runtime.auth import current_caller
from services.runtime.channel import ClientIdentity, bearer
from services.runtime.clock import SystemClock
from services.runtime.config import ServiceSettings
from services.runtime.database import Database
from services.runtime.embedded_authority import EmbeddedAuthority
from services.runtime.embedded_issuer import AUDIENCE, ISSUER, EmbeddedIssuer
from services.runtime.metrics import Metrics
from services.runtime.server import ServiceServer
from services.runtime.status import status_from
from services.runtime.ticker import Ticker

CANARY = "Zebulon Quagmire 1931-02-03 +1-555-0142"
SESSIONS = session_pb2.DESCRIPTOR.services_by_name["SessionService"]
SERVICE = course_pb2.DESCRIPTOR.services_by_name["CourseService"]


class Party:
    """Certificates and tokens of everybody, from one authority and one issuer."""

    def __init__(self, folder: Path) -> None:
        self.authority = EmbeddedAuthority(folder / "tls", SystemClock())
        self.stranger_authority = EmbeddedAuthority(folder / "other", SystemClock())
        self.issuer = EmbeddedIssuer(folder / "issuer", SystemClock())

    def identity(self, name: str, *, stranger: bool = False) -> ClientIdentity:
        files = (self.stranger_authority if stranger else self.authority).certificate(name)
        trusted = self.authority.certificate("scheduler").authority
        return ClientIdentity(files.certificate, files.private_key, trusted)

    def token(self, *roles: str, **options: Any) -> str:
        options = {"subject": "person-1", "organization": uuid4(), "name": CANARY, **options}
        return self.issuer.token(roles=roles or ("supervisor",), **options)


class Probe(course_pb2_grpc.CourseServiceServicer):
    """Its RPCs do what the test says."""

    def __init__(self) -> None:
        self.behaviour: Callable[[], Awaitable[None]] = _nothing
        self.calls = 0

    async def _answer(self, request: Any, context: Any) -> Course:
        self.calls += 1
        await self.behaviour()
        return Course(name=request.name)

    GetCourse = _answer
    ReviewScreening = _answer

    async def ListCourses(self, request: Any, context: Any) -> ListCoursesResponse:  # noqa: N802 - the contract's name
        return ListCoursesResponse()


async def _nothing() -> None:
    return


class SideDoor:
    """A further door of the service, which notes what happens to it."""

    def __init__(self) -> None:
        self.happened: list[str] = []

    async def start(self) -> None:
        self.happened.append("start")

    async def stop(self) -> None:
        self.happened.append("stop")


class Streams(session_pb2_grpc.SessionServiceServicer):
    """Its stream tells one message and then what the test says; `left` is set once it has ended."""

    def __init__(self) -> None:
        self.behaviour: Callable[[], Awaitable[None]] = asyncio.Event().wait
        self.left = asyncio.Event()

    async def WatchSessions(self, request: Any, context: Any) -> AsyncIterator[WatchSessionsResponse]:  # noqa: N802 - the contract's name
        try:
            yield WatchSessionsResponse(position=current_caller().actor.subject)
            await self.behaviour()
            yield WatchSessionsResponse(position="last")
        finally:
            self.left.set()


class Running:
    """A server under test."""

    def __init__(self, party: Party, settings: ServiceSettings, database: Database) -> None:
        self.party = party
        self.probe = Probe()
        self.streams = Streams()
        self.metrics = Metrics()
        self.address = settings.listen_address
        self.denied: list[tuple[str, str, str]] = []
        self.ticker = Ticker(self.metrics)
        self.side_door = SideDoor()
        self.server = ServiceServer(
            settings,
            services=[SERVICE, SESSIONS],
            database=database,
            schema="",
            ticker=self.ticker,
            metrics=self.metrics,
            on_denied=self._note_denied,
            listeners=[self.side_door],
        )
        self.server.add(course_pb2_grpc.add_CourseServiceServicer_to_server, self.probe)
        self.server.add(session_pb2_grpc.add_SessionServiceServicer_to_server, self.streams)
        self.task = asyncio.create_task(self.server.run())

    async def _note_denied(self, caller: Any, method: str, reason: str) -> None:
        self.denied.append((caller.actor.subject, method, reason))

    def channel(self, name: str = "cli", *, stranger: bool = False) -> grpc.aio.Channel:
        return self.party.identity(name, stranger=stranger).channel(self.address)

    async def get(self, token: str | None = None, *, name: str = "courses/1", channel: Any = None) -> Course:
        """Call GetCourse as a supervisor, or with this token."""
        async with channel or self.channel() as opened:
            stub = course_pb2_grpc.CourseServiceStub(opened)
            metadata = bearer(self.party.token() if token is None else token)
            return await stub.GetCourse(GetCourseRequest(name=name), timeout=10, metadata=metadata)

    async def watch(
        self, channel: grpc.aio.Channel, *, token: str = "", seconds: float | None = 10
    ) -> tuple[Any, WatchSessionsResponse]:
        """Call WatchSessions; return the call and its first message."""
        stub = session_pb2_grpc.SessionServiceStub(channel)
        metadata = bearer(token or self.party.token())
        call = stub.WatchSessions(WatchSessionsRequest(), timeout=seconds, metadata=metadata)
        return call, await call.read()

    async def review(self, token: str, request_id: str = "") -> Course:
        """Call ReviewScreening, which is for supervisors alone."""
        async with self.channel() as opened:
            stub = course_pb2_grpc.CourseServiceStub(opened)
            request = ReviewScreeningRequest(request_id=request_id)
            return await stub.ReviewScreening(request, timeout=10, metadata=bearer(token))

    def terminate(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    async def stop(self) -> None:
        if not self.task.done():
            self.terminate()
        await self.task


def server_settings(party: Party, service: str, database_url: str, port: int, **overrides: Any) -> ServiceSettings:
    files = party.authority.certificate(service)
    token = files.certificate.with_suffix(".token")
    token.write_text(party.token("service", subject=service, organization="*"))
    values = {
        "listen_address": f"127.0.0.1:{port}",
        "database_url": database_url,
        "tls_certificate": files.certificate,
        "tls_private_key": files.private_key,
        "tls_authority": files.authority,
        "allowed_clients": "cli, console, scheduler",
        "token_issuer": ISSUER,
        "token_audience": AUDIENCE,
        "token_keys": str(party.issuer.jwks_file),
        "service_token_file": token,
        "drain_seconds": 5,
    }
    return ServiceSettings(**{**values, **overrides})


@asynccontextmanager
async def serving(party: Party, database_url: str, port: int, **overrides: Any) -> AsyncIterator[Running]:
    settings = server_settings(party, "scheduler", database_url, port, **overrides)
    running = Running(party, settings, Database(settings.database()))
    try:
        async with running.channel() as channel:
            await asyncio.wait_for(channel.channel_ready(), 10)
        yield running
    finally:
        await running.stop()


async def refusal(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    """The error that a call ends with."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the call succeeded")


def everything_in(error: grpc.aio.AioRpcError) -> str:
    """All that a client sees of an error."""
    metadata = [*(error.initial_metadata() or ()), *(error.trailing_metadata() or ())]
    return " ".join(map(str, [error.code(), error.details(), error.debug_error_string(), metadata, status_from(error)]))


def assert_no_canary(text: str | io.StringIO) -> None:
    found = text if isinstance(text, str) else text.getvalue()
    assert [word for word in CANARY.split() if word in found] == []
