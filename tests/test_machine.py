"""How fast this machine is: measured once, kept, read without torch, and what follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctx import kept, machine, measure
from ctx.config import ContextChoice, RunConfig, SourceChoice, canonical
from ctx.lab.cost import fill_seconds, run_seconds
from ctx.manifest import cores
from ctx.parts import Choice
from ctx.registry import make
from ctx.setup import Setup
from ctx.worker import learn_speed

CAFES = ContextChoice(id="sentiment/sample-cafes-en", size=40)
TINY = Choice(name="tiny")
FULL = RunConfig(target=CAFES, backbone=TINY, schedule=Choice(name="target-only"), tuning=Choice(name="full"))
FOUR = Choice(name="freeze", knobs={"layers": 4})
FROZEN = FULL.model_copy(update={"backbone": Choice(name="minilm"), "tuning": FOUR})


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(measure, "SHARED", 1000.0)  # whatever else the machine does


def test_it_is_measured_once_and_read_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.speeds() == {}
    assert machine.fastest() == cores()
    found = learn_speed()
    assert set(found) == {1, max(1, cores() // 2), cores()}
    assert all(1e8 < speed < 1e13 for speed in found.values())
    assert machine.speeds() == found
    monkeypatch.setattr(measure, "measure", lambda leave: pytest.fail("it is known"))
    assert learn_speed() == found


def test_nothing_is_kept_where_others_are_at_work_or_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert learn_speed(leave=lambda: True) == {}
    monkeypatch.setattr(measure, "SHARED", 0.0)
    assert learn_speed() == {}
    assert machine.speeds() == {}


def test_a_run_by_itself_has_the_threads_that_were_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 8)
    machine.keep_speeds({1: 5e10, 4: 9e10, 8: 7e10, 16: 1e12})
    assert machine.fastest() == 4
    assert machine.rate(1) == 5e10
    assert machine.rate(3) == machine.USUAL_RATE


def test_what_is_damaged_is_measured_again() -> None:
    machine.keep_speeds({1: 5e10})
    file = kept.place(machine.SPEEDS, machine._name(), "json")
    for text in ('{"1": "fast"}', '{"1": null}', "[]", "{"):
        file.write_text(text)
        assert machine.speeds() == {}


def test_a_machine_twice_as_fast_takes_half_as_long_for_layers() -> None:
    seconds = {}
    for speed in (1e9, 2e9):
        machine.keep_speeds({1: speed, cores(): speed})
        seconds[speed] = run_seconds(FULL), fill_seconds(FROZEN, CAFES, 3)
    assert seconds[1e9][1] == pytest.approx(2 * seconds[2e9][1])
    assert 1.5 * seconds[2e9][0] < seconds[1e9][0] < 2 * seconds[2e9][0]


def test_texts_count_as_long_as_they_were_found_to_be() -> None:
    backbone = make("backbones", TINY)
    assert machine.tokens(backbone, CAFES) == machine.USUAL_TOKENS
    usual = fill_seconds(FROZEN, CAFES, 3)
    setup = Setup(canonical(FULL))
    mean = float(setup.rows["target"].encoded.lengths.mean())
    assert machine.tokens(backbone, CAFES) == mean != machine.USUAL_TOKENS
    assert machine.tokens(make("backbones", Choice(name="minilm")), CAFES) == machine.USUAL_TOKENS
    assert fill_seconds(FROZEN, CAFES, 3) == usual
    machine.keep_tokens(make("backbones", Choice(name="minilm")), CAFES, 2 * machine.USUAL_TOKENS)
    assert fill_seconds(FROZEN, CAFES, 3) == pytest.approx(2 * usual)


def test_a_source_counts_by_its_own_texts() -> None:
    source = SourceChoice(id="sentiment/sample-gadgets-en", size=40)
    both = FULL.model_copy(update={"sources": (source,), "schedule": Choice(name="joint")})
    before = run_seconds(both)
    machine.keep_tokens(make("backbones", TINY), source, 50 * machine.USUAL_TOKENS)
    assert run_seconds(both) > before
    assert run_seconds(FULL) < before
