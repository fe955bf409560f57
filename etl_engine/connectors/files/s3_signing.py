"""Requests to an S3 service, signed as version 4 of Amazon's signature wants it."""

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

_NOTHING = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Keys:
    """Who asks, and in which region. Without a key: anybody."""

    access: str
    region: str
    secret: str = field(repr=False)


def encoded_path(path: str) -> str:
    return quote(path, safe="/-_.~")


def encoded_query(query: Mapping[str, str]) -> str:
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(query.items()))


def signed_headers(
    method: str,
    host: str,
    path: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    body: bytes,
    keys: Keys,
    now: dt.datetime,
) -> dict[str, str]:
    """The headers to send; without a key those of an anonymous request."""
    digest = hashlib.sha256(body).hexdigest() if body else _NOTHING
    moment = now.strftime("%Y%m%dT%H%M%SZ")
    made = {"host": host, "x-amz-content-sha256": digest, "x-amz-date": moment}
    made |= {name.lower(): value for name, value in headers.items()}
    if not keys.access:
        return made
    names = ";".join(sorted(made))
    lines = "".join(f"{name}:{' '.join(made[name].split())}\n" for name in sorted(made))
    canonical = "\n".join((method, encoded_path(path), encoded_query(query), lines, names, digest))
    scope = f"{moment[:8]}/{keys.region}/s3/aws4_request"
    to_sign = "\n".join(("AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{keys.secret}".encode()
    for part in (moment[:8], keys.region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"AWS4-HMAC-SHA256 Credential={keys.access}/{scope}, SignedHeaders={names}, Signature={signature}"
    return made | {"authorization": credential}
