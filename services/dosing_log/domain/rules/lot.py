"""Rules on the lot that a dose comes from."""

from collections.abc import Iterator
from datetime import timedelta

from services.dosing_log.domain.amounts import EXACT
from services.dosing_log.domain.rules.case import DoseCase
from services.dosing_log.domain.rules.dose import mg
from services.dosing_log.domain.rules.rule import Breach

_SOON = timedelta(days=30)


def lot_unfit(case: DoseCase) -> Iterator[Breach]:
    """H8: expired, of another drug, form or clinic."""
    lot = case.lot.lot
    if case.today > lot.expire_date:
        yield Breach("The lot has expired; use another", lot.expire_date.isoformat())
    if lot.substance != case.protocol.substance:
        yield Breach("The lot is of another drug than the protocol's; use another", lot.substance.value)
    if case.route not in lot.routes:
        yield Breach("The lot's form is not for this route; use another", case.route.value)
    if lot.clinic_id != case.session.clinic_id:
        yield Breach("The lot belongs to another clinic; use one of this clinic")


def lot_short(case: DoseCase) -> Iterator[Breach]:
    """H8: more than the book says is there."""
    short = EXACT.subtract(case.dose_mg, case.lot.balance_mg)
    if short > 0:
        yield Breach(f"The lot's book balance is {mg(short)} short; count it, or use another", mg(case.lot.balance_mg))


def lot_expires_soon(case: DoseCase) -> Iterator[Breach]:
    """W4: expires within 30 days."""
    expire_date = case.lot.lot.expire_date
    if case.today <= expire_date < case.today + _SOON:
        yield Breach("The lot expires within 30 days", expire_date.isoformat())
