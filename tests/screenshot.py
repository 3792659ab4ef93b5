"""Makes the README's picture, tests/screenshot.png: a real finished study of tweets -> editorials in the Lab.

    python -m tests.screenshot [--assets FOLDER]

Serves a home of its own, trains the Lab's default study there (10 draws, three arms, MiniLM all frozen), and takes the
picture when the answer is there. ``--assets``: archives fetched before, so that they need not be fetched again.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from ctx.lab import data
from ctx.study import default_draws
from tests.browser.looking import at_rest, finished
from tests.browser.studies import study
from tests.served import BROWSER_ARGUMENTS, ROOT, Served, browser_path

PICTURE = ROOT / "tests" / "screenshot.png"
WIDTH, HEIGHT, COLOURS = 1440, 900, 256
MINUTES = 20


def main() -> None:
    """Serve, train, look, take the picture."""
    parser = argparse.ArgumentParser(description="Makes tests/screenshot.png.")
    parser.add_argument("--assets", type=Path)
    asked = parser.parse_args()
    config = data.default("sentiment")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        if asked.assets:
            (Path(folder) / "assets").symlink_to(asked.assets.resolve(), target_is_directory=True)
        server = Served(Path(folder))
        try:
            server.start()
            made = study(server, config, default_draws(config), guess="no difference", seconds=60 * MINUTES)
            chromium = playwright.chromium.launch(executable_path=browser_path(), args=BROWSER_ARGUMENTS)
            page = chromium.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            page.goto(f"{server.url}/lab?study={made}")
            finished(at_rest(page))
            page.wait_for_timeout(1500)  # fonts and the last animation
            shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        finally:
            server.stop()
    shot.quantize(COLOURS, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
