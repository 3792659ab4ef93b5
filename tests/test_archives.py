"""Members of archives are read without unpacking them, also where one lies in another."""

import io
import tarfile
import zipfile

import pytest

from ctx.archives import members
from ctx.errors import Unavailable


def wheel() -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as zipped:
        zipped.writestr("toy/model/config.json", b'{"layers": 1}')
        zipped.writestr("toy/__init__.py", b"raise SystemExit('never run')")
    return raw.getvalue()


def test_members_are_read_from_an_archive_in_an_archive() -> None:
    raw, inside = io.BytesIO(), wheel()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        info = tarfile.TarInfo("a/inner.whl")
        info.size = len(inside)
        tar.addfile(info, io.BytesIO(inside))
    (inner,) = members(raw.getvalue(), ["*/inner.whl"]).values()
    assert members(inner, ["*/config.json"]) == {"toy/model/config.json": b'{"layers": 1}'}
    with pytest.raises(Unavailable, match=r"holds no “\*/missing”"):
        members(inner, ["*/missing"])
    with pytest.raises(Unavailable, match="can't be read as an archive"):
        members(b"not an archive", ["*"])
