"""`equipoise endpoints`: the library listed and explained, words scored, endpoints derived on records."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.endpoints.patterns.library import definitions, reference_definitions

runner = CliRunner()


@pytest.mark.parametrize("command", ["list", "explain", "words", "apply"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = runner.invoke(app, ["endpoints", command, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.stdout


def test_the_list_names_every_definition_for_people_and_for_machines() -> None:
    listed = json.loads(runner.invoke(app, ["endpoints", "list", "--json"]).stdout)["definitions"]
    assert [row["name"] for row in listed] == list(definitions())
    text = runner.invoke(app, ["endpoints", "list", "--family", "daily"]).stdout
    assert "longest-abstinence-in-days" in text
    assert "Rd_fudala_2003" not in text


def test_explain_shows_words_formula_source_and_the_deciding_weeks() -> None:
    out = runner.invoke(app, ["endpoints", "explain", "Ab_kosten_1993", "--word=+--o---+"]).stdout
    assert "three consecutive negative weeks" in out
    assert "10.1097/00005053-199306000-00004" in out
    assert 'longest-run: {cells: "-"}' in out
    # Weeks 5 to 7 are the only run of three; another letter in any of them breaks it. No other week changes the answer.
    lines = out.splitlines()
    drawn = next(n for n, line in enumerate(lines) if "+--o---+" in line)
    assert lines[drawn].split() == ["weeks", "+--o---+", "yes"]
    assert lines[drawn + 1][lines[drawn].index("+--o") :] == "    ^^^"


def test_explain_finds_a_definition_by_its_column_and_says_which_variant_is_held_right() -> None:
    out = runner.invoke(app, ["endpoints", "explain", "RsT_lee_2016"]).stdout
    assert "We hold Rs_lee_2016--held-right right" in out
    result = runner.invoke(app, ["endpoints", "explain", "Rs_le_2016"])
    assert result.exit_code == 2
    assert "Did you mean" in result.stderr


def test_words_writes_the_62_columns_beside_the_table(tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("person,word,site\na,--+o*+--,1\nb,oooooooo,2\nc,-,3\n")
    result = runner.invoke(app, ["endpoints", "words", str(source), str(out)])
    assert result.exit_code == 0, result.stderr
    assert "never-seen-scored-success" in result.stderr
    text = out.read_text().splitlines()
    header = text[0].split(",")
    assert header[:3] == ["person", "word", "site"]
    assert header[3:] == [column for d in reference_definitions() for column in d.columns]
    row = dict(zip(header, text[1].split(","), strict=True))
    assert (row["RsT_ctnNinetyFour_2023"], row["RsE_ctnNinetyFour_2023"]) == ("3", "1")
    assert row["Ab_fiellin_2006"] == "4"
    assert row["Ab_kosten_1993"] == "0"
    short = dict(zip(header, text[3].split(","), strict=True))
    assert short["RsT_ctnNinetyFour_2023"] == short["Rd_lingA_1976"] == ""
    nobody = dict(zip(header, text[2].split(","), strict=True))
    assert float(nobody["Rd_soyka_2008"]) == 1.0


def test_words_scores_the_reference_file_as_it_is(tmp_path: Path, shared_data: Path) -> None:
    source, out = tmp_path / "cases.csv", tmp_path / "out.csv"
    with gzip.open(shared_data / "ctnote" / "word_cases.csv.gz", "rt") as handle:
        source.write_text(handle.read())
    result = runner.invoke(app, ["endpoints", "words", str(source), str(out), "--json"])
    assert result.exit_code == 0
    assert len(json.loads(result.stdout)["replaced"]) == 62
    ours, theirs = pl.read_csv(out), pl.read_csv(source)
    assert set(ours.columns) == set(theirs.columns)
    for column in theirs.columns[4:]:
        difference = (ours[column].cast(pl.Float64) - theirs[column].cast(pl.Float64)).abs()
        assert (ours[column].is_null() == theirs[column].is_null()).all()
        # The reference prints ten decimals.
        assert (difference.max() or 0.0) <= 1e-9


@pytest.mark.parametrize(
    ("text", "options", "code", "said"),
    [
        ("word\n--+\n-x-\n", [], "U601", "words.csv:3"),
        ("word\n--+\n--\n", ["--cells", "3"], "U602", "words.csv:3"),
        ("person\n--+\n", [], "U606", "words.csv:1"),
        ("word,word\n-,-\n", [], "R021", "words.csv:1"),
        ("word\n--+\n", ["--definition", "Rd_strain_1995"], "U605", "Did you mean"),
        ("word\n--+\n", ["--definition", "ctn-composite-relapse"], "U606", "more than one pattern"),
    ],
)
def test_bad_words_are_refused_with_code_and_place(
    tmp_path: Path, text: str, options: list[str], code: str, said: str
) -> None:
    source = tmp_path / "words.csv"
    source.write_text(text)
    result = runner.invoke(app, ["endpoints", "words", str(source), str(tmp_path / "out.csv"), *options])
    assert result.exit_code == (4 if code.startswith("R") else 2)  # by the family of the code
    assert code in result.stderr
    assert said in result.stderr
    assert not (tmp_path / "out.csv").exists()


def test_words_never_replaces_a_file_unasked(tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("word\n--+\n")
    out.write_text("mine\n")
    result = runner.invoke(app, ["endpoints", "words", str(source), str(out)])
    assert result.exit_code == 7
    assert out.read_text() == "mine\n"
    assert runner.invoke(app, ["endpoints", "words", str(source), str(out), "--force"]).exit_code == 0


def test_apply_derives_every_endpoint_of_a_protocol(tmp_path: Path) -> None:
    records, out = tmp_path / "records", tmp_path / "endpoints.csv"
    made = runner.invoke(app, ["simulate", "ketamine-mbrp-cocaine", "--seed", "7", "--out", str(records)])
    assert made.exit_code == 0, made.stderr
    result = runner.invoke(
        app, ["endpoints", "apply", "ketamine-mbrp-cocaine", str(records), "--out", str(out), "--json"]
    )
    assert result.exit_code == 0, result.stderr
    said = json.loads(result.stdout)
    assert said["simulated"] is True
    table = pl.read_csv(out)
    assert set(table["endpoint"]) == {row["endpoint"] for row in said["endpoints"]} >= {"abstinence", "relapse"}
    abstinent = table.filter(pl.col("endpoint") == "abstinence")
    assert abstinent.height == 55
    assert set(abstinent["value"].drop_nulls()) <= {0.0, 1.0}
    relapse = table.filter(pl.col("endpoint") == "relapse")
    assert relapse["time"].null_count() == 0
    assert set(relapse["event"]) <= {0, 1}
    assert table.filter(pl.col("endpoint") == "use-over-time").height == 55 * 8


def test_a_table_that_is_not_there_leaves_with_the_code_of_its_family(tmp_path: Path) -> None:
    result = runner.invoke(app, ["endpoints", "words", str(tmp_path / "no.csv"), str(tmp_path / "out.csv")])
    assert (result.exit_code, "R014" in result.stderr) == (4, True)
    assert list(tmp_path.iterdir()) == []
