"""A lowered ratio holds in every lane, and a period of supervision may always be cut short."""

from services.runtime.migration_steps import execute

revision = "0009"
down_revision = "0008"

# Lanes within the ratio keep it by themselves. Where a session stands in a lane beyond a ratio that was lowered since,
# sessions are counted, one writer after the other. Whoever is absent, or over their ratio, may hand over what is left.
_QUALIFIED = """
create or replace function require_qualified_supervisor() returns trigger language plpgsql as $$
declare
    whom practitioner;
    supervised session;
begin
    if tg_op = 'UPDATE' and (new.practitioner_id, new.lane) = (old.practitioner_id, old.lane)
            and new.start_time >= old.start_time and new.end_time <= old.end_time then
        return null;
    end if;
    select * into whom from practitioner p
        where p.organization_id = new.organization_id and p.practitioner_id = new.practitioner_id for share;
    if new.lane > whom.supervision_ratio then
        raise exception 'over the ratio' using errcode = 'check_violation', constraint = 'supervision_ratio';
    end if;
    if tg_op = 'UPDATE' and (new.practitioner_id, new.start_time, new.end_time)
            = (old.practitioner_id, old.start_time, old.end_time) then
        return null;
    end if;
    if exists (
        select from supervision v
        where v.organization_id = new.organization_id and v.practitioner_id = new.practitioner_id and v.live
          and v.lane > whom.supervision_ratio
          and v.start_time < new.end_time and v.end_time > new.start_time) then
        perform from practitioner p
            where p.organization_id = new.organization_id and p.practitioner_id = new.practitioner_id for no key update;
        if exists (
            select from supervision m
            where m.organization_id = new.organization_id and m.practitioner_id = new.practitioner_id and m.live
              and m.start_time < new.end_time and m.end_time > new.start_time
              and whom.supervision_ratio < (
                  select count(*) from supervision v
                  where v.organization_id = new.organization_id and v.practitioner_id = new.practitioner_id and v.live
                    and v.start_time <= greatest(m.start_time, new.start_time)
                    and v.end_time > greatest(m.start_time, new.start_time))) then
            raise exception 'over the ratio' using errcode = 'check_violation', constraint = 'supervision_ratio';
        end if;
    end if;
    select * into supervised from session s
        where s.organization_id = new.organization_id and s.session_id = new.session_id;
    if whom.credential_expire_date < supervised.local_date
        or not exists (select from protocol p where p.organization_id = new.organization_id
                       and p.protocol_id = supervised.protocol_id and p.code = any (whom.protocol_codes))
        or not on_shift(new.organization_id, new.practitioner_id, supervised.clinic_id, supervised.local_date)
               @> tstzrange(new.start_time, new.end_time) then
        raise exception 'not qualified' using errcode = 'check_violation', constraint = 'supervision_qualified';
    end if;
    return null;
end $$;
"""


def upgrade() -> None:
    """Hold supervisors to a lowered ratio, and let what they cannot do any more be handed over."""
    execute(_QUALIFIED)
