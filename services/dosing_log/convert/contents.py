"""Contents of records out of messages."""

import re
from datetime import datetime
from typing import Any

from kat.dosing_log.v1 import records_pb2
from services.dosing_log.convert import values
from services.dosing_log.convert.values import amount, measurement, past
from services.dosing_log.domain.assessments import ITEMS, score
from services.dosing_log.domain.contents import (
    Assessment,
    Check,
    Departure,
    Discharge,
    Order,
    VitalSigns,
    WastageKind,
)
from services.dosing_log.domain.values import Quantity
from services.dosing_log.use_cases.administering import AdministrationReport
from services.dosing_log.use_cases.wasting import WastageReport
from services.runtime.actor import Actor
from services.runtime.fields import Fields

_MG = ("mg",)
_DRUG_UNITS = ("mg", "mL")
_IDENTIFIERS_NEEDED = 2
_LONGEST_NOTE = 2_000
_KIND_OF_IDENTIFIER = re.compile(r"[a-z]{2,}(_[a-z]+)*")  # a name or a date does not look like this


def order(fields: Fields, path: str, message: Any, prescriber: Actor) -> Order:
    """Read an order."""
    return Order(
        course_id=fields.name(f"{path}.course", message.course, "courses"),
        protocol_id=fields.name(f"{path}.protocol", message.protocol, "protocols"),
        substance=fields.enum(f"{path}.substance", message.substance, values.SUBSTANCES),
        route=fields.enum(f"{path}.route", message.route, values.ROUTES),
        dose=amount(fields, f"{path}.dose", message, "dose", units=_MG),
        expire_date=fields.date(f"{path}.expire_date", message, "expire_date"),
        prescriber=prescriber,
    )


def check(fields: Fields, path: str, message: records_pb2.Check, now: datetime) -> Check:
    """Read a check."""
    components = tuple(message.identity_components)
    for index, component in enumerate(components):
        if not _KIND_OF_IDENTIFIER.fullmatch(component):
            fields.fault(
                f"{path}.identity_components[{index}]", 'write the kind, such as "birth_date", never the value'
            )
    if len(set(components)) < _IDENTIFIERS_NEEDED:
        fields.fault(f"{path}.identity_components", 'write two different kinds, such as "name" and "birth_date"')
    return Check(
        identity_components=components,
        last_food_time=past(fields, f"{path}.last_food_time", message, "last_food_time", now),
        last_fluid_time=past(fields, f"{path}.last_fluid_time", message, "last_fluid_time", now),
        escort_arranged=message.escort_arranged,
        consent_confirmed=message.consent_confirmed,
        interactions=tuple(
            fields.enum(f"{path}.interactions[{index}]", interaction, values.INTERACTIONS)
            for index, interaction in enumerate(message.interactions)
        ),
    )


def vital_signs(fields: Fields, path: str, message: Any) -> VitalSigns:
    """Read vital signs; the bounds catch units and digits gone wrong, not illness."""

    def read(field: str, unit: str, lowest: int, highest: int) -> Quantity:
        return measurement(fields, f"{path}.{field}", message, unit=unit, bounds=(lowest, highest))

    for field in ("moaa_s", "dissociation"):
        if not message.HasField(field):
            fields.fault(f"{path}.{field}", "write what was observed")
    systolic, diastolic = read("systolic", "mm[Hg]", 30, 350), read("diastolic", "mm[Hg]", 10, 250)
    if message.HasField("systolic") and message.HasField("diastolic") and diastolic.value >= systolic.value:
        fields.fault(f"{path}.diastolic.value", "write a diastolic pressure below the systolic")
    return VitalSigns(
        phase=fields.enum(f"{path}.phase", message.phase, values.PHASES),
        systolic=systolic,
        diastolic=diastolic,
        heart_rate=read("heart_rate", "/min", 0, 300),
        respiratory_rate=read("respiratory_rate", "/min", 0, 100),
        oxygen_saturation=read("oxygen_saturation", "%", 0, 100),
        moaa_s=fields.integer(f"{path}.moaa_s", message.moaa_s, 0, 5),
        dissociation=message.dissociation,
        weight=read("weight", "kg", 20, 500) if message.HasField("weight") else None,
    )


def assessment(fields: Fields, path: str, message: records_pb2.Assessment) -> Assessment:
    """Read an assessment and score it."""
    instrument = fields.enum(f"{path}.instrument", message.instrument, values.INSTRUMENTS)
    try:
        return score(instrument, tuple(message.items))
    except ValueError as fault:
        fields.fault(f"{path}.items", str(fault))
        return score(instrument, (0,) * ITEMS[instrument][0])


def administration(
    fields: Fields, path: str, message: records_pb2.Administration, now: datetime
) -> AdministrationReport:
    """Read a dose that was given. Amounts are held together once the lot's strength is known."""

    def read(field: str) -> Quantity:
        return amount(fields, f"{path}.{field}", message, field, units=_DRUG_UNITS, zero=True)

    start = past(fields, f"{path}.start_time", message, "start_time", now)
    end = past(fields, f"{path}.end_time", message, "end_time", now)
    if end < start:
        fields.fault(f"{path}.end_time", "write the start or a later time")
    return AdministrationReport(
        authorization_id=fields.optional_name(f"{path}.authorization", message.authorization, "records"),
        lot_id=fields.name(f"{path}.lot", message.lot, "lots"),
        route=fields.enum(f"{path}.route", message.route, values.ROUTES),
        drawn=read("drawn"),
        given=read("given"),
        wasted=read("wasted"),
        returned=read("returned"),
        start_time=start,
        end_time=end,
        body_site=fields.text(f"{path}.body_site", message.body_site, minimum=0, maximum=100),
        supervisor_subject=fields.text(f"{path}.supervisor_subject", message.supervisor_subject, maximum=200),
    )


def wastage(fields: Fields, path: str, message: records_pb2.Wastage) -> WastageReport:
    """Read wasted drug."""
    kind = fields.enum(f"{path}.kind", message.kind, values.WASTAGE_KINDS)
    administration_id = fields.optional_name(f"{path}.administration", message.administration, "records")
    residual = kind == WastageKind.RESIDUAL_AFTER_ADMINISTRATION
    if residual and not message.administration:
        fields.fault(f"{path}.administration", "write the record of the administration that left it over")
    if not residual and message.administration:
        fields.fault(f"{path}.administration", "leave it empty: only what was left over has one")
    return WastageReport(
        administration_id=administration_id,
        lot_id=fields.name(f"{path}.lot", message.lot, "lots"),
        amount=amount(fields, f"{path}.amount", message, "amount", units=_DRUG_UNITS),
        kind=kind,
        method=fields.text(f"{path}.method", message.method, maximum=200),
        location=fields.text(f"{path}.location", message.location, maximum=200),
        witness_subject=fields.text(f"{path}.witness_subject", message.witness_subject, maximum=200),
    )


def discharge(fields: Fields, path: str, message: records_pb2.Discharge, approver: Actor) -> Discharge:
    """Read an approval of discharge."""
    relation = fields.text(f"{path}.escort_relation", message.escort_relation, maximum=50)
    return Discharge(escort_relation=relation, approver=approver)


def departure(fields: Fields, path: str, message: records_pb2.Departure) -> Departure:
    """Read a departure."""
    note = fields.text(f"{path}.note", message.note, minimum=0, maximum=_LONGEST_NOTE)
    return Departure(against_advice=message.against_advice, note=note)
