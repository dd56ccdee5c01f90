"""Become the unprivileged user, ask to end with the parent, and turn into the given program.

Run by path in a fresh interpreter: launch.py PARENT_PID UID GID PROGRAM [ARGUMENT...]. A process of its own rather than
code between fork and exec, which is unsafe in a program with threads. UID -1 keeps the user.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Do it; returns only by SystemExit, when the parent ended before it could be watched."""
    parent, uid, gid = (int(argument) for argument in sys.argv[1:4])
    program = sys.argv[4:]
    # Loaded before the change of user, who may not be able to read it.
    libc = ctypes.CDLL(None, use_errno=True)
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid, which clears it. SIGINT is PostgreSQL's fast shutdown.
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        raise SystemExit(1)
    os.umask(0o077)
    os.execv(program[0], program)  # noqa: S606 - replaces this process; no shell is wanted


if __name__ == "__main__":
    main()
