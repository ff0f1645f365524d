"""What was recorded, as ODM 1.3.2 or 2.0: subject by subject, with its audit records and signatures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from equipoise.exchange.odm.study import (
    OdmAudit,
    OdmEventData,
    OdmForm,
    OdmFormData,
    OdmGroupData,
    OdmSignature,
    OdmStudy,
    OdmSubject,
    OdmValue,
)
from equipoise.exchange.odm.write_study import REASONS_LIST
from equipoise.exchange.odm.xml_text import XmlText


def write_data(
    out: XmlText,
    version: str,
    study: OdmStudy,
    subjects: Iterable[OdmSubject],
    reasons: Mapping[str, str],
    told: Callable[[OdmSubject], None] = lambda subject: None,
) -> int:
    """The element ClinicalData; how many values it holds. ``told`` is called after each subject."""
    writer = DataWriter(out, version, {form.id: form for form in study.forms}, reasons)
    out.start("ClinicalData", StudyOID=study.oid, MetaDataVersionOID=study.version)
    for subject in subjects:
        writer.subject(subject)
        told(subject)
    out.end()
    return writer.n_values


class DataWriter:
    """Writes subjects of one version."""

    def __init__(self, out: XmlText, version: str, forms: Mapping[str, OdmForm], reasons: Mapping[str, str]) -> None:
        self.out, self.forms, self.reasons = out, forms, reasons
        self.is_two = version == "2.0"
        self.n_values = 0

    def subject(self, subject: OdmSubject) -> None:
        """One participant."""
        self.out.start("SubjectData", SubjectKey=subject.key, TransactionType=subject.change)
        if not self.is_two:
            self.stamps(None, subject.signature)
        if subject.location:
            self.out.empty("SiteRef", LocationOID=subject.location)
        for event in subject.events:
            self.event(event)
        if self.is_two:
            self.stamps(None, subject.signature)
        self.out.end()

    def event(self, event: OdmEventData) -> None:
        """One event."""
        about = {"StudyEventOID": event.event, "StudyEventRepeatKey": event.repeat, "TransactionType": event.change}
        if not event.forms and event.audit is None:
            self.out.empty("StudyEventData", **about)
            return
        self.out.start("StudyEventData", **about)
        if not self.is_two:
            self.stamps(event.audit, None)
        for form in event.forms:
            self.form(form)
        if self.is_two:
            self.stamps(event.audit, None)
        self.out.end()

    def form(self, form: OdmFormData) -> None:
        """One filling: a form in version 1.3.2, a group of the type Form in 2.0."""
        oid, inner = self.forms[form.form].oid, self.forms[form.form].group_oid
        name, key = ("ItemGroupData", "ItemGroup") if self.is_two else ("FormData", "Form")
        self.out.start(name, **{f"{key}OID": oid, f"{key}RepeatKey": form.repeat, "TransactionType": form.change})
        if not self.is_two:
            self.stamps(form.audit, form.signature)
        for group in form.groups:
            self.group(group, inner, form.change)
        if self.is_two:
            if not form.groups:  # the schema asks for a group inside
                self.out.empty("ItemGroupData", ItemGroupOID=inner, TransactionType=form.change)
            self.stamps(form.audit, form.signature)
        self.out.end()

    def group(self, group: OdmGroupData, oid: str, change: str) -> None:
        """One instance of a group."""
        about = {"ItemGroupOID": oid, "ItemGroupRepeatKey": group.repeat, "TransactionType": change}
        if not group.values:
            self.out.empty("ItemGroupData", **about)
            return
        self.out.start("ItemGroupData", **about)
        for value in group.values:
            self.value(value)
        self.out.end()

    def value(self, value: OdmValue) -> None:
        """One value; one that is absent says so and, where it is known, why."""
        self.n_values += 1
        out, there = self.out, value.value is not None
        about = {"ItemOID": value.item, "TransactionType": value.change}
        text = value.value or ""
        if self.is_two:
            out.start("ItemData", **about, IsNull=None if there else "Yes")
            if there:
                out.text("Value", text, {"SeqNum": "1"})
        elif there and value.audit is None:
            out.valued("ItemData", text, dict(about))
            return
        elif not there and value.audit is None and not value.reason:
            out.empty("ItemData", **about, IsNull="Yes")
            return
        elif there:
            out.start("ItemData", **about, Value=text)
        else:
            out.start("ItemData", **about, IsNull="Yes")
        self.stamps(value.audit, None)
        if value.reason:
            self.why_absent(value.reason)
        out.end()

    def why_absent(self, reason: str) -> None:
        """The reason why there is no value, as a flag of the list of reasons."""
        self.out.start("Annotation", SeqNum="1")
        self.out.start("Flag")
        self.out.text("FlagValue", reason, {"CodeListOID": REASONS_LIST})
        self.out.end()
        self.out.end()

    def stamps(self, audit: OdmAudit | None, signature: OdmSignature | None) -> None:
        """Audit record and signature."""
        out = self.out
        if audit is not None:
            out.start("AuditRecord")
            out.empty("UserRef", UserOID=audit.user)
            out.empty("LocationRef", LocationOID=audit.location)
            out.text("DateTimeStamp", audit.at)
            if audit.why:
                out.text("ReasonForChange", audit.why)
            if audit.source:
                out.text("SourceID", audit.source)
            out.end()
        if signature is not None:
            out.start("Signature", ID=signature.id)
            out.empty("UserRef", UserOID=signature.user)
            out.empty("LocationRef", LocationOID=signature.location)
            out.empty("SignatureRef", SignatureOID=signature.meaning)
            out.text("DateTimeStamp", signature.at)
            out.end()
