"""What this process logs, for every test in it: loggers keep the stream that they began with."""

import io

from services.runtime.logs import configure_logs

LOG = io.StringIO()
"""Everything that was logged since it was emptied last."""


def capture_logs() -> io.StringIO:
    """Send what is logged from now on to `LOG`, and return it."""
    configure_logs("scheduler", stream=LOG)
    return LOG
