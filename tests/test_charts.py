"""Charts: what is drawn is what came in, in the colours of the template."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ctx import charts
from ctx.charts_maps import along


def values(**rows: list[float]) -> pd.DataFrame:
    found = [(row, draw, value) for row, own in rows.items() for draw, value in enumerate(own)]
    return pd.DataFrame(found, columns=["row", "draw", "value"])


def test_each_draw_is_a_dot_and_the_mean_stands_above_them() -> None:
    figure = charts.dots(values(both=[0.7, 0.8, 0.9]), [("both", charts.BOTH)], "macro-F1")
    small, spread, large = figure.data
    assert list(small.x) == [0.7, 0.8, 0.9]
    assert large.x[0] == pytest.approx(0.8)
    assert large.y[0] == 0
    assert min(small.y) > 0
    low, high = stats.t.interval(0.95, 2, loc=0.8, scale=stats.sem([0.7, 0.8, 0.9]))
    assert list(spread.x) == pytest.approx([low, high])


@pytest.mark.parametrize(("draws", "traces"), [(1, 1), (2, 2), (3, 3)])
def test_an_interval_is_drawn_from_three_draws_on(draws: int, traces: int) -> None:
    figure = charts.dots(values(both=[0.7, 0.8, 0.9][:draws]), [("both", charts.BOTH)], "macro-F1")
    assert len(figure.data) == traces


def test_rows_without_results_keep_their_place() -> None:
    figure = charts.dots(values(second=[0.5]), [("first", "red"), ("second", "blue")], "R²", floor=0.1)
    assert list(figure.layout.yaxis.ticktext) == ["first", "second"]
    assert figure.data[0].y[0] == 1
    assert figure.layout.shapes[0].x0 == 0.1
    assert figure.layout.xaxis.range[0] < 0.1


def test_long_labels_take_several_lines() -> None:
    label = "content management, English to <Spanish> only"
    ticks = charts.dots(values(**{label: [0.5]}), [(label, "red")], "chrF").layout.yaxis.ticktext
    assert ticks[0].split("<br>") == ["content management,", "English to &lt;Spanish&gt;", "only"]


def test_small_differences_do_not_look_large() -> None:
    figure = charts.dots(values(a=[0.800], b=[0.801]), [("a", "red"), ("b", "blue")], "macro-F1")
    low, high = figure.layout.xaxis.range
    assert high - low >= charts.NARROWEST


def test_missing_results_are_left_out() -> None:
    figure = charts.dots(values(a=[float("nan"), 0.5]), [("a", "red")], "macro-F1")
    assert list(figure.data[0].x) == [0.5]


def test_no_figure_reads_markup_from_data() -> None:
    row = "<b>bold</b> & more"
    figure = charts.dots(values(**{row: [0.5]}), [(row, "red")], "macro-F1")
    assert figure.layout.yaxis.ticktext[0] == "&lt;b&gt;bold&lt;/b&gt; &amp; more"
    line = charts.Line("<i>x</i>", [0.0, 1.0], [1.0, 2.0], "red")
    assert charts.curves([line], ("<u>", "y")).data[0].name == "&lt;i&gt;x&lt;/i&gt;"


def test_training_is_thin_and_validation_bold() -> None:
    x = np.arange(5.0)
    figure = charts.curves(
        [charts.Line("training", x, x, charts.SOURCE), charts.Line("validation", x, x, charts.SOURCE, bold=True)],
        ("examples", "loss"),
    )
    assert figure.data[0].line.width < figure.data[1].line.width


def test_a_name_stands_once_in_the_legend_and_a_missing_value_is_a_gap() -> None:
    lines = [charts.Line("each draw", [0.0, 1.0, 2.0], [1.0, float("nan"), 2.0], "red") for _ in range(3)]
    figure = charts.curves(lines, ("examples", "loss"))
    assert [trace.showlegend for trace in figure.data] == [True, False, False]
    assert not any(trace.connectgaps for trace in figure.data)


@pytest.mark.parametrize(
    ("runs", "top"),
    [
        ([[564.0, 50.0, 40.0]], 150.0),
        ([[564.0, 50.0, 40.0], [480.0, 60.0, 41.0]], 180.0),
        ([[564.0, 50.0, float("nan")]], 150.0),
        ([[140.0, 50.0, 40.0]], None),
        ([[564.0, 50.0, 40.0], [90.0, 60.0, 41.0]], 180.0),
        ([[564.0, 50.0]], None),
        ([[564.0, 50.0, 40.0], [500.0, 55.0]], 165.0),
        ([[564.0, 50.0, 40.0], [500.0, 400.0]], None),
        ([[float("nan"), 50.0, 40.0]], None),
        ([], None),
    ],
)
def test_a_beginning_that_towers_over_all_that_follows_is_written_not_drawn(
    runs: list[list[float]], top: float | None
) -> None:
    lines = [charts.Line("loss", list(range(len(y))), y, "red") for y in runs]
    figure = charts.curves(lines, ("examples", "loss"))
    assert (figure.layout.yaxis.range or (None, None))[1] == top
    assert [note.text for note in figure.layout.annotations] == (["at first up to 564"] if top else [])
    if top:
        assert all(figure.layout.yaxis.range[0] < value for value in runs[0][1:] if value == value)


def test_marks_at_one_place_are_written_together() -> None:
    line = charts.Line("x", [0.0, 9.0], [1.0, 1.0], "red")
    figure = charts.curves([line], ("x", "y"), [charts.Mark(5.0, "hand-over"), charts.Mark(5.0, "kept")])
    assert [note.text for note in figure.layout.annotations] == ["hand-over, kept"]


@pytest.mark.parametrize(
    ("value", "text"), [(0.7534, ".753"), (-0.0241, "-.024"), (1.25, "1.25"), (1.0, "1.00"), (0.9999, "1.00")]
)
def test_results_have_three_digits(value: float, text: str) -> None:
    assert charts.number(value) == text


SHORT = (np.arange(0, 12_900, 1280.0), np.linspace(100, 340, 11))  # target only, that learns its few labels by heart
LONG = (np.arange(0, 129_000, 12800.0), np.linspace(100, 72, 11))


def test_no_curves_end_is_left_out_and_none_that_is_to_rise() -> None:
    assert charts.cut([SHORT, LONG]) is None
    lines = [charts.Line("F1", [0, 1, 2, 3], [0.9, 0.2, 0.2, 0.1], "red")]
    assert charts.curves(lines, ("x", "y"), rises=True).layout.yaxis.range is None
    assert charts.curves(lines, ("x", "y")).layout.yaxis.range is not None


def test_a_dip_in_the_beginning_stays_in_the_picture() -> None:
    dip = np.array([500.0, 5.0, *np.linspace(40, 69, 18)])
    found = charts.cut([(np.arange(20.0), dip)])
    assert found is not None
    assert found.range[0] < 5


def test_words_below_an_axis_may_take_two_lines_and_the_legend_stands_above() -> None:
    means = pd.DataFrame({"value": ["fine-tune", "lora"], "mean": [0.5, 0.6], "low": [0.4, 0.5], "high": [0.6, 0.7]})
    figure = along([("mean", means, charts.TARGET, "solid")], ["fine-tune", "lora"], ("method", "macro-F1"))
    assert list(figure.layout.xaxis.ticktext) == ["fine-<br>tune", "lora"]
    assert list(figure.data[-1].x) == [0, 1]
    assert figure.layout.legend.y > 1
    numbers = along([("mean", means.assign(value=[-1, 2]), charts.TARGET, "solid")], [-1, 2], ("λ", "macro-F1"))
    assert list(numbers.layout.xaxis.ticktext) == ["-1", "2"]
