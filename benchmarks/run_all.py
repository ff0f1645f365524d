"""Run every benchmark and agreement check of this folder and keep what each printed.

    python benchmarks/run_all.py [NAME ...]

Each answer goes to benchmarks/results/YYYY-MM-DD_NAME.json; one line a benchmark is printed. The exit code is 0 only if
all met their targets. They run one after the other, because they measure time.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
LONGEST = 3600


def benchmark_names() -> list[str]:
    """Scripts of this folder that take ``--json``."""
    mine = Path(__file__).stem
    return sorted(
        path.stem for path in HERE.glob("*.py") if path.stem != mine and '"--json"' in path.read_text(encoding="utf-8")
    )


def run(name: str, folder: Path) -> str:
    """Run one and keep its answer; the verdict in words."""
    command = [sys.executable, str(HERE / f"{name}.py"), "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return f"gave no answer in {LONGEST} s"
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError:
        last = (done.stderr.strip().splitlines() or ["nothing on standard error"])[-1]
        return f"printed no JSON (exit code {done.returncode}): {last}"
    path = folder / f"{date.today().isoformat()}_{name}.json"
    path.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    missed = [row["name"] for row in answer.get("rows", []) if not row.get("ok", True)]
    return "ok" if answer.get("ok") else "MISSED: " + "; ".join(missed)


def main() -> int:
    """Run all, or those named."""
    known = benchmark_names()
    chosen = sys.argv[1:] or known
    unknown = [name for name in chosen if name not in known]
    if unknown:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    verdicts = []
    for name in chosen:
        begin = time.perf_counter()
        verdicts.append(run(name, folder))
        print(f"{name} ({time.perf_counter() - begin:.0f} s): {verdicts[-1]}", flush=True)
    return 0 if all(verdict == "ok" for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
