"""What is started, and that it ends: every process and every process of a process."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

STOP_SECONDS = 15
POLL_SECONDS = 0.1


class Failure(Exception):
    """Something that did not go as it must; its text is for whoever runs this."""


def start(command, log, env, user=None):
    """In a session of its own: Ctrl-C reaches the test alone, which then stops what it started."""
    with open(log, "ab") as out:
        return subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, user=user,
                                group=user, extra_groups=[] if user else None, cwd="/", start_new_session=True)


def parents():
    """Each process and its parent."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            found[int(path.parent.name)] = int(path.read_text().rsplit(") ", 1)[1].split()[1])
    return found


def descendants(pid):
    """All processes below one."""
    known, below = parents(), [pid]
    for parent in below:
        below.extend(child for child, of in known.items() if of == parent and child not in below)
    return below[1:]


def titles(pids):
    """Each process and what it calls itself."""
    found = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            found[pid] = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def send(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def inside(folder):
    """Processes that work in a folder or below. PostgreSQL leaves the program that starts it, but never its data."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if path.readlink().is_relative_to(folder):
                found.append(int(path.parent.name))
    return found


def end_all(folder):
    """Ends everything below this process or inside the folder, first politely."""
    begun = time.monotonic()
    while below := {*descendants(os.getpid()), *inside(folder)}:
        waited = time.monotonic() - begun
        if waited > STOP_SECONDS:
            raise Failure(f"these did not end: {titles(below)}")
        # A stopped process takes note of nothing else.
        send(below, signal.SIGCONT)
        send(below, signal.SIGKILL if waited > STOP_SECONDS / 2 else signal.SIGTERM)
        reap()
        time.sleep(POLL_SECONDS)


def reap():
    """Takes note of ended children."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def wait_until(what, seconds, holds):
    """The first answer that holds, within some seconds. An error counts as no answer."""
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            if answer := holds():
                return answer
        except (OSError, ValueError) as error:
            last = error
        if time.monotonic() > deadline:
            raise Failure(f"not within {seconds} s: {what}" + (f" ({last!r})" if last else ""))
        time.sleep(POLL_SECONDS)


def free_ports(count):
    """That many at once, so that they differ."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def program(name):
    """Where a program is; Debian keeps some out of users' paths."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")


def postgres_folder():
    """Where the newest PostgreSQL keeps its programs."""
    folders = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0))
    complete = [folder for folder in folders if all((folder / name).exists() for name in ["initdb", "postgres", "psql", "pg_rewind"])]
    return complete[-1] if complete else None
