"""Requests of the dose and record services out of messages."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from kat.dosing_log.v1 import dosing_log_pb2 as pb
from services.dosing_log.convert import contents, values
from services.dosing_log.convert.values import amount, past
from services.dosing_log.domain.access import Purpose
from services.dosing_log.domain.contents import (
    Assessment,
    Check,
    Departure,
    Discharge,
    Kind,
    Order,
    VitalSigns,
)
from services.dosing_log.domain.signing import pin_fault
from services.dosing_log.use_cases.administering import AdministrationReport
from services.dosing_log.use_cases.amending import Amendment, Corrected
from services.dosing_log.use_cases.authorizing import Proposal
from services.dosing_log.use_cases.recording import Told
from services.dosing_log.use_cases.signing import SignatureAsked
from services.dosing_log.use_cases.wasting import WastageReport
from services.runtime.actor import Actor
from services.runtime.fields import Fields

_LONGEST_PIN = 12

_Readers = Mapping[str, Callable[[], Corrected]]


def _session(fields: Fields, request: Any) -> UUID:
    return fields.name("session", request.session, "sessions")


def _required(fields: Fields, request: Any, field: str) -> None:
    if not request.HasField(field):
        fields.fault(field, "write it")


def place_order(request: pb.PlaceOrderRequest, now: datetime, prescriber: Actor) -> Told[Order]:
    """Read PlaceOrder."""
    fields = Fields()
    told = Told(
        _session(fields, request),
        past(fields, "event_time", request, "event_time", now),
        contents.order(fields, "order", request.order, prescriber),
    )
    fields.check()
    return told


def record_check(request: pb.RecordCheckRequest, now: datetime) -> Told[Check]:
    """Read RecordCheck."""
    fields = Fields()
    told = Told(
        _session(fields, request),
        past(fields, "event_time", request, "event_time", now),
        contents.check(fields, "check", request.check, now),
    )
    fields.check()
    return told


def record_vital_signs(request: pb.RecordVitalSignsRequest, now: datetime) -> Told[VitalSigns]:
    """Read RecordVitalSigns."""
    fields = Fields()
    told = Told(
        _session(fields, request),
        past(fields, "event_time", request, "event_time", now),
        contents.vital_signs(fields, "vital_signs", request.vital_signs),
    )
    fields.check()
    return told


def record_assessment(request: pb.RecordAssessmentRequest, now: datetime) -> Told[Assessment]:
    """Read RecordAssessment."""
    fields = Fields()
    told = Told(
        _session(fields, request),
        past(fields, "event_time", request, "event_time", now),
        contents.assessment(fields, "assessment", request.assessment),
    )
    fields.check()
    return told


def authorize_dose(request: pb.AuthorizeDoseRequest) -> Proposal:
    """Read AuthorizeDose."""
    fields = Fields()
    asked = request.authorization
    planned = "authorization.planned_duration"
    proposal = Proposal(
        session_id=_session(fields, request),
        order_id=fields.name("authorization.order", asked.order, "records"),
        lot_id=fields.name("authorization.lot", asked.lot, "lots"),
        dose=amount(fields, "authorization.dose", asked, "dose", units=("mg",)),
        planned_duration=(
            amount(fields, planned, asked, "planned_duration", units=("min",))
            if asked.HasField("planned_duration")
            else None
        ),
        diluted=asked.diluted,
    )
    fields.check()
    return proposal


def record_administration(request: pb.RecordAdministrationRequest, now: datetime) -> tuple[UUID, AdministrationReport]:
    """Read RecordAdministration."""
    fields = Fields()
    session_id = _session(fields, request)
    report = contents.administration(fields, "administration", request.administration, now)
    fields.check()
    return session_id, report


def record_wastage(request: pb.RecordWastageRequest, now: datetime) -> Told[WastageReport]:
    """Read RecordWastage."""
    fields = Fields()
    told = Told(
        _session(fields, request),
        past(fields, "event_time", request, "event_time", now),
        contents.wastage(fields, "wastage", request.wastage),
    )
    fields.check()
    return told


def approve_discharge(request: pb.ApproveDischargeRequest, approver: Actor) -> tuple[UUID, Discharge]:
    """Read ApproveDischarge."""
    fields = Fields()
    session_id = _session(fields, request)
    discharge = contents.discharge(fields, "discharge", request.discharge, approver)
    fields.check()
    return session_id, discharge


def record_departure(request: pb.RecordDepartureRequest, now: datetime) -> Told[Departure]:
    """Read RecordDeparture."""
    fields = Fields()
    _required(fields, request, "departure")
    told = Told(
        _session(fields, request),
        past(fields, "event_time", request, "event_time", now),
        contents.departure(fields, "departure", request.departure),
    )
    fields.check()
    return told


def amend_record(request: pb.AmendRecordRequest, now: datetime, actor: Actor) -> Amendment:
    """Read AmendRecord."""
    fields = Fields()
    kind, corrected = _corrected(fields, request, now, actor)
    amendment = Amendment(
        record_id=fields.name("record.name", request.record.name, "records"),
        etag=fields.text("record.etag", request.record.etag, maximum=50),
        event_time=past(fields, "record.event_time", request.record, "event_time", now),
        kind=kind,
        content=corrected,
        reason=fields.text("reason", request.reason, minimum=5, maximum=2_000),
    )
    fields.check()
    return amendment


def _corrected(
    fields: Fields, request: pb.AmendRecordRequest, now: datetime, actor: Actor
) -> tuple[Kind, Corrected | None]:
    record = request.record
    name = record.WhichOneof("content") or ""
    path = f"record.{name}"
    read: _Readers = {
        "order": lambda: contents.order(fields, path, record.order, actor),
        "check": lambda: contents.check(fields, path, record.check, now),
        "vital_signs": lambda: contents.vital_signs(fields, path, record.vital_signs),
        "assessment": lambda: contents.assessment(fields, path, record.assessment),
        "administration": lambda: contents.administration(fields, path, record.administration, now),
        "wastage": lambda: contents.wastage(fields, path, record.wastage),
        "discharge": lambda: contents.discharge(fields, path, record.discharge, actor),
        "departure": lambda: contents.departure(fields, path, record.departure),
    }
    if not name:
        fields.fault("record", "write the whole corrected content")
    return Kind(name or "authorization"), read[name]() if name in read else None


def sign_record(request: pb.SignRecordRequest, token_id: str) -> SignatureAsked:
    """Read SignRecord."""
    fields = Fields()
    asked = SignatureAsked(
        record_id=fields.name("name", request.name, "records"),
        etag=fields.text("etag", request.etag, maximum=50),
        meaning=fields.enum("meaning", request.meaning, values.MEANINGS),
        pin=fields.text("pin", request.pin, minimum=0, maximum=_LONGEST_PIN),
        token_id=token_id,
    )
    fields.check()
    return asked


def set_signing_pin(request: pb.SetSigningPinRequest) -> tuple[str, str]:
    """Read SetSigningPin: the new PIN, and the one until now."""
    fields = Fields()
    fault = pin_fault(request.pin)
    if fault is not None:
        fields.fault("pin", fault)
    current_pin = fields.text("current_pin", request.current_pin, minimum=0, maximum=_LONGEST_PIN)
    fields.check()
    return request.pin, current_pin


def purpose(fields: Fields, request: Any) -> Purpose:
    """Read why something is read."""
    return fields.enum("purpose", request.purpose, values.PURPOSES)


def get_readiness(request: pb.GetDischargeReadinessRequest) -> tuple[UUID, Purpose]:
    """Read GetDischargeReadiness."""
    fields = Fields()
    asked = _session(fields, request), purpose(fields, request)
    fields.check()
    return asked


def get_record(request: Any) -> tuple[UUID, datetime | None, Purpose]:
    """Read GetRecord."""
    fields = Fields()
    asked = (
        fields.name("name", request.name, "records"),
        fields.optional_instant("read_time", request, "read_time"),
        purpose(fields, request),
    )
    fields.check()
    return asked


def list_records(request: pb.ListRecordsRequest) -> tuple[UUID | None, UUID | None, Purpose]:
    """Read ListRecords: session, patient, purpose."""
    fields = Fields()
    if not request.session and not request.patient:
        fields.fault("session", "write the session, or the patient")
    asked = (
        fields.optional_name("session", request.session, "sessions"),
        fields.optional_name("patient", request.patient, "patients"),
        purpose(fields, request),
    )
    fields.check()
    return asked


def list_versions(request: pb.ListRecordVersionsRequest) -> tuple[UUID, Purpose]:
    """Read ListRecordVersions."""
    fields = Fields()
    asked = fields.name("name", request.name, "records"), purpose(fields, request)
    fields.check()
    return asked
