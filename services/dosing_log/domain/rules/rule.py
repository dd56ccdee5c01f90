"""What a rule is, and how a case is judged by all of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.dosing_log.domain.protocols import Limit
from services.dosing_log.domain.records import Finding, Severity

Case_contra = TypeVar("Case_contra", contravariant=True)

_REACH = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Breach:
    """One way in which a case breaks a rule: what is wrong and what to do, the value, and the limit it passed."""

    description: str
    value: str = ""
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class Rule(Generic[Case_contra]):
    """One rule.

    Attributes:
        code: stable code.
        title: what it asks, in a few words.
        source: where it comes from; the source of the limit that was passed goes before it.
        limits: codes of the protocol's limits that it reads.
        judge: yields each breach.
        of_fact: it judges a dose that was given as well as one that is asked for.
    """

    code: str
    severity: Severity
    title: str
    source: str
    judge: Callable[[Case_contra], Iterable[Breach]]
    limits: tuple[str, ...] = ()
    of_fact: bool = False


def evaluate(case: Case_contra, rules: Sequence[Rule[Case_contra]]) -> tuple[Finding, ...]:
    """Return what all the rules find, hard before soft before warnings."""
    return by_severity([finding for rule in rules for finding in _findings(case, rule)])


def by_severity(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings with those that reach farthest first."""
    return tuple(sorted(findings, key=lambda finding: _REACH.index(finding.severity)))


def _findings(case: Case_contra, rule: Rule[Case_contra]) -> Iterator[Finding]:
    for breach in rule.judge(case):
        limit = breach.limit
        yield Finding(
            code=rule.code,
            severity=rule.severity,
            description=breach.description,
            value=breach.value,
            limit=str(limit.value) if limit else "",
            source=limit.source if limit else rule.source,
        )
