"""What can go wrong with the world (never with a document: that is a `Problem`).

* OcrOpsError
  x TerminalError    - the same input will fail again: wrong settings, unknown schema, a refused request
    - SettingsError, UnknownSchema, ForbiddenFolder, ModelRefused, AuditBroken
  x TransientError   - the world may have changed by the next try
    - ModelBusy, ModelUnreachable, WarehouseUnavailable
  x UnreadableDocument - carries a problem kind; the pipeline turns it into a quarantined outcome, nobody retries it

Airflow's retry policy names `TerminalError` and `TransientError` by dotted path and imports this file at parse
time, so it imports nothing.
"""

from __future__ import annotations


class OcrOpsError(Exception):
    """Base of everything this package raises on purpose."""


class TerminalError(OcrOpsError):
    """Raise when trying again with the same input cannot help."""


class TransientError(OcrOpsError):
    """Raise when a later try may succeed."""


class SettingsError(TerminalError):
    """Raise when settings are missing or contradict each other; the message names every one."""


class UnknownSchema(TerminalError):
    """Raise when a document type has no schema file, or the file is not a valid schema."""


class ForbiddenFolder(TerminalError):
    """Raise when a folder lies outside the allowed roots."""


class ModelRefused(TerminalError):
    """Raise when a model server refuses a request for good (bad key, unknown model, request too large)."""


class AuditBroken(TerminalError):
    """Raise when stored bytes no longer match their digest."""


class ModelBusy(TransientError):
    """Raise when a model server is overloaded (429, 503, queue full)."""


class ModelUnreachable(TransientError):
    """Raise when a model server cannot be reached, times out or breaks off."""


class WarehouseUnavailable(TransientError):
    """Raise when Postgres cannot be reached or asks to try again (deadlock, serialisation)."""


class UnreadableDocument(OcrOpsError):
    """Raise when bytes cannot be opened as a document.

    `kind` is the value of a `model.ProblemKind`; `detail` is a sentence for the person who sent the file.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
