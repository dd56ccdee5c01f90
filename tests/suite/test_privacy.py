"""After a whole day, no log of any process holds a name, a contact, a birth date, a dose or a note of a patient."""

import re

from services.cli.demo.account import Account
from services.cli.roster import read
from tests.suite.test_command_line import RIVERSIDE
from tests.support.suite import SuiteProcess

# A time of day and a duration may be any number, a dose's too.
TIMES = re.compile(r'\d\d:\d\d:\d\d\.\d+|"(milli)?seconds":[\d.]+')


def test_logs_hold_nothing_personal(suite: SuiteProcess, day: Account) -> None:
    assert day.names  # the day is over
    logs = suite.logs() + (suite.data.root / "postgres.log").read_text(encoding="utf-8")
    assert '"event":"rpc"' in logs
    logs = TIMES.sub("", logs)
    planted = {"ketamine", "37.5", "charcoal", "Pump", "pump's log", "sibling", "consent-form-17"}
    for patient in read([RIVERSIDE]).patients:
        planted |= {patient.given_name, patient.family_name, patient.birth_date.isoformat()}
        planted |= {point.value for point in (patient.email, patient.phone) if point is not None}
    assert not [word for word in sorted(planted) if word in logs]
