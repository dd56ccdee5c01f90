import zipfile
from datetime import date, time

import pytest

from services.cli.roster import ContactPoint, ExternalId, RosterFaults, Weekday, read
from services.cli.roster.csv_roster import SYSTEM

CLINIC = ExternalId(SYSTEM, "mill")


def test_every_field_is_read(roster_of, csv_files):
    roster = roster_of(csv_files)
    clinic, room, doctor, nurse = roster.clinics[0], roster.rooms[0], *roster.practitioners
    assert (clinic.external_id, clinic.short_name, clinic.zone) == (CLINIC, "Mill", "America/New_York")
    assert clinic.phone == "+12125550100"
    assert [(h.weekday, h.opens, h.closes) for h in clinic.opening_hours] == [
        (Weekday.MONDAY, time(8), time(12)),
        (Weekday.MONDAY, time(13), time(18)),
    ]
    assert (room.clinic, room.name) == (CLINIC, "Room 1")
    assert doctor.external_ids[1] == ExternalId("http://hl7.org/fhir/sid/us-npi", "9999900101")
    assert (doctor.credential, doctor.credential_expires, doctor.supervision_ratio) == ("MD", date(2030, 6, 30), 3)
    assert doctor.protocols == ("iv_racemic", "im_racemic")
    assert (doctor.may_supervise, nurse.may_supervise, nurse.credential_expires) == (True, False, None)
    assert [(s.weekday, s.start, s.valid_until) for s in roster.shifts] == [
        (Weekday.MONDAY, time(8), date(2026, 6, 30)),
        (Weekday.MONDAY, time(8), None),
    ]


def test_a_patient_may_have_a_phone_and_no_email(roster_of, csv_files):
    first, second = roster_of(csv_files).patients
    assert first.email is None
    assert first.phone == ContactPoint(value="+12125550111", consented_on=date(2025, 1, 15))
    assert (first.zone, second.zone) == ("America/New_York", "America/Chicago")
    assert second.email == ContactPoint(
        value="ansel@example.org", consented_on=date(2025, 1, 15), verified_on=date(2025, 1, 16)
    )


def test_patients_do_not_show_in_repr(roster_of, csv_files):
    shown = repr(roster_of(csv_files))
    for private in ("Zenobia", "Quillfeather", "1984", "5550111", "ansel@"):
        assert private not in shown


@pytest.mark.parametrize(
    "disguise",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.replace(",", ";").encode(),
        lambda text: text.replace(",", "\t").encode(),
        lambda text: text.replace("\n", "\n\n , ,\n".replace(" , ,", "," * text.split("\n")[0].count(","))).encode(),
        lambda text: "\n".join(text.upper().split("\n")[:1] + text.split("\n")[1:]).encode(),
    ],
    ids=["bom", "crlf", "cr", "semicolon", "tab", "empty lines", "upper-case header"],
)
def test_what_spreadsheets_do_to_files_changes_nothing(roster_of, csv_files, disguise):
    expected = roster_of(csv_files)
    assert roster_of({name: disguise(text) for name, text in csv_files.items()}) == expected


def test_a_zip_archive_reads_as_its_folder(roster_of, csv_files, tmp_path):
    expected = roster_of(csv_files)
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for name, text in csv_files.items():
            packed.writestr(f"mill/{name}", text)
            packed.writestr(f"__MACOSX/mill/._{name}", b"\x00\x05")
    assert read([archive], today=date(2026, 1, 5)) == expected


BROKEN = {
    "clinics.csv": (
        "id,name,short_name,time_zone,country,phone,monday,tuesday,wednesday,thursday,friday,saturday,sunday\n"
        "mill,Mill Clinic,Mill,America/Gotham,US,call us,08:00-25:00,18:00-08:00,all day,9:00-12:00 11:00-13:00,,,\n"
        "mill,Mill Clinic,,America/New_York,USA,+12125550100,,,,,,,\n"
        "weir,Weir Clinic,Weir,America/New_York,US,+12125550101,9:00-12:00 11:00-13:00,,,,,,\n"
    ),
    "rooms.csv": "id,clinic,name,colour\nroom 1,mill,Room 1,red\nroom-2,nowhere,Room 2,red\nroom-3,mill\n",
    "practitioners.csv": (
        "id,npi,name,credential,supervises,clinics,protocols\n"
        "osei,123,Dr. Amara Osei,MD,many,mill,IV!\n"
        "reed,9999900102,Joel Reed,NP,2,weir,\n"
        "\n"
        "reed,9999900102,Joel Reed,NP,2,weir,\n"
    ),
    "shifts.csv": (
        "practitioner,clinic,weekday,start,end,valid_from,valid_until\n"
        "ghost,mill,lundi,18:00,08:00,2026-02-01,2026-01-01\n"
        "ghost,mill,mon,08:00,12:00,,\n"
        "reed,mill,mon,08:00,12:00,,\n"
        "reed,weir,mon,11:00,13:00,,\n"
    ),
    "patients.csv": (
        b"id,given_name,family_name,birth_date,language,time_zone,clinic,email,email_consent,email_verified,"
        b"phone,phone_consent,phone_verified\n"
        b"P-1,Zenobia,Quillfeather,1985-02-30,xx,Mars/Base,nowhere,zenobia@@example,2999-01-01,,555,,\n"
        b"P-1,,Quillfeather,17.03.1984,es,,weir,,2025-01-15,,,,\n"
        b"P-3,Ren\xe9,Quillfeather,2099-01-01,es,,weir,,,,,,\n"
    ),
}

EVERY_FAULT = """
clinics.csv:2 monday: '08:00-25:00' is not a time of day; write HH:MM with 24 hours, such as 08:00
clinics.csv:2 phone: 'call us' is not a phone number; write the international form, such as +12125550123
clinics.csv:2 time_zone: 'America/Gotham' is not an IANA time zone; write one such as America/New_York
clinics.csv:2 tuesday: '18:00-08:00' closes before it opens; sessions do not run past midnight
clinics.csv:2 wednesday: 'all day' is not a pair of times; write 08:00-18:00, or nothing for a closed day
clinics.csv:3: has the same id as clinics.csv:2; give each its own
clinics.csv:3 country: 'USA' is not a country code; write two letters such as US or DE
clinics.csv:3 short_name: is empty; fill it in
clinics.csv:4: opening hours on monday overlap
patients.csv:2 birth_date: the value is not a day of the calendar; write YYYY-MM-DD
patients.csv:2 clinic: the value is not the id of a clinic in clinics.csv
patients.csv:2 email: the value is not an e-mail address; write one such as name@example.org
patients.csv:2 email_consent: the value is in the future
patients.csv:2 language: the value is not a language of messages; write one of de, en, es, fr
patients.csv:2 phone: the value is not a phone number; write the international form, such as +12125550123
patients.csv:2 time_zone: the value is not an IANA time zone; write one such as America/New_York
patients.csv:3: has the same id as patients.csv:2; give each its own
patients.csv:3 birth_date: the value is not a date; write YYYY-MM-DD
patients.csv:3 email: is empty, but email_consent or email_verified is given
patients.csv:3 given_name: is empty; fill it in
patients.csv:4 birth_date: the value is in the future
patients.csv:4 given_name: has characters that are not UTF-8; save the file as 'CSV UTF-8'
practitioners.csv:1 credential_expires: the column is missing
practitioners.csv:2 npi: '123' is not an NPI; write its ten digits
practitioners.csv:2 protocols: 'IV!' is not a protocol code; write one such as iv_racemic
practitioners.csv:2 supervises: 'many' is not a number of sessions; write 0 to 20
practitioners.csv:5: has the same id as practitioners.csv:3; give each its own
rooms.csv:1: column 4, 'colour', is not one of: id, clinic, name
rooms.csv:2 id: 'room 1' is not an id; use letters, digits, dot, dash and underscore, at most 64
rooms.csv:3 clinic: 'nowhere' is not the id of any that the roster holds
rooms.csv:4: has 2 cells where the header has 4; check delimiters and quotes
shifts.csv:2 end: is not after the start; shifts do not run past midnight
shifts.csv:2 valid_until: is before valid_from
shifts.csv:2 weekday: 'lundi' is not a weekday; write monday, tuesday, … or mon, tue, …
shifts.csv:3 practitioner: 'ghost' is not the id of any that the roster holds
shifts.csv:4: the practitioner does not work at this clinic; add it to their clinics
shifts.csv:5: overlaps the shift of the same practitioner at shifts.csv:4
"""


def test_every_fault_of_a_broken_roster_is_listed_at_once(faults_of):
    assert faults_of(BROKEN) == EVERY_FAULT.strip().splitlines()


def test_faults_name_no_patient(faults_of):
    listed = "\n".join(faults_of(BROKEN))
    for private in ("Zenobia", "Quillfeather", "1985", "zenobia", "Ren", "P-1", "Mars"):
        assert private not in listed


def test_a_patient_file_without_a_header_names_no_patient(faults_of, csv_files):
    csv_files["patients.csv"] = csv_files["patients.csv"].split("\n", 1)[1]
    listed = faults_of(csv_files)
    assert not any(private in line for private in ("Zenobia", "zenobia", "P-1", "p-1") for line in listed)
    assert any(line.startswith("patients.csv:1: column 2 is not one of: id, given_name") for line in listed)


def test_missing_and_foreign_files(faults_of, csv_files):
    del csv_files["shifts.csv"]
    csv_files["staff.csv"] = "id\n"
    missing, foreign = faults_of(csv_files)
    assert missing == "shifts.csv: is missing; where there is nothing to say, keep its header line"
    assert foreign.startswith("staff.csv: is not one of: clinics.csv, ")


def test_an_open_quote_is_a_fault(faults_of, csv_files):
    csv_files["rooms.csv"] += 'room-2,mill,"Room 2\n'
    assert faults_of(csv_files) == [
        "rooms.csv:3: has a quote that is not closed, or a cell that is too long; lines from here on are not read"
    ]


def test_line_numbers_count_lines_inside_quotes(faults_of, csv_files):
    csv_files["rooms.csv"] += 'room-2,mill,"Room\n2"\nroom-3,nowhere,Room 3\n'
    assert [line.split(": ")[0] for line in faults_of(csv_files)] == ["rooms.csv:3 name", "rooms.csv:5 clinic"]


def test_paths_that_cannot_be_read(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "not.zip").write_bytes(b"PK nonsense")
    paths = [tmp_path / "absent", tmp_path / "gone.csv", tmp_path / "empty", tmp_path / "not.zip"]
    with pytest.raises(RosterFaults) as caught:
        read(paths)
    assert [(fault.source, fault.message) for fault in caught.value.faults] == [
        ("absent", "holds no .csv and no .json file"),
        ("empty", "holds no .csv and no .json file"),
        ("gone.csv", "cannot be read (FileNotFoundError); check the path and the file"),
        ("not.zip", "cannot be read (BadZipFile); check the path and the file"),
        ("roster", "holds no clinic; in FHIR, a clinic is a Location with the timezone extension"),
    ]
