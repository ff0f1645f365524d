"""The metadata of a study as ODM 1.3.2 or 2.0, in the order of their schemas."""

from __future__ import annotations

from collections.abc import Mapping

from equipoise.exchange.odm.study import (
    BLINDING,
    NAMESPACES,
    OWN,
    UNIT,
    OdmCodes,
    OdmDesign,
    OdmForm,
    OdmHead,
    OdmItem,
    OdmPeople,
    OdmStudy,
)
from equipoise.exchange.odm.xml_text import XmlText

_YES = {True: "Yes", False: "No"}
REASONS_LIST = "CL.WHY-NO-VALUE"


def write_head(out: XmlText, version: str, head: OdmHead) -> None:
    """The root, left open."""
    out.start(
        "ODM",
        xmlns=NAMESPACES[version],
        ODMVersion=version,
        FileType="Transactional" if head.transactional else "Snapshot",
        Granularity="All" if head.has_data else "Metadata",
        FileOID=head.oid,
        CreationDateTime=head.created,
        AsOfDateTime=head.as_of,
        SourceSystem="equipoise",
        SourceSystemVersion=head.program_version,
    )


def write_study(out: XmlText, version: str, study: OdmStudy, reasons: Mapping[str, str]) -> None:
    """The element Study. ``reasons`` are the codes by which a value is absent, with what each means."""
    StudyWriter(out, version, study, reasons).write()


def write_people(out: XmlText, version: str, study: OdmStudy, people: OdmPeople) -> None:
    """The element AdminData; nothing where nobody is named."""
    if not (people.users or people.locations or people.meanings):
        return
    out.start("AdminData", StudyOID=study.oid)
    for oid, account, role in people.users:
        kind = "Investigator" if role == "investigator" else "Other"
        out.start("User", OID=oid, UserType=kind)
        name = f"{account} ({role})" if role else account
        out.text("LoginName" if version == "1.3.2" else "UserName", account)
        out.text("DisplayName" if version == "1.3.2" else "FullName", name)
        out.end()
    for oid, name, since in people.locations:
        kind_of = "LocationType" if version == "1.3.2" else "Role"
        out.start("Location", **{"OID": oid, "Name": name, kind_of: "Site"})
        out.empty("MetaDataVersionRef", StudyOID=study.oid, MetaDataVersionOID=study.version, EffectiveDate=since)
        out.end()
    for oid, meaning in people.meanings:
        out.start("SignatureDef", OID=oid, Methodology="Electronic")
        out.text("Meaning", meaning)
        out.text("LegalReason", f"signed as {meaning}, with the passphrase of the account")
        out.end()
    out.end()


class StudyWriter:
    """Writes the element Study of one version."""

    def __init__(self, out: XmlText, version: str, study: OdmStudy, reasons: Mapping[str, str]) -> None:
        self.out, self.study, self.reasons = out, study, reasons
        self.is_two = version == "2.0"
        self.unit_oid = {unit: f"MU.{k}" for k, unit in enumerate(study.units, 1)}
        self.by_id = {form.id: form for form in study.forms}

    def words(self, name: str, text: str) -> None:
        """An element with one text in English."""
        self.out.start(name)
        about: dict[str, str | None] = {"xml:lang": "en"}
        if self.is_two:
            about["Type"] = "text/plain"
        self.out.text("TranslatedText", text, about)
        self.out.end()

    def write(self) -> None:
        """The element from its beginning to its end."""
        out, study = self.out, self.study
        if self.is_two:
            out.start("Study", OID=study.oid, StudyName=study.title, ProtocolName=study.id)
            self.words("Description", study.words)
        else:
            out.start("Study", OID=study.oid)
            out.start("GlobalVariables")
            out.text("StudyName", study.title)
            out.text("StudyDescription", study.words)
            out.text("ProtocolName", study.id)
            out.end()
            self.units()
        out.start("MetaDataVersion", OID=study.version, Name=study.version_name)
        self.protocol()
        for event in study.events:
            self.event(event.oid)
        for form in study.forms:
            if not self.is_two:
                self.form_13(form)
        for form in study.forms:
            self.groups(form)
        for form in study.forms:
            for item in form.items:
                self.item(item)
        if self.is_two:
            for unit, oid in self.unit_oid.items():
                out.start("ItemDef", OID=f"IT.{oid}", Name=f"unit {unit}", DataType="text", Length=str(len(unit)))
                out.empty("CodeListRef", CodeListOID=f"CL.{oid}")
                out.end()
        self.code_lists()
        self.conditions()
        out.end()
        out.end()

    def units(self) -> None:
        """Units of measurement, which version 1.3.2 keeps beside the study."""
        if not self.unit_oid:
            return
        self.out.start("BasicDefinitions")
        for unit, oid in self.unit_oid.items():
            self.out.start("MeasurementUnit", OID=oid, Name=unit)
            self.words("Symbol", unit)
            self.out.end()
        self.out.end()

    def protocol(self) -> None:
        """The element Protocol: in 2.0 the design, in 1.3.2 the events."""
        out, design = self.out, self.study.design
        out.start("Protocol")
        if not self.is_two:
            for number, event in enumerate(self.study.events, 1):
                mandatory = _YES[event.kind == "Scheduled"]
                out.empty("StudyEventRef", StudyEventOID=event.oid, OrderNumber=str(number), Mandatory=mandatory)
            out.end()
            return
        self.design(design)
        if self.study.events:
            out.empty("StudyEventGroupRef", StudyEventGroupOID="SEG.ALL", OrderNumber="1", Mandatory="Yes")
        out.end()
        if self.study.events:
            out.start("StudyEventGroupDef", OID="SEG.ALL", Name="The schedule")
            for number, event in enumerate(self.study.events, 1):
                mandatory = _YES[event.kind == "Scheduled"]
                out.empty("StudyEventRef", StudyEventOID=event.oid, OrderNumber=str(number), Mandatory=mandatory)
            out.end()

    def design(self, design: OdmDesign) -> None:
        """Arms, epochs and criteria."""
        out = self.out
        if design.arms or design.epochs:
            out.start("StudyStructure")
            for oid, label in design.arms:
                out.empty("Arm", OID=oid, Name=label)
            for number, (oid, name, days) in enumerate(design.epochs, 1):
                out.start("Epoch", OID=oid, Name=name, SequenceNumber=str(number))
                self.words("Description", days)
                out.end()
            out.end()
        if design.inclusion or design.exclusion:
            out.start("InclusionExclusionCriteria")
            kinds = (("InclusionCriteria", design.inclusion), ("ExclusionCriteria", design.exclusion))
            for kind, entries in kinds:
                if not entries:
                    continue
                out.start(kind)
                for oid, name, text in entries:
                    out.start("Criterion", OID=oid, Name=name, ConditionOID=f"COND.{oid}")
                    self.words("Description", text)
                    out.end()
                out.end()
            out.end()

    def event(self, oid: str) -> None:
        """One event and its forms."""
        out = self.out
        event = next(one for one in self.study.events if one.oid == oid)
        out.start("StudyEventDef", OID=oid, Name=event.name, Repeating=_YES[event.repeats], Type=event.kind)
        if event.words:
            self.words("Description", event.words)
        for number, id in enumerate(event.forms, 1):
            form = self.by_id[id]
            order, mandatory = str(number), _YES[event.kind == "Scheduled"]
            if self.is_two:
                out.empty("ItemGroupRef", ItemGroupOID=form.oid, OrderNumber=order, Mandatory=mandatory)
            else:
                out.empty("FormRef", FormOID=form.oid, OrderNumber=order, Mandatory=mandatory)
        out.end()

    def form_13(self, form: OdmForm) -> None:
        """A form of version 1.3.2."""
        self.out.start("FormDef", OID=form.oid, Name=form.name, Repeating=_YES[form.repeats == "form"])
        self.out.empty("ItemGroupRef", ItemGroupOID=form.group_oid, OrderNumber="1", Mandatory="Yes")
        self.out.end()

    def groups(self, form: OdmForm) -> None:
        """The group of a form; in version 2.0 the form is a group that holds it."""
        out = self.out
        if self.is_two:
            kind = "Simple" if form.repeats == "form" else "No"
            out.start("ItemGroupDef", OID=form.oid, Name=form.name, Repeating=kind, Type="Form")
            out.empty("ItemGroupRef", ItemGroupOID=form.group_oid, OrderNumber="1", Mandatory="Yes")
            out.end()
            kind = "Simple" if form.repeats == "group" else "No"
            out.start("ItemGroupDef", OID=form.group_oid, Name=form.name, Repeating=kind, Type="Section")
        else:
            out.start("ItemGroupDef", OID=form.group_oid, Name=form.name, Repeating=_YES[form.repeats == "group"])
        for number, item in enumerate(form.items, 1):
            about: dict[str, str | None] = {"ItemOID": item.oid}
            if self.is_two and item.unit:
                about["UnitsItemOID"] = f"IT.{self.unit_oid[item.unit]}"
            about |= {"OrderNumber": str(number), "Mandatory": _YES[item.required]}
            out.empty("ItemRef", **about, CollectionExceptionConditionOID=item.condition)
        if self.is_two:
            for unit in dict.fromkeys(item.unit for item in form.items if item.unit):
                oid = f"IT.{self.unit_oid[unit]}"
                out.empty("ItemRef", ItemOID=oid, PreSpecifiedValue=unit, Mandatory="No")
        self.aliases("", form.blinding, "")
        out.end()

    def aliases(self, cell: str, blinding: str, unit: str) -> None:
        """What the definition is to equipoise: its cell, its blinding class where it is not open, its unit."""
        if unit:
            self.out.empty("Alias", Context=UNIT, Name=unit)
        if cell:
            self.out.empty("Alias", Context=OWN, Name=cell)
        if blinding != "open":
            self.out.empty("Alias", Context=BLINDING, Name=blinding)

    def item(self, item: OdmItem) -> None:
        """One item."""
        out = self.out
        length = None if item.length is None else str(item.length)
        out.start("ItemDef", OID=item.oid, Name=item.name, DataType=item.type, Length=length)
        self.words("Question", item.label or item.name)
        if item.unit and not self.is_two:
            out.empty("MeasurementUnitRef", MeasurementUnitOID=self.unit_oid[item.unit])
        bounds = ((item.lowest, "GE", "Hard"), (item.highest, "LE", "Hard"))
        usual = ((item.usual[0], "GE", "Soft"), (item.usual[1], "LE", "Soft"))
        for value, sign, weight in (*bounds, *usual):
            if value is not None:
                out.start("RangeCheck", Comparator=sign, SoftHard=weight)
                out.text("CheckValue", value)
                out.end()
        if item.codes:
            out.empty("CodeListRef", CodeListOID=item.codes)
        self.aliases(item.cell, item.blinding, item.unit if self.is_two else "")
        out.end()

    def code_lists(self) -> None:
        """Code lists of items and, where a value can be absent for a reason, that of the reasons."""
        for codes in self.study.codes:
            self.code_list(codes)
        if self.is_two:
            for unit, oid in self.unit_oid.items():
                self.code_list(OdmCodes(f"CL.{oid}", f"unit {unit}", "text", ((unit, unit),)))
        if self.reasons:
            name = "Why there is no value"
            self.code_list(OdmCodes(REASONS_LIST, name, "text", tuple(self.reasons.items())))

    def code_list(self, codes: OdmCodes) -> None:
        """One code list."""
        out = self.out
        out.start("CodeList", OID=codes.oid, Name=codes.name, DataType=codes.type)
        for number, (code, label) in enumerate(codes.pairs, 1):
            out.start("CodeListItem", CodedValue=code, OrderNumber=str(number))
            self.words("Decode", label)
            out.end()
        out.end()

    def conditions(self) -> None:
        """Conditions of items, and in version 2.0 those that criteria point to."""
        entries = [(c.oid, c.words, c.expression) for c in self.study.conditions]
        if self.is_two:
            design = self.study.design
            entries += [(f"COND.{oid}", text, "") for oid, _, text in (*design.inclusion, *design.exclusion)]
        for oid, text, expression in entries:
            self.out.start("ConditionDef", OID=oid, Name=oid.removeprefix("COND."))
            self.words("Description", text)
            if self.is_two:
                self.out.empty("MethodSignature")
            if expression and self.is_two:
                self.out.start("FormalExpression", Context=OWN)
                self.out.text("Code", expression)
                self.out.end()
            elif expression:
                self.out.text("FormalExpression", expression, {"Context": OWN})
            self.out.end()
