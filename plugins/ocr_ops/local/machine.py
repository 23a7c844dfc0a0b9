"""Where things live on this one machine, and the settings that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ocr_ops.local.airflow_home import AirflowHome
from ocr_ops.local.postgres import LocalPostgres
from ocr_ops.settings import Settings

PROJECT = Path(__file__).resolve().parents[3]
"""The checkout that this code runs from."""

WAREHOUSE, METADATA = "ocr_ops", "airflow"
"""The two databases in the embedded server."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A checkout and the folder that holds everything a run writes; deleting that folder starts afresh."""

    var: Path
    project: Path = PROJECT

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Machine:
        """This checkout, with `var/` inside it unless `OCR_OPS_VAR` names another folder."""
        return cls(Path(env.get("OCR_OPS_VAR") or PROJECT / "var").absolute())

    @property
    def landing(self) -> Path:
        """The folder that the scheduled DAG watches."""
        return self.var / "landing"

    @property
    def postgres(self) -> LocalPostgres:
        """The embedded server; not started by asking for it."""
        return LocalPostgres(self.var / "postgres")

    @property
    def airflow(self) -> AirflowHome:
        """Airflow's home with its metadata in the embedded server."""
        return AirflowHome(
            self.var / "airflow",
            dags=self.project / "dags",
            plugins=self.project / "plugins",
            database_url=self.postgres.url(METADATA),
        )

    def settings(self, env: Mapping[str, str], *, database: bool = False) -> Settings:
        """Settings from the environment, with this machine's places where it names none.

        With `database`, an unset `OCR_OPS_DATABASE_URL` means the embedded server, which is started if it is down. SettingsError,
        and nothing is started, when a setting is wrong.
        """
        return Settings.from_env(self.environment(env, database=database))

    def environment(self, env: Mapping[str, str], *, database: bool = False) -> dict[str, str]:
        """The `OCR_OPS_*` variables that `settings` reads, for another process; SettingsError as there before a server is started."""
        here = {
            "OCR_OPS_AUDIT_URI": f"file://{self.var / 'audit'}",
            "OCR_OPS_LANDING_FOLDER": str(self.landing),
        }
        given = {name: value for name, value in env.items() if name.startswith("OCR_OPS_") and value}
        if database and not env.get("OCR_OPS_DATABASE_URL"):
            Settings.from_env(here | given)  # says what is wrong before anything is started
            here["OCR_OPS_DATABASE_URL"] = self.warehouse_url()
        return here | given

    def warehouse_url(self) -> str:
        """SQLAlchemy URL of the warehouse in the embedded server, which is started if it is down."""
        server = self.postgres
        server.ensure_running()
        server.ensure_database(WAREHOUSE)
        return server.url(WAREHOUSE)
