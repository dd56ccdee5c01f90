"""WaitlistService."""

from typing import Any

import grpc

from kat.scheduler.v1 import session_pb2, waitlist_pb2
from kat.scheduler.v1.waitlist_pb2_grpc import WaitlistServiceServicer
from services.runtime.clock import Clock
from services.scheduler.convert import waitlist as convert
from services.scheduler.convert.common import page_of, resource
from services.scheduler.convert.session import session_message
from services.scheduler.servicers.calls import Calls
from services.scheduler.use_cases import waitlist

Context = grpc.aio.ServicerContext[Any, Any]


class WaitlistServicer(WaitlistServiceServicer):
    """Serves the waiting list."""

    def __init__(self, calls: Calls, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock

    async def JoinWaitlist(  # noqa: N802 - the contract's name
        self, request: waitlist_pb2.JoinWaitlistRequest, _context: Context
    ) -> waitlist_pb2.WaitlistEntry:
        """Put a course on the list."""
        wish = convert.wish(request)
        return await self._calls.write(
            request,
            waitlist_pb2.WaitlistEntry,
            lambda unit: waitlist.join_waitlist(wish, unit, self._clock),
            convert.entry_message,
        )

    async def LeaveWaitlist(  # noqa: N802 - the contract's name
        self, request: waitlist_pb2.LeaveWaitlistRequest, _context: Context
    ) -> waitlist_pb2.WaitlistEntry:
        """Take a course off the list."""
        change = convert.entry_change(request)
        return await self._calls.write(
            request,
            waitlist_pb2.WaitlistEntry,
            lambda unit: waitlist.leave_waitlist(change, unit, self._clock),
            convert.entry_message,
        )

    async def AcceptOffer(self, request: waitlist_pb2.AcceptOfferRequest, _context: Context) -> session_pb2.Session:  # noqa: N802 - the contract's name
        """Book what is offered."""
        change = convert.entry_change(request)
        return await self._calls.write(
            request, session_pb2.Session, lambda unit: waitlist.accept_offer(change, unit, self._clock), session_message
        )

    async def DeclineOffer(  # noqa: N802 - the contract's name
        self, request: waitlist_pb2.DeclineOfferRequest, _context: Context
    ) -> waitlist_pb2.WaitlistEntry:
        """Let go of what is offered."""
        change = convert.entry_change(request)
        return await self._calls.write(
            request,
            waitlist_pb2.WaitlistEntry,
            lambda unit: waitlist.decline_offer(change, unit, self._clock),
            convert.entry_message,
        )

    async def GetWaitlistEntry(  # noqa: N802 - the contract's name
        self, request: waitlist_pb2.GetWaitlistEntryRequest, _context: Context
    ) -> waitlist_pb2.WaitlistEntry:
        """Return one entry."""
        async with self._calls.reading() as unit:
            return convert.entry_message(await unit.waitlist.get(resource(request.name, "waitlistEntries")))

    async def ListWaitlistEntries(  # noqa: N802 - the contract's name
        self, request: waitlist_pb2.ListWaitlistEntriesRequest, _context: Context
    ) -> waitlist_pb2.ListWaitlistEntriesResponse:
        """List entries."""
        wanted, page = convert.waitlist_filter(request), page_of(request)
        async with self._calls.reading() as unit:
            return convert.entries_message(request, await unit.waitlist.page(page, wanted))
