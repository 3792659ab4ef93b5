"""Where things live: the same place for a page, a command and the dispatcher, wherever each of them stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from ctx.home import home, store_url


def test_a_relative_home_and_store_mean_the_folder_one_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CTX_HOME", "here")
    assert home() == tmp_path / "here"
    assert store_url() == f"sqlite:///{tmp_path / 'here' / 'ctx.sqlite'}"
    monkeypatch.setenv("CTX_STORE", "sqlite:///mine.sqlite")
    assert store_url() == f"sqlite:///{tmp_path / 'mine.sqlite'}"


@pytest.mark.parametrize("url", ["postgresql://db/ctx", "sqlite:////data/a.sqlite", "sqlite:///:memory:"])
def test_other_addresses_stay_as_they_are(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTX_STORE", url)
    assert store_url() == url
