"""Consents that are renewed on a course."""

from services.runtime.migration_steps import execute

revision = "0009"
down_revision = "0008"

# Both consents stand in the record, so that the one of the screening is not lost when the course has another.
_RENEWALS = """
alter table course_change
    drop constraint course_change_kind,
    add column consent_reference text,
    add column consent_expire_date date,
    add column previous_consent_reference text,
    add column previous_consent_expire_date date,
    add constraint course_change_kind check
        (kind in ('paused', 'resumed', 'extended', 'completed', 'protocol_moved', 'consent_renewed')),
    add constraint course_change_consent check (
        num_nonnulls(consent_reference, consent_expire_date,
                     previous_consent_reference, previous_consent_expire_date)
        = case kind when 'consent_renewed' then 4 else 0 end);
"""


def upgrade() -> None:
    """Record who renewed a consent, and both consents."""
    execute(_RENEWALS)
