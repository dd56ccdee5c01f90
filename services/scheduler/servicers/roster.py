"""RosterService."""

from typing import Any

import grpc

from kat.scheduler.v1 import roster_pb2
from kat.scheduler.v1.roster_pb2_grpc import RosterServiceServicer
from services.runtime.clock import Clock
from services.scheduler.convert import roster_messages as messages
from services.scheduler.convert.common import page_of, resource
from services.scheduler.convert.roster import clinic_filter, identifier_filter, practitioner_filter, roster
from services.scheduler.servicers.availability import AvailabilityServicer
from services.scheduler.servicers.calls import Calls
from services.scheduler.servicers.roster_changes import RosterChangesServicer
from services.scheduler.use_cases.roster import check_roster, import_roster

Context = grpc.aio.ServicerContext[Any, Any]


class RosterServicer(RosterChangesServicer, AvailabilityServicer, RosterServiceServicer):
    """Serves the roster."""

    def __init__(self, calls: Calls, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock

    async def ImportRoster(  # noqa: N802 - the contract's name
        self, request: roster_pb2.ImportRosterRequest, _context: Context
    ) -> roster_pb2.ImportRosterResponse:
        """Take in a roster, or only check it."""
        given = roster(request)
        if request.validate_only:
            async with self._calls.reading() as reading:
                await check_roster(given, reading, self._clock)
            return messages.checked_message(request)
        return await self._calls.write(
            request,
            roster_pb2.ImportRosterResponse,
            lambda unit: import_roster(given, unit, self._clock),
            messages.saved_message,
        )

    async def GetClinic(self, request: roster_pb2.GetClinicRequest, _context: Context) -> roster_pb2.Clinic:  # noqa: N802 - the contract's name
        """Return one clinic."""
        async with self._calls.reading() as unit:
            return messages.clinic_message(await unit.roster.clinic(resource(request.name, "clinics")))

    async def ListClinics(  # noqa: N802 - the contract's name
        self, request: roster_pb2.ListClinicsRequest, _context: Context
    ) -> roster_pb2.ListClinicsResponse:
        """List clinics."""
        identifier, page = identifier_filter(request), page_of(request)
        async with self._calls.reading() as unit:
            return messages.clinics_message(request, await unit.roster.clinics(page, identifier=identifier))

    async def GetRoom(self, request: roster_pb2.GetRoomRequest, _context: Context) -> roster_pb2.Room:  # noqa: N802 - the contract's name
        """Return one room."""
        async with self._calls.reading() as unit:
            return messages.room_message(await unit.roster.room(resource(request.name, "rooms")))

    async def ListRooms(  # noqa: N802 - the contract's name
        self, request: roster_pb2.ListRoomsRequest, _context: Context
    ) -> roster_pb2.ListRoomsResponse:
        """List rooms."""
        clinic_id, identifier, page = *clinic_filter(request), page_of(request)
        async with self._calls.reading() as unit:
            rooms = await unit.roster.rooms(page, clinic_id=clinic_id, identifier=identifier)
            return messages.rooms_message(request, rooms)

    async def GetPractitioner(  # noqa: N802 - the contract's name
        self, request: roster_pb2.GetPractitionerRequest, _context: Context
    ) -> roster_pb2.Practitioner:
        """Return one practitioner."""
        async with self._calls.reading() as unit:
            practitioner_id = resource(request.name, "practitioners")
            return messages.practitioner_message(await unit.roster.practitioner(practitioner_id))

    async def ListPractitioners(  # noqa: N802 - the contract's name
        self, request: roster_pb2.ListPractitionersRequest, _context: Context
    ) -> roster_pb2.ListPractitionersResponse:
        """List practitioners."""
        clinic_id, identifier, page = *clinic_filter(request), page_of(request)
        async with self._calls.reading() as unit:
            found = await unit.roster.practitioners(page, clinic_id=clinic_id, identifier=identifier)
            return messages.practitioners_message(request, found)

    async def ListShifts(  # noqa: N802 - the contract's name
        self, request: roster_pb2.ListShiftsRequest, _context: Context
    ) -> roster_pb2.ListShiftsResponse:
        """List shifts."""
        practitioner_id, page = practitioner_filter(request), page_of(request)
        async with self._calls.reading() as unit:
            return messages.shifts_message(request, await unit.roster.shifts(page, practitioner_id=practitioner_id))

    async def GetPatient(self, request: roster_pb2.GetPatientRequest, _context: Context) -> roster_pb2.Patient:  # noqa: N802 - the contract's name
        """Return one patient."""
        async with self._calls.reading() as unit:
            return messages.patient_message(await unit.roster.patient(resource(request.name, "patients")))

    async def ListPatients(  # noqa: N802 - the contract's name
        self, request: roster_pb2.ListPatientsRequest, _context: Context
    ) -> roster_pb2.ListPatientsResponse:
        """List patients."""
        clinic_id, identifier, page = *clinic_filter(request), page_of(request)
        async with self._calls.reading() as unit:
            patients = await unit.roster.patients(page, clinic_id=clinic_id, identifier=identifier)
            return messages.patients_message(request, patients)
