"""Reading the fields of a request: every fault is collected, with its path, before anything is refused."""

import datetime as dt
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.timeofday_pb2 import TimeOfDay

from kat.common.v1.common_pb2 import Actor as ActorMessage
from kat.common.v1.common_pb2 import Quantity, Role
from services.runtime.actor import Actor
from services.runtime.errors import FieldViolation, InvalidArgumentError
from services.runtime.names import parse_name

E = TypeVar("E")

_NO_ID = UUID(int=0)
_NO_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)
_NO_DATE = dt.date(1970, 1, 1)
_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ZONES = frozenset(available_timezones())


class Fields:
    """Collects the faults of one request.

    Every method returns a value of the right type; after a fault a stand-in, until `check` refuses the request.
    Paths are those of the contract, such as `booking.arrival.date`.
    """

    def __init__(self) -> None:
        self._violations: list[FieldViolation] = []

    def fault(self, path: str, description: str) -> None:
        """Note a fault: what is wrong at `path` and what to write instead, without personal data."""
        self._violations.append(FieldViolation(path, description))

    def check(self) -> None:
        """Refuse the request where a fault was noted.

        Raises:
            InvalidArgumentError: with every fault.
        """
        if self._violations:
            raise InvalidArgumentError(self._violations)

    def request_id(self, value: str) -> UUID:
        """Read the id that makes a retry safe."""
        return self._uuid("request_id", value)

    def _uuid(self, path: str, value: str) -> UUID:
        try:
            parsed = UUID(value)
        except ValueError:
            parsed = _NO_ID
        if parsed == _NO_ID or str(parsed) != value.lower():
            self.fault(path, "write a new uuid, such as 0198c7a2-7b1e-7c3a-9f52-3f5a0b6c1d2e")
        return parsed

    def name(self, path: str, value: str, collection: str) -> UUID:
        """Read the name of a resource of that collection."""
        try:
            return parse_name(value, collection)
        except ValueError as error:
            self.fault(path, str(error))
            return _NO_ID

    def optional_name(self, path: str, value: str, collection: str) -> UUID | None:
        """Read the name of a resource, or None where the field is empty."""
        return self.name(path, value, collection) if value else None

    def text(self, path: str, value: str, *, maximum: int, minimum: int = 1) -> str:
        """Read a text of so many characters, surrounding space removed."""
        stripped = value.strip()
        if not minimum <= len(stripped) <= maximum:
            self.fault(path, f"write {minimum} to {maximum} characters")
        if _CONTROL.search(stripped):
            self.fault(path, "remove the control characters")
        return stripped

    def instant(self, path: str, message: Message, field: str) -> datetime:
        """Read a required Timestamp as an aware datetime in UTC, to the microsecond."""
        found = self.optional_instant(path, message, field)
        if found is None:
            if not message.HasField(field):
                self.fault(path, "write the time")
            return _NO_INSTANT
        return found

    def optional_instant(self, path: str, message: Message, field: str) -> datetime | None:
        """Read a Timestamp, or None where it is not set."""
        if not message.HasField(field):
            return None
        timestamp: Timestamp = getattr(message, field)
        try:
            return timestamp.ToDatetime(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fault(path, "write a time between the years 1 and 9999")
            return None

    def date(self, path: str, message: Message, field: str) -> dt.date:
        """Read a required full date."""
        if not message.HasField(field):
            self.fault(path, "write the date")
            return _NO_DATE
        return self.optional_date(path, message, field) or _NO_DATE

    def optional_date(self, path: str, message: Message, field: str) -> dt.date | None:
        """Read a full date, or None where it is not set."""
        if not message.HasField(field):
            return None
        value: Date = getattr(message, field)
        try:
            return dt.date(value.year, value.month, value.day)
        except ValueError:
            self.fault(path, "this date does not exist; write year, month and day of one that does")
            return None

    def time_of_day(self, path: str, message: Message, field: str) -> dt.time:
        """Read a required time of day with the precision of a minute."""
        if not message.HasField(field):
            self.fault(path, "write the time of day")
            return dt.time()
        return self.optional_time_of_day(path, message, field) or dt.time()

    def optional_time_of_day(self, path: str, message: Message, field: str) -> dt.time | None:
        """Read a time of day with the precision of a minute, or None where it is not set."""
        if not message.HasField(field):
            return None
        value: TimeOfDay = getattr(message, field)
        try:
            read = dt.time(value.hours, value.minutes, value.seconds, value.nanos // 1000)
        except ValueError:
            read = dt.time(microsecond=1)
        if read.second or read.microsecond or value.nanos:
            self.fault(path, "write hours 0 to 23 and minutes 0 to 59 alone")
            return None
        return read

    def time_zone(self, path: str, value: str) -> str:
        """Read the name of an IANA time zone."""
        if value not in _ZONES or value in {"localtime", "Factory"}:
            self.fault(path, 'write an IANA time zone, such as "America/New_York"')
            return "UTC"
        return ZoneInfo(value).key

    def quantity(self, path: str, message: Message, field: str, *, units: Collection[str]) -> tuple[Decimal, str]:
        """Read a required exact quantity in one of these UCUM units."""
        allowed = " or ".join(f'"{unit}"' for unit in sorted(units))
        if not message.HasField(field):
            self.fault(path, f"write a value in {allowed}")
            return Decimal(), next(iter(units))
        value: Quantity = getattr(message, field)
        if value.unit not in units:
            self.fault(f"{path}.unit", f"write {allowed}")
        if not _DECIMAL.fullmatch(value.value):
            self.fault(
                f"{path}.value", 'write a plain decimal such as "37.5": up to 12 digits, a point, up to 9 digits'
            )
            return Decimal(), value.unit
        return Decimal(value.value), value.unit

    def enum(self, path: str, value: int, mapping: Mapping[int, E]) -> E:
        """Read an enum value as the domain's own; zero and unknown numbers are faults."""
        if value in mapping:
            return mapping[value]
        self.fault(path, "choose one of the contract's values")
        return next(iter(mapping.values()))

    def integer(self, path: str, value: int, minimum: int, maximum: int) -> int:
        """Read a whole number within bounds, both included."""
        if not minimum <= value <= maximum:
            self.fault(path, f"write a whole number from {minimum} to {maximum}")
        return value

    def identifier(self, path: str, message: Message, field: str) -> tuple[str, str]:
        """Read an external identifier as (system, value)."""
        value = getattr(message, field)
        return (
            self.text(f"{path}.system", value.system, maximum=200),
            self.text(f"{path}.value", value.value, maximum=200),
        )


def timestamp(instant: datetime) -> Timestamp:
    """Return the Timestamp of an aware datetime."""
    message = Timestamp()
    message.FromDatetime(instant)
    return message


def date_message(value: dt.date) -> Date:
    """Return the google.type.Date of a date."""
    return Date(year=value.year, month=value.month, day=value.day)


def time_message(value: dt.time) -> TimeOfDay:
    """Return the google.type.TimeOfDay of a time."""
    return TimeOfDay(hours=value.hour, minutes=value.minute)


def quantity_message(value: Decimal, unit: str) -> Quantity:
    """Return an exact quantity: plain decimal, no exponent, no trailing zeros after the point."""
    text = format(value, "f") if value else "0"  # without the sign that a decimal zero may have
    return Quantity(value=text.rstrip("0").rstrip(".") if "." in text else text, unit=unit)


def actor_message(actor: Actor) -> ActorMessage:
    """Return the contract's Actor."""
    return ActorMessage(
        subject=actor.subject,
        printed_name=actor.printed_name,
        credential=actor.credential,
        roles=[Role.Value(f"ROLE_{role.upper()}") for role in actor.roles],
    )
