"""The import of a 50 MB CSV of 500,000 rows: its time, and the memory it takes beyond an idle process.

    python -m tests.benchmarks.import_csv [ROWS]

A child process imports the library, notes its peak so far, then imports the file through `look` and `take`, in a home
of its own. Prints the seconds, the extra megabytes, and what the promise allows; exits with 1 where it is broken.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS, MOST_SECONDS, MOST_MEGABYTES = 500_000, 20, 500
TEXT = "tea cake soup table garden waiter morning rain window price bread quiet late warm cold fair long"
CHILD = """
import json, resource, sys, time
import pyarrow, pyarrow.parquet
from ctx.imports.take import look, take
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, began = peak(), time.perf_counter()
seen = look([sys.argv[1]])
looked = time.perf_counter() - began
taken = take(seen)
imported = time.perf_counter() - began
after = peak()
began = time.perf_counter()
from ctx.registry import part
examples = len(part("contexts", taken.meta.id)().examples())
print(json.dumps({
    "rows": taken.report.rows, "accepted": taken.report.accepted, "refused": taken.report.refused,
    "seconds_to_look": round(looked, 2), "seconds": round(imported, 2), "extra_mb": round(after - before),
    "examples_read_in": round(time.perf_counter() - began, 2), "examples": examples,
}))
"""


def make(path: Path, rows: int) -> None:
    """About 100 bytes a row: an id, a text with quotes, commas, accents and line breaks now and then, a label."""
    rng = random.Random(1)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("id,text,label\n")
        for n in range(rows):
            text = " ".join(rng.choices(TEXT.split(), k=14)) + f" {n}"
            text += rng.choice(["", "", ", said “Zoë”", ' and ""never"" again', ",\nthen left"])
            file.write(f'{n},"{text}",{rng.choice(["good", "bad", "neither"])}\n')


def main() -> int:
    """Make the file, import it, judge."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "reviews.csv"
        make(path, rows)
        print(f"{path.stat().st_size / 1e6:.1f} MB, {rows:,} rows")
        environment = {**os.environ, "CTX_HOME": str(Path(scratch) / "home")}
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(path)], env=environment, capture_output=True, text=True, check=True
        )
        found = json.loads(done.stdout) | {"process_seconds": round(time.perf_counter() - began, 2)}
    print(json.dumps(found, indent=2))
    kept = found["seconds"] < MOST_SECONDS and found["extra_mb"] < MOST_MEGABYTES and found["accepted"] == rows
    print(f"{'kept' if kept else 'BROKEN'}: under {MOST_SECONDS} s, under {MOST_MEGABYTES} MB, every row accepted")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
