"""The command line, ``ctx``: every page's action as a command.

Exit codes: 0 done, 2 bad arguments, 1 anything else that ended without a result. An error is one sentence on standard
error, and with ``--json`` also the document ``{"error": …}`` on standard output.
"""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from typing import Annotated

import typer

from ctx.commands import catalogue, training
from ctx.commands.options import takes_config
from ctx.errors import BadInput, CtxError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="See transfer learning happen: pick a source and a target context, train, read an honest answer.",
)
app.command()(catalogue.contexts)
app.command()(catalogue.parts)
app.command()(catalogue.fetch)
app.command()(takes_config(training.run))


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"ctx {version('ctx-transfer')}")
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
    """A flag with dashes, however it was typed: ``--min_updates`` is ``--min-updates``."""
    name, sign, value = word.partition("=")
    return name.replace("_", "-") + sign + value if re.fullmatch(r"--[\w./-]+", name) else word


def _usage(error: typer.TyperException, words: list[str]) -> str:
    sentence = error.format_message().strip()
    command = next((word for word in words if not word.startswith("-")), "")
    known = (
        command
        if any(
            command == found.name or command == found.callback.__name__
            for found in app.registered_commands
            if found.callback
        )
        else ""
    )
    return f"{sentence.rstrip('.')}. See `{' '.join(filter(None, ('ctx', known)))} --help`."


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
        print(json.dumps({"error": sentence}, ensure_ascii=False))
    return code


if __name__ == "__main__":
    sys.exit(main())
