"""What an S3 service says no to, as a rung of the ladder or as an error: one catalogue for both."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass

from etl_engine.connectors.contract import Who
from etl_engine.connectors.fault import Entry, said
from etl_engine.errors import ConnectorError, Missing, Refused, Rejected, Throttled

_MOST = 1 << 20


@dataclass(frozen=True)
class Answer:
    """A refusal, as the service worded it."""

    status: int
    code: str
    message: str
    region: str = ""

    @classmethod
    def of(cls, status: int, body: bytes, headers: dict[str, str]) -> "Answer":
        code, message, region = "", "", headers.get("x-amz-bucket-region", "")
        try:
            root = ET.fromstring(body[:_MOST])  # noqa: S314 - expat bounds what entities may grow to; a small answer
            for one in root.iter():
                name = one.tag.rpartition("}")[2]
                if name == "Code":
                    code = (one.text or "").strip()
                elif name == "Message":
                    message = (one.text or "").strip()
                elif name == "Region" and not region:
                    region = (one.text or "").strip()
        except ET.ParseError:
            pass
        return cls(status, code or _BY_STATUS.get(status, ""), message, region)


_BY_STATUS = {
    403: "AccessDenied",
    404: "NoSuchKey",
    412: "PreconditionFailed",
    503: "SlowDown",
    301: "PermanentRedirect",
}
_WRONG_KEY = Entry(
    "unknown-access-key",
    "{where} does not know the access key {key}",
    "Copy the access key again, from the service it belongs to.",
    Who.YOU,
)
_OTHER_REGION = Entry(
    "wrong-region",
    'Bucket "{bucket}" is in another region than {region}{right}',
    "Set the region of the bucket, and its endpoint.",
    Who.YOU,
    step="bucket",
)
CATALOGUE = {
    "InvalidAccessKeyId": _WRONG_KEY,
    "InvalidClientTokenId": _WRONG_KEY,
    "SignatureDoesNotMatch": Entry(
        "wrong-secret-key",
        "{where} knows the access key {key} and refuses the secret key",
        "Copy the secret key again; it is shown only once, so it may be simpler to make a new pair.",
        Who.YOU,
    ),
    "ExpiredToken": Entry("expired-key", "The access key {key} has expired", "Make a new pair of keys.", Who.YOU),
    "RequestTimeTooSkewed": Entry(
        "clock-differs",
        "The clock of this machine and that of {where} differ by more than 15 minutes",
        "Set the clock of the machine this engine runs on: timedatectl set-ntp true",
        Who.DBA,
    ),
    "NoSuchBucket": Entry(
        "no-such-bucket",
        'There is no bucket "{bucket}" at {where}{nearest}',
        "aws s3 mb s3://{bucket}",
        Who.YOU,
        step="bucket",
    ),
    "PermanentRedirect": _OTHER_REGION,
    "AuthorizationHeaderMalformed": _OTHER_REGION,
    "AuthorizationQueryParametersError": _OTHER_REGION,
    "IllegalLocationConstraintException": _OTHER_REGION,
    "AccessDenied": Entry(
        "no-privilege",
        '{where} does not let {who} {doing} in bucket "{bucket}"',
        "Attach a policy that allows s3:ListBucket on arn:aws:s3:::{bucket} and s3:GetObject, s3:PutObject, "
        "s3:DeleteObject, s3:AbortMultipartUpload on arn:aws:s3:::{bucket}/*",
        Who.DBA,
        step="privileges",
    ),
    "AllAccessDisabled": Entry(
        "bucket-closed",
        'Bucket "{bucket}" is closed to everybody',
        "Ask the owner of the account.",
        Who.DBA,
        step="bucket",
    ),
    "SlowDown": Entry("throttled", "{where} asks for fewer requests", "Wait, and test again.", Who.DBA, step="bucket"),
}
_ERRORS: dict[str, type[ConnectorError]] = {
    "NoSuchBucket": Missing,
    "NoSuchKey": Missing,
    "NoSuchUpload": Missing,
    "SlowDown": Throttled,
    "ServiceUnavailable": Throttled,
    "InternalError": Throttled,
    "QuotaExceeded": Rejected,
    "XMinioStorageFull": Rejected,
}
_REFUSED = frozenset(CATALOGUE) - frozenset(_ERRORS) - {"PermanentRedirect", "AuthorizationHeaderMalformed"}


def error_of(answer: Answer, facts: dict[str, str], secret: str) -> ConnectorError:
    """For the data plane."""
    entry = CATALOGUE.get(answer.code)
    made = _ERRORS.get(answer.code) or (Refused if answer.code in _REFUSED else Rejected)
    if answer.status >= 500 and made is Rejected and answer.code not in _ERRORS:
        made = Throttled
    if entry is None:
        told = said(answer.message or f"status {answer.status}", secret)
        code = said(answer.code, secret)[:60] or str(answer.status)
        return made(
            f"{facts['where']} refuses to {facts['doing']}: {code}: {told}",
            kind="s3",
            native_code=code,
            hint="Look for that code in the manual of the service.",
        )
    fault = entry.about(facts)
    return made(fault.cause, kind="s3", native_code=answer.code, hint=fault.fix)
