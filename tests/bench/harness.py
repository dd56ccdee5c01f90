"""What every row shares: rounds of load, and results as a table and as JSON."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter

from rich.console import Console
from rich.table import Table

ROUNDS = 3
CALLERS = 32

Work = Callable[[], Awaitable[object]]


@dataclass
class Row:
    """One line of the table.

    Attributes:
        what: what was measured.
        unit: of `ours` and `raw`.
        wanted: what the design asks for, as text.
        ours: a value for each round.
        raw: a value of the raw limit for each round, taken in turn with `ours`; empty where there is none.
        notes: what else was counted.
    """

    what: str
    unit: str
    wanted: str = ""
    ours: list[float] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    notes: dict[str, float | str] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """The median over the rounds of ours to raw."""
        return median(ours / raw for ours, raw in zip(self.ours, self.raw, strict=True)) if self.raw else None


async def rate(callers: int, work: Iterable[Work]) -> float:
    """Do all work with so many callers at once; return how many works a second were done."""
    rest, done = iter(work), 0

    async def caller() -> None:
        nonlocal done
        for one in rest:
            await one()
            done += 1

    started = perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return done / (perf_counter() - started)


def percentile(values: Iterable[float], percent: float) -> float:
    """The value below which so many percent lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def show(rows: Iterable[Row]) -> None:
    """Print the table; each span is minimum / median / maximum over the rounds."""
    table = Table(title="Speed against the raw limit of the same run: minimum / median / maximum", title_justify="left")
    for column in ("what", "unit", "ours", "raw limit", "ratio", "wanted", "also"):
        table.add_column(column, overflow="fold")
    for row in rows:
        ratio = f"{row.ratio:.2f}" if row.ratio is not None else ""
        notes = "\n".join(f"{name}: {_number(value)}" for name, value in row.notes.items())
        table.add_row(row.what, row.unit, span(row.ours), span(row.raw), ratio, row.wanted, notes)
    Console(width=max(Console().width, 130)).print(table)


def write(rows: Iterable[Row], file: Path) -> None:
    """Write the rows as JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    content = [{**asdict(row), "ratio": row.ratio} for row in rows]
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def span(values: list[float]) -> str:
    """Minimum / median / maximum."""
    return " / ".join(_number(value) for value in (min(values), median(values), max(values))) if values else ""


def _number(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
