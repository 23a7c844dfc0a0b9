"""Settings as one frozen value, built from a mapping the caller passes. Nothing here reads the environment by itself.

The CLI passes `os.environ`, Airflow's glue passes connections, a test passes a dict. Every wrong or missing
setting is named at once in one `SettingsError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from ocr_ops.errors import SettingsError


class OcrEngine(StrEnum):
    """Which engine reads pages."""

    EMBEDDED = "embedded"
    VLLM = "vllm"


class LlmProvider(StrEnum):
    """Who corrects the fields."""

    NONE = "none"
    OPENAI = "openai"
    """Any OpenAI-compatible endpoint."""
    BEDROCK = "bedrock"
    """AWS Bedrock's Converse interface."""


@dataclass(frozen=True)
class Limits:
    """Bounds on one document, checked before anything is decoded."""

    max_bytes: int = 100_000_000
    max_pages: int = 500
    max_page_pixels: int = 120_000_000
    dpi: int = 200
    max_side_px: int = 3500
    """Longest side of a page picture we keep; larger scans are scaled down to it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; each one is read from `OCR_OPS_<NAME IN CAPITALS>`."""

    ocr_engine: OcrEngine = OcrEngine.EMBEDDED
    """`embedded` (PP-OCRv6 on the CPU, needs nothing) or `vllm`."""
    ocr_urls: tuple[str, ...] = ()
    """Base URLs of OpenAI-compatible OCR servers, comma separated, each ending in /v1."""
    ocr_model: str = "deepseek-ai/DeepSeek-OCR"
    """Model name the OCR servers serve."""
    ocr_api_key: str = field(default="", repr=False)
    """Key for the OCR servers."""
    ocr_in_flight: int = 128
    """Requests in flight to each OCR server from one task."""
    ocr_denoise: bool = False
    """Take specks out of pages before they are read."""
    ocr_contrast: bool = False
    """Even out light and shadow of pages (CLAHE) before they are read."""
    ocr_binarise: bool = False
    """Show pages in black and white to the engine."""
    ocr_perspective: bool = False
    """Find the sheet on a photograph and flatten it before it is read."""
    llm_provider: LlmProvider = LlmProvider.NONE
    """`none`, `openai` (any OpenAI-compatible endpoint) or `bedrock`; setting only a URL means `openai`."""
    llm_url: str = ""
    """Base URL of the LLM endpoint, ending in /v1; for Bedrock an endpoint of one's own, or empty."""
    llm_model: str = ""
    """Model name at the LLM endpoint, empty: the first one the server lists. For Bedrock a model id or profile ARN."""
    llm_region: str = ""
    """AWS region for Bedrock; empty: what boto3 finds in its own configuration."""
    llm_api_key: str = field(default="", repr=False)
    """Key for the LLM endpoint."""
    llm_timeout_s: int = 120
    """Seconds to wait for one LLM reply."""
    llm_max_tokens: int = 4096
    """Most tokens of one LLM reply; a small model that runs away is cut sooner with fewer."""
    llm_pictures: bool = False
    """Show the LLM the pages' pictures too; for models that see."""
    llm_token_budget: int = 0
    """Most tokens one run may spend on the LLM; a run stops before it is passed. Unset: no bound."""
    llm_cost_budget: Decimal = Decimal(0)
    """Most money one run may spend on the LLM, in the currency of the prices. Unset: no bound."""
    llm_price_in: Decimal = Decimal(0)
    """Price of a million prompt tokens."""
    llm_price_out: Decimal = Decimal(0)
    """Price of a million reply tokens."""
    database_url: str = field(default="", repr=False)
    """SQLAlchemy URL of the warehouse; empty: the embedded server under `var/`."""
    audit_uri: str = "file://var/audit"
    """Where intermediates are kept: a `file://` folder, or `s3://bucket/prefix`."""
    landing_folder: str = "var/landing"
    """Folder that the scheduled DAG watches."""
    sources: str = ""
    """YAML file of several places to pick documents up from, one DAG each; empty: the landing folder alone."""
    alerts: str = field(default="", repr=False)
    """Where a failed or late run is told: e-mail addresses and webhook URLs, comma separated."""
    review_url: str = ""
    """Address that shows a document's page to a person, once its key is put behind it; empty: no link."""
    allowed_roots: tuple[str, ...] = ()
    """Folders and `s3://bucket/prefix` documents may come from, separated by `:`; empty: no restriction outside Airflow."""
    max_bytes: int = Limits.max_bytes
    """Largest file opened, in bytes."""
    max_pages: int = Limits.max_pages
    """Most pages of one document."""
    max_page_pixels: int = Limits.max_page_pixels
    """Most pixels of one page picture before scaling."""
    dpi: int = Limits.dpi
    """Resolution at which PDF pages are rendered; for OCR servers they are drawn to fill the model's tiles."""

    @property
    def limits(self) -> Limits:
        """The bounds on one document."""
        return Limits(self.max_bytes, self.max_pages, self.max_page_pixels, self.dpi)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read `OCR_OPS_*` from a mapping; unknown names are ignored, wrong values are all named in one SettingsError."""
        given, wrong = _read(cls, env)
        if given.get("llm_url") and "llm_provider" not in given:
            given["llm_provider"] = LlmProvider.OPENAI
        settings = cls(**given)
        wrong += _contradictions(settings)
        if wrong:
            raise SettingsError("; ".join(wrong))
        return settings


def env_name(setting: str) -> str:
    """The environment variable of a setting."""
    return f"OCR_OPS_{setting.upper()}"


def _read(cls: type[Settings], env: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    given: dict[str, Any] = {}
    wrong: list[str] = []
    for spec in fields(cls):
        text = env.get(env_name(spec.name), "").strip()
        if not text:
            continue
        try:
            given[spec.name] = _CONVERTERS.get(str(spec.type), str)(text)
        except ValueError:
            wrong.append(f"{env_name(spec.name)}={text!r} is not {_EXPECTED[str(spec.type)]}")
    return given, wrong


def _contradictions(settings: Settings) -> list[str]:
    wrong = []
    if not re.match(r"file://.|s3://[^/]", settings.audit_uri):
        wrong.append("OCR_OPS_AUDIT_URI must be file:// and a folder, or s3:// and a bucket")
    if settings.ocr_engine is OcrEngine.VLLM and not settings.ocr_urls:
        wrong.append("OCR_OPS_OCR_ENGINE=vllm needs OCR_OPS_OCR_URLS, for instance http://gpu-box:8000/v1")
    if settings.llm_provider is LlmProvider.OPENAI and not settings.llm_url:
        wrong.append(
            "OCR_OPS_LLM_PROVIDER=openai needs OCR_OPS_LLM_URL, for instance http://localhost:11434/v1"
        )
    if settings.llm_provider is LlmProvider.BEDROCK and not settings.llm_model:
        wrong.append(
            "OCR_OPS_LLM_PROVIDER=bedrock needs OCR_OPS_LLM_MODEL, a model id or an inference profile's ARN"
        )
    if settings.llm_cost_budget and not (settings.llm_price_in or settings.llm_price_out):
        wrong.append("OCR_OPS_LLM_COST_BUDGET needs OCR_OPS_LLM_PRICE_IN and OCR_OPS_LLM_PRICE_OUT")
    return wrong


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _switch(text: str) -> bool:
    known = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    if text.lower() not in known:
        raise ValueError(text)
    return known[text.lower()]


def _money(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation as problem:
        raise ValueError(text) from problem
    if not amount.is_finite() or amount < 0:
        raise ValueError(text)
    return amount


def _urls(text: str) -> tuple[str, ...]:
    urls = tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
    if any(not url.startswith(("http://", "https://")) for url in urls):
        raise ValueError(text)
    return urls


def _tuple(text: str) -> tuple[str, ...]:
    if "s3://" not in text and "://" in text:
        return _urls(text)
    return tuple(part for part in re.split(r":(?!//)", text) if part)


_CONVERTERS: dict[str, Callable[[str], Any]] = {
    "OcrEngine": OcrEngine,
    "LlmProvider": LlmProvider,
    "Decimal": _money,
    "bool": _switch,
    "int": _positive,
    "tuple[str, ...]": _tuple,
}
_EXPECTED = {
    "OcrEngine": "one of: embedded, vllm",
    "LlmProvider": "one of: none, openai, bedrock",
    "Decimal": "an amount such as 2.50",
    "bool": "true or false",
    "int": "a whole number above 0",
    "tuple[str, ...]": "a comma-separated list of http(s) URLs",
}
