"""`python -m tests.docs`: brings the tables in docs/ that are made from code in step with it.

A table stands between `<!-- table: name -->` and `<!-- end -->`; the text around it is written by people.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from services.scheduler.config import SchedulerSettings
from services.scheduler.domain.blockers import EXPLANATIONS
from services.scheduler.domain.protocol import LimitCode, ProtocolDefinition
from services.scheduler.protocol_files import default_protocols
from tests.support.contracts import ROOT

DOCS = ROOT / "docs"
_TABLE = re.compile(r"(<!-- table: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_SCHEDULING_LIMITS = (
    LimitCode.INTERVAL_MINIMUM,
    LimitCode.SESSIONS_PLANNED,
    LimitCode.SESSIONS_MAXIMUM,
    LimitCode.REVIEW_AFTER,
    LimitCode.HOLD_BEFORE,
    LimitCode.PHASE_PREPARATION,
    LimitCode.PHASE_OBSERVATION,
    LimitCode.PHASE_TURNOVER,
)
_WAITS = ("hold_minutes", "offer_minutes", "no_show_minutes")


def blockers() -> Iterable[str]:
    """Every code: what it means, what resolves it, and what in the database refuses it."""
    yield "| code | what stands in the way | what resolves it | held by |"
    yield "|---|---|---|---|"
    for code, explanation in EXPLANATIONS.items():
        held = ", ".join(f"`{name}`" for name in explanation.constraints) or "the check when it is booked"
        yield f"| `{code}` | {explanation.meaning} | {explanation.resolved_by} | {held} |"


def protocols() -> Iterable[str]:
    """What the shipped protocols say about the schedule, with the source of each value."""
    shipped = default_protocols()
    yield "| limit | " + " | ".join(protocol.title for protocol in shipped) + " |"
    yield "|---" * (len(shipped) + 1) + "|"
    for code in _SCHEDULING_LIMITS:
        yield f"| `{code}` | " + " | ".join(_limit(protocol, code) for protocol in shipped) + " |"


def waits() -> Iterable[str]:
    """How long things may wait, by setting."""
    yield "| setting of the scheduler | minutes |"
    yield "|---|---|"
    for name in _WAITS:
        yield f"| `KAT_SCHEDULER_{name.upper()}` | {SchedulerSettings.model_fields[name].default} |"


TABLES: Mapping[str, Callable[[], Iterable[str]]] = {"blockers": blockers, "protocols": protocols, "waits": waits}


def made(page: str) -> str:
    """Return a page with its tables as the code has them now."""

    def table(found: re.Match[str]) -> str:
        return found[1] + "\n".join(TABLES[found["name"]]()) + "\n" + found[3]

    return _TABLE.sub(table, page)


def stale() -> list[Path]:
    """Return the pages whose tables are not what the code has."""
    return [path for path in sorted(DOCS.glob("*.md")) if made(path.read_text("utf-8")) != path.read_text("utf-8")]


def _limit(protocol: ProtocolDefinition, code: LimitCode) -> str:
    (limit,) = (one for one in protocol.limits if one.code is code)
    unit = "" if limit.unit.startswith("{") else f" {limit.unit}"
    return f"{format(limit.value, 'f')}{unit}<br>{limit.source} ({limit.mark.replace('_', ' ')})"


def main() -> int:
    """Write every page anew that is not in step."""
    for path in stale():
        path.write_text(made(path.read_text("utf-8")), "utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)} is made anew\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
