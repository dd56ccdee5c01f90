"""Times on a clinic's clock: exactly one instant, or a blocker that names both choices."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.scheduler.domain.blockers import Blocker, BlockerCode


@dataclass(frozen=True, slots=True)
class LocalTime:
    """A date and time on a clinic's clock, with the offset from UTC where the time exists twice."""

    date: date
    time: time
    utc_offset: timedelta | None = None


def resolve(local: LocalTime, zone: ZoneInfo) -> datetime | Blocker:
    """Return the one instant in UTC that is meant, or why there is none.

    A time that the clock jumps over is LOCAL_TIME_MISSING; one that exists twice and comes without its offset is
    LOCAL_TIME_AMBIGUOUS; an offset that the zone does not have at that time is refused in the same way.
    """
    instants = instants_of(local.date, local.time, zone)
    meant = [instant for instant in instants if local.utc_offset in (None, instant.astimezone(zone).utcoffset())]
    if len(meant) == 1:
        return meant[0]
    choices = " or ".join(_written(instant, zone) for instant in instants or _around_gap(local, zone))
    written = f"{local.date} {local.time:%H:%M}"
    if len(instants) > 1:
        text = f"{written} exists twice in {zone.key}; send its utc_offset: {choices}"
        return Blocker(BlockerCode.LOCAL_TIME_AMBIGUOUS, text)
    text = f"{written} does not exist {'with that offset ' if instants else ''}in {zone.key}; choose {choices}"
    return Blocker(BlockerCode.LOCAL_TIME_MISSING, text)


def local_time_of(instant: datetime, zone: ZoneInfo) -> LocalTime:
    """Return what a zone's clock shows at an instant, with the offset that makes it unambiguous."""
    local = instant.astimezone(zone)
    return LocalTime(local.date(), local.time(), local.utcoffset())


def instants_of(day: date, at: time, zone: ZoneInfo) -> list[datetime]:
    """Return the instants, none to two, earliest first, at which the zone's clock shows that date and time."""
    wall = datetime.combine(day, at)
    folds = {wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    return sorted(instant for instant in folds if instant.astimezone(zone).replace(tzinfo=None) == wall)


def _around_gap(local: LocalTime, zone: ZoneInfo) -> list[datetime]:
    wall = datetime.combine(local.date, local.time, tzinfo=zone)
    return sorted(wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))


def _written(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).isoformat(sep=" ", timespec="minutes")
