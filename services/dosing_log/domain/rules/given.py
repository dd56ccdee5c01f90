"""Rules on a dose that was given: how it differs from what was authorized. The codes D are this suite's own."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from services.dosing_log.domain.contents import Administration, Authorization
from services.dosing_log.domain.rules.dose import mg
from services.dosing_log.domain.rules.rule import Breach


@dataclass(frozen=True, slots=True)
class GrantedAuthorization:
    """An authorization of this session, when it was granted, and whether another dose used it."""

    authorization: Authorization
    grant_time: datetime
    used: bool


@dataclass(frozen=True, slots=True)
class GivenCase:
    """A dose that was given, and the authorization it names, where this session has it."""

    administration: Administration
    granted: GrantedAuthorization | None

    @property
    def authorized(self) -> bool:
        """True where the authorization covers the dose: in time, not used before, of that lot."""
        return not any((*not_authorized(self), *out_of_time(self), *used_before(self), *otherwise(self)))


def not_authorized(case: GivenCase) -> Iterator[Breach]:
    """D1: no authorization of this session is named."""
    if case.granted is None:
        yield Breach("The dose was given without an authorization for this session")


def out_of_time(case: GivenCase) -> Iterator[Breach]:
    """D2: begun before the authorization was granted or after it expired."""
    if case.granted is None:
        return
    start = case.administration.start_time
    if start > case.granted.authorization.expire_time:
        yield Breach("The authorization had expired when the dose began", _clock(start))
    if start < case.granted.grant_time.replace(second=0, microsecond=0):  # starts are charted to the minute
        yield Breach("The dose began before it was authorized", _clock(start))


def used_before(case: GivenCase) -> Iterator[Breach]:
    """D3: the authorization was used for another dose."""
    if case.granted is not None and case.granted.used:
        yield Breach("The authorization was already used for another dose")


def otherwise(case: GivenCase) -> Iterator[Breach]:
    """D4: from another lot, or more than was authorized."""
    if case.granted is None:
        return
    authorization, administration = case.granted.authorization, case.administration
    if administration.lot_id != authorization.lot_id:
        yield Breach("The dose came from another lot than the one authorized")
    if administration.given.mg > authorization.dose.value:
        yield Breach("More was given than was authorized", mg(administration.given.mg))


def less_than_authorized(case: GivenCase) -> Iterator[Breach]:
    """D5: less was given than was authorized, such as after an infusion was stopped."""
    if case.granted is not None and case.administration.given.mg < case.granted.authorization.dose.value:
        yield Breach("Less was given than was authorized", mg(case.administration.given.mg))


def own_supervisor(case: GivenCase) -> Iterator[Breach]:
    """D6: supervised by whoever gave it."""
    if case.administration.supervisor_subject == case.administration.administrator.subject:
        yield Breach("The dose was supervised by the person who gave it")


def _clock(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")
