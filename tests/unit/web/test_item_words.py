"""Items and answers as pages say them: the protocol's labels and levels, units, dates, and why there is no answer."""

from __future__ import annotations

import pytest

from equipoise.protocol import Protocol
from equipoise.web.item_words import answer_words, answers_in_words, item_label, query_place
from equipoise.workflow.library import read_protocol

from .conftest import Desk, words_of


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return read_protocol("ketamine-mbrp-cocaine")


@pytest.mark.parametrize(
    ("form", "item", "value", "label", "said"),
    [
        ("eligibility", "include.adult", "met", "Age ≥ 18", "met"),
        ("eligibility", "include.no-such", "not_met", "Include: no such", "not met"),
        ("eligibility", "eligible", "yes", "Eligible", "yes"),
        ("baseline", "route", "smoked-or-injected", "Route of cocaine use", "smoked or injected"),
        ("baseline", "age", "41", "Age", "41 years"),
        ("weight", "kg", "82.4", "Weight", "82.4 kg"),
        ("urine", "cocaine", "not_evaluable", "Cocaine", "not evaluable"),
        ("urine", "cocaine", "(no-answer)", "Cocaine", "asked, no answer"),
        ("mindfulness", "7", "3", "Item 7", "3"),
        ("adverse-event", "term", "low-grade fever_x", "Term", "low-grade fever_x"),
        ("adverse-event", "onset", "2027-03-12", "Onset", "Fri 12 Mar 2027"),
        ("no-such-form", "an-item", "a-value", "An item", "a-value"),
    ],
)
def test_items_and_answers_in_words(
    protocol: Protocol, form: str, item: str, value: str, label: str, said: str
) -> None:
    assert item_label(protocol, form, item) == label
    assert answer_words(protocol, form, item, value) == said


def test_answers_come_in_the_order_of_the_form(protocol: Protocol) -> None:
    told = {"10": "1", "2": "5", "1": "4"}
    assert answers_in_words(protocol, "mindfulness", told) == [("Item 1", "4"), ("Item 2", "5"), ("Item 10", "1")]


def test_what_a_query_asks_about() -> None:
    row = {"visit": "day-12", "form": "arm-guess", "item": ""}
    assert query_place(row) == "Visit, day 12, arm guess"
    assert query_place({**row, "item": "7"}) == "Visit, day 12, arm guess, item 7"
    assert query_place({"visit": "", "form": "", "item": ""}) == "in general"


def test_pages_of_a_participant_name_no_item_by_its_id(desk: Desk) -> None:
    desk.enrolled()
    client = desk.client("carol")
    for page in ("", "casebook/", "records/"):
        said = words_of(client.get(f"/p/P-1/{page}"))
        assert "include.adult" not in said, page
        assert "Include.adult" not in said, page
        assert "intranasal" in said, page
    desk.do("carol", "record", participant="P-1", visit="admission", form="urine", answers={"cocaine": "positive"})
    desk.do("mona", "query", participant="P-1", visit="admission", form="urine", item="cocaine", text="Which sample?")
    for page in ("/today/", "/p/P-1/", "/p/P-1/casebook/", "/queries/"):
        assert "Admission, urine, cocaine" in words_of(client.get(page)), page
