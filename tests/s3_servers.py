"""An S3 service of the tests' own: moto in a process, or a real one where TEST_S3_URL or minio is there."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from servers import HOST, free_port, wait_until

TEST_S3_URL = os.environ.get("TEST_S3_URL", "")  # http://key:secret@host:port of a service that may be written to


@dataclass
class S3Server:
    """Where it is, and who may do everything there."""

    host: str
    port: int
    access_key: str = "AKIATESTTESTTESTTEST"
    secret_key: str = "a-secret/of+the=tests-that-nobody-else-has"
    tls: bool = False
    real: bool = False

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    def client(self) -> Any:
        """A reader that is not ours."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import boto3

            return boto3.client(
                "s3",
                endpoint_url=self.url,
                aws_access_key_id=self.access_key,
                aws_secret_access_key=self.secret_key,
                region_name="us-east-1",
            )

    def new_bucket(self) -> str:
        name = f"etl-test-{uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        found = self.client().list_objects_v2(Bucket=bucket, Prefix=prefix)
        return [one["Key"] for one in found.get("Contents", ())]

    def values(self, bucket: str, **more: Any) -> dict[str, Any]:
        """The fields of a connection to it."""
        return {
            "host": self.host,
            "port": self.port,
            "tls_mode": "require" if self.tls else "disable",
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "bucket": bucket,
            **more,
        }


@contextlib.contextmanager
def s3_service() -> Iterator[S3Server]:
    if TEST_S3_URL:
        parts = urlsplit(TEST_S3_URL)
        tls = parts.scheme == "https"
        port = parts.port or (443 if tls else 80)
        yield S3Server(parts.hostname or "", port, parts.username or "", parts.password or "", tls, real=True)
        return
    folder = tempfile.mkdtemp(prefix="etl-s3-")
    server = S3Server(HOST, free_port())
    minio = shutil.which("minio")
    environment = {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder}
    if minio:
        server.real = True
        command = [minio, "server", "--address", f"{HOST}:{server.port}", f"{folder}/data"]
        environment |= {"MINIO_ROOT_USER": server.access_key, "MINIO_ROOT_PASSWORD": server.secret_key}
    else:
        command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", HOST, "-p", str(server.port)]
    setpriv = shutil.which("setpriv")
    process = subprocess.Popen(
        [setpriv, "--pdeathsig=TERM", *command] if setpriv else command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        wait_until(lambda: _answers(server), 60.0, "the start of the S3 service")
        yield server
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(server: S3Server) -> bool:
    try:
        server.client().list_buckets()
    except Exception:
        return False
    return True
