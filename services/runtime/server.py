"""One way to serve: TLS with client certificates, identity, health, reflection, limits, and an orderly end."""

import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.runtime.auth import allowed_roles
from services.runtime.config import ServiceSettings
from services.runtime.database import Database
from services.runtime.errors import DomainError
from services.runtime.interceptors import DenialRecorder, Gate
from services.runtime.logs import describe_exception
from services.runtime.metrics import Metrics
from services.runtime.ticker import Ticker
from services.runtime.tokens import TokenVerifier

LIVENESS = "liveness"
"""Health check that never looks at the database; the one of the empty name is readiness."""

READINESS_EVERY_SECONDS = 1.0
_LOG = structlog.get_logger()

_OPTIONS: Sequence[tuple[str, int]] = (
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_connection_age_ms", 30 * 60_000),
    ("grpc.max_connection_age_grace_ms", 30_000),
    ("grpc.max_concurrent_streams", 200),
)

Adder = Callable[[Any, grpc.aio.Server], None]


class Listener(Protocol):
    """Another door of a service, which opens and closes with it."""

    async def start(self) -> None:
        """Begin to listen."""
        ...

    async def stop(self) -> None:
        """Take nothing new, and let what is under way end."""
        ...


class ServiceServer:
    """The gRPC server of one service.

    Args:
        services: descriptors of the services that will be added; an RPC of another is refused.
        schema: the revision that the database must be at, or past, for this server to be ready.
        listeners: further doors of the service.
    """

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        services: Sequence[ServiceDescriptor],
        database: Database,
        schema: str,
        ticker: Ticker,
        metrics: Metrics,
        on_denied: DenialRecorder | None = None,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self._settings = settings
        self._listeners = listeners
        self._services = services
        self._database = database
        self._schema = schema
        self._ticker = ticker
        self._metrics = metrics
        self._gate = Gate(
            verifier=TokenVerifier(
                issuer=settings.token_issuer, audience=settings.token_audience, keys=settings.token_keys
            ),
            roles=allowed_roles(services),
            allowed_clients=settings.allowed_clients,
            metrics=metrics,
            on_denied=on_denied,
        )
        self._server = grpc.aio.server(
            interceptors=[self._gate], options=_OPTIONS, maximum_concurrent_rpcs=settings.maximum_concurrent_rpcs
        )
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if settings.reflection:
            names = [*(service.full_name for service in services), health.SERVICE_NAME, reflection.SERVICE_NAME]
            reflection.enable_server_reflection(names, self._server)

    def add(self, adder: Adder, servicer: object) -> None:
        """Add a servicer by its generated `add_…_to_server`."""
        adder(servicer, self._server)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; then take no new call, end those under way, and close the database."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        self._server.add_secure_port(self._settings.listen_address, self._credentials())
        await self._health.set(LIVENESS, health_pb2.HealthCheckResponse.SERVING)
        await self._set_health(serving=False)  # until the database has answered
        for listener in self._listeners:
            await listener.start()
        await self._server.start()
        self._metrics.serve(self._settings.metrics_address)
        self._ticker.start()
        _LOG.info("serving", address=self._settings.listen_address)
        watch = asyncio.create_task(self._watch_readiness())
        await stop.wait()
        watch.cancel()
        await self._drain()

    def _credentials(self) -> grpc.ServerCredentials:
        settings = self._settings
        pair = (settings.tls_private_key.read_bytes(), settings.tls_certificate.read_bytes())
        return grpc.ssl_server_credentials(
            [pair], root_certificates=settings.tls_authority.read_bytes(), require_client_auth=True
        )

    async def _watch_readiness(self) -> None:
        known: str | None = None
        while True:
            fault = await self._fault()
            if fault != known:
                _LOG.info("readiness", reason=fault or "READY")
                known = fault
            await self._set_health(serving=not fault)
            await asyncio.sleep(READINESS_EVERY_SECONDS / 4 if fault else READINESS_EVERY_SECONDS)

    async def _fault(self) -> str:
        """Return why this server cannot serve now, or "" where it can."""
        try:
            await self._database.check(self._schema)
        except DomainError as error:
            return error.reason
        except Exception as error:  # noqa: BLE001 - whatever it is, this server cannot serve, and looks again
            return describe_exception(error)
        return "JOBS_STAND_STILL" if self._ticker.stands_still() else ""

    async def _set_health(self, *, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *(service.full_name for service in self._services)):
            await self._health.set(name, status)

    async def _drain(self) -> None:
        _LOG.info("draining", seconds=self._settings.drain_seconds)
        await self._set_health(serving=False)
        self._gate.end_streams()
        await self._ticker.stop(self._settings.drain_seconds)
        doors = (listener.stop() for listener in self._listeners)
        await asyncio.gather(self._server.stop(self._settings.drain_seconds), *doors)
        await self._database.close()
        _LOG.info("stopped")
