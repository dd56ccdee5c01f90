"""Calendar feeds."""

from services.runtime.migration_steps import execute, grant, row_level_security

revision = "0006"
down_revision = "0005"

_FEEDS = """
create table calendar_feed (
    organization_id uuid not null, calendar_feed_id uuid not null, practitioner_id uuid, room_id uuid,
    token_digest bytea not null,
    creator jsonb not null, create_time timestamptz not null, revoker jsonb, revoke_time timestamptz,
    primary key (organization_id, calendar_feed_id),
    foreign key (organization_id, practitioner_id) references practitioner,
    foreign key (organization_id, room_id) references room,
    constraint calendar_feed_token unique (token_digest),
    constraint calendar_feed_subject check (num_nonnulls(practitioner_id, room_id) = 1),
    constraint calendar_feed_digest check (octet_length(token_digest) = 32),
    constraint calendar_feed_revoked check ((revoke_time is null) = (revoker is null)));
-- A revoked address stays revoked, whoever asks.
create function refuse_unrevoking() returns trigger language plpgsql as $$
begin
    raise exception 'a revoked feed stays revoked' using errcode = 'restrict_violation';
end $$;
create trigger stays_revoked before update on calendar_feed
    for each row when (old.revoke_time is not null) execute function refuse_unrevoking();
-- A room's schedule; the exclusion constraint's index is of no use under row-level security.
create index session_by_room on session (organization_id, room_id, start_time, session_id);
"""


def upgrade() -> None:
    """Create the feeds; a worker finds one by its token, whatever organization it belongs to."""
    execute(_FEEDS)
    row_level_security("calendar_feed", workers=True)
    grant("calendar_feed", "select, insert, update (revoker, revoke_time)")
