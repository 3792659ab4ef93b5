"""`--method NAME` on the command line: the settings of the pill in the Lab, with what is typed beside it on top."""

from pathlib import Path
from typing import Any

import pytest

from ctx.commands.asked import build
from ctx.commands.sweep import planned
from ctx.config import canonical
from ctx.errors import BadInput
from ctx.lab.methods import methods
from ctx.recipes import RECIPES, made_by
from ctx.study import arms
from ctx.sweeps import asked as addresses
from ctx.sweeps.file import read
from ctx.sweeps.plan import cell_of, rows

PAIR: dict[str, Any] = {
    "source": ["sentiment/sample-gadgets-en", "sentiment/sample-cafes-zh"],
    "target": "sentiment/sample-cafes-en",
    "target-size": "20",
    "backbone": "tiny",
}


@pytest.mark.parametrize("name", RECIPES)
def test_it_is_the_method_of_the_lab(name: str) -> None:
    config, notes = build(PAIR | {"method": name})
    assert notes == (["--target-size has no effect: source-only does not train on the target."] * (name == "zero-shot"))
    plain, _ = build(PAIR)
    shown = next(one for one in methods(plain) if one.name == name)
    assert shown.why_not == ""
    assert canonical(config) == canonical(shown.config)
    assert made_by(config) == name


def test_what_is_typed_counts_more() -> None:
    assert build(PAIR | {"method": "dann", "--lam": "0.5"})[0].schedule.knobs == {"lam": 0.5}
    assert build(PAIR | {"method": "dann", "--joint.lam": "0.5"})[0].schedule.knobs == {"lam": 0.5}
    assert build(PAIR | {"method": "gradual", "--gradual.decay": "1"})[0].tuning.knobs == {"decay": 1.0}
    other, _ = build(PAIR | {"method": "dann", "tuning": "lora", "--lora.rank": "4", "penalty": ["coral"]})
    assert (other.tuning.name, other.tuning.knobs) == ("lora", {"rank": 4})
    assert [one.name for one in other.penalties] == ["dann", "coral"]
    replayed, _ = build(PAIR | {"method": "lora", "schedule": "replay"})
    assert (replayed.schedule.name, replayed.tuning.name) == ("replay", "lora")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"source": [], "penalty": ["l2sp"]}, "trains on a source, and none is named: add --source"),
        ({"method": "magic"}, "There is no method called “magic”. There are: adapters, dann"),
        ({"method": "lora", "tuning": "full"}, "--method lora is the tuning lora, and --tuning is full: leave one"),
        ({"method": "fine-tune", "schedule": "joint"}, "the schedule sequential, and --schedule is joint"),
        ({"method": "pcgrad", "balancer": "dwa"}, "the balancer pcgrad, and --balancer is dwa"),
        ({"method": "stilts", "source": PAIR["source"][:1]}, "add one more source"),
        ({"method": "lora", "--gradual.interval": "2"}, "--gradual.interval belongs to the tuning gradual"),
    ],
)
def test_what_contradicts_it_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        build(PAIR | given)
    assert said in str(caught.value)
    with pytest.raises(BadInput) as caught:
        planned(PAIR | given | {"epochs": "1,2"}, 1, None, None, baseline=False)
    assert said in str(caught.value)


def test_a_sweep_varies_its_knobs(tmp_path: Path) -> None:
    sweep = planned(PAIR | {"method": "lora", "--lora.rank": "2,4"}, 1, None, None, baseline=False)
    assert [(one.name, one.values) for one in sweep.axes] == [("tuning.rank", (2, 4))]
    assert made_by(sweep.base) == "lora"
    file = tmp_path / "sweep.yaml"
    file.write_text("method: dann\nlam: [0.1, 1]\n")
    given, _ = read(file)
    again = planned(PAIR | given, 1, None, None, baseline=False)
    assert [(one.name, one.values) for one in again.axes] == [("schedule.lam", (0.1, 1.0))]
    assert made_by(again.base) == "dann"


def test_methods_are_an_axis_of_a_map(home: Path) -> None:
    names = ["fine-tune", "lora", "dann"]
    sweep = planned(PAIR | {"method": ",".join(names), "target-size": "10,20"}, 1, None, None, baseline=True)
    assert {one.name: one.values for one in sweep.axes} == {"method": tuple(names), "target.size": (10, 20)}
    made = {arm: config for arm, _, config in rows(sweep)}
    assert len(made) == 12
    for arm, config in made.items():
        cell, baseline = cell_of(arm)
        alone, _ = build(PAIR | {"method": cell["method"], "target-size": str(cell["target.size"])})
        assert config == (arms(alone)["target-only"] if baseline else canonical(alone))
    with pytest.raises(BadInput, match=r"no run at method stilts.*add one more source"):
        planned(PAIR | {"source": PAIR["source"][:1], "method": "lora,stilts"}, 1, None, None, baseline=False)
    with pytest.raises(BadInput, match="method is “magic”: it should be one of: target-only, zero-shot"):
        planned(PAIR | {"method": "lora,magic"}, 1, None, None, baseline=False)
    for beside in ({"--lam": "0.5"}, {"tuning": "head"}, {"penalty": ["coral"]}, {"--lora.rank": "4"}):
        with pytest.raises(BadInput, match=r"Each of several methods sets .* leave --"):
            planned(PAIR | {"method": "lora,dann"} | beside, 1, None, None, baseline=False)


def test_the_map_page_offers_the_methods_that_can_be_had(home: Path) -> None:
    one, _ = build(PAIR | {"source": PAIR["source"][:1]})
    assert "method" in {setting.name for setting in addresses.offered(one)}
    assert addresses.values(one, "method").split(", ") == [name for name in RECIPES if name != "stilts"]


def test_a_method_that_would_train_another_is_refused() -> None:
    with pytest.raises(BadInput, match=r"With epochs 1 it is “All layers frozen \(head\)”: choose more epochs"):
        build(PAIR | {"method": "gradual", "epochs": "1"})
    with pytest.raises(BadInput, match="choose more epochs"):
        planned(PAIR | {"method": "gradual", "epochs": "1", "lr": "1e-4,1e-3"}, 1, None, None, baseline=False)
    assert planned(PAIR | {"method": "gradual", "epochs": "1,2,4"}, 1, None, None, baseline=False).size == 3
    assert build(PAIR | {"method": "multi-task", "--lam": "0"})[0].schedule.knobs == {"lam": 0.0}
    plain, _ = build(PAIR | {"epochs": "1"})
    assert "choose more epochs" in next(one for one in methods(plain) if one.name == "gradual").why_not


def test_knobs_without_effect_are_noted() -> None:
    given = PAIR | {"method": "per-context", "--per-context.module": "embedding", "--per-context.size": "8"}
    assert build(given)[1] == [
        "--per-context.size has no effect: A vector that is added to the embedding is as wide as that."
    ]
    numbers = {"source": ["lesson/relative"], "target": "lesson/base", "schedule": "sequential"}
    _, notes = build(numbers | {"penalty": ["distill"], "--distill.temperature": "3"})
    assert notes == ["--distill.temperature has no effect: Answers that are numbers have no temperature."]
