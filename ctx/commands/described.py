"""One context described: `ctx contexts NAME`."""

from __future__ import annotations

from ctx import cards
from ctx.commands.output import emit, table
from ctx.config import ContextChoice
from ctx.errors import UnknownName
from ctx.pair_words import unit
from ctx.registry import contexts as visible

FACTS = ("application", "language", "domain", "culture", "licence", "citation", "origin")


def card(name: str, json: bool) -> None:
    """Print the card of one context; what isn't on this machine isn't fetched for it."""
    found = cards.card(ContextChoice(id=known(name)))
    lines = [f"{found.id}: {found.title}"]
    lines += [f"  {fact:<13} {getattr(found, fact)}" for fact in FACTS if getattr(found, fact)]
    if found.measured is None:
        lines.append(f"  not on this machine: `ctx fetch {found.id}` fetches {found.megabytes:g} MB")
    else:
        lines += _measured(found.measured)
    emit(found.model_dump(), table([""], [[line] for line in lines])[1:], json)


def known(name: str) -> str:
    """The id itself; raises UnknownName, which lists the contexts there are."""
    there = visible("local")
    if name not in there:
        raise UnknownName("context", name, list(there))
    return name


def _measured(found: cards.Measured) -> list[str]:
    lines = [f"  {'examples':<13} " + ", ".join(f"{split} {n}" for split, n in found.sizes.items())]
    lines.append(f"  {'duplicates':<13} {found.rows - found.kept} of {found.rows} dropped")
    if found.labels:
        lines.append(f"  {'labels':<13} " + ", ".join(f"{name} {share:.0%}" for name, share in found.labels.items()))
    if found.named is not None:
        lines.append(f"  {'with a name':<13} {found.named:.0%} of the sentences")
    for title, one in (("length", found.inputs), ("answers", found.outputs)):
        if one is not None:
            span = f"{one.low:.0f} to {one.high:.0f}"
            lines.append(f"  {title:<13} {one.median:g} {unit(one)} in the middle, {span} for nine of ten")
    examples = [f"{read}  →  {answer}" if answer else read for read, answer in found.examples]
    return lines + [f"  {'for example':<13} {example}" for example in examples]
