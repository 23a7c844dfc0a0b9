from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ocr_ops.local import processes
from ocr_ops.local.processes import Process

ENV = {"PATH": os.environ["PATH"]}


@pytest.fixture
def sleeper(tmp_path: Path):
    """Start a shell that sleeps, in a session of its own."""
    begun: list[Process] = []

    def start(script: str = "sleep 60") -> Process:
        begun.append(processes.spawn(["/bin/sh", "-c", script], log=tmp_path / "log", env=ENV, cwd=tmp_path))
        return begun[-1]

    yield start
    for process in begun:
        for pid in processes.session_members(process, tmp_path):
            os.kill(pid, signal.SIGKILL)


Start = Callable[..., Process]


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def end(process: Process, home: Path) -> None:
    processes.ask_to_end(process)
    processes.finish_session(process, home, patience_s=2)


def wait_for(path: Path) -> str:
    while not (path.exists() and path.read_text().endswith("\n")):
        os.sched_yield()
    return path.read_text()


def test_process_is_known_by_pid_and_start(sleeper: Start):
    process = sleeper()

    assert process.is_alive
    assert not Process(process.pid, "another start").is_alive
    assert processes.started(process.pid) == process.started


def test_process_leads_a_session_of_its_own(sleeper: Start):
    process = sleeper()

    assert os.getsid(process.pid) == process.pid != os.getsid(0)


def test_output_goes_to_a_private_log(tmp_path: Path):
    process = processes.spawn(
        ["/bin/sh", "-c", "echo out; echo err >&2"], log=tmp_path / "deep" / "log", env=ENV
    )

    assert processes.wait_gone(process, 5)
    assert sorted(processes.tail(tmp_path / "deep" / "log", 5).splitlines()) == ["err", "out"]
    assert (tmp_path / "deep" / "log").stat().st_mode & 0o777 == 0o600


def test_command_that_cannot_run_is_an_error_naming_the_log(tmp_path: Path):
    with pytest.raises(OSError, match=r"no-such-program could not be started(?s:.*)No such file"):
        processes.spawn([str(tmp_path / "no-such-program")], log=tmp_path / "log", env=ENV)


def test_children_in_groups_of_their_own_end_with_the_session(sleeper: Start, tmp_path: Path):
    child = f"import os,time; os.setpgid(0,0); open({str(tmp_path / 'pid')!r},'w').write(f'{{os.getpid()}}\\n'); time.sleep(60)"
    process = sleeper(f'{sys.executable} -c "{child}" & wait')
    pid = int(wait_for(tmp_path / "pid"))

    end(process, tmp_path)

    assert processes.started(pid) is None
    assert processes.session_members(process, tmp_path) == ()


def test_process_that_ignores_term_is_killed(sleeper: Start, tmp_path: Path):
    process = sleeper(f"trap '' TERM; echo ready > {tmp_path / 'ready'}; while :; do sleep 1; done")
    wait_for(tmp_path / "ready")

    processes.ask_to_end(process)
    processes.finish_session(process, tmp_path, patience_s=0.2)

    assert not process.is_alive


def test_orphans_of_a_killed_leader_are_found_by_their_folder(sleeper: Start, tmp_path: Path):
    process = sleeper(f"sleep 60 & echo $! > {tmp_path / 'pid'}; wait")
    orphan = int(wait_for(tmp_path / "pid"))
    os.kill(process.pid, signal.SIGKILL)
    processes.wait_gone(process, 5)

    assert processes.session_members(process, tmp_path) == (orphan,)
    assert processes.session_members(process, tmp_path / "elsewhere") == ()
    os.kill(orphan, signal.SIGKILL)


def test_pid_given_to_another_program_is_left_alone(tmp_path: Path):
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)

    end(Process(other.pid, "long ago"), tmp_path)

    assert other.poll() is None
    other.kill()
    other.wait()


def test_zombie_has_ended_though_its_number_exists():
    child = subprocess.Popen(["true"])
    while processes.started(child.pid) is not None:
        os.sched_yield()

    assert processes.exists(child.pid)
    assert child.wait() == 0
    assert not processes.exists(child.pid)


def test_private_file_is_whole_and_for_its_owner_only(tmp_path: Path):
    file = tmp_path / "new" / "secret"
    processes.write_private(file, "one")
    processes.write_private(file, "two")

    assert file.read_text() == "two"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert names(file.parent) == ["secret"]


def test_first_writer_wins_when_asked_once(tmp_path: Path):
    processes.write_private(tmp_path / "secret", "first", once=True)
    processes.write_private(tmp_path / "secret", "second", once=True)

    assert (tmp_path / "secret").read_text() == "first"
    assert names(tmp_path) == ["secret"]


def test_log_in_use_is_moved_aside_when_it_is_large(tmp_path: Path):
    log = tmp_path / "log"
    with processes.open_private(log) as stream:
        stream.write(b"old " * 100)
        stream.flush()
        processes.bound_log(log, max_bytes=40)
        stream.write(b"new")

    assert log.read_text() == "new"
    assert (tmp_path / "log.1").read_text() == "old " * 10


def test_small_log_and_missing_log_stay_as_they_are(tmp_path: Path):
    (tmp_path / "log").write_text("short")

    processes.bound_log(tmp_path / "log")
    processes.bound_log(tmp_path / "none")

    assert names(tmp_path) == ["log"]
    assert processes.tail(tmp_path / "none", 3) == ""


def test_file_made_by_root_belongs_to_the_folders_owner(tmp_path: Path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    owner = 65534 if os.geteuid() == 0 else os.geteuid()
    os.chown(folder, owner, -1)

    processes.write_private(folder / "file", "text")

    assert (folder / "file").stat().st_uid == owner
