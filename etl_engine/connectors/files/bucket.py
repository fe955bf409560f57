"""The fields of a connection that say where a bucket is and who may use it."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, JsonValue, SecretStr, StringConstraints, model_validator

from etl_engine.connectors.tls import Wish
from etl_engine.model.connection import ConnectionConfig
from etl_engine.model.text import Host, Plain, Port, Secret

BUCKET_NAME = r"^[a-zA-Z0-9][a-zA-Z0-9._-]{1,61}[a-zA-Z0-9]$"
_TLS = {"group": "tls"}
NEITHER_OR_BOTH: list[JsonValue] = [
    {"properties": {"access_key": {"type": "null"}, "secret_key": {"type": "null"}}},
    {
        "properties": {"access_key": {"type": "string"}, "secret_key": {"type": "string"}},
        "required": ["access_key", "secret_key"],
    },
]


def _stripped(secret: SecretStr) -> SecretStr:
    """Keys are read from files, which end with a line break, and never have one themselves."""
    return SecretStr(secret.get_secret_value().strip())


Bucket = Annotated[str, StringConstraints(pattern=BUCKET_NAME)]
AccessKey = Annotated[Plain, Field(min_length=1, max_length=256)]
SecretKey = Annotated[Secret, Field(min_length=1, max_length=1024), AfterValidator(_stripped)]


class BucketFields(ConnectionConfig):
    """An S3 service: Amazon's, MinIO, Ceph and others that speak like it."""

    host: Annotated[
        Host,
        Field(
            title="Endpoint",
            description="Host name of the service.",
            json_schema_extra={"placeholder": "s3.eu-central-1.amazonaws.com"},
        ),
    ] = "s3.amazonaws.com"
    port: Annotated[Port, Field(title="Port")] = 443
    region: Annotated[
        str,
        StringConstraints(pattern=r"^[a-z0-9-]{1,40}$"),
        Field(title="Region", description="Of the bucket; many services want us-east-1."),
    ] = "us-east-1"
    path_style: Annotated[
        bool,
        Field(
            title="Bucket in the path",
            description="https://host/bucket rather than https://bucket.host; right for most services.",
        ),
    ] = True
    access_key: Annotated[AccessKey | None, Field(title="Access key", description="None: a public bucket.")] = None
    secret_key: Annotated[SecretKey | None, Field(title="Secret key")] = None
    tls_mode: Annotated[
        Literal["disable", "require", "verify-full"],
        Field(
            title="TLS",
            description="verify-full: encrypted, certificate and host name checked.",
            json_schema_extra=_TLS,
        ),
    ] = "verify-full"
    tls_ca: Annotated[
        str | None,
        Field(
            title="CA certificate",
            description="PEM text of the authority that signed the service's certificate.",
            max_length=65_536,
            json_schema_extra={**_TLS, "multiline": True},
        ),
    ] = None

    @model_validator(mode="after")
    def _keys_come_together(self) -> "BucketFields":
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("an access key needs its secret key, and a secret key its access key")
        return self

    @property
    def wish(self) -> Wish:
        """What is asked of the encryption, in the words of `tls`."""
        return Wish(self.tls_mode, self.host, self.tls_ca or "")

    @property
    def secret(self) -> str:
        return self.secret_key.get_secret_value() if self.secret_key else ""
