"""Imported data is a context like any other: found freshly in every process, split, trained on, private, forgotten."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ctx import data, registry
from ctx.config import ContextChoice, Optim, RunConfig, canonical, check, key
from ctx.context import Context
from ctx.errors import BadInput, Unavailable, UnknownName
from ctx.imports import context, limits, stored
from ctx.imports.mapping import Mapping
from ctx.parts import Choice
from tests.imported import REVIEWS, csv_text, json_lines, taken, written

MANY = [(f"{text} Number {n}.", label) for n in range(10) for text, label in REVIEWS]


def reviews(folder: Path, name: str = "hotels.csv", **about: object) -> stored.Meta:
    found = taken(written(folder, name, csv_text(MANY)), **about).meta
    assert found is not None
    return found


def test_imported_data_is_listed_made_and_split_like_any_context(tmp_path: Path) -> None:
    assert "sentiment/my-hotels" not in registry.registry("contexts")
    meta = reviews(tmp_path, title="Hotels", licence="CC0", domain="hotels", culture="Irish")
    cls = registry.registry("contexts")["sentiment/my-hotels"]
    assert registry.part("contexts", meta.id) is cls
    made = registry.make("contexts", Choice(name=meta.id))
    assert isinstance(made, Context)
    assert (made.title, made.licence, made.domain, made.culture, made.language) == (
        "Hotels",
        "CC0",
        "hotels",
        "Irish",
        "en",
    )
    assert made.labels == ("bad", "good")
    assert "hotels.csv" in made.origin
    assert cls.summary().endswith("120 examples.")
    assert cls.version == 1
    choice = ContextChoice(id=meta.id)
    assert data.sizes(choice) == {"train": 78, "validation": 18, "test": 24}
    assert data.available(choice)
    assert data.digest(choice)


def test_another_process_knows_it_at_once_and_without_torch(tmp_path: Path, home: Path) -> None:
    reviews(tmp_path)
    code = """
import sys
from ctx import data, registry
from ctx.config import ContextChoice
made = registry.part("contexts", "sentiment/my-hotels")()
print(len(made.examples()), data.digest(ContextChoice(id=made.name)), {"torch", "streamlit"} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["120", data.digest(ContextChoice(id="sentiment/my-hotels")), "set()"]


def test_a_run_trains_on_it_and_its_key_follows_the_content(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from ctx.train import train

    meta = reviews(tmp_path)
    config = RunConfig(
        target=ContextChoice(id=meta.id, size=20),
        schedule=Choice(name="target-only"),
        backbone=Choice(name="tiny"),
        optim=Optim(epochs=1, min_updates=2),
    )
    assert check(config).target is not None
    last = list(train(canonical(config)))[-1]
    assert last.final
    before = key(config)
    stored.forget(meta.id, "local")
    other = [(text.replace("Number", "No"), label) for text, label in MANY]
    taken(written(tmp_path, "hotels.csv", csv_text(other)), id="my-hotels")
    assert key(config) != before


def test_the_same_file_again_is_the_same_context(tmp_path: Path) -> None:
    first, again = reviews(tmp_path), reviews(tmp_path, name="copy.csv")
    assert first.id == again.id
    named = reviews(tmp_path, id="my-other")
    assert named.id == "sentiment/my-other"
    assert len(context.contexts()) == 2
    assert reviews(tmp_path, licence="CC0").id == "sentiment/my-hotels-2"
    assert data.digest(ContextChoice(id=first.id)) != data.digest(ContextChoice(id=named.id)), "the name counts too"
    assert first.content == named.content


def test_another_file_of_the_same_name_gets_a_number(tmp_path: Path) -> None:
    reviews(tmp_path)
    found = taken(written(tmp_path, "hotels.csv", csv_text(MANY[:60]))).meta
    assert found is not None
    assert found.id == "sentiment/my-hotels-2"
    with pytest.raises(BadInput, match="already"):
        taken(written(tmp_path, "hotels.csv", csv_text(MANY[:60])), id="my-hotels")


@pytest.mark.parametrize(
    "wanted", ["../x", "my-Hotels", "my-", "sentiment/my-a/b", "ner/my-x", "my-" + "a" * 300, "my-é", "x y"]
)
def test_an_id_that_is_no_id_is_refused(tmp_path: Path, wanted: str) -> None:
    with pytest.raises(BadInput, match="can't be the id"):
        reviews(tmp_path, id=wanted)


def test_it_is_private_to_its_owner(tmp_path: Path) -> None:
    hers = reviews(tmp_path, owner="ada", id="hers")
    everybodys = reviews(tmp_path, owner="", id="everybodys")
    assert hers.id in registry.registry("contexts"), "a worker must find it"
    assert hers.id in registry.contexts("ada")
    assert hers.id not in registry.contexts("local")
    assert everybodys.id in registry.contexts("local")
    assert "sentiment/tweets" in registry.contexts("ada")
    with pytest.raises(UnknownName) as caught:
        registry.part("contexts", "sentiment/nothing")
    assert hers.id not in str(caught.value)
    with pytest.raises(BadInput, match="You have imported no context"):
        stored.forget(hers.id, "local")
    assert stored.forget(hers.id, "ada").id == hers.id


def test_imports_at_the_same_time_get_names_of_their_own(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    paths = []
    for n in range(6):
        (tmp_path / str(n)).mkdir()
        paths.append(written(tmp_path / str(n), "hotels.csv", csv_text(MANY[n:])))
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(taken, paths))
    assert len({one.meta.id for one in found if one.meta}) == 6
    assert len(context.contexts()) == 6


def test_what_is_forgotten_is_gone_but_its_runs_can_be_read(tmp_path: Path) -> None:
    meta = reviews(tmp_path)
    examples = meta.folder / stored.EXAMPLES
    assert examples.exists()
    stored.forget(meta.id, "local")
    assert not examples.exists()
    assert meta.id not in registry.registry("contexts")
    assert registry.part("contexts", meta.id).labels == ("bad", "good")
    with pytest.raises(Unavailable, match="import it again"):
        registry.part("contexts", meta.id)().examples()
    with pytest.raises(BadInput, match="no context called"):
        stored.forget(meta.id, "local")
    assert reviews(tmp_path, id="hotels").id == meta.id
    assert len(registry.part("contexts", meta.id)().examples()) == len(MANY)


@pytest.mark.parametrize("harm", ["cut", "changed", "gone"])
def test_damaged_data_is_a_sentence_and_not_other_data(tmp_path: Path, harm: str) -> None:
    meta = reviews(tmp_path)
    path = meta.folder / stored.EXAMPLES
    raw = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(raw[:-9] if harm == "cut" else raw.replace(b"soup", b"soap"))
    with pytest.raises(Unavailable, match="my-hotels is damaged: delete it, then import it again"):
        registry.part("contexts", meta.id)().examples()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id": "../x"}', b"\xff"])
def test_a_damaged_description_hides_its_context_and_no_other(tmp_path: Path, content: bytes) -> None:
    meta, other = reviews(tmp_path), reviews(tmp_path, id="other")
    (meta.folder / stored.META).write_bytes(content)
    found = registry.registry("contexts")
    assert meta.id not in found
    assert other.id in found


def test_a_description_that_was_moved_to_another_folder_is_not_believed(tmp_path: Path) -> None:
    meta = reviews(tmp_path)
    meta.folder.rename(meta.folder.parent / "sentiment.my-else")
    assert not context.contexts()


def test_an_import_that_ends_halfway_leaves_nothing(tmp_path: Path, home: Path) -> None:
    rows = [*MANY[:20], *[("x", f"label {n}") for n in range(600)]]
    with pytest.raises(BadInput, match="500 different labels"):
        taken(written(tmp_path, "r.csv", csv_text(rows)), mapping=Mapping("sentiment", "text", "label"))
    assert not list((home / "datasets").iterdir())
    assert not context.contexts()
    assert taken(written(tmp_path, "hotels.csv", csv_text(MANY)), dry=True).meta is None
    assert not list((home / "datasets").iterdir())


def test_a_home_that_cannot_be_written_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "file", "x")
    monkeypatch.setenv("CTX_HOME", str(tmp_path / "file"))
    with pytest.raises(Unavailable, match="can't be written"):
        reviews(tmp_path)


def test_it_remembers_its_source_its_hash_and_its_mapping(tmp_path: Path) -> None:
    import hashlib

    path = written(tmp_path, "hotels.csv", csv_text(MANY))
    meta = json.loads((reviews(tmp_path).folder / stored.META).read_bytes())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert meta["sources"] == [{"name": "hotels.csv", "sha256": digest, "bytes": path.stat().st_size}]
    assert meta["mapping"]["text"] == "text"
    assert meta["counts"] == {"good": 60, "bad": 60}
    assert meta["report"]["rows"] == 120
    assert (meta["owner"], meta["licence"], meta["format"]) == ("local", "", "CSV")


def test_runs_use_so_many_examples_and_every_label_is_among_them(tmp_path: Path) -> None:
    rows = [(f"text number {n}", "common" if n % 100 else "rare") for n in range(5_000)]
    found = taken(written(tmp_path, "r.csv", csv_text(rows)), used=200)
    assert found.meta is not None
    assert any("Runs use 200" in note for note in found.report.notes)
    examples = registry.part("contexts", found.meta.id)().examples()
    assert len(examples) == 200
    assert sum(one.output == "rare" for one in examples) >= limits.SURE
    numbers = [int(one.id) for one in examples]
    assert numbers == sorted(numbers), "in the file's order"
    assert max(numbers) > 4_000, "from all of the file"
    again = taken(written(tmp_path, "r.csv", csv_text(rows)), used=200, id="again")
    assert again.meta is not None
    assert registry.part("contexts", again.meta.id)().examples() == examples
    with pytest.raises(BadInput, match="at least 10"):
        taken(written(tmp_path, "r.csv", csv_text(rows)), used=5)


def test_groups_stay_whole_in_the_splits(tmp_path: Path) -> None:
    rows = [(text, label, f"d{n // 4}") for n, (text, label) in enumerate(MANY)]
    found = taken(written(tmp_path, "r.csv", csv_text(rows, "text,label,document")))
    assert found.meta is not None
    splits = data.splits(ContextChoice(id=found.meta.id))
    groups = [{one.group for one in split} for split in (splits.train, splits.validation, splits.test)]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 30


def test_each_application_gives_the_examples_that_its_task_reads(tmp_path: Path) -> None:
    ner = [{"tokens": ["Ada", f"ran{n}"], "tags": ["B-PER" if n % 2 else "O", "O"]} for n in range(12)]
    pairs = [{"en": f"The cat {n}", "pt": f"O gato {n}"} for n in range(12)]
    one, two = (taken(written(tmp_path, f"{n}.jsonl", json_lines(rows))).meta for n, rows in enumerate((ner, pairs)))
    assert one is not None
    assert two is not None
    tagged = registry.part("contexts", one.id)
    assert (tagged.application, tagged.labels) == ("ner", ("PER",))
    assert [(e.input, e.output, e.stratum) for e in tagged().examples()[:2]] == [
        (("Ada", "ran0"), ("O", "O"), "none"),
        (("Ada", "ran1"), ("B-PER", "O"), "some"),
    ]
    translated = registry.part("contexts", two.id)
    assert (translated.application, translated.labels, translated.language) == ("translation", (), "en-pt")
    example = translated().examples()[0]
    assert (example.input, example.output, example.stratum) == ("The cat 0", "O gato 0", "")
    for name in (one.id, two.id):
        assert sum(data.sizes(ContextChoice(id=name)).values()) == 12


def test_runs_use_so_many_characters_at_most_and_the_report_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(f"{n:03} " + "long " * 20, "good" if n % 2 else "bad") for n in range(400)]
    path = written(tmp_path, "r.csv", csv_text(rows))
    whole = taken(path)
    monkeypatch.setattr(limits, "MOST_USED", 10_900)
    found, dry = taken(path), taken(path, dry=True)
    for one in (found, dry):
        assert one.report.notes[-1] == "Runs use 101 of the examples, chosen by a hash of their ids."
    assert whole.meta is not None
    assert found.meta is not None
    assert (whole.meta.used, found.meta.used, found.meta.examples) == (8000, 101, 400)
    assert whole.meta.content == found.meta.content
    kept = registry.part("contexts", found.meta.id)().examples()
    assert sum(len(one.input) + len(one.output) for one in kept) <= 10_900
    assert {one.input for one in kept} < {one.input for one in registry.part("contexts", whole.meta.id)().examples()}
