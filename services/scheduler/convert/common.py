"""Reading and writing what several resources share."""

import re
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from google.protobuf.message import Message

from kat.common.v1.common_pb2 import Identifier as IdentifierMessage
from kat.common.v1.common_pb2 import LocalInterval
from services.runtime.fields import Fields, timestamp
from services.runtime.paging import decode_token, encode_token, page_size
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.local_time import LocalTime
from services.scheduler.domain.roster import Identifier
from services.scheduler.ports.paging import Listing, Page

_FIRST_YEAR, _LAST_YEAR = 2000, 2199
_OFFSET = re.compile(r"([+-])(\d\d):([0-5]\d)")


def page_of(request: Any) -> Page:
    """Read which part of a list is asked for.

    Raises:
        InvalidArgumentError: the size is negative, or the token belongs to another question.
    """
    return Page(page_size(request.page_size), decode_token(request))


def next_token(request: Message, listing: Listing[Any]) -> str:
    """Return the token of the part that follows, or ""."""
    return encode_token(request, *listing.next_position) if listing.next_position else ""


def resource(name: str, collection: str) -> UUID:
    """Read the `name` of a request for one resource.

    Raises:
        InvalidArgumentError: it is not the name of one.
    """
    fields = Fields()
    identifier = fields.name("name", name, collection)
    fields.check()
    return identifier


def optional_identifier(fields: Fields, request: Any) -> Identifier | None:
    """Read the external identifier that a list is narrowed to."""
    return fields.identifier("identifier", request, "identifier") if request.HasField("identifier") else None


def calendar_date(fields: Fields, path: str, message: Any, field: str) -> date:
    """Read a required date of a calendar that is planned in: 2000 to 2199."""
    read = fields.date(path, message, field)
    if message.HasField(field) and not _FIRST_YEAR <= read.year <= _LAST_YEAR:
        fields.fault(path, f"write a date from {_FIRST_YEAR} to {_LAST_YEAR}")
    return read


def optional_instant(fields: Fields, path: str, message: Any) -> datetime | None:
    """Read an optional instant between 2000 and 2199."""
    read = fields.optional_instant(path, message, path)
    if read is not None and not _FIRST_YEAR <= read.year <= _LAST_YEAR:
        fields.fault(path, f"write a time from {_FIRST_YEAR} to {_LAST_YEAR}")
        return None
    return read


def local_time(fields: Fields, path: str, message: Any, field: str) -> LocalTime:
    """Read a time on a clinic's clock."""
    read = getattr(message, field)
    return LocalTime(
        date=calendar_date(fields, f"{path}.date", read, "date"),
        time=fields.time_of_day(f"{path}.time", read, "time"),
        utc_offset=_offset(fields, f"{path}.utc_offset", read.utc_offset),
    )


def _offset(fields: Fields, path: str, value: str) -> timedelta | None:
    if not value:
        return None
    match = _OFFSET.fullmatch(value)
    if match is None:
        fields.fault(path, 'write the offset from UTC, such as "-05:00"')
        return None
    sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return -offset if sign == "-" else offset


def identifier_message(identifier: Identifier) -> IdentifierMessage:
    """Return the contract's Identifier."""
    system, value = identifier
    return IdentifierMessage(system=system, value=value)


def interval_message(interval: Interval, time_zone: str) -> LocalInterval:
    """Return an interval as a person at the clinic reads it."""
    local = interval.start.astimezone(ZoneInfo(time_zone))
    return LocalInterval(
        start_time=timestamp(interval.start),
        end_time=timestamp(interval.end),
        time_zone=time_zone,
        local_start_time=local.isoformat(timespec="seconds"),
    )
