"""How fast this machine is: measured once, kept, read without torch, and what follows from it."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest

from ctx import batches, hand, machine, measure
from ctx.config import ContextChoice, RunConfig, SourceChoice, canonical
from ctx.lab.cost import fill_seconds, run_seconds
from ctx.leases import new_holder
from ctx.manifest import cores
from ctx.parts import Choice
from ctx.registry import make
from ctx.setup import Setup
from ctx.store import Store, open_store
from ctx.worker import learn_speed

CAFES = ContextChoice(id="sentiment/sample-cafes-en", size=40)
TINY = Choice(name="tiny")
FULL = RunConfig(target=CAFES, backbone=TINY, schedule=Choice(name="target-only"), tuning=Choice(name="full"))
FOUR = Choice(name="freeze", knobs={"layers": 4})
FROZEN = FULL.model_copy(update={"backbone": Choice(name="minilm"), "tuning": FOUR})


@pytest.fixture
def store(home: Path) -> Store:
    return open_store()


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(measure, "SHARED", 1000.0)  # whatever else the machine does
    monkeypatch.setattr(measure, "WORSE", 0.0)
    monkeypatch.setattr(machine, "_speeds", {})
    monkeypatch.setattr(machine, "_forwards", {})


def test_it_is_measured_once_and_read_from_then_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.speeds() == {}
    assert machine.fastest() == cores()
    found = learn_speed(store)
    assert set(found) == {1, max(1, cores() // 2), cores()}
    assert all(1e8 < speed < 1e13 for speed in found.values())
    forwards = machine.forwards()
    assert 0.2 < forwards < 20
    machine._speeds.clear()  # as in another process
    machine._forwards.clear()
    assert (machine.speeds(), machine.forwards()) == (found, forwards)
    monkeypatch.setattr(measure, "measure", lambda leave: pytest.fail("it is known"))
    assert learn_speed(store) == found


def test_nothing_is_kept_where_others_are_at_work_or_somebody_waits(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert learn_speed(store, leave=lambda: True) == {}
    monkeypatch.setattr(measure, "SHARED", 0.0)
    assert learn_speed(store) == {}
    monkeypatch.setattr(measure, "SHARED", 1000.0)
    monkeypatch.setattr(measure, "WORSE", 1.1)  # one thread itself is slower than that
    assert learn_speed(store) == {}
    monkeypatch.setattr(measure, "WORSE", 0.0)
    store.add_run(canonical(FULL))
    assert store.claim(new_holder(), threads=1) is not None
    assert learn_speed(store) == {}, "a run is at work"
    assert machine.speeds() == {}


def test_a_run_by_itself_has_the_threads_that_were_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 8)
    machine.keep_speeds({1: 5e10, 4: 9e10, 8: 7e10})
    assert machine.fastest() == 4
    assert machine.rate(1) == 5e10
    assert machine.rate(3) == machine.USUAL_RATE
    monkeypatch.setattr(machine, "cores", lambda: 2)
    assert machine.fastest() == 2, "with other cores nothing is known yet"


@pytest.mark.parametrize("text", ['{"1": "fast"}', '{"1": null}', "[]", "{"])
def test_what_is_damaged_is_measured_again(text: str) -> None:
    machine.keep_speeds({1: 5e10})
    ((file, _),) = machine._speeds.items()
    file.write_text(text)
    machine._speeds.clear()
    assert machine.speeds() == {}


class Pipe:
    """A worker's pipe: whether somebody waits, asked so often."""

    def __init__(self, waits: bool) -> None:
        self.waits, self.asked = waits, 0

    def poll(self, seconds: float = 0) -> bool:
        self.asked += 1
        return self.waits


def test_an_idle_worker_measures_and_one_with_work_to_do_does_not(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    busy, idle = Pipe(True), Pipe(False)
    hand._measure(busy, store)  # type: ignore[arg-type]
    assert machine.speeds() == {}
    with monkeypatch.context() as broken:
        broken.setattr(measure, "measure", lambda leave: 1 / 0)
        hand._measure(idle, store)  # type: ignore[arg-type]
        assert "ZeroDivisionError" in capsys.readouterr().err
    hand._measure(idle, store)  # type: ignore[arg-type]
    assert machine.speeds()
    asked = idle.asked
    hand._measure(idle, store)  # type: ignore[arg-type]
    assert idle.asked == asked, "it is known: nobody waits for the pipe"


def test_a_machine_twice_as_fast_takes_half_as_long_for_layers() -> None:
    seconds = {}
    for speed in (1e9, 2e9):
        machine.keep_speeds({1: speed, cores(): speed})
        seconds[speed] = run_seconds(FULL), fill_seconds(FROZEN, CAFES, 3)
    assert seconds[1e9][1] == pytest.approx(2 * seconds[2e9][1])
    assert 1.5 * seconds[2e9][0] < seconds[1e9][0] < 2 * seconds[2e9][0]


def test_layers_that_only_answer_have_a_speed_of_their_own() -> None:
    machine.keep_speeds({1: 1e9, cores(): 1e9})
    assert machine.forwards() == 1
    usual, learns = fill_seconds(FROZEN, CAFES, 3), run_seconds(FULL)
    machine.keep_speeds({1: 1e9, cores(): 1e9}, 2.0)
    assert fill_seconds(FROZEN, CAFES, 3) == pytest.approx(usual / 2)
    assert learns / 2 < run_seconds(FULL) < learns


def test_texts_count_as_long_as_they_were_found_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = make("backbones", TINY)
    assert machine.tokens(backbone, CAFES) == machine.USUAL_TOKENS
    usual = fill_seconds(FROZEN, CAFES, 3)
    monkeypatch.setattr(batches, "_memo", OrderedDict())  # read now, not in another test
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
