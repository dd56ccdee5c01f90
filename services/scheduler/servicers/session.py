"""SessionService."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import grpc

from kat.scheduler.v1 import session_pb2
from kat.scheduler.v1.session_pb2_grpc import SessionServiceServicer
from services.runtime.auth import current_caller
from services.runtime.clock import Clock
from services.scheduler.convert import session as convert
from services.scheduler.convert.common import page_of, resource
from services.scheduler.convert.slots import slot_question, slots_message
from services.scheduler.convert.watching import watch_message, watched
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.servicers.calls import Calls
from services.scheduler.session_feed import SessionFeeds
from services.scheduler.use_cases import booking, sessions
from services.scheduler.use_cases.series import book_series
from services.scheduler.use_cases.slots import find_slots

Context = grpc.aio.ServicerContext[Any, Any]


class SessionServicer(SessionServiceServicer):
    """Serves sessions."""

    def __init__(self, calls: Calls, clock: Clock, feeds: SessionFeeds) -> None:
        self._calls = calls
        self._clock = clock
        self._feeds = feeds

    async def FindSlots(  # noqa: N802 - the contract's name
        self, request: session_pb2.FindSlotsRequest, _context: Context
    ) -> session_pb2.FindSlotsResponse:
        """Find free slots."""
        question = slot_question(request)
        async with self._calls.reading() as unit:
            return slots_message(request, await find_slots(question, unit, self._clock))

    async def ValidateBooking(  # noqa: N802 - the contract's name
        self, request: session_pb2.ValidateBookingRequest, _context: Context
    ) -> session_pb2.ValidateBookingResponse:
        """Say what stands in the way of a booking."""
        wanted = convert.booking(request.booking)
        async with self._calls.reading() as unit:
            return convert.blockers_message(await booking.validate_booking(wanted, unit, self._clock))

    async def BookSession(  # noqa: N802 - the contract's name
        self, request: session_pb2.BookSessionRequest, _context: Context
    ) -> session_pb2.Session:
        """Book a session."""
        wanted = convert.booking(request.booking)

        async def work(unit: UnitOfWork) -> session_pb2.Session:
            return convert.session_message(await booking.book_session(wanted, unit, self._clock))

        return await self._calls.once(request, session_pb2.Session, work)

    async def BookSeries(  # noqa: N802 - the contract's name
        self, request: session_pb2.BookSeriesRequest, _context: Context
    ) -> session_pb2.BookSeriesResponse:
        """Book a series."""
        series = convert.series(request)

        async def work(unit: UnitOfWork) -> session_pb2.BookSeriesResponse:
            return convert.series_message(await book_series(series, unit, self._clock))

        return await self._calls.once(request, session_pb2.BookSeriesResponse, work)

    async def RescheduleSession(  # noqa: N802 - the contract's name
        self, request: session_pb2.RescheduleSessionRequest, _context: Context
    ) -> session_pb2.Session:
        """Move a session."""
        command = convert.reschedule(request)

        async def work(unit: UnitOfWork) -> session_pb2.Session:
            return convert.session_message(await booking.reschedule_session(command, unit, self._clock))

        return await self._calls.once(request, session_pb2.Session, work)

    async def CancelSession(  # noqa: N802 - the contract's name
        self, request: session_pb2.CancelSessionRequest, _context: Context
    ) -> session_pb2.Session:
        """Cancel a session."""
        change = convert.cancellation(request)

        async def work(unit: UnitOfWork) -> session_pb2.Session:
            return convert.session_message(await sessions.cancel_session(change, unit, self._clock))

        return await self._calls.once(request, session_pb2.Session, work)

    async def ConfirmSession(  # noqa: N802 - the contract's name
        self, request: session_pb2.ConfirmSessionRequest, _context: Context
    ) -> session_pb2.Session:
        """Record a confirmation."""
        change = convert.change(request)

        async def work(unit: UnitOfWork) -> session_pb2.Session:
            return convert.session_message(await sessions.confirm_session(change, unit, self._clock))

        return await self._calls.once(request, session_pb2.Session, work)

    async def CheckInSession(  # noqa: N802 - the contract's name
        self, request: session_pb2.CheckInSessionRequest, _context: Context
    ) -> session_pb2.Session:
        """Record an arrival."""
        change = convert.change(request)

        async def work(unit: UnitOfWork) -> session_pb2.Session:
            return convert.session_message(await sessions.check_in_session(change, unit, self._clock))

        return await self._calls.once(request, session_pb2.Session, work)

    async def GetSession(self, request: session_pb2.GetSessionRequest, _context: Context) -> session_pb2.Session:  # noqa: N802 - the contract's name
        """Return one session."""
        async with self._calls.reading() as unit:
            return convert.session_message(await unit.sessions.get(resource(request.name, "sessions")))

    async def ListSessions(  # noqa: N802 - the contract's name
        self, request: session_pb2.ListSessionsRequest, _context: Context
    ) -> session_pb2.ListSessionsResponse:
        """List sessions."""
        wanted, page = convert.session_filter(request), page_of(request)
        async with self._calls.reading() as unit:
            return convert.sessions_message(request, await unit.sessions.page(page, wanted))

    async def WatchSessions(  # noqa: N802 - the contract's name
        self, request: session_pb2.WatchSessionsRequest, _context: Context
    ) -> AsyncGenerator[session_pb2.WatchSessionsResponse, None]:
        """Tell of every change of sessions."""
        wanted, position = watched(request)
        async with aclosing(self._feeds.watch(current_caller().organization, wanted, position)) as news:
            async for told in news:
                yield watch_message(told.position, told.session)
