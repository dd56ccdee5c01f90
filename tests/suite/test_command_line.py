"""`kat` as a user runs it: what it prints, and what it ends with."""

import asyncio
import csv
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kat.notifications.v1 import notifications_pb2
from kat.scheduler.v1 import roster_pb2
from services.cli.demo.stage import Stage
from tests.support.suite import SuiteProcess

RIVERSIDE = Path(__file__).parents[2] / "services" / "cli" / "demo_data" / "riverside"


async def kat(suite: SuiteProcess, *arguments: str, code: int = 0, stdin: str = "") -> str:
    """Run `kat` on the suite's data folder; check its exit code and return all that it printed."""
    command = [sys.executable, "-m", "services.cli", arguments[0], "--data", str(suite.data.root), *arguments[1:]]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, input=stdin, check=False, timeout=60
    )
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


async def test_call_by_reflection(suite: SuiteProcess) -> None:
    answer = json.loads(await kat(suite, "call", "kat.scheduler.v1.RosterService/ListClinics"))
    assert isinstance(answer, dict)


async def test_call_refused_says_every_fault(suite: SuiteProcess) -> None:
    arrival = {"date": {"year": 2026, "month": 2, "day": 30}}
    booking = {"course": "patients/x", "room": "7", "arrival": arrival}
    method = "kat.scheduler.v1.SessionService/BookSession"
    said = await kat(suite, "call", method, "-", code=1, stdin=json.dumps({"booking": booking}))
    for path in ("booking.course", "booking.room", "booking.arrival.date", "booking.arrival.time"):
        assert path in said


WATCH = "kat.scheduler.v1.SessionService/WatchSessions"


async def test_a_stream_is_printed_a_line_for_each_message_until_its_deadline(suite: SuiteProcess) -> None:
    (line,) = (await kat(suite, "call", WATCH, "--seconds", "1")).splitlines()
    position = json.loads(line)["position"]
    again = await kat(suite, "call", WATCH, json.dumps({"position": position}), "--seconds", "1")
    assert json.loads(again.splitlines()[0]) == {"position": position}
    assert "position" in await kat(suite, "call", WATCH, '{"position": "x"}', code=1)


async def test_a_stream_ends_with_ctrl_c_and_without_complaint(suite: SuiteProcess) -> None:
    command = [sys.executable, "-m", "services.cli", "call", "--data", str(suite.data.root), WATCH, "--seconds", "60"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert "position" in json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    process.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(process.communicate(), 10) == (b"", b"")
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("method", "body", "code"),
    [
        ("kat.scheduler.v1.RosterService/Nothing", "{}", 2),
        ("nothing", "{}", 2),
        ("kat.scheduler.v1.RosterService/ListClinics", "{broken", 2),
        ("kat.scheduler.v1.RosterService/GetClinic", '{"name": "clinics/0198c7a2-7b1e-7c3a-9f52-3f5a0b6c1d2e"}', 1),
    ],
)
async def test_call_ends_with_a_code_that_scripts_can_trust(
    suite: SuiteProcess, method: str, body: str, code: int
) -> None:
    await kat(suite, "call", method, body, code=code)


async def test_token_is_one_that_the_services_take(suite: SuiteProcess) -> None:
    token = (await kat(suite, "token", "--role", "auditor", "--subject", "a")).strip()
    assert await kat(suite, "call", "kat.dosing_log.v1.AuditService/GetCheckpoint", "--token", token, code=0) or True
    said = await kat(suite, "call", "kat.dosing_log.v1.InventoryService/ReceiveLot", "--token", token, code=1)
    assert "ROLE_MISSING" in said


async def test_doctor_finds_a_running_suite(suite: SuiteProcess) -> None:
    found = json.loads(await kat(suite, "doctor", "--json", code=1 if suite.data.clock_offset.exists() else 0))
    assert {each["subject"] for each in found if each["well"]} >= {"scheduler", "dosing_log", "notifications"}


async def test_doctor_without_a_suite(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "services.cli", "doctor", "--data", str(tmp_path / "none"), "--json"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "never started" in done.stdout


async def test_check_config_names_every_fault_and_no_value() -> None:
    command = [sys.executable, "-m", "services.cli", "check-config", "scheduler"]
    environment = {
        "PATH": "/usr/bin",
        "KAT_SCHEDULER_LISTEN_ADDRESS": "nowhere",
        "KAT_SCHEDULER_DATABASE_URL": "s3cret",
    }
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 78
    assert "KAT_SCHEDULER_LISTEN_ADDRESS" in done.stderr
    assert "KAT_SCHEDULER_TLS_CERTIFICATE" in done.stderr
    assert "s3cret" not in done.stderr + done.stdout


async def test_import_dry_run_writes_nothing_and_the_import_is_repeatable(suite: SuiteProcess, stage: Stage) -> None:
    before = await _patients(stage)
    said = await kat(suite, "import", str(RIVERSIDE), "--dry-run", "--json")
    assert json.loads(said)["dry_run"] is True
    assert await _patients(stage) == before
    await kat(suite, "import", str(RIVERSIDE))
    once = await _patients(stage)
    await kat(suite, "import", str(RIVERSIDE))
    assert await _patients(stage) == once
    assert len(once) >= 6


async def test_import_with_wrong_rows_says_all_and_writes_nothing(
    suite: SuiteProcess, stage: Stage, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(RIVERSIDE, broken)
    with (broken / "patients.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0]["birth_date"] = "1985-02-30"
    rows[1]["time_zone"] = "Mars/Olympus"
    with (broken / "patients.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    before = await _patients(stage)
    said = await kat(suite, "import", str(broken), code=1)
    assert "patients.csv:2" in said
    assert "patients.csv:3" in said
    assert "nothing was written" in said
    assert await _patients(stage) == before


async def _patients(stage: Stage) -> list[str]:
    desk = stage.person("desk", "Desk", "clinic_system")
    found = await stage.call(stage.roster.ListPatients, roster_pb2.ListPatientsRequest(page_size=1000), desk)
    return [patient.name for patient in found.patients]


async def test_what_one_service_refuses_the_other_does_not_write(suite: SuiteProcess, stage: Stage) -> None:
    """A roster that the scheduler would take and notifications refuse leaves nothing at either."""
    desk = stage.person("desk", "Desk", "clinic_system")
    request = notifications_pb2.ImportRecipientsRequest(
        recipients=[
            notifications_pb2.Recipient(name="recipients/x", display_name="", language_code="xx", time_zone="Nowhere")
        ]
    )
    with pytest.raises(Exception, match="recipients") as refusal:
        await stage.call(stage.recipients.ImportRecipients, request, desk)
    for path in ("recipients[0].name", "recipients[0].display_name", "recipients[0].language_code"):
        assert path in str(refusal.value)
