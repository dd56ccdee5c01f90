"""What happens around every RPC: deadline, identity, errors, log line, metrics. One interceptor, in that order."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias, cast
from uuid import UUID

import grpc
import structlog
from google.rpc.status_pb2 import Status

from services.runtime.auth import Caller, caller_of, calling_as, require_role
from services.runtime.errors import (
    DomainError,
    FieldViolation,
    InvalidArgumentError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
)
from services.runtime.identifiers import new_id
from services.runtime.metrics import Metrics
from services.runtime.status import DETAILS_KEY, GRPC_CODES, internal_status, status_message
from services.runtime.tokens import TokenVerifier

Handler = Callable[[Any, Any], Awaitable[Any]]
DenialRecorder = Callable[[Caller, str, str], Awaitable[None]]
Context = grpc.aio.ServicerContext[Any, Any]
# Strings: the class is generic in its stubs alone.
MethodHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
FoundHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"

# Probes ask before they can have a token; the answer says nothing but whether the service serves.
_WITHOUT_TOKEN = ("/grpc.health.v1.Health/",)
_ANY_ROLE = ("/grpc.reflection.",)
_CANCELLED = 1
_NO_MORE = object()
_CERTIFICATE_PREFIX = "spiffe://kat/"
_LOG = structlog.get_logger()


class Gate(grpc.aio.ServerInterceptor):
    """Lets authenticated, permitted calls with a deadline in, and lets nothing but typed errors out.

    Streams need a deadline as all calls do, but for reflection, whose clients are tools that set none.

    Args:
        verifier: checks tokens.
        roles: for each RPC the roles that may call it.
        allowed_clients: names in client certificates that may call at all.
        metrics: where calls are counted.
        on_denied: told of a known caller who was refused: (caller, method, reason).
    """

    def __init__(
        self,
        *,
        verifier: TokenVerifier,
        roles: Mapping[str, frozenset[str]],
        allowed_clients: frozenset[str],
        metrics: Metrics,
        on_denied: DenialRecorder | None = None,
    ) -> None:
        self._verifier = verifier
        self._roles = roles
        self._allowed_clients = allowed_clients
        self._metrics = metrics
        self._on_denied = on_denied
        self._draining = asyncio.Event()

    def end_streams(self) -> None:
        """End every stream, also those to come, with UNAVAILABLE, since a stream may have no end of its own."""
        self._draining.set()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[FoundHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> FoundHandler:
        """Wrap the handler of a call."""
        method = str(handler_call_details.method)
        found = await continuation(handler_call_details)
        if found is None or method.startswith(_WITHOUT_TOKEN):
            return found
        return self._wrapped(found, method)

    def _wrapped(self, handler: Any, method: str) -> MethodHandler:
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._unary(handler.unary_unary, method), handler.request_deserializer, handler.response_serializer
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(handler.unary_stream, method), handler.request_deserializer, handler.response_serializer
            )
        return grpc.stream_stream_rpc_method_handler(
            self._stream(handler.stream_stream, method), handler.request_deserializer, handler.response_serializer
        )

    def _unary(self, behaviour: Handler, method: str) -> Handler:
        async def call(request: Any, context: Context) -> Any:
            started = time.perf_counter()
            caller: Caller | None = None
            status = Status()
            try:
                caller = await self._admit(method, context)
                with calling_as(caller):
                    return await behaviour(request, context)
            except asyncio.CancelledError:  # the caller hung up or its deadline passed
                status = Status(code=_CANCELLED)
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, only a status may leave
                status = _status_of(error, method)
            finally:
                self._account(method, caller, status, started, _request_id(request))
            return await _abort(context, status)

        return call

    def _stream(self, behaviour: Callable[[Any, Any], Any], method: str) -> Callable[[Any, Any], Any]:
        async def call(request: Any, context: Context) -> Any:
            started = time.perf_counter()
            caller: Caller | None = None
            status = Status()
            try:
                caller = await self._admit(method, context, deadline_needed=not method.startswith(_ANY_ROLE))
                with calling_as(caller):
                    async for message in self._until_it_must_end(behaviour(request, context), caller):
                        yield message
            except asyncio.CancelledError:
                status = Status(code=_CANCELLED)
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, only a status may leave
                status = _status_of(error, method)
            finally:
                self._account(method, caller, status, started, "")
            if status.code:
                await _abort(context, status)

        return call

    async def _until_it_must_end(
        self, messages: AsyncGenerator[Any, None], caller: Caller
    ) -> AsyncGenerator[Any, None]:
        """Yield what a stream tells, and end it when the caller's token expires or this server drains."""
        end = asyncio.ensure_future(self._must_end(caller))
        coming: asyncio.Future[Any] | None = None
        try:
            while True:
                coming = asyncio.ensure_future(anext(messages, _NO_MORE))
                await asyncio.wait({coming, end}, return_when=asyncio.FIRST_COMPLETED)
                message = await (coming if coming.done() else end)
                if message is _NO_MORE:
                    return
                yield message
        finally:
            under_way = [future for future in (coming, end) if future is not None]
            for future in under_way:
                future.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            await messages.aclose()

    async def _must_end(self, caller: Caller) -> None:
        """Wait until a stream of this caller has to end.

        Raises:
            UnauthenticatedError: the token has expired.
            UnavailableError: this server drains.
        """
        left = (caller.expire_time - datetime.now(UTC)).total_seconds()
        try:
            async with asyncio.timeout(left):
                await self._draining.wait()
        except TimeoutError:
            raise UnauthenticatedError("The token has expired; get a new one", reason="TOKEN_INVALID") from None
        raise UnavailableError("This server is being stopped; call another, or try again", reason="DRAINING")

    async def _admit(self, method: str, context: Context, *, deadline_needed: bool = True) -> Caller:
        """Return who calls.

        Raises:
            DomainError: the call has no deadline, or the caller is unknown or may not.
        """
        if deadline_needed and context.time_remaining() is None:
            raise InvalidArgumentError([FieldViolation("deadline", "set a deadline on every call")])
        certificate = certificate_name(context)
        if certificate not in self._allowed_clients:
            raise UnauthenticatedError("This client certificate may not call here", reason="CERTIFICATE_REFUSED")
        caller = caller_of(await self._verifier.verify(_token(context)), certificate)
        if not method.startswith(_ANY_ROLE):
            try:
                require_role(caller, method, self._roles)
            except PermissionDeniedError as error:
                if self._on_denied is not None:
                    await self._on_denied(caller, method, error.reason)
                raise
        return caller

    def _account(self, method: str, caller: Caller | None, status: Status, started: float, request_id: str) -> None:
        seconds = time.perf_counter() - started
        code = GRPC_CODES[status.code].name
        self._metrics.calls.labels(method, code).inc()
        self._metrics.seconds.labels(method).observe(seconds)
        _LOG.info(
            "rpc",
            method=method,
            caller=caller.actor.subject if caller else "",
            code=code,
            milliseconds=round(seconds * 1000, 1),
            request_id=request_id,
        )


def certificate_name(context: Context) -> str:
    """Return the name in the client's certificate, or "" where it has none of ours."""
    names = context.auth_context().get("x509_subject_alternative_name", ())
    uris = [name.decode() for name in cast("tuple[bytes, ...]", names)]
    return next((uri.removeprefix(_CERTIFICATE_PREFIX) for uri in uris if uri.startswith(_CERTIFICATE_PREFIX)), "")


def _request_id(request: object) -> str:
    """Return the request id for the log, or "" where it is no uuid: what else a client writes there may be a name."""
    try:
        return str(UUID(getattr(request, "request_id", "")))
    except ValueError:
        return ""


def _token(context: Context) -> str:
    values = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    if len(values) != 1 or not isinstance(values[0], str) or not values[0].startswith("Bearer "):
        raise UnauthenticatedError("Send one token in `authorization: Bearer …`", reason="TOKEN_MISSING")
    return values[0].removeprefix("Bearer ")


def _status_of(error: Exception, method: str) -> Status:
    if isinstance(error, DomainError):
        return status_message(error)
    correlation_id = str(new_id())
    _LOG.error("internal_error", method=method, correlation_id=correlation_id, exc_info=error)
    return internal_status(correlation_id)


async def _abort(context: Context, status: Status) -> Any:
    await context.abort(
        GRPC_CODES[status.code], status.message, trailing_metadata=((DETAILS_KEY, status.SerializeToString()),)
    )
