"""A lake in a bucket: what the library is told, so that it goes where we do and knows what we know."""

from etl_engine.connectors.contract import Surroundings
from etl_engine.connectors.files.bucket import BucketFields
from etl_engine.connectors.files.s3 import S3Folder
from etl_engine.connectors.files.s3_client import Client
from etl_engine.connectors.lake.place import Lake
from etl_engine.connectors.lake.relay import Relay


def lake_in_bucket(fields: BucketFields, bucket: str, prefix: str, surroundings: Surroundings) -> Lake:
    client = Client(fields, bucket, surroundings)
    folder = S3Folder(client, prefix)
    options = {
        "aws_region": fields.region,
        "aws_conditional_put": "etag",
        "aws_virtual_hosted_style_request": "false" if fields.path_style else "true",
    }
    if fields.access_key:
        options |= {"aws_access_key_id": fields.access_key, "aws_secret_access_key": fields.secret}
    else:
        options |= {"aws_skip_signature": "true"}
    if fields.tls_mode == "disable":
        address = client.addresses()[0]
        host = f"[{address}]" if address.version == 6 else str(address)
        # Without TLS nobody asks for a name, so the address that was checked stands for it.
        options |= {"aws_endpoint": f"http://{host}:{fields.port}", "aws_allow_http": "true"}
    else:
        relay = Relay(client)
        folder.also_close(relay.close)
        options |= {"aws_endpoint": f"https://{client.host}:{fields.port}", "proxy_url": relay.url}
        if fields.tls_ca:
            options["proxy_ca_certificate"] = fields.tls_ca
        if fields.tls_mode == "require":
            options["allow_invalid_certificates"] = "true"
    uri = f"s3://{folder.where}"
    return Lake(folder, uri, options, fields.secret)
