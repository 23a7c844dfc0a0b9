"""The nouns, in the order a document becomes them. Frozen values, no behaviour beyond refusing nonsense.

SourceDocument -> PageImage -> RawPage -> Block -> Candidate -> Record -> Outcome, and Problem anywhere.
Everything here is written to and read from canonical JSON by `codec`; a new field needs a default.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NewType

Digest = NewType("Digest", str)
"""`sha256:` and 64 lower-case hex digits: the name of some bytes, and of the algorithm that named them."""

GRID_MAX = 999
"""Far edge of the models' coordinate grid on either axis (DeepSeek-OCR, run_dpsk_ocr_pdf.py scales by 1/999)."""

JsonObject = Mapping[str, Any]

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")


def is_digest(text: str) -> bool:
    """Whether `text` is a well-formed digest."""
    return _DIGEST.match(text) is not None


class Stage(StrEnum):
    """Where in the journey something happened."""

    FIND = "find"
    OPEN = "open"
    READ = "read"
    RENDER = "render"
    EXTRACT = "extract"
    VALIDATE = "validate"
    LOAD = "load"
    AUDIT = "audit"


class Status(StrEnum):
    """What became of a document."""

    ACCEPTED = "accepted"
    NEEDS_REVIEW = "needs_review"
    QUARANTINED = "quarantined"
    REJECTED = "rejected"


class ProblemKind(StrEnum):
    """Why a document, page or field is held back. The value is stored; never rename one."""

    # the file
    EMPTY_FILE = "empty_file"
    UNREADABLE_FILE = "unreadable_file"
    UNSUPPORTED_TYPE = "unsupported_type"
    WRONG_EXTENSION = "wrong_extension"
    DAMAGED = "damaged"
    ENCRYPTED = "encrypted"
    TOO_LARGE = "too_large"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_MANY_PAGES = "too_many_pages"
    DUPLICATE = "duplicate"
    STILL_WRITTEN = "still_written"
    HIDDEN_TEXT = "hidden_text"
    HAS_ATTACHMENT = "has_attachment"
    # the reading
    NO_TEXT = "no_text"
    CUT_OFF = "cut_off"
    LOOP = "loop"
    STRAY_TEXT = "stray_text"
    MARKUP_STRIPPED = "markup_stripped"
    TABLE_WITHOUT_CELLS = "table_without_cells"
    ROWS_ALTERED = "rows_altered"
    WRONG_PROCESSOR = "wrong_processor"
    PARTS_UNJOINED = "parts_unjoined"
    ENGINE_FAILED = "engine_failed"
    # the record
    UNKNOWN_DOC_TYPE = "unknown_doc_type"
    MISSING = "missing"
    NOT_ON_PAGE = "not_on_page"
    AMBIGUOUS = "ambiguous"
    UNCONFIRMED = "unconfirmed"
    IMPROBABLE = "improbable"
    READERS_DISAGREE = "readers_disagree"
    RULE_FAILED = "rule_failed"
    BAD_XML = "bad_xml"
    XML_DISAGREES = "xml_disagrees"
    NOT_IN_PICTURE = "not_in_picture"
    SCHEMA = "schema"
    MODEL_REPLY = "model_reply"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a person should know, in a sentence a person understands."""

    stage: Stage
    kind: ProblemKind
    detail: str
    page: int | None = None
    field: str | None = None


@dataclass(frozen=True, slots=True)
class PixelSize:
    """Width and height of a picture in pixels."""

    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a picture has at least one pixel, not {self.width} x {self.height}")


@dataclass(frozen=True, slots=True)
class GridBox:
    """A rectangle on the 0-999 grid of an upright page picture, origin top left, x to the right, y down.

    Models answer in whole numbers; boxes that went through a transform have fractions.
    """

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True)
class PixelBox:
    """A rectangle in whole pixels of one picture, origin top left."""

    x1: int
    y1: int
    x2: int
    y2: int


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file inside a document or beside it, kept but not yet read."""

    name: str
    digest: Digest
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A file as it was found. `uri` is where, `digest` is what; `beside` is what lies beside it and belongs to it."""

    uri: str
    name: str
    digest: Digest
    media_type: str
    size_bytes: int
    beside: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class PageImage:
    """The upright picture of one page, stored under `digest`.

    `number` counts from 1. `turn` is the clockwise rotation in degrees (0, 90, 180, 270) that made the page of the
    file upright, after EXIF and the PDF's own /Rotate were applied. `dpi` is 0 where the file does not say.
    """

    number: int
    digest: Digest
    media_type: str
    size: PixelSize
    dpi: float = 0.0
    turn: int = 0

    def __post_init__(self) -> None:
        if self.number < 1 or self.turn not in (0, 90, 180, 270):
            raise ValueError(f"page {self.number} turned by {self.turn} degrees does not exist")


class ReplyFormat(StrEnum):
    """How `RawPage.text` is written."""

    GROUNDING = "grounding"
    """DeepSeek-OCR markup: `<|ref|>label<|/ref|><|det|>[[x1,y1,x2,y2]]<|/det|>` and the block's text."""
    LINES = "lines"
    """JSON array of `{"text", "box": [x1,y1,x2,y2] on the grid, "score": 0..1 or null}`, in reading order."""
    TEXT = "text"
    """Text or Markdown of the whole picture, without places."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """How the picture that an engine was shown came from the page's: its size, a clockwise quarter turn, and the rest.

    `to_page` is a homography, row by row: from places of the shown picture, in pixels from its corner, to places of the
    page turned upright; empty where they are the same. `steps` say what was done, in order.
    """

    size: PixelSize
    turn: int = 0
    to_page: tuple[float, ...] = ()
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RawPage:
    """What an engine answered for one page, as it came. `turn`: clockwise degrees the engine turned the picture by.

    `temperature` is what a model was asked with; a retry of a bad reply raises it. `ngram_ban`: the server was asked to
    forbid repeated runs of tokens, which can alter rows. `expected_tokens` are the fewest and the most prompt tokens that
    the picture and the prompt should have taken, (0, 0) where that is not known. `area` is the part of the page that
    was shown, in pixels of the page's picture, or of the prepared one where there is one, None for all of it. `prepared`:
    the engine was shown another picture than the page's own. `sent` names the bytes that it was shown, where they are not the page's.
    """

    page: int
    engine: str
    model: str
    version: str
    reply_format: ReplyFormat
    text: str
    turn: int = 0
    finish_reason: str = "stop"
    prompt: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    temperature: float = 0.0
    ngram_ban: bool = False
    expected_tokens: tuple[int, int] = (0, 0)
    area: PixelBox | None = None
    prepared: Prepared | None = None
    sent: Digest | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """One region of a page that was read as one piece.

    `id` ("p001.b012") is stable: it is the HTML id and what evidence points at. `label` is the model's own word
    ("text", "title", "table", "image", …). `text` of a table is its HTML as it came. Several boxes are allowed.
    `score` is the engine's own confidence in 0..1, or None where it gives none.
    """

    id: str
    label: str
    boxes: tuple[GridBox, ...]
    text: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """Blocks in reading order, and the text that could not be placed."""

    blocks: tuple[Block, ...]
    stray: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadPage:
    """A page after reading: its upright picture, every attempt (digests of `RawPage`s), its blocks.

    The last attempt counts; of a page that was read in parts, the last one at each `RawPage.area`.
    """

    image: PageImage
    attempts: tuple[Digest, ...]
    blocks: tuple[Block, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """One reader's value for one field.

    `path` is a JSON pointer into the record ("/total", "/line_items/0/description"); `value` is in the schema's
    form (ISO date, decimal string, text); `raw` is what was printed; `blocks` is where the reader says it saw it,
    which the judge checks; `score` in 0..1 ranks readings of one reader and means nothing across readers.
    """

    path: str
    value: str
    raw: str = ""
    blocks: tuple[str, ...] = ()
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one reader proposes for a document. `profile`: the e-invoice's syntax and guideline id, where it read one."""

    reader: str
    version: str
    readings: tuple[Reading, ...]
    problems: tuple[Problem, ...] = ()
    profile: str = ""


class Match(StrEnum):
    """How a value was found on the page."""

    EXACT = "exact"
    NORMALISED = "normalised"
    FUZZY = "fuzzy"
    AMBIGUOUS = "ambiguous"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where on paper a field's value stands, found by alignment and never by a model's claim.

    `probability` in 0..1 that the value is right, as calibrated on labelled documents; None where nothing was calibrated.
    `signs` is what that was concluded from, in the order of `judge.calibration.SIGNS`.
    """

    field: str
    match: Match
    page: int | None = None
    blocks: tuple[str, ...] = ()
    raw: str = ""
    probability: float | None = None
    signs: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One arithmetic or cross-field rule on one record. `fields` are the pointers it read; `holds` None: not applicable."""

    rule: str
    holds: bool | None
    fields: tuple[str, ...]
    detail: str


@dataclass(frozen=True, slots=True)
class Record:
    """The judged result for one document. `values` validates against the schema named."""

    doc_type: str
    schema_version: int
    schema_fingerprint: Digest
    status: Status
    values: dict[str, Any]
    evidence: tuple[Evidence, ...] = ()
    rules: tuple[RuleResult, ...] = ()
    problems: tuple[Problem, ...] = ()
    readers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one document in one run: data, not an exception."""

    uri: str
    name: str
    digest: Digest | None
    status: Status
    doc_type: str | None = None
    media_type: str | None = None
    size_bytes: int | None = None
    pages: tuple[ReadPage, ...] = ()
    record: Record | None = None
    problems: tuple[Problem, ...] = ()
    artifacts: dict[str, Digest] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)


class Kind(StrEnum):
    """What sort of value a field holds: decides its grammar, its comparison and its column type."""

    TEXT = "text"
    ADDRESS = "address"
    IDENTIFIER = "identifier"
    TAX_ID = "tax_id"
    IBAN = "iban"
    DATE = "date"
    TIME = "time"
    MONEY = "money"
    QUANTITY = "quantity"
    RATE = "rate"
    CURRENCY = "currency"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One leaf of a document type. In `path` a `*` stands for any index ("/line_items/*/quantity").

    `labels` are the words printed beside the value, lower case, by language code. `role` names a field that has no
    label on paper and is found by its place ("merchant_name", "merchant_address", "seller_name", …), or is empty.
    """

    path: str
    kind: Kind
    required: bool = False
    critical: bool = False
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    role: str = ""


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """One rule of a document type, as data. Exactly one of the forms:

    * `sum`: the listed pointers add up to `equals` (a pointer with `*` contributes every row), within `tolerance`
    * `product`: the listed pointers of one row multiply to `equals` of that row
    * `not_after`: the first date is not after the second
    A rule whose fields are missing does not apply. Money is compared as Decimal.
    """

    id: str
    sum: tuple[str, ...] = ()
    product: tuple[str, ...] = ()
    not_after: tuple[str, ...] = ()
    equals: str = ""
    tolerance: str = "0.01"


@dataclass(frozen=True, slots=True)
class Schema:
    """A document type: one file `extraction_schemas/<doc_type>/v<version>.schema.json`, read and checked.

    `fingerprint` is the digest of the file's canonical JSON. `document` is that JSON, with the `x-` keywords.
    `type_words` are words whose presence speaks for this type, by language.
    """

    doc_type: str
    version: int
    fingerprint: Digest
    document: dict[str, Any]
    fields: tuple[FieldSpec, ...]
    rules: tuple[RuleSpec, ...]
    type_words: dict[str, tuple[str, ...]] = field(default_factory=dict)
