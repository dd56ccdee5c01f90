"""Rules on the patient's course: order, consent, intervals, progress."""

from collections.abc import Iterator
from decimal import Decimal

from services.dosing_log.domain.amounts import EXACT
from services.dosing_log.domain.contents import Instrument
from services.dosing_log.domain.protocols import Mark
from services.dosing_log.domain.rules.case import DoseCase
from services.dosing_log.domain.rules.rule import Breach
from services.dosing_log.domain.values import days, plain

INTERVAL_FLOOR_DAYS = 7
"""No dose within so many clinic-local days of another, anywhere in the organization, whatever the protocol."""

_MARKS_TO_SHOW = (Mark.UNVERIFIED, Mark.PROJECT_DEFAULT)
_WORSE_BY = 5
_IMPROVED_BY_PERCENT = 20
_FIRST_SESSIONS = 3
_OLD_AGE = 65
_ABSOLUTE = frozenset(
    {
        "ANEURYSMAL_VASCULAR_DISEASE",
        "ARTERIOVENOUS_MALFORMATION",
        "INTRACEREBRAL_HAEMORRHAGE",
        "HYPERSENSITIVITY",
    }
)


def session_cancelled(case: DoseCase) -> Iterator[Breach]:
    """D8: the session is cancelled."""
    if case.session.cancelled:
        yield Breach("The session is cancelled; book another and dose there")


def absolute_contraindication(case: DoseCase) -> Iterator[Breach]:
    """H2: an absolute contraindication."""
    for name in sorted(_ABSOLUTE.intersection(case.course.contraindications)):
        yield Breach("An absolute contraindication: ketamine must not be given", name)


def accepted_contraindication(case: DoseCase) -> Iterator[Breach]:
    """S6: a relative contraindication that a second person accepted when the course was activated."""
    for name in sorted(set(case.course.contraindications) - _ABSOLUTE):
        yield Breach("A relative contraindication, accepted for this course; watch for it", name)


def under_age(case: DoseCase) -> Iterator[Breach]:
    """H3: under 18."""
    if case.today < case.course.adult_date:
        yield Breach("The patient is under 18", limit=case.limit("age.minimum"))


def no_order(case: DoseCase) -> Iterator[Breach]:
    """H4: no active signed order for exactly this."""
    if case.order is None:
        yield Breach("There is no such order; have the prescriber place one")
        return
    order = case.order.order
    if not case.order.signed:
        yield Breach("The prescriber has not signed the order as it stands; have it signed")
    if case.today > order.expire_date:
        yield Breach("The order has expired; have it renewed", order.expire_date.isoformat())
    pairs = (
        ("course", order.course_id, case.session.course_id),
        ("protocol", order.protocol_id, case.course.protocol_id),
        ("drug", order.substance, case.substance),
        ("route", order.route, case.route),
    )
    for name, ordered, actual in pairs:
        if ordered != actual:
            yield Breach(f"The order is for another {name}; have it corrected")


def no_consent(case: DoseCase) -> Iterator[Breach]:
    """H5: consent is missing or over."""
    if case.today > case.course.consent_expire_date:
        yield Breach("The consent has expired; renew it", case.course.consent_expire_date.isoformat())
    if case.check is not None and not case.check.consent_confirmed:
        yield Breach("The patient did not confirm consent today")


def too_early(case: DoseCase) -> Iterator[Breach]:
    """H12: under seven clinic-local days from another dose anywhere in the organization."""
    gap = _gap_days(case)
    if gap is not None and gap < INTERVAL_FLOOR_DAYS:
        yield Breach("Another dose is less than 7 clinic-local days away; wait", f"{gap} d")


def earlier_than_protocol(case: DoseCase) -> Iterator[Breach]:
    """S1: under the protocol's own, longer interval."""
    limit, gap = case.limit("interval.minimum"), _gap_days(case)
    if limit is not None and gap is not None and INTERVAL_FLOOR_DAYS <= gap < limit.value.value:
        yield Breach("The dose before is less than the protocol's interval ago; wait", f"{gap} d", limit)


def _gap_days(case: DoseCase) -> int | None:
    """Days to the nearest other dose; a dose that is told late may have a later one."""
    gaps = [abs((case.today - case.session.local_date(dose.start_time)).days) for dose in case.doses]
    return min(gaps, default=None)


def other_session_open(case: DoseCase) -> Iterator[Breach]:
    """H12: the patient was dosed in another session and has not left it."""
    open_elsewhere = [
        dose
        for dose in case.doses
        if dose.session_id != case.session.session_id and not dose.departed and dose.start_time <= case.at
    ]
    if open_elsewhere:
        yield Breach("The patient has not left another session; record the departure there first")


def course_is_over(case: DoseCase) -> Iterator[Breach]:
    """H16: as many doses as the protocol allows a course."""
    limit, given = case.limit("course.sessions.maximum"), len(case.course_doses())
    if limit is not None and given >= limit.value.value:
        yield Breach("The course has had all its doses", str(given), limit)


def beyond_plan(case: DoseCase) -> Iterator[Breach]:
    """S10: more doses than planned, and no order placed since."""
    limit, earlier = case.limit("course.sessions.planned"), case.course_doses()
    if limit is None or len(earlier) < limit.value.value:
        return
    if case.order is None or case.order.event_time <= earlier[0].start_time:
        yield Breach("The planned doses are given; have the order renewed", str(len(earlier)), limit)


def no_progress(case: DoseCase) -> Iterator[Breach]:
    """S5: no improvement after the doses of the review point, or worse by five points of PHQ-9."""
    limit, given = case.limit("course.review_after"), len(case.course_doses())
    scores = [taken.assessment.total for taken in case.taken(Instrument.PHQ_9)]
    if len(scores) < 2:  # noqa: PLR2004 - a comparison takes two
        return
    latest, first = scores[0], scores[-1]
    if latest >= first + _WORSE_BY:
        yield Breach("PHQ-9 is worse by 5 points or more; review the course", f"{first} to {latest}")
    improved = (first - latest) * 100 >= _IMPROVED_BY_PERCENT * first
    if limit is not None and given >= limit.value.value and not improved:
        yield Breach("No improvement of 20 % at the review point; review the course", f"{first} to {latest}", limit)


def early_session(case: DoseCase) -> Iterator[Breach]:
    """W1: one of the first three sessions."""
    if case.session.ordinal <= _FIRST_SESSIONS:
        yield Breach("One of the first three sessions, with most blood pressure events", str(case.session.ordinal))


def old_age(case: DoseCase) -> Iterator[Breach]:
    """W2: 65 or older."""
    if case.course.age_on(case.today) >= _OLD_AGE:
        yield Breach("The patient is 65 or older")


def old_phq_9(case: DoseCase) -> Iterator[Breach]:
    """W3: no PHQ-9 of late."""
    limit, taken = case.limit("assessment.phq9.validity"), case.latest(Instrument.PHQ_9)
    if limit is not None and (taken is None or case.at - taken.time > days(limit.value.value)):
        yield Breach("No recent PHQ-9; take one", limit=limit)


def weight_is_old(case: DoseCase) -> Iterator[Breach]:
    """S11: the weight that the dose is judged by is old, or changed by more than a tenth."""
    limit, weight = case.limit("weight.validity"), case.weight
    if weight is None:
        return
    if limit is not None and case.at - weight.time > days(limit.value.value):
        yield Breach("The weight is too old; weigh the patient", limit=limit)
    if len(case.weighings) > 1 and _changed_by_a_tenth(case.weighings[1].kg, weight.kg):
        yield Breach("The weight changed by more than 10 %; confirm it", f"{plain(weight.kg)} kg")


def _changed_by_a_tenth(before: Decimal, now: Decimal) -> bool:
    return EXACT.multiply(abs(EXACT.subtract(now, before)), Decimal(10)) > before


def weak_sources(case: DoseCase) -> Iterator[Breach]:
    """W12: limits that rest on no source that was read."""
    weak = sorted(limit.code for limit in case.protocol.limits if limit.mark in _MARKS_TO_SHOW)
    if weak:
        yield Breach("Limits of this protocol that are project defaults or unverified", ", ".join(weak))


def uncertified(case: DoseCase) -> Iterator[Breach]:
    """H10: whoever is to give the dose has no credential."""
    if not case.actor.credential:
        yield Breach("The token of whoever gives the dose names no professional credential")
