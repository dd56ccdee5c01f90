"""Tables as SQLModel classes. Exclusions, checks and triggers, which hold the promises, stand in the migrations."""

from services.scheduler.storage.tables.availability import Closure as Closure
from services.scheduler.storage.tables.availability import ShiftException as ShiftException
from services.scheduler.storage.tables.base import METADATA as METADATA
from services.scheduler.storage.tables.base import RUNTIME_TABLES as RUNTIME_TABLES
from services.scheduler.storage.tables.base import Table as Table
from services.scheduler.storage.tables.base import table_of as table_of
from services.scheduler.storage.tables.calendar_feeds import CalendarFeed as CalendarFeed
from services.scheduler.storage.tables.changes import SessionChange as SessionChange
from services.scheduler.storage.tables.courses import Assessment as Assessment
from services.scheduler.storage.tables.courses import Course as Course
from services.scheduler.storage.tables.courses import CourseChange as CourseChange
from services.scheduler.storage.tables.courses import CourseReview as CourseReview
from services.scheduler.storage.tables.courses import Organization as Organization
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
from services.scheduler.storage.tables.waitlist import Vacancy as Vacancy
from services.scheduler.storage.tables.waitlist import WaitlistEntry as WaitlistEntry
from services.scheduler.storage.tables.waitlist import WaitlistRefusal as WaitlistRefusal
