"""How long a real context's texts take to be parsed and split for the first time: a second at most.

python -m tests.benchmarks.read_texts [CONTEXT …]
"""

from __future__ import annotations

import subprocess
import sys

CONTEXTS = ("sentiment/tweets", "sentiment/movies", "sentiment/hotels-zh", "ner/news-zh", "translation/cms-en-es")
CODE = """
import sys, time
from ctx import data
from ctx.config import ContextChoice
choice = ContextChoice(id=sys.argv[1])
data.context(choice)
began = time.perf_counter()
splits = data.splits(choice)
print(f"{choice.id}: {time.perf_counter() - began:.2f} s, {sum(map(len, vars(splits).values()))} examples")
"""


def main() -> None:
    """Each in a process of its own."""
    for name in sys.argv[1:] or CONTEXTS:
        subprocess.run([sys.executable, "-c", CODE, name], check=True)


if __name__ == "__main__":
    main()
