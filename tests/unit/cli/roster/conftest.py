import json
from datetime import date
from pathlib import Path

import pytest

from services.cli.roster import Fault, Roster, RosterFaults, read

TODAY = date(2026, 1, 5)

CSV = {
    "clinics.csv": (
        "id,name,short_name,time_zone,country,phone,monday,tuesday,wednesday,thursday,friday,saturday,sunday\n"
        "mill,Mill Clinic,Mill,America/New_York,US,212-555-0100,08:00-12:00 13:00-18:00,,,,,,\n"
    ),
    "rooms.csv": "id,clinic,name\nroom-1,mill,Room 1\n",
    "practitioners.csv": (
        "id,npi,name,credential,credential_expires,supervises,clinics,protocols\n"
        "osei,9999900101,Dr. Amara Osei,MD,2030-06-30,3,mill,iv_racemic im_racemic\n"
        "moreau,,Tessa Moreau,RN,,,mill,\n"
    ),
    "shifts.csv": (
        "practitioner,clinic,weekday,start,end,valid_from,valid_until\n"
        "osei,mill,mon,8:00,18:00,2026-01-01,2026-06-30\n"
        "osei,mill,monday,08:00,12:00,2026-07-01,\n"
    ),
    "patients.csv": (
        "id,given_name,family_name,birth_date,language,time_zone,clinic,email,email_consent,email_verified,"
        "phone,phone_consent,phone_verified\n"
        "P-1,Zenobia,Quillfeather,1984-03-17,es,,mill,,,,(212) 555-0111,2025-01-15,\n"
        "P-2,Ansel,Birdwhistle,1990-07-08,en,America/Chicago,mill,ansel@example.org,2025-01-15,2025-01-16,,,\n"
    ),
}


@pytest.fixture
def csv_files():
    return dict(CSV)


@pytest.fixture
def write(tmp_path):
    """Writes files, text or bytes or JSON, into one folder and answers with it."""

    def write_all(files: dict[str, object]) -> Path:
        for name, content in files.items():
            raw = content if isinstance(content, bytes | str) else json.dumps(content)
            (tmp_path / name).write_bytes(raw.encode() if isinstance(raw, str) else raw)
        return tmp_path

    return write_all


@pytest.fixture
def roster_of(write):
    def read_files(files: dict[str, object]) -> Roster:
        return read([write(files)], today=TODAY)

    return read_files


@pytest.fixture
def faults_of(write):
    def read_files(files: dict[str, object]) -> list[str]:
        with pytest.raises(RosterFaults) as caught:
            read([write(files)], today=TODAY)
        assert all(isinstance(fault, Fault) for fault in caught.value.faults)
        return [str(fault) for fault in caught.value.faults]

    return read_files
