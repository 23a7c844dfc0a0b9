"""Whether anybody answers: real servers on loopback that are well, ill, mute about it, refusing, or gone."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from fake_model_server import FakeModelServer, reply
from ocr_ops.local.postgres import LocalPostgres
from ocr_ops.pipeline.answering import somebody_answers, warehouse_answers

HEALTH = {"well": True, "ill": False, "without a page that says so": None}


@pytest.fixture
def urls() -> Iterator[dict[str, str]]:
    """Base URLs of servers by how they are, and of one that is gone."""
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(FakeModelServer([reply("")], healthy=healthy))
            for name, healthy in HEALTH.items()
        }
        gone = stack.enter_context(FakeModelServer([reply("")]))
        gone.die()
        yield {"gone": gone.url} | {name: server.url for name, server in servers.items()}


@pytest.mark.parametrize(
    ("who", "answers"),
    [
        (["well"], True),
        (["without a page that says so"], True),
        (["ill"], False),
        (["gone"], False),
        (["gone", "ill", "well"], True),
        (["gone", "ill"], False),
        ([], False),
    ],
    ids=str,
)
def test_one_server_that_is_not_ill_is_enough(urls: dict[str, str], who: list[str], answers: bool):
    assert somebody_answers([urls[name] for name in who]) is answers


def test_a_server_that_comes_back_answers_again():
    with FakeModelServer([reply("")], healthy=True) as server:
        server.die()
        assert not somebody_answers([server.url], "key")
        server.come_back()
        assert somebody_answers([server.url], "key")
        assert server.others[-1].headers["authorization"] == "Bearer key"


def test_nobody_listening_is_no_warehouse():
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]

    assert not warehouse_answers(f"postgresql+psycopg://ann@127.0.0.1:{port}/ocr_ops")


@pytest.mark.postgres
def test_a_warehouse_that_refuses_our_password_answers_all_the_same(postgres_server: LocalPostgres):
    url = postgres_server.url("postgres")

    assert warehouse_answers(url)
    assert warehouse_answers(url.replace(postgres_server.password, "wrong"))
    assert warehouse_answers(url.replace("/postgres", "/nothing"))
