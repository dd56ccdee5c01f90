"""What an auditor asks. Reading the access log, and opening an entry, are accesses themselves."""

import json
from collections.abc import Sequence
from uuid import UUID

from services.dosing_log.domain.access import Access, Purpose
from services.dosing_log.domain.evidence import Opening
from services.dosing_log.domain.records import Receipt
from services.dosing_log.errors import OpeningNotFoundError
from services.dosing_log.ports import UnitOfWork
from services.dosing_log.use_cases.reading import Reader


async def list_accesses(
    patient_id: UUID | None, *, before: UUID | None, limit: int, purpose: Purpose, unit: UnitOfWork, reader: Reader
) -> Sequence[tuple[Access, Receipt]]:
    """Return accesses, the newest first; this one is not yet among them."""
    found = await unit.access.newest(patient_id=patient_id, before=before, limit=limit)
    await reader.granted(unit, purpose, f"patients/{patient_id}" if patient_id else "accessRecords", patient_id)
    return found


async def get_opening(event_id: UUID, purpose: Purpose, unit: UnitOfWork, reader: Reader) -> Opening:
    """Return what opens an entry's commitment.

    Raises:
        OpeningNotFoundError: there is none.
    """
    opening = await unit.evidence.opening(event_id)
    if opening is None:
        raise OpeningNotFoundError(event_id)
    patient_id = json.loads(opening.record).get("patient_id")
    await reader.granted(unit, purpose, f"ledgerOpenings/{event_id}", UUID(patient_id) if patient_id else None)
    return opening
