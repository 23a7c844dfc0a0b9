from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine, text

from ocr_ops.errors import TerminalError, WarehouseUnavailable
from ocr_ops.local import processes
from ocr_ops.local.postgres import LocalPostgres
from ocr_ops.local.postgres_place import choose_place, wheel_programs

pytestmark = pytest.mark.postgres

ROUTES = {"namespace": True, "account": False} if os.geteuid() == 0 else {"plain": True}
"""As root both ways round Postgres' refusal; as a person there is only the plain one."""


@pytest.fixture
def hidden(tmp_path: Path) -> Path:
    """A folder that nobody else may enter, like a home, with a blank in its name."""
    home = tmp_path / "my home"
    home.mkdir(mode=0o700)
    return home


@pytest.fixture
def server(hidden: Path) -> Iterator[LocalPostgres]:
    server = LocalPostgres(hidden / "var" / "postgres")
    yield server
    server.remove()


@pytest.fixture(params=ROUTES)
def each_way(request: pytest.FixtureRequest, hidden: Path, open_folder: Path) -> Iterator[LocalPostgres]:
    server = LocalPostgres(
        hidden / "var" / "postgres", namespaces=ROUTES[request.param], shared=open_folder / "shared"
    )
    yield server
    server.remove()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder every account can walk to (pytest's own are for this account alone)."""
    folder = Path("/var/tmp") / f"ocr-ops-test-{os.getpid()}"
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder)


def asked(server: LocalPostgres, question: str, database: str = "postgres") -> object:
    with psycopg.connect(server.url(database, "postgresql")) as connection:
        row = connection.execute(question).fetchone()
    return row and row[0]


def port_of(server: LocalPostgres) -> int:
    return server.port


def postmaster(server: LocalPostgres) -> int:
    return int((server.data_folder / "postmaster.pid").read_text().splitlines()[0])


def modes(folder: Path) -> list[int]:
    return [path.stat().st_mode for path in (folder, *folder.parents)]


def test_data_outlives_stop_and_start_and_no_parent_is_touched(each_way: LocalPostgres, hidden: Path):
    before = modes(hidden)
    each_way.ensure_running()
    each_way.ensure_database("kept")
    with psycopg.connect(each_way.url("kept", "postgresql")) as connection:
        connection.execute("create table one as select 'Müller' as name")
    port = each_way.port

    each_way.stop()
    each_way.ensure_running()

    assert asked(each_way, "select name from one", "kept") == "Müller"
    assert port == each_way.port
    assert before == modes(hidden)


def test_describe_names_the_place_of_the_data(each_way: LocalPostgres):
    each_way.ensure_running()

    assert str(each_way.data_folder) in each_way.describe()
    assert (each_way.data_folder / "PG_VERSION").is_file()
    assert "running" in each_way.describe()


def test_removing_leaves_nothing_behind(each_way: LocalPostgres):
    each_way.ensure_running()
    data = each_way.data_folder

    each_way.remove()

    assert not data.exists()
    assert not each_way.folder.exists()


def test_programs_out_of_the_accounts_reach_are_copied(hidden: Path, open_folder: Path):
    package = wheel_programs().parent.parent
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, hidden / folder.name, symlinks=True)
    programs = hidden / package.name / "pginstall" / "bin"
    folder = hidden / "postgres"
    folder.mkdir()

    place = choose_place(folder, programs, namespaces=False, shared=open_folder / "shared")

    assert (place.programs != programs) == (os.geteuid() == 0)
    assert (
        subprocess.run(
            place.command("initdb", "--version"), check=False, capture_output=True, cwd="/"
        ).returncode
        == 0
    )


def test_only_the_password_opens_it_and_only_from_this_machine(postgres_server: LocalPostgres):
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(
            host="127.0.0.1", port=postgres_server.port, user="ocr_ops", dbname="postgres", password="guess"
        )
    assert asked(postgres_server, "show listen_addresses") == "127.0.0.1"
    assert asked(postgres_server, "show unix_socket_directories") == ""
    assert {0o600} == {
        (postgres_server.folder / name).stat().st_mode & 0o777 for name in ("pgpass", "server.json", "lock")
    }
    assert postgres_server.password not in postgres_server.psql_command(
        "postgres"
    ) + postgres_server.describe() + repr(postgres_server)


def test_text_sorts_by_code_point_and_times_are_utc(postgres_server: LocalPostgres):
    assert asked(postgres_server, "select array_agg(w order by w) from unnest(array['a','Ä','Z']) w") == [
        "Z",
        "a",
        "Ä",
    ]
    assert asked(postgres_server, "select lower('Ä')") == "ä"
    assert asked(postgres_server, "show timezone") == "UTC"
    assert asked(postgres_server, "show max_connections") == "200"


def test_sqlalchemy_opens_the_url(database_url: str):
    engine = create_engine(database_url)
    with engine.connect() as connection:
        name = connection.execute(text("select current_database()")).scalar_one()
    engine.dispose()

    assert name == database_url.rpartition("/")[2]


def test_pasted_psql_line_works(postgres_server: LocalPostgres):
    postgres_server.ensure_database("o'clock")

    line = f"{postgres_server.psql_command(chr(39).join(['o', 'clock']))} -Atc 'select current_database()'"

    assert (
        subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True).stdout
        == "o'clock\n"
    )


def test_two_processes_at_once_make_one_server(server: LocalPostgres):
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=server.ensure_running) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()

    assert [process.exitcode for process in both] == [0, 0]
    assert server.is_running()


def test_server_outlives_the_process_that_started_it(server: LocalPostgres):
    code = "import sys; from pathlib import Path; from ocr_ops.local.postgres import LocalPostgres; "
    code += "LocalPostgres(Path(sys.argv[1])).ensure_running()"
    starter = subprocess.Popen([sys.executable, "-c", code, str(server.folder)], start_new_session=True)
    starter.wait()

    assert os.getsid(postmaster(server)) != starter.pid
    assert server.is_running()
    server.stop()
    assert not server.is_running()


def test_killed_server_recovers_what_was_committed(server: LocalPostgres):
    server.ensure_running()
    with psycopg.connect(server.url("postgres", "postgresql")) as connection:
        connection.execute("create table kept as select 1 as n")

    os.kill(postmaster(server), signal.SIGKILL)
    server.ensure_running()

    assert asked(server, "select n from kept") == 1


def test_server_waits_for_orphans_of_a_killed_one(server: LocalPostgres):
    server.ensure_running()
    busy = psycopg.connect(server.url("postgres", "postgresql"))
    orphan = busy.info.backend_pid
    busy.pgconn.send_query(b"select count(*) from generate_series(1, 3000000) a order by 1")
    time.sleep(0.1)
    os.kill(postmaster(server), signal.SIGKILL)

    server.ensure_running()

    assert processes.started(orphan) is None
    assert asked(server, "select 1") == 1
    busy.close()


def test_pid_given_to_another_program_is_not_believed(server: LocalPostgres):
    server.ensure_running()
    pid_file = server.data_folder / "postmaster.pid"
    os.kill(postmaster(server), signal.SIGKILL)
    time.sleep(0.1)
    other = subprocess.Popen(["sleep", "60"])
    pid_file.write_text("\n".join([str(other.pid), *pid_file.read_text().splitlines()[1:]]) + "\n")

    assert not server.is_running()
    server.stop()
    server.ensure_running()

    assert server.is_running()
    assert other.poll() is None
    other.kill()
    other.wait()


def test_taken_port_is_left_and_another_chosen(server: LocalPostgres):
    server.ensure_running()
    server.stop()
    port = port_of(server)
    with socket.create_server(("127.0.0.1", port)):
        server.ensure_running()

        assert port != port_of(server)
        assert asked(server, "select 1") == 1


def test_moved_folder_keeps_its_running_server(server: LocalPostgres, hidden: Path):
    server.ensure_running()
    moved = LocalPostgres(hidden / "moved")
    server.folder.rename(moved.folder)

    assert moved.is_running()
    moved.remove()


def test_setup_that_fails_says_what_to_do_and_can_be_tried_again(hidden: Path):
    folder = hidden / "postgres"
    broken = hidden / "bin"
    broken.mkdir()
    (broken / "initdb").write_text(
        "#!/bin/sh\nmkdir -p ${1#*=}\necho 'initdb: error: No space left on device'\nexit 1\n"
    )
    (broken / "postgres").write_text("#!/bin/sh\n")
    for program in broken.iterdir():
        program.chmod(0o755)

    with pytest.raises(TerminalError, match=r"disk is full \(\d+ MB free .*make room"):
        LocalPostgres(folder, programs=broken).ensure_running()
    server = LocalPostgres(folder)
    server.ensure_running()

    assert server.is_running()
    server.remove()


def test_server_that_does_not_start_is_reported_with_its_own_words(server: LocalPostgres):
    server.ensure_running()
    server.stop()
    (server.data_folder / "global" / "pg_control").write_bytes(b"torn")

    with pytest.raises(WarehouseUnavailable, match="pg_control"):
        server.ensure_running()


def test_data_of_another_major_version_is_refused(server: LocalPostgres):
    server.ensure_running()
    server.stop()
    (server.data_folder / "PG_VERSION").write_text("15\n")

    with pytest.raises(TerminalError, match="made by Postgres 15"):
        server.ensure_running()


def test_log_is_bounded_and_holds_no_statement(server: LocalPostgres):
    server.ensure_running()
    with pytest.raises(psycopg.errors.UndefinedTable):
        asked(server, "select 'secret words' from nowhere")
    with server.log.open("ab") as log:
        log.write(b"x" * 6_000_000)

    server.ensure_running()

    assert server.log.stat().st_size < 5_000_000
    older = server.log.with_name("server.log.1").read_text()
    assert len(older) == 5_000_000
    assert "secret words" not in processes.tail(server.log, 100) + older


def test_folder_that_cannot_be_made_is_named(hidden: Path):
    (hidden / "file").write_text("")

    with pytest.raises(TerminalError, match="file/postgres cannot be made"):
        LocalPostgres(hidden / "file" / "postgres").ensure_running()


def test_database_is_made_once_and_dropped_under_its_users(postgres_server: LocalPostgres):
    postgres_server.ensure_database("twice")
    postgres_server.ensure_database("twice")
    user = psycopg.connect(postgres_server.url("twice", "postgresql"))

    postgres_server.drop_database("twice")

    assert asked(postgres_server, "select count(*) from pg_database where datname = 'twice'") == 0
    user.close()


def test_stopped_server_is_unavailable_not_broken(server: LocalPostgres):
    server.ensure_running()
    server.stop()

    with pytest.raises(WarehouseUnavailable, match="embedded Postgres"):
        server.ensure_database("any")
