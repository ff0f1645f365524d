"""`equipoise shells`: the report's tables before there is a record."""

import json
from pathlib import Path

from typer.testing import CliRunner

from equipoise.cli.main import app


def test_shells_are_written_whole_and_name_every_analysis_of_the_plan(tmp_path: Path) -> None:
    out = tmp_path / "shells"
    done = CliRunner().invoke(app, ["shells", "xbot", "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    files = [Path(path) for path in json.loads(done.stdout)["files"]]
    assert [path.name for path in files] == ["shells.html", "shells.docx", "shells.pdf"]
    assert files[1].read_bytes().startswith(b"PK")
    assert files[2].read_bytes().startswith(b"%PDF")
    html = files[0].read_text("utf-8")
    assert "NO DATA YET" in html
    assert "hazard ratio (Cox)" in html


def test_a_folder_with_somebody_elses_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    done = CliRunner().invoke(app, ["shells", "xbot", "--out", str(tmp_path), "--force"])
    assert done.exit_code != 0
    assert "O002" in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
