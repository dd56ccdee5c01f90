"""The account of the day: progress while it goes on, and what was done, refused and sent."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

import grpc
from rich.table import Table

from services.cli.commands.output import OUT, describe


@dataclass
class Account:
    """Prints what happens on the clinic's clock, and keeps names for the summary."""

    zone: ZoneInfo
    names: dict[str, str] = field(default_factory=dict)
    steps: int = 0

    def chapter(self, title: str, note: str = "") -> None:
        """Begin a part of the day."""
        OUT.print()
        OUT.rule(f"[bold]{title}", align="left")
        if note:
            OUT.print(f"  {note}", style="dim", markup=False, soft_wrap=True)

    def done(self, now: datetime, text: str, *, name: str = "", label: str = "") -> None:
        """Say that something was done at `now`; keep its resource name under a label."""
        self.steps += 1
        if label:
            self.names[label] = name
        OUT.print(f"  {self.local(now)}  ✓ {text}", markup=False, soft_wrap=True)

    def detail(self, text: str) -> None:
        """Add a line to what was said last."""
        OUT.print(f"                         {text}", style="dim", markup=False, soft_wrap=True)

    def refused(self, now: datetime, attempt: str, error: grpc.aio.AioRpcError) -> None:
        """Say that an attempt was refused, and why, in the service's own words."""
        self.steps += 1
        text = f"  {self.local(now)}  ✋ {attempt}: refused, as it must be"
        OUT.print(text, style="yellow", markup=False, soft_wrap=True)
        for line in describe(error):
            self.detail(line)

    def local(self, now: datetime) -> str:
        """Return an instant on the clinic's clock."""
        return f"{now.astimezone(self.zone):%a %Y-%m-%d %H:%M}"

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table."""
        table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(cell.replace("[", r"\[") for cell in row))
        OUT.print()
        OUT.print(table)


class NotRefusedError(Exception):
    """Something that must be refused was not."""


@contextmanager
def expecting_refusal(account: Account, now: datetime, attempt: str, *codes: str) -> Iterator[None]:
    """Run a call that must be refused with each of these codes among its reasons.

    Raises:
        NotRefusedError: it was not refused, or for another reason.
    """
    try:
        yield
    except grpc.aio.AioRpcError as error:
        said = "\n".join(describe(error))
        missing = [code for code in codes if code not in said]
        if missing:
            raise NotRefusedError(f"{attempt}: refused without {', '.join(missing)}: {said}") from error
        account.refused(now, attempt, error)
        return
    raise NotRefusedError(f"{attempt}: was not refused")
