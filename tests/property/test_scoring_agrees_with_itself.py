"""One participant's scores and the table's scores come by different routes and must agree."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.instruments import INSTRUMENTS, score, score_assessments

QUESTIONNAIRES = [entry for entry in INSTRUMENTS.values() if entry.items]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_table_and_single_scoring_agree_for_any_answers_with_gaps(data):
    instrument = data.draw(st.sampled_from(QUESTIONNAIRES))
    people = {}
    for person in ("a", "b"):
        answers = {}
        for item in instrument.items:
            possible = st.sampled_from(item.levels) if item.levels else st.integers(int(item.lowest), int(item.highest))
            answer = data.draw(st.one_of(st.none(), possible), label=f"{person} {item.id}")
            if answer is not None or data.draw(st.booleans()):
                answers[item.id] = answer
        if answers:
            people[person] = answers
    rows = [(p, "v", 1, instrument.id, i, x) for p, answers in people.items() for i, x in answers.items()]
    table = (
        pl.DataFrame(
            rows,
            schema=["participant_id", "visit", "day", "instrument", "item", "value"],
            orient="row",
            schema_overrides={"participant_id": pl.String, "value": pl.Float64, "item": pl.String},
        )
        if rows
        else None
    )
    if table is None:
        return
    got = {
        (row["participant_id"], row["scale"]): (row["value"], row["n_items"], row["n_missing"])
        for row in score_assessments(table, instrument).iter_rows(named=True)
    }
    want = {
        (person, scale): (s.value, s.n_items, s.n_missing)
        for person, answers in people.items()
        for scale, s in score(answers, instrument).items()
    }
    assert got.keys() == want.keys()
    for key, (value, n_items, n_missing) in want.items():
        assert got[key][1:] == (n_items, n_missing)
        # Sums of small whole numbers: only the order of adding prorated scales may differ.
        assert got[key][0] is None if value is None else abs(got[key][0] - value) < 1e-9
