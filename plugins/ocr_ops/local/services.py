"""Airflow's four services on this machine: start, watch, stop.

In: an `AirflowHome` whose metadata is migrated. Out: api-server, scheduler, dag-processor and triggerer, each leader of
its own session, recorded in `services.json` by pid and start. Only what is recorded there is ever stopped. (Airflow's
own `standalone` leaves three of the four behind when a script ends it.)
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ocr_ops.errors import TerminalError, TransientError
from ocr_ops.local import processes
from ocr_ops.local.airflow_home import HOST, AirflowHome
from ocr_ops.local.processes import Process

COMMANDS = {
    "api-server": ("api-server",),
    "dag-processor": ("dag-processor",),
    # Their log servers would listen on every address of the machine; on one machine the API server reads the files.
    "triggerer": ("triggerer", "--skip-serve-logs"),
    "scheduler": ("scheduler", "--skip-serve-logs"),
}
"""In the order of starting: the scheduler last, when there is an API for its tasks to report to."""

HEALTH_NAMES = {
    "metadatabase": "api-server",
    "scheduler": "scheduler",
    "dag_processor": "dag-processor",
    "triggerer": "triggerer",
}
HEALTHY_S, STOP_S = 180.0, 15.0
_PORTS_TRIED = 20

Progress = Callable[[str], None]
"""Called with a short sentence whenever something changed."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service: whether its process runs, and whether Airflow calls it healthy."""

    name: str
    pid: int | None
    healthy: bool
    log: Path


def up(
    home: AirflowHome,
    port: int | None = None,
    *,
    env: Mapping[str, str] | None = None,
    progress: Progress = lambda sentence: None,
) -> str:
    """Start what does not run yet, wait until all of it is healthy, and return the UI's URL.

    `port` None means the one used last, or the next free one; a given port must be free. `env` is added to the services'
    environment. Raises TerminalError when the port is taken or a service dies (naming its log), TransientError when they
    are not healthy in time.
    """
    home.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _lock(home):
        running = _still_running(home)
        if port not in (None, home.api_port) and running:
            raise TerminalError(f"Airflow already runs on port {home.api_port}: stop it first (make down)")
        if "api-server" not in running:
            _settle_port(home, port, fixed=bool(running))
        _start_missing(home, running, home.env(level="INFO") | dict(env or {}), progress)
    return home.url


def down(home: AirflowHome, *, progress: Progress = lambda sentence: None) -> tuple[str, ...]:
    """Stop the services that `up` started, workers and all; returns the names of those that ran. Safe to repeat."""
    if not home.folder.is_dir():
        return ()
    with _lock(home):
        stopped = _end(home, _recorded(home), progress)
        _record(home, {})
    return stopped


def status(home: AirflowHome) -> tuple[ServiceStatus, ...]:
    """How each service is."""
    recorded, healthy = _recorded(home), _healthy(home)
    alive = {name: process.pid for name, process in recorded.items() if process.is_alive}
    return tuple(
        ServiceStatus(name, alive.get(name), name in alive and name in healthy, _log(home, name))
        for name in COMMANDS
    )


def _still_running(home: AirflowHome) -> dict[str, Process]:
    """The recorded services that run; what a dead one left behind (a killed scheduler's workers) is ended."""
    running = {}
    for name, process in _recorded(home).items():
        if process.is_alive:
            running[name] = process
        else:
            processes.finish_session(process, home.folder, patience_s=STOP_S)
    return running


def _start_missing(
    home: AirflowHome, running: dict[str, Process], environment: Mapping[str, str], progress: Progress
) -> None:
    begun = dict.fromkeys(running, 0.0)
    for name in COMMANDS:
        if name in running:
            continue
        if name == "scheduler":
            _wait_healthy(home, running, {"api-server": 0.0}, progress)
        progress(f"starting {name}")
        begun[name] = time.time()
        running[name] = _start(home, name, environment)
        _record(home, running)
    _ready_for_tasks(home)
    _wait_healthy(home, running, {name: begun[name] for name in begun if name != "api-server"}, progress)


def _start(home: AirflowHome, name: str, environment: Mapping[str, str]) -> Process:
    processes.bound_log(_log(home, name))
    try:
        return processes.spawn(
            (home.command, *COMMANDS[name]), log=_log(home, name), env=environment, cwd=home.folder
        )
    except OSError as problem:
        raise TerminalError(str(problem)) from None


def _ready_for_tasks(home: AirflowHome) -> None:
    """Have the API server make what tasks report to, while the others start: it does so when it is first asked, for some seconds
    that the first task would wait."""
    with suppress(OSError), _direct.open(f"{home.url}/execution/health", timeout=HEALTHY_S):
        return


def _wait_healthy(
    home: AirflowHome, running: Mapping[str, Process], begun: Mapping[str, float], progress: Progress
) -> None:
    """Wait until every service in `begun` gave a sign of life after its time there."""
    end = time.monotonic() + HEALTHY_S
    waiting = dict(begun)
    while waiting:
        _refuse_dead(home, running)
        healthy = _healthy(home)
        for name in [name for name, time_begun in waiting.items() if healthy.get(name, -1.0) >= time_begun]:
            del waiting[name]
            progress(f"{name} is healthy")
        if waiting and time.monotonic() > end:
            log = _log(home, next(iter(waiting)))
            raise TransientError(f"not healthy after {HEALTHY_S:.0f} s: {', '.join(waiting)}; see {log}")
        time.sleep(processes.POLL_S * 2 if waiting else 0)


def _refuse_dead(home: AirflowHome, running: Mapping[str, Process]) -> None:
    dead = [name for name, process in running.items() if not process.is_alive]
    if dead:
        _end(home, running)
        _record(home, {})
        log = _log(home, dead[0])
        raise TerminalError(
            f"Airflow's {dead[0]} ended; everything is stopped again. The end of {log}:\n{processes.tail(log, 15)}"
        )


def _healthy(home: AirflowHome) -> dict[str, float]:
    """The services Airflow calls healthy, with their last heartbeat: it believes in one that has ended for a while."""
    try:
        with _direct.open(f"http://{HOST}:{home.api_port}/api/v2/monitor/health", timeout=5) as reply:
            parts = json.load(reply)
    except (OSError, ValueError):
        return {}
    return {
        name: _heartbeat(part, parts[part])
        for part, name in HEALTH_NAMES.items()
        if parts.get(part, {}).get("status") == "healthy"
    }


def _heartbeat(part: str, found: Mapping[str, str]) -> float:
    """Seconds since 1970 of the last sign of life; now, for the one that answered."""
    if part == "metadatabase":
        return time.time()
    return datetime.fromisoformat(found[f"latest_{part}_heartbeat"]).timestamp()


def _end(
    home: AirflowHome, chosen: Mapping[str, Process], progress: Progress = lambda sentence: None
) -> tuple[str, ...]:
    """End services: those that report to the API server together, then that one."""
    ran = {
        name: process for name, process in chosen.items() if processes.session_members(process, home.folder)
    }
    clients = {name: process for name, process in ran.items() if name != "api-server"}
    for group in (clients, {name: ran[name] for name in ran if name not in clients}):
        for process in group.values():
            processes.ask_to_end(process)
        for name, process in group.items():
            processes.finish_session(process, home.folder, patience_s=STOP_S)
            progress(f"{name} has stopped")
    return tuple(ran)


def _settle_port(home: AirflowHome, port: int | None, *, fixed: bool) -> None:
    """Remember the port to use; `fixed` when services run that know the old one."""
    first = port or home.api_port
    tried = [first] if port or fixed else range(first, first + _PORTS_TRIED)
    free = next((candidate for candidate in tried if _is_free(candidate)), None)
    if free is None:
        what = f"port {first} is" if len(tried) == 1 else f"ports {tried[0]} to {tried[-1]} are"
        raise TerminalError(
            f"{what} taken by another program: free it, or name another port (ocr-ops up --port N)"
        )
    home.remember_api_port(free)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _recorded(home: AirflowHome) -> dict[str, Process]:
    try:
        known = json.loads((home.folder / "services.json").read_text())
        return {
            name: Process(known[name]["pid"], known[name]["started"]) for name in COMMANDS if name in known
        }
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}


def _record(home: AirflowHome, running: Mapping[str, Process]) -> None:
    known = {name: {"pid": process.pid, "started": process.started} for name, process in running.items()}
    processes.write_private(home.folder / "services.json", json.dumps(known, indent=1) + "\n")


def _log(home: AirflowHome, name: str) -> Path:
    return home.folder / "logs" / f"{name}.log"


@contextmanager
def _lock(home: AirflowHome) -> Iterator[None]:
    descriptor = os.open(home.folder / "services.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Never through a proxy: it is this machine."""
