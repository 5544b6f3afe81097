"""Stopping PostgreSQL without ending it: its connections stay, and nobody answers."""

import contextlib
import os
import pathlib
import signal
import time

from bench_parts.processes import stat


@contextlib.contextmanager
def frozen(postmaster):
    """PostgreSQL with all its processes stands still; each of them has a session of its own, so they are told one by one."""
    # The parent first, which then makes no more of them.
    stopped = [postmaster]
    os.kill(postmaster, signal.SIGSTOP)
    try:
        until_stopped(postmaster)
        for pid in children(postmaster):
            stopped.append(pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def until_stopped(pid):
    deadline = time.monotonic() + 5
    while stat(pid)[0] != "T" and time.monotonic() < deadline:
        time.sleep(0.001)


def children(pid):
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if stat(path.name)[1] == str(pid):
                found.append(int(path.name))
    return found
