"""Every test has a home of its own; real archives are fetched once per machine and shared."""

import os
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest

from ctx import assets
from ctx.errors import Unavailable
from ctx.parts import Asset


@pytest.fixture(autouse=True)
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh CTX_HOME; the network is out of reach unless the test is marked `network`."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("CTX_HOME", str(folder))
    monkeypatch.delenv("CTX_STORE", raising=False)
    if not request.node.get_closest_marker("network"):
        monkeypatch.setenv("CTX_OFFLINE", "1")
    return folder


@pytest.fixture
def fetched(request: pytest.FixtureRequest, home: Path) -> Callable[..., None]:
    """Call it with the real archives a test needs: fails in CI where one can't be had, skips elsewhere."""
    assert request.node.get_closest_marker("network"), "a test on real archives is marked `network`"
    shared = Path(os.environ.get("CTX_TEST_ASSETS") or Path(platformdirs.user_cache_dir("ctx-tests")) / "assets")
    shared.mkdir(parents=True, exist_ok=True)
    (home / "assets").symlink_to(shared.resolve(), target_is_directory=True)

    def get(*wanted: Asset) -> None:
        try:
            for asset in wanted:
                assets.fetch(asset)
        except Unavailable as error:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(str(error))

    return get
