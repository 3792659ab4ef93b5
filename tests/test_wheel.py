"""The wheel: built, unpacked somewhere else, and used from there without the checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.wheels import ROOT, build, unpack


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    return unpack(wheel)


def ctx(unpacked: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``ctx`` from the unpacked wheel, in a folder that has nothing of the checkout."""
    code = "import sys; from ctx.cli import main; sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "CTX_HOME": str(home), "CTX_OFFLINE": "1"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_wheel_holds_the_app_its_pages_and_the_sample_data(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("pages", "sample_data", "ctx", ".streamlit"):
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.is_file() and "__pycache__" not in name and not path.name.startswith("."):
                assert (name if folder == "ctx" else f"ctx/_web/{name}") in inside
    assert "ctx/_web/app.py" in inside
    assert not [name for name in inside if name.startswith(("tests/", "app.py", "pages/"))]


def test_the_wheel_lists_its_contexts_with_the_sample_data_available(unpacked: Path, home: Path) -> None:
    done = ctx(unpacked, home, "contexts", "--json")
    assert done.returncode == 0, done.stderr
    contexts = {context["id"]: context for context in json.loads(done.stdout)}
    assert contexts["sentiment/sample-cafes-zh"]["available"] is True
    assert contexts["sentiment/sample-cafes-zh"]["sizes"]["train"] > 0


def test_the_wheel_finds_its_own_app(unpacked: Path, home: Path) -> None:
    code = "from ctx import home; print(home.project())"
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    assert said == str(unpacked / "ctx" / "_web")
    assert (Path(said) / "app.py").is_file()


def test_serve_says_how_it_is_used_from_the_wheel(unpacked: Path, home: Path) -> None:
    done = ctx(unpacked, home, "serve", "--help")
    assert done.returncode == 0, done.stderr
    assert "--port" in done.stdout
