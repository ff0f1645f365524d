"""Define-XML 2.1: what the datasets hold, variable by variable, for people and programs who read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

import polars as pl

from equipoise.exchange.cdisc.dataset_json import FileHead, item_id, length_of
from equipoise.exchange.cdisc.datasets import CdiscDataset, DatasetVariable
from equipoise.exchange.cdisc.vocabulary import term_lists, terminology_version
from equipoise.foundation.printable import escaped
from equipoise.foundation.version import program_version

_NAMESPACES = (
    'xmlns="http://www.cdisc.org/ns/odm/v1.3" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'xmlns:def="http://www.cdisc.org/ns/def/v2.1"'
)
_TYPES = {"duration": "durationDatetime", "date": "partialDate", "datetime": "partialDatetime"}


@dataclass
class XmlLines:
    """Lines of XML, indented; attributes without a value are left out."""

    lines: list[str] = field(default_factory=list)
    depth: int = 0

    def element(self, name: str, text: str | None = None, **attributes: str | None) -> None:
        """An element without children."""
        said = _attributes(attributes)
        end = "/>" if text is None else f">{_escaped(text)}</{name}>"
        self.lines.append(f"{' ' * self.depth}<{name}{said}{end}")

    def open(self, name: str, **attributes: str | None) -> None:
        """Begin an element."""
        self.lines.append(f"{' ' * self.depth}<{name}{_attributes(attributes)}>")
        self.depth += 1

    def close(self, name: str) -> None:
        """End it."""
        self.depth -= 1
        self.lines.append(f"{' ' * self.depth}</{name}>")

    def description(self, text: str, name: str = "Description") -> None:
        """A text for people."""
        self.open(name)
        self.element("TranslatedText", text, **{"xml:lang": "en"})
        self.close(name)


def _escaped(text: str) -> str:
    return escaped(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _attributes(attributes: dict[str, str | None]) -> str:
    return "".join(f" {k}={quoteattr(escaped(v))}" for k, v in attributes.items() if v is not None)


def define_xml(datasets: Sequence[CdiscDataset], head: FileHead, *, ending: str, purpose: str) -> str:
    """The text of ``define.xml`` for datasets in files of this ending; purpose is Tabulation or Analysis."""
    out = XmlLines(['<?xml version="1.0" encoding="UTF-8"?>'])
    out.lines.append(
        f'<ODM {_NAMESPACES} ODMVersion="1.3.2" FileType="Snapshot" FileOID={quoteattr(f"{head.study}.define")} '
        f'CreationDateTime="{head.moment}" Originator={quoteattr(head.originator)} SourceSystem="equipoise" '
        f'SourceSystemVersion="{program_version()}" def:Context="Other">'
    )
    out.depth = 1
    out.open("Study", OID=head.study)
    out.open("GlobalVariables")
    out.element("StudyName", head.study)
    words = "SIMULATED DATA: nobody in it is real. " if head.is_simulated else ""
    out.element("StudyDescription", words + head.title)
    out.element("ProtocolName", head.study)
    out.close("GlobalVariables")
    name = f"{head.study}, {head.standard} {head.version}"
    out.open(
        "MetaDataVersion", OID=head.metadata, Name=name, Description=f"{words}{name}", **{"def:DefineVersion": "2.1.0"}
    )
    _standards(out, head, datasets)
    _value_lists(out, datasets)
    for dataset in datasets:
        _group(out, dataset, head, ending, purpose)
    for dataset in datasets:
        for variable in dataset.variables:
            _item(out, dataset, variable)
        _value_items(out, dataset)
    _code_lists(out, datasets)
    _methods(out, datasets)
    _comments(out, datasets)
    out.close("MetaDataVersion")
    out.close("Study")
    out.lines.append("</ODM>")
    return "\n".join(out.lines) + "\n"


def _standards(out: XmlLines, head: FileHead, datasets: Sequence[CdiscDataset]) -> None:
    out.open("def:Standards")
    out.element("def:Standard", OID="STD.IG", Name=head.standard, Type="IG", Version=head.version, Status="Final")
    if any(_is_standard(v) for d in datasets for v in d.variables):
        out.element(
            "def:Standard",
            OID="STD.CT",
            Name="CDISC/NCI",
            Type="CT",
            PublishingSet="SDTM",
            Version=terminology_version(),
            Status="Final",
        )
    out.close("def:Standards")


def _is_standard(variable: DatasetVariable) -> bool:
    return bool(variable.terms) and variable.codelist in term_lists()


def values_of(dataset: CdiscDataset) -> list[str]:
    """Of a dataset whose value depends on another variable, the values of that one: QNAM of QVAL, PARAMCD of AVAL."""
    if dataset.by_value is None:
        return []
    return sorted(dataset.frame[dataset.by_value[0]].drop_nulls().unique().to_list())


def _value_lists(out: XmlLines, datasets: Sequence[CdiscDataset]) -> None:
    some = [d for d in datasets if d.by_value is not None]
    for dataset in some:
        assert dataset.by_value is not None
        name = dataset.by_value[1]
        out.open("def:ValueListDef", OID=f"VL.{dataset.name}.{name}")
        for number, value in enumerate(values_of(dataset), start=1):
            out.open(
                "ItemRef", ItemOID=item_id(dataset.name, f"{name}.{value}"), OrderNumber=str(number), Mandatory="No"
            )
            out.element("def:WhereClauseRef", WhereClauseOID=f"WC.{dataset.name}.{value}")
            out.close("ItemRef")
        out.close("def:ValueListDef")
    for dataset in some:
        assert dataset.by_value is not None
        for value in values_of(dataset):
            out.open("def:WhereClauseDef", OID=f"WC.{dataset.name}.{value}")
            on = item_id(dataset.name, dataset.by_value[0])
            out.open("RangeCheck", Comparator="EQ", SoftHard="Soft", **{"def:ItemOID": on})
            out.element("CheckValue", value)
            out.close("RangeCheck")
            out.close("def:WhereClauseDef")


def _group(out: XmlLines, dataset: CdiscDataset, head: FileHead, ending: str, purpose: str) -> None:
    file = head.file(dataset.name, ending)
    domain = dataset.name.removeprefix("SUPP") if dataset.name.startswith("SUPP") else dataset.name
    out.open(
        "ItemGroupDef",
        OID=f"IG.{dataset.name}",
        Name=dataset.name,
        Repeating="No" if dataset.structure == "One record per subject" else "Yes",
        IsReferenceData="Yes" if dataset.is_reference else "No",
        SASDatasetName=dataset.name,
        Domain=domain if purpose == "Tabulation" else None,
        Purpose=purpose,
        **{
            "def:Structure": dataset.structure,
            "def:ArchiveLocationID": f"LF.{dataset.name}",
            "def:StandardOID": "STD.IG",
            "def:CommentOID": f"COM.{dataset.name}" if dataset.comment else None,
        },
    )
    out.description(dataset.label)
    for number, v in enumerate(dataset.variables, start=1):
        empty = dataset.frame[v.name].null_count() == dataset.frame.height
        out.element(
            "ItemRef",
            ItemOID=item_id(dataset.name, v.name),
            OrderNumber=str(number),
            Mandatory="Yes" if v.core == "Req" else "No",
            KeySequence=str(dataset.keys.index(v.name) + 1) if v.name in dataset.keys else None,
            MethodOID=f"MT.{dataset.name}.{v.name}" if v.method else None,
            Role=v.role or None,
            **{"def:HasNoData": "Yes" if empty else None},
        )
    out.element("def:Class", Name=dataset.kind)
    out.open("def:leaf", ID=f"LF.{dataset.name}", **{"xlink:href": file})
    out.element("def:title", file)
    out.close("def:leaf")
    out.close("ItemGroupDef")


def list_id(dataset: CdiscDataset, variable: DatasetVariable) -> str | None:
    """Identifier of the list of a variable's terms."""
    return f"CL.{dataset.name}.{variable.name}" if variable.terms else None


def _item(out: XmlLines, dataset: CdiscDataset, variable: DatasetVariable) -> None:
    series = dataset.frame[variable.name]
    length = length_of(variable, series)
    is_number = not variable.is_text
    digits = _digits(series) if is_number else None
    of_text = variable.type == "text"
    out.open(
        "ItemDef",
        OID=item_id(dataset.name, variable.name),
        Name=variable.name,
        DataType=_TYPES.get(variable.type, variable.type),
        Length=str(length) if of_text else str(digits[0]) if digits else None,
        SignificantDigits=str(digits[1]) if digits and variable.type == "float" else None,
        SASFieldName=variable.name,
        **{"def:CommentOID": f"COM.{dataset.name}.{variable.name}" if variable.comment else None},
    )
    out.description(variable.label)
    codes = list_id(dataset, variable)
    if codes:
        out.element("CodeListRef", CodeListOID=codes)
    _origin(out, variable)
    if dataset.by_value is not None and variable.name == dataset.by_value[1]:
        out.element("def:ValueListRef", ValueListOID=f"VL.{dataset.name}.{variable.name}")
    out.close("ItemDef")


def _origin(out: XmlLines, variable: DatasetVariable) -> None:
    source = None if variable.origin in ("Predecessor", "Not Available") else variable.source
    if variable.predecessor:
        out.open("def:Origin", Type="Predecessor")
        out.description(variable.predecessor)
        out.close("def:Origin")
    else:
        out.element("def:Origin", Type=variable.origin, Source=source)


def _digits(series: pl.Series) -> tuple[int, int]:
    """The longest number's characters, and the most decimals."""
    texts = [f"{value:.15g}" for value in series.drop_nulls().unique().to_list()]
    plain = [t for t in texts if "e" not in t]
    decimals = max((len(t.split(".")[1]) for t in plain if "." in t), default=0)
    return max((len(t) for t in texts), default=1), decimals


def _value_items(out: XmlLines, dataset: CdiscDataset) -> None:
    if dataset.by_value is None:
        return
    on, name = dataset.by_value
    variable = dataset.variable(name)
    assert variable is not None
    for value in values_of(dataset):
        rows = dataset.frame.filter(pl.col(on) == value)
        held = rows[name]
        length = length_of(variable, held)
        label = rows["QLABEL" if "QLABEL" in rows.columns else "PARAM"][0]
        digits = _digits(held) if not variable.is_text else None
        out.open(
            "ItemDef",
            OID=item_id(dataset.name, f"{name}.{value}"),
            Name=value,
            DataType="text" if variable.is_text else "float",
            Length=str(length) if length is not None else str(digits[0]) if digits else None,
            SignificantDigits=str(digits[1]) if digits else None,
        )
        out.description(str(label))
        out.element(
            "def:Origin",
            Type="Collected" if variable.is_text else "Derived",
            Source="Investigator" if variable.is_text else "Sponsor",
        )
        out.close("ItemDef")


def _code_lists(out: XmlLines, datasets: Sequence[CdiscDataset]) -> None:
    for dataset in datasets:
        for variable in dataset.variables:
            if not variable.terms:
                continue
            known = term_lists().get(variable.codelist)
            out.open(
                "CodeList",
                OID=list_id(dataset, variable),
                Name=f"{known.title if known else variable.label} ({dataset.name})",
                DataType="text",
                **({"def:StandardOID": "STD.CT"} if known else {"def:IsNonStandard": "Yes"}),
            )
            has_words = all(variable.terms.values())
            for number, (value, words) in enumerate(variable.terms.items(), start=1):
                code = known.terms.get(value, ("", ""))[0] if known else ""
                extended = "Yes" if known and value not in known.terms else None
                tag = "CodeListItem" if has_words else "EnumeratedItem"
                said = {"CodedValue": value, "OrderNumber": str(number), "def:ExtendedValue": extended}
                if not has_words and not code:
                    out.element(tag, **said)
                    continue
                out.open(tag, **said)
                if has_words:
                    out.description(words, "Decode")
                if code:
                    out.element("Alias", Context="nci:ExtCodeID", Name=code)
                out.close(tag)
            if known:
                out.element("Alias", Context="nci:ExtCodeID", Name=known.code)
            out.close("CodeList")


def _methods(out: XmlLines, datasets: Sequence[CdiscDataset]) -> None:
    for dataset in datasets:
        for variable in dataset.variables:
            if variable.method:
                words = f"Algorithm for {dataset.name}.{variable.name}"
                out.open("MethodDef", OID=f"MT.{dataset.name}.{variable.name}", Name=words, Type="Computation")
                out.description(variable.method)
                out.close("MethodDef")


def _comments(out: XmlLines, datasets: Sequence[CdiscDataset]) -> None:
    def comments() -> Iterable[tuple[str, str]]:
        for dataset in datasets:
            if dataset.comment:
                yield f"COM.{dataset.name}", dataset.comment
            for variable in dataset.variables:
                if variable.comment:
                    yield f"COM.{dataset.name}.{variable.name}", variable.comment

    for oid, text in comments():
        out.open("def:CommentDef", OID=oid)
        out.description(text)
        out.close("def:CommentDef")
