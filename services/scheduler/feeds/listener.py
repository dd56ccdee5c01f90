"""Where the calendar door listens, from when until when."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

MOST_CONNECTIONS = 200
FIRST_REQUEST_SECONDS = 10.0
_KEEP_ALIVE_SECONDS = 15.0
_MOST_LINE_BYTES = 1_024
_MOST_FIELD_BYTES = 4_096
_MOST_HEADERS = 64
_LOG = structlog.get_logger()

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class CalendarListener:
    """Listens for calendar programs while the service runs.

    Args:
        address: "host:port".
        answer: answers one request.
        certificate: PEM files of certificate and private key; None for plain HTTP, which is for this machine or behind
            a proxy that speaks TLS.
        drain_seconds: how long requests under way may take to end.
        patience_seconds: how long a connection may say nothing before its first request.

    Attributes:
        port: where it listens; a free one once it started, where port 0 was asked for.
    """

    def __init__(
        self,
        address: str,
        answer: Answer,
        *,
        certificate: tuple[Path, Path] | None = None,
        drain_seconds: float,
        patience_seconds: float = FIRST_REQUEST_SECONDS,
    ) -> None:
        host, _, port = address.rpartition(":")
        self._host, self.port = host.strip("[]"), int(port)
        self._answer = answer
        self._certificate = certificate
        self._drain_seconds = drain_seconds
        self._patience_seconds = patience_seconds
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: the address is taken, or a certificate file cannot be read.
        """
        runner = web.ServerRunner(_Server(self._answer, self._patience_seconds), shutdown_timeout=self._drain_seconds)
        await runner.setup()
        self._runner = runner
        context = None
        if self._certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*self._certificate)
        # Shared, as the port of gRPC is: whoever starts the service may hold the port for it meanwhile.
        await web.TCPSite(runner, self._host, self.port, ssl_context=context, reuse_port=True).start()
        self.port = int(runner.addresses[0][1])
        _LOG.info("calendar_listens", address=f"{self._host}:{self.port}")

    async def stop(self) -> None:
        """Take no new connection, let requests under way end, and close."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


class _Server(web.Server):
    """Takes so many connections at once, and none that says nothing: whoever opens many must not use up the process."""

    def __init__(self, answer: Answer, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._spoke: set[RequestHandler] = set()
        self._answer = answer
        super().__init__(
            self._note_and_answer,
            access_log=None,  # it would write the path, which is secret
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            max_line_size=_MOST_LINE_BYTES,
            max_field_size=_MOST_FIELD_BYTES,
            max_headers=_MOST_HEADERS,
            lingering_time=0,
        )

    def connection_made(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._loop.call_later(self._patience_seconds, self._hang_up_on_silence, handler, transport)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._spoke.discard(handler)

    def _hang_up_on_silence(self, handler: RequestHandler, transport: asyncio.Transport) -> None:
        if handler not in self._spoke:
            transport.abort()

    async def _note_and_answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self._spoke.add(request.protocol)
        return await self._answer(request)
