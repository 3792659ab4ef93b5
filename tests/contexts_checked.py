"""What tests ask of every context: tags that hold together, splits that share nothing."""

from types import SimpleNamespace

from ctx import data
from ctx.parts import Example

TYPES = ("LOC", "ORG", "PER")


def chosen(name: str) -> SimpleNamespace:
    return SimpleNamespace(id=name, knobs={})


def assert_well_tagged(examples: list[Example]) -> None:
    """A tag a word, I- only behind its own type, and a stratum that says what the tags say."""
    allowed = {"O", *(f"{mark}-{kind}" for kind in TYPES for mark in "BI")}
    assert len({example.id for example in examples}) == len(examples)
    for example in examples:
        assert example.input, example.id
        assert all(word and word == word.strip() for word in example.input), example
        assert len(example.input) == len(example.output), example
        assert set(example.output) <= allowed, example
        for before, tag in zip(("O", *example.output), example.output, strict=False):
            assert tag[0] != "I" or before in (f"B-{tag[2:]}", tag), example
        assert example.stratum == ("none" if set(example.output) == {"O"} else "some"), example


def assert_splits_are_apart(name: str) -> None:
    """No group and no text (case and spacing aside) in two splits, and each holds its share."""
    splits = vars(data.splits(chosen(name)))
    whole = sum(len(split) for split in splits.values())
    groups = [{example.group for example in split} for split in splits.values()]
    texts = [{_text(example) for example in split} for split in splits.values()]
    for kept in (groups, texts):
        assert sum(map(len, kept)) == len(set.union(*kept))
    for split, share in data.SHARES.items():
        assert abs(len(splits[split]) / whole - share) < 0.04, split


def _text(example: Example) -> str:
    return "".join("".join(example.input).casefold().split())


def entities(example: Example) -> list[tuple[str, str]]:
    """The entities of a sentence: (type, its words joined by spaces)."""
    found: list[tuple[str, list[str]]] = []
    for word, tag in zip(example.input, example.output, strict=True):
        if tag[0] == "B":
            found.append((tag[2:], [word]))
        elif tag[0] == "I":
            found[-1][1].append(word)
    return [(kind, " ".join(words)) for kind, words in found]
