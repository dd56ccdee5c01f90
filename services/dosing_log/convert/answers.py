"""Records into messages."""

from collections.abc import Callable, Mapping
from typing import Any

from kat.common.v1.common_pb2 import Quantity as QuantityMessage
from kat.dosing_log.v1 import dosing_log_pb2, records_pb2
from services.dosing_log.convert import values
from services.dosing_log.domain.amounts import DrugAmount
from services.dosing_log.domain.contents import (
    Administration,
    Assessment,
    Authorization,
    Check,
    Departure,
    Discharge,
    Kind,
    Order,
    VitalSigns,
    Wastage,
)
from services.dosing_log.domain.differences import differences
from services.dosing_log.domain.discharge import Readiness
from services.dosing_log.domain.records import Finding, Receipt, StoredSignature
from services.dosing_log.domain.values import Quantity
from services.dosing_log.ports import AnyRecord
from services.runtime.fields import actor_message, date_message, quantity_message, timestamp
from services.runtime.names import format_name


def record(stored: AnyRecord) -> records_pb2.Record:
    """Return a version of a record."""
    version = stored.version
    content = {version.kind.value: _CONTENTS[version.kind](version.content)}
    return records_pb2.Record(
        name=format_name("records", version.record_id),
        version=version.version,
        session=format_name("sessions", version.session_id),
        patient=format_name("patients", version.patient_id),
        event_time=timestamp(version.event_time),
        record_time=timestamp(version.record_time),
        recorder=actor_message(version.recorder),
        amendment_reason=version.amendment_reason,
        findings=[_finding(finding) for finding in version.findings],
        deviation=version.deviation,
        signatures=[_signature(signature) for signature in stored.signatures],
        ledger_receipt=receipt(stored.receipt),
        etag=stored.etag,
        **content,
    )


def record_version(stored: AnyRecord, before: AnyRecord | None) -> dosing_log_pb2.RecordVersion:
    """Return a version with what it changed against the one before."""
    changed = differences(before.version.content, stored.version.content) if before else ()
    return dosing_log_pb2.RecordVersion(
        record=record(stored),
        differences=[
            dosing_log_pb2.RecordVersion.Difference(path=found.path, before=found.before, after=found.after)
            for found in changed
        ],
    )


def receipt(value: Receipt) -> records_pb2.LedgerReceipt:
    """Return where an entry stands in the ledger."""
    return records_pb2.LedgerReceipt(event_id=str(value.event_id), commitment=value.commitment, index=value.index)


def readiness(found: Readiness) -> dosing_log_pb2.DischargeReadiness:
    """Return what discharge has and needs."""
    end = found.observation_end_time
    return dosing_log_pb2.DischargeReadiness(
        ready=found.ready,
        conditions=[
            dosing_log_pb2.DischargeReadiness.Condition(
                code=condition.code, met=condition.met, description=condition.description, source=condition.source
            )
            for condition in found.conditions
        ],
        observation_end_time=timestamp(end) if end is not None else None,
    )


def _finding(finding: Finding) -> records_pb2.Finding:
    return records_pb2.Finding(
        code=finding.code,
        severity=values.number(values.SEVERITIES, finding.severity),
        description=finding.description,
        value=finding.value,
        limit=finding.limit,
        source=finding.source,
    )


def _signature(stored: StoredSignature) -> records_pb2.Signature:
    signature = stored.signature
    return records_pb2.Signature(
        record=format_name("records", signature.record_id),
        version=signature.version,
        signer=actor_message(signature.signer),
        meaning=values.number(values.MEANINGS, signature.meaning),
        sign_time=timestamp(signature.sign_time),
        components_used=signature.components_used,
        signature_hash=bytes.fromhex(signature.signature_hash),
        ledger_receipt=receipt(stored.receipt),
    )


def _quantity(value: Quantity | DrugAmount | None) -> QuantityMessage | None:
    return quantity_message(value.value, value.unit) if value is not None else None


def _order(content: Order) -> records_pb2.Order:
    return records_pb2.Order(
        course=format_name("courses", content.course_id),
        protocol=format_name("protocols", content.protocol_id),
        substance=values.number(values.SUBSTANCES, content.substance),
        route=values.number(values.ROUTES, content.route),
        dose=_quantity(content.dose),
        expire_date=date_message(content.expire_date),
        prescriber=actor_message(content.prescriber),
    )


def _check(content: Check) -> records_pb2.Check:
    return records_pb2.Check(
        identity_components=content.identity_components,
        last_food_time=timestamp(content.last_food_time),
        last_fluid_time=timestamp(content.last_fluid_time),
        escort_arranged=content.escort_arranged,
        consent_confirmed=content.consent_confirmed,
        interactions=[values.number(values.INTERACTIONS, found) for found in content.interactions],
    )


def _vital_signs(content: VitalSigns) -> records_pb2.VitalSigns:
    return records_pb2.VitalSigns(
        phase=values.number(values.PHASES, content.phase),
        systolic=_quantity(content.systolic),
        diastolic=_quantity(content.diastolic),
        heart_rate=_quantity(content.heart_rate),
        respiratory_rate=_quantity(content.respiratory_rate),
        oxygen_saturation=_quantity(content.oxygen_saturation),
        moaa_s=content.moaa_s,
        dissociation=content.dissociation,
        weight=_quantity(content.weight),
    )


def _assessment(content: Assessment) -> records_pb2.Assessment:
    return records_pb2.Assessment(
        instrument=values.number(values.INSTRUMENTS, content.instrument),
        items=content.items,
        total=content.total,
        band=content.band,
    )


def _authorization(content: Authorization) -> records_pb2.Authorization:
    return records_pb2.Authorization(
        order=format_name("records", content.order_id),
        lot=format_name("lots", content.lot_id),
        dose=_quantity(content.dose),
        dose_per_weight=_quantity(content.dose_per_weight),
        planned_duration=_quantity(content.planned_duration),
        diluted=content.diluted,
        expire_time=timestamp(content.expire_time),
        protocol=format_name("protocols", content.protocol_id),
    )


def _administration(content: Administration) -> records_pb2.Administration:
    authorization_id = content.authorization_id
    return records_pb2.Administration(
        authorization=format_name("records", authorization_id) if authorization_id else "",
        lot=format_name("lots", content.lot_id),
        route=values.number(values.ROUTES, content.route),
        drawn=_quantity(content.drawn),
        given=_quantity(content.given),
        wasted=_quantity(content.wasted),
        returned=_quantity(content.returned),
        start_time=timestamp(content.start_time),
        end_time=timestamp(content.end_time),
        body_site=content.body_site,
        administrator=actor_message(content.administrator),
        supervisor_subject=content.supervisor_subject,
    )


def _wastage(content: Wastage) -> records_pb2.Wastage:
    administration_id = content.administration_id
    return records_pb2.Wastage(
        administration=format_name("records", administration_id) if administration_id else "",
        lot=format_name("lots", content.lot_id),
        amount=_quantity(content.amount),
        kind=values.number(values.WASTAGE_KINDS, content.kind),
        method=content.method,
        location=content.location,
        witness_subject=content.witness_subject,
    )


def _discharge(content: Discharge) -> records_pb2.Discharge:
    return records_pb2.Discharge(escort_relation=content.escort_relation, approver=actor_message(content.approver))


def _departure(content: Departure) -> records_pb2.Departure:
    return records_pb2.Departure(against_advice=content.against_advice, note=content.note)


_CONTENTS: Mapping[Kind, Callable[[Any], Any]] = {
    Kind.ORDER: _order,
    Kind.CHECK: _check,
    Kind.VITAL_SIGNS: _vital_signs,
    Kind.ASSESSMENT: _assessment,
    Kind.AUTHORIZATION: _authorization,
    Kind.ADMINISTRATION: _administration,
    Kind.WASTAGE: _wastage,
    Kind.DISCHARGE: _discharge,
    Kind.DEPARTURE: _departure,
}
