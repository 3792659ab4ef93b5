"""Compare's logic: which runs, folded how, in what they differ, what came out; curves over each other."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ctx import compare, overlay
from ctx.charts_runs import MOST_BANDS, overlay_figure
from ctx.compare import Filter
from ctx.labels import labels, written
from ctx.records import Told
from ctx.results import as_table, headlines, per_class_rows, results
from ctx.store import Store
from tests.finished import finished

NAN = float("nan")


def row(run: str, seed: int = 0, **values: object) -> dict[str, object]:
    about = {"id": run, "name": "", "note": "", "state": "done", "owner": "local", "study": None, "created": 1.0}
    settings = {"source": "sentiment/tweets", "target": "sentiment/editorials", "backbone": "minilm", "tuning": "head"}
    return about | settings | {"schedule": "joint", "schedule.lam": 0.1, "seed": seed} | values


def table(*rows: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame(list(rows))


LAMBDAS = table(
    row("aaaaaaaa1111", 0, **{"target/macro_f1": 0.70}),
    row("bbbbbbbb1111", 1, **{"target/macro_f1": 0.80}),
    row("cccccccc1111", 0, **{"schedule.lam": 5.0, "target/macro_f1": 0.60}),
    row("dddddddd1111", 1, **{"schedule.lam": 5.0, "target/macro_f1": 0.66}),
    row("eeeeeeee1111", 2, **{"schedule.lam": 5.0, "target/macro_f1": 0.90}),
)


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("CTX_WORKERS", "0")
    return finished(home)


def test_runs_that_differ_in_their_seed_only_are_one_arm() -> None:
    arms = compare.arms(LAMBDAS)
    assert [arm.label for arm in arms] == ["λ 0.1", "λ 5"]
    assert [arm.ids for arm in arms] == [LAMBDAS["id"].tolist()[:2], LAMBDAS["id"].tolist()[2:]]


def test_the_newest_run_of_a_seed_counts_once() -> None:
    twice = table(
        row("old", created=1.0, **{"target/macro_f1": 0.1}), row("new", created=2.0, **{"target/macro_f1": 0.2})
    )
    (arm,) = compare.arms(twice)
    assert arm.ids == ["new"]
    assert arm.draws("target/macro_f1") == {0: 0.2}


def test_a_filter_lets_through_what_has_all_that_it_names() -> None:
    found = table(
        row("a", schedule="joint", state="done"),
        row("b", schedule="sequential", state="failed", note="try again"),
        row("c", source=None, schedule="target-only", owner="ann"),
    )
    kept = {
        "states": compare.matching(found, Filter(states=["failed"])),
        "contexts": compare.matching(found, Filter(contexts=["sentiment/tweets"])),
        "owner": compare.matching(found, Filter(owners=["ann"], schedules=["target-only"])),
        "none": compare.matching(found, Filter(owners=["ann"], schedules=["joint"])),
        "note": compare.matching(found, Filter(search="AGAIN minilm")),
        "knob": compare.matching(LAMBDAS, Filter(search="lam=5")),
        "part of a word": compare.matching(found, Filter(search="editor")),
    }
    assert {name: frame["id"].tolist() for name, frame in kept.items()} == {
        "states": ["b"],
        "contexts": ["a", "b"],
        "owner": ["c"],
        "none": [],
        "note": ["b"],
        "knob": ["cccccccc1111", "dddddddd1111", "eeeeeeee1111"],
        "part of a word": ["a", "b", "c"],
    }


def test_sorting_puts_runs_without_a_value_last_either_way() -> None:
    found = table(row("a", x=2), row("b", x=None), row("c", x=10), row("d", x=2))
    assert compare.ordered(found, "x")["id"].tolist() == ["c", "a", "d", "b"]
    assert compare.ordered(found, "x", descending=False)["id"].tolist() == ["a", "d", "c", "b"]
    mixed = table(row("a", x=True), row("b", x=None), row("c", x="word"))
    assert compare.ordered(mixed, "x")["id"].tolist() == ["c", "a", "b"]


def test_a_folded_list_has_means_and_says_how_many_draws_stand_where() -> None:
    waiting = table(*LAMBDAS.to_dict("records"), row("ffffffff1111", 3, state="running", **{"schedule.lam": 5.0}))
    folded = compare.folded(waiting)
    assert folded["draws"].tolist() == [2, 4]
    assert folded["states"].tolist() == ["done", "3 done, 1 running"]
    assert folded["target/macro_f1"].tolist() == pytest.approx([0.75, 0.72])
    assert folded["ids"].map(len).tolist() == [2, 4]
    single = compare.folded(waiting, draws=False)
    assert single["ids"].tolist() == [[run] for run in waiting["id"]]
    assert compare.folded(waiting.head(0)).empty


def test_ticking_and_unticking_rows_leaves_what_is_not_listed() -> None:
    rows = [["a", "b"], ["c"], ["d"]]
    assert compare.toggled(["x", "a", "b"], rows, {0}, {0, 1}) == ["x", "a", "b", "c"]
    assert compare.toggled(["x", "a", "c"], rows, {0, 1}, {1}) == ["x", "c"]


def test_links_name_runs_by_their_first_characters() -> None:
    found, unknown = compare.named(LAMBDAS, ["bbbbbbbb", "zzzzzzzz", "bbbbbbbb", "aaaaaaaa1111"])
    assert (found, unknown) == (["bbbbbbbb1111", "aaaaaaaa1111"], ["zzzzzzzz"])


def test_only_settings_that_differ_are_listed_and_not_those_of_a_context_that_is_not_there() -> None:
    alone = {"source": None, "source.size": None, "schedule": "target-only", "schedule.lam": None, "target.size": 20}
    found = compare.arms(table(row("a", **{"source.size": 500.0, "target.size": 20}), row("b", **alone)))
    assert compare.differing(found).to_dict("list") == {
        0: ["sentiment/tweets", "joint", "0.1"],
        1: ["", "target-only", ""],
    }
    assert compare.differing(found).index.tolist() == ["source", "schedule", "schedule.lam"]
    assert compare.differing(found[:1]).empty


def test_labels_tell_arms_apart_in_few_words_and_never_twice_the_same() -> None:
    rows = [row("a"), row("b", **{"schedule.lam": 5.0}), row("c", target="sentiment/movies"), row("d", name="mine")]
    assert labels(rows) == [
        "tweets → editorials: λ 0.1",
        "tweets → editorials: λ 5",
        "tweets → movies: λ 0.1",
        "mine",
    ]
    assert labels([row("a"), row("b")]) == ["joint, head", "joint, head (2)"]
    assert [written(value) for value in (20.0, 0.1, 1e-5, None, NAN, True, "x")] == [
        "20",
        "0.1",
        "1e-05",
        "",
        "",
        "True",
        "x",
    ]


def test_results_against_a_baseline_are_paired_over_equal_draws() -> None:
    first, second = compare.arms(LAMBDAS)
    found = results([first, second], first)
    other = next(one for one in found if one.arm == "λ 5")
    assert (other.draws, other.mean) == (3, pytest.approx(0.72))
    assert other.spread == pytest.approx(np.std([0.60, 0.66, 0.90], ddof=1))
    reference = stats.ttest_rel([0.60, 0.66], [0.70, 0.80]).confidence_interval(0.95)
    assert other.delta is not None
    assert other.delta.paired is not None
    assert other.delta.mean == pytest.approx(-0.12)
    assert (other.delta.paired.low, other.delta.paired.high) == pytest.approx((reference.low, reference.high))
    assert next(one for one in found if one.arm == "λ 0.1").delta is None


def test_without_a_common_draw_means_are_compared_and_not_called_paired() -> None:
    first, second = compare.arms(
        table(*LAMBDAS.to_dict("records")[:2], row("f", 7, **{"schedule.lam": 5.0, "target/macro_f1": 0.5}))
    )
    (delta,) = [one.delta for one in results([first, second], first) if one.delta]
    assert delta.paired is None
    assert delta.mean == pytest.approx(0.5 - 0.75)


def test_another_context_is_no_baseline() -> None:
    first, second = compare.arms(
        table(row("a", **{"target/macro_f1": 0.5}), row("b", target="sentiment/movies", **{"target/macro_f1": 0.6}))
    )
    assert all(one.delta is None for one in results([first, second], first))


def test_the_table_of_real_runs_agrees_with_what_they_stored(store: Store) -> None:
    frame = store.table()
    runs = {run.id: run for run in store.runs()}
    arms = compare.arms(frame)
    assert [len(arm.runs) for arm in arms] == [2] * 6
    found = as_table(results(arms))
    for arm in arms:
        for role in ("source", "target"):
            own = found[(found["arm"] == arm.label) & (found["role"] == role)]
            for metric, mean in zip(own["metric"], own["mean"], strict=True):
                stored = [runs[run].final["metrics"][role][metric] for run in arm.ids]
                assert mean == pytest.approx(np.mean(stored))
    assert set(found.loc[found["context"] == "lesson/base", "metric"]) == {"r2", "mse"}
    assert set(found.loc[found["context"] == "sentiment/sample-cafes-en", "metric"]) == {"macro_f1", "accuracy", "loss"}


def test_classes_agree_with_scikit_learn(store: Store) -> None:
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    from ctx import data

    run = next(run for run in store.runs() if run.config.schedule.name == "joint")
    for key, choice in run.config.contexts().items():
        labels_ = data.context(choice).labels
        truth = [labels_.index(example.output) for example in data.splits(choice).test]
        answers = store.output(run.id, f"test/{key}").argmax(1)
        assert run.final["confusion"][key] == confusion_matrix(truth, answers).tolist()
        rows = per_class_rows(run.final["confusion"][key], labels_)
        found = [[one[name] for one in rows] for name in ("precision", "recall", "f1", "support")]
        expected = precision_recall_fscore_support(truth, answers, zero_division=0)
        assert np.allclose(found, expected)


LOSS = overlay.Quantity("validation/{role}/loss", "loss")


def test_curves_of_draws_are_folded_to_their_mean_and_range(store: Store) -> None:
    arms = compare.arms(compare.matching(store.table(), Filter(schedules=["joint"])))
    found = overlay.overlay(store, arms, LOSS, "target")
    points = store.points(arms[0].ids, ["validation/target/loss"]).pivot(index="step", columns="run", values="value")
    assert found.means["y"].tolist() == pytest.approx(points.mean(axis=1).tolist())
    assert found.means["low"].tolist() == pytest.approx(points.min(axis=1).tolist())
    assert set(found.draws["run"]) == set(arms[0].ids)


def test_the_x_axis_is_the_examples_of_all_contexts(store: Store) -> None:
    arms = compare.arms(compare.matching(store.table(), Filter(schedules=["joint"])))
    found = overlay.overlay(store, arms, LOSS, "target")
    seen = store.points(arms[0].ids[:1], ["seen/"]).groupby("step")["value"].sum()
    one = found.draws[found.draws["run"] == arms[0].ids[0]]
    assert one["x"].tolist() == seen.loc[one["step"]].tolist()


def test_a_percentage_starts_from_the_constant_guess(store: Store) -> None:
    arms = compare.arms(compare.matching(store.table(), Filter(schedules=["joint"])))
    raw = overlay.overlay(store, arms, LOSS, "target").draws
    percent = overlay.overlay(store, arms, overlay.Quantity(LOSS.key, "", percent=True), "target").draws
    constant = store.points(arms[0].ids, ["constant/target"]).set_index("run")["value"]
    assert percent["y"].tolist() == pytest.approx((100 * raw["y"] / raw["run"].map(constant)).tolist())


class Many:
    """Runs with long curves."""

    def series(self, ids: list[str], names: list[str], after: int = -1) -> dict[str, Told]:
        steps = np.arange(5000.0)
        return {run: {name: (steps, steps) for name in names if not name.endswith("/")} for run in ids}


def test_at_most_twenty_curves_of_a_thousand_points_are_drawn() -> None:
    rows = [row(f"{i:08d}", seed, **{"schedule.lam": float(i // 3)}) for i, seed in enumerate([0, 1, 2] * 30)]
    arms = compare.arms(table(*rows))
    found = overlay.overlay(Many(), arms, overlay.Quantity("grad_norm", ""), "")
    assert (found.arms, found.asked) == (overlay.MOST_CURVES, 30)
    assert found.draws.empty
    assert found.means.groupby("arm").size().max() == overlay.MOST_POINTS
    assert found.means["step"].max() == 4999
    chart = overlay_figure(found, [arm.label for arm in arms], ("x", "y"))
    assert len(chart.data) == overlay.MOST_CURVES  # no bands: so many can't be told apart
    few = overlay.overlay(Many(), arms[:MOST_BANDS], overlay.Quantity("grad_norm", ""), "")
    styles = [
        (line.line.color, line.line.dash) for line in overlay_figure(few, [a.label for a in arms], ("x", "y")).data
    ]
    assert len(set(styles)) == MOST_BANDS


def test_a_beginning_that_towers_is_left_out_of_the_picture_and_written_down() -> None:
    class Falling(Many):
        def series(self, ids: list[str], names: list[str], after: int = -1) -> dict[str, Told]:
            steps = np.arange(100.0)
            fall = np.where(steps < 10, 500.0 - 40 * steps, 20.0)
            return {run: {name: (steps, fall) for name in names if not name.endswith("/")} for run in ids}

    arms = compare.arms(table(row("a"), row("b", 1), row("c", **{"schedule.lam": 5.0})))
    found = overlay.overlay(Falling(), arms, overlay.Quantity("grad_norm", ""), "")
    chart = overlay_figure(found, [arm.label for arm in arms], ("x", "y"))
    assert chart.layout.yaxis.range[1] == 60
    assert [note.text for note in chart.layout.annotations] == ["at first up to 500"]
    flat = overlay.overlay(Many(), arms, overlay.Quantity("grad_norm", ""), "")
    assert overlay_figure(flat, [arm.label for arm in arms], ("x", "y")).layout.yaxis.range is None


def test_a_label_with_markup_is_drawn_as_it_is() -> None:
    found = overlay.overlay(
        Many(), compare.arms(table(row("a", name="<b>x</b>"))), overlay.Quantity("grad_norm", ""), ""
    )
    assert overlay_figure(found, ["<b>x</b>"], ("x", "y")).data[0].name == "&lt;b&gt;x&lt;/b&gt;"


def test_a_source_alone_without_a_target_has_its_result_in_the_list() -> None:
    alone = row("a", target=None, **{"source/macro_f1": 0.7}) | {"schedule": "source-only"}
    unknown = row("b", source="nowhere/none", target="nowhere/none")
    measures, found = headlines(table(alone, row("c", **{"target/macro_f1": 0.6}), unknown))
    assert [metric and metric.name for metric in measures] == ["macro_f1", "macro_f1", None]
    assert found["source"][0] == 0.7
    assert found["target"][1] == 0.6
