"""The part of RosterService that adds and changes one resource at a time."""

from collections.abc import Callable
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from kat.scheduler.v1 import roster_pb2
from services.runtime.clock import Clock
from services.scheduler.convert import roster_changes as convert
from services.scheduler.convert import roster_messages as messages
from services.scheduler.convert.availability import stranded_messages
from services.scheduler.convert.common import resource
from services.scheduler.domain.roster_changes import Addition, Change, Kind
from services.scheduler.ports.roster import SavedRoster
from services.scheduler.servicers.calls import Calls
from services.scheduler.use_cases import roster_changes

Context = grpc.aio.ServicerContext[Any, Any]
Answer = TypeVar("Answer", bound=Message)


class RosterChangesServicer:
    """Serves additions and changes."""

    _calls: Calls
    _clock: Clock

    async def CreateClinic(  # noqa: N802 - the contract's name
        self, request: roster_pb2.CreateClinicRequest, _context: Context
    ) -> roster_pb2.Clinic:
        """Add a clinic."""
        return await self._add(request, roster_pb2.Clinic, convert.addition(Kind.CLINIC, request.clinic), _clinic)

    async def UpdateClinic(  # noqa: N802 - the contract's name
        self, request: roster_pb2.UpdateClinicRequest, _context: Context
    ) -> roster_pb2.Clinic:
        """Change a clinic."""
        return await self._replace(request, roster_pb2.Clinic, convert.change(Kind.CLINIC, request.clinic), _clinic)

    async def CreateRoom(  # noqa: N802 - the contract's name
        self, request: roster_pb2.CreateRoomRequest, _context: Context
    ) -> roster_pb2.Room:
        """Add a room."""
        return await self._add(request, roster_pb2.Room, convert.addition(Kind.ROOM, request.room), _room)

    async def UpdateRoom(  # noqa: N802 - the contract's name
        self, request: roster_pb2.UpdateRoomRequest, _context: Context
    ) -> roster_pb2.Room:
        """Change a room."""
        return await self._replace(request, roster_pb2.Room, convert.change(Kind.ROOM, request.room), _room)

    async def CreatePractitioner(  # noqa: N802 - the contract's name
        self, request: roster_pb2.CreatePractitionerRequest, _context: Context
    ) -> roster_pb2.Practitioner:
        """Add a practitioner."""
        return await self._add(
            request, roster_pb2.Practitioner, convert.addition(Kind.PRACTITIONER, request.practitioner), _practitioner
        )

    async def UpdatePractitioner(  # noqa: N802 - the contract's name
        self, request: roster_pb2.UpdatePractitionerRequest, _context: Context
    ) -> roster_pb2.Practitioner:
        """Change a practitioner."""
        return await self._replace(
            request, roster_pb2.Practitioner, convert.change(Kind.PRACTITIONER, request.practitioner), _practitioner
        )

    async def CreatePatient(  # noqa: N802 - the contract's name
        self, request: roster_pb2.CreatePatientRequest, _context: Context
    ) -> roster_pb2.Patient:
        """Add a patient."""
        return await self._add(request, roster_pb2.Patient, convert.addition(Kind.PATIENT, request.patient), _patient)

    async def UpdatePatient(  # noqa: N802 - the contract's name
        self, request: roster_pb2.UpdatePatientRequest, _context: Context
    ) -> roster_pb2.Patient:
        """Change a patient."""
        return await self._replace(request, roster_pb2.Patient, convert.change(Kind.PATIENT, request.patient), _patient)

    async def CreateShift(  # noqa: N802 - the contract's name
        self, request: roster_pb2.CreateShiftRequest, _context: Context
    ) -> roster_pb2.Shift:
        """Add a shift."""
        shift = convert.shift(request.shift)
        return await self._calls.write(
            request,
            roster_pb2.Shift,
            lambda unit: roster_changes.create_shift(shift, unit, self._clock),
            messages.shift_message,
        )

    async def UpdateShift(  # noqa: N802 - the contract's name
        self, request: roster_pb2.UpdateShiftRequest, _context: Context
    ) -> roster_pb2.Shift:
        """Change a shift."""
        change = convert.shift_change(request.shift)
        return await self._calls.write(
            request,
            roster_pb2.Shift,
            lambda unit: roster_changes.update_shift(change, unit, self._clock),
            messages.shift_message,
        )

    async def DeleteShift(  # noqa: N802 - the contract's name
        self, request: roster_pb2.DeleteShiftRequest, _context: Context
    ) -> roster_pb2.DeleteShiftResponse:
        """Delete a shift."""
        deletion = convert.deletion(request, "shifts")
        answer = roster_pb2.DeleteShiftResponse
        return await self._calls.write(
            request,
            answer,
            lambda unit: roster_changes.delete_shift(deletion, unit, self._clock),
            lambda stranded: answer(stranded_sessions=stranded_messages(stranded)),
        )

    async def GetShift(self, request: roster_pb2.GetShiftRequest, _context: Context) -> roster_pb2.Shift:  # noqa: N802 - the contract's name
        """Return one shift."""
        async with self._calls.reading() as unit:
            return messages.shift_message(await unit.roster_changes.shift(resource(request.name, "shifts")))

    async def _add(
        self, request: Message, answer: type[Answer], addition: Addition, message: Callable[[SavedRoster], Answer]
    ) -> Answer:
        return await self._calls.write(
            request, answer, lambda unit: roster_changes.create_resource(addition, unit, self._clock), message
        )

    async def _replace(
        self, request: Message, answer: type[Answer], change: Change, message: Callable[[SavedRoster], Answer]
    ) -> Answer:
        return await self._calls.write(
            request, answer, lambda unit: roster_changes.update_resource(change, unit, self._clock), message
        )


def _clinic(saved: SavedRoster) -> roster_pb2.Clinic:
    return messages.clinic_message(saved.clinics[0])


def _room(saved: SavedRoster) -> roster_pb2.Room:
    return messages.room_message(saved.rooms[0])


def _practitioner(saved: SavedRoster) -> roster_pb2.Practitioner:
    return messages.practitioner_message(saved.practitioners[0])


def _patient(saved: SavedRoster) -> roster_pb2.Patient:
    return messages.patient_message(saved.patients[0])
