"""A session that takes longer than planned, and what it runs into."""

from dataclasses import dataclass

from services.scheduler.domain.blockers import BlockerCode
from services.scheduler.domain.booking import Assignment
from services.scheduler.domain.interval import Interval
from services.scheduler.domain.session import Session
from services.scheduler.domain.slots import Slot


@dataclass(frozen=True, slots=True)
class Cover:
    """Who supervises from `interval.start` on, so that the later end is supervised too."""

    interval: Interval
    assignment: Assignment


@dataclass(frozen=True, slots=True)
class Hit:
    """A session that a later end runs into, why, and where it could stand instead, if anywhere near."""

    session: Session
    code: BlockerCode
    proposal: Slot | None = None
