"""The command line, ``ctx``: every page's action as a command.

Exit codes: 0 done, 2 bad arguments, 1 anything else that ended without a result. An error is one sentence on standard
error, and with ``--json`` also the document ``{"error": …}`` on standard output.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable
from difflib import get_close_matches
from io import TextIOWrapper
from typing import Annotated, Any

import typer

from ctx.commands import catalogue, control, doctor, imports, pair, preview, runs, serve, study, sweep, training
from ctx.commands.options import parsed, takes_config
from ctx.commands.output import written
from ctx.errors import BadInput, CtxError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="See transfer learning happen: pick a source and a target context, train, read an honest answer.",
)
COMMANDS: dict[str, Callable[..., Any]] = {
    "contexts": catalogue.contexts,
    "pair": pair.pair,
    "parts": catalogue.parts,
    "fetch": catalogue.fetch,
    "import": imports.import_data,
    "forget": imports.forget,
    "run": takes_config(training.run),
    "study": takes_config(study.study),
    "sweep": takes_config(sweep.sweep),
    "preview": takes_config(preview.preview),
    "list": runs.list_runs,
    "show": runs.show,
    "curves": runs.curves,
    "compare": runs.compare,
    "predict": runs.predict,
    "stop": control.stop,
    "resume": control.resume,
    "rename": control.rename,
    "delete": control.delete,
    "undelete": control.undelete,
    "gc": control.gc,
    "doctor": doctor.doctor,
    "serve": serve.serve,
}
for name, command in COMMANDS.items():
    app.command(name)(command)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"ctx {version('ctx-transfer')}")
        except PackageNotFoundError:
            print("ctx, not installed: run from its folder")
        raise typer.Exit


@app.callback()
def _all(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> int:
    """Run a command line; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks λ shows \\u03bb
    words = [_spelled(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    as_json = "--json" in words
    try:
        code = typer.main.get_command(app).main(words, prog_name="ctx", standalone_mode=False)
    except typer.TyperException as error:
        return _fail(_usage(error, words), error.exit_code, as_json)
    except CtxError as error:
        return _fail(str(error), 2 if isinstance(error, BadInput) else 1, as_json)
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except Exception as error:
        if os.environ.get("CTX_DEBUG"):
            raise
        return _fail(_unexpected(error), 1, as_json)
    return _fail("Interrupted.", 1, as_json) if code == 130 else int(code or 0)


def _spelled(word: str) -> str:
    """A flag as the parser knows it, however it was typed: ``--min_updates`` is ``--min-updates``."""
    name, sign, value = word.partition("=")
    return parsed(name) + sign + value if re.fullmatch(r"--[\w./-]+", name) else word


def _usage(error: typer.TyperException, words: list[str]) -> str:
    """The parser's complaint as one sentence that ends with where to look."""
    command = next((word for word in words if word in COMMANDS), "")
    look = f"`{' '.join(filter(None, ('ctx', command)))} --help` lists them all."
    option, near = getattr(error, "option_name", ""), getattr(error, "possibilities", None)
    if option and not command:
        return f"There is no option “{option}” before a command: `ctx --help` shows the commands."
    if option and near is not None:
        option, near = option.replace(":", "/"), [other.replace(":", "/") for other in near]
        likely = get_close_matches(option, near, 1, 0)
        return (
            f"There is no option “{option}”: did you mean {likely[0]}? {look}"
            if likely
            else f"There is no option “{option}”: {look}"
        )
    if not command:
        typed = next((word for word in words if not word.startswith("-")), "")
        likely = get_close_matches(typed, COMMANDS, 1)
        return f"There is no command “{typed}”: {f'did you mean {likely[0]}? ' if likely else ''}{look}"
    return f"{error.format_message().strip().rstrip('.')}: `ctx {command} --help` says what goes there."


def _unexpected(error: Exception) -> str:
    from ctx.home import home

    said = f"ctx did not expect this ({type(error).__name__}: {' '.join(str(error).split())})"
    path = home() / "error.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:
        return f"{said}; CTX_DEBUG=1 shows the details."
    return f"{said}: the details are in {path}."


def _fail(sentence: str, code: int, as_json: bool) -> int:
    print(sentence, file=sys.stderr)
    if as_json:
        print(written({"error": sentence}))
    return code


if __name__ == "__main__":
    sys.exit(main())
