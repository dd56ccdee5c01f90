"""`kat doctor`: what is there, what is missing, and what to do."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer
from cryptography import x509

from services.cli.clients import channels, is_serving
from services.cli.commands.output import OUT, ExitCode, JsonOption, print_json
from services.cli.commands.run import DataOption
from services.cli.data_folder import DataFolder
from services.runtime.embedded_postgres import EmbeddedPostgresError
from services.runtime.embedded_postgres.placement import installed_programs

_LEAST_FREE_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: whether it is well, and what is there or what to do."""

    subject: str
    well: bool
    text: str


def doctor(data: DataOption, *, as_json: JsonOption = False) -> None:
    """Look at this machine and the suite on it; end with 1 where something needs a hand."""
    findings = asyncio.run(_examine(DataFolder(data.absolute())))
    if as_json:
        print_json([{"subject": each.subject, "well": each.well, "text": each.text} for each in findings])
    else:
        for each in findings:
            mark, style = ("✓", "green") if each.well else ("✗", "red")
            OUT.print(f"{mark} {each.subject:<22} {each.text}", style=style, markup=False, soft_wrap=True)
    raise typer.Exit(int(ExitCode.DONE if all(each.well for each in findings) else ExitCode.REFUSED))


async def _examine(data: DataFolder) -> list[Finding]:
    findings = [_python(), _programs(), _disk(data.root)]
    if not (data.root / "addresses.json").exists():
        return [*findings, Finding("suite", well=False, text=f"never started on {data.root}; start `kat up`")]
    findings += _certificates(data)
    return [*findings, *[finding async for finding in _services(data)]]


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    well = sys.version_info >= (3, 11)
    return Finding("python", well=well, text=version if well else f"{version}; 3.11 or newer is needed")


def _programs() -> Finding:
    try:
        return Finding("postgresql programs", well=True, text=str(installed_programs()))
    except EmbeddedPostgresError as error:
        return Finding("postgresql programs", well=False, text=str(error))


def _disk(folder: Path) -> Finding:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free / 1024**3:.1f} GiB free at {existing}"
    return Finding("disk", well=free >= _LEAST_FREE_BYTES, text=text)


def _certificates(data: DataFolder) -> list[Finding]:
    findings = []
    for file in sorted(data.authority.glob("*.pem")):
        ends = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc
        well = ends > datetime.now(UTC)
        text = f"valid until {ends:%Y-%m-%d}" if well else f"expired on {ends:%Y-%m-%d}; start `kat up` again"
        findings.append(Finding(f"certificate {file.stem}", well=well, text=text))
    return findings


async def _services(data: DataFolder) -> AsyncIterator[Finding]:
    addresses = data.addresses()
    async with channels(data) as opened:
        for name, channel in opened.items():
            well = await is_serving(channel)
            text = "serves" if well else f"does not serve; start `kat up`, or read {data.logs / f'{name}.log'};"
            yield Finding(name, well=well, text=f"{text} at {addresses[name]}")
    if data.clock_offset.exists():
        text = "moved, for a demonstration: not for real patients; use another data folder"
        yield Finding("clock", well=False, text=text)
