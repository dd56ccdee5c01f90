"""Tables as SQLModel classes. Exclusions, checks and triggers, which hold the promises, stand in the migrations."""

from services.scheduler.storage.tables.base import METADATA as METADATA
from services.scheduler.storage.tables.base import RUNTIME_TABLES as RUNTIME_TABLES
from services.scheduler.storage.tables.base import Table as Table
from services.scheduler.storage.tables.base import table_of as table_of
from services.scheduler.storage.tables.changes import SessionChange as SessionChange
from services.scheduler.storage.tables.courses import Course as Course
from services.scheduler.storage.tables.courses import Protocol as Protocol
from services.scheduler.storage.tables.roster import Clinic as Clinic
from services.scheduler.storage.tables.roster import OpeningHours as OpeningHours
from services.scheduler.storage.tables.roster import Patient as Patient
from services.scheduler.storage.tables.roster import Practitioner as Practitioner
from services.scheduler.storage.tables.roster import Room as Room
from services.scheduler.storage.tables.roster import Shift as Shift
from services.scheduler.storage.tables.sessions import Dose as Dose
from services.scheduler.storage.tables.sessions import Session as Session
from services.scheduler.storage.tables.sessions import Supervision as Supervision
