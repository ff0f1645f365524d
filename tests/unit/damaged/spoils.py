"""Ways to damage a file, by the kind of file: what happens to files on their way from other programs and people."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path

_PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(200)


def _garbage(good: bytes) -> bytes:
    return random.Random(1).randbytes(4096)


def _half(good: bytes) -> bytes:
    return good[: len(good) // 2]


def _spoilt_bytes(good: bytes) -> bytes:
    """Bytes in the middle overwritten: heads are whole, what follows is not."""
    middle = len(good) // 2
    return good[:middle] + b"\xff" * 64 + good[middle + 64 :]


def _utf16(good: bytes) -> bytes:
    return good.decode("utf-8").encode("utf-16")


def _latin(good: bytes) -> bytes:
    return good.replace(b"1", "1é".encode("latin-1"))


def _nul(good: bytes) -> bytes:
    return good[: len(good) // 2] + b"\x00" + good[len(good) // 2 :]


def _page(good: bytes) -> bytes:
    return b"<!DOCTYPE html>\n<html><body><p>Please log in, and download again.</p></body></html>\n"


def _wide(good: bytes) -> bytes:
    lines = good.splitlines()
    more = b"".join(b",c%d" % k for k in range(10_000))
    return lines[0] + more + b"\n" + b"\n".join(lines[1:]) + b"\n"


def _long(good: bytes) -> bytes:
    return good + b"x" * 10_000_000


def _twice(good: bytes) -> bytes:
    first, _, rest = good.partition(b"\n")
    name = first.split(b",")[0]
    return first + b"," + name + b"\n" + rest.replace(b"\n", b",\n")


def _ragged(good: bytes) -> bytes:
    return good + b"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\n"


def _deep(good: bytes) -> bytes:
    return b"[" * 200_000


def _with_number(good: bytes, number: bytes) -> bytes:
    """Every number of the file, and one more, replaced."""
    changed = re.sub(rb":\s*\d+(?:\.\d+)?(?=[,}\s])", b": " + number, good)
    return changed.replace(b"{", b'{"n": ' + number + b", ", 1)


def _nan(good: bytes) -> bytes:
    return _with_number(good, b"NaN")


def _endless(good: bytes) -> bytes:
    return _with_number(good, b"1e999")


def _digits(good: bytes) -> bytes:
    return _with_number(good, b"9" * 5000)


def _surrogates(good: bytes) -> bytes:
    return re.sub(rb'":\s*"', rb'": "\\ud800', good)


def _other(good: bytes) -> bytes:
    return b'[1, "two", null, {"three": []}]'


def _null(good: bytes) -> bytes:
    return b"null"


def _bomb(good: bytes) -> bytes:
    entities = "".join(f'<!ENTITY a{k} "{f"&a{k - 1};" * 10}">' for k in range(1, 12))
    return f'<!DOCTYPE ODM [<!ENTITY a0 "ha">{entities}]>'.encode() + good.replace(b"Small", b"&a11;")


def _outside(good: bytes) -> bytes:
    return b'<!DOCTYPE ODM [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + good.replace(b"Small", b"&x;")


def _deep_xml(good: bytes) -> bytes:
    return good.replace(b"<Study ", b"<a>" * 50_000 + b"<Study ", 1)


def _encoded(good: bytes) -> bytes:
    return b'<?xml version="1.0" encoding="klingon"?>' + good


def _aliases(good: bytes) -> bytes:
    lines = ["a0: &a0 [x, x]"] + [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 12)]
    return "\n".join(lines).encode()


def _object(good: bytes) -> bytes:
    return b"a: !!python/object/apply:os.system ['true']\n" + good


def _tabs(good: bytes) -> bytes:
    return b"key:\n\tvalue: 1\n" + good


ANY: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda good: b"",
    "garbage": _garbage,
    "cut off": _half,
    "another kind of file": lambda good: _PNG,
    "a page that asks to log in": _page,
}
TEXT = {"utf-16": _utf16, "latin-1": _latin, "nul": _nul}
SPOILS: dict[str, dict[str, Callable[[bytes], bytes]]] = {
    "csv": {**ANY, **TEXT, "wide": _wide, "a line of 10 MB": _long, "a name twice": _twice, "ragged": _ragged},
    "json": {
        **ANY,
        **TEXT,
        "deep": _deep,
        "no numbers": _nan,
        "numbers without end": _endless,
        "5,000 digits": _digits,
        "half characters": _surrogates,
        "another JSON": _other,
        "null": _null,
    },
    "xml": {
        **ANY,
        **TEXT,
        "bomb": _bomb,
        "external entity": _outside,
        "deep": _deep_xml,
        "unknown encoding": _encoded,
    },
    "yaml": {**ANY, **TEXT, "deep": _deep, "aliases": _aliases, "object": _object, "tabs": _tabs},
    "binary": {**ANY, "overwritten": _spoilt_bytes},
}


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def _unreadable(path: Path) -> None:
    """A file that opens and gives an error when it is read, also to the administrator."""
    path.unlink()
    path.symlink_to("/proc/self/mem")


PLACES: dict[str, Callable[[Path], None]] = {
    "absent": Path.unlink,
    "a folder": _folder,
    "a link to itself": _loop,
    "unreadable": _unreadable,
}
