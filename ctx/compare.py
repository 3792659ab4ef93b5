"""Comparing runs: which ones, in what they differ, and what came out, draws folded. Frames in, frames out.

Everything starts from `Store.table`: one row a run, settings by dotted name, results by context/metric. An *arm* is
all runs that differ in nothing but their seed; each of them is one of its draws.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from ctx.frames import COUNTED
from ctx.labels import labels, written

ABOUT = ("id", "name", "note", "state", "owner", "study", "created", "started", "ended")
SHORT = 8  # characters of an id that name a run in links


@dataclass(frozen=True)
class Filter:
    """Which runs to list; what is empty asks for nothing. ``search``: words that must all occur somewhere."""

    search: str = ""
    states: Sequence[str] = ()
    contexts: Sequence[str] = ()
    schedules: Sequence[str] = ()
    tunings: Sequence[str] = ()
    backbones: Sequence[str] = ()
    owners: Sequence[str] = ()


COLUMNS = {"states": "state", "schedules": "schedule", "tunings": "tuning", "backbones": "backbone", "owners": "owner"}


@dataclass(frozen=True)
class Arm:
    """Runs alike but for their seed. ``runs``: their rows of the table, the newest of each seed."""

    label: str
    runs: pd.DataFrame = field(repr=False)

    @property
    def key(self) -> str:
        """Names the arm in links: the start of its lowest seed's id."""
        return self.ids[0][:SHORT]

    @property
    def ids(self) -> list[str]:
        """Its runs, by seed."""
        return [str(run) for run in self.runs["id"]]

    def draws(self, column: str) -> dict[int, float]:
        """A result by seed, of the draws that have it."""
        if column not in self.runs:
            return {}
        pairs = zip(self.runs["seed"].tolist(), self.runs[column].tolist(), strict=True)
        return {int(seed): float(value) for seed, value in pairs if value is not None and value == value}


def settings(table: pd.DataFrame) -> list[str]:
    """The columns that hold settings, the seed left out."""
    return [name for name in table.columns if "/" not in name and name not in (*ABOUT, *COUNTED, "seed")]


def results(table: pd.DataFrame) -> list[str]:
    """The columns that hold results."""
    return [name for name in table.columns if "/" in name or name in COUNTED]


def roles(table: pd.DataFrame) -> list[str]:
    """The context keys that runs have: source, source.2, …, target."""
    sources = [name for name in table.columns if name == "source" or _another_source(name)]
    return [*sorted(sources), *(["target"] if "target" in table.columns else [])]


def _another_source(name: str) -> bool:
    first, _, number = name.partition(".")
    return first == "source" and number.isdigit()


def choices(table: pd.DataFrame, name: str) -> list[str]:
    """What there is to choose from for a field of `Filter`."""
    columns = roles(table) if name == "contexts" else [COLUMNS[name]]
    found = {str(value) for column in columns if column in table for value in table[column].dropna()}
    return sorted(found)


def matching(table: pd.DataFrame, wanted: Filter) -> pd.DataFrame:
    """The rows that a filter lets through, in their order."""
    keep = pd.Series(True, index=table.index)
    for name, column in COLUMNS.items():
        if getattr(wanted, name):
            keep &= table[column].isin(list(getattr(wanted, name))) if column in table else False
    if wanted.contexts:
        keep &= table[roles(table)].isin(list(wanted.contexts)).any(axis=1)
    if wanted.search.split() and not table.empty:
        text = _text(table[["id", "name", "note", "owner", "state", "seed", *settings(table)]])
        for word in wanted.search.casefold().split():
            keep &= text.str.contains(word, regex=False)
    return table[keep]


def _text(part: pd.DataFrame) -> pd.Series:
    """All values of a row as one lower-case text; a setting also as name=value ("lam=0.1")."""
    columns = []
    for name in part.columns:
        short = "" if name in ABOUT else f"{name.rpartition('.')[2]}="
        columns.append([f"{short}{written(value)}" if pd.notna(value) else "" for value in part[name]])
    return pd.Series([" ".join(row).casefold() for row in zip(*columns, strict=True)], index=part.index)


def ordered(table: pd.DataFrame, by: str, descending: bool = True) -> pd.DataFrame:
    """Sorted by any column, runs that have no value last; what is equal stays in its order."""
    if by not in table:
        return table
    values = table[by]
    if not pd.api.types.is_numeric_dtype(values):
        numbers = pd.to_numeric(values, errors="coerce")
        values = numbers if numbers.notna().sum() == values.notna().sum() else values.map(written, na_action="ignore")
    return table.loc[values.sort_values(ascending=not descending, kind="stable", na_position="last").index]


def arms(table: pd.DataFrame) -> list[Arm]:
    """The runs folded into arms, in the order in which the table first has them, labelled by what differs."""
    if table.empty:
        return []
    groups = [table.loc[rows] for rows in _alike(table).values()]
    folded = [group.sort_values(["seed", "created"]).drop_duplicates("seed", keep="last") for group in groups]
    return [Arm(label, runs) for label, runs in zip(labels([_told(group) for group in folded]), folded, strict=True)]


def baselines_first(found: Sequence[Arm]) -> list[Arm]:
    """Target only, source only, then the others in their order: how an answer is read."""
    order = {"target-only": 0, "source-only": 1}
    return sorted(found, key=lambda arm: order.get(str(arm.runs["schedule"].iloc[0]), 2))


def _told(group: pd.DataFrame) -> dict[Hashable, object]:
    """An arm by its first row; a name counts where all its draws bear it."""
    return dict(group.iloc[0]) | ({} if group["name"].nunique() == 1 else {"name": ""})


def _alike(table: pd.DataFrame) -> dict[tuple[str, ...], list[int]]:
    texts = [[written(value) for value in table[name]] for name in settings(table)]
    found: dict[tuple[str, ...], list[int]] = {}
    for row, key in zip(table.index, zip(*texts, strict=True), strict=True):
        found.setdefault(key, []).append(row)
    return found


def folded(table: pd.DataFrame, draws: bool = True) -> pd.DataFrame:
    """A row an arm (or, without ``draws``, a row a run): results averaged, the rest as in its newest run.

    Further columns: ids (a list), draws (how many seeds), states ("4 done, 1 running").
    """
    groups = list(_alike(table).values()) if draws else [[row] for row in table.index]
    place = {row: number for number, rows in enumerate(groups) for row in rows}
    if not groups:
        return table.assign(ids=[], draws=[], states=[])
    number = table.index.map(place).to_numpy()
    found = table.loc[[rows[0] for rows in groups]].reset_index(drop=True)
    numeric = [name for name in results(table) if pd.api.types.is_numeric_dtype(table[name])]
    if draws and numeric:
        found[numeric] = table[numeric].groupby(number).mean().to_numpy()
    ids, seeds, states = (table[name].groupby(number).agg(list) for name in ("id", "seed", "state"))
    return found.assign(ids=ids, draws=seeds.map(lambda one: len(set(one))), states=states.map(counted))


def counted(states: Sequence[str]) -> str:
    """What a list of states holds, the most frequent first: "4 done, 1 running"; all done is just "done"."""
    found = Counter(states)
    if set(found) == {"done"}:
        return "done"
    return ", ".join(f"{n} {state}" if len(states) > 1 else state for state, n in found.most_common())


def named(table: pd.DataFrame, tokens: Iterable[str]) -> tuple[list[str], list[str]]:
    """The ids that tokens (the first characters of ids) stand for, and the tokens that stand for none."""
    by_start = {str(run)[:SHORT]: str(run) for run in table["id"]}
    tokens = list(dict.fromkeys(tokens))
    return [by_start[t[:SHORT]] for t in tokens if t[:SHORT] in by_start], [
        t for t in tokens if t[:SHORT] not in by_start
    ]


def toggled(chosen: Sequence[str], rows: Sequence[Sequence[str]], before: set[int], now: set[int]) -> list[str]:
    """The runs chosen after rows of a list were ticked or unticked; what isn't in the list stays chosen."""
    gone = {run for row in before - now for run in rows[row]}
    added = [run for row in sorted(now - before) for run in rows[row] if run not in chosen]
    return [*(run for run in chosen if run not in gone), *added]


def differing(found: Sequence[Arm]) -> pd.DataFrame:
    """A row a setting in which arms differ, a column an arm (by its place); "" where an arm doesn't have it.

    What arms lack only because they have no such context (a source's size, beside target only) doesn't count.
    """
    heads = [dict(arm.runs.iloc[0]) for arm in found]
    columns = settings(pd.DataFrame(heads)) if heads else []
    rows = {name: [written(head.get(name)) for head in heads] for name in columns}
    kept = {}
    for name, texts in rows.items():
        context = rows.get(name.partition(".")[0], texts) if name.startswith(("source", "target")) else texts
        if len({text for text, there in zip(texts, context, strict=True) if there or context is texts}) > 1:
            kept[name] = texts
    return pd.DataFrame(kept).T
