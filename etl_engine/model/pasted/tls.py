"""The many spellings of "encrypt this connection", as one of our five modes."""

from dataclasses import dataclass

_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
_MODE_OF = {
    "disable": ("disable", "disabled", "none", "off", "false", "0", "no", "skip"),
    "prefer": ("allow", "prefer", "preferred"),
    "require": (
        "require",
        "required",
        "true",
        "1",
        "on",
        "yes",
        "trust",
        "skipverify",
        "noverify",
        "acceptinvalidcerts",
    ),
    "verify-ca": ("verifyca",),
    "verify-full": ("verifyfull", "verifyidentity", "strict"),
}
_MODE = {spelling: mode for mode, spellings in _MODE_OF.items() for spelling in spellings}
_SWITCHES = frozenset({"sslmode", "ssl", "tls", "usessl", "requiressl", "sslaccept", "usetls", "encrypt", "sslenabled"})
_CHECKS = {
    "sslverifyservercert": "verify-full",
    "sslverifyidentity": "verify-full",
    "verifyservercertificate": "verify-ca",
    "sslverifycert": "verify-ca",
}
_FILES = {
    "CA certificate": ("sslrootcert", "sslca", "sslcafile", "serversslcert", "rootcertificate", "sslcapath", "cacert"),
    "client certificate": ("sslcert", "sslcertfile", "sslcertificate"),
    "client key": ("sslkey", "sslkeyfile"),
}
_FILE = {option: title for title, options in _FILES.items() for option in options}
_YES = frozenset({"", "true", "1", "on", "yes"})


@dataclass(frozen=True)
class Reading:
    """What an option about TLS says: a mode, a remark, or nothing we have a place for."""

    mode: str = ""
    note: str = ""


def read(option: str, value: str, *, true_checks: bool = False) -> Reading | None:
    """None where the option is not about TLS. The value may be spelt as any driver spells it.

    `true_checks` is for drivers that check certificate and name when told just "true".
    """
    name, said = _squashed(option), _squashed(value)
    if name in _FILE:
        if name == "sslrootcert" and said == "system":
            return Reading("verify-full")
        return Reading(note=f"The {_FILE[name]} is named by its file: paste the text of the file into the TLS section.")
    if name in _CHECKS:
        return Reading(_CHECKS[name] if said in _YES else "")
    if name not in _SWITCHES:
        return None
    if said.startswith("rejectunauthorized"):  # a JSON object, as Node's drivers take it
        return Reading("require" if said.endswith("false") else "verify-full")
    if true_checks and said in _YES:
        return Reading("verify-full")
    return Reading(_MODE.get(said or "true", ""))


def stricter(mode: str, than: str) -> bool:
    return _MODES.index(mode) > _MODES.index(than)


def _squashed(text: str) -> str:
    return "".join(character for character in text[:200].casefold() if character.isalnum())
