"""Damage to the six shapes of docs/shapes-of-data.md: whatever a cell, a row or a word becomes, it is read or refused.

Nothing but coded problems is raised, and no estimate is NaN or infinite without a word.
"""

from __future__ import annotations

import csv
import io
import math
import random
import re
from pathlib import Path

import numpy as np
import pytest

from equipoise.foundation.errors import EquipoiseError
from equipoise.protocol import read_protocol
from equipoise.reporting.html import render_html
from equipoise.workflow.verbs import analyse, import_records, report

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "shapes-of-data.md").read_text(encoding="utf-8")
HEAD, *SECTIONS = re.split(r"^## ", PAGE, flags=re.M)
SHAPES = {section.split(":")[0]: section for section in SECTIONS}
CELLS = ["", "NA", "0", "-1", "1e9", "nan", "inf", "1.5", "x", "true", "2024-01-01", " 1", "'", "1,5", "9" * 20, "é"]
WORDS = ["null", "0", "-1", "1.5", "[]", "{}", "x", "true", "[x]", "1e400", ".nan", "''", "2024-01-01", "0..0", "5..1"]
TRIES = 15


def _blocks(text: str) -> list[str]:
    return re.findall(r"^```(?:csv|yaml)\n(.*?)^```", text, re.S | re.M)


def _more_people(text: str, rng: random.Random) -> list[list[str]]:
    """The rows of the page four times over, as other people, some answers exchanged: more fits come about."""
    head, *rows = csv.reader(io.StringIO(text))
    out = [head]
    for k in range(4):
        out += [[f"{row[0]}{k}", *row[1:]] for row in rows]
    for _ in range(4):
        a, b = rng.sample([row for row in out[1:] if row[-1]], 2)
        a[-1], b[-1] = b[-1], a[-1]
    return out


def _damage_rows(rows: list[list[str]], rng: random.Random) -> None:
    at = rng.randrange(len(rows[0]))
    how = rng.choice(["cells", "cells", "constant", "few", "without", "twice"])
    if how == "cells":
        for _ in range(rng.choice([1, 1, 2, 5])):
            rng.choice(rows[1:])[rng.randrange(len(rows[0]))] = rng.choice(CELLS)
    elif how == "constant":
        value = rng.choice([rows[1][at], *CELLS])
        for row in rows[1:]:
            row[at] = value
    elif how == "few":
        rows[1:] = rng.sample(rows[1:], rng.randrange(4))
    elif how == "without":
        value = rng.choice(rows[1:])[at]
        rows[1:] = [row for row in rows[1:] if row[at] != value]
    else:
        rows.append(list(rng.choice(rows[1:])))


def _damage_words(text: str, rng: random.Random) -> str:
    found = list(re.finditer(r"(?<=[:,\[{ ])[\w.\-/\"'+]+(?=[,\]}\n])", text))
    one = rng.choice(found)
    return text[: one.start()] + rng.choice([rng.choice(found)[0], *rng.sample(WORDS, 2)]) + text[one.end() :]


@pytest.mark.parametrize("shape", SHAPES)
def test_damage_comes_out_or_is_refused(tmp_path: Path, shape: str) -> None:
    table, mapping, rest = _blocks(SHAPES[shape])
    protocol = _blocks(HEAD)[0] + rest
    n_whole = 0
    for seed in range(TRIES):
        rng = random.Random(f"{shape} {seed}")
        rows, texts = _more_people(table, rng), {"mapping": mapping, "protocol": protocol}
        target = rng.choice(["rows", "rows", "rows", "mapping", "protocol"]) if seed else ""
        if target == "rows":
            _damage_rows(rows, rng)
        elif target:
            texts[target] = _damage_words(texts[target], rng)
        written = io.StringIO()
        csv.writer(written).writerows(rows)
        (tmp_path / "data.csv").write_text(written.getvalue(), encoding="utf-8")
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
        try:
            own = read_protocol(tmp_path / "protocol.yaml")
            records = import_records("table", tmp_path / "mapping.yaml", protocol=own)
            with np.errstate(all="ignore"):
                results = analyse(own, records)
                if n_whole % 4 == 0:
                    render_html(report(own, records, results))
        except EquipoiseError:
            continue
        n_whole += 1
        for one in results.estimates:
            numbers = (one.estimate, one.standard_error, one.ci_lower, one.ci_upper, one.p_value)
            assert not any(value is not None and math.isnan(value) for value in numbers), (shape, seed, one.id)
            if one.reference is not None and one.estimate is None and one.scale != "test":
                assert one.warnings, (shape, seed, one.id)
    assert n_whole  # the first is not damaged
