"""Row (a): a unary RPC through our whole stack against the same RPC of a bare grpc.aio server with the same TLS.

The client is the same for both, token included. It shares the machine with the server, so that the processor time that
the server takes for a call says more than the rate.
"""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import grpc
import psutil

from kat.scheduler.v1.course_pb2 import GetCourseRequest
from kat.scheduler.v1.course_pb2_grpc import CourseServiceStub
from services.runtime.channel import ClientIdentity, bearer
from services.runtime.clock import SystemClock
from services.runtime.embedded_authority import EmbeddedAuthority
from services.runtime.embedded_issuer import EmbeddedIssuer
from tests.bench.harness import CALLERS, ROUNDS, Row, rate
from tests.support.postgres import reachable_folder, superuser_url

CALLS = 6_000


class EchoServer:
    """A running echo server and a stub of it."""

    def __init__(self, pid: int, channel: grpc.aio.Channel, token: str) -> None:
        self._process = psutil.Process(pid)
        self._stub = CourseServiceStub(channel)
        self._metadata = bearer(token)

    async def echo(self) -> None:
        await self._stub.GetCourse(GetCourseRequest(name="courses/1"), timeout=30, metadata=self._metadata)

    async def round(self) -> tuple[float, float]:
        """One round of calls: calls a second, and the server's processor time for a call, in microseconds."""
        before = self._seconds()
        calls = await rate(CALLERS, (self.echo for _ in range(CALLS)))
        return calls, (self._seconds() - before) / CALLS * 1e6

    def _seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


@asynccontextmanager
async def echo_server(kind: str, folder: Path, address: str, database_url: str) -> AsyncIterator[EchoServer]:
    """Run an echo server in a process of its own, logging to a file."""
    files = EmbeddedAuthority(folder / "tls", SystemClock()).certificate("cli")
    issuer = EmbeddedIssuer(folder / "issuer", SystemClock())
    token = issuer.token(subject="caller", organization=uuid4(), roles=["supervisor"], name="Caller")
    command = (sys.executable, "-m", "tests.bench.echo_server", kind, str(folder), address, database_url)
    identity = ClientIdentity(files.certificate, files.private_key, files.authority)
    with (folder / f"{kind}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
        try:
            async with identity.channel(address) as channel:
                server = EchoServer(process.pid, channel, token)
                await channel.channel_ready()
                await rate(CALLERS, (server.echo for _ in range(CALLS // 10)))
                yield server
        finally:
            process.terminate()
            await process.wait()


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


async def rpc_stack() -> Row:
    row = Row("unary RPC, whole stack, 32 callers", "calls/s", "0.6")
    cost: dict[str, list[float]] = {"ours": [], "plain": []}
    with reachable_folder() as folder, superuser_url() as url:
        plain = echo_server("plain", folder, free_address(), url)
        ours = echo_server("ours", folder, free_address(), url)
        async with plain as plain_server, ours as our_server:
            for _ in range(ROUNDS):
                for name, server, rates in (("plain", plain_server, row.raw), ("ours", our_server, row.ours)):
                    calls, microseconds = await server.round()
                    rates.append(calls)
                    cost[name].append(microseconds)
    row.notes["server µs/call, ours"] = min(cost["ours"])
    row.notes["server µs/call, raw"] = min(cost["plain"])
    return row
