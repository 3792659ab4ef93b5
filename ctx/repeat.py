"""The command that trains a configuration once more."""

from __future__ import annotations

import shlex

from ctx.config import RunConfig
from ctx.flags import arguments


def command(config: RunConfig) -> str:
    """``ctx run …`` with every setting that isn't the default, quoted for a POSIX shell."""
    return shlex.join(["ctx", "run", *arguments(config)])
