"""What changed between studies: only the settings that differ, in words of one line."""

from __future__ import annotations

from dataclasses import dataclass

from ctx.config import RunConfig
from ctx.errors import CtxError
from ctx.lab.answer import Answer
from ctx.lab.applications import amount
from ctx.lab.link import asked
from ctx.lab.names import joined, short
from ctx.lab.settings import Setting, settings
from ctx.records import Study
from ctx.store import Store

ABSENT = "–"
RECENT = 60  # studies among which the latest that are no maps are looked for


@dataclass(frozen=True)
class Past:
    """A study of before: what it was about, what differs from the one before it, and its answer.

    It is compared with the one before it of the same task. ``differs`` is "" where nothing does, None for the oldest.
    """

    study: Study
    about: str
    differs: str | None
    answer: Answer


def past(store: Store, limit: int = 8) -> list[Past]:
    """The latest studies, newest first; those that this version can't read are left out."""
    found = []
    for study in [one for one in store.studies(limit=RECENT) if not one.is_map][: limit + 1]:
        try:
            config = asked(study)
            found.append((study, config, Answer(config, store.study_runs(study.id), study.config.get("guess"))))
        except CtxError:
            continue
    said = []
    for n, (study, config, answer) in enumerate(found[:limit]):
        alike = (old for _, old, _ in found[n + 1 :] if old.task().name == config.task().name)
        before = next(alike, None)
        said.append(Past(study, about(config), changes(before, config) if before else None, answer))
    return said


def about(config: RunConfig) -> str:
    """A study in a few words: ``tweets → editorials, 20 labels``."""
    source = joined(config.sources) or ABSENT
    target = short(config.target.id) if config.target else ABSENT
    size = config.target.size if config.target else None
    return f"{source} → {target}" + (f", {amount(config.task().applications[0], size)}" if size else "")


def changes(old: RunConfig, new: RunConfig) -> str:
    """The settings that differ: ``λ 0.1 → 5``; "" where none does.

    What comes with a part or goes with it is said by the part; of what comes, what isn't as it usually is: ``λ 5``.
    """
    before, after = ({one.name: one for one in settings(config)} for config in (old, new))
    found = []
    for name, one in after.items():
        if name not in before:
            found += [f"{label(name)} {_said(one)}"] if one.value != one.default else []
        elif before[name].value != one.value:
            found.append(f"{label(name)} {_said(before[name])} → {_said(one)}")
    gone = [before[name] for name in old.contexts() if name not in after]
    found += [f"{label(one.name)} {_said(one)} → {ABSENT}" for one in gone]
    return ", ".join(found)


def label(name: str) -> str:
    """A setting's name in words: ``λ``, ``labels``, ``copy weights``, ``source min rating``."""
    known = {
        "schedule.lam": "λ",
        "schedule.lam_from": "λ at the beginning",
        "schedule.shape": "λ's shape",
        "schedule.switch": "λ's step",
        "schedule.target_share": "target's share of batches",
        "schedule.source_share": "source's share of batches",
        "schedule.share": "source's share of batches",
        "schedule.weight": "weight of the source's loss",
        "target.size": "labels",
        "tuning.layers": "frozen layers",
    }
    known |= {"tuning.decoder": "frozen decoder parts", "backbone.reads": "language of the inputs"}
    known |= {"tuning.learn": "layers that learn", "tuning.start": "layers at the start"}
    known |= {"tuning.interval": "epochs a layer", "tuning.decay": "slower downwards", "tuning.reinit": "layers anew"}
    known |= {"half": "half precision"}
    group, _, inner = name.partition(".")
    words = name if group in ("source", "target") else inner or group
    return known.get(name) or words.replace(".", " ").replace("_", " ")


def _said(one: Setting) -> str:
    value = one.value
    if value is None:
        return ABSENT if one.kind == "choice" else "all"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    return short(value) if isinstance(value, str) and "/" in value else str(value)
