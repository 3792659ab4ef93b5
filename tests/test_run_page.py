"""The Run page: everything about one run, and what can be done with it."""

import shlex
import shutil
from pathlib import Path

import pytest
from adapted import models
from streamlit.testing.v1 import AppTest

from ctx.config import key
from ctx.lab import link
from ctx.parts import Choice
from ctx.records import Run
from ctx.repeat import command
from ctx.replay import Replay
from ctx.store import Store, open_store
from ctx.ui.runs_one import address_of
from tests.finished import SENTIMENT, finished
from tests.pages import opened, texts

__all__ = ["models"]


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("CTX_WORKERS", "0")
    return finished(home)


@pytest.fixture
def joint(store: Store) -> Run:
    return next(run for run in store.runs() if run.config.schedule.name == "joint")


def button(app: AppTest, label: str) -> object:
    return next(one for one in app.button if one.label == label)


def test_a_finished_run_shows_results_curves_classes_and_confusions(joint: Run) -> None:
    app = opened("run", run=joint.id)
    assert not app.exception
    results = app.dataframe[0].value
    assert results["Tested on"].str.strip().tolist()[:2] == [
        "sentiment/sample-cafes-en (target)",
        "always one answer",
    ]
    shown = float(results["accuracy"][0])
    assert shown == pytest.approx(joint.final["metrics"]["target"]["accuracy"], abs=0.005)
    assert len(app.get("plotly_chart")) == 3 + 2
    assert app.dataframe[1].value.columns.tolist() == ["class", "precision", "recall", "f1", "support"]


def test_what_happens_inside_is_drawn_for_any_run(joint: Run) -> None:
    app = opened("run", run=joint.id)
    before = len(app.get("plotly_chart"))
    app.session_state["inside"] = True
    app.run()
    assert not app.exception
    assert any("**Shares of the loss**" in one.value for one in app.markdown)
    assert len(app.get("plotly_chart")) > before


def test_a_run_whose_backbone_is_gone_says_so_and_shows_the_rest(
    joint: Run, tmp_path: Path, store: Store, models: dict[str, Choice]
) -> None:
    shutil.copytree(models["bert"].knobs["path"], tmp_path / "gone")
    gone = Choice(name="folder", knobs={"path": str(tmp_path / "gone")})
    run = store.add_run(joint.config.model_copy(update={"backbone": gone}))
    shutil.rmtree(tmp_path / "gone")
    app = opened("run", run=run.id)
    assert not app.exception
    assert "gone" in texts(app)
    assert app.segmented_control(key="run_show")


def test_the_first_characters_of_an_id_are_enough(joint: Run) -> None:
    app = opened("run", run=joint.id[:8])
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("asked", ["nothing-here", "<b>x</b>", "zzzzzzzzzzzz", "a"])
def test_a_run_that_does_not_exist_is_said_in_one_sentence(store: Store, asked: str) -> None:
    app = opened("run", run=asked)
    assert not app.exception
    assert len(app.error) == 1
    assert "There is no run" in str(app.error[0].value)


def test_without_a_run_there_is_a_list_to_choose_from(store: Store, joint: Run) -> None:
    app = opened("run")
    assert len(app.selectbox[0].options) == 12
    app.selectbox[0].set_value(joint.id).run()
    assert app.query_params["run"] in (joint.id, [joint.id])
    assert len(app.get("plotly_chart")) == 5


def test_an_empty_store_says_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_WORKERS", "0")
    open_store().close()
    assert "press Train" in texts(opened("run"))


def test_it_gives_the_command_that_repeats_it_and_what_it_was_trained_with(joint: Run) -> None:
    app = opened("run", run=joint.id, show="repeat")
    assert not app.exception
    given = next(one.value for one in app.code if one.value.startswith("ctx run"))
    assert shlex.split(given) == [*shlex.split(command(joint.config)), "--again"]
    assert {"torch", "threads", "python"} <= set(app.dataframe[1].value["What"])


def test_it_lists_the_settings_with_their_defaults(joint: Run) -> None:
    found = opened("run", run=joint.id, show="settings").dataframe[1].value.set_index("Setting")
    assert found.loc["target.size", "Value"] == "20"
    assert (found.loc["optim.epochs", "Value"], found.loc["optim.epochs", "Default"]) == ("2", "10")


def test_it_lists_the_examples_that_an_update_learnt_from(joint: Run) -> None:
    app = opened("run", run=joint.id, show="batches", update="7")
    assert not app.exception
    batches = Replay(joint.config).step(7).batches
    for found, batch in zip([one.value for one in app.dataframe[1:]], batches.values(), strict=True):
        assert found["text"].tolist() == [example.input for example in batch]
    for asked in ("0", "99999", "x", "-1"):
        app = opened("run", run=joint.id, show="batches", update=asked)
        assert not app.exception
        assert "in the address is left out" in texts(app)


def views(run: Run) -> list[str]:
    """What the run's page can show below its curves."""
    return [str(option) for option in opened("run", run=run.id).button_group(key="run_show").options]


def test_the_lessons_numbers_have_batches_and_no_classes(store: Store, joint: Run) -> None:
    numbers = next(run for run in store.runs() if run.config.target.id == "lesson/base")
    assert views(numbers) == ["Answers", "Settings", "Batches it saw", "Repeat it"]
    assert views(joint)[0] == "Classes"
    app = opened("run", run=numbers.id, show="batches")
    assert not app.exception
    assert app.dataframe[1].value.columns.tolist() == ["id", "inputs", "outputs"]


def test_a_name_and_a_note_are_kept_and_shown_as_they_are(store: Store, joint: Run) -> None:
    evil = "<script>alert(1)</script> **x** $y$ :red[z]"
    app = opened("run", run=joint.id)
    app.text_input[0].set_value(evil).run()
    app.text_area[0].set_value("saw something").run()
    assert not app.exception
    found = store.run(joint.id)
    assert (found.name, found.note) == (evil, "saw something")
    assert evil not in "\n".join(str(one.value) for one in (*app.markdown, *app.caption))


def test_deleting_can_be_undone(store: Store, joint: Run) -> None:
    app = opened("run", run=joint.id)
    button(app, "Delete").click().run()
    assert store.run(joint.id).deleted
    assert "This run is deleted" in texts(app)
    button(app, "Undo delete").click().run()
    assert not app.exception
    assert store.run(joint.id).deleted is None
    assert "This run is deleted" not in texts(app)


def test_a_waiting_run_can_be_stopped_and_resumed(store: Store) -> None:
    waiting = store.add_run(SENTIMENT.model_copy(update={"seed": 77}))
    app = opened("run", run=waiting.id)
    assert "it is next" in texts(app)
    button(app, "Stop").click().run()
    assert store.run(waiting.id).state == "stopped"
    button(app, "Resume").click().run()
    assert not app.exception
    assert store.run(waiting.id).state == "queued"


def test_a_failed_run_says_why_literally(store: Store) -> None:
    store.add_run(SENTIMENT.model_copy(update={"seed": 78}))
    run = store.claim("me")
    store.finish(run, "failed", error="The <b>disk</b> is full: free some space.")
    app = opened("run", run=run.id)
    assert not app.exception
    assert "free some space" in str(app.error[0].value)
    assert "<b>" not in str(app.error[0].value)


def test_cloning_opens_the_lab_with_the_settings_of_the_run(store: Store, joint: Run) -> None:
    found = link.view(address_of(joint.config), store)
    assert found.notes == ()
    assert key(found.config) == joint.key
    app = opened("run", run=joint.id)
    button(app, "Clone in the Lab").click().run()
    assert not app.exception
