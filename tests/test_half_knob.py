"""Half precision as a knob: which runs it names, flags and forms, sweeps and what they cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctx.commands.asked import build
from ctx.commands.sweep import planned
from ctx.commands.training import prepared
from ctx.config import RunConfig, canonical, identity, key
from ctx.flags import arguments
from ctx.frames import flat
from ctx.lab import history, settings
from ctx.parts import Choice
from ctx.sweeps.cost import cost
from ctx.sweeps.file import read
from ctx.sweeps.plan import Axis, rows
from tests.test_half import config

FULL = Choice(name="full")


def test_it_names_another_run_only_where_something_is_frozen() -> None:
    assert key(config()) != key(config(half=False))
    assert key(config(tuning=FULL)) == key(config(half=False, tuning=FULL))
    assert not canonical(config(tuning=FULL)).half
    assert canonical(config()).half
    assert identity(config(half=False)) == identity(RunConfig.model_validate(config(half=False).model_dump()))


def test_flags_forms_and_tables_know_it(capsys: pytest.CaptureFixture[str]) -> None:
    asked, notes = build({"source": ["sentiment/movies"], "target": "sentiment/editorials", "half": True})
    assert (asked.half, notes) == (True, [])
    assert "--half" in arguments(asked)
    assert "--half" not in arguments(asked.model_copy(update={"half": False}))
    lesson = {"target": "lesson/base", "schedule": "target-only", "backbone": "mlp", "half": True}
    prepared(lesson)
    assert "--half" not in capsys.readouterr().err
    prepared(lesson | {"tuning": "full"})
    assert "--half has no effect: Nothing is frozen" in capsys.readouterr().err
    setting = settings.setting(config(), "half")
    assert (setting.kind, setting.value, setting.default, setting.off) == ("switch", True, False, "")
    assert settings.setting(config(tuning=FULL), "half").off
    assert history.changes(config(half=False), settings.change(config(half=False), "half", True)) == (
        "half precision off → on"
    )
    assert flat({})["half"] is False


def test_a_sweeps_file_varies_it(home: Path) -> None:
    file = home / "sweep.yaml"
    file.write_text("target: lesson/base\nschedule: target-only\nbackbone: mlp\nhalf: [false, true]\n")
    given, _ = read(file)
    sweep = planned(given, 1, None, False)
    assert sweep.axes == (Axis(name="half", values=(False, True)),)
    assert [one.half for _, _, one in rows(sweep)] == [False, True]
    file.write_text("target: lesson/base\nschedule: target-only\nbackbone: mlp\nhalf: true\nepochs: [1, 2]\n")
    assert all(one.half for _, _, one in rows(planned(read(file)[0], 1, None, False)))


def test_a_map_counts_what_runs_of_several_depths_do_not_share() -> None:
    e5 = {"backbone": Choice(name="e5"), "target": config().target}
    depths = [Choice(name="freeze", knobs={"layers": k}) for k in (8, 9, 10)]
    seconds = []
    for half in (False, True):
        found = [config("head", half, **e5, tuning=tuning) for tuning in depths]
        alone = sum(cost([("", 0, one)], [], [], 1).seconds for one in found)
        seconds.append(cost([("", n, one) for n, one in enumerate(found)], [], [], 1).seconds / alone)
    assert seconds[0] < 0.9 < seconds[1]
