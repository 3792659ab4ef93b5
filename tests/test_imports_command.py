"""`ctx import` and `ctx forget` as a person or a script meets them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ctx.cli import main
from tests.imported import REVIEWS, csv_text, written

Capture = pytest.CaptureFixture[str]


def ctx(capsys: Capture, *words: str, code: int = 0) -> str:
    found = main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert found == code, err
    return out if code == 0 else err


def document(capsys: Capture, *words: str) -> Any:
    return json.loads(ctx(capsys, *words, "--json"))


def test_import_says_what_was_understood_shows_rows_and_reports(tmp_path: Path, capsys: Capture) -> None:
    path = str(written(tmp_path, "hotels.csv", csv_text([*REVIEWS, ("", "good")])))
    said = ctx(capsys, "import", path)
    assert "text: “text”, label: “label”" in said
    assert "The soup was warm and the waiter smiled.  →  good" in said
    assert "13 rows: 12 accepted, 0 repaired, 1 refused." in said
    assert "refused: row 14: its text is empty" in said
    assert "Kept as sentiment/my-hotels" in said
    listed = {one["id"]: one for one in document(capsys, "contexts")}
    assert listed["sentiment/my-hotels"]["owner"] == "local"
    assert sum(listed["sentiment/my-hotels"]["sizes"].values()) == 12
    assert listed["sentiment/tweets"]["owner"] is None


def test_one_json_document_holds_it_all(tmp_path: Path, capsys: Capture) -> None:
    path = str(written(tmp_path, "hotels.csv", csv_text([*REVIEWS, ("", "good")])))
    found = document(capsys, "import", path, "--dry-run")
    assert found["id"] is None
    assert found["mapping"] | {"renames": {}} == found["mapping"]
    assert (found["mapping"]["application"], found["mapping"]["label"]) == ("sentiment", "label")
    assert found["report"]["refusals"] == [{"row": 14, "reason": "its text is empty", "file": ""}]
    assert len(found["preview"]) == 3
    assert found["labels"] == {"good": 6, "bad": 6}
    assert found["sources"][0]["name"] == "hotels.csv"
    assert document(capsys, "import", path, "--as", "my-inns")["id"] == "sentiment/my-inns"


def test_everything_that_was_guessed_can_be_corrected(tmp_path: Path, capsys: Capture) -> None:
    rows = [(text, text[::-1], label, "xyz"[n % 3]) for n, (text, label) in enumerate(REVIEWS)]
    path = str(written(tmp_path, "r.csv", csv_text(rows, "a;b;c;d".replace(";", ","), sign="|")))
    words = ["--text", "b", "--label", "d", "--delimiter", "|", "--header", "--encoding", "utf-8", "--rename", "z=y"]
    found = document(capsys, "import", path, *words, "--title", "My own", "--language", "en", "--use", "10")
    assert found["labels"] == {"y": 8, "x": 4}
    assert found["preview"][0]["input"] == rows[0][1]
    assert found["mapping"]["renames"] == {"z": "y"}
    said = ctx(capsys, "import", path, "--application", "translation", code=2)
    assert "Which column is the text? Name one of: a, b, c, d." in said
    assert "--rename is “z”" in ctx(capsys, "import", path, "--rename", "z", code=2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["import", "nothing.csv"], "There is no file nothing.csv"),
        (["import"], "ctx import --help"),
        (["import", "a", "b", "c"], "3 files were given"),
        (["import", "hf:../x"], "names no data set"),
        (["import", "x.csv", "--format", "doc"], "There is no format “doc”"),
        (["forget", "sentiment/my-none"], "You have imported no context"),
        (["forget", "../../etc"], "You have imported no context"),
    ],
)
def test_a_bad_argument_is_one_sentence_and_code_2(capsys: Capture, words: list[str], said: str) -> None:
    sentence = ctx(capsys, *words, code=2).strip()
    assert said in sentence
    assert "\n" not in sentence
    assert main([*words, "--json"]) == 2
    assert set(json.loads(capsys.readouterr().out)) == {"error"}


def test_forgetting_deletes_and_says_how_much(tmp_path: Path, capsys: Capture) -> None:
    ctx(capsys, "import", str(written(tmp_path, "hotels.csv", csv_text())))
    assert document(capsys, "forget", "sentiment/my-hotels") == [{"id": "sentiment/my-hotels", "examples": 12}]
    assert "sentiment/my-hotels" not in {one["id"] for one in document(capsys, "contexts")}


def test_nothing_in_a_file_steers_the_terminal(tmp_path: Path, capsys: Capture) -> None:
    rows = [(f"\x1b[31m{text}\u202e\x07", f"\x1b]0;{label}\x07") for text, label in REVIEWS]
    path = str(written(tmp_path, "r.csv", csv_text(rows, "te\x1bxt,label")))
    said = ctx(capsys, "import", path)
    assert not any(sign in said for sign in "\x1b\x07\u202e")


def test_a_hub_data_set_needs_the_package_and_says_so(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert "needs the package “datasets”" in ctx(capsys, "import", "hf:owner/name", code=2)
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(__version__="3.6.0"))
    assert "may run a data set's own code" in ctx(capsys, "import", "hf:owner/name", code=2)
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(__version__="4.1.0"))
    assert "CTX_OFFLINE forbids" in ctx(capsys, "import", "hf:owner/name", code=1)


def test_a_hub_data_set_is_read_with_the_names_of_its_classes(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """The package isn't here and the hub out of reach: a stand-in with the same calls serves rows."""
    names = ["bad", "good"]
    rows = [{"text": text, "label": names.index(label)} for text, label in REVIEWS]

    class Data(list[Any]):
        features = {"label": SimpleNamespace(names=names), "text": SimpleNamespace()}  # noqa: RUF012

    def load(name: str, split: str, streaming: bool, token: bool | None) -> Data:
        assert token is None, "whoever types a command may use their login"
        if name != "owner/reviews":
            raise ConnectionError("no such data set\n at all")
        return Data(rows)

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(__version__="4.1.0", load_dataset=load))
    monkeypatch.delenv("CTX_OFFLINE")
    found = document(capsys, "import", "hf:owner/reviews")
    assert found["labels"] == {"good": 6, "bad": 6}
    assert found["id"] == "sentiment/my-reviews"
    assert "could not be read from the hub" in ctx(capsys, "import", "hf:owner/none", code=1)


def test_importing_brings_in_no_torch_and_no_streamlit(tmp_path: Path) -> None:
    path = written(tmp_path, "hotels.csv", csv_text())
    heavy = "{'torch', 'streamlit', 'transformers', 'sklearn', 'scipy', 'plotly'}"
    code = (
        f"from ctx.cli import main\nmain(['import', {str(path)!r}])\nimport sys\nexit(str({heavy} & {{*sys.modules}}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"
