"""Put each wrong line of ``wrong_lines.toml`` into a copy of the package and see a test turn red.

``make mutants``: about ten seconds a line. Exit code 1 when a wrong line survives, or when a right line is no longer in
the source. Why a kept list and no mutation tool: docs/decisions/0014-wrong-lines.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
SOURCE = TESTS.parent / "src"


def _run(copy: Path, tests: str) -> int:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", str(TESTS / tests)]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=TESTS.parent, env=environment, capture_output=True, check=False).returncode


def main(wanted: list[str]) -> int:
    """Try every line, or those of the files named; the number of faults decides the exit code."""
    lines = tomllib.loads((HERE / "wrong_lines.toml").read_text("utf-8"))["line"]
    lines = [line for line in lines if not wanted or any(name in line["file"] for name in wanted)]
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "src"
        shutil.copytree(SOURCE, copy)
        for tests in sorted({line["tests"] for line in lines}):
            if _run(copy, tests) != 0:
                print(f"red before anything was changed: tests/{tests}")
                return 1
        for line in lines:
            path = copy / "equipoise" / line["file"]
            text = path.read_text("utf-8")
            if text.count(line["right"]) != 1:
                verdict = f"stands {text.count(line['right'])} times in {line['file']}, expected once"
            else:
                path.write_text(text.replace(line["right"], line["wrong"]), "utf-8")
                code = _run(copy, line["tests"])
                path.write_text(text, "utf-8")
                verdict = "red" if code == 1 else f"SURVIVED (pytest {code})"
            faults += verdict != "red"
            print(f"{verdict:10}  {line['what']}", flush=True)
    print(f"{len(lines)} wrong lines, {faults} not caught")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
