"""A folder, and a bucket of an S3 that moto serves over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "made-up-secret"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 of our own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str) -> Iterator[dict[str, Any]]:
    """The storage options of an S3 with one empty bucket, `reports`."""
    client = boto3.client("s3", endpoint_url=s3_server, aws_access_key_id=KEY, aws_secret_access_key=SECRET,
                          region_name="us-east-1")
    client.create_bucket(Bucket="reports")
    yield {"key": KEY, "secret": SECRET, "endpoint_url": s3_server}
    for found in client.list_objects_v2(Bucket="reports").get("Contents", []):
        client.delete_object(Bucket="reports", Key=found["Key"])
    client.delete_bucket(Bucket="reports")
