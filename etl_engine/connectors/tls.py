"""TLS from the client's side: contexts made of pasted PEM text, what a certificate says, what went wrong."""

import datetime as dt
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from etl_engine.connectors.contract import Who
from etl_engine.connectors.fault import Fault
from etl_engine.model.connection import ServerConfig, TlsMode

EXPIRES_SOON = dt.timedelta(days=14)
FAR_AWAY = dt.timedelta(days=3650)


@dataclass(frozen=True)
class Wish:
    """What the person asked for."""

    mode: TlsMode
    name: str  # that the certificate must be for
    ca: str = ""
    cert: str = ""
    key: str = ""

    @classmethod
    def of(cls, config: ServerConfig) -> "Wish":
        return cls(
            mode=config.tls_mode,
            name=_as_in_certificates(config.tls_server_name or config.host),
            ca=config.tls_ca or "",
            cert=config.tls_cert or "",
            key=config.tls_key.get_secret_value() if config.tls_key else "",
        )

    @property
    def verifies(self) -> bool:
        """A CA that somebody took the trouble to paste is always checked against."""
        return self.mode in ("verify-ca", "verify-full") or bool(self.ca)

    @property
    def verifies_name(self) -> bool:
        return self.mode == "verify-full"

    @property
    def needs_tls(self) -> bool:
        return self.mode in ("require", "verify-ca", "verify-full")


def unverified_context() -> ssl.SSLContext:
    """For looking at a certificate: whoever answers, nothing secret is sent."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def context(wish: Wish) -> ssl.SSLContext:
    """Raises Fault for PEM text that is not what its field says."""
    made = unverified_context()
    made.verify_mode = ssl.CERT_REQUIRED if wish.verifies else ssl.CERT_NONE
    made.check_hostname = wish.verifies_name
    if wish.ca:
        _load_ca(made, wish.ca)
    elif wish.verifies:
        made.load_default_certs()
    if wish.cert:
        _check_client_pair(wish)
        with tempfile.TemporaryDirectory(prefix="etl-engine-") as folder:  # OpenSSL reads these from files only
            made.load_cert_chain(*write_client_pair(wish, Path(folder)))
    return made


def write_client_pair(wish: Wish, folder: Path) -> tuple[Path, Path]:
    """The client certificate and its key as files that nobody else may read."""
    paths = folder / "client.crt", folder / "client.key"
    for path, text in zip(paths, (wish.cert, wish.key), strict=True):
        path.touch(mode=0o600)
        path.write_text(text)
    return paths


def write_trusted(wish: Wish, folder: Path) -> str:
    """A file with the authorities that `context` trusts; "system" where the system does not list its own."""
    pem = wish.ca
    if not pem:
        trusted = context(wish).get_ca_certs(binary_form=True)
        pem = "".join(ssl.DER_cert_to_PEM_cert(der) for der in trusted)
    if not pem:
        return "system"
    path = folder / "ca.crt"
    path.write_text(pem)
    return str(path)


def certificate(stream: ssl.SSLSocket) -> x509.Certificate | None:
    der = stream.getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der) if der else None


def evidence(stream: ssl.SSLSocket, wish: Wish, now: dt.datetime) -> tuple[str, bool]:
    """One line about an encrypted connection, and whether somebody should look at it."""
    cipher = (stream.cipher() or ("",))[0]
    line = f"{stream.version()} {cipher}"
    found = certificate(stream)
    if not found:
        return line, True
    left = found.not_valid_after_utc - now
    line += f", certificate for {_listed(names(found)[:3]) or 'no name'}"
    checked = {(True, True): "", (True, False): ", name not checked"}.get(
        (wish.verifies, wish.verifies_name), ", identity not checked"
    )
    if left < dt.timedelta(0):
        return f"{line} expired on {_day(found.not_valid_after_utc)}{checked}", True
    valid = f"{left.days} days" if left < FAR_AWAY else f"until {found.not_valid_after_utc.year}"
    return f"{line} valid {valid}{checked}", left < EXPIRES_SOON


def names(found: x509.Certificate) -> list[str]:
    """The names and addresses a certificate is for."""
    try:
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    addresses = [str(address) for address in extension.get_values_for_type(x509.IPAddress)]
    return [*extension.get_values_for_type(x509.DNSName), *addresses]


def explain(error: ssl.SSLError, wish: Wish, found: x509.Certificate | None) -> Fault | None:
    """Why the handshake ended, where TLS itself says so; None where the other side seems not to speak TLS at all."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _not_verified(error, wish, found)
    reason = (error.reason or "").upper()
    if "CERTIFICATE_REQUIRED" in reason:
        return Fault(
            "client-certificate-required",
            "The server asks for a client certificate, and this connection has none",
            "Paste the client certificate and its key that the DBA issued for this user.",
            Who.DBA,
        )
    if "ALERT" in reason and wish.cert and any(word in reason for word in ("UNKNOWN_CA", "CERTIFICATE", "DECRYPT")):
        return client_certificate_refused()
    if ("VERSION" in reason and "WRONG_VERSION_NUMBER" not in reason) or "UNSUPPORTED_PROTOCOL" in reason:
        return Fault(
            "tls-version",
            "The server speaks only TLS versions older than 1.2, which are not safe",
            "Upgrade the server, or let it offer TLS 1.2 or 1.3.",
            Who.DBA,
        )
    if "ALERT" in reason or "NO_SHARED_CIPHER" in reason:
        return Fault(
            "tls-refused",
            f"The server broke off the TLS handshake: {reason.lower().replace('_', ' ')}",
            "Read the server's log: it names the missing cipher, or asks for a client certificate.",
            Who.DBA,
        )
    return None


def client_certificate_refused() -> Fault:
    return Fault(
        "client-certificate-refused",
        "The server does not accept the client certificate of this connection",
        "Use a certificate signed by an authority that the server trusts (its ssl_ca setting).",
        Who.DBA,
    )


def _not_verified(error: ssl.SSLCertVerificationError, wish: Wish, found: x509.Certificate | None) -> Fault:
    listed = _listed(names(found)) if found else ""
    until = _day(found.not_valid_after_utc) if found else "a past day"
    since = _day(found.not_valid_before_utc) if found else "a later day"
    issuer = found.issuer.rfc4514_string() if found else "an unknown authority"
    match error.verify_code:
        case 10:
            code, cause = "certificate-expired", f"The server's certificate expired on {until}"
            fix, who = "Renew the certificate of the server and reload it.", Who.DBA
        case 9:
            code, cause = "certificate-not-yet-valid", f"The server's certificate is valid only from {since}"
            fix, who = "Correct the clock of this machine, or install a certificate that is valid now.", Who.DBA
        case 18:
            code, cause = "certificate-self-signed", "The server's certificate is signed by itself, not by an authority"
            fix, who = "Paste the server's certificate as the CA certificate if you trust it.", Who.YOU
        case 62 | 64:
            code = "certificate-wrong-name"
            cause = f"The server's certificate is not for {wish.name}; it is for {listed or 'no name at all'}"
            fix = "Connect by a name in the certificate, or write that name into “Name in the certificate”."
            who = Who.YOU
        case 66 | 67 | 68:
            code, cause = "certificate-weak", f"The server's certificate is too weak: {error.verify_message}"
            fix, who = "Install a certificate with a stronger key and signature.", Who.DBA
        case 19 | 20 | 21 | 2:
            against = "the CA certificate given" if wish.ca else "any authority this machine knows"
            code, cause = (
                "certificate-unknown-ca",
                f"The server's certificate, issued by {issuer}, is not from {against}",
            )
            fix, who = "Paste the certificate of the authority that issued it as the CA certificate.", Who.YOU
        case _:
            code, cause = "certificate-invalid", f"The server's certificate is not valid: {error.verify_message}"
            fix, who = "Install a valid certificate on the server.", Who.DBA
    return Fault(code, cause, fix, who)


def _load_ca(made: ssl.SSLContext, pem: str) -> None:
    try:
        x509.load_pem_x509_certificates(pem.encode())
        made.load_verify_locations(cadata=pem)
    except (ValueError, ssl.SSLError) as error:
        raise _bad_pem("ca-unreadable", "CA certificate", "-----BEGIN CERTIFICATE-----") from error


def _check_client_pair(wish: Wish) -> None:
    try:
        found = x509.load_pem_x509_certificates(wish.cert.encode())[0]
    except ValueError as error:
        raise _bad_pem("client-certificate-unreadable", "client certificate", "-----BEGIN CERTIFICATE-----") from error
    try:
        key = serialization.load_pem_private_key(wish.key.encode(), None)
    except TypeError as error:
        raise Fault(
            "client-key-encrypted",
            "The client key is protected by a passphrase",
            "Paste the key without its passphrase: openssl pkey -in client.key -out plain.key",
            Who.YOU,
        ) from error
    except Exception as error:  # a broken key raises ValueError, an unknown kind of key its own class
        raise _bad_pem("client-key-unreadable", "client key", "-----BEGIN PRIVATE KEY-----") from error
    if found.public_key() != key.public_key():
        raise Fault(
            "client-key-mismatch",
            "The client key does not belong to the client certificate",
            "Paste the key that the certificate was made for.",
            Who.YOU,
        )


def _bad_pem(code: str, what: str, starts: str) -> Fault:
    return Fault(code, f"The {what} is not PEM text", f"Paste the whole {what}, from {starts} on.", Who.YOU)


def _as_in_certificates(host: str) -> str:
    name = host.rstrip(".")
    return name if name.isascii() else name.encode("idna").decode()


def _listed(items: list[str]) -> str:
    return ", ".join(items)


def _day(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d}"
