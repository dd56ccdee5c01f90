"""What a corrected date of birth changes elsewhere."""

from collections.abc import Iterable, Mapping
from datetime import date
from uuid import UUID

from services.scheduler.domain.roster import Patient
from services.scheduler.ports.unit import UnitOfWork


async def tell_corrected(before: Mapping[UUID, date], patients: Iterable[Patient], unit: UnitOfWork) -> None:
    """Tell of every course under way whose patient has another date of birth now than before.

    A correction is a fact: it is never refused. Of a draft the others hear when it is activated. Where a patient turns
    out to be too young for a protocol, booked sessions stay: they are stranded, and nobody is checked in for them.
    Of patients who are not in `before` it is not known what was known.
    """
    corrected = [one.patient_id for one in patients if before.get(one.patient_id) != one.birth_date]
    for course in await unit.courses.running(corrected) if corrected else ():
        await unit.events.course_activated(course)
