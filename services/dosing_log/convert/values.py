"""Enumerations of the contract, both ways, and fields that several messages have."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from kat.common.v1 import protocol_pb2
from kat.dosing_log.v1 import dosing_log_pb2, records_pb2
from services.dosing_log.domain.access import AccessResult, Purpose
from services.dosing_log.domain.contents import Instrument, Interaction, Phase, WastageKind
from services.dosing_log.domain.protocols import Mark
from services.dosing_log.domain.records import Meaning, Severity
from services.dosing_log.domain.stock import MovementKind
from services.dosing_log.domain.values import Quantity, Route, Substance
from services.runtime.fields import Fields

E = TypeVar("E", bound=StrEnum)

FUTURE_TOLERANCE = timedelta(minutes=5)
"""How far a caller's clock may be ahead of ours."""

_LARGEST_AMOUNT = Decimal(1_000_000)
_PLACES = 6


def _mapping(wrapper: Any, prefix: str, cls: type[E]) -> Mapping[int, E]:
    """Return contract number to domain value; the names are the same but for prefix and case."""
    return {wrapper.Value(prefix + member.name): member for member in cls}


SUBSTANCES = _mapping(protocol_pb2.Substance, "SUBSTANCE_", Substance)
ROUTES = _mapping(protocol_pb2.Route, "ROUTE_", Route)
MARKS = _mapping(protocol_pb2.Mark, "MARK_", Mark)
INTERACTIONS = _mapping(records_pb2.Check.Interaction, "INTERACTION_", Interaction)
PHASES = _mapping(records_pb2.VitalSigns.Phase, "PHASE_", Phase)
INSTRUMENTS = _mapping(records_pb2.Assessment.Instrument, "INSTRUMENT_", Instrument)
WASTAGE_KINDS = _mapping(records_pb2.Wastage.Kind, "KIND_", WastageKind)
MEANINGS = _mapping(records_pb2.Signature.Meaning, "MEANING_", Meaning)
SEVERITIES = _mapping(records_pb2.Finding.Severity, "SEVERITY_", Severity)
MOVEMENT_KINDS = _mapping(records_pb2.Movement.Kind, "KIND_", MovementKind)
RESULTS = _mapping(dosing_log_pb2.AccessRecord.Result, "RESULT_", AccessResult)
PURPOSES: Mapping[int, Purpose] = {
    dosing_log_pb2.ACCESS_PURPOSE_TREATMENT: Purpose.TREATMENT,
    dosing_log_pb2.ACCESS_PURPOSE_OPERATIONS: Purpose.OPERATIONS,
    dosing_log_pb2.ACCESS_PURPOSE_AUDIT: Purpose.AUDIT,
    dosing_log_pb2.ACCESS_PURPOSE_PATIENT_REQUEST: Purpose.PATIENT_REQUEST,
}


def number(mapping: Mapping[int, E], value: E) -> Any:
    """Return the contract's number of a domain value; 0 where the contract has none."""
    return next((key for key, member in mapping.items() if member == value), 0)


def past(fields: Fields, path: str, message: Any, field: str, now: datetime) -> datetime:
    """Read a required time that is not in the future, give or take five minutes."""
    instant = fields.instant(path, message, field)
    if instant > now + FUTURE_TOLERANCE:
        fields.fault(path, "write a time that is not in the future")
    return instant


def amount(
    fields: Fields, path: str, message: Any, field: str, *, units: Collection[str], zero: bool = False
) -> Quantity:
    """Read a required amount of drug: not negative, below 1,000,000, up to 6 places after the point."""
    value, unit = fields.quantity(path, message, field, units=units)
    if not message.HasField(field):
        return Quantity(value, unit)
    lowest = "0" if zero else "more than 0"
    if not (value >= 0 if zero else value > 0) or value >= _LARGEST_AMOUNT:
        fields.fault(f"{path}.value", f"write {lowest} and less than 1000000")
    if -int(value.as_tuple().exponent) > _PLACES:
        fields.fault(f"{path}.value", f"write at most {_PLACES} digits after the point")
    return Quantity(value, unit)


def measurement(fields: Fields, path: str, message: Any, *, unit: str, bounds: tuple[int, int]) -> Quantity:
    """Read a required measurement, named by the end of its path, in one unit that a living body can have."""
    field = path.rpartition(".")[2]
    value, _ = fields.quantity(path, message, field, units=(unit,))
    lowest, highest = bounds
    if message.HasField(field) and not lowest <= value <= highest:
        fields.fault(f"{path}.value", f"write a value from {lowest} to {highest} {unit}")
    return Quantity(value, unit)
