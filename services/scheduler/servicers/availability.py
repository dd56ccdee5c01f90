"""The part of RosterService about closures, exceptions of shifts, departures and the sessions that they strand."""

from typing import Any

import grpc

from kat.scheduler.v1 import roster_pb2
from services.runtime.clock import Clock
from services.scheduler.convert import availability as convert
from services.scheduler.convert.common import page_of, resource
from services.scheduler.convert.roster_changes import deletion
from services.scheduler.servicers.calls import Calls
from services.scheduler.use_cases import availability
from services.scheduler.use_cases.departures import depart_practitioner
from services.scheduler.use_cases.stranded import list_stranded

Context = grpc.aio.ServicerContext[Any, Any]


class AvailabilityServicer:
    """Serves closures, exceptions of shifts, departures and stranded sessions."""

    _calls: Calls
    _clock: Clock

    async def CreateShiftException(  # noqa: N802 - the contract's name
        self, request: roster_pb2.CreateShiftExceptionRequest, _context: Context
    ) -> roster_pb2.CreateShiftExceptionResponse:
        """Add an absence or an extra shift."""
        new = convert.shift_exception(request.shift_exception)
        return await self._calls.write(
            request,
            roster_pb2.CreateShiftExceptionResponse,
            lambda unit: availability.create_exception(new, unit, self._clock),
            lambda made: convert.excepted_message(*made),
        )

    async def DeleteShiftException(  # noqa: N802 - the contract's name
        self, request: roster_pb2.DeleteShiftExceptionRequest, _context: Context
    ) -> roster_pb2.DeleteShiftExceptionResponse:
        """Delete an absence or an extra shift."""
        unwanted = deletion(request, "shiftExceptions")
        answer = roster_pb2.DeleteShiftExceptionResponse
        return await self._calls.write(
            request,
            answer,
            lambda unit: availability.delete_exception(unwanted, unit, self._clock),
            lambda stranded: answer(stranded_sessions=convert.stranded_messages(stranded)),
        )

    async def GetShiftException(  # noqa: N802 - the contract's name
        self, request: roster_pb2.GetShiftExceptionRequest, _context: Context
    ) -> roster_pb2.ShiftException:
        """Return one absence or extra shift."""
        async with self._calls.reading() as unit:
            exception_id = resource(request.name, "shiftExceptions")
            return convert.exception_message(await unit.availability.exception(exception_id))

    async def ListShiftExceptions(  # noqa: N802 - the contract's name
        self, request: roster_pb2.ListShiftExceptionsRequest, _context: Context
    ) -> roster_pb2.ListShiftExceptionsResponse:
        """List absences and extra shifts."""
        (practitioner, clinic, after), page = convert.exception_filter(request), page_of(request)
        async with self._calls.reading() as unit:
            found = await unit.availability.exceptions(
                page, practitioner_id=practitioner, clinic_id=clinic, ends_after=after
            )
            return convert.exceptions_message(request, found)

    async def CreateClosure(  # noqa: N802 - the contract's name
        self, request: roster_pb2.CreateClosureRequest, _context: Context
    ) -> roster_pb2.CreateClosureResponse:
        """Close a clinic or a room, or only say what would stand in the way."""
        new = convert.closure(request.closure)
        return await self._calls.write(
            request,
            roster_pb2.CreateClosureResponse,
            lambda unit: availability.create_closure(new, unit, self._clock),
            lambda made: convert.closed_message(*made, validate_only=request.validate_only),
            rehearsed=request.validate_only,
        )

    async def DeleteClosure(  # noqa: N802 - the contract's name
        self, request: roster_pb2.DeleteClosureRequest, _context: Context
    ) -> roster_pb2.DeleteClosureResponse:
        """Open a clinic or a room again."""
        unwanted = deletion(request, "closures")
        answer = roster_pb2.DeleteClosureResponse
        return await self._calls.write(
            request, answer, lambda unit: availability.delete_closure(unwanted, unit), lambda _: answer()
        )

    async def GetClosure(self, request: roster_pb2.GetClosureRequest, _context: Context) -> roster_pb2.Closure:  # noqa: N802 - the contract's name
        """Return one closure."""
        async with self._calls.reading() as unit:
            return convert.closure_message(await unit.availability.closure(resource(request.name, "closures")))

    async def ListClosures(  # noqa: N802 - the contract's name
        self, request: roster_pb2.ListClosuresRequest, _context: Context
    ) -> roster_pb2.ListClosuresResponse:
        """List closures."""
        (clinic, after), page = convert.closure_filter(request), page_of(request)
        async with self._calls.reading() as unit:
            found = await unit.availability.closures(page, clinic_id=clinic, ends_after=after)
            return convert.closures_message(request, found)

    async def DepartPractitioner(  # noqa: N802 - the contract's name
        self, request: roster_pb2.DepartPractitionerRequest, _context: Context
    ) -> roster_pb2.DepartPractitionerResponse:
        """Record that a practitioner leaves, or only say what would become of their sessions."""
        departure = convert.departure(request)
        return await self._calls.write(
            request,
            roster_pb2.DepartPractitionerResponse,
            lambda unit: depart_practitioner(departure, unit, self._clock),
            convert.departed_message,
            rehearsed=request.validate_only,
        )

    async def ListStrandedSessions(  # noqa: N802 - the contract's name
        self, request: roster_pb2.ListStrandedSessionsRequest, _context: Context
    ) -> roster_pb2.ListStrandedSessionsResponse:
        """List stranded sessions."""
        wanted, page = convert.stranded_question(request)
        async with self._calls.reading() as unit:
            return convert.stranded_page_message(request, await list_stranded(page, wanted, unit, self._clock))
