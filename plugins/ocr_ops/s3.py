"""One way to S3, or to any server that speaks its API (MinIO, Ceph, R2), through boto3; what goes wrong there as our errors.

Credentials, region and endpoint come from `S3Access`; what it leaves out comes from boto3's own places (environment, profile,
role); `AWS_ENDPOINT_URL_S3` names another server. Throttling and broken connections are tried again by boto3.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ocr_ops.errors import TerminalError, TransientError

TRIES = 8
CONNECTIONS = 16
MISSING = frozenset({"404", "NoSuchKey", "NotFound"})


@dataclass(frozen=True, slots=True)
class S3Access:
    """How to get at the buckets; whatever is empty comes from boto3's own places."""

    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    region: str = ""
    endpoint_url: str = ""


@cache
def client(access: S3Access | None = None) -> Any:
    """A client for `s3`, made once a process for each access; threads may share it."""
    return new_client(access)


def new_client(access: S3Access | None = None) -> Any:
    """A client for `s3` that the caller closes."""
    import boto3
    from botocore.config import Config

    given = access or S3Access()
    retries = {"mode": "standard", "max_attempts": TRIES}
    # a session of its own: the default one is not safe to make clients from in several threads
    return boto3.session.Session().client(
        "s3",
        aws_access_key_id=given.access_key or None,
        aws_secret_access_key=given.secret_key or None,
        aws_session_token=given.session_token or None,
        region_name=given.region or None,
        endpoint_url=given.endpoint_url or None,
        config=Config(retries=retries, max_pool_connections=CONNECTIONS),
    )


def code_of(problem: Any) -> str:
    """The word by which S3 refused."""
    return str(problem.response.get("Error", {}).get("Code", ""))


@contextmanager
def s3_errors(what: str) -> Iterator[None]:
    """What S3 or the way to it says about `what`, as one of our two sorts of error; never with a key or a signature in it."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as problem:
        status = int(problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        words = f"{what} refused: {code_of(problem)}"
        kind = TransientError if status >= 500 or status == 429 else TerminalError
        raise kind(words) from problem
    except (
        exceptions.NoCredentialsError,
        exceptions.ParamValidationError,
        exceptions.NoRegionError,
    ) as problem:
        raise TerminalError(f"{what} cannot be used: {problem}") from problem
    except exceptions.BotoCoreError as problem:
        raise TransientError(f"{what} cannot be reached: {type(problem).__name__}") from problem
