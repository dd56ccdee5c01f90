"""Values that every part of the domain speaks of."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Quantity:
    """An exact amount with its UCUM unit."""

    value: Decimal
    unit: str

    def __str__(self) -> str:
        return f"{plain(self.value)} {self.unit}"


class Substance(StrEnum):
    """The drug, always measured as its base."""

    KETAMINE = "ketamine"
    ESKETAMINE = "esketamine"


class Route(StrEnum):
    """How the drug reaches the patient."""

    INTRAVENOUS = "intravenous"
    INTRAMUSCULAR = "intramuscular"
    SUBLINGUAL = "sublingual"
    NASAL = "nasal"


def plain(value: Decimal) -> str:
    """Return the one text of a decimal: no exponent, no zeros at the end, no negative zero."""
    text = format(value, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def local_date(instant: datetime, time_zone: str) -> date:
    """Return the date on the clinic's wall at an instant. Calendar rules count these, not hours."""
    return instant.astimezone(ZoneInfo(time_zone)).date()


def minutes(value: Decimal) -> timedelta:
    """Return so many minutes, to the microsecond."""
    return timedelta(microseconds=int(value * 60_000_000))


def days(value: Decimal) -> timedelta:
    """Return so many days of 24 hours."""
    return minutes(value * 1_440)
