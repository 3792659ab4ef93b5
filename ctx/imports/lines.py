"""Bytes to numbered lines of text: which encoding, and what is done about bytes that don't fit it.

UTF-8 with or without a byte order mark, UTF-16 by its mark, and Windows-1252 where nothing is valid UTF-8. In a file
that is mostly UTF-8, a line that isn't is read as Windows-1252 and said to be repaired, or refused.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import AnyStr, NamedTuple

from ctx.errors import BadInput
from ctx.imports import limits
from ctx.imports.names import counted
from ctx.imports.sources import CHUNK, Source

BOMS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
WIDE = ("utf-16-le", "utf-16-be")
SINGLE = [f"cp125{n}" for n in range(9)] + [f"iso8859-{n}" for n in (1, 2, 5, 7, 9, 15)]
KNOWN = ("utf-8", *WIDE, *SINGLE, "gb18030", "gbk", "big5", "shift_jis", "euc_jp", "euc_kr", "cp949", "koi8-r")


class Line(NamedTuple):
    """A line without its end. ``refused`` says why it can't be used, ``repaired`` what was done to use it."""

    number: int
    text: str
    refused: str = ""
    repaired: str = ""


@dataclass(frozen=True)
class Encoding:
    """How a file's bytes are read: the codec, the length of its mark, and what a person is told."""

    codec: str
    mark: int
    note: str


def encoding(source: Source, asked: str = "") -> Encoding:
    """The encoding of a file, read through once to know; ``asked`` overrules it. Raises BadInput."""
    head = source.head(4096)
    mark, codec = next(((len(bom), codec) for bom, codec in BOMS.items() if head.startswith(bom)), (0, ""))
    if asked:
        wanted = _known(asked)
        return Encoding(wanted, mark if codec == wanted else 0, f"Read as {wanted}, as asked.")
    if head.startswith(b"\xff\xfe\x00\x00"):
        raise BadInput(f"{source.name} is in UTF-32: save it as UTF-8.")
    if codec in WIDE:
        return Encoding(codec, mark, "UTF-16, by its byte order mark.")
    if head.count(0) > len(head) // 4:
        raise BadInput(
            f"{source.name} holds NUL bytes from offset {head.index(0)} on, as UTF-16 without a mark or a program "
            "does: save it as UTF-8, or choose its encoding (utf-16-le)."
        )
    return _utf8(source, mark)


def _known(asked: str) -> str:
    try:
        wanted = codecs.lookup(asked).name
    except (LookupError, ValueError):
        wanted = ""
    if wanted not in {codecs.lookup(name).name for name in KNOWN}:
        raise BadInput(f"There is no encoding “{asked}” here. There are: {', '.join(sorted(KNOWN))}.")
    return wanted


def _utf8(source: Source, mark: int) -> Encoding:
    said = "UTF-8, with a byte order mark." if mark else "UTF-8."
    try:
        for _ in decoded(source, Encoding("utf-8", mark, "")):
            pass
    except UnicodeDecodeError:
        valid = broken = 0
        for line in split(source.chunks(), _end(source), source.name):
            if not line.isascii():
                fits = _fits(line)
                valid, broken = valid + fits, broken + (not fits)
        if mark or valid:
            return Encoding("utf-8", mark, f"{said} {counted(broken, 'line')} with bytes that aren't.")
        said = "Not UTF-8: read as Windows-1252 (Western European). Where letters look wrong, save it as UTF-8."
        return Encoding("cp1252", 0, said)
    return Encoding("utf-8", mark, said)


def _fits(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def decoded(source: Source, found: Encoding) -> Iterator[str]:
    """The text in pieces of no particular length; raises UnicodeDecodeError."""
    decoder = codecs.getincrementaldecoder(found.codec)("surrogatepass" if found.codec in WIDE else "strict")
    skip = found.mark
    for chunk in source.chunks():
        yield decoder.decode(chunk[skip:])
        skip = 0
    yield decoder.decode(b"", True)


def split(chunks: Iterable[AnyStr], end: AnyStr, name: str) -> Iterator[AnyStr]:
    """Lines without their ends; raises BadInput at one that is longer than any text, before it is read whole."""
    left = end[:0]
    number = 0
    for chunk in chunks:
        whole = (left + chunk).split(end)
        left = whole.pop()
        number += len(whole)
        yield from whole
        if len(left) > limits.MOST_LINE:
            raise BadInput(f"Line {number + 1} of {name} is longer than {limits.MOST_LINE:,} characters: break it up.")
        if number > limits.MOST_ROWS * 4:
            raise BadInput(f"{name} has more than {limits.MOST_ROWS * 4:,} lines: import a part of it.")
    if left:
        yield left


def _end(source: Source) -> bytes:
    """Lines end in a line feed, or in a carriage return alone where there is no line feed (old Macs)."""
    head = source.head(CHUNK)
    return b"\r" if b"\r" in head and b"\n" not in head else b"\n"


def lines(source: Source, found: Encoding) -> Iterator[Line]:
    """Every line, numbered from 1. Raises BadInput."""
    return _wide(source, found) if found.codec in WIDE else _narrow(source, found)


def _narrow(source: Source, found: Encoding) -> Iterator[Line]:
    codec, place = found.codec, 0
    for number, raw in enumerate(split(source.chunks(), _end(source), source.name), 1):
        kept = raw[found.mark :] if number == 1 else raw
        refused = repaired = ""
        try:
            text = kept.decode(codec)
        except UnicodeDecodeError as error:
            offset = place + len(raw) - len(kept) + error.start
            text, refused, repaired = _mended(kept, codec, offset)
        if "\0" in text:
            refused = f"it holds a NUL byte at offset {place + raw.index(0)}"
        yield Line(number, text, refused, repaired)
        place += len(raw) + 1


def _mended(raw: bytes, codec: str, offset: int) -> tuple[str, str, str]:
    """A line that isn't in the file's encoding: its text, why it is refused, or how it was repaired."""
    if codec == "utf-8":
        try:
            said = f"bytes that aren't UTF-8 (from offset {offset}) were read as Windows-1252"
            return raw.decode("cp1252"), "", said
        except UnicodeDecodeError as error:
            offset += error.start - _first_broken(raw)
    text = raw.decode(codec, "replace")
    return text, f"the byte at offset {offset} is no character in {codec}", ""


def _first_broken(raw: bytes) -> int:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _wide(source: Source, found: Encoding) -> Iterator[Line]:
    place, number = found.mark, 0
    try:
        for number, text in enumerate(split(decoded(source, found), "\n", source.name), 1):
            refused = "" if _whole(text) else "it holds half of a surrogate pair"
            if "\0" in text:
                before = text[: text.index("\0")].encode(found.codec, "surrogatepass")
                refused = f"it holds a NUL character at offset {place + len(before)}"
            yield Line(number, text, refused)
            place += len(text.encode(found.codec, "surrogatepass")) + 2
    except UnicodeDecodeError:
        yield Line(number + 1, "\ufffd", "the file ends in the middle of a character")


def _whole(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
