"""One HTTP request for a feed, from its path to its answer."""

import asyncio
import math
import re
import time
from collections.abc import Mapping
from http import HTTPStatus

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from services.runtime.errors import DomainError
from services.runtime.identifiers import new_id
from services.runtime.names import format_name
from services.scheduler.convert.calendar_feed import COLLECTION
from services.scheduler.convert.calendar_file import calendar_file, feed_tag
from services.scheduler.domain.calendar_feed import token_digest
from services.scheduler.feeds.limits import RateLimit, client_of
from services.scheduler.feeds.reader import FeedReader, ReadFeed

MOST_AT_ONCE = 8
"""Requests that may be under way; calls of clinics share the database and the processor with them."""
_PATH = re.compile(r"/calendars/([A-Za-z0-9_-]{43})\.ics")
_BUSY_SECONDS = 5
_ALWAYS = {
    "Server": "calendar",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Referrer-Policy": "no-referrer",
}
_PRIVATE = {"Cache-Control": "private, max-age=300"}
_LOG = structlog.get_logger()


class CalendarDoor:
    """Answers requests for feeds: GET and HEAD of `/calendars/<token>.ics`, and nothing else.

    What is wrong with a token cannot be told from outside: an unknown and a revoked one cost the same look and have the
    same answer as a path that is none. A log line has the feed's id, and never the token.

    Args:
        clients: how often one client may ask, for whatever.
        tokens: how often one token may be asked for.
        proxies: networks whose word for whom they ask is taken.
    """

    def __init__(
        self,
        reader: FeedReader,
        registry: CollectorRegistry,
        *,
        clients: RateLimit,
        tokens: RateLimit,
        proxies: frozenset[str] = frozenset(),
    ) -> None:
        self._reader = reader
        self._clients = clients
        self._tokens = tokens
        self._proxies = proxies
        self._under_way = 0
        self._rendering = asyncio.Lock()
        self._answers = Counter(
            "kat_calendar_requests", "Requests for calendar feeds answered.", ["code"], registry=registry
        )

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, and count and log it."""
        started = time.perf_counter()
        feed, response = await self._counted(request)
        response.headers.update(_ALWAYS)
        self._answers.labels(str(response.status)).inc()
        _LOG.info(
            "calendar_request",
            code=response.status,
            aggregate=format_name(COLLECTION, feed.calendar_feed_id) if feed else "",
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
        )
        return response

    async def _counted(self, request: web.BaseRequest) -> tuple[ReadFeed | None, web.Response]:
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
        if seconds := self._clients.wait(client_of(request.remote or "", forwarded, self._proxies)):
            return None, _later(HTTPStatus.TOO_MANY_REQUESTS, seconds)
        if request.method not in {"GET", "HEAD"}:
            return None, _text(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
        if self._under_way >= MOST_AT_ONCE:
            return None, _later(HTTPStatus.SERVICE_UNAVAILABLE, _BUSY_SECONDS)
        self._under_way += 1
        try:
            return await self._feed(request)
        except DomainError as error:
            _LOG.warning("calendar_request_failed", reason=error.reason)
            return None, _later(HTTPStatus.SERVICE_UNAVAILABLE, _BUSY_SECONDS)
        except Exception:  # noqa: BLE001 - whatever it is, only a status may leave
            _LOG.error("internal_error", correlation_id=str(new_id()), exc_info=True)
            return None, _text(HTTPStatus.INTERNAL_SERVER_ERROR)
        finally:
            self._under_way -= 1

    async def _feed(self, request: web.BaseRequest) -> tuple[ReadFeed | None, web.Response]:
        match = _PATH.fullmatch(request.path)
        if match is None:
            return None, _text(HTTPStatus.NOT_FOUND)
        if seconds := self._tokens.wait(token_digest(match[1])):
            return None, _later(HTTPStatus.TOO_MANY_REQUESTS, seconds)
        feed = await self._reader.read(match[1])
        return feed, _text(HTTPStatus.NOT_FOUND) if feed is None else await self._file(request, feed)

    async def _file(self, request: web.BaseRequest, feed: ReadFeed) -> web.Response:
        tag = feed_tag(feed.entries)
        # A weak tag: it is of what the file tells, not of its bytes, so that "not modified" needs no file.
        headers = {"ETag": f'W/"{tag}"', **_PRIVATE}
        if any(known.value in {tag, "*"} for known in request.if_none_match or ()):
            return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        async with self._rendering:  # one at a time, beside the event loop: a long schedule takes half a second
            content = await asyncio.to_thread(calendar_file, feed.entries)
        headers["Content-Disposition"] = 'inline; filename="schedule.ics"'
        return web.Response(body=content, content_type="text/calendar", charset="utf-8", headers=headers)


def _later(status: HTTPStatus, seconds: float) -> web.Response:
    return _text(status, {"Retry-After": str(math.ceil(seconds))})


def _text(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, text=f"{status.phrase}\n", headers={"Cache-Control": "no-store", **(headers or {})}
    )
