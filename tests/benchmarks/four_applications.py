"""Does a source in another language, domain or library help? One pair or more for each application, 5 draws.

    python -m tests.benchmarks.four_applications [PAIR …] [--draws 5]

Every pair has: what needs no learning (the floor), target only with as many *target* updates as the transfer arm, the
same with as many updates *in all*, the source alone (zero-shot), source and target jointly, and the source first, then
the target. Differences are paired by draw against the better of the two target-only arms.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice
from ctx.parts import Choice
from ctx.registry import make
from ctx.study import target_updates, training_sizes
from ctx.verdict import difference
from tests.benchmarks.draws import HEADER, Arm, line, mean, run


@dataclass(frozen=True)
class Pair:
    """A source, a target, how many examples of each, the metric, the layer that is read."""

    source: str
    target: str
    size: int
    source_size: int | None = None
    metric: str = "macro_f1"
    epochs: int = 5
    batch: int = 32
    readout: int | None = None

    def config(self) -> RunConfig:
        knobs = {} if self.readout is None else {"readout": self.readout}
        return RunConfig(
            sources=(SourceChoice(id=self.source, size=self.source_size),),
            target=ContextChoice(id=self.target, size=self.size),
            backbone=Choice(name="e5", knobs=knobs),
            optim=Optim(epochs=self.epochs, batch=self.batch),
        )


PAIRS = {
    "sentiment": Pair("sentiment/tweets", "sentiment/computers-zh", 20),
    "ner": Pair("ner/news-zh", "ner/encyclopaedia-ja", 40, 600, "f1", readout=8),
    "translation-language": Pair("translation/cms-en-pt", "translation/cms-en-es", 200, 500, "chrf", 4),
    "translation-domain": Pair("translation/notebooks-en-es", "translation/cms-en-es", 200, 400, "chrf", 4),
    "summaries-language": Pair("summarisation/wiki-en", "summarisation/wiki-es", 200, 2000, "rougeL", 2, 16),
    "summaries-library": Pair("summarisation/scipy", "summarisation/pandas", 200, None, "rougeL", 2, 16),
}


def arms(pair: Pair) -> dict[str, RunConfig]:
    """Every arm's configuration, of the first draw."""
    config = pair.config()
    updates = target_updates(config) or 0
    both = make("schedules", Choice(name="sequential")).phases(config, training_sizes(config))
    total = -(-sum(phase.epochs * phase.updates for phase in both) // config.optim.epochs)
    alone = {
        f"target only, {words}": Choice(name="target-only", knobs={"updates": count})
        for words, count in (("equal target updates", updates), ("equal total updates", max(2 * updates, total)))
    }
    schedules = alone | {"source only": Choice(name="source-only")}
    weights = (1.0,) if config.task().looks else (0.1, 1.0)  # a head that writes takes minutes
    schedules |= {f"joint, λ = {lam:g}": Choice(name="joint", knobs={"lam": lam}) for lam in weights}
    schedules["source, then target"] = Choice(name="sequential")
    return {name: config.model_copy(update={"schedule": schedule}) for name, schedule in schedules.items()}


def table(name: str, pair: Pair, draws: int) -> None:
    """Train every arm and print the pair's table."""
    began = time.perf_counter()
    print(f"\n{name}: {pair.source} → {pair.target}, {pair.size} labels, {pair.metric}, {draws} draws\n\n{HEADER}")
    found: dict[str, Arm] = {}
    for arm, config in arms(pair).items():
        found[arm] = run(config, pair.metric, draws)
        alone = [one for one in found if one.startswith("target only")]
        fairest = max(alone, key=lambda one: mean(found[one].test))
        print(line(arm, found[arm], None if arm in alone else found[fairest]), flush=True)
    floor = next(iter(found.values())).floor
    print(f"| {pair.config().task().floor_name} | {mean(floor):.3f} | | | | 0 | |")
    print(f"\n{against_floor(found)}\n\n{time.perf_counter() - began:.0f} s")


def against_floor(found: Mapping[str, Arm]) -> str:
    """How far each arm is from what needs no learning, paired by draw."""
    words = []
    for arm, results in found.items():
        far = difference(results.test, results.floor)
        if far is not None and far.low is not None and far.high is not None:
            words.append(f"{arm} {far.mean:+.3f} ({far.low:+.3f} to {far.high:+.3f})")
    return "Against what needs no learning: " + "; ".join(words) + "."


def main() -> None:
    """Print the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("pairs", nargs="*", choices=[[], *PAIRS], metavar="PAIR", help=", ".join(PAIRS))
    parser.add_argument("--draws", type=int, default=5)
    asked = parser.parse_args()
    for name in asked.pairs or PAIRS:
        table(name, PAIRS[name], asked.draws)


if __name__ == "__main__":
    main()
