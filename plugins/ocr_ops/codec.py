"""Frozen nouns <-> canonical JSON, and the digests of bytes.

Canonical form is a contract, since digests depend on it: UTF-8, keys sorted, no blanks, no NaN, fields that hold
their default are written too. Raises ValueError on JSON that does not fit the noun.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeVar

import cattrs
from cattrs.preconf.json import make_converter

from ocr_ops.model import Digest

T = TypeVar("T")

_converter = make_converter(forbid_extra_keys=True)


def digest_of(data: bytes) -> Digest:
    """Name some bytes."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def canonical_json(value: Any) -> bytes:
    """Write plain JSON values in the one form that digests are taken of."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def to_plain(noun: Any) -> Any:
    """Turn a noun (or a tuple of them) into plain JSON values."""
    return _converter.unstructure(noun)


def to_json(noun: Any) -> bytes:
    """Write a noun as canonical JSON."""
    return canonical_json(to_plain(noun))


def from_plain(kind: type[T], plain: Any) -> T:
    """Build a noun from plain JSON values; ValueError says which field does not fit."""
    try:
        return _converter.structure(plain, kind)
    except (cattrs.BaseValidationError, TypeError) as problem:
        raise ValueError("; ".join(cattrs.transform_error(problem))) from problem


def from_json(kind: type[T], data: bytes) -> T:
    """Read a noun from JSON."""
    return from_plain(kind, json.loads(data))


def step_key(step: str, **inputs: Any) -> Digest:
    """Name a step by everything that decides its result: done once under a key, never done again."""
    return digest_of(canonical_json({"step": step, **inputs}))
