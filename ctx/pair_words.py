"""What a pair's numbers say, one plain sentence each. `Said` is a row of the page and of the command's result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ctx.distance import Distance
from ctx.i18n import t
from ctx.pairs import Pair
from ctx.wording import Lengths, LengthShift, Overlap

LITTLE, MUCH = 0.05, 0.25  # of a label shift
ALIKE = 1.25  # a ratio of lengths up to which one speaks of the same
WHOLE = 0.995  # a share from which on one speaks of all


@dataclass(frozen=True)
class Said:
    """A number: its key in JSON, what it is called, its value as one reads it, and a sentence; the bare value too."""

    name: str
    title: str
    shown: str
    sentence: str
    value: dict[str, Any] | float | None


def numbers(pair: Pair) -> list[Said]:
    """The numbers that take no embeddings, those that don't apply left out."""
    found = [
        _words("words", t("Words read"), pair.words),
        _words("written_words", t("Words to be written"), pair.written_words),
        _labels(pair),
        _lengths("lengths", t("Lengths"), pair.lengths),
        _lengths("written_lengths", t("Lengths of what is to be written"), pair.written_lengths),
    ]
    return [one for one in found if one is not None]


def _words(name: str, title: str, found: Overlap | None) -> Said | None:
    if found is None:
        return None
    shown = t("{known} known, Jaccard {jaccard}", known=f"{found.known:.0%}", jaccard=f"{found.jaccard:.2f}")
    return Said(name, title, shown, _known(found.known), found.model_dump())


def _known(share: float) -> str:
    tenths = round(10 * share)
    if share >= WHOLE:
        return t("Nearly every word of the target occurs in the source.")
    if tenths == 0:
        return t("Hardly any word of the target occurs in the source: what carries over must come from the backbone.")
    if tenths == 10:
        return t("More than nine of ten words of the target occur in the source.")
    return t("About {n} of ten words of the target occur in the source.", n=_count(tenths))


def _count(n: int) -> str:
    named = [t("one"), t("two"), t("three"), t("four"), t("five"), t("six"), t("seven"), t("eight"), t("nine")]
    return named[n - 1]


def _labels(pair: Pair) -> Said | None:
    title = t("Labels (total variation)")
    if not pair.same_labels:
        sentence = t("They have different labels: each context has a head of its own, and only the layers are shared.")
        return Said("label_shift", title, t("different labels"), sentence, pair.label_shift)
    if pair.label_shift is None:
        return None
    if pair.label_shift < LITTLE:
        sentence = t("The labels are as frequent in the target as in the source.")
    elif pair.label_shift < MUCH:
        sentence = t("Some labels are more frequent in the target than in the source.")
    else:
        sentence = t("The labels' shares differ a lot: in doubt, a model trained on the source leans to the wrong one.")
    return Said("label_shift", title, f"{pair.label_shift:.2f}", sentence, pair.label_shift)


def _lengths(name: str, title: str, found: LengthShift | None) -> Said | None:
    if found is None:
        return None
    shown = t(
        "{source} → {target}, Wasserstein {distance}",
        source=f"{found.source.median:g}",
        target=f"{found.target.median:g}",
        distance=f"{found.distance:.1f}",
    )
    if 1 / ALIKE <= found.ratio <= ALIKE:
        sentence = t("Texts of the target are about as long as those of the source.")
    elif found.ratio > 1:
        sentence = t("Texts of the target are {times} times as long.", times=f"{found.ratio:.1f}")
    else:
        sentence = t("Texts of the source are {times} times as long.", times=f"{1 / max(found.ratio, 1e-9):.1f}")
    if found.source.characters != found.target.characters:
        sentence += " " + t("(Chinese and Japanese are counted in characters, other languages in words.)")
    return Said(name, title, shown, sentence, found.model_dump())


def unit(found: Lengths) -> str:
    """What lengths are counted in."""
    return t("characters") if found.characters else t("words")


def distances(found: Distance) -> list[Said]:
    """The numbers of the pair's embeddings."""
    return [_mmd(found), _a_distance(found)]


def _mmd(found: Distance) -> Said:
    apart = found.mmd > found.chance
    values = {"mmd": f"{max(found.mmd, 0):.3f}", "chance": f"{found.chance:.3f}"}
    if apart:
        sentence = t(
            "The two lie apart: examples dealt out at random stay below {chance} in 95 of 100 cases.",
            **values,
        )
    else:
        sentence = t("The two lie no further apart than examples dealt out at random.")
    value = {"value": found.mmd, "chance": found.chance}
    return Said("mmd", t("Embedding distance (MMD²)"), values["mmd"], sentence, value)


def _a_distance(found: Distance) -> Said:
    right = round(100 * (1 - min(found.error, 0.5)))
    if right >= 100:
        sentence = t("A classifier always tells which of the two contexts an example is from.")
    elif right <= 55:
        sentence = t("A classifier can hardly tell which of the two contexts an example is from.")
    else:
        sentence = t(
            "A classifier tells which context an example is from in {n} of 100 cases, where 50 are chance.", n=right
        )
    value = {"value": found.a_distance, "error": found.error}
    return Said("a_distance", t("Proxy A-distance (0 to 2)"), f"{found.a_distance:.2f}", sentence, value)
