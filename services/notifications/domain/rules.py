"""What is told to patients, when, and until when it is worth telling. The only place where cadence is written down."""

from dataclasses import dataclass
from datetime import time, timedelta
from enum import StrEnum

from services.notifications.domain.people import Purpose
from services.notifications.domain.timing import Civil, Elapsed, Immediately, Timing


class CalendarMethod(StrEnum):
    """What the calendar file of a message asks of the reader's calendar (RFC 5546)."""

    REQUEST = "REQUEST"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRule:
    """One kind of message.

    Attributes:
        code: stable, part of a notification's key.
        template: code of its template.
        purpose: what consent it needs.
        timing: when, relative to the anchor: the start of the session, or the patient's departure.
        useful_until: relative to the anchor; from then on it is worth nothing.
        repeat_allowed: whether it goes out once more when nobody knows whether it did.
        must_arrive: whether staff get a task where it could not be sent in time.
        calendar: the calendar file that it carries.
    """

    code: str
    template: str
    purpose: Purpose
    timing: Timing
    useful_until: timedelta
    repeat_allowed: bool = False
    must_arrive: bool = False
    calendar: CalendarMethod | None = None


def _notice(code: str, template: str, calendar: CalendarMethod) -> MessageRule:
    # Repeating it is harmless: the copy has the same Message-ID and its calendar file the same UID and SEQUENCE.
    return MessageRule(
        code=code,
        template=template,
        purpose=Purpose.APPOINTMENTS,
        timing=Immediately(),
        useful_until=timedelta(),
        repeat_allowed=True,
        must_arrive=True,
        calendar=calendar,
    )


def _reminder(code: str, timing: Timing, *, useful_lead: timedelta) -> MessageRule:
    return MessageRule(
        code=code,
        template="session_reminder",
        purpose=Purpose.APPOINTMENTS,
        timing=timing,
        useful_until=-useful_lead,
    )


BOOKED = _notice("booked", "session_confirmation", CalendarMethod.REQUEST)
MOVED = _notice("moved", "session_change", CalendarMethod.REQUEST)
CANCELLED = _notice("cancelled", "session_cancellation", CalendarMethod.CANCEL)

# Days before are civil, at ten o'clock at the clinic; hours before are elapsed. Each reminder is worth something until
# the next takes over, so that after an outage one of them goes out and not four.
REMINDERS = (
    _reminder("7d_before", Civil(days=-7, at=time(10)), useful_lead=timedelta(hours=72)),
    _reminder("48h_before", Elapsed(timedelta(hours=-48)), useful_lead=timedelta(hours=38)),
    _reminder("24h_before", Civil(days=-1, at=time(10)), useful_lead=timedelta(hours=3)),
    _reminder("2h_before", Elapsed(timedelta(hours=-2)), useful_lead=timedelta(minutes=30)),
)

AFTERCARE = MessageRule(
    code="after_visit",
    template="aftercare",
    purpose=Purpose.AFTERCARE,
    timing=Immediately(),
    useful_until=timedelta(hours=24),
    must_arrive=True,
)
CHECK_IN = MessageRule(
    code="next_day",
    template="aftercare_check_in",
    purpose=Purpose.AFTERCARE,
    timing=Civil(days=1, at=time(10)),
    useful_until=timedelta(hours=36),
    must_arrive=True,
)

ON_BOOKING = (BOOKED, *REMINDERS)
ON_MOVE = (MOVED, *REMINDERS)
ON_CANCELLATION = (CANCELLED,)
ON_DISCHARGE = (AFTERCARE, CHECK_IN)

RULES = {rule.code: rule for rule in (BOOKED, MOVED, CANCELLED, *REMINDERS, *ON_DISCHARGE)}
