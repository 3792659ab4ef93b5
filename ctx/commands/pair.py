"""Two contexts compared: `ctx pair SOURCE TARGET`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ctx.commands.catalogue import get
from ctx.commands.described import known
from ctx.commands.output import Json, emit, note, table
from ctx.config import ContextChoice
from ctx.errors import UnknownName
from ctx.pair_words import Said
from ctx.parts import Choice
from ctx.registry import part


def pair(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The context to learn from.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="The context to get good at.")],
    backbone: Annotated[
        str,
        typer.Option("--backbone", metavar="NAME", help="Whose embeddings are compared; none: leave them out."),
    ] = "",
    json: Json = False,
) -> None:
    """Compare two contexts: words, labels, lengths, embeddings, each number with what it says."""
    from ctx import pair_words, pairs
    from ctx.describe import describe

    one, other = (ContextChoice(id=known(name)) for name in (source, target))
    pairs.check(one, other)
    fitting = pairs.backbones(one, other)
    if backbone not in ("", "none", *fitting):
        raise UnknownName("backbone for these contexts", backbone, fitting)
    chosen = backbone or next((name for name in fitting if pairs.here(name)), "none")
    get([asset for choice in (one, other) for asset in part("contexts", choice.id).assets])
    counted = pairs.pair(one, other) or pairs.compare(one, other)
    said = pair_words.numbers(counted)
    if chosen != "none":
        get(list(part("backbones", chosen).assets))
        if not part("backbones", chosen).pretrained and counted.words is not None:
            note(f"{chosen} has random weights and sees words alone: --backbone {fitting[0]} sees what they mean.")
        said += pair_words.distances(describe(one, other, Choice(name=chosen)))
    rows = [(number.title, number.shown, number.sentence) for number in said]
    document: dict[str, Any] = {"source": source, "target": target, "backbone": None if chosen == "none" else chosen}
    document |= {number.name: _document(number) for number in said}
    document |= {"same_labels": counted.same_labels}
    emit(document, table(("number", "value", "what it says"), rows), json)


def _document(said: Said) -> dict[str, Any]:
    bare = said.value if isinstance(said.value, dict) else {"value": said.value}
    return {**bare, "sentence": said.sentence}
