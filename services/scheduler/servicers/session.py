"""SessionService."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from kat.scheduler.v1 import session_pb2
from kat.scheduler.v1.session_pb2_grpc import SessionServiceServicer
from services.runtime.auth import current_caller
from services.runtime.clock import Clock
from services.scheduler.convert import series as convert_series
from services.scheduler.convert import session as convert
from services.scheduler.convert.common import page_of, resource
from services.scheduler.convert.slots import slot_question, slots_message
from services.scheduler.convert.supervision import hand_over
from services.scheduler.convert.watching import watch_message, watched
from services.scheduler.domain.policy import SchedulingPolicy
from services.scheduler.domain.session import Session
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.servicers.calls import Calls
from services.scheduler.session_feed import SessionFeeds
from services.scheduler.use_cases import booking, extending, holding, rescheduling, series, sessions
from services.scheduler.use_cases.slots import find_slots
from services.scheduler.use_cases.supervising import hand_over_supervision

Context = grpc.aio.ServicerContext[Any, Any]
Command = TypeVar("Command")
Result = TypeVar("Result")
Answer = TypeVar("Answer", bound=Message)
UseCase = Callable[[Command, UnitOfWork, Clock], Awaitable[Result]]


class SessionServicer(SessionServiceServicer):
    """Serves sessions.

    Args:
        policy: how long a slot is held.
        feeds: tells of changes of sessions.
    """

    def __init__(self, calls: Calls, clock: Clock, policy: SchedulingPolicy, feeds: SessionFeeds) -> None:
        self._calls = calls
        self._clock = clock
        self._policy = policy
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

    async def HoldSlot(self, request: session_pb2.HoldSlotRequest, _context: Context) -> session_pb2.Session:  # noqa: N802 - the contract's name
        """Keep a slot."""

        async def hold(wanted: booking.Booking, unit: UnitOfWork, clock: Clock) -> Session:
            return await holding.hold_slot(wanted, unit, clock, self._policy)

        return await self._one(request, convert.booking(request.booking), hold)

    async def BookSession(  # noqa: N802 - the contract's name
        self, request: session_pb2.BookSessionRequest, _context: Context
    ) -> session_pb2.Session:
        """Book a session, or one that is held."""
        wanted = convert.held_or_new(request)
        if isinstance(wanted, holding.HeldBooking):
            return await self._one(request, wanted, holding.book_held)
        return await self._one(request, wanted, booking.book_session)

    async def BookSeries(  # noqa: N802 - the contract's name
        self, request: session_pb2.BookSeriesRequest, _context: Context
    ) -> session_pb2.BookSeriesResponse:
        """Book a series, or only look at it."""
        wanted = convert_series.series(request)
        if request.validate_only:
            async with self._calls.reading() as unit:
                found = await series.validate_series(wanted, unit, self._clock)
                return convert_series.series_finding_message(found)
        answer = session_pb2.BookSeriesResponse
        return await self._once(request, answer, wanted, series.book_series, convert_series.series_message)

    async def RescheduleSession(  # noqa: N802 - the contract's name
        self, request: session_pb2.RescheduleSessionRequest, _context: Context
    ) -> session_pb2.Session:
        """Move a session."""
        return await self._one(request, convert.reschedule(request), rescheduling.reschedule_session)

    async def RescheduleSeries(  # noqa: N802 - the contract's name
        self, request: session_pb2.RescheduleSeriesRequest, _context: Context
    ) -> session_pb2.RescheduleSeriesResponse:
        """Move a session and those that follow."""
        answer, command = session_pb2.RescheduleSeriesResponse, convert.reschedule(request)
        message = convert_series.rescheduled_message
        return await self._once(request, answer, command, rescheduling.reschedule_series, message)

    async def CancelSession(  # noqa: N802 - the contract's name
        self, request: session_pb2.CancelSessionRequest, _context: Context
    ) -> session_pb2.Session:
        """Cancel a session."""
        return await self._one(request, convert.reasoned(request), sessions.cancel_session)

    async def CancelSeries(  # noqa: N802 - the contract's name
        self, request: session_pb2.CancelSeriesRequest, _context: Context
    ) -> session_pb2.CancelSeriesResponse:
        """Cancel a session and those that follow."""
        answer, command = session_pb2.CancelSeriesResponse, convert.reasoned(request)
        return await self._once(request, answer, command, sessions.cancel_series, convert_series.cancelled_message)

    async def ConfirmSession(  # noqa: N802 - the contract's name
        self, request: session_pb2.ConfirmSessionRequest, _context: Context
    ) -> session_pb2.Session:
        """Record a confirmation."""
        return await self._one(request, convert.change(request), sessions.confirm_session)

    async def CheckInSession(  # noqa: N802 - the contract's name
        self, request: session_pb2.CheckInSessionRequest, _context: Context
    ) -> session_pb2.Session:
        """Record an arrival."""
        return await self._one(request, convert.change(request), sessions.check_in_session)

    async def MarkNoShow(self, request: session_pb2.MarkNoShowRequest, _context: Context) -> session_pb2.Session:  # noqa: N802 - the contract's name
        """Record that the patient did not come."""
        return await self._one(request, convert.change(request), sessions.mark_no_show)

    async def MarkEnteredInError(  # noqa: N802 - the contract's name
        self, request: session_pb2.MarkEnteredInErrorRequest, _context: Context
    ) -> session_pb2.Session:
        """Record that a session should never have been there."""
        return await self._one(request, convert.reasoned(request), sessions.mark_entered_in_error)

    async def ExtendSession(  # noqa: N802 - the contract's name
        self, request: session_pb2.ExtendSessionRequest, _context: Context
    ) -> session_pb2.ExtendSessionResponse:
        """Let a session end later, or say what it would run into."""
        command = convert_series.extension(request)
        if request.validate_only:
            async with self._calls.reading() as unit:
                extended = await extending.validate_extension(command, unit, self._clock)
                return convert_series.extended_message(extended)
        answer = session_pb2.ExtendSessionResponse
        return await self._once(request, answer, command, extending.extend_session, convert_series.extended_message)

    async def HandOverSupervision(  # noqa: N802 - the contract's name
        self, request: session_pb2.HandOverSupervisionRequest, _context: Context
    ) -> session_pb2.Session:
        """Let another clinician supervise a session."""
        return await self._one(request, hand_over(request), hand_over_supervision)

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

    async def _one(
        self, request: Message, command: Command, use_case: UseCase[Command, Session]
    ) -> session_pb2.Session:
        """Run a write that answers with one session."""
        return await self._once(request, session_pb2.Session, command, use_case, convert.session_message)

    async def _once(
        self,
        request: Message,
        answer: type[Answer],
        command: Command,
        use_case: UseCase[Command, Result],
        message: Callable[[Result], Answer],
    ) -> Answer:
        """Run a write once for its request id."""

        async def work(unit: UnitOfWork) -> Answer:
            return message(await use_case(command, unit, self._clock))

        return await self._calls.once(request, answer, work)
