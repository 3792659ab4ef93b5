"""The method tour: every method of the Lab on five pairs, 5 draws, the same tuning budget for every one.

    python -m tests.benchmarks.method_tour [PAIR …] [--draws 5] [--only METHOD,METHOD] [--results FILE]

A method is what its pill in the Lab sets (`ctx.lab.methods`). STILTs has a second source, and beside it stands
fine-tuning from both at once; beside DANN, DANN that reads all training texts of the target without labels. A phase is
8 epochs of at least 15 updates, so that gradual unfreezing gets down to the embedding of an encoder of 6 layers; E5 is
read out at its sixth of twelve, for half the work (by the validation split, a better place for names and translation
and a worse one for sentiment). Only learning rates are tuned: a method's budget are three for the layers and what is
added to them, a third, once and three times the backbone's own (of the head, where nothing else learns), on draw 0. The
best by the score of the kept weights on the target's validation split goes on to all draws; the method that never sees
a label of the target is tuned on the source's. The test splits are read for the table alone. Target only has as many
target updates as the method with most, and in rows of their own as many as fine-tuning and as STILTs have in all, so
that it shows whether a method is better for having trained longer.

``--results``: finished runs, a JSON line each, by default those beside this file; what it holds is not run again, so a
tour may take several sittings, and be shared out among processes with an ``--only`` each.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ctx import products
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical, frozen_blocks, key
from ctx.errors import CtxError
from ctx.evaluation import Evaluator
from ctx.handover import Handover
from ctx.lab.effect import phases
from ctx.lab.methods import Method, methods
from ctx.parts import Choice
from ctx.setup import Setup, deterministic
from ctx.study import target_updates
from ctx.train import Trainer
from ctx.verdict import difference, interval

RATES = (1 / 3, 1.0, 3.0)  # times the usual one
ROWS = "intermediate"  # the schedule that wants several sources
BOTH = "fine-tune-both"  # its control: the same sources at once
UNREAD = "dann-all"  # DANN that reads all the target's training texts, as its paper has it
RESULTS = Path(__file__).with_suffix(".jsonl")


MINILM, E5 = Choice(name="minilm"), Choice(name="e5", knobs={"readout": 6})


@dataclass(frozen=True)
class Pair:
    """A source, one more for a row of them, a target, how many examples of each, the backbone, the metric."""

    sources: tuple[str, str]
    target: str
    size: int = 60
    source_size: int = 200
    backbone: Choice = MINILM
    metric: str = "macro_f1"
    batch: int = 8

    def config(self, sources: int = 1) -> RunConfig:
        """With so many sources."""
        return RunConfig(
            sources=tuple(SourceChoice(id=name, size=self.source_size) for name in self.sources[:sources]),
            target=ContextChoice(id=self.target, size=self.size),
            backbone=self.backbone,
            optim=Optim(epochs=8, batch=self.batch, min_updates=15),
        )


PAIRS = {
    "tweets-editorials": Pair(("sentiment/tweets", "sentiment/movies"), "sentiment/editorials", batch=16),
    "tweets-computers": Pair(("sentiment/tweets", "sentiment/hotels-zh"), "sentiment/computers-zh", backbone=E5),
    "products-movies": Pair(("sentiment/products", "sentiment/tweets"), "sentiment/movies"),
    "names": Pair(("ner/tweets-en", "ner/names-ja"), "ner/encyclopaedia-ja", backbone=E5, metric="f1"),
    "translation": Pair(
        ("translation/notebooks-en-es", "translation/cms-en-pt"), "translation/cms-en-es", 200, 200, E5, "chrf"
    ),
}


class Finished:
    """Results by run, kept in a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def there(self) -> dict[str, dict[str, Any]]:
        """All of them, those of other processes too."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        whole = (json.loads(line) for line in lines if line.endswith("}"))  # a sitting may end in mid-line
        return {one.pop("key"): one for one in whole}

    def of(self, config: RunConfig, metric: str) -> dict[str, Any]:
        """``test``, and ``source`` and ``target``, the kept weights' validation scores; trained if it isn't there."""
        name = key(config)
        found = self.there().get(name)
        if found is None:
            found = trained(config, metric)
            with self.path.open("a") as file:
                file.write(json.dumps({"key": name} | found) + "\n")
        return found


class Sparing(Evaluator):
    """Looks at the target alone, and only at the weights that are kept: all that the tour reads, in half the time.

    But for a first phase that other runs may take over: that is looked at as they would.
    """

    def __init__(self, trainer: Trainer) -> None:
        plain = trainer.evaluator
        super().__init__(plain.setup, plain.hidden, plain.head, plain.training)
        self.trainer = trainer
        self.kept: dict[str, float] = {}

    def look(self, first: bool = False) -> dict[str, float]:
        """As a curve's points."""
        handover = self.trainer.handover
        shared = handover is not None and handover.path is not None and not self.trainer.at.phase
        return super().look(first) if shared else {}

    def test(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The target's results, once the kept weights are there."""
        rows = self.setup.rows
        self.setup.rows = {"target": rows["target"]}
        self.kept = super().look()
        found = super().test()
        self.setup.rows = rows
        return found


def trained(config: RunConfig, metric: str) -> dict[str, Any]:
    """One run, by the numbers of `ctx.train.train`; the source's score where a phase of it alone is all there is."""
    deterministic()
    products.onednn()
    setup = Setup(canonical(config))
    trainer = Trainer(setup, handover=Handover(setup))
    trainer.evaluator = looking = Sparing(trainer)
    source = {}
    for event in trainer.run(None):
        if f"validation/source/{metric}" in event.values:
            source[event.step] = event.values[f"validation/source/{metric}"]
    final = event.final or {}
    target, test = looking.kept[f"validation/target/{metric}"], final["metrics"]["target"][metric]
    values = {"source": source.get(final["kept_step"]), "target": target, "test": test}
    rounded = {name: value if value is None else round(value, 5) for name, value in values.items()}
    return rounded | {"updates": final["updates"]["target"]}


def tried(method: Method) -> list[RunConfig]:
    """The method at each rate of its budget."""
    found = []
    for factor in RATES:
        config = method.config
        layers, head = config.learning_rates()
        frozen, blocks = frozen_blocks(config)
        rate = {"head_lr": head * factor} if frozen >= blocks else {"lr": layers * factor}
        found.append(config.model_copy(update={"optim": config.optim.model_copy(update=rate)}))
    return found


def arms(pair: Pair) -> dict[str, Method]:
    """Every method that can be had, with the sources that it wants."""
    found = {one.name: one for one in methods(pair.config())}
    several = {one.name: one for one in methods(pair.config(2))}
    found |= {name: one for name, one in several.items() if one.config.schedule.name == ROWS}
    found[BOTH] = replace(several["fine-tune"], name=BOTH, title="Fine-tuning from both sources at once")
    if "dann" in found:
        judged = Choice(name="dann", knobs={"texts": "all"})
        every = found["dann"].config.model_copy(update={"penalties": (judged,)})
        found[UNREAD] = replace(found["dann"], name=UNREAD, title="DANN, all texts of the target", config=every)
    for one in found.values():
        if one.why_not:
            print(f"{one.title}: not here. {one.why_not}")
    return {name: one for name, one in found.items() if not one.why_not}


def tuned(method: Method, pair: Pair, finished: Finished) -> RunConfig:
    """The best of its budget, on draw 0."""
    role = "target" if target_updates(method.config) else "source"
    scored = [(finished.of(config, pair.metric)[role], -n, config) for n, config in enumerate(tried(method))]
    return max(scored, key=lambda one: one[:2])[2]


def fair(there: dict[str, Method]) -> dict[str, Method]:
    """Of all methods; target only has as many target updates as that with most, and once more as many as fine-tuning
    and as STILTs have in all."""
    alone, most = there["target-only"], max(target_updates(one.config) for one in there.values())
    found = {"target-only": replace(alone, config=_longer(alone.config, most))}
    for name in ("fine-tune", "stilts"):
        if name in there:
            title = f"Target only, as many updates as {there[name].title} in all"
            config = _longer(alone.config, _updates(there[name].config))
            found[f"as long as {name}"] = replace(alone, name=f"as long as {name}", title=title, config=config)
    return there | found


def _longer(config: RunConfig, updates: int) -> RunConfig:
    """Target only with so many updates an epoch."""
    return config.model_copy(update={"schedule": Choice(name="target-only", knobs={"updates": updates})})


def _updates(config: RunConfig) -> int:
    """Of all phases, for an epoch."""
    return -(-sum(phase.epochs * phase.updates for phase in phases(config)) // config.optim.epochs)


def table(pair: Pair, draws: int, only: list[str], finished: Finished) -> None:
    """Tune and train every method, and print its row."""
    print("| method | rate | test | 95 % interval | against target only | target updates |")
    print("|---|---|---|---|---|---|")
    tests: dict[str, dict[int, float]] = {}
    for name, method in fair(arms(pair)).items():
        if only and name not in ["target-only", *only]:
            continue
        try:
            best = tuned(method, pair, finished)
            runs = [finished.of(best.model_copy(update={"seed": draw}), pair.metric) for draw in range(draws)]
        except CtxError as error:
            print(f"| {method.title} | {error} |")
            continue
        tests[name] = {draw: run["test"] for draw, run in enumerate(runs)}
        mean, (low, high) = sum(tests[name].values()) / draws, interval(list(tests[name].values()))
        rate = best.optim.lr or best.optim.head_lr
        row = f"| {method.title} | {rate:.1e} | {mean:.3f} | {low:.3f} to {high:.3f} | {against(tests, name)} | "
        print(f"{row}{runs[0]['updates']} |", flush=True)


def against(tests: dict[str, dict[int, float]], name: str) -> str:
    """The paired difference to target only, and what it says."""
    found = difference(tests[name], tests["target-only"]) if name != "target-only" else None
    if found is None or found.low is None or found.high is None:
        return "–"
    says = "helps" if found.low > 0 else "hurts" if found.high < 0 else "can't tell"
    return f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f}): {says}"


def main() -> None:
    """Print the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("pairs", nargs="*", choices=[[], *PAIRS], metavar="PAIR", help=", ".join(PAIRS))
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    torch.set_num_threads(1)  # so that several pairs can be toured side by side
    finished = Finished(asked.results)
    for name in asked.pairs or PAIRS:
        pair = PAIRS[name]
        print(f"\n{name}: {pair.sources[0]} → {pair.target}, {pair.size} labels, {pair.metric}, {asked.draws} draws\n")
        table(pair, asked.draws, [one for one in asked.only.split(",") if one], finished)


if __name__ == "__main__":
    main()
