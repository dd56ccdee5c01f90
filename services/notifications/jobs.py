"""What the ticker runs. Safe on all replicas at once.

Expiry needs no job of its own: whatever waits is due at its expire time at the latest, and ends when it is claimed.
"""

from services.notifications.sender import Sender
from services.runtime.ticker import Ticker


def schedule(ticker: Ticker, sender: Sender, *, send_every_seconds: float) -> None:
    """Put the service's work on the ticker."""
    ticker.every(send_every_seconds, "send_due", sender.send_due)
