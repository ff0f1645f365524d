"""Takes the pictures of the documentation from the real product: ``python docs/site/pictures.py [NAME ...]``.

Needs Chromium, and for the trials of the opioid network their tables beside this checkout. Reports are made anew in a
temporary folder, and a rehearsal with simulated people is filled and served; nothing is drawn by hand. Pictures are
reduced to 256 colours, which keeps each below 150 kB. Run it after a change of what people see, and look at them.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
TABLES = ROOT.parent / "shared" / "data" / "ctn0094"
WIDTH = 1100
PROGRAM = (sys.executable, "-c", "from equipoise.cli.main import main; main()")
# A report to the arguments by which it is made; of the three opioid trials, to its number in the shared tables.
SHIPPED = {
    "smoking-cessation": ["smoking-cessation"],
    "flagship": ["ketamine-mbrp-cocaine", "--seed", "20190624"],
}
IMPORTED = {"xbot": "51", "start": "27", "poats": "30"}
# A page of the rehearsal to the account that sees it, its address and the height that is shown.
PAGES = {
    "web-today": ("carol", "/today/", 760),
    "web-participant": ("carol", "/p/{participant}/", 900),
    "web-visit": ("carol", "/p/{participant}/visit/{visit}/", 900),
    "web-calendar": ("carol", "/p/{participant}/calendar/", 900),
    "web-queries": ("mona", "/queries/", 700),
    "web-progress": ("mona", "/progress/", 760),
    "web-pharmacy": ("phil", "/pharmacy/", 620),
    "web-dose-sheet": ("phil", "/pharmacy/{sheet}/", 1000),
    "web-register": ("phil", "/pharmacy/register/", 620),
}


def save(shot: bytes, name: str) -> None:
    """A picture in few colours under ``docs/images``."""
    IMAGES.mkdir(exist_ok=True)
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        IMAGES / f"{name}.png", optimize=True
    )
    print(f"{name}.png  {picture.width} x {picture.height}, {(IMAGES / f'{name}.png').stat().st_size // 1024} kB")


def equipoise(*arguments: str, cwd: Path) -> None:
    """A command of the program; its own words where it fails."""
    done = subprocess.run([*PROGRAM, *arguments], cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


def make_report(name: str, work: Path) -> Path:
    """The report of one trial."""
    out = work / name
    if name in SHIPPED:
        equipoise("run", *SHIPPED[name], "--no-pdf", "--out", str(out), cwd=work)
    else:
        equipoise("import", "ctn0094", str(TABLES), "--project", IMPORTED[name], "--out", f"{name}-records", cwd=work)
        equipoise("run", name, "--records", f"{name}-records", "--no-pdf", "--out", str(out), cwd=work)
    return out / "report.html"


def take_report(browser: Browser, name: str, work: Path) -> None:
    """The first screen of a report."""
    page = browser.new_page(viewport={"width": WIDTH, "height": 860})
    page.goto(make_report(name, work).as_uri())
    save(page.screenshot(), f"report-{name}")
    page.close()


@contextmanager
def rehearsal(work: Path) -> Iterator[tuple[str, str]]:
    """Address and passphrase of a served trial with simulated people."""
    command = [*PROGRAM, "demo", "--no-browser", "--dir", "demo", "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(command, cwd=work, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        phrase = ""
        for line in server.stdout or ():
            if said := re.search(r"passphrase of every account: (\S+)", line):
                phrase = said[1]
            if said := re.search(r"(http://\S+?)/? ", line):
                yield said[1], phrase
                break
        else:
            raise SystemExit("the rehearsal did not start")
    finally:
        server.terminate()
        server.wait()


def take_pages(browser: Browser, names: list[str], work: Path) -> None:
    """Pages of the rehearsal, each as its account sees it."""
    with rehearsal(work) as (address, phrase):
        for name in names:
            account, path, height = PAGES[name]
            context = browser.new_context(viewport={"width": WIDTH, "height": height})
            page = context.new_page()
            page.goto(f"{address}/sign-in/")
            page.fill("input[name=account]", account)
            page.fill("input[type=password]", phrase)
            page.press("input[type=password]", "Enter")
            page.wait_for_load_state()
            if "{participant}" in path:
                # Of the visits that are due today, the first.
                link = page.locator("a[href*='/visit/']").first.get_attribute("href") or ""
                _, _, participant, _, visit, _ = link.split("/")
                path = path.format(participant=participant, visit=visit)
            if "{sheet}" in path:
                # Of the dose sheets, the first that leads to a page of its own.
                page.goto(f"{address}/pharmacy/")
                link = page.locator("main a[href^='/pharmacy/P']").first.get_attribute("href") or ""
                path = path.format(sheet=link.removeprefix("/pharmacy/").strip("/"))
            page.goto(address + path)
            save(page.screenshot(), name)
            context.close()


def main() -> int:
    """Take all pictures, or those named."""
    known = [*(f"report-{name}" for name in (*SHIPPED, *IMPORTED)), *PAGES]
    wanted = sys.argv[1:] or known
    if set(wanted) - set(known):
        raise SystemExit(f"pictures are: {', '.join(known)}")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name in (one.removeprefix("report-") for one in wanted if one.startswith("report-")):
            take_report(browser, name, Path(folder))
        if pages := [name for name in wanted if name in PAGES]:
            take_pages(browser, pages, Path(folder))
        browser.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
