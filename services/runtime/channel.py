"""Calling another service: TLS with our certificate, our token, a deadline on every call, retries where safe."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from kat.events.v1.events_pb2 import DeliverRequest, DeliverResponse
from kat.events.v1.events_pb2_grpc import EventSinkStub
from services.runtime.config import ServiceSettings

DELIVER_SECONDS = 8.0

# Every write has a request id, so that each method may be tried again where the server was not reached.
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
    "loadBalancingConfig": [{"round_robin": {}}],
}

OPTIONS: Sequence[tuple[str, str | int]] = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),  # without it a stopped server went unnoticed for a minute
    ("grpc.keepalive_permit_without_calls", 1),
    # A service that was started again is found within a moment, not within the two minutes of the default.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
)


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """What a client presents: its certificate and key, and the authority that servers' certificates must come from."""

    certificate: Path
    private_key: Path
    authority: Path

    def channel(self, address: str) -> grpc.aio.Channel:
        """Return a channel to "host:port"; close it after use."""
        credentials = grpc.ssl_channel_credentials(
            root_certificates=self.authority.read_bytes(),
            private_key=self.private_key.read_bytes(),
            certificate_chain=self.certificate.read_bytes(),
        )
        return grpc.aio.secure_channel(address, credentials, options=OPTIONS)


class TokenFile:
    """A token that somebody else keeps fresh in a file, as Kubernetes does with projected tokens."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at_mtime = -1
        self._token = ""

    def __call__(self) -> str:
        """Return the token as it is in the file now."""
        mtime = self._path.stat().st_mtime_ns
        if mtime != self._read_at_mtime:
            self._token = self._path.read_text(encoding="ascii").strip()
            self._read_at_mtime = mtime
        return self._token


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata that carries a token."""
    return (("authorization", f"Bearer {token}"),)


@asynccontextmanager
async def event_sinks(
    settings: ServiceSettings, addresses: Mapping[str, str]
) -> AsyncIterator[dict[str, "EventSinkClient"]]:
    """Open a channel to each consumer of a service's events, as that service."""
    identity = ClientIdentity(settings.tls_certificate, settings.tls_private_key, settings.tls_authority)
    token = TokenFile(settings.service_token_file)
    async with AsyncExitStack() as stack:
        yield {
            consumer: EventSinkClient(await stack.enter_async_context(identity.channel(address)), token)
            for consumer, address in addresses.items()
        }


class EventSinkClient:
    """A consumer's EventSink over gRPC."""

    def __init__(self, channel: grpc.aio.Channel, token: Callable[[], str]) -> None:
        self._stub = EventSinkStub(channel)
        self._token = token

    async def deliver(self, request: DeliverRequest) -> DeliverResponse:
        """Deliver events.

        Raises:
            grpc.aio.AioRpcError: the consumer did not answer in time or refused the call.
        """
        return await self._stub.Deliver(request, timeout=DELIVER_SECONDS, metadata=bearer(self._token()))
