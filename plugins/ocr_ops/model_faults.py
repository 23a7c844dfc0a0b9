"""What a model server said no with -> one of our errors, so that retries know whether trying again can help.

In: an exception of the openai client. Out: an `OcrOpsError`, never raised here. A status alone decides little: vLLM
answers 500 to three faults of the request that stay faults for ever, and 401 with a string instead of an object.
The server's words are cut short, and a key is never repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ocr_ops.errors import ModelBusy, ModelRefused, ModelUnreachable, OcrOpsError

if TYPE_CHECKING:
    from openai import APIStatusError

LONGEST_COMPLAINT = 200
LONGEST_REST_S = 60.0

_PICTURE = (
    "failed to load image",
    "cannot identify image",
    "image file is truncated",
    "decompression bomb",
    "image size (",
)
_REQUEST_BEHIND_500 = ("cannot connect to host", "cannot load local files")
_CONTEXT = (
    "context length",
    "context_length",
    "context window",
    "context size",
    "exceed_context",
    "max_model_len",
    "prompt is too long",
    "input is too long",
    "too many input tokens",
)


class RequestRefused(ModelRefused):
    """Raise when a server answered that this request is not acceptable; `complaint` is what it said."""

    def __init__(self, message: str, status: int = 0, complaint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.complaint = complaint


class PictureRefused(RequestRefused):
    """Raise when a server cannot use the picture sent: the page's fault, not the world's."""


class ContextExceeded(RequestRefused):
    """Raise when the request is longer than the model's context."""


class ServerFailed(ModelUnreachable):
    """Raise when a server answered, but broke while doing so, or answered with something else."""

    def __init__(self, message: str, status: int = 0, complaint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.complaint = complaint


class ServerBusy(ModelBusy):
    """Raise when a server is full; `retry_after_s` is what it asked for, 0 when it asked for nothing."""

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


def fault_of(problem: Exception, server: str, secret: str = "") -> OcrOpsError:
    """Our error for what went wrong with a request to `server` (a name fit for logs)."""
    # importing openai takes most of a second, which who never meets a model server need not wait for
    from openai import APIConnectionError, APIResponseValidationError, APIStatusError, APITimeoutError

    if isinstance(problem, APIStatusError):
        complaint = complaint_of(problem.body, secret)
        return _status_fault(problem, server, complaint)
    if isinstance(problem, APITimeoutError):
        return ModelUnreachable(f"{server} did not answer in time")
    if isinstance(problem, APIConnectionError):
        reason = type(problem.__cause__ or problem).__name__
        return ModelUnreachable(f"{server} cannot be reached or broke off ({reason})")
    if isinstance(problem, APIResponseValidationError | ValueError):
        return ServerFailed(f"{server} answered with something that is not JSON")
    return ServerFailed(f"{server} cannot be talked to ({type(problem).__name__})")


def complaint_of(body: object, secret: str = "") -> str:
    """The server's own words in one short line, without the key and without the request it may quote."""
    error: Any = body.get("error", body.get("detail", body)) if isinstance(body, dict) else body
    if isinstance(error, dict):
        error = error.get("message", error.get("code", ""))
    text = " ".join(str(error or "").split("'input':")[0][:2000].split())
    if secret:
        text = text.replace(secret, "***")
    return text[:LONGEST_COMPLAINT]


def speaks_of_context(words: str) -> bool:
    """Whether a complaint is about a request longer than the model's context."""
    return any(sign in words.lower() for sign in _CONTEXT)


def _status_fault(problem: APIStatusError, server: str, complaint: str) -> OcrOpsError:
    status, words = problem.status_code, f"{complaint} {problem.code or ''}".lower()
    message = f"{server} answered {status}: {complaint}" if complaint else f"{server} answered {status}"
    if any(sign in words for sign in _PICTURE):
        return PictureRefused(message, status, complaint)
    if status in (429, 503) and "insufficient_quota" not in words:
        return ServerBusy(message, _retry_after_s(problem))
    if any(sign in words for sign in _REQUEST_BEHIND_500):
        return RequestRefused(message, status, complaint)
    if status == 408 or status >= 500:
        return ServerFailed(message, status, complaint)
    if status == 413 or speaks_of_context(words):
        return ContextExceeded(message, status, complaint)
    return RequestRefused(message, status, complaint)


def _retry_after_s(problem: APIStatusError) -> float:
    try:
        asked = float(problem.response.headers.get("retry-after", ""))
    except ValueError:
        return 0.0
    return min(max(asked, 0.0), LONGEST_REST_S) if asked == asked else 0.0
