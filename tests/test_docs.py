"""The README stays true: its file tree, its commands, its picture, the environment variables it names."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

from ctx.registry import registry

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TREE_LINE = re.compile(r"^(?P<indent> *)(?P<names>[\w./*-]+(?: [\w./*-]+)*?)(?:  +(?P<phrase>\S.*))?$")


def tree() -> dict[str, str]:
    """The paths of the README's file tree, each with its phrase."""
    block = README.split("## Files", 1)[1].split("```")[1].splitlines()[1:]
    found: dict[str, str] = {}
    folders: list[tuple[int, str]] = []
    for line in block:
        match = TREE_LINE.match(line)
        assert match, f"a line of the file tree that can't be read: {line!r}"
        indent = len(match["indent"])
        folders = [(depth, name) for depth, name in folders if depth < indent]
        inside = "".join(name for _, name in folders)
        for name in match["names"].split():
            found[inside + name] = match["phrase"] or ""
            if name.endswith("/"):
                folders.append((indent, name))
    return found


def python_files() -> set[str]:
    """Every module of the app and the package; an empty ``__init__`` is no file to read."""
    files = [ROOT / "app.py", *ROOT.glob("pages/*.py"), *ROOT.glob("ctx/**/*.py")]
    named = {str(path.relative_to(ROOT).as_posix()) for path in files if path.name != "__init__.py"}
    return {name for name in named if "/versions/" not in name}


def test_every_module_stands_in_the_file_tree() -> None:
    there = tree()
    missing = sorted(name for name in python_files() if name not in there)
    assert not missing, f"not in the README's file tree: {', '.join(missing)}"


def test_the_file_tree_names_nothing_that_is_not_there() -> None:
    gone = sorted(name for name in tree() if not (ROOT / name).exists())
    assert not gone, f"in the README's file tree, but not there: {', '.join(gone)}"


def test_every_file_in_the_tree_has_a_phrase() -> None:
    bare = sorted(name for name, phrase in tree().items() if not phrase)
    assert not bare, f"no phrase for: {', '.join(bare)}"


def test_the_readme_has_two_commands_on_a_line_each() -> None:
    commands = re.findall(r"^    (python3 .*)$", README, re.MULTILINE)
    assert [command.rsplit(" && ", 1)[1] for command in commands] == ["ctx serve", "pytest"]


def test_every_link_and_picture_in_the_readme_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), f"the README points to {target}, which is not there"


def test_the_readme_picture_is_small_enough_to_load() -> None:
    assert (ROOT / "tests" / "screenshot.png").stat().st_size < 300_000


def test_every_environment_variable_of_the_code_is_in_the_readme() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("ctx/**/*.py"))
    used = set(re.findall(r"\bCTX_[A-Z_]+\b", code))
    assert used, "the code reads no CTX_ variable"
    missing = sorted(name for name in used if name not in README)
    assert not missing, f"not in the README: {', '.join(missing)}"


def test_the_readme_names_every_source_of_data_and_its_licence() -> None:
    parts = [part for kind in ("contexts", "backbones") for part in registry(kind).values()]
    assets = {asset.project: asset.licence for part in parts for asset in part.assets}
    for project, licence in assets.items():
        assert project in README, f"{project} is not in the README"
        assert licence in README, f"the licence of {project} ({licence}) is not in the README"


def test_the_gate_is_a_bash_script_that_can_be_run() -> None:
    for name in ("run", "lock"):
        script = ROOT / ".ci" / name
        assert os.access(script, os.X_OK), f".ci/{name} is not executable"
        done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def plain(name: str) -> str:
    """A distribution's name as an index compares it."""
    return re.sub("[-_.]+", "-", name).lower()


def test_every_dependency_is_pinned_for_ci() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    lines = (ROOT / ".ci/constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {plain(line.split("==")[0]) for line in lines if "==" in line}
    missing = [name for name in wanted if plain(re.split(r"[\[<>=! ]", name)[0]) not in pinned]
    assert not missing, f"not in .ci/constraints.txt (run .ci/lock): {', '.join(missing)}"
