"""The first lesson: the same teacher beats from scratch, an unrelated one does little, the opposed one hurts.

20 target rows, equal target updates, 10 draws:  python -m tests.benchmarks.first_lesson
"""

from __future__ import annotations

from ctx.config import ContextChoice, RunConfig, SourceChoice
from ctx.parts import Choice
from ctx.study import arms
from tests.benchmarks.draws import HEADER, line, run

DRAWS = 10


def config(source: str, schedule: Choice, **knobs: float) -> RunConfig:
    return RunConfig(
        sources=(SourceChoice(id=source, knobs=knobs),),
        target=ContextChoice(id="lesson/base", size=20),
        backbone=Choice(name="mlp"),
        tuning=Choice(name="full"),
        schedule=schedule,
    )


def main() -> None:
    for schedule in (Choice(name="joint", knobs={"lam": 1.0}), Choice(name="sequential")):
        print(f"\n{schedule.name} {schedule.knobs or ''} (R², {DRAWS} draws)\n{HEADER}", flush=True)
        first = config("lesson/relative", schedule, relatedness=1.0)
        alone = run(arms(first)["target-only"], "r2", DRAWS)
        print(line("target only", alone))
        for r in (1.0, 0.5, 0.0, -0.5, -1.0):
            arm = run(config("lesson/relative", schedule, relatedness=r), "r2", DRAWS)
            print(line(f"teacher at relatedness {r:+.1f}", arm, alone), flush=True)
        print(line("noise", run(config("lesson/noise", schedule), "r2", DRAWS), alone), flush=True)
        if schedule.name == "sequential":
            forgot = Choice(name="sequential", knobs={"copy_weights": False})
            arm = run(config("lesson/relative", forgot, relatedness=1.0), "r2", DRAWS)
            print(line("same teacher, weights not copied", arm, alone), flush=True)


if __name__ == "__main__":
    main()
