"""A source that hurts: movies → tweets with 500 labels, MiniLM all frozen, 10 draws, λ from 0.1 to 5.

python -m tests.benchmarks.source_that_hurts
"""

from __future__ import annotations

from ctx.config import ContextChoice, RunConfig, SourceChoice
from ctx.parts import Choice
from ctx.study import arms
from tests.benchmarks.draws import HEADER, line, run

DRAWS, METRIC = 10, "macro_f1"


def main() -> None:
    config = RunConfig(
        sources=(SourceChoice(id="sentiment/movies"),), target=ContextChoice(id="sentiment/tweets", size=500)
    )
    print(HEADER)
    baselines = arms(config)
    alone = run(baselines["target-only"], METRIC, DRAWS)
    print(line("target only", alone))
    print(line("source only", run(baselines["source-only"], METRIC, DRAWS), alone), flush=True)
    for lam in (0.1, 1.0, 5.0):
        arm = run(config.model_copy(update={"schedule": Choice(name="joint", knobs={"lam": lam})}), METRIC, DRAWS)
        print(line(f"joint, λ = {lam:g}", arm, alone), flush=True)


if __name__ == "__main__":
    main()
