"""The stack of layers in the Lab: chosen from below, one by one, or by epoch; what is drawn is what will learn."""

from __future__ import annotations

import re

import pytest
from streamlit.testing.v1 import AppTest

from ctx.lab import data, link
from ctx.lab.settings import change
from ctx.store import open_store
from ctx.study import rows
from tests import pages
from tests.test_lab_page import Visit, address, click, said, visit

__all__ = ["visit"]


def opened(visit: Visit, tuning: str = "full", **changed: str) -> AppTest:
    asked = change(data.sample(), "tuning", tuning)
    study = open_store().add_study("x", link.spec(asked, 1, None), rows(asked, 1))
    return click(visit(study=study.id, **changed), "open freeze")


def drawn(app: AppTest) -> str:
    """What is drawn, as HTML."""
    return "".join(str(one.proto.body) for one in app.get("html"))


def cells(app: AppTest) -> dict[str, list[str]]:
    """What the table says of each layer, epoch after epoch."""
    found = {}
    for row in re.findall(r"<tr><th scope=\"row\".*?</tr>", drawn(app)):
        name = re.search(r"padding-right:.6em\">([^<]*)</th>", row)
        assert name
        found[name[1]] = re.findall(r"<td title=\"([^\"]*)\"", row)
    return found


def test_gradual_unfreezing_is_drawn_by_epoch(visit: Visit) -> None:
    app = opened(visit)
    app.segmented_control(key="how layers are frozen").set_value("gradual").run()
    assert address(app, "tuning") == "gradual"
    assert cells(app) == {
        "head": ["learns, rate × 1"] * 4,
        "2": ["frozen"] + ["learns, rate × 1"] * 3,
        "1": ["frozen"] * 2 + ["learns, rate × 1"] * 2,
        "embedding": ["frozen"] * 3 + ["learns, rate × 1"],
    }
    assert "First the head alone; from epoch 4 on the embedding and layers 1–2 too" in said(app)
    lit = re.findall(r"animation:ctx-walk-4 3.2s (-\d\.\d)s infinite", drawn(app))
    assert lit == ["-3.2", "-2.4", "-1.6", "-0.8"] * 5, "the columns light up one after another"
    app.select_slider(key="set tuning.decay").set_value(2.0).run()
    assert cells(app)["embedding"][-1] == "learns, rate × 0.25"
    app.number_input(key="set tuning.start").set_value(2).run()
    assert cells(app)["1"] == ["learns, rate × 0.5"] * 2


def test_layers_are_chosen_one_by_one(visit: Visit) -> None:
    app = opened(visit)
    app.segmented_control(key="how layers are frozen").set_value("choose").run()
    app.pills(key="layers that learn").set_value([0, 2]).run()
    assert (address(app, "tuning"), address(app, "tuning.learn")) == ("choose", "embedding, 2")
    assert "Of the encoder only the embedding and layer 2 learn" in said(app)
    assert [ice != "transparent" for ice in re.findall(r"background:([^\"]*)\">", drawn(app))][-4:] == [
        *(False, True, False, False)
    ]


@pytest.mark.parametrize("tuning", ["full", "freeze"])
def test_a_rate_that_falls_downwards_stays_when_the_depth_changes(visit: Visit, tuning: str) -> None:
    app = opened(visit, tuning, **{"tuning.decay": "2.6"} | ({"tuning.layers": "0"} if tuning == "freeze" else {}))
    app.segmented_control(key="freeze stack").set_value(0 if tuning == "full" else -1).run()
    assert address(app, "tuning.decay") == "2.6"


def boxes(app: AppTest) -> list[str]:
    """What is written in the boxes, lowest first."""
    return re.findall(r"<span title=[^>]*>([^<]*)</span>", drawn(app))


@pytest.mark.parametrize(
    ("tuning", "wanted"),
    [
        ("full", ["embedding", "1", "2", "head"]),
        ("freeze", ["embedding ❄", "1 ❄", "2", "head"]),
        ("head", ["embedding ❄", "1 ❄", "2 ❄", "head"]),
        ("lora", ["embedding ❄", "1 ❄ +2.0 k", "2 ❄ +2.0 k", "head"]),
        ("adapter", ["embedding ❄", "1 ❄ +4.2 k", "2 ❄ +4.2 k", "head"]),
        ("per-context", ["embedding ❄", "1 ❄ +4.3 k", "2 ❄ +4.3 k", "head"]),
        ("bitfit", ["embedding ❄ 64", "1 ❄ 576", "2 ❄ 576", "head"]),
    ],
)
def test_the_boxes_show_what_is_frozen_and_what_is_put_beside_it(visit: Visit, tuning: str, wanted: list[str]) -> None:
    app = opened(visit, tuning, **({"tuning.layers": "1"} if tuning == "freeze" else {}))
    assert boxes(app) == wanted


def test_before_any_training_the_layers_stand_under_what_train_will_do(visit: Visit) -> None:
    lora = change(data.sample(), "tuning", "lora")
    app = visit(**link.parameters(lora, data.default("sentiment")))
    assert boxes(app)[1:3] == ["1 ❄ +2.0 k", "2 ❄ +2.0 k"]


def test_a_run_shows_what_learns_in_it_and_the_epoch_that_it_is_in(visit: Visit) -> None:
    store = open_store()
    run = store.add_run(change(data.sample(), "tuning", "gradual"))
    assert {"1", "2", "embedding"} < set(cells(pages.opened("run", run=run.id)))
    claimed = store.claim("me", threads=1)
    assert claimed is not None
    app = pages.opened("run", run=run.id)
    assert "First the head alone" in said(app)
    assert [bool(look) for look in re.findall(r"<th scope=\"col\" style=\"(font-weight:700)?", drawn(app))] == [
        *(True, False, False, False)
    ]
    assert "animation" not in drawn(app), "an epoch that is running is framed instead"
