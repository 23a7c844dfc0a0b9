"""Start a process that outlives us, recognise it later, and end it with everything it started.

In: a command and a log file. Out: `Process`, a pid together with its start, so that a pid which the system has given
to another program is never taken for ours. Nothing here knows what the command does, and no process is found by name.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

POLL_S = 0.05
_PROC = Path("/proc")

# A short-lived parent of its own, so that the process is nobody's child: it leaves no zombie and no handle with us.
_DETACH = """
import os, signal, sys
files = [(os.POSIX_SPAWN_DUP2, 2, 1), (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
print(os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=files, setsid=True, setsigdef=[signal.SIGPIPE]))
"""


@dataclass(frozen=True, slots=True)
class Process:
    """A process by pid and start: the pair is never given twice."""

    pid: int
    started: str

    @property
    def is_alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return started(self.pid) == self.started


def spawn(command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path | None = None) -> Process:
    """Start a command as leader of its own session, its output appended to `log`; OSError when it cannot be run."""
    with open_private(log) as stream:
        helper = subprocess.run(
            [sys.executable, "-ISc", _DETACH, *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stream, env=dict(env), cwd=cwd,
            umask=0o077, text=True, check=False,
        )  # fmt: skip
    if helper.returncode:
        raise OSError(f"{command[0]} could not be started; the last lines of {log} say why:\n{tail(log, 5)}")
    pid = int(helper.stdout)
    return Process(pid, started(pid) or "ended at once")


def capture(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
    cwd: Path = Path("/"),
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, files private, errors among its output; OSError or TimeoutExpired when that fails."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        check=False, env=None if env is None else dict(env), timeout=timeout_s, cwd=cwd, umask=0o077,
    )  # fmt: skip


def started(pid: int) -> str | None:
    """When a process started, as a word no later process with this pid shares; None when there is no such process."""
    if _PROC.is_dir():
        fields = _stat(pid)
        return None if fields is None or fields[0] in "ZX" else f"{_boot()}+{fields[19]}"
    shown = _ps(pid, "stat=,lstart=")
    return None if not shown or shown.startswith("Z") else " ".join(shown.split()[1:])


def exists(pid: int) -> bool:
    """Whether the system still lists a process with this number, be it a zombie or somebody else's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def command_line(pid: int) -> tuple[str, ...]:
    """The arguments a process was started with; empty when it is gone or hidden."""
    try:
        if _PROC.is_dir():
            return tuple((_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0"))
    except OSError:
        return ()
    return tuple(_ps(pid, "command=").split())


def working_folder(pid: int) -> Path | None:
    """The folder a process works in; None when that cannot be told."""
    try:
        return (_PROC / str(pid) / "cwd").readlink()
    except OSError:
        return None


def wait_gone(process: Process, seconds: float) -> bool:
    """Wait until a process has ended; False when it still runs after `seconds`."""
    end = time.monotonic() + seconds
    while process.is_alive:
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True


def session_members(leader: Process, home: Path) -> tuple[int, ...]:
    """Pids of everything alive in the session that `leader` opened.

    When the leader itself is gone, only processes that work in `home` count, in case its number was given away.
    """
    if not _PROC.is_dir():
        return (leader.pid,) if leader.is_alive else ()
    known = leader.is_alive
    pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return tuple(
        pid
        for pid in pids
        if _session(pid) == leader.pid and (known or working_folder(pid) == home.resolve())
    )


def ask_to_end(leader: Process) -> None:
    """Send TERM to a session's leader, unless it has ended."""
    if leader.is_alive:
        _signal((leader.pid,), signal.SIGTERM)


def finish_session(leader: Process, home: Path, *, patience_s: float) -> None:
    """Wait for a leader that was asked to end, then TERM what it left behind, then KILL what is left after that."""
    wait_gone(leader, patience_s)
    for number, patience in ((signal.SIGTERM, patience_s / 4), (signal.SIGKILL, patience_s)):
        _signal(session_members(leader, home), number)
        if _wait_empty(leader, home, patience):
            return


def open_private(path: Path) -> BinaryIO:
    """Open a file for appending that only its owner may read, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.fdopen(_owned(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab")


def write_private(path: Path, text: str, *, once: bool = False) -> None:
    """Write a file that only its owner may read, whole or not at all; with `once`, whoever comes first wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    with os.fdopen(_owned(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w", encoding="utf-8") as stream:
        stream.write(text)
    if not once:
        part.replace(path)
        return
    with suppress(FileExistsError):
        path.hardlink_to(part)
    part.unlink()


def tail(log: Path, lines: int) -> str:
    """The last lines of a log, at most 4 kB; empty when there is none."""
    with suppress(OSError), log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4096))
        return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])
    return ""


def bound_log(log: Path, max_bytes: int = 5_000_000) -> None:
    """Move a log that has grown too large to `<name>.1`; safe while a process appends to it."""
    with suppress(OSError):
        if log.stat().st_size > max_bytes:
            write_private(
                log.with_name(f"{log.name}.1"), log.read_bytes()[-max_bytes:].decode(errors="replace")
            )
            os.truncate(log, 0)


def _owned(path: Path, flags: int) -> int:
    """Open a file as its folder's owner would own it: root working in a person's folder must not lock them out."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    folder = path.parent.stat()
    if os.geteuid() == 0 and folder.st_uid != 0:
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor


def _signal(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _wait_empty(leader: Process, home: Path, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while session_members(leader, home):
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat after the name: state, ppid, pgrp, session, ..., start in ticks since boot at [19]."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _session(pid: int) -> int | None:
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[3])


def _boot() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()[:8]


def _ps(pid: int, columns: str) -> str:
    return capture(("ps", "-o", columns, "-p", str(pid))).stdout.strip()
