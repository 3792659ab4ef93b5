"""Flags come from the parts' own declarations, and say in a sentence what can't be meant."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ctx.commands.asked import build
from ctx.config import RunConfig, canonical
from ctx.errors import BadInput
from ctx.flags import SEVERAL, SINGLE, arguments, knob_flags
from ctx.registry import registry

PAIR: dict[str, Any] = {"source": ["lesson/relative"], "target": "lesson/base"}


def read(words: list[str]) -> RunConfig:
    """What the command line makes of words, parsed by hand: every flag here takes a value, switches aside."""
    given: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name = word.removeprefix("--").removeprefix("no-") if word.startswith("--no-") else word.removeprefix("--")
        flag = knob_flags().get(f"--{name}")
        switch = (flag and flag.switch) or name == "class-balanced"
        value = not word.startswith("--no-") if switch else rest.pop(0)
        key = f"--{name}" if flag else name
        if name in ("source", "source-size", "penalty", "augment"):
            given.setdefault(key, []).append(value)
        else:
            given[key] = value
    config, notes = build(given)
    assert not notes
    return config


@pytest.mark.parametrize("kind", [*SINGLE.values(), *SEVERAL.values(), "contexts"])
def test_every_knob_of_every_part_has_a_flag(kind: str) -> None:
    for name, cls in registry(kind).items():
        for knob in cls.Knobs.model_fields:
            assert f"--{name}.{knob.replace('_', '-')}" in knob_flags()


def test_no_short_flag_is_also_the_name_of_another_option() -> None:
    from ctx.commands.options import _options

    names = [name.removeprefix("--") for name, _ in _options()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "words",
    [
        "--source lesson/relative --target lesson/base --target-size 20 --relatedness -1 --lam 5 --seed 3",
        "--source lesson/relative=2 --source lesson/noise --source-size 50 --source-size all --target lesson/base",
        "--source lesson/base --target lesson/relative --target.relatedness 0.5 --schedule sequential --tuning full",
        "--source lesson/base --target lesson/noise --schedule sequential --no-sequential.copy-weights --keep last",
        "--target lesson/base --schedule target-only --lr 0.001 --head-lr 1e-2 --epochs 3 --clip 0.7",
        "--source sentiment/sample-cafes-en --target sentiment/sample-cafes-zh --backbone tiny --readout 1 --tuning "
        "freeze --freeze-layers 0 --class-balanced",
        "--target translation/sample-cafe-en-es --schedule target-only --backbone tiny --beams 4",
    ],
)
def test_the_command_of_a_run_asks_for_the_same_run(words: str) -> None:
    config = canonical(read(shlex.split(words)))
    assert canonical(read(arguments(config))) == config


def test_the_lessons_contexts_take_the_small_network_and_texts_the_usual_one() -> None:
    assert build(PAIR)[0].backbone.name == "mlp"
    assert build({"source": ["sentiment/tweets"], "target": "sentiment/editorials"})[0].backbone.name == "minilm"


def test_freezing_all_layers_is_the_head_alone() -> None:
    config, _ = build(PAIR | {"tuning": "freeze", "--freeze-layers": "1"})
    assert canonical(config).tuning.name == "head"


def test_a_short_flag_that_no_chosen_part_knows_is_noted() -> None:
    config, notes = build({"target": "lesson/base", "schedule": "target-only", "--lam": "3"})
    assert config.schedule.knobs == {}
    assert notes == ["--lam has no effect: the schedule is target-only, and it is a knob of joint."]


def test_beams_without_a_text_to_write_are_noted_and_change_no_run() -> None:
    config, notes = build(PAIR | {"beams": "4"})
    assert notes == ["--beams has no effect: lesson writes no texts."]
    assert canonical(config) == canonical(build(PAIR)[0])


def test_a_size_of_a_context_that_is_not_trained_on_is_noted() -> None:
    _, notes = build(PAIR | {"schedule": "target-only", "source-size": ["5"]})
    assert notes == ["--source-size has no effect: target-only does not train on the source."]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"schedule": "target-only", "--joint.lam": "3"}, "belongs to the schedule joint"),
        ({"--target.relatedness": "1"}, "the target is lesson/base"),
        ({"--lesson/noise.relatedness": "1"}, None),
        ({"--lam": "-1"}, "lam is '-1'"),
        ({"--lam": "nan"}, "finite"),
        ({"--lam": "1", "--joint.lam": "2"}, "different values"),
        ({"target-size": "0"}, "--target-size is “0”"),
        ({"target-size": "-5"}, "--target-size is “-5”"),
        ({"source": ["lesson/relative=x"]}, "--source is “x”"),
        ({"source": ["lesson/relative"], "source-size": ["5", "6"]}, "2 times for 1 sources"),
        ({"epochs": "0"}, "--epochs is “0”"),
        ({"epochs": "many"}, "--epochs is “many”"),
        ({"lr": "inf"}, "--lr is “inf”"),
        ({"keep": "some"}, "--keep is “some”"),
        ({"beams": "9"}, "--beams is “9”"),
        ({"seed": "-1"}, "--seed is “-1”"),
        ({"schedule": "jointly"}, "There is no schedule called “jointly”. There are: intermediate, joint"),
        ({"backbone": "gpt"}, "There is no backbone called “gpt”"),
        ({"penalty": ["nothing"]}, "There is no penalty called “nothing”"),
        ({"target": "lesson/unknown"}, "There is no context called “lesson/unknown”"),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_sentence(given: dict[str, Any], said: str | None) -> None:
    if said is None:
        assert next(iter(given)) not in knob_flags()
        return
    with pytest.raises(BadInput, match=r"\S") as caught:
        build(PAIR | given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_part_dropped_into_its_folder_has_its_flags_at_once(tmp_path: Path) -> None:
    (tmp_path / "pull.py").write_text(
        "from ctx import parts\n\n\n"
        "class Pull(parts.Penalty):\n"
        '    """Pulls."""\n\n'
        '    name = "pull"\n'
        '    title = "Pull"\n\n'
        "    class Knobs(parts.Knobs):\n"
        '        strong_pull: float = parts.knob(1.0, "How much it [pulls].", flag="pull", ge=0)\n',
        encoding="utf-8",
    )
    code = (
        "import sys, ctx.penalties\n"
        f"ctx.penalties.__path__.append({str(tmp_path)!r})\n"
        "from ctx.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )

    def ctx(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)

    helped = ctx("run", "--help").stdout
    assert "--pull.strong-pull" in helped
    assert "How much it [pulls]." in helped
    assert '"strong_pull"' in ctx("parts", "--json").stdout
    pair = ("run", "--source", "lesson/relative", "--target", "lesson/base")
    refused = ctx(*pair, "--penalty", "pull", "--pull", "-2")
    assert refused.returncode == 2
    assert "pull: strong_pull is '-2'" in refused.stderr
    refused = ctx(*pair, "--pull.strong_pull", "2")
    assert refused.stderr.startswith("--pull.strong-pull belongs to the penalty pull, and this run uses no penalty")
