"""The wheel for tests: built with the backend that is installed, so that nothing is fetched; and unpacked."""

import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def build(folder: Path) -> Path:
    """Build the wheel into a folder; its path."""
    assert find_spec("hatchling"), "hatchling is missing: pip install -e '.[test]'"
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def unpack(wheel: Path) -> Path:
    """A wheel is a zip whose files lie as they will in site-packages; the folder."""
    folder = wheel.parent / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder
