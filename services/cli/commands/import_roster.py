"""`kat import`: a roster from CSV or FHIR R4, all of it or nothing."""

import asyncio
from pathlib import Path
from typing import Annotated

import grpc
import typer

from services.cli.clients import channels, issue_token
from services.cli.commands.output import ERR, OUT, ExitCode, JsonOption, fail, fail_with, print_json
from services.cli.commands.run import DataOption
from services.cli.data_folder import DataFolder
from services.cli.importing import Imported, import_roster
from services.cli.roster import Roster, RosterFaults, read


def import_(
    data: DataOption,
    paths: Annotated[list[Path], typer.Argument(help="A folder or zip of CSV files, or FHIR bundles.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take a roster of clinics, rooms, clinicians, shifts and patients into the running suite."""
    folder = DataFolder(data.absolute())
    try:
        roster = read(paths)
    except RosterFaults as faults:
        for fault in faults.faults:
            ERR.print(str(fault), style="red", markup=False, soft_wrap=True)
        fail(f"{len(faults.faults)} faults; nothing was written")
    try:
        imported = asyncio.run(_import(folder, roster, dry_run=dry_run))
    except FileNotFoundError:
        fail(f"Nothing runs on {folder.root}; start `kat up` first, or give --data", ExitCode.AWAY)
    except grpc.aio.AioRpcError as error:
        fail_with(error)
    _report(roster, imported, dry_run=dry_run, as_json=as_json)


async def _import(folder: DataFolder, roster: Roster, *, dry_run: bool) -> Imported:
    token = issue_token(folder, subject="cli", roles=["clinic_system"], name="Command line")
    async with channels(folder) as opened:
        return await import_roster(opened["scheduler"], opened["notifications"], token, roster, dry_run=dry_run)


def _report(roster: Roster, imported: Imported, *, dry_run: bool, as_json: bool) -> None:
    counts = {
        "clinics": len(roster.clinics),
        "rooms": len(roster.rooms),
        "practitioners": len(roster.practitioners),
        "shifts": len(roster.shifts),
        "patients": len(roster.patients),
        "recipients": imported.recipients,
    }
    if as_json:
        print_json({"dry_run": dry_run, "counts": counts, "notices": roster.notices})
        return
    for notice in roster.notices:
        OUT.print(notice, style="dim", markup=False, soft_wrap=True)
    listed = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    OUT.print(f"{'Would take in' if dry_run else 'Took in'} {listed}.", markup=False, soft_wrap=True)
