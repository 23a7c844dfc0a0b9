from __future__ import annotations

import dataclasses
import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from ocr_ops.local.services import COMMANDS, HEALTH_NAMES
from ocr_ops.settings import Settings, env_name

PROJECT = Path(__file__).resolve().parents[2]
DOCKER = PROJECT / "docker"
PROGRAMS = DOCKER / "airflow/bin"
AIRFLOW_SERVICES = ("init", *COMMANDS)

_script = runpy.run_path(str(DOCKER / "airflow/runtime_lock.py"))
runtime_lock, wished = _script["runtime_lock"], _script["wished"]


def services() -> dict[str, Any]:
    document = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    found = document["services"]
    assert isinstance(found, dict)
    return found


def dockerfile() -> str:
    return (DOCKER / "airflow/Dockerfile").read_text()


def names(lock: str) -> set[str]:
    return set(re.findall(r"^([A-Za-z0-9_.-]+)==", lock, re.MULTILINE))


def project() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]  # type: ignore[no-any-return]


def test_compose_runs_every_service_of_airflow_with_the_arguments_of_the_local_stack() -> None:
    found = services()
    assert set(found) == {"postgres", "ocr-worker", *AIRFLOW_SERVICES}
    for name, arguments in COMMANDS.items():
        assert found[name]["command"] == ["airflow", *arguments]


def test_every_command_of_the_compose_file_is_in_the_image() -> None:
    ours = {program.name for program in PROGRAMS.iterdir()}
    for name in AIRFLOW_SERVICES:
        service = services()[name]
        assert service["command"][0] in {"airflow", *ours}
        if "healthcheck" in service:
            assert service["healthcheck"]["test"][1] in ours
    assert all(os.access(PROGRAMS / name, os.X_OK) for name in ours)
    assert f'ENTRYPOINT ["{min(ours & {"ocr-ops-entrypoint"})}"]' in dockerfile()


def test_each_service_is_asked_for_its_own_health() -> None:
    asked = {
        service["healthcheck"]["test"][2]: name for name, service in services().items() if name in COMMANDS
    }
    assert asked == HEALTH_NAMES


def test_every_setting_of_ours_is_one_that_settings_know() -> None:
    known = {env_name(field.name) for field in dataclasses.fields(Settings)} | {"OCR_OPS_DB_PASSWORD"}
    for name in AIRFLOW_SERVICES:
        assert {key for key in services()[name]["environment"] if key.startswith("OCR_OPS_")} <= known
    example = (DOCKER / ".env.example").read_text()
    assert set(re.findall(r"^#?(OCR_OPS_[A-Z_]+)=", example, re.MULTILINE)) <= known


def test_what_must_be_set_stands_in_the_example_and_nothing_secret_has_a_default() -> None:
    text = (DOCKER / "compose.yaml").read_text()
    example = (DOCKER / ".env.example").read_text()
    required = set(re.findall(r"\$\{([A-Z_]+):\?", text))
    assert {
        "POSTGRES_PASSWORD",
        "AIRFLOW_FERNET_KEY",
        "AIRFLOW_JWT_SECRET",
        "AIRFLOW_ADMIN_PASSWORD",
    } <= required
    assert all(re.search(rf"^{name}=$", example, re.MULTILINE) for name in required)
    secret = re.compile(r"\$\{([A-Z_]*(?:PASSWORD|SECRET|KEY)[A-Z_]*)(:-[^}$]+)\}")
    assert secret.findall(text) == []


def test_services_run_without_rights_and_with_a_root_they_cannot_write() -> None:
    assert "USER 50000:0" in dockerfile()
    for name in AIRFLOW_SERVICES:
        service = services()[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    published = {name: service["ports"] for name, service in services().items() if "ports" in service}
    assert published == {"api-server": ["${UI_BIND:-127.0.0.1}:${UI_PORT:-8080}:8080"]}


def test_the_administrators_password_is_known_to_the_api_server_alone() -> None:
    knowing = [
        name for name in AIRFLOW_SERVICES if "AIRFLOW_ADMIN_PASSWORD" in services()[name]["environment"]
    ]
    assert knowing == ["api-server"]


def test_the_gpu_worker_is_the_one_of_the_other_compose_file() -> None:
    worker = services()["ocr-worker"]
    assert worker == {"extends": {"file": "vllm/compose.yaml", "service": "worker-0"}, "profiles": ["gpu"]}
    assert "worker-0" in yaml.safe_load((DOCKER / "vllm/compose.yaml").read_text())["services"]


def test_the_image_copies_only_what_is_there_and_installs_from_the_lock_with_hashes() -> None:
    text = dockerfile()
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE)
        for source in line.split()[:-1]
        if not source.startswith("--")
    ]
    assert copied
    assert all((PROJECT / source).exists() for source in copied)
    installs = re.findall(r"pip install [^&]*", text.split("FROM ${PYTHON_IMAGE}\n")[0])
    assert len(installs) == 2
    assert all("--require-hashes" in one and "--only-binary :all:" in one for one in installs)
    assert "worker" not in text
    ignore = (DOCKER / "airflow/Dockerfile.dockerignore").read_text().split("\n")
    assert "*" in ignore
    assert all(
        any(source.startswith(line[1:]) for line in ignore if line.startswith("!")) for source in copied
    )


def test_the_runtime_lock_is_the_lock_less_what_only_developers_need() -> None:
    lock = (PROJECT / "requirements.lock").read_text()
    kept = runtime_lock(project()["dependencies"], lock)
    wanted = {re.split(r"[^A-Za-z0-9_.-]", wish)[0] for wish in project()["dependencies"]}
    assert wanted <= names(kept) < names(lock)
    assert {"pytest", "mypy", "ruff", "hypothesis", "pre-commit", "celery"}.isdisjoint(names(kept))
    blocks = kept.splitlines()
    assert all(line in lock for line in blocks)
    assert kept.count("--hash=sha256:") > len(names(kept))


def test_an_image_for_celery_has_its_packages_from_the_same_lock() -> None:
    lock = (PROJECT / "requirements.lock").read_text()
    plain, more = (names(runtime_lock(wished(project(), extras), lock)) for extras in ("", "celery"))
    assert plain < more
    assert {"apache-airflow-providers-celery", "celery", "redis"} <= more - plain
    assert "pytest" not in more
    with pytest.raises(ValueError, match="no extra rabbit, only"):
        wished(project(), "rabbit")


def test_the_runtime_lock_follows_what_packages_need_however_deep() -> None:
    lock = (
        "a==1 \\\n    --hash=sha256:00\n    # via ocr-ops (pyproject.toml)\n"
        "b==1 \\\n    --hash=sha256:01\n    # via\n    #   a\n    #   pytest\n"
        "c==1 \\\n    --hash=sha256:02\n    # via b\n"
        "pytest==1 \\\n    --hash=sha256:03\n    # via ocr-ops (pyproject.toml)\n"
        "q==1 \\\n    --hash=sha256:04\n    # via pytest\n"
    )
    assert names(runtime_lock(["a>=1"], lock)) == {"a", "b", "c"}
    with pytest.raises(ValueError, match="the lock lacks missing"):
        runtime_lock(["missing[extra]>=2"], lock)


def test_the_entry_point_makes_the_password_file_for_its_user_alone(tmp_path: Path) -> None:
    told = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
    env = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW_ADMIN_PASSWORD": 'quote " and \\',
    }
    ran = subprocess.run(
        [
            PROGRAMS / "ocr-ops-entrypoint",
            "sh",
            "-c",
            f'cat "${told}"; echo "${{AIRFLOW_ADMIN_PASSWORD-gone}}"',
        ],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == '{"admin": "quote \\" and \\\\"}\ngone\n'
    assert (tmp_path / "passwords.json").stat().st_mode & 0o777 == 0o600


def test_a_service_that_does_not_answer_is_not_healthy() -> None:
    env = {"AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://127.0.0.1:9/execution/"}
    ran = subprocess.run(
        [sys.executable, "-S", PROGRAMS / "ocr-ops-health", "scheduler"],
        env=env,
        capture_output=True,
        text=True,
    )
    assert ran.returncode != 0
