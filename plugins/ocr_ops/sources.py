"""One YAML file -> the places that documents are picked up from, each of which becomes a DAG.

Read while DAG files are parsed: no network, no database, nothing heavy. Every fault of the file is named at once, with its
line, in one SettingsError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from ocr_ops.errors import SettingsError
from ocr_ops.pools import OCR_POOL, pool_of
from ocr_ops.priorities import NORMAL, WEIGHTS
from ocr_ops.settings import OcrEngine, env_name

DEFAULT_NAME = "landing_zone"
AUTO = "auto"
AS_CONFIGURED = "as configured"
_PREFIX = "ingest_"
_TAKEN = frozenset({"folder"})
"""Names whose DAG is another one of ours."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}\Z")
_EVERY = re.compile(r"every ([1-9][0-9]{0,4}) (minute|hour|day)s?\Z")
_PRESETS = ("@hourly", "@daily", "@weekly", "@monthly")
_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^?#]*)?\Z")
_CRON_PART = re.compile(r"(\*|[0-9]{1,2}(-[0-9]{1,2})?)(/[0-9]{1,2})?\Z")
_CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_LARGEST_BATCH, _MOST_READERS = 500, 64


@dataclass(frozen=True, slots=True)
class Source:
    """One place that documents are picked up from; its DAG is `ingest_<name>`."""

    name: str = DEFAULT_NAME
    folder: str = "var/landing"
    """A folder that every worker reaches (a relative one is one of the checkout's), or `s3://bucket/prefix`."""
    doc_type: str = AUTO
    schedule: str = "every 1 minute"
    """`every 5 minutes`, a cron expression, `@hourly`, `@daily`, `@weekly`, `@monthly`, or `none` for started by hand."""
    engine: str = AS_CONFIGURED
    tenant: str = "main"
    batch_size: int = 0
    """Most documents in a batch; 0: as many as their pages and bytes allow."""
    priority: str = NORMAL
    """`low`, `normal` or `high`: who goes first where sources wait for the same places."""
    readers: int = 0
    """Places of its own to read in, in a pool `ocr_ops_ocr_<name>`; 0: it shares the pool of all."""

    @property
    def dag_id(self) -> str:
        """Name of its DAG."""
        return f"{_PREFIX}{self.name}"

    @property
    def pool(self) -> str:
        """The pool that its pages are read in."""
        return pool_of(self.name) if self.readers else OCR_POOL

    @property
    def weight(self) -> int:
        """Weight of its tasks."""
        return WEIGHTS[self.priority]

    def in_words(self) -> dict[str, str]:
        """What a person is told of it, by name."""
        kind = "any document" if self.doc_type == AUTO else self.doc_type
        return {**asdict(self), "doc_type": kind}

    @property
    def every(self) -> timedelta | str | None:
        """What Airflow takes as a schedule."""
        found = _EVERY.match(self.schedule)
        if found:
            return timedelta(**{f"{found[2]}s": int(found[1])})
        return None if self.schedule == "none" else self.schedule


def run_name(dag_id: str, run_id: str) -> str:
    """What a run is called in the warehouse: Airflow gives runs of two sources on one schedule the same name."""
    own = dag_id.startswith(_PREFIX) and dag_id not in (f"{_PREFIX}folder", f"{_PREFIX}{DEFAULT_NAME}")
    return f"{dag_id} {run_id}" if own else run_id


def configured_sources(env: Mapping[str, str], *, doc_types: Collection[str]) -> tuple[Source, ...]:
    """The sources of the file that `OCR_OPS_SOURCES` names; without it the landing folder alone."""
    path = env.get(env_name("sources"), "").strip()
    if not path:
        folder = env.get(env_name("landing_folder"), "").strip()
        return (Source(folder=folder) if folder else Source(),)
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        words = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
        raise SettingsError(f"OCR_OPS_SOURCES={path} cannot be read: {words}") from problem
    return read_sources(text, name=Path(path).name, doc_types=doc_types)


def own_pools(sources: Collection[Source]) -> dict[str, int]:
    """The pools of sources with places of their own, and how many."""
    return {source.pool: source.readers for source in sources if source.readers}


def read_sources(text: str, *, name: str, doc_types: Collection[str]) -> tuple[Source, ...]:
    """Read the text of a sources file; SettingsError names every fault as `<name> line <n>: ...`."""
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        faults = list(_shape_faults(root))
        entries = [] if faults else [_Entry.of(node) for node in _listed(root)]
        values = yaml.safe_load(text) if not faults else {}
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        place = f" line {mark.line + 1}" if mark else ""
        raise SettingsError(
            f"{name}{place}: this is not YAML: {getattr(problem, 'problem', '')}"
        ) from problem
    checks = _checks(doc_types)
    for entry, given in zip(entries, values.get("sources", ()), strict=True):
        faults += _faults_of(entry, given, checks)
    faults += _repeated(entries)
    if faults:
        raise SettingsError("; ".join(f"{name} line {line}: {words}" for line, words in sorted(faults)))
    return tuple(Source(**given) for given in values["sources"])


Fault = tuple[int, str]
Check = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of the list and the lines of its keys."""

    line: int
    lines: Mapping[str, int]
    name: str

    @classmethod
    def of(cls, node: Any) -> _Entry:
        pairs = node.value if isinstance(node.value, list) and _is_mapping(node) else []
        lines = {str(key.value): key.start_mark.line + 1 for key, _ in pairs}
        name = next((str(value.value) for key, value in pairs if key.value == "name"), "")
        return cls(node.start_mark.line + 1, lines, name)


def _is_mapping(node: Any) -> bool:
    return bool(node is not None and node.id == "mapping")


def _listed(root: Any) -> list[Any]:
    return next(list(value.value) for key, value in root.value if key.value == "sources")


def _shape_faults(root: Any) -> Iterator[Fault]:
    if not _is_mapping(root):
        yield 1, "expected `version: 1` and a list `sources`"
        return
    keys = {key.value: value for key, value in root.value}
    for key, _ in root.value:
        if key.value not in ("version", "sources"):
            yield key.start_mark.line + 1, f"{key.value!r} is not known; known: version, sources"
    if "version" not in keys or keys["version"].value != "1":
        yield 1, "expected `version: 1`"
    listed = keys.get("sources")
    if listed is None or listed.id != "sequence" or not listed.value:
        yield (
            (listed.start_mark.line + 1 if listed else 1),
            "expected a list `sources` with one entry at least",
        )


def _faults_of(entry: _Entry, given: Any, checks: Mapping[str, Check]) -> Iterator[Fault]:
    if not isinstance(given, dict):
        yield entry.line, "expected name, folder and so on, one a line"
        return
    for key, value in given.items():
        line = entry.lines.get(str(key), entry.line)
        if key not in checks:
            yield line, f"{str(key)!r} is not known; known: {', '.join(checks)}"
        elif words := checks[key](value):
            yield line, f"{key} is {value!r}, {words}"
    for key in ("name", "folder"):
        if key not in given:
            yield entry.line, f"a source needs a {key}"


def _repeated(entries: list[_Entry]) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for entry in entries:
        line = entry.lines.get("name", entry.line)
        if entry.name and first.setdefault(entry.name, line) != line:
            yield (
                line,
                f"name is {entry.name!r}, as on line {first[entry.name]}, and every source needs its own",
            )


# --- what each value must be: words when it is not ---


def _checks(doc_types: Collection[str]) -> dict[str, Check]:
    return {
        "name": _wrong_name,
        "folder": _wrong_folder,
        "doc_type": _one_of(AUTO, *sorted(doc_types)),
        "schedule": _wrong_schedule,
        "engine": _one_of(AS_CONFIGURED, *OcrEngine),
        "tenant": lambda v: "" if _fits(_TENANT, v) else "must be up to 80 letters, digits, dots, - and _",
        "batch_size": _whole(0, _LARGEST_BATCH),
        "priority": _one_of(*WEIGHTS),
        "readers": _whole(0, _MOST_READERS),
    }


def _fits(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.match(value) is not None


def _one_of(*choices: str) -> Check:
    words = f"must be one of: {', '.join(choices)}"
    return lambda value: "" if value in choices else words


def _wrong_name(value: Any) -> str:
    if isinstance(value, str) and value in _TAKEN:
        return f"but the DAG ingest_{value} is another one"
    return "" if _fits(_NAME, value) else "must be small letters, digits and _, 40 at most, a letter first"


def _wrong_folder(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        return "must be a folder or s3://bucket/prefix"
    if value.startswith("s3://"):
        return "" if _BUCKET.match(value) else "must name a bucket: s3://bucket/prefix"
    if "://" in value and not value.startswith("file://"):
        return "must be a folder or s3://bucket/prefix: mount it, or copy from it with `rclone move`"
    return ""


def _whole(least: int, most: int) -> Check:
    def check(value: Any) -> str:
        fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return "" if fits else f"must be a whole number from {least} to {most}"

    return check


def _wrong_schedule(value: Any) -> str:
    if value in (*_PRESETS, "none") or _fits(_EVERY, value) or (isinstance(value, str) and _is_cron(value)):
        return ""
    return (
        f"must be `every 5 minutes`, a cron expression of five fields, none, or one of {', '.join(_PRESETS)}"
    )


def _is_cron(text: str) -> bool:
    parts = text.split()
    return len(parts) == len(_CRON_RANGES) and all(
        _is_cron_field(part, low, high) for part, (low, high) in zip(parts, _CRON_RANGES, strict=True)
    )


def _is_cron_field(text: str, low: int, high: int) -> bool:
    for part in text.split(","):
        if not _CRON_PART.match(part):
            return False
        limits = [int(number) for number in part.split("/")[0].split("-") if number != "*"]
        if any(not low <= number <= high for number in limits) or limits != sorted(limits):
            return False
        if part.endswith(("/0", "/00")):
            return False
    return True
