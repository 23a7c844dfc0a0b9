"""`ocr-ops ocr` against a model server on loopback."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from typer.testing import CliRunner, Result

import fake_model_server as fake
from fake_model_server import FakeModelServer, reply
from ocr_ops.cli.main import app
from ocr_ops.cli.reading import _Speaker
from ocr_ops.errors import SettingsError

PAGE = (
    "<|ref|>title<|/ref|><|det|>[[10, 20, 300, 60]]<|/det|>\n# RECEIPT \x1b[31m\n"
    "<|ref|>image<|/ref|><|det|>[[500, 500, 999, 750]]<|/det|>\n\n"
    "<|ref|>text<|/ref|><|det|>[[10, 800, 300, 860]]<|/det|>\nInvoice No 4711\n"
)


def scan(path: Path, pages: int = 1) -> Path:
    images = []
    for number in range(pages):
        image = Image.new("RGB", (600, 800), "white")
        ImageDraw.Draw(image).rectangle((60, 80 + 40 * number, 400, 100 + 40 * number), fill="black")
        images.append(image)
    images[0].save(path, save_all=pages > 1, append_images=images[1:]) if pages > 1 else images[0].save(path)
    return path


def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: FakeModelServer, *words: str) -> Result:
    monkeypatch.setenv("OCR_OPS_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("OCR_OPS_OCR_URLS", server.url)
    monkeypatch.setenv("OCR_OPS_OCR_MODEL", "served-model")
    return CliRunner().invoke(app, ["ocr", *words])


def asked(server: FakeModelServer) -> list[str]:
    return [seen.body["messages"][0]["content"][1]["text"] for seen in server.chats]


def test_a_picture_is_read_aloud_and_everything_lies_beside_it(monkeypatch: Any, tmp_path: Path) -> None:
    picture = scan(tmp_path / "scan.png")
    with FakeModelServer([reply(PAGE)]) as server:
        result = run(monkeypatch, tmp_path, server, str(picture), "--ocr", "vllm")

    assert result.exit_code == 0, result.output
    assert "Invoice No 4711" in result.stdout and "\x1b[31m" not in result.stdout
    assert server.chats[0].body["stream"] is True
    folder = tmp_path / "scan.png.ocr"
    assert sorted(path.name for path in folder.iterdir()) == [
        "document.html",
        "document.md",
        "page-1-figure-1.png",
        "page-1-overlay.jpg",
        "page-1-reply-1.json",
        "page-1-upright.png",
    ]
    assert "Invoice No 4711" in (folder / "document.md").read_text()
    assert json.loads((folder / "page-1-reply-1.json").read_text())["text"] == PAGE
    with Image.open(folder / "page-1-figure-1.png") as figure:
        assert figure.size == (300, 201)


def test_words_that_are_looked_for_are_marked_and_told(monkeypatch: Any, tmp_path: Path) -> None:
    found = reply("<|ref|>Invoice No<|/ref|><|det|>[[100, 200, 300, 260]]<|/det|>")
    picture = scan(tmp_path / "scan.png")
    with FakeModelServer([found]) as server:
        words = (str(picture), "--ocr", "vllm", "--locate", "Invoice No", "--out", str(tmp_path / "out"))
        result = run(monkeypatch, tmp_path, server, *words)

    assert asked(server) == ["Locate <|ref|>Invoice No<|/ref|> in the image."]
    assert "found on page 1 at pixels 60,160 to 180,208" in result.output
    with Image.open(tmp_path / "out" / "page-1-overlay.jpg") as overlay:
        assert overlay.size == (600, 800)


def test_pages_are_heard_in_order_whatever_comes_first(monkeypatch: Any, tmp_path: Path) -> None:
    def by_ink(body: dict[str, Any]) -> fake.Answer:
        url = body["messages"][0]["content"][0]["image_url"]["url"]
        with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
            rows = [y for y in range(0, 800, 10) if image.convert("L").getpixel((200, y + 5)) < 128]
        number = (rows[0] - 80) // 40 + 1
        text = f"<|ref|>text<|/ref|><|det|>[[1, 2, 300, 40]]<|/det|>\nwords of page {number}"
        return reply(text, delay_s=0.2 / number)

    document = scan(tmp_path / "scan.tiff", pages=4)
    with FakeModelServer([by_ink]) as server:
        result = run(monkeypatch, tmp_path, server, str(document), "--ocr", "vllm")

    places = [result.stdout.index(f"words of page {number}") for number in (1, 2, 3, 4)]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("words", "prompt"),
    [
        (("--mode", "free"), "Free OCR."),
        (("--mode", "describe"), "Describe this image in detail."),
        (("--prompt", "Read the stamp."), "Read the stamp."),
    ],
)
def test_modes_ask_for_other_things_and_text_can_be_left_out(
    monkeypatch: Any, tmp_path: Path, words: tuple[str, ...], prompt: str
) -> None:
    picture = scan(tmp_path / "scan.png")
    with FakeModelServer([reply("just words")]) as server:
        result = run(monkeypatch, tmp_path, server, str(picture), "--ocr", "vllm", "--no-text", *words)

    assert (result.exit_code, asked(server)) == (0, [prompt])
    assert "just words" not in result.stdout
    assert "just words" in (tmp_path / "scan.png.ocr" / "document.md").read_text()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--mode", "free"), "add --ocr vllm"),
        (("--locate", "a", "--prompt", "b"), "exclude each other"),
        (("--mode", "locate"), "needs --locate"),
    ],
)
def test_choices_that_do_not_go_together_are_refused(
    monkeypatch: Any, tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    picture = scan(tmp_path / "scan.png")
    with FakeModelServer([reply(PAGE)]) as server:
        result = run(monkeypatch, tmp_path, server, str(picture), *words)

    assert isinstance(result.exception, SettingsError) and complaint in str(result.exception)
    assert server.chats == []


def test_broken_page_is_told_and_the_others_are_read(monkeypatch: Any, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    scan(tmp_path / "in" / "good.png")
    (tmp_path / "in" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with FakeModelServer([reply(PAGE)]) as server:
        words = (str(tmp_path / "in"), "--ocr", "vllm", "--out", str(tmp_path / "out"))
        result = run(monkeypatch, tmp_path, server, *words)

    assert result.exit_code == 0 and "torn.png" in result.output
    assert (tmp_path / "out" / "good.png" / "document.html").exists()


def test_help_says_what_only_the_server_decides() -> None:
    words = " ".join(CliRunner().invoke(app, ["ocr", "--help"]).output.split())

    assert "Only the server decides the resolution mode" in words


def test_speaker_keeps_later_pages_until_it_is_their_turn() -> None:
    said: list[str] = []
    speaker = _Speaker(said.append)

    speaker.hear(2, "two")
    speaker.hear(1, "one")
    speaker.finish(2)
    speaker.hear(3, "three")
    speaker.finish(1)

    assert "".join(said) == "onetwothree"
