"""A policy file says what becomes of each artefact: rules in order, holds above all, requests to erase at once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ocr_ops.errors import SettingsError
from ocr_ops.pipeline.retention_policy import FILE, ArtefactClass, class_of, read_policy, verdict

ASKED, HELD, PICTURES = (f"sha256:{letter * 64}" for letter in "abc")
POLICY = read_policy(
    f"""
version: 1
rules:
  - {{name: invoices, doc_types: [invoice], classes: [source, records], years: 10}}
  - {{name: short, classes: [pictures, source], years: 1}}
holds:
  - {{name: inspection, documents: ["{HELD}"], doc_types: [receipt]}}
erasures:
  - {{name: request 1, documents: ["{ASKED}", "{HELD}"]}}
  - {{name: request 2, documents: ["{PICTURES}"], classes: [pictures]}}
""".encode()
)
SEEN = datetime(2024, 2, 29, 12, tzinfo=UTC)


def decided(role, *, document="d", doc_type="invoice", years=0, days=0):
    now = datetime(2024 + years, 3, 1 + days, 12, tzinfo=UTC)
    return verdict(POLICY, document=document, doc_type=doc_type, role=role, first_seen=SEEN, now=now)


def test_the_first_rule_that_fits_decides():
    assert not decided("source", years=9).remove
    assert decided("source", years=10).rule == "invoices"
    assert decided("source", years=1, doc_type=None).rule == "short"
    assert decided("page/3/picture", years=1).rule == "short"


def test_what_no_rule_fits_is_kept_for_good():
    assert not decided("llm/attempt/1", years=500).remove
    assert not decided("something/new", years=500).remove


def test_a_leap_day_is_over_after_a_year_without_one():
    before = datetime(2025, 2, 28, 11, tzinfo=UTC)
    after = datetime(2025, 2, 28, 12, tzinfo=UTC)
    for now, removed in ((before, False), (after, True)):
        found = verdict(POLICY, document="d", doc_type=None, role="source", first_seen=SEEN, now=now)
        assert found.remove is removed


def test_a_hold_keeps_what_a_rule_or_a_request_would_remove_and_says_so():
    for held in (decided("source", document=HELD), decided("source", doc_type="receipt", years=2)):
        assert not held.remove
        assert held.hold == "inspection"
    assert not decided("source", document=HELD, years=0, doc_type=None).remove


def test_a_request_removes_at_once_what_it_names_and_no_more():
    assert decided("source", document=ASKED).rule == "request 1"
    assert decided("manifest", document=ASKED).remove
    assert decided("page/1/overlay", document=PICTURES).rule == "request 2"
    assert not decided("record", document=PICTURES).remove


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        ("source", "source"),
        ("attachment/2", "source"),
        ("page/12/picture", "pictures"),
        ("page/1/raw/3", "readings"),
        ("page/1/blocks", "readings"),
        ("html", "readings"),
        ("step/read", "readings"),
        ("llm/attempt/2", "prompts"),
        ("candidate/1", "records"),
        ("step/judge", "records"),
        ("manifest", "manifests"),
        ("reviews/1", "other"),
    ],
)
def test_every_role_belongs_to_a_class(role, kind):
    assert class_of(role) is ArtefactClass(kind)


@pytest.mark.parametrize(
    "policy",
    [
        b"",
        b"- a",
        b"version: 2",
        b"version: 1\nrulez: []",
        b"version: 1\nrules: [{name: a, years: 0, classes: [source]}]",
        b"version: 1\nrules: [{name: a, years: 1, classes: []}]",
        b"version: 1\nrules: [{name: a, years: 1, classes: [everything]}]",
        b"version: 1\nrules: [{name: '', years: 1, classes: [source]}]",
        b"version: 1\nholds: [{name: a}, {name: a}]",
        b"version: 1\nrules: [{name: a, years: 1.5, classes: [source]}]",
        b"version: 1\nrules: [{name: a, years: '10', classes: [source]}]",
        b"version: 1\nholds: [{name: a, documents: 'sha256:" + b"0" * 64 + b"'}]",
        b"version: 1\nholds: [{name: a, documents: [receipt.jpg]}]",
        b"version: 1\nerasures: [{name: a}]",
        b"!!python/object/apply:os.system ['true']",
        b"version: [",
    ],
)
def test_a_policy_that_could_be_misread_is_refused(policy):
    with pytest.raises(SettingsError, match="retention policy"):
        read_policy(policy)


def test_the_policy_that_comes_along_can_be_read_and_asks_for_no_erasure():
    policy = read_policy(FILE.read_bytes())

    assert policy.rules and not policy.erasures and not policy.holds
