"""A context's card: what it is, how much there is of it, its labels, lengths and examples. Counted once. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from ctx import data, kept
from ctx.data import SHARES, Chosen
from ctx.parts import Context, Example, Task
from ctx.registry import task_of
from ctx.spans import spans
from ctx.wording import Lengths, lengths

CARD_VERSION = 1  # raised by hand when the same examples would give another card
FOLDER = "cards"
EXAMPLES, LONGEST = 3, 600  # examples on a card; characters of each
FACTS = ("title", "application", "language", "domain", "culture", "licence", "citation", "origin")


class Measured(BaseModel):
    """What is counted in a context's examples.

    ``sizes`` by split; ``rows`` there were and ``kept`` after texts that occur twice were dropped; ``labels``: the
    share of each (of spans by their type for names, empty for texts and numbers); ``named``: the share of sentences
    with a name, None where names aren't the task; ``outputs``: lengths of texts to be written.
    """

    sizes: dict[str, int]
    rows: int
    kept: int
    labels: dict[str, float]
    named: float | None
    inputs: Lengths | None
    outputs: Lengths | None
    examples: list[tuple[str, str]]


class Card(BaseModel):
    """A context's facts, and what is counted in its examples: None where they aren't on this machine."""

    id: str
    title: str
    application: str
    language: str
    domain: str
    culture: str
    licence: str
    citation: str
    origin: str
    available: bool
    megabytes: float
    measured: Measured | None


def card(choice: Chosen) -> Card:
    """The card of a context; fetches nothing. Raises UnknownName or BadInput."""
    chosen = data.context(choice)
    there = data.available(chosen)
    return Card(
        id=chosen.name,
        **{name: getattr(chosen, name) for name in FACTS},
        available=there,
        megabytes=sum(asset.megabytes for asset in chosen.assets),
        measured=_measured(choice, chosen) if there else None,
    )


def drop(choice: Chosen) -> None:
    """Forget what was counted, examples and all: for data that is to be deleted."""
    kept.drop_document(FOLDER, kept.named(data.digest(choice), CARD_VERSION))


def _measured(choice: Chosen, chosen: Context) -> Measured:
    name = kept.named(data.digest(choice), CARD_VERSION)
    found = kept.document(FOLDER, name)
    if found is not None:
        try:
            return Measured.model_validate(found)
        except ValidationError:
            pass  # damaged: counted again
    made = measure(chosen)
    kept.keep_document(FOLDER, name, made.model_dump())
    return made


def measure(context: Context) -> Measured:
    """Count a context's examples."""
    task, examples = task_of(context.application), context.examples()
    splits = data.divide(examples, context.split_by_name)
    parts = {name: getattr(splits, name) for name in SHARES}
    every = [example for split in parts.values() for example in split]
    inputs, outputs = texts(every, task, context)
    first, second = lengths(inputs), lengths(outputs)
    return Measured(
        sizes={name: len(split) for name, split in parts.items()},
        rows=len(examples),
        kept=len(every),
        labels=label_shares(every, context),
        named=_named(every, context),
        inputs=first[0] if first else None,
        outputs=second[0] if second else None,
        examples=_shown(splits.train, task),
    )


def texts(examples: Sequence[Example], task: Task, context: Context) -> tuple[list[str], list[str]]:
    """The texts that are read, and those that are to be written; empty where there are none."""
    if not examples or not _is_text(examples[0]):
        return [], []
    read = [task.written(example)[0] for example in examples]
    writes = not context.labels and isinstance(examples[0].output, str)
    return read, [example.output for example in examples] if writes else []


def label_shares(examples: Sequence[Example], context: Context) -> dict[str, float]:
    """The share of each label, or of each type among the spans, most frequent first; empty without labels."""
    if not context.labels:
        return {}
    counted: Counter[str] = Counter(dict.fromkeys(context.labels, 0))
    for example in examples:
        counted.update([example.output] if isinstance(example.output, str) else [s[0] for s in spans(example.output)])
    total = sum(counted.values())
    return {label: n / total for label, n in counted.most_common()} if total else {}


def _named(examples: Sequence[Example], context: Context) -> float | None:
    if context.application != "ner" or not examples:
        return None
    return sum(any(tag != "O" for tag in example.output) for example in examples) / len(examples)


def _is_text(example: Example) -> bool:
    given: Any = example.input
    return isinstance(given, str) or (isinstance(given, tuple) and bool(given) and isinstance(given[0], str))


def _shown(train: Sequence[Example], task: Task) -> list[tuple[str, str]]:
    """Examples of middling length, spread over the training split, of different labels where there are."""
    ranked = sorted(train, key=lambda example: len(str(example.input)))
    middling = {example.id for example in ranked[len(ranked) // 4 : 3 * len(ranked) // 4 + 1]}
    pool = data.spread([example for example in train if example.id in middling], 60)
    chosen: list[Example] = []
    for seen_before in (False, True):
        for example in pool:
            kinds = {_kind(one) for one in chosen}
            if len(chosen) < EXAMPLES and example not in chosen and (seen_before or _kind(example) not in kinds):
                chosen.append(example)
    return [(_cut(read), _cut(answer)) for read, answer in (task.written(example) for example in chosen)]


def _kind(example: Example) -> str:
    return example.output if isinstance(example.output, str) and example.stratum is None else example.stratum or ""


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()} …"
