"""The story of a document is one HTML file: whole, harmless whatever the document says, and honest about what is gone."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from ocr_ops.codec import to_json
from ocr_ops.pipeline.story_page import MOST_TEXT, story_html
from outcome_builder import page

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u202e"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
PICTURE = b"\x89PNG picture"


def story(words="RE-2024-17", **changes):
    digest = "sha256:" + "a" * 64
    link = {"media_type": "image/png", "size_bytes": 9, "digest": digest}
    return {
        "document": {
            "document_key": digest,
            "name": words,
            "status": "accepted",
            "party": words,
            "uri": words,
        },
        "pages": [{"page": 1, "width_px": 1000, "height_px": 2000, "engine": words, "model": None}],
        "fields": [
            {"field": "/total", "value": words, "match": "exact", "page": 1, "raw": words},
            {"field": f"/{words}", "value": None, "match": None, "page": None, "raw": None},
        ],
        "boxes": [{"field": "/total", "page": 1, "box_px": [10, 20, 110, 60]}],
        "rules": [{"rule": words, "holds": False, "detail": words}],
        "problems": [{"stage": "judge", "kind": words, "field": words, "detail": words}],
        "versions": [{"version": 1, "reason": words, "made_by": words}],
        "runs": [{"seen_at": NOW, "run_id": words, "timings": {"read": 2.5}}],
        "chain": [
            {"sequence": 7, "at": NOW, "kind": "loaded", "payload": words, "hash": "sha256:" + "b" * 64}
        ],
        "links": [{**link, "role": role} for role in ("page/1/upright", words)],
        **changes,
    }


def kept(words="Total"):
    attempt = {
        "messages": [{"role": "user", "content": words}],
        "reply": words,
        "model": words,
        "seconds": 1.5,
    }
    return {
        "page/1/upright": PICTURE,
        "page/1/blocks": to_json(page()),
        "page/1/raw/1": json.dumps({"engine": words, "text": words, "prompt": words}).encode(),
        "llm/attempt/1": json.dumps(attempt).encode(),
        "candidate/1": json.dumps({"reader": words, "readings": [words]}).encode(),
        "record": b"not JSON",
    }


class Elements(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]


def test_nothing_a_document_or_a_model_says_becomes_markup():
    html = story_html(story(EVIL), kept(EVIL), written_at=NOW)
    elements = Elements(html)

    assert elements.tags == Elements(story_html(story(), kept(), written_at=NOW)).tags
    assert not {"script", "iframe", "form", "link", "base", "object"} & set(elements.tags)
    assert not [one for one in elements.attributes if one[1].startswith("on")]
    assert "\u202e" not in html
    assert html.count("&lt;script&gt;") > 10


def test_it_needs_nothing_from_anywhere_and_may_run_nothing():
    elements = Elements(story_html(story(), kept(), written_at=NOW))

    places = [value for _, name, value in elements.attributes if name in ("src", "href", "srcset", "action")]
    assert places and all(value.startswith(("#", "data:image/")) for value in places)
    assert any(
        value.startswith("default-src 'none'") for _, name, value in elements.attributes if name == "content"
    )


def test_every_link_leads_somewhere():
    elements = Elements(story_html(story(), kept(), written_at=NOW))

    targets = {value for _, name, value in elements.attributes if name == "id"}
    links = {value[1:] for tag, name, value in elements.attributes if (tag, name) == ("a", "href")}
    assert links <= targets
    assert {"box-0", "field-total"} <= links


def test_the_picture_is_inside_with_evidence_over_its_pixels():
    html = story_html(story(), kept(), written_at=NOW)

    assert base64.b64encode(PICTURE).decode() in html
    assert 'viewBox="0 0 1000 2000"' in html
    assert re.search(r'class="proof" id="box-0" x="10" y="20" width="100" height="40"', html)
    assert 'class="block"' in html


def test_prompts_replies_timings_and_digests_are_told():
    html = story_html(story(), kept("What is the total?"), written_at=NOW)

    assert html.count("What is the total?") >= 4
    for words in ("read 2.5", "sha256:" + "b" * 64, "does not hold", "loaded", "1.5 s"):
        assert words in html


def test_what_is_no_longer_kept_is_said():
    html = story_html(story(), {}, written_at=NOW)

    assert "its picture is no longer kept" in html
    assert html.count("not in the store") == 2


@pytest.mark.parametrize("length", [MOST_TEXT, MOST_TEXT + 5])
def test_an_endless_reply_is_cut_and_says_so(length):
    html = story_html(
        story(), {"llm/attempt/1": json.dumps({"reply": "x" * length}).encode()}, written_at=NOW
    )

    assert ("5 more characters are kept" in html) is (length > MOST_TEXT)


def test_a_document_without_pages_or_fields_has_a_story_too():
    empty = {
        name: []
        for name in ("pages", "fields", "boxes", "rules", "problems", "versions", "runs", "chain", "links")
    }

    assert "nothing" in story_html(story(**empty), {}, written_at=NOW)
