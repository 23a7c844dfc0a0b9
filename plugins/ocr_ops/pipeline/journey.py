"""What is known of one document between two steps, and what a run was asked for. Values only; stored as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ocr_ops.audit import ManifestStep
from ocr_ops.model import Attachment, Digest, PageImage, Problem, SourceDocument, Status
from ocr_ops.settings import OcrEngine

AUTO = "auto"
"""Document type to ask for when the pages should decide."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a person or a schedule asked for."""

    doc_type: str = AUTO
    engine: OcrEngine | None = None
    """None: the one in the settings."""
    reprocess: bool = False
    batch_size: int = 0
    """Most documents in one batch; 0: as many as their pages and bytes allow."""
    tenant: str = "main"
    """Whose documents they are."""
    limit: int = 0
    """Most documents of one run, in the order of their paths; 0 for all."""
    keep_reading: bool = False
    """Start from what was read before, whatever reads now: no OCR."""
    reason: str = ""
    """Why documents are processed again, for their proposals."""


@dataclass(frozen=True, slots=True)
class Journey:
    """One document on its way: the steps done with their stored results; `status` is set once it is decided."""

    uri: str
    name: str
    size_bytes: int = 0
    source: SourceDocument | None = None
    steps: tuple[ManifestStep, ...] = ()
    status: Status | None = None
    problems: tuple[Problem, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    pages_expected: int = 1
    """A guess from the bytes, made to share out work."""

    def quarantined(self, *problems: Problem) -> Journey:
        """The same document, set aside for a reason."""
        return replace(self, status=Status.QUARANTINED, problems=(*self.problems, *problems))

    def did(self, step: str, key: Digest, inputs: tuple[Digest, ...], output: Digest) -> Journey:
        """The same document, one step further."""
        return replace(self, steps=(*self.steps, ManifestStep(step, key, inputs, output)))

    def result(self, step: str) -> Digest | None:
        """What a step gave, or None where it was not reached."""
        return next((done.output for done in reversed(self.steps) if done.step == step), None)

    def need(self, step: str) -> Digest:
        """What a step gave; RuntimeError when the pipeline calls a later step first."""
        output = self.result(step)
        if output is None:
            raise RuntimeError(f"{step} has not been done for {self.uri}")
        return output

    def timed(self, step: str, seconds: float) -> Journey:
        """The same document with a step's wall-clock seconds noted."""
        return replace(self, timings={**self.timings, step: round(seconds, 3)})


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents that travel together, and what was asked for them."""

    order: Order
    documents: tuple[Journey, ...]
    of: int = 0
    """Documents of the whole run; 0 where that is not known, and the batch counts as all of it."""


@dataclass(frozen=True, slots=True)
class OpenedPage:
    """One page after opening: its picture, and the digest of its text layer's `RawPage` when it has a usable one."""

    image: PageImage
    text_layer: Digest | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """Result of the open step."""

    pages: tuple[OpenedPage, ...]
    attachments: tuple[Attachment, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    """Result of the render step: one HTML file for the document, and its Markdown."""

    html: Digest
    markdown: Digest


@dataclass(frozen=True, slots=True)
class Extracted:
    """Result of the extract step: what each reader proposed, and every exchange with the LLM."""

    doc_type: str
    schema_version: int
    candidates: tuple[Digest, ...]
    llm_attempts: tuple[Digest, ...] = ()
