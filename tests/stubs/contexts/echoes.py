"""echoes: two contexts of a sequence-to-sequence task."""

from __future__ import annotations

import random

from ctx import parts


class Echoes(parts.Context):
    application = "echo"
    licence = citation = origin = "made in the tests"

    def digest(self):
        return self.name

    def examples(self):
        draw = random.Random(self.name)
        rows = [[draw.randrange(12) for _ in range(draw.randint(2, 5))] for _ in range(300)]
        return [
            parts.Example(str(i), " ".join(f"w{n}" for n in row), tuple(reversed(row)), str(i))
            for i, row in enumerate(rows)
        ]


class Near(Echoes):
    """Short rows of words."""

    name = "echo/near"
    title = "Near"


class Far(Echoes):
    """Other short rows of words."""

    name = "echo/far"
    title = "Far"
