"""Log lines: JSON, ids only."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import orjson
import structlog

# A key that is not here does not reach a log. Names, contacts, doses and notes have no key.
ALLOWED_KEYS = frozenset(
    {
        *("event", "level", "timestamp", "logger", "service", "exception"),
        *("method", "caller", "certificate", "organization_id", "code", "reason", "milliseconds", "correlation_id"),
        *("request_id", "event_id", "aggregate", "consumer", "producer", "count", "attempt", "attempts", "job"),
        *("address", "revision", "version", "size", "state", "channel", "notification", "session", "signal", "seconds"),
        *("pid", "port", "database", "origin", "index", "path"),
    }
)


def configure_logs(service: str, *, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every log line of this process, our own and the libraries', to `stream` (standard error) as JSON."""
    output = stream or sys.stderr
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _name_exception,
            redact,
            structlog.processors.JSONRenderer(serializer=lambda value, **_: orjson.dumps(value, default=str).decode()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(output),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.clear_contextvars()
    logging.basicConfig(handlers=[_LibraryHandler(service)], level=logging.WARNING, force=True)
    # It warns at each tick that falls into a longer run of the same job, which is what we ask for.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def redact(_logger: object, _method: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Drop every key that may not be logged, and say that it was dropped."""
    dropped = [key for key in line if key not in ALLOWED_KEYS]
    for key in dropped:
        del line[key]
    if dropped:
        line["redacted"] = len(dropped)
    return line


def _name_exception(_logger: object, _method: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Replace an exception by its class and places: its text may hold personal data."""
    info = line.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        line["exception"] = describe_exception(error)
    return line


def describe_exception(error: BaseException) -> str:
    """Return class, SQLSTATE and places of an exception and of its causes, without their texts."""
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None and len(parts) < 5:  # noqa: PLR2004 - deep enough to find the cause
        state = getattr(current, "sqlstate", None)
        name = f"{type(current).__qualname__} {state}" if state else type(current).__qualname__
        parts.append(f"{name} at {_places(current)}")
        current = current.__cause__ or current.__context__
    return " from ".join(parts)


def _places(error: BaseException) -> str:
    """Return the way through our own modules to an exception, and where it was raised."""
    places, trace = [], error.__traceback__
    while trace is not None:
        places.append(f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}")
        trace = trace.tb_next
    ours = [place for place in places[:-1] if place.startswith("services.")]
    return " > ".join([*ours[-6:], *places[-1:]])


class _LibraryHandler(logging.Handler):
    """Passes what libraries log on, by its place and class alone."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._log = structlog.get_logger().bind(service=service)

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._log.warning(
            "library_message",
            logger=record.name,
            **({"exception": describe_exception(error)} if error is not None else {}),
        )
