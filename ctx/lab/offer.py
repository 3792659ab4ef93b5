"""The Lab's address for contexts chosen elsewhere, made to fit: two different ones, no more labels than there are."""

from __future__ import annotations

from ctx import data
from ctx.config import ContextChoice
from ctx.lab.data import default

OTHER = {"source": "target", "target": "source"}


def parameters(wanted: dict[str, str]) -> dict[str, str]:
    """``{"source": id}``, ``{"target": id}`` or both, as the Lab's address; what isn't named is the Lab's default.

    Where that default is the very context, the two change places.
    """
    start = default(next(iter(wanted.values())).partition("/")[0]).contexts()
    usual = {role: choice.id for role, choice in start.items()}
    chosen = usual | wanted
    if len(wanted) == 1 and chosen["source"] == chosen["target"]:
        (role,) = wanted
        chosen[OTHER[role]] = usual[role]
    found = {role: chosen[role] for role in OTHER if role in wanted or chosen[role] != usual[role]}
    for role in list(found):
        most = data.sizes(ContextChoice(id=chosen[role]), patient=False).get("train")
        if most is not None and (start[role].size or 0) > most:
            found[f"{role}.size"] = str(most)
    return found
