from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
SERVE = PROJECT / "docker/vllm/serve.sh"
WORKER = PROJECT / "scripts/worker.sh"

FAKE_VLLM = """#!/usr/bin/env python3
import json, os, sys
told = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "VLLM_API_KEY", "VLLM_NO_USAGE_STATS")
print(json.dumps({"argv": sys.argv[1:], "env": {name: os.environ.get(name) for name in told}}))
"""

FAKE_SERVER = """#!/usr/bin/env python3
import http.server, os, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
print("GPU", os.environ["CUDA_VISIBLE_DEVICES"], "process", os.getpid(), flush=True)

class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *words):
        pass

http.server.HTTPServer(("127.0.0.1", port), Healthy).serve_forever()
"""

TWO_GPUS = "0, 9.0, 143771, NVIDIA H200\n1, 8.0, 81920, NVIDIA A100\n"


def put_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def run(program: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments],
        env={"PATH": os.environ["PATH"]} | env,
        capture_output=True,
        text=True,
        timeout=60,
    )


def worker_version() -> str:
    extra = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"][
        "worker"
    ]
    (version,) = [found[1] for wish in extra if (found := re.match(r"vllm==([0-9.]+)(;|$)", wish))]
    return version


def compose() -> dict[str, Any]:
    document = yaml.safe_load((PROJECT / "docker/vllm/compose.yaml").read_text())
    assert isinstance(document, dict)
    return document


def weights(folder: Path, architecture: str) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    (folder / "model.safetensors").touch()
    return folder


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    put_program(tmp_path / "bin/vllm", FAKE_VLLM)
    return tmp_path / "bin"


@pytest.fixture
def gpu_host(tmp_path: Path) -> Mapping[str, str]:
    """A host with two GPUs and a worker environment that is up to date, as far as worker.sh can see."""
    put_program(tmp_path / "bin/nvidia-smi", f"#!/bin/sh\nprintf '{TWO_GPUS}'\n")
    put_program(tmp_path / "venv/bin/vllm", FAKE_SERVER)
    extra = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"][
        "worker"
    ]
    (tmp_path / "venv/.installed").write_text("\n".join(extra) + "\n")
    return {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "WORKER_VENV": str(tmp_path / "venv"),
        "WORKER_LOGS": str(tmp_path / "logs"),
        "PORT": str(free_port()),
    }


def free_port() -> int:
    """A port with another free one behind it."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
        return port


def test_vllm_has_one_version_everywhere() -> None:
    version = worker_version()
    assert f"ARG VLLM_IMAGE=vllm/vllm-openai:v{version}\n" in (PROJECT / "docker/vllm/Dockerfile").read_text()
    images = {service["image"] for name, service in compose()["services"].items() if name != "proxy"}
    assert images == {f"ocr-ops-vllm:{version}"}
    docs = (PROJECT / "docs/worker.md").read_text()
    assert set(re.findall(r"vllm(?:-openai:v|==)([0-9][0-9.]*[0-9])", docs)) == {version}


def test_the_server_gets_exactly_the_documented_flags(bin_folder: Path) -> None:
    path = f"{bin_folder}:{os.environ['PATH']}"
    ran = run(
        SERVE, "--enforce-eager", PATH=path, MODEL="deepseek-ai/DeepSeek-OCR-2", PORT="8003", VLLM_API_KEY="k"
    )
    assert json.loads(ran.stdout) == {
        "argv": [
            *("serve", "deepseek-ai/DeepSeek-OCR-2", "--served-model-name", "deepseek-ai/DeepSeek-OCR-2"),
            *("--host", "127.0.0.1", "--port", "8003", "--dtype", "bfloat16", "--max-model-len", "8192"),
            *("--logits-processors", "vllm.model_executor.models.deepseek_ocr:NGramPerReqLogitsProcessor"),
            *("--no-enable-prefix-caching", "--mm-processor-cache-gb", "0"),
            *("--api-server-count", "4", "--renderer-num-workers", "4"),
            *("--limit-mm-per-prompt", '{"image": 1}', "--max-num-queued-reqs", "128"),
            *("--allowed-media-domains", "none.invalid"),
            *("--disable-access-log-for-endpoints", "/health,/metrics", "--enforce-eager"),
        ],
        "env": {
            "HF_HUB_OFFLINE": None,
            "TRANSFORMERS_OFFLINE": None,
            "VLLM_API_KEY": "k",
            "VLLM_NO_USAGE_STATS": "1",
        },
    }


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        ("DeepseekOCRForCausalLM", "deepseek-ai/DeepSeek-OCR"),
        ("DeepseekOCR2ForCausalLM", "deepseek-ai/DeepSeek-OCR-2"),
    ],
)
def test_a_folder_is_served_under_the_name_of_its_model_and_no_hub_is_asked(
    bin_folder: Path, tmp_path: Path, architecture: str, name: str
) -> None:
    folder = weights(tmp_path / "weights", architecture)
    key = tmp_path / "key"
    key.write_text("from a file\n")
    path = f"{bin_folder}:{os.environ['PATH']}"
    said = json.loads(run(SERVE, PATH=path, MODEL=str(folder), VLLM_API_KEY_FILE=str(key)).stdout)
    assert said["argv"][1:4] == [str(folder), "--served-model-name", name]
    assert said["env"]["HF_HUB_OFFLINE"] == said["env"]["TRANSFORMERS_OFFLINE"] == "1"
    assert said["env"]["VLLM_API_KEY"] == "from a file"
    assert run(SERVE, "--check", PATH=path, MODEL=str(folder)).stdout == f"{name}\n"


def test_no_key_means_none_and_not_an_empty_one(bin_folder: Path) -> None:
    ran = run(SERVE, PATH=f"{bin_folder}:{os.environ['PATH']}", MODEL="org/model", VLLM_API_KEY="")
    assert json.loads(ran.stdout)["env"]["VLLM_API_KEY"] is None


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({}, "set MODEL"),
        ({"MODEL": "/no/such/folder"}, "there is no /no/such/folder/config.json"),
        ({"MODEL": "org/model", "BIND": "0.0.0.0"}, "set VLLM_API_KEY"),
        ({"MODEL": "org/model", "BIND": "0.0.0.0", "VLLM_API_KEY_FILE": "/no/key"}, "/no/key cannot be read"),
    ],
)
def test_the_server_is_not_started_with_settings_that_cannot_work(env: dict[str, str], words: str) -> None:
    ran = run(SERVE, **env)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert words in ran.stderr


def test_a_folder_without_weights_or_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = weights(tmp_path / "weights", "LlamaForCausalLM")
    assert "set SERVED_NAME" in run(SERVE, "--check", MODEL=str(folder)).stderr
    assert run(SERVE, "--check", MODEL=str(folder), SERVED_NAME="mine").stdout == "mine\n"
    (folder / "model.safetensors").unlink()
    assert "the weights are missing" in run(SERVE, "--check", MODEL=str(folder), SERVED_NAME="mine").stderr


def test_flags_are_written_in_one_place() -> None:
    for file in ("docker/vllm/Dockerfile", "docker/vllm/compose.yaml", "scripts/worker.sh"):
        assert "--max-model-len" not in (PROJECT / file).read_text()
    assert "docker/vllm/serve.sh" in WORKER.read_text()
    assert (
        "COPY --chmod=0555 serve.sh /usr/local/bin/ocr-worker"
        in (PROJECT / "docker/vllm/Dockerfile").read_text()
    )


def test_compose_gives_each_gpu_one_server_on_a_port_of_its_own() -> None:
    workers = [service for name, service in compose()["services"].items() if name != "proxy"]
    devices = [w["deploy"]["resources"]["reservations"]["devices"][0]["device_ids"] for w in workers]
    assert devices == [[str(number)] for number in range(8)]
    assert [w["ports"] for w in workers] == [[f"${{BIND:-127.0.0.1}}:{8000 + n}:8000"] for n in range(8)]
    for profile, number in (("gpus-2", 2), ("gpus-4", 4), ("gpus-8", 8)):
        assert sum("profiles" not in w or profile in w["profiles"] for w in workers) == number


def test_no_container_of_the_worker_has_rights_it_does_not_need() -> None:
    document = compose()
    assert "USER 2000:0" in (PROJECT / "docker/vllm/Dockerfile").read_text()
    for service in document["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all("127.0.0.1" in port for port in service["ports"])


def test_every_setting_of_the_compose_file_is_explained_in_its_example() -> None:
    example = (PROJECT / "docker/vllm/.env.example").read_text()
    asked = set(re.findall(r"\$\{([A-Z_]+)", (PROJECT / "docker/vllm/compose.yaml").read_text()))
    tuning = {"SERVED_NAME", "API_PROCESSES", "VLLM_LOGGING_LEVEL"}
    assert {name for name in asked - tuning if not re.search(rf"^#?{name}=", example, re.MULTILINE)} == set()
    assert all(name in (PROJECT / "docs/worker.md").read_text() for name in tuning)


def test_the_proxy_knows_every_worker_and_passes_only_what_a_client_needs() -> None:
    text = (PROJECT / "docker/vllm/haproxy.cfg").read_text()
    assert re.findall(r"^ +server (\S+) (\S+)$", text, re.MULTILINE) == [
        (name, f"{name}:8000") for name in compose()["services"] if name != "proxy"
    ]
    (paths,) = re.findall(r"path_reg (\S+)", text)
    assert re.match(paths, "/v1/chat/completions")
    assert re.match(paths, "/v1/models")
    for path in (
        "/invocations",
        "/v1/../invocations",
        "/v1/%2e%2e/x",
        "/metrics",
        "/tokenize",
        "/v1",
        "//v1/models",
    ):
        assert not re.match(paths, path)
    assert "acl wanted path /health /version\n" in text


def test_a_host_without_a_gpu_is_told_so(tmp_path: Path) -> None:
    put_program(tmp_path / "dirname", '#!/bin/sh\nexec /usr/bin/dirname "$@"\n')
    ran = run(WORKER, PATH=str(tmp_path) + ":/nowhere:" + bash_folder(tmp_path))
    assert ran.returncode == 2
    assert "there is no nvidia-smi" in ran.stderr


def bash_folder(tmp_path: Path) -> str:
    """A PATH on which bash is found, and nothing else that could be a driver's."""
    folder = tmp_path / "shell"
    folder.mkdir()
    (folder / "bash").symlink_to("/bin/bash")
    return str(folder)


@pytest.mark.parametrize(
    ("listed", "env", "words"),
    [
        ("", {}, "lists no GPU"),
        (TWO_GPUS, {"GPUS": "0,5"}, "there is no GPU 5 here; nvidia-smi lists: 0,1"),
        ("0, 7.5, 15360, Tesla T4\n", {}, "GPU 0 (Tesla T4) has no bfloat16"),
        ("0, 8.6, 8192, NVIDIA GeForce RTX 3070\n", {}, "has 8192 MiB"),
        (TWO_GPUS, {"MODEL": "/no/such/folder"}, "there is no /no/such/folder/config.json"),
        (TWO_GPUS, {"BIND": "0.0.0.0"}, "set VLLM_API_KEY"),
    ],
)
def test_a_host_that_cannot_serve_is_told_why(
    gpu_host: Mapping[str, str], tmp_path: Path, listed: str, env: dict[str, str], words: str
) -> None:
    put_program(tmp_path / "bin/nvidia-smi", f"#!/bin/sh\nprintf '{listed}'\n")
    ran = run(WORKER, **gpu_host | env)
    assert ran.returncode == 2
    assert words in ran.stderr
    assert not (tmp_path / "logs").exists()


def test_a_driver_that_does_not_answer_is_named_with_its_own_words(
    gpu_host: Mapping[str, str], tmp_path: Path
) -> None:
    put_program(tmp_path / "bin/nvidia-smi", "#!/bin/sh\necho 'driver/library version mismatch'\nexit 18\n")
    ran = run(WORKER, **gpu_host)
    assert ran.returncode == 2
    assert "no usable GPU: driver/library version mismatch" in ran.stderr


def test_a_taken_port_is_refused_before_anything_starts(gpu_host: Mapping[str, str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(gpu_host["PORT"]) + 1))
        other.listen()
        ran = run(WORKER, **gpu_host)
    assert ran.returncode == 2
    assert f"port {int(gpu_host['PORT']) + 1} is taken" in ran.stderr


def test_one_server_a_gpu_runs_until_the_worker_is_interrupted(
    gpu_host: Mapping[str, str], tmp_path: Path
) -> None:
    worker = subprocess.Popen(
        [WORKER], env=gpu_host, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert worker.stdout is not None
    printed = [worker.stdout.readline() for _ in range(3)]
    worker.send_signal(signal.SIGINT)
    _, said = worker.communicate(timeout=60)
    port = int(gpu_host["PORT"])
    assert printed == [
        "export OCR_OPS_OCR_ENGINE=vllm\n",
        f"export OCR_OPS_OCR_URLS=http://127.0.0.1:{port}/v1,http://127.0.0.1:{port + 1}/v1\n",
        "export OCR_OPS_OCR_MODEL=deepseek-ai/DeepSeek-OCR\n",
    ], said
    assert worker.returncode == 0
    for gpu in ("0", "1"):
        found = re.match(rf"GPU {gpu} process (\d+)", (tmp_path / f"logs/gpu{gpu}.log").read_text())
        assert found is not None
        assert not Path(f"/proc/{found[1]}").exists()


def test_a_server_that_ends_before_it_is_ready_stops_the_worker_with_its_last_words(
    gpu_host: Mapping[str, str], tmp_path: Path
) -> None:
    put_program(tmp_path / "venv/bin/vllm", "#!/bin/sh\necho 'CUDA out of memory'\nexit 1\n")
    ran = run(WORKER, **gpu_host)
    assert ran.returncode == 1
    assert "ended before it was ready" in ran.stderr
    assert "CUDA out of memory" in ran.stderr
