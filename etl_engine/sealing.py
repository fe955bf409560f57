"""Fernet seals: secrets with the data key, the data key with the operator's keys. Pure: no file, no store.

A sealed value carries the record id and the field it belongs to, so a token copied to another record or field
does not open (Fernet itself has no associated data).
"""

import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from etl_engine.errors import Locked
from etl_engine.masking import hide


def new_key() -> str:
    return Fernet.generate_key().decode()


def is_key(text: str) -> bool:
    """Strict: Fernet itself overlooks letters that do not belong there, and a mistyped key is another key."""
    return re.fullmatch(r"[A-Za-z0-9_-]{43}=", text) is not None


def fingerprint(key: str) -> str:
    """Eight characters that tell keys apart in messages without telling anything of the key."""
    return hashlib.sha256(b"etl-engine key:" + key.encode()).hexdigest()[:8]


def wrap(data_key: str, keys: Sequence[str]) -> str:
    """The data key sealed with the first of the operator's keys."""
    return Fernet(keys[0]).encrypt(data_key.encode()).decode()


def unwrap(token: str, keys: Sequence[str]) -> str:
    """The data key, opened by whichever of the operator's keys fits."""
    try:
        return MultiFernet([Fernet(key) for key in keys]).decrypt(token).decode()
    except InvalidToken:
        raise Locked("The encryption key does not open this store") from None


class Vault:
    """Seals and opens secrets. The first data key seals, all of them open: an unfinished rotation loses nothing."""

    def __init__(self, data_keys: Sequence[str]) -> None:
        self._data_keys = tuple(data_keys)
        for key in self._data_keys:
            hide(key)
        self._fernet = MultiFernet([Fernet(key) for key in data_keys])

    def __repr__(self) -> str:
        return f"Vault({len(self._data_keys)} data keys)"

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("A vault is not pickled: it holds keys")

    def seal(self, secret: str, record_id: str, field: str) -> str:
        hide(secret)
        return self._encrypt({"id": record_id, "field": field, "value": secret})

    def unseal(self, token: str, record_id: str, field: str) -> str:
        content = self._decrypt(token, f"{field} of {record_id}")
        if content.get("id") != record_id or content.get("field") != field:
            raise Locked(f"The sealed {field} of {record_id} belongs to another record")
        secret = str(content["value"])
        hide(secret)
        return secret

    def sealed_with_first(self, token: str) -> bool:
        """Whether the token already stands under the data key that seals now."""
        try:
            Fernet(self._data_keys[0]).decrypt(token)
        except InvalidToken:
            return False
        return True

    def sign(self, claims: dict[str, Any]) -> str:
        """A token only this vault can have made; its age is checked when it is read."""
        return self._encrypt({"claims": claims})

    def verify(self, token: str, max_age_seconds: int) -> dict[str, Any] | None:
        """The claims, or None where the token is foreign, broken or too old."""
        try:
            content = json.loads(self._fernet.decrypt(token, ttl=max_age_seconds))
        except (InvalidToken, ValueError):
            return None
        claims = content.get("claims") if isinstance(content, dict) else None
        return claims if isinstance(claims, dict) else None

    def digest(self, text: str) -> str:
        """A keyed digest: equal texts are recognised, and nothing can be guessed from it without the data key."""
        return hmac.new(self._data_keys[0].encode(), text.encode(), hashlib.sha256).hexdigest()

    def _encrypt(self, content: dict[str, Any]) -> str:
        return self._fernet.encrypt(json.dumps(content, separators=(",", ":")).encode()).decode()

    def _decrypt(self, token: str, what: str) -> dict[str, Any]:
        try:
            content = json.loads(self._fernet.decrypt(token))
        except (InvalidToken, ValueError):
            content = None
        if not isinstance(content, dict):
            raise Locked(
                f"The sealed {what} does not open with this store's data key",
                hint="Enter the secret again, or restore the store and its key from the same backup.",
            )
        return content
