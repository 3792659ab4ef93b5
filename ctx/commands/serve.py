"""The pages: Streamlit on the project's app.py, or on its copy in the installed package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from ctx.errors import Unavailable
from ctx.home import project

Port = Annotated[int, typer.Option("--port", help="The port to listen on.", min=1, max=65535, metavar="N")]
Address = Annotated[str, typer.Option("--address", help="The address to listen on; 0.0.0.0 for all.", metavar="IP")]


def serve(port: Port = 8501, address: Address = "localhost") -> int:
    """Open the pages in a browser: starts the web server and runs until Ctrl-C."""
    app = project() / "app.py"
    if not app.is_file():
        raise Unavailable(f"{app} is not there: install ctx-transfer again, or start from the project's folder.")
    from ctx.store import open_store

    open_store().close()  # pages never bring a store up to date
    command = [sys.executable, "-m", "streamlit", "run", str(app)]
    command += ["--server.port", str(port), "--server.address", address]
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}
    if sys.platform != "win32":
        sys.stdout.flush()
        os.execve(sys.executable, command, environment)  # this process becomes the server: signals reach it
    try:
        return subprocess.run(command, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 0
