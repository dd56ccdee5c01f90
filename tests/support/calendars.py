"""Calendar files as a calendar program reads them: by a parser and zone rules that are not those that wrote them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import vobject
from dateutil import tz


@dataclass(frozen=True)
class ReadEvent:
    uid: str
    start: datetime
    end: datetime
    summary: str
    location: str
    status: str
    sequence: int


def parse(content: bytes) -> Any:
    """Parse a file; its own VTIMEZONEs count, not those of files before it nor those that the program may know."""
    zones = vars(vobject.icalendar)["__tzidMap"]
    zones.clear()
    zones["UTC"] = tz.UTC
    return vobject.readOne(content.decode())


def events(content: bytes) -> list[ReadEvent]:
    """The events of a file, by start."""
    found = [
        ReadEvent(
            uid=event.uid.value,
            start=_instant(event.dtstart.value),
            end=_instant(event.dtend.value),
            summary=event.summary.value,
            location=event.location.value,
            status=event.status.value,
            sequence=int(event.sequence.value),
        )
        for event in parse(content).contents.get("vevent", [])
    ]
    return sorted(found, key=lambda event: event.start)


def _instant(value: datetime) -> datetime:
    assert value.tzinfo is not None, "the zone's rules are missing"
    return value.astimezone(UTC)
