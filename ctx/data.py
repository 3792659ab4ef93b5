"""From a chosen context to its splits and to the labelled subset of one draw. No torch.

Splits are fixed: they depend on the data alone, not on the draw and not on the version of any library.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import astuple, dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import numpy as np

from ctx import assets, kept
from ctx.errors import BadInput, Unavailable
from ctx.home import home
from ctx.parts import Choice, Context, Example
from ctx.registry import make

T = TypeVar("T")
SPLITS_VERSION = 1  # raised by hand when the same examples would fall into other splits
SHARES = {"train": 0.65, "validation": 0.15, "test": 0.20}
SELECT_FROM = 100  # labels; below, all are learnt from and the last weights are kept
SELECT_EVERY = 5
_SIZES: dict[Path, dict[str, int]] = {}  # by the file that remembers them, which names their content


class Chosen(Protocol):
    """A context by its id, with its knobs."""

    @property
    def id(self) -> str:
        """``application/name``."""

    @property
    def knobs(self) -> Mapping[str, Any]:
        """Settings that differ from the default."""


@dataclass(frozen=True)
class Splits:
    """The fixed parts of a context; no document and no text lies in two of them."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]


def context(choice: Chosen) -> Context:
    """The context of a choice; raises UnknownName or BadInput."""
    made: Context = make("contexts", Choice(name=choice.id, knobs=dict(choice.knobs)))
    return made


def available(choice: Chosen | Context) -> bool:
    """Whether all that it reads is on this machine, its archives above all; looks at no network."""
    chosen = choice if isinstance(choice, Context) else context(choice)
    return all(assets.available(asset) for asset in chosen.assets) and chosen.present()


def digest(choice: Chosen) -> str:
    """Names the splits' content: the context, its version and knobs, its data, and how they are split."""
    chosen = context(choice)
    knobs = chosen.knobs.model_dump(mode="json", exclude_defaults=True)
    named = [chosen.name, chosen.version, knobs, chosen.digest(), SPLITS_VERSION]
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()


def splits(choice: Chosen) -> Splits:
    """Train, validation and test (65, 15, 20 %), every text once, stratified by label. Raises Unavailable."""
    return _splits(choice.id, json.dumps(dict(choice.knobs), sort_keys=True), digest(choice))


@lru_cache(maxsize=12)
def _splits(name: str, knobs: str, digest: str) -> Splits:
    chosen: Context = make("contexts", Choice(name=name, knobs=json.loads(knobs)))
    if not worth_keeping(chosen):
        return divide(chosen.examples(), chosen.split_by_name)
    with suppress(KeyError, TypeError):
        found = kept.document("splits", digest) or {}
        return Splits(**{split: [_example(*fields) for fields in found[split]] for split in SHARES})
    made = divide(chosen.examples(), chosen.split_by_name)
    plain = {split: [astuple(example) for example in getattr(made, split)] for split in SHARES}
    kept.keep_document("splits", digest, plain)
    return made


def worth_keeping(context: Context) -> bool:
    """Whether what is made of a context is kept on disk: reading it takes a while, and it is not made of its knobs."""
    return bool(context.assets) or context.slow


def _example(id: str, given: Any, answer: Any, group: str, stratum: str | None) -> Example:
    """An example from plain data: words and their tags are tuples."""
    words, tags = (tuple(part) if isinstance(part, list) else part for part in (given, answer))
    return Example(id, words, tags, group, stratum)


def sizes(choice: Chosen, patient: bool = True) -> dict[str, int]:
    """Examples in each split; empty where the data would have to be fetched first. Remembered on disk.

    Unless ``patient`` (for lists), they are also empty where they were never counted and the context is slow to read
    or damaged; otherwise that raises Unavailable.
    """
    place = home() / "sizes" / f"{digest(choice)}.json"
    if place not in _SIZES:
        counted = _read_sizes(place)
        if not counted and (patient or not context(choice).slow):
            with nullcontext() if patient else suppress(Unavailable):
                counted = _count(choice, place)
        if counted:
            _SIZES[place] = counted
    return dict(_SIZES.get(place, {}))


def _read_sizes(place: Path) -> dict[str, int]:
    with suppress(OSError, ValueError):
        return {name: int(n) for name, n in json.loads(place.read_bytes()).items()}
    return {}


def _count(choice: Chosen, place: Path) -> dict[str, int]:
    if not available(choice):
        return {}
    parts = splits(choice)
    counted = {name: len(getattr(parts, name)) for name in SHARES}
    with suppress(OSError):  # a cache: a full disk only makes it slower
        _write(place, json.dumps(counted))
    return counted


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{uuid4().hex}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def divide(examples: Iterable[Example], by_name: bool = False) -> Splits:
    """Split by group: the largest groups first, each to the split that lacks its labels most.

    Among groups of one size the order is a hash of the group's name, so that splits are the same everywhere.
    ``by_name`` instead lets that hash alone decide: the shares come out only about right, but a group lies in the same
    split in every context that has it (an English sentence in all its translations).
    """
    groups: dict[str, list[Example]] = {}
    ids = set()
    for example in unique(examples):
        if example.id in ids:
            raise Unavailable(f"Two examples are called “{example.id}”: give every example an id of its own.")
        ids.add(example.id)
        groups.setdefault(example.group, []).append(example)
    placed = {group: _named(group) for group in groups} if by_name else _balanced(groups)
    kept = [example for members in groups.values() for example in members]
    return Splits(**{split: [example for example in kept if placed[example.group] == split] for split in SHARES})


def _named(group: str) -> str:
    """The split of a group by its name: a number from 0 to 1 made from its hash, compared with the shares."""
    ends = list(accumulate(SHARES.values()))[:-1]
    return list(SHARES)[bisect(ends, int.from_bytes(_hash(group)[:8]) / 2**64)]


def _balanced(groups: Mapping[str, list[Example]]) -> dict[str, str]:
    """The split of every group, so that each split has its share of every label."""
    missing = {split: _quota(groups, share) for split, share in SHARES.items()}
    quota = {split: dict(need) for split, need in missing.items()}
    placed: dict[str, str] = {}
    for group in sorted(groups, key=lambda group: (-len(groups[group]), _hash(group))):
        found = [_stratum(example) for example in groups[group]]
        split = max(SHARES, key=lambda s: sum(missing[s][label] / quota[s][label] for label in found))
        placed[group] = split
        for label in found:
            missing[split][label] -= 1
    return placed


def _hash(group: str) -> bytes:
    return hashlib.sha256(group.encode()).digest()


def _quota(groups: Mapping[str, list[Example]], share: float) -> dict[str, float]:
    quota: dict[str, float] = {}
    for members in groups.values():
        for example in members:
            quota[_stratum(example)] = quota.get(_stratum(example), 0.0) + share
    return quota


def unique(examples: Iterable[Example]) -> list[Example]:
    """Every text once (case and spacing aside); texts that come with different answers are left out."""
    first: dict[Any, Example] = {}
    torn = set()
    for number, example in enumerate(examples):
        text = _text(example.input) or number
        if text not in first:
            first[text] = example
        elif first[text].output != example.output:
            torn.add(text)
    return [example for text, example in first.items() if text not in torn]


def _text(given: Any) -> str:
    """What makes two inputs the same: the text, case and spacing aside; "" for numbers."""
    words = given if isinstance(given, tuple) and given else (given,)
    return " ".join(" ".join(words).casefold().split()) if isinstance(words[0], str) else ""


def labelled(train: list[Example], size: int | None, seed: int) -> tuple[list[Example], list[Example]]:
    """The labelled subset of one draw: examples to learn from, and those set aside to select weights on.

    ``size`` counts both; None is all. Subsets of one ``seed`` are nested, keep the labels' shares, and hold every
    label as soon as they can. From 100 labels on every fifth is set aside. Raises BadInput.
    """
    if size is not None and size < 1:
        raise BadInput(f"{size} labels were asked for: give at least 1, or leave the size out to use all {len(train)}.")
    if size is not None and size > len(train):
        raise BadInput(f"{size} labels were asked for, the context has {len(train)}: ask for {len(train)} or fewer.")
    drawn = [train[number] for number in _order(train, seed)[:size]]
    if len(drawn) < SELECT_FROM:
        return drawn, []
    select = drawn[SELECT_EVERY - 1 :: SELECT_EVERY]
    return [example for n, example in enumerate(drawn, 1) if n % SELECT_EVERY], select


def spread(rows: Sequence[T], most: int | None) -> Sequence[T]:
    """At most so many, spread evenly over all; ``most`` None: all."""
    if most is None or len(rows) <= most:
        return rows
    return [rows[number] for number in np.linspace(0, len(rows) - 1, most).astype(int)]


def _order(train: list[Example], seed: int) -> list[int]:
    """A random order in which every prefix has about the labels' shares: a label's j-th of n stands near j / n."""
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(train))
    jitter = rng.random(len(train))
    total: dict[str, int] = {}
    for example in train:
        total[_stratum(example)] = total.get(_stratum(example), 0) + 1
    seen = dict.fromkeys(total, 0)
    place = np.empty(len(train))
    for rank, number in enumerate(shuffled):
        label = _stratum(train[number])
        place[rank] = (seen[label] + jitter[rank]) / total[label] if seen[label] else -1.0
        seen[label] += 1
    return [int(number) for number in shuffled[np.argsort(place, kind="stable")]]


def _stratum(example: Example) -> str:
    """What splits keep the share of; nothing for numbers."""
    if example.stratum is not None:
        return example.stratum
    return example.output if isinstance(example.output, str) else ""
