"""What a process holds: a file's tensor only while it is read, and not what training has freed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ctx import memory
from ctx.layers import Table
from ctx.mapped import Mapped

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process holds")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "words.safetensors"
    save_file({"before": torch.ones(3), "words": torch.randn(60_000, 128).half(), "after": torch.ones(2)}, path)
    return path


def test_a_mapped_tensor_is_the_files_own(file: Path) -> None:
    from safetensors.torch import load_file

    mapped = Mapped(file, "words")
    assert torch.equal(mapped.values, load_file(file)["words"])
    mapped.rest()
    assert torch.equal(mapped.values, load_file(file)["words"])


@pytest.mark.parametrize(("name", "says"), [("before", "F32"), ("none", "none")])
def test_a_tensor_that_is_not_there_in_half_precision_is_refused(file: Path, name: str, says: str) -> None:
    with pytest.raises(KeyError, match=says):
        Mapped(file, name)


@linux
def test_a_table_holds_no_more_of_its_file_than_it_reads(file: Path) -> None:
    mapped = Mapped(file, "words")
    ids = torch.arange(0, 60_000, 600)[None]
    held = []
    for own in (Table(mapped.values), Table(mapped.values, mapped.rest)):
        for read in (lambda table: table(ids), lambda table: table.narrow(ids[0])):
            read(own)  # what torch takes for itself when it does this for the first time
            mapped.rest()
            before = memory.resident()
            read(own)
            held.append(memory.resident() - before)
    assert min(held[:2]) > 5e6
    assert max(held[2:]) < 2e6
    assert torch.equal(own.weight, mapped.values[ids[0]].float())


SPARING = """
import torch
from ctx import memory
memory.HIGH, memory.SPARE_SECONDS = 0, {seconds}
spare = memory.Spare()
blocks = [torch.ones(25_000) for _ in range(4000)]  # 100 kB each: below what glibc maps apart
blocks = blocks[::8]  # what is left lies between what is free
spare()
print(memory.resident() // 10**6)
"""


@linux
def test_a_large_process_gives_back_what_lies_free_between_what_it_uses() -> None:
    held = [
        int(subprocess.run([sys.executable, "-c", SPARING.format(seconds=n)], capture_output=True, check=True).stdout)
        for n in (0, 1e9)
    ]
    assert held[1] - held[0] > 200
