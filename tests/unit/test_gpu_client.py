"""The GPU benchmark against a fake server on loopback: what both clients ask for, and what is counted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fake_model_server import Answer, FakeModelServer, Seen

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "gpu_client.py"
TOKENS = 40


def as_long_as_asked(body: dict[str, Any]) -> Answer:
    words = " ".join(str(number) for number in range(body["max_tokens"]))
    reply = {
        "model": "served-model",
        "choices": [{"index": 0, "message": {"content": words}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 698, "completion_tokens": body["max_tokens"]},
    }
    return Answer(200, json.dumps(reply).encode(), (("Content-Type", "application/json"),), delay_s=0.05)


def run(url: str, *given: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARK), "--url", url, "--tokens", str(TOKENS), "--json", *given]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def measured() -> tuple[dict[str, Any], list[Seen]]:
    with FakeModelServer([as_long_as_asked]) as server:
        clients = ("--workload", "receipt", "--in-flight", "4", "--seconds", "1", "--clients", "bare", "ours")
        done = run(server.url, *clients)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]), server.chats


def of_ours(chats: list[Seen]) -> list[dict[str, Any]]:
    return [seen.body for seen in chats if "repetition_detection" in seen.body]


def of_bare(chats: list[Seen]) -> list[dict[str, Any]]:
    return [seen.body for seen in chats if "repetition_detection" not in seen.body]


def test_both_clients_ask_for_the_same_but_for_the_engines_own_extras(
    measured: tuple[dict[str, Any], list[Seen]],
) -> None:
    ours, bare = of_ours(measured[1])[0], of_bare(measured[1])[0]
    extras = {"repetition_detection", "max_tokens", "messages"}
    assert {k: v for k, v in ours.items() if k not in extras} == {
        k: v for k, v in bare.items() if k not in extras
    }
    pictures = [
        {json.dumps(body["messages"]) for body in bodies}
        for bodies in (of_ours(measured[1]), of_bare(measured[1]))
    ]
    assert pictures[0] <= pictures[1] or pictures[1] <= pictures[0]


def test_every_reply_after_the_first_of_each_slot_has_the_whole_length(
    measured: tuple[dict[str, Any], list[Seen]],
) -> None:
    for bodies in (of_ours(measured[1]), of_bare(measured[1])):
        assert len(bodies) > 8
        assert sum(body["max_tokens"] != TOKENS for body in bodies) <= 4
        assert all(body["ignore_eos"] for body in bodies)


def test_pages_are_counted_in_replies_of_the_whole_length(
    measured: tuple[dict[str, Any], list[Seen]],
) -> None:
    windows = {window["client"]: window for window in measured[0]["windows"]}
    for client in ("bare", "ours"):
        counted = windows[client]["pages_per_s"] * windows[client]["seconds"]
        assert counted == pytest.approx(windows[client]["replies"], rel=0.25)
    assert windows["ours"]["problems"]["cut_off"] >= windows["ours"]["replies"]
    assert len(of_ours(measured[1])) <= windows["ours"]["problems"]["cut_off"] + 4
    ratio = windows["ours"]["pages_per_s"] / windows["bare"]["pages_per_s"]
    assert measured[0]["ratio"] == pytest.approx(ratio, rel=0.01)


def test_without_a_server_it_is_left_out() -> None:
    done = subprocess.run([sys.executable, str(BENCHMARK)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--url" in done.stdout


def test_a_server_that_refuses_ends_the_run_with_its_words() -> None:
    refusal = Answer(400, b'{"error": {"message": "no such field", "type": "BadRequestError"}}')
    with FakeModelServer([refusal]) as server:
        done = run(server.url, "--quick")
    assert done.returncode != 0
    assert "no such field" in done.stderr
