"""The documentation site: built without a warning, whole without a network, mathematics set as mathematics."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "docs" / "site" / "build.py"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make site` builds it; a warning or a fetch from elsewhere fails here."""
    out = tmp_path_factory.mktemp("site") / "site"
    made = subprocess.run([sys.executable, str(BUILD), str(out)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return out


def test_every_page_of_the_documentation_is_on_the_site_and_in_its_navigation(site: Path) -> None:
    front = (site / "docs" / "index.html").read_text("utf-8")
    listed = front + "".join((site / "docs" / f / "index.html").read_text("utf-8") for f in ("methods", "decisions"))
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT).with_suffix(".html")
        assert (site / name).exists(), name
        assert page.stem in ("index",) or f"{page.stem}.html" in listed, f"{name} is in no list"


def test_mathematics_is_mathml_and_no_formula_is_left_as_source(site: Path) -> None:
    pages = {path: path.read_text("utf-8") for path in (site / "docs" / "methods").glob("*.html")}
    with_formulas = [path.stem for path, text in pages.items() if "<math " in text]
    assert {"operating_characteristics", "logistic", "cox", "kaplan_meier", "rubin"} <= set(with_formulas)
    for path, text in pages.items():
        prose = re.sub(r"<(pre|code|math|script)\b.*?</\1>", "", text, flags=re.DOTALL)
        assert not re.search(r"\$[^$\n]{2,60}\$|\\(?:hat|frac|sum|beta)\b", prose), path.stem
        assert "MathJax" not in text


def test_methods_begin_with_a_question_for_every_estimator() -> None:
    from equipoise.protocol.vocabulary.estimators import ESTIMATORS

    asked = (ROOT / "docs" / "methods" / "index.md").read_text("utf-8").partition("## The functions behind them")[0]
    assert [name for name in ESTIMATORS if f"`{name}`" not in asked] == []


def test_search_works_without_a_server_and_the_dark_is_there(site: Path) -> None:
    index = (site / "searchindex.js").read_text("utf-8")
    assert index.startswith("Search.setIndex(")
    for word in ("heterogen", "kaplan", "envelop"):
        assert f'"{word}' in index or f"{word}" in index
    assert "prefers-color-scheme" in (site / "docs" / "start.html").read_text("utf-8") or any(
        "prefers-color-scheme" in style.read_text("utf-8") for style in (site / "_static").rglob("*.css")
    )


def test_the_index_for_language_models_names_pages_that_are_there(site: Path) -> None:
    text = (site / "llms.txt").read_text("utf-8")
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert len(targets) > 60
    assert [target for target in targets if not (site / target).exists()] == []


def test_a_page_that_would_fetch_something_is_found(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("build_site", BUILD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "a.html").write_text('<a href="https://x.org">x</a><img src="b.png">')
    assert module.fetched_from_elsewhere(tmp_path) == []
    (tmp_path / "b.html").write_text('<script src="https://cdn.x.org/a.js"></script>')
    (tmp_path / "c.css").write_text("@font-face { src: url(//fonts.x.org/a.woff) }")
    assert [line.partition(":")[0] for line in module.fetched_from_elsewhere(tmp_path)] == ["b.html", "c.css"]


def test_the_table_of_trust_is_what_the_benchmark_measures(shared_data: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "agreement.py"), str(shared_data / "r-reference"), "--json"]
    measured = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    sys.path.insert(0, str(ROOT / "docs" / "site"))
    from made_pages import AGREEMENT, snapshot  # type: ignore[import-not-found]

    fresh, kept = snapshot(measured)["models"], json.loads(AGREEMENT.read_text("utf-8"))["models"]
    assert fresh.keys() == kept.keys()
    for model, entry in fresh.items():
        assert entry["trials"] == kept[model]["trials"]
        assert entry["disagreements"] == kept[model]["disagreements"], model
        for quantity, found in entry["deviations"].items():
            # The last bits differ between processors; below the twelve digits of the answers nothing is compared.
            for which, value in found.items():
                told = kept[model]["deviations"][quantity][which]
                assert value <= max(3 * told, 1e-10), f"{model}: {quantity}, {which}"
