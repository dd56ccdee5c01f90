"""Reviews of courses: the scores that they are made by, when one needs a reason, and who may sign."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from operator import attrgetter
from uuid import UUID

from services.runtime.actor import Actor

PHQ_9 = "PHQ_9"
IMPROVED_BY_PERCENT = 20
"""An improver's PHQ-9 falls by this much (rule S5; Transl Psychiatry 2024)."""
WORSE_BY = 5
"""A rise of PHQ-9 by so many points is clinically significant (rule S5)."""
SIGN_IN_VALIDITY = timedelta(minutes=15)
"""How long a sign-in is recent enough to sign by."""

_OF_ONE_DAY = frozenset({"DISCHARGE_SCORE"})
"""Instruments that say whether a patient may leave, and not how a course goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The total of an instrument, at a time. `version` rises with every amendment."""

    assessment_id: UUID
    session_id: UUID
    instrument: str
    total: int
    version: int
    observe_time: datetime


@dataclass(frozen=True, slots=True)
class Observation:
    """The total of an instrument, at a time."""

    instrument: str
    total: int
    observe_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The first and the newest score of an instrument in a course."""

    instrument: str
    baseline: int
    baseline_time: datetime
    latest: int
    latest_time: datetime

    @property
    def change_percent(self) -> Decimal | None:
        """The change in percent of the baseline, to one decimal; None for a baseline of 0."""
        if not self.baseline:
            return None
        change = Decimal(self.latest - self.baseline) * 100 / Decimal(self.baseline)
        return change.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)

    @property
    def improved(self) -> bool:
        """Whether it fell by as much as an improver's does."""
        return (self.baseline - self.latest) * 100 >= IMPROVED_BY_PERCENT * self.baseline

    @property
    def worse(self) -> bool:
        """Whether it rose by a clinically significant amount."""
        return self.latest - self.baseline >= WORSE_BY


class ReviewDecision(StrEnum):
    """What a supervisor decides on a course."""

    CONTINUE = "continue"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signs: the name that they wrote, and when they last proved who they are."""

    signer: Actor
    signed_name: str
    auth_time: datetime

    @property
    def is_own_name(self) -> bool:
        """Whether they wrote the printed name of their token."""
        return self.signed_name == self.signer.printed_name

    def is_recent(self, now: datetime) -> bool:
        """Whether they proved who they are lately enough."""
        return now - self.auth_time <= SIGN_IN_VALIDITY


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseReview:
    """A signed review. `session_count` is how many sessions had taken place."""

    review_id: UUID
    course_id: UUID
    decision: ReviewDecision
    reason: str
    reviewer: Actor
    sign_time: datetime
    auth_time: datetime
    session_count: int
    scores: tuple[Score, ...]


def scores_of(observations: Iterable[Observation]) -> tuple[Score, ...]:
    """Return the first and newest score of each instrument that says how a course goes."""
    by_instrument: dict[str, list[Observation]] = {}
    for observation in sorted(observations, key=attrgetter("observe_time")):
        if observation.instrument not in _OF_ONE_DAY:
            by_instrument.setdefault(observation.instrument, []).append(observation)
    return tuple(_score(by_instrument[instrument]) for instrument in sorted(by_instrument))


def _score(observed: Sequence[Observation]) -> Score:
    first, newest = observed[0], observed[-1]
    return Score(
        instrument=first.instrument,
        baseline=first.total,
        baseline_time=first.observe_time,
        latest=newest.total,
        latest_time=newest.observe_time,
    )


def reason_needed(decision: ReviewDecision, scores: Iterable[Score]) -> str:
    """Return why a review needs a written reason, or "" where it needs none."""
    if decision is ReviewDecision.STOP:
        return "write why the course ends"
    score = next((one for one in scores if one.instrument == PHQ_9), None)
    if score is None:
        return "no PHQ-9 score is known; write why the course goes on"
    if score.worse:
        return f"PHQ-9 rose by {WORSE_BY} points or more; write why the course goes on"
    if not score.improved:
        return f"PHQ-9 did not fall by {IMPROVED_BY_PERCENT} %; write why the course goes on"
    return ""
