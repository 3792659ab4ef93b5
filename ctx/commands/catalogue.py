"""What there is: contexts, the parts of a run with their knobs, and the archives they need."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ctx import data
from ctx.commands.output import Json, byte_progress, emit, table
from ctx.config import ContextChoice
from ctx.parts import Asset, Context, Part
from ctx.registry import contexts as visible
from ctx.registry import fetchable, registry

DEFAULT = ("sentiment/tweets", "sentiment/editorials", "minilm")
LISTED = ("schedules", "tunings", "backbones", "balancers", "penalties", "augment", "tasks")


def contexts(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One of them, with its labels, lengths and examples.")
    ] = None,
    json: Json = False,
) -> None:
    """List the contexts: what they are, whether they are on this machine, how many examples each split has."""
    if name is not None:
        from ctx.commands.described import card

        return card(name, json)
    found = [_context(cls()) for cls in visible("local").values()]
    rows = [
        (c["id"], c["title"], c["language"], c["domain"], c["licence"], _examples(c))
        for c in sorted(found, key=lambda c: (c["application"] != "sentiment", c["sample"]))
    ]
    emit(found, table(("context", "title", "language", "domain", "licence", "train + validation + test"), rows), json)


def _context(context: Context) -> dict[str, Any]:
    facts = ("application", "language", "domain", "culture", "licence", "citation", "origin", "title", "sample")
    return {
        "id": context.name,
        **{name: getattr(context, name) for name in facts},
        "labels": list(context.labels),
        "owner": context.owner or None,
        "available": data.available(context),
        "sizes": data.sizes(ContextChoice(id=context.name), patient=False) or None,
        "megabytes": sum(asset.megabytes for asset in context.assets),
        "knobs": knobs(type(context)),
    }


def _examples(context: dict[str, Any]) -> str:
    if context["sizes"]:
        return " + ".join(str(n) for n in context["sizes"].values())
    if context["available"]:
        return "counted when it is first used"
    return "not fetched" if context["megabytes"] else "not installed"


def parts(json: Json = False) -> None:
    """List the parts of a run and their knobs."""
    found = {kind: [_part(cls) for cls in registry(kind).values()] for kind in LISTED}
    lines: list[str] = []
    for kind, members in found.items():
        lines += ["", kind] if lines else [kind]
        lines += [f"  {one['name']:<14} {one['summary']}" for one in members] or ["  none yet"]
        for one in members:
            lines += [f"      --{one['name']}.{k['name']:<14} {k['help']} ({k['default']})" for k in one["knobs"]]
    emit(found, lines, json)


def _part(cls: type[Part]) -> dict[str, Any]:
    return {"name": cls.name, "title": cls.title, "summary": cls.summary(), "knobs": knobs(cls)}


def knobs(cls: type[Part]) -> list[dict[str, Any]]:
    """The declaration of each knob as plain data: name, type, default, help, flag, bounds."""
    schema = cls.Knobs.model_json_schema()["properties"] if cls.Knobs.model_fields else {}
    names = {"minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt", "enum": "choices"}
    found = []
    for name, declared in schema.items():
        either = declared.get("anyOf", [declared])
        kind = next(one for one in either if one.get("type") != "null")
        values = declared | kind
        knob = {"name": name, "type": kind.get("type", "string"), "default": declared.get("default")}
        knob |= {"help": declared.get("description", ""), "flag": declared.get("flag") or None}
        knob |= {"optional": len(either) > 1, "log": bool(declared.get("log"))}
        found.append(knob | {ours: values[theirs] for theirs, ours in names.items() if theirs in values})
    return found


def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]…", help="Contexts and backbones; “all”; none: the default pair and backbone."),
    ] = None,
    json: Json = False,
) -> None:
    """Fetch the archives of contexts and backbones, once, with their SHA-256 checked."""
    chosen = _with_assets() if names == ["all"] else list(names or DEFAULT)
    wanted = {name: fetchable(name) for name in chosen}
    places = get([asset for one in wanted.values() for asset in one.assets])
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "citation": one.citation,
            "archives": [_archive(asset, places[asset.sha256]) for asset in one.assets],
        }
        for name, one in wanted.items()
    ]
    lines = [
        f"{one['name']}: "
        + (
            ", ".join(f"{a['file']} ({a['megabytes']:g} MB, {a['licence']})" for a in one["archives"])
            or "nothing to fetch"
        )
        + (f"; cite {one['citation']}" if one["citation"] else "")
        for one in found
    ]
    emit(found, lines, json)


def get(assets: list[Asset]) -> dict[str, str]:
    """Fetch what is missing, with progress on standard error; the path of each by its hash. Raises Unavailable."""
    from ctx import assets as shelf

    places = {}
    for asset in {asset.sha256: asset for asset in assets}.values():
        places[asset.sha256] = str(shelf.fetch(asset, byte_progress(f"{asset.filename}, licence {asset.licence}")))
    return places


def _archive(asset: Asset, place: str) -> dict[str, Any]:
    return {"file": asset.filename, "megabytes": asset.megabytes, "licence": asset.licence, "path": place}


def _with_assets() -> list[str]:
    return [name for kind in ("contexts", "backbones") for name, cls in registry(kind).items() if cls.assets]
