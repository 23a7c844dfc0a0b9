"""A policy file -> what becomes of an artefact of a document. Pure but for reading the file.

The first rule that fits a document's type and the artefact's class decides; what no rule fits is kept. A hold keeps
everything of its documents; a request to erase personal data takes effect at once, where no hold forbids it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from ocr_ops.codec import from_plain
from ocr_ops.errors import SettingsError

FILE = Path(__file__).parents[3] / "retention.yaml"
"""The policy that comes with a checkout."""

_LEAP_DAY = 29


class ArtefactClass(StrEnum):
    """What kind of evidence an artefact is, by its role."""

    SOURCE = "source"
    PICTURES = "pictures"
    READINGS = "readings"
    PROMPTS = "prompts"
    RECORDS = "records"
    MANIFESTS = "manifests"
    OTHER = "other"


_ROLES = {
    ArtefactClass.SOURCE: ("source", "attachment/*"),
    ArtefactClass.PICTURES: ("page/*/picture", "page/*/upright", "page/*/overlay"),
    ArtefactClass.READINGS: (
        "page/*",
        "html",
        "markdown",
        "step/open",
        "step/read",
        "step/render",
        "step/witness",
    ),
    ArtefactClass.PROMPTS: ("llm/*",),
    ArtefactClass.RECORDS: ("record", "candidate/*", "step/extract", "step/judge"),
    ArtefactClass.MANIFESTS: ("manifest",),
}


def _listed(required: tuple[str, ...], **properties: object) -> dict[str, object]:
    name = {"type": "string", "minLength": 1, "maxLength": 200}
    entry = {"properties": {"name": name, **properties}, "required": ["name", *required]}
    return {"type": "array", "items": {"type": "object", "additionalProperties": False, **entry}}


_WORDS = {"type": "array", "items": {"type": "string", "minLength": 1}}
_KEYS = {"type": "array", "items": {"type": "string", "pattern": "^(sha256|uri):[0-9a-f]{64}$"}}
_CLASSES = {"type": "array", "items": {"enum": list(ArtefactClass)}}
_SCHEMA = Draft202012Validator(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["version"],
        "properties": {
            "version": {"const": 1},
            "rules": _listed(
                ("years", "classes"),
                years={"type": "integer", "minimum": 1, "maximum": 500},
                classes={**_CLASSES, "minItems": 1},
                doc_types=_WORDS,
            ),
            "holds": _listed((), documents=_KEYS, doc_types=_WORDS),
            "erasures": _listed(("documents",), documents=_KEYS, classes=_CLASSES),
        },
    }
)
"""Strict on purpose: a hold whose list of documents is a single word must not hold nothing without a sound."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Remove such artefacts after so many years; `doc_types` empty: of every type, and where none was found."""

    name: str
    years: int
    classes: tuple[ArtefactClass, ...]
    doc_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep everything of these documents, or of all documents of these types."""

    name: str
    documents: tuple[str, ...] = ()
    doc_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Erasure:
    """Remove what a person may ask to have removed; `classes` empty: everything."""

    name: str
    documents: tuple[str, ...]
    classes: tuple[ArtefactClass, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """What the file says."""

    version: int
    rules: tuple[Rule, ...] = ()
    holds: tuple[Hold, ...] = ()
    erasures: tuple[Erasure, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one artefact now: removed under `rule`, unless `hold` keeps it; kept where both are empty."""

    rule: str = ""
    hold: str = ""

    @property
    def remove(self) -> bool:
        """Whether it is to be removed."""
        return bool(self.rule) and not self.hold


def read_policy(data: bytes) -> Policy:
    """Read a policy file's bytes; SettingsError says what does not fit."""
    try:
        plain = yaml.safe_load(data)
    except yaml.YAMLError as problem:
        raise SettingsError(f"the retention policy is not YAML: {problem}") from problem
    wrong = next(_SCHEMA.iter_errors(plain), None)
    if wrong is not None:
        raise SettingsError(f"the retention policy does not fit at {wrong.json_path}: {wrong.message[:200]}")
    policy = from_plain(Policy, plain)
    named: tuple[Rule | Hold | Erasure, ...] = (*policy.rules, *policy.holds, *policy.erasures)
    if len({one.name for one in named}) != len(named):
        raise SettingsError("every rule, hold and erasure of the retention policy needs a name of its own")
    return policy


def class_of(role: str) -> ArtefactClass:
    """Which class of evidence an artefact of this role is."""
    for kind, patterns in _ROLES.items():
        if any(fnmatchcase(role, pattern) for pattern in patterns):
            return kind
    return ArtefactClass.OTHER


def verdict(
    policy: Policy, *, document: str, doc_type: str | None, role: str, first_seen: datetime, now: datetime
) -> Verdict:
    """What becomes of one artefact of a document."""
    kind = class_of(role)
    rule = _asked_to_erase(policy, document, kind) or _expired(policy, doc_type, kind, first_seen, now)
    holds = (one.name for one in policy.holds if document in one.documents or doc_type in one.doc_types)
    return Verdict(rule, next(holds, "")) if rule else Verdict()


def _asked_to_erase(policy: Policy, document: str, kind: ArtefactClass) -> str:
    for one in policy.erasures:
        if document in one.documents and (not one.classes or kind in one.classes):
            return one.name
    return ""


def _expired(
    policy: Policy, doc_type: str | None, kind: ArtefactClass, first_seen: datetime, now: datetime
) -> str:
    for rule in policy.rules:
        if kind in rule.classes and (not rule.doc_types or doc_type in rule.doc_types):
            return rule.name if _years_later(first_seen, rule.years) <= now else ""
    return ""


def _years_later(moment: datetime, years: int) -> datetime:
    leap = moment.month == 2 and moment.day == _LEAP_DAY
    return moment.replace(year=moment.year + years, day=28 if leap else moment.day)
