"""Calendar files (RFC 5545) that a patient's calendar takes in, changes and removes again (RFC 5546)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from icalendar import Calendar, Event, vCalAddress

from services.notifications.domain.notification import Session
from services.notifications.domain.rules import CalendarMethod

_PRODUCT = "-//Appointments//Calendar//EN"  # neutral: calendars may show it
_ZONE_DATA = timedelta(days=366)  # the rules of the zone go with the file for a year to both sides


@dataclass(frozen=True, slots=True)
class Organizer:
    """Who invites: neutral, as all calendars show it."""

    name: str
    address: str


def calendar_file(
    method: CalendarMethod, session: Session, *, title: str, organizer: Organizer, attendee: str, now: datetime
) -> bytes:
    """Return the file of one session; its revision is the SEQUENCE, so that a newer file replaces an older one.

    One file has one event: RFC 5546, section 3.2.2, allows one UID in a REQUEST.
    """
    zone = ZoneInfo(session.time_zone)
    cancelled = method is CalendarMethod.CANCEL
    event = Event()
    event.add("uid", session.calendar_uid)
    event.add("sequence", session.revision)
    event.add("dtstamp", now)
    event.add("dtstart", session.start_time.astimezone(zone))
    event.add("dtend", session.end_time.astimezone(zone))
    event.add("summary", title)
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("organizer", _address(organizer.address, {"CN": organizer.name}))
    event.add("attendee", _address(attendee, {"PARTSTAT": "ACCEPTED", "RSVP": "FALSE"}))
    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", method.value)
    calendar.add_component(event)
    calendar.add_missing_timezones(
        first_date=(session.start_time - _ZONE_DATA).date(), last_date=(session.end_time + _ZONE_DATA).date()
    )
    content: bytes = calendar.to_ical()
    return content


def _address(address: str, parameters: dict[str, str]) -> vCalAddress:
    value = vCalAddress(f"mailto:{address}")
    value.params.update(parameters)
    return value
