"""The methods that the field uses, as settings: one click sets them, and they stay visible and can be changed."""

from __future__ import annotations

from dataclasses import dataclass

from ctx.config import RunConfig
from ctx.errors import CtxError
from ctx.i18n import t
from ctx.lab.effect import lam
from ctx.lab.history import changes
from ctx.recipes import RECIPES, with_recipe
from ctx.registry import part


@dataclass(frozen=True)
class Method:
    """``said``: what it does, its formula and paper, as the part says it that makes it.

    ``config``: the settings with it; ``why_not``: a sentence where it can't be had here, "" where it can.
    """

    name: str
    title: str
    said: str
    config: RunConfig
    why_not: str = ""


def methods(config: RunConfig) -> list[Method]:
    """All of them, for these contexts and this backbone."""
    return [_offered(config, name, title) for name, title in _titles().items()]


def changed(config: RunConfig, method: Method) -> str:
    """What of a method's knobs is set in another way than it sets them: ``rank 8 → 16``; "" where nothing is."""
    return changes(method.config, config)


def _titles() -> dict[str, str]:
    return {
        "target-only": t("Target only"),
        "zero-shot": t("Zero-shot"),
        "fine-tune": t("Fine-tuning"),
        "multi-task": t("Multi-task"),
        "stilts": t("STILTs"),
        "linear-probe": t("Linear probe"),
        "gradual": t("Gradual unfreezing"),
        "lora": t("LoRA"),
        "adapters": t("Adapters"),
        "per-context": t("Context-adaptive"),
        "l2sp": t("L2-SP"),
        "dann": t("DANN"),
        "pcgrad": t("PCGrad"),
    }


def _offered(config: RunConfig, name: str, title: str) -> Method:
    recipe = RECIPES[name]
    asked = config.model_copy(update=recipe.settings())
    said, weight = part(recipe.kind, recipe.part).explained(), lam(asked)
    if weight is not None:
        said += " " + t("It is set with λ = {weight}.", weight=f"{weight:g}")
    try:
        return Method(name, title, said, with_recipe(config, recipe))
    except CtxError as error:
        return Method(name, title, said, config, str(error))
