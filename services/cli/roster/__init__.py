"""The roster reader of `kat import`: CSV or FHIR R4 bundles in, one neutral roster or all faults out.

It reads files and nothing else: no network, no service, nothing partial.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from services.cli.roster.csv_roster import read_csv
from services.cli.roster.draft import Draft
from services.cli.roster.faults import Fault, FaultLog, RosterFaults
from services.cli.roster.fhir_index import load
from services.cli.roster.fhir_patients import read_patients
from services.cli.roster.fhir_sites import read_sites
from services.cli.roster.fhir_staff import read_staff
from services.cli.roster.files import SourceFile, gather
from services.cli.roster.model import (
    Clinic,
    ContactPoint,
    ExternalId,
    OpeningHours,
    Patient,
    Practitioner,
    Room,
    Roster,
    Shift,
    Weekday,
)

__all__ = [
    "Clinic",
    "ContactPoint",
    "ExternalId",
    "Fault",
    "OpeningHours",
    "Patient",
    "Practitioner",
    "Room",
    "Roster",
    "RosterFaults",
    "Shift",
    "Weekday",
    "read",
]


def read(paths: Sequence[Path], *, today: date | None = None) -> Roster:
    """The roster that the files describe together.

    Args:
        paths: Folders or zip archives of a CSV roster, FHIR bundles (.json), or folders or archives of bundles, in
            any mix. References hold across all bundles; a CSV roster refers to its own files.
        today: Dates of birth, consent and verification may not be after it; by default today in UTC.

    Raises:
        RosterFaults: The roster cannot be used; it carries every fault found.
    """
    log, draft = FaultLog(), Draft()
    today = today or datetime.now(UTC).date()
    files = gather(paths, log)
    _read_csv_rosters([file for file in files if file.name.lower().endswith(".csv")], draft, log, today)
    _read_bundles([file for file in files if file.name.lower().endswith(".json")], draft, log, today)
    if not draft.clinics:
        log.add(Fault("roster", "", "holds no clinic; in FHIR, a clinic is a Location with the timezone extension"))
    draft.check()
    log.raise_if_any()
    return draft.roster()


def _read_csv_rosters(files: Sequence[SourceFile], draft: Draft, log: FaultLog, today: date) -> None:
    for origin in dict.fromkeys(file.origin for file in files):
        members = {file.name.lower(): file for file in files if file.origin == origin}
        read_csv(members, draft, log, today)


def _read_bundles(files: Sequence[SourceFile], draft: Draft, log: FaultLog, today: date) -> None:
    index = load(files, log)
    sites = read_sites(index, draft)
    elsewhere = read_staff(index, sites, draft)
    if index.ignored:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(index.ignored.items()))
        draft.notices.append(f"left out as no part of a roster: {counts}")
    if sites.outside:
        draft.notices.append(f"left out {sites.outside} Location(s) without a time zone, inactive, or rooms of these")
    if elsewhere:
        draft.notices.append(f"left out {elsewhere} Practitioner(s) without an active role at a clinic of the roster")
    read_patients(index, sites, draft, today)
