"""The readme's picture of an object's page, from the home of the demonstration: ``python tools/explore_picture.py demo/home OUT.png``."""

import os
import re
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM = os.environ.get("NEEDLE_TEST_BROWSER", "/usr/bin/chromium")
SIZE = {"width": 1280, "height": 900}
# The unclassified object that is listed first and has stamps.
LIST = "/candidates"


def main(home: Path, picture: Path) -> None:
    """Serve the pages of a home, open the first candidate, and keep what the window shows."""
    command = [sys.executable, "-m", "needle_assets.cli", "explore", "--port", "0"]
    with subprocess.Popen(command, env={**os.environ, "NEEDLE_HOME": str(home)}, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout
        address = re.findall(r"http://\S+", served.stdout.readline())[0]
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
                page = browser.new_page(viewport=SIZE, base_url=address)
                page.goto(LIST)
                page.locator("#list tbody tr:has(img) a").first.click()
                page.wait_for_function("() => document.querySelector('#light-curve .main-svg')")
                page.wait_for_load_state("networkidle")
                page.screenshot(path=picture)
                browser.close()
        finally:
            served.terminate()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
