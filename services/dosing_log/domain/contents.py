"""What a record can hold: one frozen class for each kind of content, shaped as the contract shapes it."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from services.dosing_log.domain.amounts import DrugAmount
from services.dosing_log.domain.values import Quantity, Route, Substance
from services.runtime.actor import Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A prescriber's order for a course. `expire_date` is the last clinic-local date on which it is valid."""

    course_id: UUID
    protocol_id: UUID
    substance: Substance
    route: Route
    dose: Quantity
    expire_date: date
    prescriber: Actor


class Interaction(StrEnum):
    """A medicine of today that interacts (rule S7)."""

    THEOPHYLLINE = "theophylline"
    CNS_DEPRESSANT = "cns_depressant"
    OPIOID = "opioid"
    MAO_INHIBITOR = "mao_inhibitor"
    STIMULANT = "stimulant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check before the dose. Of the identity only the kinds of identifiers that were compared are kept."""

    identity_components: tuple[str, ...]
    last_food_time: datetime
    last_fluid_time: datetime
    escort_arranged: bool
    consent_confirmed: bool
    interactions: tuple[Interaction, ...]


class Phase(StrEnum):
    """When in the session vital signs were taken."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"
    DISCHARGE = "discharge"


@dataclass(frozen=True, slots=True, kw_only=True)
class VitalSigns:
    """Vital signs: pressures in mm[Hg], rates in /min, saturation in %, weight in kg; MOAA/S from 0 to 5."""

    phase: Phase
    systolic: Quantity
    diastolic: Quantity
    heart_rate: Quantity
    respiratory_rate: Quantity
    oxygen_saturation: Quantity
    moaa_s: int
    dissociation: bool
    weight: Quantity | None


class Instrument(StrEnum):
    """An instrument of assessment."""

    PHQ_9 = "phq_9"
    GAD_7 = "gad_7"
    C_SSRS = "c_ssrs"
    DISCHARGE_SCORE = "discharge_score"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """Items of an instrument with the total and band that `assessments.score` gave them."""

    instrument: Instrument
    items: tuple[int, ...]
    total: int
    band: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """A decision that one dose may be given, with the weight that it was judged by."""

    order_id: UUID
    lot_id: UUID
    dose: Quantity
    dose_per_weight: Quantity | None
    weight: Quantity | None
    weight_time: datetime | None
    planned_duration: Quantity | None
    diluted: bool
    expire_time: datetime
    protocol_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Administration:
    """A dose that was given. drawn = given + wasted + returned, exactly. `course_id` is the session's course."""

    course_id: UUID
    authorization_id: UUID | None
    lot_id: UUID
    route: Route
    drawn: DrugAmount
    given: DrugAmount
    wasted: DrugAmount
    returned: DrugAmount
    start_time: datetime
    end_time: datetime
    body_site: str
    administrator: Actor
    supervisor_subject: str


class WastageKind(StrEnum):
    """Why drug was wasted."""

    RESIDUAL_AFTER_ADMINISTRATION = "residual_after_administration"
    SPILL = "spill"
    BROKEN = "broken"
    CONTAMINATED = "contaminated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wastage:
    """Wasted drug. The witness signs it with the meaning WITNESSED."""

    administration_id: UUID | None
    lot_id: UUID
    amount: DrugAmount
    kind: WastageKind
    method: str
    location: str
    witness_subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discharge:
    """Approval of discharge."""

    escort_relation: str
    approver: Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """The patient's leaving."""

    against_advice: bool
    note: str


Content = Order | Check | VitalSigns | Assessment | Authorization | Administration | Wastage | Discharge | Departure


class Kind(StrEnum):
    """The kind of a record, named as the contract's field."""

    ORDER = "order"
    CHECK = "check"
    VITAL_SIGNS = "vital_signs"
    ASSESSMENT = "assessment"
    AUTHORIZATION = "authorization"
    ADMINISTRATION = "administration"
    WASTAGE = "wastage"
    DISCHARGE = "discharge"
    DEPARTURE = "departure"


CONTENT_CLASSES: dict[Kind, type[Content]] = {
    Kind.ORDER: Order,
    Kind.CHECK: Check,
    Kind.VITAL_SIGNS: VitalSigns,
    Kind.ASSESSMENT: Assessment,
    Kind.AUTHORIZATION: Authorization,
    Kind.ADMINISTRATION: Administration,
    Kind.WASTAGE: Wastage,
    Kind.DISCHARGE: Discharge,
    Kind.DEPARTURE: Departure,
}
_KINDS = {cls: kind for kind, cls in CONTENT_CLASSES.items()}


def kind_of(content: Content) -> Kind:
    """Return the kind of a content."""
    return _KINDS[type(content)]
