"""Free time at the speed of a question: what is busy is read from an index alone, in the order of its time."""

from services.runtime.migration_steps import execute

revision = "0008"
down_revision = "0007"

_INDEXES = """
create index session_in_room on session (organization_id, room_id, start_time)
    include (release_time, state, hold_expire_time) where live;
create index session_by_course on session (organization_id, course_id, start_time, session_id);
create index supervision_in_lane on supervision (organization_id, practitioner_id, lane, start_time)
    include (end_time, session_id) where live;
"""

# Slots start on quarters of an hour, on every clinic's clock as in UTC.
_QUARTERS = """
create function first_quarter(of_range tstzrange) returns timestamptz
    language sql stable parallel safe
    return case when lower_inc(of_range) and lower(of_range) = date_bin('15 minutes', lower(of_range), 'epoch')
                then lower(of_range) else date_bin('15 minutes', lower(of_range), 'epoch') + interval '15 minutes' end;

-- Those of the ranges that hold a quarter.
create function with_quarter(ranges tstzmultirange) returns tstzmultirange
    language sql stable parallel safe
    return (select coalesce(range_agg(one), '{}') from unnest(ranges) as one where first_quarter(one) <@ one);
"""


def upgrade() -> None:
    """Add the indexes and functions that free time is computed with."""
    execute(_INDEXES)
    execute(_QUARTERS)
