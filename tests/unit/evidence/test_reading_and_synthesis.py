"""Tables of published results: read or refused with everything that is wrong; combined or refused with every reason."""

from __future__ import annotations

import math

import pytest

from equipoise.evidence.known import read_known
from equipoise.evidence.synthesis import synthesise
from equipoise.exchange.evidence_files import read_evidence_table
from equipoise.foundation.errors import EvidenceError
from equipoise.workflow.evidence import check_published, synthesise_published

HEAD = (
    "id,study,source,experimental,reference,event,outcome,condition,time,measure,"
    "events_1,n_1,events_0,n_0,estimate,lower,upper,kind\n"
)


def table(tmp_path, *rows, head=HEAD):
    path = tmp_path / "results.csv"
    path.write_text(head + "".join(row + "\n" for row in rows), "utf-8")
    return path


def codes(error):
    return [problem.code for problem in error.value.problems]


def test_every_fault_of_a_table_is_told_at_once(tmp_path):
    path = table(
        tmp_path,
        "a,S,X,K,M,use,o,c,t,odds_ration,1,10,2,10,,,,",
        "a2,,X,K,M,use,o,c,t,odds_ratio,one,10,2,10,,,,",
        "a3,S,X,K,M,,o,c,t,odds_ratio,,,,,5.7,1.3,25.1,",
        "a4,S,X,K,M,use,o,c,t,proportion,3,,,,,,,",
        "a5,S,X,K,M,use,o,c,t,proportion,3,10,,,,,,",
        "a5,S,X,K,M,use,o,c,t,proportion,3,10,,,,,,",
    )
    with pytest.raises(EvidenceError) as error:
        read_evidence_table(path)
    assert sorted(codes(error)) == ["E002", "E003", "E004", "E005", "E007", "E007"]
    found = " ".join(problem.found for problem in error.value.problems)
    assert "the event that is counted" in found
    assert "the denominator of K" in found
    assert error.value.exit_code == 11


def test_columns_that_are_not_known_or_not_there(tmp_path):
    with pytest.raises(EvidenceError) as error:
        read_evidence_table(table(tmp_path, "a,S", head="id,studdy\n"))
    assert set(codes(error)) == {"E001", "E002"}
    with pytest.raises(EvidenceError) as error:
        read_evidence_table(table(tmp_path, "a,S,X,5", head="id,study,source,percnt_1\n"))
    assert codes(error) == ["E001"]
    assert "percent_1" in error.value.problems[0].next_step


def test_files_that_are_no_tables(tmp_path):
    for content in (b"", b"id,study,source\n", b"\xff\xfe\x00", b'id,study,source\n"a,b,c\n'):
        path = tmp_path / "x.csv"
        path.write_bytes(content)
        with pytest.raises(EvidenceError) as error:
            read_evidence_table(path)
        assert set(codes(error)) == {"E010"}
    with pytest.raises(EvidenceError):
        read_evidence_table(tmp_path / "absent.csv")


A = "a,Alpha,X,K,M,use,o,c,t,proportion,3,20,8,21,,,,"
B = "b,Beta,X,K,M,use,o,c,t,proportion,5,30,9,28,,,,"


def test_like_studies_are_pooled(tmp_path):
    found = synthesise_published(table(tmp_path, A, B))
    assert found.is_pooled
    assert not found.unlike
    assert found.random is not None
    assert math.exp(found.common.estimate) == pytest.approx(
        synthesise(read_evidence_table(table(tmp_path, B, A)).results).shown(found.common.estimate)
    )
    assert [t.method for t in found.tables] == [
        "Mantel-Haenszel",
        "Peto",
        "exact conditional",
        "exact conditional, random effects",
        "logistic mixed model, study intercepts",
    ]


def test_unlike_studies_stand_side_by_side_unless_told_to(tmp_path):
    path = table(tmp_path, A, B.replace(",c,", ",d,"))
    assert not synthesise_published(path).is_pooled
    pooled = synthesise_published(path, pool=True)
    assert pooled.is_pooled
    assert pooled.unlike == ("condition",)
    assert any("because it was asked for" in note for note in pooled.notes)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([A], "E020"),
        (
            [
                A,
                "b,Beta,X,K,M,use,o,c,t,hazard_ratio,,,,,0.5,0.3,0.9,",
                "g,Gamma,X,K,M,use,o,c,t,odds_ratio,,,,,2,1,4,",
            ],
            "E021",
        ),
        ([A, B, A.replace("a,", "z,", 1)], "E022"),
        ([A, B.replace(",K,M,", ",M,K,")], "E023"),
        ([A, B.replace(",use,", ",abstinence,")], "E024"),
        ([A, "b,Beta,X,K,M,use,o,c,t,odds_ratio,,,,,5.7,,,"], "E025"),
        ([A, "b,Beta,X,,,use,o,c,t,proportion,3,20,8,21,,,,"], "E025"),
        (["a,Alpha,X,K,M,use,o,c,t,proportion,0,20,0,21,,,,", B], "E020"),
    ],
)
def test_what_may_not_be_combined_is_refused(tmp_path, rows, code):
    with pytest.raises(EvidenceError) as error:
        synthesise_published(table(tmp_path, *rows))
    assert code in codes(error)


def test_a_claim_asked_for_by_name_is_refused_and_unknown_choices_too(tmp_path):
    claim = "k,Gamma,X,,,,o,,,,,,,,,,,claim"
    path = table(tmp_path, A, B, claim)
    assert synthesise_published(path).is_pooled  # left out where nobody asked for it
    with pytest.raises(EvidenceError) as error:
        synthesise_published(path, rows=["a", "k"])
    assert "E025" in codes(error)
    with pytest.raises(EvidenceError) as error:
        synthesise_published(path, method="XX", measure="odds")
    assert codes(error) == ["E026", "E026"]
    with pytest.raises(EvidenceError) as error:
        synthesise_published(path, rows=["nobody"])
    assert codes(error) == ["E027"]


def test_the_packaged_counts_come_to_the_pooled_odds_ratio_of_the_fact_sheet():
    found = synthesise_published("all", rows=["C1", "A4", "H07", "H97"], pool=True)
    values = [math.exp(v) for v in (found.common.estimate, found.common.ci_lower, found.common.ci_upper)]
    assert values == pytest.approx([5.23, 3.25, 8.43], abs=0.005)  # as printed there
    assert found.random.q == pytest.approx(1.90, abs=0.005)
    assert found.spread.tau2 == 0


def test_an_empty_cell_is_said_and_the_exact_method_adds_nothing(tmp_path):
    zero = "z,Zeta,X,K,M,use,o,c,t,proportion,0,28,12,27,,,,"
    found = synthesise_published(table(tmp_path, A, zero))
    assert any("0.5 added" in note for note in found.notes)
    assert math.isfinite(found.tables[-1].estimate)


def test_each_of_the_26_pairs_of_statements_is_found_by_a_check_or_listed_as_a_reading():
    checked = check_published("all")
    by_topic: dict[str, set[str]] = {}
    for finding in checked.findings:
        for topic in finding.topics:
            by_topic.setdefault(topic, set()).add(finding.check)
    assert set(by_topic) == {str(k) for k in range(1, 27)}
    read = {topic for topic, names in by_topic.items() if names == {"reading"}}
    assert read == {"2", "9", "17", "20", "23", "24"}
    expected = {
        "1": "one-infusion-told-as-several",
        "3": "one-infusion-told-as-several",
        "4": "agonist-or-antagonist",
        "5": "claim",
        "10": "proportion-against-counts",
        "11": "proportion-against-counts",
        "12": "claim",
        "13": "direction",
        "15": "claim",
    }
    for topic, name in expected.items():
        assert name in by_topic[topic]


def test_every_packaged_row_names_a_source_that_is_listed():
    known = read_known()
    told = {r.source for r in known.results} | {s.source for s in known.statements}
    told |= {s.source for s in known.studies.values()} | {u.source for u in known.unknown}
    assert told <= set(known.sources)
    assert {r.study for r in known.results} <= set(known.studies)


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ("5,7", "5.7"),
        ("1,200", "1200"),
        ("1 200", "1200"),
        ("48,2%", "48.2%"),
        ("p<0.05", "<0.05"),
        ("P = 0.02", "0.02"),
        ("10/20", "`events`"),
        ("13 (48.2%)", "`events`"),
        ("5.1 ± 2.0", "`mean`"),
        ("1.3-25.1", "`lower`"),
        ("NA", "empty"),
        ("n.s.", "empty"),
        ("–", "empty"),
        ("not reported", "empty"),
    ],
)
def test_habits_of_other_tables_are_told_what_to_write(tmp_path, cell, hint):
    path = tmp_path / "habits.csv"
    path.write_text(f'id,study,source,p\na,S,X,"{cell}"\n', "utf-8")
    with pytest.raises(EvidenceError) as error:
        read_evidence_table(path)
    (problem,) = error.value.problems
    assert problem.code == "E003"
    assert hint in problem.next_step


def test_a_point_in_the_middle_is_a_point(tmp_path):
    path = tmp_path / "middle.csv"
    path.write_text("id,study,source,p\na,S,X,0·02\n", "utf-8")
    assert read_evidence_table(path).results[0].value("p") == 0.02


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_other_separators_are_named(tmp_path, sign):
    path = tmp_path / "export.csv"
    path.write_text(sign.join(("id", "study", "source")) + "\n" + sign.join("abc") + "\n", "utf-8")
    with pytest.raises(EvidenceError) as error:
        read_evidence_table(path)
    assert "commas" in error.value.problems[0].next_step


TOLD_TWICE = (
    "id,study,source,experimental,reference,event,outcome,measure,events_1,n_1,events_0,n_0,registration,note\n"
)


def test_one_trial_under_two_names(tmp_path):
    one = "a,Dakwar 2019,paper,K,M,use,o,odds_ratio,13,27,3,28,,NCT 01535937\n"
    by_number = "b,Columbia,review of 2023,K,M,use,o,odds_ratio,12,26,3,28,NCT01535937,\n"
    by_size = "b,Columbia trial,review 2019,K,M,use,o,odds_ratio,12,27,3,28,,\n"
    another = "b,Columbia trial,review 2019,K,M,use,o,odds_ratio,12,27,3,28,NCT00000001,\n"
    for rows, found in ((one + by_number, "are both NCT01535937"), (one + by_size, "may be one trial")):
        path = tmp_path / "twice.csv"
        path.write_text(TOLD_TWICE + rows, "utf-8")
        with pytest.raises(EvidenceError) as error:
            synthesise_published(path, outcome="o")
        assert codes(error) == ["E022"]
        assert found in error.value.problems[0].found
    path.write_text(TOLD_TWICE + one + another, "utf-8")
    assert synthesise_published(path, outcome="o").is_pooled


def test_three_arms_are_one_study_and_one_comparison_at_a_time(tmp_path):
    path = tmp_path / "three.csv"
    path.write_text(
        "id,study,source,experimental,reference,event,outcome,measure,events_1,n_1,events_0,n_0,n_total\n"
        "a,T,X,low,placebo,use,o,odds_ratio,18,40,10,41,121\n"
        "b,T,X,high,placebo,use,o,odds_ratio,22,40,10,41,121\n"
        "c,U,X,low,placebo,use,o,odds_ratio,24,60,15,60,120\n",
        "utf-8",
    )
    assert not [f for f in check_published(path).findings if f.check == "arms-against-study"]
    with pytest.raises(EvidenceError) as error:
        synthesise_published(path)
    assert "cannot be counted twice" in error.value.problems[0].next_step
    found = synthesise_published(path, rows=["a", "c"])
    assert [t.method for t in found.tables][-2:] == [
        "exact conditional, random effects",
        "logistic mixed model, study intercepts",
    ]
    assert found.as_dict()["tables"][-1]["tau2"] >= 0
