"""Commands that are wrong by themselves: each is refused with its code, in words, and with its family's exit code."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app

EXITS = {"U": 2, "P": 3, "R": 4, "A": 5, "S": 6, "O": 7, "D": 8, "L": 9, "C": 10, "E": 11}
REFUSED = [
    ("import nowhere x", "U002", "Nothing can be imported from 'nowhere'."),
    ("import ctn0094 . --out r", "U002", "Add --project 51."),
    ("do trial screen participant=P-001", "U031", "Add --as ACCOUNT."),
    ("do trial screen participant --as carol", "U033", "not NAME=VALUE, or named twice"),
    ("do trial screen site=main site=main --as carol", "U033", "site=main"),
    ("do trial screen participant=@absent.txt --as carol", "U033", "No such file"),
    ("do trial screen baseline:={age --as carol", "U033", "It cannot be read"),
    ("init kare t", "U032", "Neither --production nor --training is given."),
    ("init kare t --training --zone Mars/Phobos", "U032", "There is no time zone 'Mars/Phobos'."),
    ("init kare t --training --account carol:coordinator", "U032", "No account has the role administrator."),
    ("init kare t --training --account carol:gardener", "U032", "Found 'carol:gardener'."),
    ("drill crach", "U034", "Did you mean crash?"),
    ("copy trial out --as ivan", "U035", "--site SITE, or --all-sites"),
    ("copy trial out --as ivan --site a --all-sites", "U035", "A copy is of one site or of all."),
    ("form smoking-cessation urin", "U038", "There is no form 'urin'."),
    ("demo --participants 0", "U040", "Found 0."),
    ("demo --participants 61", "U040", "Expected 1 to 60."),
    ("open absent", "U050", "There is no such folder."),
    ("open folder", "U050", "The folder holds no report.html."),
    ("open above", "U050", "Below it there are reports: above/one."),
    ("instruments explain pss-11", "U501", "There is no instrument 'pss-11'."),
    ("endpoints list --family retentoin", "U607", "There is no family 'retentoin'."),
    ("randomization seal smoking-cessation --out s --urn 1", "U620", "alpha,beta such as 0,1"),
    ("randomization seal smoking-cessation --out s --weight site", "U620", "a factor and its weight: site=2"),
    ("randomization report kare --n 0", "L040", "0 participants."),
    ("randomization report kare --n 2001", "L040", "a number from 1 to 2000"),
    ("randomization report kare --sites 0", "L041", "0 sites."),
    ("power kare --replay 3", "D014", "A replay was asked for without a folder to write it to."),
    ("simulate kare --seed 1 --scenario absent --out r", "S008", "There is no set of assumptions 'absent'."),
    ("simulate smoking-cessation --seed 1 --out r", "S001", "there is nothing to simulate from"),
    ("endpoints apply smoking-cessation records --out taken.csv", "O020", "is there already"),
    ("endpoints apply smoking-cessation records --out folder", "O020", "is a folder"),
    ("verify folder", "C002", "folder"),
]


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands are given: a folder with something in it, a file that stands, a report below a folder."""
    made = tmp_path_factory.mktemp("commands")
    (made / "folder").mkdir()
    (made / "folder" / "notes.txt").write_text("a note")
    (made / "taken.csv").write_text("a,b\n1,2\n")
    (made / "above" / "one").mkdir(parents=True)
    (made / "above" / "one" / "report.html").write_text("<p>one</p>")
    return made


@pytest.mark.parametrize(("command", "code", "says"), REFUSED, ids=[f"{c}-{a}" for a, c, _ in REFUSED])
def test_a_command_is_refused_with_its_code_in_words(
    command: str, code: str, says: str, at: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(at)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("EQUIPOISE_PASSPHRASE", raising=False)
    before = sorted(at.rglob("*"))
    result = CliRunner().invoke(app, shlex.split(command))
    assert f"{code}  " in f"{result.stderr}  ".replace("\n", "  "), result.output
    assert says in " ".join(result.stderr.split())
    assert result.exit_code == EXITS[code[0]]
    assert sorted(at.rglob("*")) == before  # what is refused has written nothing
