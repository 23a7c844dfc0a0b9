"""A real vLLM server for a test session: built, started, asked, stopped.

In: the folder of a vLLM environment. Out: `LiveServer`s on loopback that serve the scripted checkpoint. Logs and
checkpoints stay in a folder of their own; a decoder is trained once for each version of the script and its builder.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from live import tiny_checkpoint

HERE = Path(__file__).parent
START_S = 600
STOP_S = 30
API_KEY = "live-key"


@dataclass(frozen=True)
class LiveServer:
    """Where it is, what it serves; `pid` of the process we started, 0 for somebody else's."""

    url: str
    model: str
    api_key: str = API_KEY
    pid: int = 0

    @property
    def root(self) -> str:
        return self.url.removesuffix("/v1")

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over everything that has these labels."""
        with urllib.request.urlopen(f"{self.root}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        found = re.findall(rf"^{re.escape(name)}(\{{.*\}})? ([0-9.e+]+)$", text, re.MULTILINE)
        assert found, f"the server has no metric {name}"
        return sum(float(value) for marks, value in found if all(mark in marks for mark in wanted))


def decoder(venv: Path, folder: Path) -> Path:
    """The trained decoder of the present script; training prints to `train.log` and takes minutes."""
    sources = [HERE / name for name in ("script.json", "tiny_checkpoint.py", "tiny_decoder.py")]
    version = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    trained = folder / f"trained-{version}" / tiny_checkpoint.DECODER
    if not trained.is_file():
        build(venv, trained.parent, "--arch", "ocr", log=folder / "train.log")
    return trained


def build(venv: Path, folder: Path, *options: str, log: Path) -> None:
    """Run the builder with the environment's own Python."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        subprocess.run(
            [venv / "bin" / "python", HERE / "tiny_checkpoint.py", folder, *options],
            stdout=out,
            stderr=subprocess.STDOUT,
            check=True,
        )


@contextmanager
def running(venv: Path, folder: Path, arch: str) -> Iterator[LiveServer]:
    """Serve one architecture on a free port until the block ends."""
    checkpoint = folder / arch
    build(venv, checkpoint, "--arch", arch, "--decoder", str(decoder(venv, folder)), log=folder / "build.log")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / f"{arch}.log"
    words = tiny_checkpoint.serve_arguments(checkpoint, arch)
    given = os.environ | tiny_checkpoint.serve_environment(checkpoint) | {"VLLM_API_KEY": API_KEY}
    with log.open("w") as out:
        process = subprocess.Popen(
            [venv / "bin" / "vllm", *words, "--host", "127.0.0.1", "--port", str(port)],
            env=given,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until_well(process, f"http://127.0.0.1:{port}/health", log)
        model = tiny_checkpoint.MODEL_NAMES[arch]
        yield LiveServer(f"http://127.0.0.1:{port}/v1", model, pid=process.pid)
    finally:
        stop(process)


def wait_until_well(process: subprocess.Popen[bytes], health: str, log: Path) -> None:
    """Return once the server answers; AssertionError with the end of its log when it does not come up."""
    give_up = time.monotonic() + START_S
    while time.monotonic() < give_up and process.poll() is None:
        if is_well(health):
            return
        time.sleep(0.5)
    raise AssertionError(f"vLLM did not come up, {log} ends with:\n{log.read_text()[-2000:]}")


def is_well(health: str) -> bool:
    """Whether a health page answers 200."""
    try:
        with urllib.request.urlopen(health, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and all that it started; its process group is its own."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_S)
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
