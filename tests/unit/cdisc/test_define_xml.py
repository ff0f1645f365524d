"""Define-XML: valid by CDISC's schema, by ODM's, and by rules of our own that no schema has."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from equipoise.exchange.cdisc.datasets import CdiscDataset
from equipoise.exchange.cdisc.define_xml import define_xml
from equipoise.exchange.cdisc.export import head_of
from equipoise.exchange.cdisc.sdtm import make_sdtm

from .studies import FLAGSHIP, SHARED, simulated, study_of

etree = pytest.importorskip("lxml.etree", reason="lxml comes with python-docx")
ODM, DEF = "{http://www.cdisc.org/ns/odm/v1.3}", "{http://www.cdisc.org/ns/def/v2.1}"
ORDER = [
    f"{DEF}Standards",
    f"{DEF}ValueListDef",
    f"{DEF}WhereClauseDef",
    f"{ODM}ItemGroupDef",
    f"{ODM}ItemDef",
    f"{ODM}CodeList",
    f"{ODM}MethodDef",
    f"{DEF}CommentDef",
]
REFERENCES = {
    "ItemOID": f"{ODM}ItemDef",
    f"{DEF}ItemOID": f"{ODM}ItemDef",
    "CodeListOID": f"{ODM}CodeList",
    "MethodOID": f"{ODM}MethodDef",
    "ValueListOID": f"{DEF}ValueListDef",
    "WhereClauseOID": f"{DEF}WhereClauseDef",
    f"{DEF}CommentOID": f"{DEF}CommentDef",
    f"{DEF}StandardOID": f"{DEF}Standard",
}


def made(name: str = FLAGSHIP) -> tuple[list[CdiscDataset], str]:
    protocol, records = simulated(name)
    study = study_of(protocol, records, dated=True)
    datasets = make_sdtm(study)
    head = head_of(study.id, protocol, records, "SDTMIG", "3.4")
    return datasets, define_xml(datasets, head, ending=".xpt", purpose="Tabulation")


def faults(root: Any, datasets: list[CdiscDataset]) -> list[str]:
    """What is wrong by rules that a schema cannot have."""
    found = []
    version = root.find(f"{ODM}Study/{ODM}MetaDataVersion")
    places = [ORDER.index(child.tag) for child in version]
    if places != sorted(places):
        found.append("order of definitions")
    known: dict[str, set[str]] = {}
    for element in root.iter():
        oid = element.get("OID")
        if oid is not None:
            if oid in known.setdefault(element.tag, set()):
                found.append(f"{oid} twice")
            known[element.tag].add(oid)
    used: dict[str, set[str]] = {}
    for element in root.iter():
        for attribute, tag in REFERENCES.items():
            oid = element.get(attribute)
            if oid is not None:
                used.setdefault(tag, set()).add(oid)
                if oid not in known.get(tag, set()):
                    found.append(f"{oid} finds nothing")
    for tag in set(REFERENCES.values()):
        found += [f"{oid} is not used" for oid in sorted(known.get(tag, set()) - used.get(tag, set()))]
    groups = {g.get("Name"): g for g in version.findall(f"{ODM}ItemGroupDef")}
    if list(groups) != [d.name for d in datasets]:
        found.append("datasets")
    items = {i.get("OID"): i for i in version.findall(f"{ODM}ItemDef")}
    lists = {c.get("OID"): c for c in version.findall(f"{ODM}CodeList")}
    for dataset in datasets:
        refs = groups[dataset.name].findall(f"{ODM}ItemRef")
        names = [items[r.get("ItemOID")].get("Name") for r in refs]
        if names != dataset.frame.columns:
            found.append(f"variables of {dataset.name}")
        keys = {int(r.get("KeySequence")): n for r, n in zip(refs, names, strict=True) if r.get("KeySequence")}
        if tuple(keys[k] for k in sorted(keys)) != dataset.keys:
            found.append(f"keys of {dataset.name}")
        for ref, name in zip(refs, names, strict=True):
            item, series = items[ref.get("ItemOID")], dataset.frame[name]
            codes = item.find(f"{ODM}CodeListRef")
            if codes is not None:
                values = {c.get("CodedValue") for c in lists[codes.get("CodeListOID")] if c.get("CodedValue")}
                if not set(series.drop_nulls().to_list()) <= values:
                    found.append(f"terms of {dataset.name}.{name}")
            if item.get("DataType") == "text" and (series.str.len_bytes().max() or 1) > int(item.get("Length")):
                found.append(f"length of {dataset.name}.{name}")
            if (series.null_count() == series.len()) != (ref.get(f"{DEF}HasNoData") == "Yes"):
                found.append(f"emptiness of {dataset.name}.{name}")
    return found


def test_everything_that_is_named_is_there_and_every_variable_and_term_is_described() -> None:
    datasets, text = made()
    root = etree.fromstring(text.encode())
    assert faults(root, datasets) == []
    assert len(root.findall(f".//{ODM}ItemDef")) > 250


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('ItemOID="IT.DM.SEX" OrderNumber', 'ItemOID="IT.DM.SEXES" OrderNumber'),
        ('CodeListOID="CL.DM.SEX"', 'CodeListOID="CL.DM.GENDER"'),
        ('CodedValue="F"', 'CodedValue="W"'),
        ('<def:CommentDef OID="COM.SE">', '<def:CommentDef OID="COM.DM.RFSTDTC">'),
    ],
)
def test_a_spoiled_file_is_found_out(old: str, new: str) -> None:
    datasets, text = made()
    assert old in text
    with suppress(KeyError):  # a variable without definition
        assert faults(etree.fromstring(text.replace(old, new, 1).encode()), datasets) != []


def test_it_is_valid_by_the_schema_of_define_xml() -> None:
    odmlib = pytest.importorskip("odmlib", reason="the schema of Define-XML comes with odmlib")
    schema = etree.XMLSchema(etree.parse(str(Path(odmlib.__file__).parent / "schemas/define/2.1/define2-1-0.xsd")))
    for name in (FLAGSHIP, "biopsychosocial-programme"):
        root = etree.fromstring(made(name)[1].encode())
        assert schema.validate(root), schema.error_log
        root.find(f".//{ODM}ItemDef").set("DataType", "number")
        assert not schema.validate(root)


@pytest.mark.skipif(not SHARED.exists(), reason="the folder of shared data is not beside this checkout")
def test_without_the_extension_it_is_valid_by_the_schema_of_odm() -> None:
    root = etree.fromstring(made()[1].encode())
    for element in list(root.iter()):
        for name in [a for a in element.attrib if a.startswith(DEF)]:
            del element.attrib[name]
        if element.tag.startswith(DEF):
            element.getparent().remove(element)
        elif element.tag == f"{ODM}ItemDef" and element.get("DataType") == "durationDatetime":
            element.set("DataType", "durationDatetime")
    schema = etree.XMLSchema(etree.parse(str(SHARED / "odm" / "1.3.2" / "ODM1-3-2.xsd")))
    assert schema.validate(root), list(schema.error_log)[:3]
