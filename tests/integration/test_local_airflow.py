from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from ocr_ops.errors import TerminalError
from ocr_ops.local import services
from ocr_ops.local.airflow_home import AirflowHome
from ocr_ops.local.airflow_pools import ensure_pools
from ocr_ops.local.postgres import LocalPostgres
from ocr_ops.pools import POOLS as OURS

pytestmark = [pytest.mark.postgres, pytest.mark.airflow]

POOLS = {"one": (1, "First"), "two": (2, "Second")}


@pytest.fixture
def home(tmp_path: Path, database_url: str) -> Iterator[AirflowHome]:
    for folder in ("dags", "plugins"):
        (tmp_path / folder).mkdir()
    home = AirflowHome(
        tmp_path / "airflow", tmp_path / "dags", tmp_path / "plugins", database_url, parallelism=2
    )
    yield home
    services.down(home)


@pytest.fixture(scope="module")
def template(postgres_server: LocalPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a database with migrated metadata, to be copied: `airflow db migrate` takes seconds."""
    folder, name = tmp_path_factory.mktemp("template"), "airflow_template"
    postgres_server.ensure_database(name)
    AirflowHome(folder, folder, folder, postgres_server.url(name)).ensure_migrated()
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
def migrated(home: AirflowHome, template: str, postgres_server: LocalPostgres) -> AirflowHome:
    """A home whose metadata is migrated, and which knows it."""
    name = make_url(home.database_url).database or ""
    postgres_server.drop_database(name)
    postgres_server.ensure_database(name, template=template)
    home.folder.mkdir(mode=0o700)
    stamp = [metadata.version("apache-airflow"), *home._database()]
    (home.folder / "migrated.json").write_text(json.dumps(stamp))
    return home


def asked(home: AirflowHome, question: str) -> list[tuple[object, ...]]:
    address = make_url(home.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        return connection.execute(question).fetchall()


def run_nothing(home: AirflowHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, calling Airflow is a failure."""

    def refuse(*arguments: object, **options: object) -> str:
        raise AssertionError(f"airflow {arguments} was run")

    monkeypatch.setattr(AirflowHome, "run", refuse)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_migrated_metadata_and_pools_are_not_made_twice(home: AirflowHome, monkeypatch: pytest.MonkeyPatch):
    home.ensure_migrated()
    home.ensure_pools(POOLS)
    run_nothing(home, monkeypatch)

    home.ensure_migrated()
    home.ensure_pools(POOLS)

    assert asked(
        home, "select pool, slots, description from slot_pool where pool <> 'default_pool' order by 1"
    ) == [
        ("one", 1, "First"),
        ("two", 2, "Second"),
    ]


def test_emptied_database_is_noticed(migrated: AirflowHome):
    home = migrated
    stamp = json.loads((home.folder / "migrated.json").read_text())
    (home.folder / "migrated.json").write_text(json.dumps([stamp[0], "another/1", stamp[2]]))

    home.ensure_migrated()

    assert json.loads((home.folder / "migrated.json").read_text()) == stamp


def test_an_airflow_of_ones_own_gets_the_pools_that_its_sources_ask_for_and_keeps_the_slots_it_has(
    migrated: AirflowHome, tmp_path: Path
):
    home = migrated
    file = tmp_path / "sources.yaml"
    file.write_text("version: 1\nsources:\n- {name: acme, folder: in, readers: 3}\n")
    env = home.env() | {"OCR_OPS_SOURCES": str(file)}

    assert set(ensure_pools(env)) == {*OURS, "ocr_ops_ocr_acme"}
    assert asked(home, "select slots from slot_pool where pool = 'ocr_ops_ocr_acme'") == [(3,)]
    file.write_text("version: 1\nsources:\n- {name: acme, folder: in, readers: 5}\n")
    assert ensure_pools(env) == {}
    assert asked(home, "select slots from slot_pool where pool = 'ocr_ops_ocr_acme'") == [(3,)]


def test_lost_pool_is_made_again_and_a_changed_one_is_left(migrated: AirflowHome):
    home = migrated
    home.ensure_pools(POOLS)
    address = make_url(home.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        connection.execute("update slot_pool set slots = 9 where pool = 'one'")
    home.ensure_pools(POOLS)
    kept = asked(home, "select slots from slot_pool where pool = 'one'")
    with psycopg.connect(address) as connection:
        connection.execute("delete from slot_pool where pool = 'two'")
    home.ensure_pools(POOLS)

    assert kept == [(9,)]
    assert asked(home, "select slots from slot_pool where pool = 'two'") == [(2,)]


def test_taken_port_is_refused_when_named_and_passed_over_when_not(home: AirflowHome):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = int(other.getsockname()[1])
        with pytest.raises(TerminalError, match=f"port {port} is taken"):
            services.up(home, port)

    assert services.down(home) == ()


def test_service_that_dies_is_named_with_the_end_of_its_log(home: AirflowHome):
    with pytest.raises(TerminalError, match=r"Airflow's [a-z-]+ ended(?s:.*)logs/[a-z-]+\.log"):
        services.up(home, free_port())

    assert [status.pid for status in services.status(home)] == [None] * 4
