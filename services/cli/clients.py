"""How the command line calls the services: with its own certificate and a token."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Literal
from uuid import UUID

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.cli.data_folder import SERVICES, DataFolder
from services.runtime.channel import ClientIdentity
from services.runtime.clock import SystemClock
from services.runtime.embedded_authority import EmbeddedAuthority
from services.runtime.embedded_issuer import EmbeddedIssuer

CLIENT_NAME = "cli"
_HEALTH_CALL_SECONDS = 2.0


def identity(data: DataFolder) -> ClientIdentity:
    """Return the command line's certificate."""
    files = EmbeddedAuthority(data.authority, SystemClock()).certificate(CLIENT_NAME)
    return ClientIdentity(files.certificate, files.private_key, files.authority)


def issue_token(
    data: DataFolder,
    *,
    subject: str,
    roles: Sequence[str],
    name: str,
    credential: str = "",
    organization: UUID | Literal["*"] | None = None,
    lifetime: timedelta = timedelta(hours=12),
) -> str:
    """Return a token of the embedded issuer, for the embedded organization unless another is given."""
    return EmbeddedIssuer(data.issuer, SystemClock()).token(
        subject=subject,
        organization=organization or data.organization_id,
        roles=list(roles),
        name=name,
        credential=credential,
        lifetime=lifetime,
    )


@asynccontextmanager
async def channels(data: DataFolder) -> AsyncIterator[dict[str, grpc.aio.Channel]]:
    """Open a channel to each service of the running suite.

    Raises:
        FileNotFoundError: the suite was never started on this folder.
    """
    own = identity(data)
    opened = {name: own.channel(address) for name, address in data.addresses().items() if name in SERVICES}
    try:
        yield opened
    finally:
        for channel in opened.values():
            await channel.close()


async def is_serving(channel: grpc.aio.Channel) -> bool:
    """Say whether a service answers its health check with SERVING."""
    stub = health_pb2_grpc.HealthStub(channel)
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_CALL_SECONDS)
    except grpc.aio.AioRpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def wait_until_serving(channel: grpc.aio.Channel, *, within_seconds: float) -> bool:
    """Wait for a service's health check; say whether it served in time."""
    deadline = asyncio.get_running_loop().time() + within_seconds
    while not await is_serving(channel):
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True
