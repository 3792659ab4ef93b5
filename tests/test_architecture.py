"""The shape of the code, held: what may import what, what stays light, how long things get, what every part says."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pydantic import BaseModel

from ctx.parts import Choice, Part
from ctx.registry import KINDS, make, registry

ROOT = Path(__file__).resolve().parents[1]

# From the ground up: a module imports from its own layer and those above it in this list, never from one further down.
LAYERS = {
    "ground": "errors memory home filelock manifest plan knobs metrics i18n kept migrations.versions",
    "parts": "parts context task tuning objectives pieces matrices",
    "what parts use": (
        "balancing products fused layers archives index mapped assets e5file encoder folders hub spans sample_files "
        "tagged rouge beam pointer decoder writer seq2seq_files seq2seq_text seq2seq writing docstring libraries "
        "grammar wording distance aligning guarding packed pull adapters nearest"
    ),
    "own data": "imports",
    "part files": " ".join(KINDS),
    "registry": "registry",
    "configuration": (
        "data checks cards pairs config machine preview together sampling replay flags study recipes verdict"
    ),
    "engine": (
        "state batches resplit augmented setup model features sidebyside prefix frozen further total inside handover "
        "optim answers evaluation train warm measure embeddings logistic linear_probes gathered heads"
    ),
    "store": "schema database connection records jobs leases phases attempts queue frames store migrations",
    "maps": "lab.names lab.learned lab.effect lab.settings sweeps.plan sweeps.search",
    "workers": "checkpoint gc recorder crew predict describe probe worker hand workforce dispatch",
    "shown": (
        "pair_words charts charts_inside charts_maps charts_paths charts_runs curves readings compare labels overlay "
        "repeat results lab sweeps"
    ),
    "command line": "commands cli",
    "pages' blocks": "ui",
    "pages": "app pages",
}
# Not everything below is seen: the engine is reached by workers alone, and the loop knows no store and no page.
BLIND = {
    "store": {"engine"},
    "maps": {"engine"},
    "shown": {"engine"},
    "command line": {"engine"},
    "pages' blocks": {"engine", "command line"},
    "pages": {"engine", "command line", "what parts use"},
}
TORCH = {"torch", "transformers", "tokenizers", "safetensors"}
LIGHT = {"pydantic", "ctx.parts", "ctx.plan", "ctx.errors", "ctx.writing", "ctx.aligning", "ctx.guarding"}
LONGEST_FILE, LONGEST_FUNCTION, LONGEST_PAGE = 300, 50, 100


def code_files() -> list[Path]:
    return sorted([ROOT / "app.py", *ROOT.glob("pages/*.py"), *ROOT.glob("ctx/**/*.py")])


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def part_modules() -> list[str]:
    return [module_name(path) for kind in KINDS for path in sorted((ROOT / "ctx" / kind).glob("[!_]*.py"))]


PARTS = [pytest.param(kind, name, id=f"{kind}/{name}") for kind in KINDS for name in registry(kind)]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(node: ast.AST, inside_functions: bool = True) -> Iterator[str]:
    """The modules that are imported when the code runs, those for type checking alone left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"a relative import of {child.module}"
            yield from (_module(str(child.module), alias.name) for alias in child.names)
        if inside_functions or not isinstance(child, ast.FunctionDef):
            yield from imports(child, inside_functions)


def _module(module: str, name: str) -> str:
    """``from ctx import data`` is about ctx.data; ``from ctx.data import rows`` too."""
    inner = ROOT.joinpath(*module.split("."), name)
    return f"{module}.{name}" if inner.is_dir() or inner.with_suffix(".py").is_file() else module


def layer_of(module: str) -> str:
    """The layer of a module, by its own name or the longest package that a layer names."""
    inner = module.removeprefix("ctx.")
    named = {name: layer for layer, names in LAYERS.items() for name in names.split()}
    found = [name for name in named if inner == name or inner.startswith(f"{name}.")]
    assert found, f"{module} is in no layer: say in tests/test_architecture.py where it belongs"
    return named[max(found, key=len)]


def ours(path: Path) -> set[str]:
    found = {name for name in imports(tree(path)) if name.split(".")[0] in {"ctx", "pages", "app"}}
    return found - {"ctx", module_name(path)}


@pytest.mark.parametrize("path", code_files(), ids=module_name)
def test_imports_point_one_way(path: Path) -> None:
    module = module_name(path)
    if module == "ctx":
        return
    order, here = list(LAYERS), layer_of(module)
    for imported in ours(path):
        there = layer_of(imported)
        assert order.index(there) <= order.index(here), (
            f"{module} ({here}) imports {imported} ({there}), which is above"
        )
        assert there not in BLIND.get(here, ()), (
            f"{module} ({here}) imports {imported}: the {there} is not its business"
        )


def test_no_module_imports_itself_by_a_detour() -> None:
    graph = {module_name(path): ours(path) for path in code_files()}
    done: set[str] = set()

    def walk(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, f"a circle: {' -> '.join([*way[way.index(module) :], module])}"
        if module not in done:
            for imported in graph.get(module, ()):
                walk(imported, (*way, module))
            done.add(module)

    for module in graph:
        walk(module, ())


@pytest.mark.parametrize("module", part_modules())
def test_a_part_file_imports_only_light_modules_at_top_level(module: str) -> None:
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    for imported in imports(tree(path), inside_functions=False):
        assert imported in LIGHT or imported.split(".")[0] in sys.stdlib_module_names, f"{module} imports {imported}"


def first_to_import(forbidden: set[str], modules: list[str], home: Path) -> str:
    """Import the modules in a fresh process; names the first that brought a forbidden one in, and what it brought."""
    code = """
import importlib, sys
forbidden, modules = set(sys.argv[1].split()), sys.argv[2:]
for module in modules:
    importlib.import_module(module)
    found = forbidden & set(sys.modules)
    if found:
        sys.exit(f"{module} imports {sorted(found)}")
"""
    command = [sys.executable, "-c", code, " ".join(sorted(forbidden)), *modules]
    environment = {**os.environ, "CTX_HOME": str(home), "CTX_WORKERS": "0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


def test_importing_every_part_brings_in_no_torch_and_no_streamlit(home: Path) -> None:
    assert first_to_import(TORCH | {"streamlit", "numpy", "pandas"}, part_modules(), home) == ""


def test_the_store_and_all_that_is_shown_bring_in_no_torch(home: Path) -> None:
    light = {"registry", "configuration", "store", "workers", "shown", "command line"}
    modules = [
        module_name(path) for path in code_files() if "migrations" not in path.parts and path.parts[-2] != "pages"
    ]
    wanted = [module for module in modules if module not in {"ctx", "app"} and layer_of(module) in light]
    assert first_to_import(TORCH | {"streamlit"}, wanted, home) == ""


def test_what_pages_import_brings_in_no_torch(home: Path) -> None:
    wanted = {
        name for path in code_files() for name in ours(path) if path.name == "app.py" or path.parent.name == "pages"
    }
    assert first_to_import(TORCH, sorted(wanted), home) == ""


@pytest.mark.parametrize("path", code_files(), ids=module_name)
def test_files_and_functions_stay_within_the_house_sizes(path: Path) -> None:
    most = LONGEST_PAGE if path.parent.name == "pages" or path.name == "app.py" else LONGEST_FILE
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= most, f"{lines} lines: a concept is missing, find it"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", code_files(), ids=module_name)
def test_every_module_opens_with_what_it_is(path: Path) -> None:
    said = ast.get_docstring(tree(path)) or ""
    assert said.strip(), "no docstring"


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_a_part_says_what_it_is_and_what_its_knobs_do(kind: str, name: str) -> None:
    cls: type[Part] = registry(kind)[name]
    assert cls.__doc__, "no docstring"
    assert cls.summary(), "its docstring has no first line"
    assert cls.title, "no title"
    assert cls.version >= 1
    for knob, field in cls.Knobs.model_fields.items():
        assert field.description, f"its knob {knob} has no help"
        assert not field.is_required(), f"its knob {knob} has no default"


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_a_part_survives_the_way_through_its_choice(kind: str, name: str) -> None:
    part = make(kind, Choice(name=name, knobs=registry(kind)[name].Knobs().model_dump()))
    choice = Choice(name=part.name, knobs=part.knobs.model_dump(mode="json"))
    again = make(kind, Choice.model_validate_json(choice.model_dump_json()))
    assert type(again) is registry(kind)[name]
    assert isinstance(again.knobs, BaseModel)
    assert again.knobs == part.knobs


def tracked_files() -> list[Path]:
    """What git tracks; without git (an unpacked archive), every file that has a usual name."""
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        files = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        files = [path for path in ROOT.rglob("*") if not any(part.startswith(".") for part in path.parts)]
    return [path for path in files if path.is_file() and path.suffix not in {".png", ".csv"}]


def test_no_file_names_a_path_of_somebodys_machine_or_a_registry_host() -> None:
    hosts = ["pypi.org", "pythonhosted.org", "npmjs.", "debian.org", "huggingface.co"]
    private = re.compile(r"(?<![\w.])/(root|tmp|work|opt|home/(?!me/)\w+|Users/(?!me/)\w+)/")
    found = []
    for path in tracked_files():
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if private.search(line) or any(host in line for host in hosts):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)
