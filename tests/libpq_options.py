"""The options that the libpq beneath psycopg2 knows, as it lists them itself."""

import ctypes
from dataclasses import dataclass

from psycopg2 import _psycopg


@dataclass(frozen=True)
class Option:
    """One keyword of a connection string, and the environment variable it is read from."""

    keyword: str
    envvar: str


class _Row(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_char_p) for name in ("keyword", "envvar", "compiled", "val", "label", "dispchar")),
        ("dispsize", ctypes.c_int),
    ]


def libpq_options() -> list[Option]:
    libpq = ctypes.CDLL(_psycopg.__file__)
    libpq.PQconndefaults.restype = ctypes.POINTER(_Row)
    libpq.PQconninfoFree.argtypes = (ctypes.POINTER(_Row),)
    rows, found, index = libpq.PQconndefaults(), [], 0
    while rows[index].keyword:
        found.append(Option(rows[index].keyword.decode(), (rows[index].envvar or b"").decode()))
        index += 1
    libpq.PQconninfoFree(rows)
    return found
