"""Airflow's home on this machine: its environment, secrets, metadata and pools, without importing Airflow.

In: a folder, where DAGs and plugins lie, the metadata's URL. Out: an environment in which any `airflow` command of this
Python environment works, with nothing read from `~/airflow` or from the caller's own Airflow settings. Generated secrets
are kept in `secrets.json`, mode 0600, and are given to processes by environment only.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psycopg
from sqlalchemy import make_url

from ocr_ops.errors import SettingsError, TerminalError, WarehouseUnavailable
from ocr_ops.local import processes

HOST, DEFAULT_PORT = "127.0.0.1", 8080
ADMIN = "admin"
COMMAND_S = 300.0
"""Longest that one `airflow` command may take."""

_KEPT = ("AIRFLOW_CONN_", "AIRFLOW_VAR_")
_IDENTITY = """
select (select system_identifier from pg_control_system())::text || '/' || (select oid from pg_database
       where datname = current_database()), to_regclass('alembic_version') is not null
"""


@dataclass(frozen=True, slots=True)
class AirflowHome:
    """One Airflow: a folder for what it writes, DAGs and plugins to read, a Postgres database for its metadata."""

    folder: Path
    dags: Path
    plugins: Path
    database_url: str
    parallelism: int = 8

    def env(self, *, level: str = "WARNING") -> dict[str, str]:
        """The whole environment for an Airflow process, `level` being the least that is logged.

        Ours replaces every `AIRFLOW_*` variable of the caller but connections and variables. Makes the secrets.
        """
        mine = {name: value for name, value in os.environ.items() if _is_kept(name)}
        options = self._options(level)
        return mine | {
            "AIRFLOW_HOME": str(self.folder),
            # A first start compiles 10,000 modules: let it keep them, or every later start does so again.
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONWARNINGS": "ignore",
            **{f"AIRFLOW__{name.upper()}": value for name, value in options.items()},
        }

    def ensure_migrated(self) -> None:
        """Bring the metadata database up to date; quick when this version has done so before in this very database.

        Raises WarehouseUnavailable when the database does not answer, TerminalError when the migration fails.
        """
        found, at_revision = self._database()
        if at_revision and self._stamp("migrated") == [
            metadata.version("apache-airflow"),
            found,
            at_revision,
        ]:
            return
        self.run("db", "migrate")
        found, at_revision = self._database()
        self._write_stamp("migrated", [metadata.version("apache-airflow"), found, at_revision])

    def ensure_pools(self, pools: Mapping[str, tuple[int, str]]) -> None:
        """Make pools (name: slots, purpose) that are missing, and set them again when `pools` itself has changed.

        Slots that somebody changed in the UI stay as they are.
        """
        wanted = {
            name: {"slots": slots, "description": text, "include_deferred": False}
            for name, (slots, text) in pools.items()
        }
        stamp = [self._database()[0], wanted]
        if self._stamp("pools") == stamp and not self._missing_pools(wanted):
            return
        file = self.folder / "pools-import.json"
        processes.write_private(file, json.dumps(wanted))
        self.run("pools", "import", str(file))
        file.unlink()
        self._write_stamp("pools", stamp)

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run an `airflow` command to its end and return what it printed; TerminalError when it fails or takes too long."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            ran = processes.capture(
                (self.command, *arguments),
                env=self.env() | dict(env or {}),
                timeout_s=COMMAND_S,
                cwd=self.folder,
            )
        except subprocess.TimeoutExpired:
            raise TerminalError(
                f"`airflow {' '.join(arguments[:2])}` took longer than {COMMAND_S:.0f} s"
            ) from None
        if ran.returncode:
            last = "\n".join(ran.stdout.strip().splitlines()[-15:])
            raise TerminalError(
                f"`airflow {' '.join(arguments[:2])}` failed (exit {ran.returncode}):\n{last}"
            )
        return ran.stdout

    @property
    def command(self) -> str:
        """The `airflow` beside the Python that runs this; SettingsError when there is none."""
        path = Path(sys.executable).with_name("airflow")
        if not path.is_file():
            raise SettingsError(f"there is no {path}: run `make setup`")
        return str(path)

    @property
    def api_port(self) -> int:
        """The port of the UI and API that was last used here, or Airflow's usual one."""
        known = self._stamp("api_port")
        return known if isinstance(known, int) else DEFAULT_PORT

    def remember_api_port(self, port: int) -> None:
        """Use this port from now on."""
        self._write_stamp("api_port", port)

    @property
    def url(self) -> str:
        """Where the UI and API are once the services are up."""
        return f"http://localhost:{self.api_port}"

    @property
    def login(self) -> tuple[str, str]:
        """User and generated password for the UI."""
        return ADMIN, self._secrets()["admin_password"]

    def _options(self, level: str) -> dict[str, str]:
        """Airflow's options as `section__option`."""
        own = self._secrets()
        return {
            "core__dags_folder": str(self.dags),
            "core__plugins_folder": str(self.plugins),
            "core__load_examples": "False",
            "core__dags_are_paused_at_creation": "False",
            "core__executor": "LocalExecutor",
            "core__parallelism": str(self.parallelism),
            "core__execution_api_server_url": f"http://{HOST}:{self.api_port}/execution/",
            "core__hostname_callable": "socket.gethostname",  # the default one asks a name server
            "core__fernet_key": own["fernet_key"],
            "core__simple_auth_manager_users": f"{ADMIN}:admin",
            "core__simple_auth_manager_passwords_file": str(self._passwords_file(own)),
            "database__sql_alchemy_conn": self.database_url,
            "api__host": HOST,
            "api__port": str(self.api_port),
            "api__base_url": self.url,
            "api__workers": "1",
            "api__secret_key": own["api_secret_key"],
            "api_auth__jwt_secret": own["jwt_secret"],
            "logging__base_log_folder": str(self.folder / "logs"),
            "logging__dag_processor_child_process_log_directory": str(self.folder / "logs" / "dag_processor"),
            "logging__logging_level": level,
            "logging__uvicorn_logging_level": "WARNING",
            "logging__colored_console_log": "False",
        }

    def _secrets(self) -> dict[str, str]:
        file = self.folder / "secrets.json"
        with suppress(FileNotFoundError):
            return dict(json.loads(file.read_text()))
        processes.write_private(file, json.dumps({
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "api_secret_key": secrets.token_urlsafe(48),
            "jwt_secret": secrets.token_urlsafe(64),
            "admin_password": secrets.token_urlsafe(12),
        }, indent=1), once=True)  # fmt: skip
        return self._secrets()

    def _passwords_file(self, own: Mapping[str, str]) -> Path:
        """Airflow makes this file readable for everyone when it is missing; so it never is."""
        file = self.folder / "passwords.json"
        if not file.is_file():
            processes.write_private(file, json.dumps({ADMIN: own["admin_password"]}) + "\n")
        return file

    def _database(self) -> tuple[str, str]:
        """Which database this is, among all there ever were at this address, and the revision it is at ('' for none)."""
        with self._connection() as connection:
            row = connection.execute(_IDENTITY).fetchone()
            if row is None or not row[1]:
                return (row[0] if row else ""), ""
            versions = connection.execute("select version_num from alembic_version order by 1").fetchall()
        return row[0], ",".join(version for (version,) in versions)

    def _missing_pools(self, wanted: Mapping[str, object]) -> bool:
        with self._connection() as connection:
            rows = connection.execute(
                "select pool from slot_pool where pool = any(%s)", [list(wanted)]
            ).fetchall()
        return len(rows) < len(wanted)

    def _connection(self) -> psycopg.Connection:
        address = (
            make_url(self.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        )
        try:
            return psycopg.connect(address, connect_timeout=10, autocommit=True)
        except psycopg.OperationalError as problem:
            words = str(problem).strip().splitlines()[0]
            raise WarehouseUnavailable(f"Airflow's metadata database does not answer: {words}") from None

    def _stamp(self, name: str) -> object:
        try:
            return json.loads((self.folder / f"{name}.json").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def _write_stamp(self, name: str, value: object) -> None:
        processes.write_private(self.folder / f"{name}.json", json.dumps(value) + "\n")


def _is_kept(name: str) -> bool:
    return not name.startswith("AIRFLOW_") or name.startswith(_KEPT)
