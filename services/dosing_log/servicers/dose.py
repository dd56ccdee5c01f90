# ruff: noqa: N802, ARG002 - names and arguments are those of the generated servicer
"""DoseService."""

from kat.dosing_log.v1 import dosing_log_pb2 as pb
from kat.dosing_log.v1.dosing_log_pb2_grpc import DoseServiceServicer
from kat.dosing_log.v1.records_pb2 import Record
from services.dosing_log.convert import answers, requests
from services.dosing_log.servicers.desk import Context, Desk
from services.dosing_log.servicers.pin_desk import PinDesk
from services.dosing_log.use_cases import (
    administering,
    amending,
    authorizing,
    discharging,
    recording,
    wasting,
)


class DoseServicer(DoseServiceServicer):
    """The clinical verbs of one session."""

    def __init__(self, desk: Desk, pins: PinDesk) -> None:
        self._desk = desk
        self._pins = pins

    async def PlaceOrder(self, request: pb.PlaceOrderRequest, context: Context) -> Record:
        """Record a prescriber's order."""
        desk, actor = self._desk, self._desk.actor
        told = requests.place_order(request, desk.now(), actor)
        return await desk.record(request, request.session, lambda unit: recording.record(told, unit, desk.clock, actor))

    async def RecordCheck(self, request: pb.RecordCheckRequest, context: Context) -> Record:
        """Record a check before the dose."""
        desk = self._desk
        told = requests.record_check(request, desk.now())
        return await desk.record(
            request, request.session, lambda unit: recording.record(told, unit, desk.clock, desk.actor)
        )

    async def RecordVitalSigns(self, request: pb.RecordVitalSignsRequest, context: Context) -> Record:
        """Record vital signs."""
        desk = self._desk
        told = requests.record_vital_signs(request, desk.now())
        return await desk.record(
            request, request.session, lambda unit: recording.record(told, unit, desk.clock, desk.actor)
        )

    async def RecordAssessment(self, request: pb.RecordAssessmentRequest, context: Context) -> Record:
        """Record an assessment, scored."""
        desk = self._desk
        told = requests.record_assessment(request, desk.now())
        return await desk.record(
            request, request.session, lambda unit: recording.record(told, unit, desk.clock, desk.actor)
        )

    async def AuthorizeDose(self, request: pb.AuthorizeDoseRequest, context: Context) -> Record:
        """Authorize a dose, or refuse it with every finding."""
        desk = self._desk
        proposal = requests.authorize_dose(request)
        return await desk.record(
            request,
            request.session,
            lambda unit: authorizing.authorize_dose(proposal, unit, desk.clock, desk.actor),
        )

    async def RecordAdministration(self, request: pb.RecordAdministrationRequest, context: Context) -> Record:
        """Record a dose that was given."""
        desk = self._desk
        session_id, report = requests.record_administration(request, desk.now())
        return await desk.record(
            request,
            request.session,
            lambda unit: administering.record_administration(session_id, report, unit, desk.clock, desk.actor),
        )

    async def RecordWastage(self, request: pb.RecordWastageRequest, context: Context) -> Record:
        """Record wasted drug."""
        desk = self._desk
        told = requests.record_wastage(request, desk.now())
        return await desk.record(
            request, request.session, lambda unit: wasting.record_wastage(told, unit, desk.clock, desk.actor)
        )

    async def GetDischargeReadiness(
        self, request: pb.GetDischargeReadinessRequest, context: Context
    ) -> pb.DischargeReadiness:
        """Say what discharge still needs."""
        desk = self._desk
        session_id, purpose = requests.get_readiness(request)
        found = await desk.read(
            request,
            request.session,
            purpose,
            lambda unit: discharging.get_readiness(session_id, purpose, unit, desk.clock, desk.reader(request)),
        )
        return answers.readiness(found)

    async def ApproveDischarge(self, request: pb.ApproveDischargeRequest, context: Context) -> Record:
        """Approve discharge."""
        desk = self._desk
        session_id, discharge = requests.approve_discharge(request, desk.actor)
        return await desk.record(
            request,
            request.session,
            lambda unit: discharging.approve_discharge(session_id, discharge, unit, desk.clock, desk.actor),
        )

    async def RecordDeparture(self, request: pb.RecordDepartureRequest, context: Context) -> Record:
        """Record that the patient left."""
        desk = self._desk
        told = requests.record_departure(request, desk.now())
        return await desk.record(
            request, request.session, lambda unit: discharging.record_departure(told, unit, desk.clock, desk.actor)
        )

    async def AmendRecord(self, request: pb.AmendRecordRequest, context: Context) -> Record:
        """Add a version to a record."""
        desk, actor = self._desk, self._desk.actor
        amendment = requests.amend_record(request, desk.now(), actor)
        return await desk.record(
            request, request.record.name, lambda unit: amending.amend_record(amendment, unit, desk.clock, actor)
        )

    async def SetSigningPin(self, request: pb.SetSigningPinRequest, context: Context) -> pb.SetSigningPinResponse:
        """Set the caller's signing PIN."""
        return await self._pins.set_pin(request)

    async def SignRecord(self, request: pb.SignRecordRequest, context: Context) -> Record:
        """Sign the present version of a record."""
        return await self._pins.sign(request)
