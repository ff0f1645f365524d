"""Dictionaries and data as they come: encodings, faults with row and column, labels, rows of one value."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.redcap.small_project import dictionary, field, imported, write

from equipoise.exchange.redcap.data import RECORD
from equipoise.exchange.redcap.dictionary import read_dictionary
from equipoise.exchange.redcap.project_files import ProjectFiles, read_project
from equipoise.foundation.errors import RecordsError


def codes(caught: pytest.ExceptionInfo[RecordsError]) -> list[tuple[str, int | None]]:
    return [(problem.code, problem.line) for problem in caught.value.problems]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_encodings_and_separators(tmp_path: Path, encoding: str, separator: str) -> None:
    path = dictionary(
        tmp_path, field("übel".replace("ü", "u"), label="Übel, groß"), encoding=encoding, separator=separator
    )
    fields, notes = read_dictionary(path)
    assert fields[1].label == "Übel, groß"
    assert [note.code for note in notes] == (["R300"] if encoding == "cp1252" else [])


def test_every_fault_of_a_dictionary_comes_at_once_with_its_line(tmp_path: Path) -> None:
    path = dictionary(
        tmp_path,
        field("Upper"),
        field("a", "radio", choices="1, x | 1, y"),
        field("a", "radio", choices=""),
        field("b", "slidder"),
        field("box", "checkbox", choices="-1, x | _1, y"),
        field("m1", "radio", choices="0, n | 1, y", matrix="g"),
        field("m2", "radio", choices="1, n | 0, y", matrix="g"),
        field("c", form="g"),
        field("d", form="f"),
    )
    with pytest.raises(RecordsError) as caught:
        read_dictionary(path)
    found = codes(caught)
    for one in [
        ("R303", 3),
        ("R305", 4),
        ("R303", 5),
        ("R305", 5),
        ("R302", 6),
        ("R305", 7),
        ("R306", 9),
        ("R304", 11),
    ]:
        assert one in found


def test_other_columns_are_named(tmp_path: Path) -> None:
    path = dictionary(tmp_path, field("a"))
    path.write_text(path.read_text("utf-8").replace("Field Note", "Field Notes"), "utf-8")
    with pytest.raises(RecordsError) as caught:
        read_dictionary(path)
    assert codes(caught) == [("R301", 1)]
    assert "Field Note" in caught.value.problems[0].expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("id,a,zz\n1,2,3\n", [("R310", 1)]),
        ("a\n2\n", [("R318", 1)]),
        ("id,a\n1,2\n,3\n", [("R311", 3)]),
        ("id,a\n1,2\n1,3\n", [("R314", 2), ("R314", 3)]),
        ("id,a\n1,2,4\n", [("R017", 2)]),
        ("id,redcap_repeat_instrument,redcap_repeat_instance,a\n1,f,0.5,2\n", [("R313", 2)]),
        ("id,redcap_repeat_instrument,redcap_repeat_instance,a\n1,nof,1,2\n", [("R312", 2)]),
        ("id,box___1\n1,yes\n", [("R316", 2)]),
        ("id,redcap_event_name,a\n1,e,2\n", [("R318", 1)]),
    ],
)
def test_data_that_are_refused(tmp_path: Path, data: str, expected: list[tuple[str, int]]) -> None:
    with pytest.raises(RecordsError) as caught:
        imported(tmp_path, field("a"), field("box", "checkbox", choices="1, x"), data=data)
    assert [one for one in codes(caught) if one in expected] == expected


EVENTS = "event_name,arm_num,unique_event_name\nOne,1,one_arm_1\nTwo,1,two_arm_1\n"
MAPPING = "arm_num,unique_event_name,form\n1,one_arm_1,f\n1,two_arm_1,g\n"


def test_a_value_of_a_form_that_is_not_in_the_event_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordsError) as caught:
        imported(
            tmp_path,
            field("a"),
            field("b", form="g"),
            data="id,redcap_event_name,a,b\n1,one_arm_1,1,\n1,two_arm_1,1,2\n1,three_arm_1,,\n",
            events=EVENTS,
            event_instruments=MAPPING,
        )
    assert sorted(codes(caught)) == [("R312", 3), ("R312", 4)]


def test_an_instance_of_a_form_that_does_not_repeat_there_is_refused(tmp_path: Path) -> None:
    repeating = "event_name,form_name,custom_repeat_instrument_label\ntwo_arm_1,g,\n"
    data = (
        "id,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,a,b\n"
        "1,two_arm_1,g,1,,2\n1,one_arm_1,g,1,,2\n1,one_arm_1,f,1,2,\n1,two_arm_1,,,,3\n"
    )
    with pytest.raises(RecordsError) as caught:
        imported(
            tmp_path,
            field("a"),
            field("b", form="g"),
            data=data,
            events=EVENTS,
            event_instruments=MAPPING,
            repeating=repeating,
        )
    assert set(codes(caught)) == {("R312", 3), ("R312", 4), ("R312", 5)}


def test_a_file_of_headings_alone_is_data_without_rows(tmp_path: Path) -> None:
    got = imported(tmp_path, field("a", "calc", choices="1+1"), field("b", branching="[a] = 2"), data="id,a,b\n")
    assert got.data is not None
    assert got.data.frame.height == 0
    assert got.records is None


def test_values_of_a_repeating_event_are_its_own(tmp_path: Path) -> None:
    got = imported(
        tmp_path,
        field("a", validation="integer"),
        field("b", "calc", choices="[a]*2"),
        field("c", "calc", choices="[a][previous-instance]"),
        data="id,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,a,b,c\n"
        "1,one_arm_1,,1,3,6,\n1,one_arm_1,,2,4,8,3\n",
        events=EVENTS,
        event_instruments="arm_num,unique_event_name,form\n1,one_arm_1,f\n",
        repeating="event_name,form_name,custom_repeat_instrument_label\none_arm_1,,\n",
    )
    assert [one for one in got.findings if one.code == "R353"] == []


def test_labels_are_read_back_and_refused_where_they_stand_for_two_codes(tmp_path: Path) -> None:
    sex = field("sex", "radio", choices="1, Female | 2, Male")
    box = field("box", "checkbox", choices="1, Yes | -1, None")
    head = "id,sex,box (choice=Yes),box (choice=None),Complete?\n"
    got = imported(tmp_path, sex, box, data=f"{head}1,Male,Checked,Unchecked,Complete\n")
    assert got.data is not None
    assert got.data.as_labels
    row = got.data.frame.row(0, named=True)
    assert [row[name] for name in ("sex", "box___1", "box____1", "f_complete")] == ["2", "1", "0", "2"]
    twice = field("sex", "radio", choices="1, Same | 2, Same | 3, Other")
    with pytest.raises(RecordsError) as caught:
        imported(tmp_path, twice, box, data=f"{head}1,Same,Checked,Unchecked,Complete\n")
    assert caught.value.problems[0].code == "R315"


def test_headings_of_labels_that_leave_a_choice_are_refused(tmp_path: Path) -> None:
    fields = (field("a", label="Value"), field("b", label="Value"))
    with pytest.raises(RecordsError) as caught:
        imported(tmp_path, *fields, data="id,Value\n1,2\n")
    assert codes(caught) == [("R315", 1)]


def test_rows_of_one_value_are_the_same_data(tmp_path: Path) -> None:
    fields = (field("a"), field("box", "checkbox", choices="1, x | 2, y"))
    long = "record,field_name,value\n1,a,5\n1,box,2\n2,a,6\n"
    data = imported(tmp_path, *fields, data=long).data
    assert data is not None
    assert data.frame.select(RECORD, "a", "box___1", "box___2").rows() == [("1", "5", "0", "1"), ("2", "6", None, None)]


def test_an_entity_in_xml_is_refused_unread(tmp_path: Path) -> None:
    xml = write(tmp_path, "p.xml", '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><ODM/>')
    with pytest.raises(RecordsError) as caught:
        read_project(ProjectFiles(dictionary(tmp_path), xml=xml))
    assert codes(caught) == [("R322", None)]


def test_events_come_from_the_xml_of_a_project(tmp_path: Path) -> None:
    xml = write(
        tmp_path,
        "p.xml",
        '<ODM xmlns="http://www.cdisc.org/ns/odm/v1.3" xmlns:redcap="https://projectredcap.org"><Study><GlobalVariables>'
        "<StudyName>Small</StudyName><redcap:MissingDataCodes>-9, None</redcap:MissingDataCodes>"
        '<redcap:RepeatingInstrument redcap:UniqueEventName="b_arm_2" redcap:RepeatInstrument="f"/>'
        '</GlobalVariables><MetaDataVersion><StudyEventDef OID="Event.b_arm_2" Name="B" redcap:EventName="B" '
        'redcap:UniqueEventName="b_arm_2" redcap:ArmNum="2" redcap:ArmName="Drug"><FormRef FormOID="Form.f" '
        'redcap:FormName="f"/></StudyEventDef></MetaDataVersion></Study></ODM>',
    )
    project, _ = read_project(ProjectFiles(dictionary(tmp_path), xml=xml))
    assert project.title == "Small"
    assert project.missing == {"-9"}
    assert project.arms == (("2", "Drug"),)
    assert project.mapping == (("b_arm_2", "f"),)
    assert project.repeats_at("b_arm_2", "f")
