"""Whole maps trained by real workers while what they keep of frozen layers is damaged: the same map, nothing doubled.

Each map is trained undisturbed by one worker, and in another home by two that begin with the same texts at once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from dispatched import Served
from stores import PATIENCE, stored, until

from ctx import checkpoint
from ctx.config import ContextChoice, Optim, RunConfig, SourceChoice
from ctx.home import home as home_of
from ctx.parts import Choice
from ctx.records import ENDED, Run
from ctx.sweeps.plan import Axis, Sweep, rows, spec
from tests.test_folder import save

OWNERS = ("ann", "bob")  # each has half of a map, so that two workers begin with the same texts
SPENT = ("train_seconds", "cpu_seconds", "encoded")
ANSWERS = ("test/source", "test/target", "said/target", "score/target")
EVERY = 0.1  # seconds between two faults
Fault = Callable[[Path, np.random.Generator], None]
Maps = dict[str, tuple[Sweep, ...]]


def cut(file: Path, random: np.random.Generator) -> None:
    """Cut a file short, somewhere."""
    with file.open("r+b") as opened:
        opened.truncate(int(random.integers(file.stat().st_size + 1)))


def flip(file: Path, random: np.random.Generator) -> None:
    """Flip one bit in each of some bytes, somewhere."""
    with file.open("r+b") as opened:
        for place in random.integers(file.stat().st_size, size=20).tolist():
            opened.seek(place)
            byte = opened.read(1)[0]
            opened.seek(place)
            opened.write(bytes([byte ^ 1 << int(random.integers(8))]))


def delete(file: Path, random: np.random.Generator) -> None:
    """Delete a file."""
    file.unlink()


def nothing(file: Path, random: np.random.Generator) -> None:
    """Leave a file alone."""


FAULTS: dict[str, Fault] = {"cut": cut, "flipped": flip, "deleted": delete, "left alone": nothing}


def sentiment(model: Path, lams: tuple[float, ...]) -> Sweep:
    """One and two layers frozen, a state a token, and all of them, a state a text, for heads that train together."""
    base = RunConfig(
        sources=(SourceChoice(id="sentiment/sample-cafes-en", size=60),),
        target=ContextChoice(id="sentiment/sample-gadgets-en", size=20),
        backbone=Choice(name="folder", knobs={"path": str(model)}),
        tuning=Choice(name="freeze"),
        optim=Optim(epochs=2, min_updates=15, batch=8),
    )
    axes = Axis(name="schedule.lam", values=lams), Axis(name="tuning.layers", values=(1, 2, 3))
    return Sweep(base=base, axes=axes, draws=1)


def tagging(model: Path, rates: tuple[float, ...]) -> Sweep:
    """A state a token, kept of all layers, and heads that take no room."""
    base = RunConfig(
        target=ContextChoice(id="ner/sample-office-en", size=40),
        backbone=Choice(name="folder", knobs={"path": str(model)}),
        schedule=Choice(name="target-only"),
        optim=Optim(epochs=2, min_updates=10, batch=8),
    )
    return Sweep(base=base, axes=(Axis(name="optim.head_lr", values=rates),), draws=2)


@dataclass(frozen=True)
class Found:
    """What is left of a run."""

    run: Run
    points: Mapping[tuple[str, int], float]
    outputs: Mapping[str, np.ndarray]
    weights: Mapping[str, torch.Tensor]

    def same(self, other: Found) -> bool:
        """Whether results, curves, answers and weights are equal, to the bit."""
        ends = [{k: v for k, v in (one.run.final or {}).items() if k not in SPENT} for one in (self, other)]
        answers = [{name: value.tolist() for name, value in one.outputs.items()} for one in (self, other)]
        return (
            ends[0] == ends[1]
            and self.points == other.points
            and answers[0] == answers[1]
            and self.weights.keys() == other.weights.keys()
            and all(torch.equal(value, other.weights[name]) for name, value in self.weights.items())
        )


@contextmanager
def serving(folder: Path, workers: int) -> Iterator[Served]:
    """A home with a dispatcher and so many workers."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"CTX_HOME": folder, "CTX_WORKERS": workers, "OMP_NUM_THREADS": 1, "CTX_OFFLINE": 1}.items():
            patch.setenv(name, str(value))
        patch.delenv("CTX_STORE", raising=False)
        served = Served()
        try:
            yield served
        finally:
            served.kill_session()


def queue(served: Served, maps: tuple[Sweep, ...]) -> list[str]:
    halves = zip(maps, OWNERS, strict=True)
    return [served.store.add_study("", spec(one), rows(one), owner=owner).id for one, owner in halves]


def trained(served: Served, studies: list[str], fault: Fault = nothing) -> dict[str, Found]:
    """Every run by its key once all have ended, each file of frozen outputs damaged again and again until then."""
    random, limit, damaged = np.random.default_rng(0), time.monotonic() + PATIENCE, 0
    while (states := {run.state for run in runs(served, studies)}) - set(ENDED):
        assert time.monotonic() < limit, served.log()
        if "running" in states:
            for file in (home_of() / "features").glob("*.bin"):
                with suppress(FileNotFoundError, ValueError):  # gone, or empty
                    fault(file, random)
                    damaged += 1
        time.sleep(EVERY)
    assert damaged or fault is nothing, "the map was over before anything was damaged"
    return {run.key: found(served, run) for run in runs(served, studies)}


def runs(served: Served, studies: list[str]) -> list[Run]:
    return [run for study in studies for _, _, run in served.store.study_runs(study)]


def found(served: Served, run: Run) -> Found:
    assert (run.state, run.error, run.attempt) == ("done", None, 1), served.log()
    outputs = {name: value for name in ANSWERS if (value := served.store.output(run.id, name)) is not None}
    weights = checkpoint.final_weights(run.id)
    assert weights is not None
    return Found(run, stored(served.store, run.id), outputs, weights.tensors)


def compare(served: Served, studies: list[str], maps: Mapping[str, Found], whole: Mapping[str, Found]) -> None:
    """The map is the undisturbed one, and every run is there once."""
    assert maps.keys() == whole.keys()
    assert all(one.same(whole[name]) for name, one in maps.items())
    assert sorted(run.key for run in served.store.runs(limit=None) if run.key in maps) == sorted(maps)
    assert len(runs(served, studies)) == len(maps)


def at_once(served: Served, studies: list[str]) -> bool:
    """Whether two workers were at the halves of a map at a time."""
    halves = [runs(served, [study]) for study in studies]
    begun = [min(run.started or 0.0 for run in half) for half in halves]
    over = [max(run.ended or 0.0 for run in half) for half in halves]
    return len({run.manifest["worker"] for half in halves for run in half}) == 2 and max(begun) < min(over)


def encoded(maps: Mapping[str, Found]) -> int:
    """How many texts passed through frozen layers."""
    return sum((one.run.final or {})["encoded"] for one in maps.values())


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Maps:
    """The two halves of a map for every fault, each with an encoder of its own."""
    folder, maps = tmp_path_factory.mktemp("models"), {}
    for name in FAULTS:
        save(folder / name, "bert")
        maps[name] = tuple(sentiment(folder / name, (lam,)) for lam in (0.1, 1.0))
    save(folder / "full", "bert", hidden_size=1024, num_hidden_layers=1)
    maps["full"] = tuple(tagging(folder / "full", (rate,)) for rate in (0.001, 0.01))
    return maps


@pytest.fixture(scope="module")
def undisturbed(models: Maps, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Found]]:
    """Every map as one worker trains it, by fault and key."""
    with serving(tmp_path_factory.mktemp("home"), workers=1) as served:
        studies = {name: queue(served, maps) for name, maps in models.items()}
        served.ensure()
        return {name: trained(served, ids) for name, ids in studies.items()}


@pytest.fixture(scope="module")
def server(undisturbed: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Served]]:
    """Another home, with two workers."""
    folder = tmp_path_factory.mktemp("disturbed")
    with serving(folder, workers=2) as served:
        served.ensure()
        yield folder, served


@pytest.fixture
def served(server: tuple[Path, Served], monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setenv("CTX_HOME", str(server[0]))
    return server[1]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_map_is_the_same_whatever_becomes_of_the_files_that_two_workers_share(
    fault: str, served: Served, models: Maps, undisturbed: Mapping[str, Mapping[str, Found]]
) -> None:
    studies = queue(served, models[fault])
    maps = trained(served, studies, FAULTS[fault])
    compare(served, studies, maps, undisturbed[fault])
    assert at_once(served, studies)
    assert encoded(maps) > encoded(undisturbed[fault]) or fault == "left alone", "no worker missed anything"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process's files")
def test_a_map_is_the_same_where_the_disk_is_full_before_all_is_kept(
    served: Served, models: Maps, undisturbed: Mapping[str, Mapping[str, Found]]
) -> None:
    before = set((home_of() / "features").glob("*"))
    most = 7_200_000  # bytes; the whole file has two million more, the store and its journal fewer
    with limited(served, most):
        studies = queue(served, models["full"])
        maps = trained(served, studies)
    compare(served, studies, maps, undisturbed["full"])
    (file,) = set((home_of() / "features").glob("*")) - before
    assert most / 100 < file.stat().st_size <= most, "some rows were taken, and not all"


@contextmanager
def limited(served: Served, most: int) -> Iterator[None]:
    """No process of a dispatcher makes a file larger than so many bytes."""
    import resource

    dispatcher = psutil.Process(served.dispatcher())
    until(lambda: len(dispatcher.children(recursive=True)) > 1, "a worker is there, and what workers are forked from")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for process in dispatcher.children(recursive=True):
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, before[1]))
    yield
    for process in dispatcher.children(recursive=True):
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)
