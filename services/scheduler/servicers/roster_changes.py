"""The part of RosterService that adds and changes one resource at a time."""

from typing import Any

import grpc

from kat.scheduler.v1 import roster_pb2
from services.runtime.clock import Clock
from services.scheduler.convert import roster_changes as convert
from services.scheduler.convert import roster_messages as messages
from services.scheduler.convert.availability import stranded_messages
from services.scheduler.convert.common import resource
from services.scheduler.domain.roster_changes import Kind
from services.scheduler.ports.unit import UnitOfWork
from services.scheduler.servicers.calls import Calls
from services.scheduler.use_cases import roster_changes

Context = grpc.aio.ServicerContext[Any, Any]


class RosterChangesServicer:
    """Serves additions and changes."""

    _calls: Calls
    _clock: Clock

    async def CreateClinic(  # noqa: N802 - the contract's name
        self, request: roster_pb2.CreateClinicRequest, _context: Context
    ) -> roster_pb2.Clinic:
        """Add a clinic."""
        addition = convert.addition(Kind.CLINIC, request.clinic)

        async def work(unit: UnitOfWork) -> roster_pb2.Clinic:
            saved = await roster_changes.create_resource(addition, unit, self._clock)
            return messages.clinic_message(saved.clinics[0])

        return await self._calls.once(request, roster_pb2.Clinic, work)

    async def UpdateClinic(  # noqa: N802 - the contract's name
        self, request: roster_pb2.UpdateClinicRequest, _context: Context
    ) -> roster_pb2.Clinic:
        """Change a clinic."""
        change = convert.change(Kind.CLINIC, request.clinic)

        async def work(unit: UnitOfWork) -> roster_pb2.Clinic:
            saved = await roster_changes.update_resource(change, unit, self._clock)
            return messages.clinic_message(saved.clinics[0])

        return await self._calls.once(request, roster_pb2.Clinic, work)

    async def CreateRoom(  # noqa: N802 - the contract's name
        self, request: roster_pb2.CreateRoomRequest, _context: Context
    ) -> roster_pb2.Room:
        """Add a room."""
        addition = convert.addition(Kind.ROOM, request.room)

        async def work(unit: UnitOfWork) -> roster_pb2.Room:
            saved = await roster_changes.create_resource(addition, unit, self._clock)
            return messages.room_message(saved.rooms[0])

        return await self._calls.once(request, roster_pb2.Room, work)

    async def UpdateRoom(  # noqa: N802 - the contract's name
        self, request: roster_pb2.UpdateRoomRequest, _context: Context
    ) -> roster_pb2.Room:
        """Change a room."""
        change = convert.change(Kind.ROOM, request.room)

        async def work(unit: UnitOfWork) -> roster_pb2.Room:
            saved = await roster_changes.update_resource(change, unit, self._clock)
            return messages.room_message(saved.rooms[0])

        return await self._calls.once(request, roster_pb2.Room, work)

    async def CreatePractitioner(  # noqa: N802 - the contract's name
        self, request: roster_pb2.CreatePractitionerRequest, _context: Context
    ) -> roster_pb2.Practitioner:
        """Add a practitioner."""
        addition = convert.addition(Kind.PRACTITIONER, request.practitioner)

        async def work(unit: UnitOfWork) -> roster_pb2.Practitioner:
            saved = await roster_changes.create_resource(addition, unit, self._clock)
            return messages.practitioner_message(saved.practitioners[0])

        return await self._calls.once(request, roster_pb2.Practitioner, work)

    async def UpdatePractitioner(  # noqa: N802 - the contract's name
        self, request: roster_pb2.UpdatePractitionerRequest, _context: Context
    ) -> roster_pb2.Practitioner:
        """Change a practitioner."""
        change = convert.change(Kind.PRACTITIONER, request.practitioner)

        async def work(unit: UnitOfWork) -> roster_pb2.Practitioner:
            saved = await roster_changes.update_resource(change, unit, self._clock)
            return messages.practitioner_message(saved.practitioners[0])

        return await self._calls.once(request, roster_pb2.Practitioner, work)

    async def CreatePatient(  # noqa: N802 - the contract's name
        self, request: roster_pb2.CreatePatientRequest, _context: Context
    ) -> roster_pb2.Patient:
        """Add a patient."""
        addition = convert.addition(Kind.PATIENT, request.patient)

        async def work(unit: UnitOfWork) -> roster_pb2.Patient:
            saved = await roster_changes.create_resource(addition, unit, self._clock)
            return messages.patient_message(saved.patients[0])

        return await self._calls.once(request, roster_pb2.Patient, work)

    async def UpdatePatient(  # noqa: N802 - the contract's name
        self, request: roster_pb2.UpdatePatientRequest, _context: Context
    ) -> roster_pb2.Patient:
        """Change a patient."""
        change = convert.change(Kind.PATIENT, request.patient)

        async def work(unit: UnitOfWork) -> roster_pb2.Patient:
            saved = await roster_changes.update_resource(change, unit, self._clock)
            return messages.patient_message(saved.patients[0])

        return await self._calls.once(request, roster_pb2.Patient, work)

    async def CreateShift(  # noqa: N802 - the contract's name
        self, request: roster_pb2.CreateShiftRequest, _context: Context
    ) -> roster_pb2.Shift:
        """Add a shift."""
        shift = convert.shift(request.shift)

        async def work(unit: UnitOfWork) -> roster_pb2.Shift:
            return messages.shift_message(await roster_changes.create_shift(shift, unit, self._clock))

        return await self._calls.once(request, roster_pb2.Shift, work)

    async def UpdateShift(  # noqa: N802 - the contract's name
        self, request: roster_pb2.UpdateShiftRequest, _context: Context
    ) -> roster_pb2.Shift:
        """Change a shift."""
        change = convert.shift_change(request.shift)

        async def work(unit: UnitOfWork) -> roster_pb2.Shift:
            return messages.shift_message(await roster_changes.update_shift(change, unit, self._clock))

        return await self._calls.once(request, roster_pb2.Shift, work)

    async def DeleteShift(  # noqa: N802 - the contract's name
        self, request: roster_pb2.DeleteShiftRequest, _context: Context
    ) -> roster_pb2.DeleteShiftResponse:
        """Delete a shift."""
        deletion = convert.deletion(request, "shifts")

        async def work(unit: UnitOfWork) -> roster_pb2.DeleteShiftResponse:
            stranded = await roster_changes.delete_shift(deletion, unit, self._clock)
            return roster_pb2.DeleteShiftResponse(stranded_sessions=stranded_messages(stranded))

        return await self._calls.once(request, roster_pb2.DeleteShiftResponse, work)

    async def GetShift(self, request: roster_pb2.GetShiftRequest, _context: Context) -> roster_pb2.Shift:  # noqa: N802 - the contract's name
        """Return one shift."""
        async with self._calls.reading() as unit:
            return messages.shift_message(await unit.roster_changes.shift(resource(request.name, "shifts")))
