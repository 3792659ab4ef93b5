"""Docstrings as texts with summaries: both layouts, what is left out, libraries read and never imported."""

import sys
from pathlib import Path

import pytest

from ctx import libraries
from ctx.docstring import pair, pattern
from ctx.errors import Unavailable
from ctx.libraries import described, digest

NUMPY = """Fit the line through all points that were given.

The line is found by least squares, see :ref:`the guide <lines>` and :class:`~geometry.lines.Line`,
and it is not robust [1]_: a single bad point may turn it as far as it likes.

.. versionadded:: 1.2

Parameters
----------
points : ndarray of shape (n, 2), default=None
    The points, one a row.
weights : {'even', 'near'}
    How much each point counts::

        weights = 1 / distance

    and how it is scaled.

Returns
-------
line : Line
    The line that was found.
int
    How many points lie on it.

See Also
--------
fit_plane : the same in space

Examples
--------
>>> fit(points)
Line(1, 2)
"""

GOOGLE = """Fits the line through all points.

The line is found by `least squares <https://example.org/squares>`_ and it is **not** robust: a
single bad point may turn it as far as it likes, so look at the points first.

Args:
    points (`list[Point]`, *optional*, defaults to `None`): The points, see [the guide](https://example.org).
    weights (Tensor): How much each counts, :math:`\\frac{1}{d}`.

Returns:
    The line that was found.

Example::

    >>> fit(points)
"""


def test_a_numpy_docstring_becomes_plain_words() -> None:
    assert pair(NUMPY) == (
        "The line is found by least squares, see the guide and Line, and it is not robust: a single bad point may "
        "turn it as far as it likes. points: The points, one a row. weights: How much each point counts: and how it "
        "is scaled. line: The line that was found. How many points lie on it.",
        "Fit the line through all points that were given.",
    )


def test_a_google_docstring_becomes_plain_words() -> None:
    assert pair(GOOGLE) == (
        "The line is found by least squares and it is not robust: a single bad point may turn it as far as it likes, "
        "so look at the points first. points: The points, see the guide. weights: How much each counts, . "
        "The line that was found.",
        "Fits the line through all points.",
    )


@pytest.mark.parametrize(
    "docstring",
    [
        "",
        "One paragraph only, and however long it is, there is nothing that it could be the summary of.",
        "Too short.\n\n" + "word " * 40,
        "word " * 31 + "\n\n" + "word " * 40,
        "A summary of four words.\n\n" + "word " * 29,
        "See x = {1: 2} here.\n\n" + "word " * 40,
        "Fit all the points.\n\nExamples\n--------\n" + "word " * 40,
    ],
)
def test_what_is_too_short_too_long_or_code_is_no_pair(docstring: str) -> None:
    assert pair(docstring) is None


def test_a_text_is_cut_to_200_words() -> None:
    made = pair("A summary of five words.\n\n" + "word " * 500)
    assert made is not None
    assert len(made[0].split()) == 200


def test_a_line_that_looks_like_many_rules_is_read_at_once() -> None:
    assert pair("A summary of five words.\n\n" + "word " * 40 + "\n" + "-" * 5000 + " x") is not None


def test_copies_differ_in_names_and_numbers_alone() -> None:
    assert pattern("Construct a BertTokenizer of 12 layers") == pattern("Construct a T5Tokenizer of 24 layers")
    assert pattern("Construct a tokenizer") != pattern("Construct a processor")


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that can't be imported: its docstrings alone can be read."""
    place = tmp_path / "site"
    root = place / "unlikely_library"
    for folder in (root / "tests", root / "inner", place / "unlikely_library-1.0.dist-info"):
        folder.mkdir(parents=True)
    (place / "unlikely_library-1.0.dist-info" / "METADATA").write_text("Name: unlikely-library\nVersion: 1.0\n")
    code = f'raise SystemExit("imported")\n\n\nclass Line:\n    def fit(self):\n        """{NUMPY}"""\n'
    (root / "__init__.py").write_text(code)
    (root / "inner" / "copy.py").write_text(code)
    (root / "inner" / "other.py").write_text('async def go():\n    r"""' + GOOGLE + '"""\n    x = "\\d"\n')
    (root / "inner" / "broken.py").write_text("def (:\n")
    (root / "tests" / "test_line.py").write_text(code)
    monkeypatch.syspath_prepend(str(place))
    return root


def test_a_library_is_read_without_being_imported(library: Path) -> None:
    found = described("unlikely-library", "unlikely_library")
    assert [(one.file, one.name) for one in found] == [("__init__.py", "Line.fit"), ("inner/other.py", "go")]
    assert (found[0].text, found[0].summary) == pair(NUMPY)
    assert "unlikely_library" not in sys.modules


def test_what_was_found_is_kept_and_damage_is_repaired(library: Path, home: Path) -> None:
    found = described("unlikely-library", "unlikely_library")
    (kept,) = (home / "docstrings").iterdir()
    (library / "__init__.py").unlink()
    assert described("unlikely-library", "unlikely_library") == found
    kept.write_text("[[1,")
    (library / "__init__.py").write_text("")
    files = [one.file for one in described("unlikely-library", "unlikely_library")]
    assert files == ["inner/copy.py", "inner/other.py"]
    assert [path.suffix for path in (home / "docstrings").iterdir()] == [".json"]


def test_a_new_version_is_read_anew(library: Path, home: Path) -> None:
    described("unlikely-library", "unlikely_library")
    old = library.parent / "unlikely_library-1.0.dist-info"
    (old / "METADATA").write_text("Name: unlikely-library\nVersion: 2.0\n")
    old.rename(library.parent / "unlikely_library-2.0.dist-info")
    assert digest("unlikely-library") == "unlikely-library 2.0"
    described("unlikely-library", "unlikely_library")
    assert len(list((home / "docstrings").iterdir())) == 2


def test_of_a_large_library_always_the_same_files_are_read(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = list(libraries._parsed(library))
    monkeypatch.setattr(libraries, "MOST", sum(path.stat().st_size for path in library.rglob("*.py")) // 3)
    some = list(libraries._parsed(library))
    assert 0 < len(some) < len(whole)
    assert some == whole[: len(some)]


def test_a_library_that_is_not_installed_is_said_in_one_sentence() -> None:
    assert digest("no-such-library") == ""
    with pytest.raises(Unavailable, match="no-such-library is not installed beside ctx: pip install no-such-library"):
        described("no-such-library", "no_such_library")
