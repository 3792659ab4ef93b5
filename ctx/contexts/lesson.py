"""The first lesson's numeric contexts: a teacher function, its relatives, and noise.

A teacher is a random network 10 → 50 → 10 with tanh. `lesson/base` is the one to learn. `lesson/relative` mixes the
base's answers with those of another teacher that is uncorrelated with it: at relatedness r it answers
r·base(x) + √(1 - r²)·other(x), so 1 is the same teacher, 0 an unrelated one, -1 the opposed one, and each output
correlates r with the base's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctx import parts

if TYPE_CHECKING:
    import numpy as np

COUNT, WIDTH, HIDDEN = 1500, 10, 50
BASE, OTHER = 10, 11  # the teachers' seeds


def _teacher(seed: int) -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    random = np.random.default_rng(seed)
    return random.normal(0, 1 / WIDTH**0.5, (WIDTH, HIDDEN)), random.normal(0, 1 / HIDDEN**0.5, (HIDDEN, WIDTH))


def _answer(seed: int, inputs: np.ndarray) -> np.ndarray:
    """A teacher's outputs ``[N, 10]``, scaled to mean zero and variance one over standard normal inputs."""
    import numpy as np

    first, second = _teacher(seed)

    def raw(x: np.ndarray) -> np.ndarray:
        values: np.ndarray = np.tanh(x @ first * 2) @ second
        return values

    reference = raw(_reference())
    scaled: np.ndarray = (raw(inputs) - reference.mean(0)) / reference.std(0)
    return scaled


def _unrelated(inputs: np.ndarray) -> np.ndarray:
    """Another teacher's outputs ``[N, 10]``, what they share with the base's taken out, variance one."""
    shared = (_answer(BASE, _reference()) * _answer(OTHER, _reference())).mean(0)
    rest: np.ndarray = (_answer(OTHER, inputs) - shared * _answer(BASE, inputs)) / (1 - shared**2) ** 0.5
    return rest


def _reference() -> np.ndarray:
    """Inputs on which means and correlations are taken."""
    import numpy as np

    return np.random.default_rng(0).normal(size=(10_000, WIDTH))


class Lesson(parts.Context):
    """Numbers in, numbers out: 10 inputs, 10 outputs."""

    application = "lesson"
    domain = "numbers"
    licence = "MIT (this project)"
    citation = "Made here; after the teacher-student setting of Hinton, Vinyals & Dean 2015."
    origin = "computed"
    inputs_seed = 1

    def digest(self) -> str:
        """The recipe is the content: the name and version say it all."""
        return f"{self.name}:{self.version}"

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """The answers ``[N, 10]`` to inputs ``[N, 10]``."""
        raise NotImplementedError

    def examples(self) -> list[parts.Example]:
        """1,500 rows, inputs standard normal."""
        import numpy as np

        inputs = np.random.default_rng(self.inputs_seed).normal(size=(COUNT, WIDTH))
        rows = zip(inputs.tolist(), self.outputs(inputs).tolist(), strict=True)
        return [parts.Example(str(i), x, y, str(i)) for i, (x, y) in enumerate(rows)]


class Base(Lesson):
    """The teacher to learn from few examples."""

    name = "lesson/base"
    title = "Base teacher"

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """The base teacher's."""
        return _answer(BASE, inputs)


class Relative(Lesson):
    """A teacher as related to the base as you like: 1 the same, 0 unrelated, -1 opposed."""

    name = "lesson/relative"
    title = "Related teacher"
    inputs_seed = 2

    class Knobs(parts.Knobs):
        """How alike the teachers are."""

        relatedness: float = parts.knob(
            1.0, "1: the same teacher as the base, 0: unrelated, -1: opposed.", flag="relatedness", ge=-1, le=1
        )

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """The mixture r·base + √(1 - r²)·other."""
        r = self.knobs.relatedness
        mixed: np.ndarray = r * _answer(BASE, inputs) + (1 - r * r) ** 0.5 * _unrelated(inputs)
        return mixed


class Noise(Lesson):
    """Answers that have nothing to do with the inputs."""

    name = "lesson/noise"
    title = "Pure noise"
    inputs_seed = 3

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """Standard normal, drawn apart from the inputs."""
        import numpy as np

        drawn: np.ndarray = np.random.default_rng(12).normal(size=inputs.shape)
        return drawn
