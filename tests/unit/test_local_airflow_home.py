from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from ocr_ops.errors import TerminalError, WarehouseUnavailable
from ocr_ops.local import services
from ocr_ops.local.airflow_home import AirflowHome

NOWHERE = "postgresql+psycopg://nobody:secret-word@127.0.0.1:1/none"


@pytest.fixture
def home(tmp_path: Path) -> AirflowHome:
    return AirflowHome(tmp_path / "airflow", tmp_path / "dags", tmp_path / "plugins", NOWHERE)


def test_secrets_are_made_once_and_for_their_owner_only(home: AirflowHome):
    first, second = home.env(), home.env()

    assert first == second
    for name in ("secrets.json", "passwords.json"):
        assert (home.folder / name).stat().st_mode & 0o777 == 0o600
    assert home.folder.stat().st_mode & 0o777 == 0o700


def test_keys_are_strong_enough(home: AirflowHome):
    env = home.env()

    assert len(base64.urlsafe_b64decode(env["AIRFLOW__CORE__FERNET_KEY"])) == 32
    assert len(env["AIRFLOW__API_AUTH__JWT_SECRET"].encode()) >= 64
    assert len(env["AIRFLOW__API__SECRET_KEY"]) >= 48


def test_two_homes_share_no_secret(home: AirflowHome, tmp_path: Path):
    other = AirflowHome(tmp_path / "other", home.dags, home.plugins, NOWHERE)
    keys = ("AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY")

    assert not {home.env()[key] for key in keys} & {other.env()[key] for key in keys}
    assert home.login[1] != other.login[1]


def test_airflow_finds_the_password_that_we_tell_the_person(home: AirflowHome):
    file = Path(home.env()["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])

    assert json.loads(file.read_text()) == dict([home.login])


def test_callers_airflow_settings_do_not_leak_but_connections_do(
    home: AirflowHome, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "True")
    monkeypatch.setenv("AIRFLOW__SMTP__SMTP_HOST", "mail.example")
    monkeypatch.setenv("AIRFLOW_HOME", "/elsewhere")
    monkeypatch.setenv("AIRFLOW_CONN_OCR_OPS_LLM", "http://localhost")

    env = home.env()

    assert env["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"
    assert "AIRFLOW__SMTP__SMTP_HOST" not in env
    assert env["AIRFLOW_HOME"] == str(home.folder)
    assert env["AIRFLOW_CONN_OCR_OPS_LLM"] == "http://localhost"


def test_addresses_follow_the_remembered_port(home: AirflowHome):
    before = home.api_port
    home.remember_api_port(8123)

    assert before == 8080
    assert home.url == "http://localhost:8123"
    assert home.env()["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:8123/execution/"
    assert home.env()["AIRFLOW__API__PORT"] == "8123"


def test_silent_database_is_named_without_its_password(home: AirflowHome):
    with pytest.raises(WarehouseUnavailable, match="metadata database does not answer") as caught:
        home.ensure_migrated()

    assert "secret-word" not in str(caught.value)


def test_failing_command_shows_airflows_last_words(home: AirflowHome):
    with pytest.raises(TerminalError, match=r"`airflow no-such-command` failed \(exit 2\)"):
        home.run("no-such-command")


def test_nothing_was_started_so_nothing_is_stopped(home: AirflowHome):
    assert services.down(home) == ()
    assert [status.pid for status in services.status(home)] == [None] * 4
    assert not home.folder.exists()
