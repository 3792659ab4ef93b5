"""Do tweets help judge editorials from 20 labels? MiniLM all frozen, 10 draws.

    python -m tests.benchmarks.tweets_to_editorials

Target only gets every fair chance: equal target updates; equal *total* updates; class-balanced and tuned (learning
rate, weight decay, balance); and, from outside this project, scikit-learn's logistic regression on the same frozen
features, tuned and class-balanced. Every setting, of either side, is chosen on the full validation split.
"""

from __future__ import annotations

import itertools

import numpy as np
from sklearn.linear_model import LogisticRegression

from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice, canonical
from ctx.parts import Choice
from ctx.setup import Setup
from ctx.study import target_updates
from ctx.train import Trainer
from tests.benchmarks.draws import HEADER, Arm, line, mean, run

DRAWS, METRIC = 10, "macro_f1"
CONFIG = RunConfig(
    sources=(SourceChoice(id="sentiment/tweets"),), target=ContextChoice(id="sentiment/editorials", size=20)
)


def target_only(factor: int = 1, **optim: object) -> RunConfig:
    updates = (target_updates(CONFIG) or 0) * factor
    alone = Choice(name="target-only", knobs={"updates": updates})
    return CONFIG.model_copy(update={"schedule": alone, "optim": Optim(**optim)})


def joint(lam: float, **optim: object) -> RunConfig:
    return CONFIG.model_copy(update={"schedule": Choice(name="joint", knobs={"lam": lam}), "optim": Optim(**optim)})


def best(arms: dict[str, Arm]) -> str:
    """The arm with the best mean on validation."""
    return max(arms, key=lambda name: mean(arms[name].validation))


def probes() -> dict[str, Arm]:
    """scikit-learn's logistic regression on the same features, class-balanced, by its strength of regularisation."""
    grid = {f"scikit-learn probe, balanced, C = {c:g}": c for c in (0.01, 0.1, 1.0, 10.0, 100.0)}
    arms = {name: Arm() for name in grid}
    for seed in range(DRAWS):
        trainer = Trainer(Setup(canonical(target_only().model_copy(update={"seed": seed}))))
        trainer.begin()
        rows = trainer.setup.rows["target"]
        parts = {name: getattr(rows, name) for name in ("learn", "validation", "test")}
        x = {name: trainer.frozen(rows.encoded.batch(index)).numpy() for name, index in parts.items()}
        for name, c in grid.items():
            probe = LogisticRegression(C=c, class_weight="balanced", max_iter=5000)
            probe.fit(x["learn"], rows.encoded.targets[parts["learn"]])
            for split, kept in (("validation", arms[name].validation), ("test", arms[name].test)):
                logits = probe.predict_log_proba(x[split])
                kept[seed] = trainer.setup.task.evaluate(logits, rows.encoded.targets[parts[split]])[METRIC]
    return arms


def main() -> None:
    print(HEADER)
    alone = run(target_only(), METRIC, DRAWS)
    setup = Setup(canonical(target_only()))
    rows = setup.rows["target"]
    floor = setup.task.floor(rows.examples(rows.learn), rows.examples(rows.test), rows.context.labels)[METRIC]
    print(f"| always one answer | {floor:.3f} | | | | 0 | |")
    fair = {"target only, plain": alone, "target only, equal total updates": run(target_only(2), METRIC, DRAWS)}
    for lr, decay, balanced in itertools.product((1e-3, 1e-2, 1e-1), (0.01, 1.0), (False, True)):
        name = f"target only, rate {lr:g}, decay {decay:g}{', balanced' if balanced else ''}"
        fair[name] = run(target_only(head_lr=lr, weight_decay=decay, class_balanced=balanced), METRIC, DRAWS)
    fair |= probes()
    transfer = {
        f"joint, λ = {lam:g}{', balanced' if balanced else ''}": run(joint(lam, class_balanced=balanced), METRIC, DRAWS)
        for lam, balanced in itertools.product((0.1, 1.0, 5.0), (False, True))
    }
    transfer["source only"] = run(CONFIG.model_copy(update={"schedule": Choice(name="source-only")}), METRIC, DRAWS)
    fairest = max(fair, key=lambda name: mean(fair[name].test))  # the hardest to beat: judged on test, in its favour
    for name, arm in (fair | transfer).items():
        print(line(name, arm, None if name == fairest else fair[fairest]))
    print(f"\nfairest target only: {fairest}; of them chosen on validation: {best(fair)}")
    joints = {name: arm for name, arm in transfer.items() if name.startswith("joint")}
    chosen = best(joints)
    gains = [joints[chosen].test[d] - fair[fairest].test[d] for d in range(DRAWS)]
    print(f"chosen on validation: {chosen}; gain over the fairest {np.mean(gains):+.3f} macro-F1 on average")


if __name__ == "__main__":
    main()
