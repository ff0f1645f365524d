"""The SPIRIT 2025 checklist: each of its 34 items with the section that answers it, or "for you to write".

The wording of the items is ours, shortened; the statement's own is in Chan and others (2025) BMJ 389:e081477. An item
counts as answered only if the section has content that is not a place for people to fill in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from equipoise.reporting.document import Column, Row, Table
from equipoise.reporting.protocol_document.draft import MARK, ProtocolDraft

Condition = Callable[[ProtocolDraft], bool]
TITLE_PAGE = "Title page"  # what stands before the contents, on the first page


@dataclass(frozen=True, slots=True)
class SpiritItem:
    """One item: its number, its topic in our words, the sections that may answer it, and what the file must hold."""

    number: str
    topic: str
    sections: tuple[str, ...]
    holds: Condition


def _never(_: ProtocolDraft) -> bool:
    return False


def _always(_: ProtocolDraft) -> bool:
    return True


def _said(name: str) -> Condition:
    return lambda draft: bool(draft.statement(name))


def _known(name: str) -> Condition:
    return lambda draft: bool(getattr(draft.model.trial, name).is_known)


def _randomized(name: str) -> Condition:
    def holds(draft: ProtocolDraft) -> bool:
        plan = draft.model.randomization
        return plan is not None and getattr(plan, name).usable is not None

    return holds


def _title(draft: ProtocolDraft) -> bool:
    return "random" in draft.model.trial.title.lower() and "protocol" in draft.model.trial.title.lower()


def _criteria(draft: ProtocolDraft) -> bool:
    found = draft.model.eligibility
    return bool(found.include) and found.exclude is not None


def _analyses(draft: ProtocolDraft) -> bool:
    return bool(draft.model.analyses)


def _missing(draft: ProtocolDraft) -> bool:
    from equipoise.reporting.protocol_document.plan_words import missing_words

    return any(missing_words(draft, name) for name in draft.model.analyses)


def _additional(draft: ProtocolDraft) -> bool:
    return any(line.level in ("sensitivity", "supportive", "exploratory") for line in draft.model.analyses.values())


def _masked(draft: ProtocolDraft) -> bool:
    return bool(draft.model.trial.masking.is_known)


def _modified(draft: ProtocolDraft) -> bool:
    drugs = (entry for entry in draft.model.interventions.values() if getattr(entry, "titration", None))
    return bool(draft.model.conduct.infusing.stop) or any(drugs)


def _adherence(draft: ProtocolDraft) -> bool:
    return any(entry.tidier.fidelity_planned.is_known for entry in draft.model.interventions.values())


def _instruments(draft: ProtocolDraft) -> bool:
    return bool(draft.model.assessments)


ITEMS: tuple[tuple[str, tuple[SpiritItem, ...]], ...] = (
    (
        "Administrative information",
        (
            SpiritItem(
                "1a",
                "Title names design, population and interventions, and says that this is a protocol",
                (TITLE_PAGE,),
                _title,
            ),
            SpiritItem(
                "1b", "Structured summary, with the items of the WHO registration data set", ("1.1.1", "1.1.2"), _never
            ),
            SpiritItem("2", "Version, with its date", (TITLE_PAGE, "12.5"), _never),
            SpiritItem("3a", "Names, affiliations and roles of those who contributed", ("11.2.1",), _never),
            SpiritItem("3b", "Name and contact of the sponsor", (TITLE_PAGE,), _never),
            SpiritItem(
                "3c", "Part of sponsor and funders in design, conduct, analysis and report", ("11.2.2",), _never
            ),
            SpiritItem("3d", "Committees and others who oversee the trial", ("11.4",), _never),
        ),
    ),
    (
        "Open science",
        (
            SpiritItem("4", "Registry, number, date of registration", ("11.12", TITLE_PAGE), _known("registration")),
            SpiritItem("5", "Where protocol and analysis plan can be read", ("11.12",), _said("protocol_access")),
            SpiritItem("6", "Sharing of data, code and materials", ("11.12",), _said("data_sharing")),
            SpiritItem("7a", "Funding and other support", ("11.12",), _said("funding")),
            SpiritItem("7b", "Interests of the investigators", ("11.12",), _said("conflicts")),
            SpiritItem("8", "How results reach participants, professionals and the public", ("11.12",), _never),
        ),
    ),
    (
        "Introduction",
        (
            SpiritItem("9a", "Background and reason for the trial", ("2.1",), _said("rationale")),
            SpiritItem("9b", "Reason for the comparator", ("4.2.3",), _never),
            SpiritItem(
                "10", "Objectives, for benefits and harms", ("3.1", "3.2"), lambda d: bool(d.estimands_at("primary"))
            ),
        ),
    ),
    (
        "Methods: involvement and design",
        (
            SpiritItem("11", "Involvement of patients and the public", ("4.1.1",), _said("involvement")),
            SpiritItem("12", "Type of trial, allocation ratio, framework", ("4.1", "1.2"), _always),
        ),
    ),
    (
        "Methods: participants, interventions, outcomes",
        (
            SpiritItem("13", "Settings and places", ("4.1",), _known("setting")),
            SpiritItem("14a", "Criteria for participants", ("5.2", "5.3"), _criteria),
            SpiritItem("14b", "Criteria for sites and for those who deliver the interventions", ("6.3",), _never),
            SpiritItem(
                "15a", "Interventions and comparator, in enough detail to repeat them", ("6", "6.1", "6.3"), _always
            ),
            SpiritItem("15b", "When an intervention is stopped or changed", ("6.4", "7.1"), _modified),
            SpiritItem("15c", "How adherence is improved and monitored", ("6.8",), _adherence),
            SpiritItem("15d", "Other care that is permitted or prohibited", ("6.10",), _said("concomitant_care")),
            SpiritItem(
                "16",
                "Outcomes: variable, measure, aggregation, time",
                ("3.1", "3.2", "8.3"),
                lambda d: bool(d.model.estimands),
            ),
            SpiritItem("17", "How harms are defined and assessed", ("9.1.1", "9.2.2"), _never),
            SpiritItem("18", "Timeline of enrolment, interventions and assessments, as a figure", ("1.3",), _always),
            SpiritItem(
                "19",
                "Number of participants, and how it was determined",
                ("10.11",),
                lambda d: bool(d.statement("sample_size") or d.power),
            ),
            SpiritItem("20", "How enough participants are recruited", ("5.6",), _never),
        ),
    ),
    (
        "Methods: allocation and blinding",
        (
            SpiritItem(
                "21a",
                "Who draws the sequence, and by which method",
                ("6.7.2",),
                lambda d: d.audience == "committee" and _randomized("scheme")(d),
            ),
            SpiritItem(
                "21b", "Type of randomization, and factors of stratification", ("6.7.2",), _randomized("strata")
            ),
            SpiritItem("22", "How allocation is concealed", ("6.7.1",), _randomized("concealment")),
            SpiritItem("23", "Whether those who enrol or allocate can see the sequence", ("6.7.1",), _never),
            SpiritItem("24a", "Who is blinded", ("6.7.3",), _masked),
            SpiritItem("24b", "How blinding is achieved, and how alike the interventions are", ("6.7.3",), _never),
            SpiritItem("24c", "When and how a participant may be unblinded", ("6.7.4",), _never),
        ),
    ),
    (
        "Methods: data and analysis",
        (
            SpiritItem("25a", "How data are assessed and collected", ("1.3", "8.2", "8.3"), _instruments),
            SpiritItem("25b", "How participants are kept in the trial", ("7.3",), _never),
            SpiritItem("26", "Entry, coding, security and storage of data", ("11.7",), _never),
            SpiritItem(
                "27a", "Statistical methods for each outcome, and for harms", ("10.4", "10.5", "10.7"), _analyses
            ),
            SpiritItem("27b", "Who is in each analysis", ("10.2",), _analyses),
            SpiritItem("27c", "How missing data are handled", ("10.4", "10.5"), _missing),
            SpiritItem("27d", "Additional analyses", ("10.4", "10.6", "10.8"), _additional),
        ),
    ),
    (
        "Methods: monitoring",
        (
            SpiritItem("28a", "Data monitoring committee, or why there is none", ("11.4",), _never),
            SpiritItem("28b", "Interim analyses and rules for stopping", ("10.9", "4.3"), _said("interim")),
            SpiritItem("29", "Monitoring of the conduct of the trial", ("11.6",), _never),
        ),
    ),
    (
        "Ethics",
        (
            SpiritItem("30", "Approval by an ethics committee", ("11.1",), _never),
            SpiritItem("31", "How amendments are made known", ("12.3",), _never),
            SpiritItem("32a", "Who asks for consent, and how", ("11.3",), _never),
            SpiritItem("32b", "Consent for later use of data and samples", ("11.3",), _never),
            SpiritItem("33", "Confidentiality", ("11.8",), _never),
            SpiritItem("34", "Care after the trial, and compensation for harm", ("4.5", "11.5"), _never),
        ),
    ),
)


def checklist(draft: ProtocolDraft, present: Mapping[str, str]) -> Table:
    """The checklist; ``present`` has the id of the heading of each section that the document holds, by its number.

    With the pages of the PDF among the draft, each section is named with its page.
    """
    rows: list[Row] = []
    answered = total = 0
    for title, items in ITEMS:
        rows.append(Row((title,), "group"))
        for item in items:
            needless = _needless(draft, item.number)
            holds = not needless and item.holds(draft)
            answered += holds or bool(needless)
            total += 1
            where = ", ".join(_place(draft, number, present) for number in item.sections if number in present)
            rows.append(Row((item.number, item.topic, needless or (where if holds else f"{MARK} {where}"))))
    heads = "Section, page" if draft.pages else "Section"
    columns = (Column("Item"), Column("Topic", wide=True), Column(heads, wide=True))
    return Table(
        "SPIRIT 2025 checklist",
        columns,
        tuple(rows),
        f"{answered} of {total} items and parts are answered by the protocol file",
        (
            "Topics are summaries; the wording of each item is in the SPIRIT 2025 statement. Where an item is for you "
            "to write, the section named is the place for it; it may hold part of the answer.",
        ),
    )


def _needless(draft: ProtocolDraft, number: str) -> str:
    if draft.model.randomization is None and number in ("21a", "21b", "22", "23"):
        return "Not applicable: not randomized"
    if draft.model.trial.masking.value == () and number in ("24b", "24c"):
        return "Not applicable: open label"
    return ""


def _place(draft: ProtocolDraft, number: str, present: Mapping[str, str]) -> str:
    page = 1 if number == TITLE_PAGE and draft.pages else draft.pages.get(present[number])
    return f"{number}, p. {page}" if page is not None else number
