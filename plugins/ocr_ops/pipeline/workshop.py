"""What the steps work with: settings, the audit store, engines made on demand, and who hears about progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from ocr_ops.audit import AuditStore, open_store
from ocr_ops.codec import from_json
from ocr_ops.engines import Engine
from ocr_ops.engines.tiles import Tiling, tiling_of
from ocr_ops.model import Digest, ReadPage, Stage
from ocr_ops.ocr import preparation_for
from ocr_ops.picture_prep import Preparation
from ocr_ops.pools import OCR_POOL, pools_for
from ocr_ops.readers.llm import LlmReader
from ocr_ops.readers.llm_peer import Peer
from ocr_ops.readers.llm_purse import Budget, Purse
from ocr_ops.s3 import S3Access
from ocr_ops.schemas import FOLDER as SCHEMA_FOLDER
from ocr_ops.settings import LlmProvider, OcrEngine, Settings


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth showing a person who waits. `done` of `total` pages (READ) or documents (other stages)."""

    stage: Stage
    name: str
    done: int
    total: int
    detail: str = ""


_REMEMBERED_BYTES = 50_000
"""Pages that take more JSON are not kept in memory: some receipts do no harm, some books would."""

Report = Callable[[Event], None]


def silent(event: Event) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Everything a step may need besides its input."""

    settings: Settings
    store: AuditStore
    report: Report = silent
    schema_folder: Path = SCHEMA_FOLDER
    purse: Purse = field(default_factory=Purse)
    """What the run may still spend on the LLM: one for all that works in this workshop."""
    s3: S3Access | None = None
    """How to get at buckets that documents come from; None: as boto3 finds by itself."""

    @classmethod
    def from_settings(
        cls, settings: Settings, report: Report = silent, s3: S3Access | None = None
    ) -> Workshop:
        """Open the audit store that the settings name."""
        return cls(settings, open_store(settings.audit_uri), report, purse=Purse(budget_of(settings)), s3=s3)

    def for_tenant(self, tenant: str) -> Workshop:
        """The workshop of a tenant's work: what it keeps lies below a folder of the tenant's own in the audit store."""
        return replace(self, store=self.store.for_tenant(tenant))

    def for_part(self, part: int, of: int) -> Workshop:
        """The workshop of a task that does `part` of the `of` documents of a run, with that share of the run's budget."""
        return replace(self, purse=Purse(budget_of(self.settings).share(part, of)))

    def engine(self, name: OcrEngine | None = None) -> Engine:
        """Make an engine; the caller closes it, inside the event loop that used it."""
        if (name or self.settings.ocr_engine) is OcrEngine.VLLM:
            from ocr_ops.engines.vllm import VllmEngine

            return VllmEngine(
                self.settings.ocr_urls,
                self.settings.ocr_model,
                api_key=self.settings.ocr_api_key,
                in_flight=self.settings.ocr_in_flight,
            )
        from ocr_ops.engines.embedded import EmbeddedEngine

        return EmbeddedEngine()

    def tiling(self, name: OcrEngine | None = None) -> Tiling | None:
        """The tiles that an engine's model looks at; None for an engine that takes a page at any size."""
        is_tiled = (name or self.settings.ocr_engine) is OcrEngine.VLLM
        return tiling_of(self.settings.ocr_model) if is_tiled else None

    def preparation(self, engine: Engine) -> Preparation:
        """What is done to pages before `engine` sees them: what it needs, and what the settings switch on."""
        settings = self.settings
        switches = Preparation(
            denoise=settings.ocr_denoise,
            contrast=settings.ocr_contrast,
            binarise=settings.ocr_binarise,
            perspective=settings.ocr_perspective,
        )
        return preparation_for(engine, switches)

    def pages_in_flight(self, name: OcrEngine | None = None) -> int:
        """How many pages one task keeps going: many on a GPU server, one where a single page uses all cores."""
        if (name or self.settings.ocr_engine) is OcrEngine.VLLM:
            return self.settings.ocr_in_flight * max(1, len(self.settings.ocr_urls))
        return 1

    def readers(self, name: OcrEngine | None = None) -> int:
        """How many tasks read side by side: the slots that the OCR pool is made with."""
        served = (name or self.settings.ocr_engine) is OcrEngine.VLLM
        return pools_for(ocr_servers=served)[OCR_POOL][0]

    def llm(self) -> LlmReader | None:
        """Make the LLM reader, or None where none is configured."""
        peer, settings = self._llm_peer(), self.settings
        if peer is None:
            return None
        return LlmReader(
            peer,
            purse=self.purse,
            sees_pictures=settings.llm_pictures,
            max_tokens=settings.llm_max_tokens,
        )

    def _llm_peer(self) -> Peer | None:
        settings = self.settings
        match settings.llm_provider:
            case LlmProvider.OPENAI:
                from ocr_ops.readers.llm_openai import OpenAiPeer

                return OpenAiPeer(
                    settings.llm_url,
                    settings.llm_model,
                    api_key=settings.llm_api_key,
                    timeout_s=settings.llm_timeout_s,
                )
            case LlmProvider.BEDROCK:
                from ocr_ops.readers.llm_bedrock import BedrockPeer

                return BedrockPeer(
                    settings.llm_model,
                    region=settings.llm_region,
                    endpoint_url=settings.llm_url,
                    timeout_s=settings.llm_timeout_s,
                )
        return None

    def pages(self, read: Digest) -> tuple[ReadPage, ...]:
        """What a document's pages were read as; AuditBroken when the store no longer holds those bytes."""
        data = self.store.get(read)
        return _pages(data) if len(data) <= _REMEMBERED_BYTES else from_json(tuple[ReadPage, ...], data)

    def once(self, key: Digest, make: Callable[[], bytes]) -> Digest:
        """Return the stored result of a step, making it when it was never made under this key."""
        known = self.store.find(key)
        return known if known is not None else self.keep(key, make())

    def keep(self, key: Digest, result: bytes) -> Digest:
        """Store a step's result under its key."""
        digest = self.store.put(result)
        self.store.remember(key, digest)
        return digest


@lru_cache(maxsize=32)
def _pages(data: bytes) -> tuple[ReadPage, ...]:
    """Each step of a document asks for its pages; known by their bytes, which the store proves every time."""
    return from_json(tuple[ReadPage, ...], data)


def budget_of(settings: Settings) -> Budget:
    """What the settings allow one run to spend on the LLM."""
    return Budget(
        settings.llm_token_budget, settings.llm_cost_budget, settings.llm_price_in, settings.llm_price_out
    )
