from datetime import date, time
from pathlib import Path

import pytest

import services.cli
from services.cli.roster import Weekday, read

DEMO = Path(services.cli.__file__).parent / "demo_data"
PROTOCOLS = {"iv_racemic", "im_racemic", "sl_lozenge", "spravato_maintenance"}
TODAY = date(2026, 1, 5)


@pytest.mark.parametrize(
    ("folder", "zone", "rooms"), [("riverside", "America/New_York", 3), ("harbour", "America/Los_Angeles", 2)]
)
def test_a_demo_roster_can_run_a_clinic_day(folder, zone, rooms):
    roster = read([DEMO / folder], today=TODAY)
    assert [clinic.zone for clinic in roster.clinics] == [zone]
    assert len(roster.rooms) == rooms
    ratios = {one.credential: one.supervision_ratio for one in roster.practitioners}
    assert (ratios["MD"] > 0, ratios["NP"] > 0, ratios["RN"]) == (True, True, 0)
    assert {code for one in roster.practitioners for code in one.protocols} == PROTOCOLS
    for practitioner in roster.practitioners:
        shifts = [shift for shift in roster.shifts if shift.practitioner == practitioner.external_ids[0]]
        assert [(s.weekday, s.start, s.end) for s in shifts] == [(day, time(8), time(18)) for day in list(Weekday)[:5]]
    assert len(roster.patients) >= 6
    assert {patient.language for patient in roster.patients} == {"en", "es", "de", "fr"}
    assert any(patient.phone and not patient.email for patient in roster.patients)
    assert any(patient.email and patient.email.verified_on for patient in roster.patients)


def test_both_demo_rosters_together():
    roster = read([DEMO / "riverside", DEMO / "harbour"], today=TODAY)
    assert [clinic.short_name for clinic in roster.clinics] == ["Riverside", "Harbour"]


def test_most_of_the_demo_bundles_is_no_part_of_the_roster():
    notices = read([DEMO / "harbour"], today=TODAY).notices
    assert notices[0].startswith("left out as no part of a roster: 41 Claim, 41 Condition, 41 Encounter, ")
    assert sum(file.stat().st_size for file in (DEMO / "harbour").iterdir()) < 600_000
