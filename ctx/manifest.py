"""What a run was trained with, beside its configuration: code, library versions, platform. For the record only."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib import metadata
from typing import Any

from ctx.home import project

WORKER_BYTES = 1_000_000_000  # that a worker may take, with a pretrained encoder all of which learns

LIBRARIES = ("ctx-transfer", "torch", "transformers", "tokenizers", "numpy", "safetensors", "pydantic")

# Set before torch is loaded. Threads that wait for each other sleep rather than spin: on cores that others use too, a
# run of small steps with two spinning threads took ten times as long.
PATIENT = {"OMP_WAIT_POLICY": "PASSIVE"}


@cache
def manifest() -> dict[str, Any]:
    """Gathered once a process: commit (None outside a checkout), library versions, platform, cores."""
    return {
        "commit": _commit(),
        "libraries": {name: _version(name) for name in LIBRARIES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": cores(),
    }


def cores() -> int:
    """Cores that this process may use; OMP_NUM_THREADS lowers it."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(count, int(asked)) if asked.isdigit() and int(asked) > 0 else count


def slots() -> int:
    """The most workers that train at a time: CTX_WORKERS, or one a core, but no more than fit in memory."""
    asked = os.environ.get("CTX_WORKERS", "")
    if asked.isdigit():
        return int(asked)
    names = os.sysconf_names if hasattr(os, "sysconf_names") else {}
    known = {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= set(names)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if known else WORKER_BYTES * cores()
    return max(1, min(cores(), memory // WORKER_BYTES))


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The checkout's commit, with "+" where files differ from it."""
    if not (project() / ".git").exists():
        return None
    try:
        git = ["git", "-C", str(project())]
        found = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD"], capture_output=True, timeout=5, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() + ("+" if changed.returncode else "")
