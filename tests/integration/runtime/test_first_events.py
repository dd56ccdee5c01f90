"""An event that is told as the first of its aggregate takes one statement, and the database holds it to that."""

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from services.runtime.database import ALL_ORGANIZATIONS
from tests.integration.runtime.event_system import EventSystem
from tests.support.sample import TABLES, opened


async def test_what_is_told_as_the_first_event_of_an_aggregate_is_the_first_or_refused(sample_urls) -> None:
    async with opened(sample_urls.app_url) as producer:
        system = EventSystem(producer, producer)
        await system.happen("sessions/a", first=True)
        await system.happen("sessions/a")
        with pytest.raises(IntegrityError, match="outbox_aggregate_pkey"):
            await system.happen("sessions/a", first=True)
        assert (await system.streams())["sessions/a"].last_version == 2
        async with producer.transaction(ALL_ORGANIZATIONS) as connection:
            wanted = select(TABLES.outbox.c.aggregate_version).filter_by(organization_id=system.organization_id)
            assert sorted((await connection.execute(wanted)).scalars()) == [1, 2]
