"""Builds the documentation site: ``python docs/site/build.py [FOLDER]``, by default ``build/site``.

A warning stops it: a link that leads nowhere, a page that no list names, an example that its language does not know.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FRONT = '<!doctype html>\n<meta charset="utf-8">\n<meta http-equiv="refresh" content="0; url=docs/index.html">\n'
# What a browser would fetch when it shows a page; links that a reader follows are no such thing.
FETCHED = re.compile(r"""<(?:script|img|link|iframe)[^>]+(?:src|href)=["']?(?:https?:)?//|url\(["']?(?:https?:)?//""")


def fetched_from_elsewhere(site: Path) -> list[str]:
    """Pages and styles of a built site that would fetch something from another place."""
    files = [path for path in site.rglob("*") if path.suffix in (".html", ".css")]
    return [
        f"{path.relative_to(site)}: {found[0]}"
        for path in sorted(files)
        if (found := FETCHED.search(path.read_text("utf-8")))
    ]


def build(out: Path) -> int:
    """Build into ``out``; 0 where nothing is wrong."""
    arguments = ["-c", str(HERE), "-b", "html", "-q", "-E", "-W", "--keep-going", "-j", "2", "-d", f"{out}.doctrees"]
    failed = build_main([*arguments, str(ROOT), str(out)])
    if failed:
        return failed
    (out / "index.html").write_text(FRONT + "<title>equipoise</title>\n", encoding="utf-8")
    elsewhere = fetched_from_elsewhere(out)
    for line in elsewhere:
        print(line, file=sys.stderr)
    return int(bool(elsewhere))


if __name__ == "__main__":
    raise SystemExit(build(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "site").resolve()))
