"""An S3 server on this machine, with buckets of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer


@contextmanager
def s3_server() -> Iterator[str]:
    """Run a server; its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def s3_settings(address: str) -> dict[str, str]:
    """The environment that leads boto3 to the server."""
    return {
        "AWS_ENDPOINT_URL_S3": address,
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "something",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@contextmanager
def bucket(name: str) -> Iterator[Any]:
    """A bucket on the server that the environment names, gone afterwards; gives the client."""
    client = boto3.client("s3", config=Config(max_pool_connections=16))
    client.create_bucket(Bucket=name)
    try:
        yield client
    finally:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=name):
            for one in page.get("Contents", ()):
                client.delete_object(Bucket=name, Key=one["Key"])
        client.delete_bucket(Bucket=name)
        client.close()
