"""What a clinic group decides for itself: how long things may wait. Project defaults, from the settings."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulingPolicy:
    """How long things may wait.

    Attributes:
        hold: how long a held slot is kept.
        offer: how long an offer to a patient who waits stays open, at most.
        no_show_grace: how long after the start a patient who did not come counts as a no-show.
    """

    hold: timedelta = timedelta(minutes=10)
    offer: timedelta = timedelta(hours=4)
    no_show_grace: timedelta = timedelta(minutes=60)
