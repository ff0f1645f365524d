"""Statistical considerations: section 10, the analysis plan in words."""

from __future__ import annotations

from collections.abc import Sequence

from equipoise.protocol.vocabulary.scales import scale_label
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.document import (
    Block,
    Bullets,
    Column,
    DefinitionList,
    Figure,
    Heading,
    Paragraph,
    Row,
    Table,
    Text,
    strong,
)
from equipoise.reporting.figures.hypotheses import HypothesisBox, draw_hypotheses
from equipoise.reporting.multiplicity import level_words, procedure_words
from equipoise.reporting.protocol_document.compare import stated_text
from equipoise.reporting.protocol_document.draft import ProtocolDraft, Writer, for_you, name_words
from equipoise.reporting.protocol_document.plan_words import (
    line_label,
    method_words,
    missing_words,
    short_label,
    varied_words,
)


def _general(draft: ProtocolDraft) -> Sequence[Block | None]:
    levels = sorted({line.ci_level for line in draft.model.analyses.values()})
    said = fmt.joined([f"{100 * level:g}%" for level in levels]) or "95%"
    blocks: list[Block] = []
    if draft.model.analyses:
        blocks.append(
            Paragraph(
                f"Confidence intervals are at {said}. The analyses below are read from the protocol file and "
                "carried out by equipoise; an effect that the data do not determine is reported as not estimable."
            )
        )
    blocks.append(for_you("who analyses, who is blinded while doing so, and where the full plan is kept"))
    return blocks


def _sets(draft: ProtocolDraft) -> Sequence[Block | None]:
    everybody = "All randomized participants" if draft.model.randomization else "All participants"
    rows = [Row((everybody, "Everybody, by the arm of the allocation; used unless an analysis names another set"))]
    for id, entry in draft.model.analysis_sets.items():
        rows.append(Row((words.capitalized(id.replace("-", " ")), words.capitalized(entry.words) + draft.cited(entry))))
    return [Table("Analysis sets", (Column("Set"), Column("Who is in it", wide=True)), tuple(rows))]


def _baseline(draft: ProtocolDraft) -> Sequence[Block | None]:
    names = [words.lowered(variable.label or id.replace("-", " ")) for id, variable in draft.model.baseline.items()]
    if not names:
        return []
    return [
        Paragraph(
            f"By arm, without tests: {fmt.joined(names)}. Numbers as mean with standard deviation and median with "
            "quartiles, categories as counts with percentages."
        )
    ]


def _lines_of(draft: ProtocolDraft, estimand: str, *levels: str) -> list[str]:
    endpoint = draft.model.estimands[estimand].endpoint
    found = []
    for name, line in draft.model.analyses.items():
        of = draft.model.estimands[line.estimand]
        same = line.estimand == estimand or (of.endpoint == endpoint and line.estimand not in _leading(draft))
        if same and line.level in levels:
            found.append(name)
    return found


def _leading(draft: ProtocolDraft) -> set[str]:
    """Estimands that have a section of their own."""
    return set(draft.estimands_at("primary", "secondary", "exploratory"))


def _objective(level: str, number: str) -> Writer:
    def write(draft: ProtocolDraft) -> Sequence[Block | None]:
        blocks: list[Block] = []
        told: set[str] = set()
        for k, estimand in enumerate(draft.estimands_at(level), 1):
            label = draft.material.endpoint_label(draft.model.estimands[estimand].endpoint)
            blocks.append(Heading(f"{number}.{k} {words.LEVEL_WORDS[level]} objective {k}: {words.lowered(label)}", 3))
            blocks.append(DefinitionList(tuple(_of_objective(draft, estimand, level, told))))
        return blocks

    return write


def _of_objective(draft: ProtocolDraft, estimand: str, level: str, told: set[str]) -> list[tuple[str, Text]]:
    """Method, intercurrent events, missing data, sensitivity and supplementary analyses of one objective."""
    model = draft.model
    items: list[tuple[str, Text]] = []
    own = [name for name, line in model.analyses.items() if line.estimand == estimand and line.level == level]
    for name in own:
        line = model.analyses[name]
        told.add(name)
        standing = "pre-specified" if line.prespecified else "not marked as pre-specified"
        subset = model.analysis_sets.get(str(line.analysis_set))
        note = f" {words.capitalized(line.note.rstrip('.'))}." if line.note else ""
        whom = f" In {words.lowered(subset.words)}." if subset is not None else ""
        items.append(
            (
                "Statistical method" if len(own) == 1 else f"Method: {line_label(draft, name)}",
                f"{method_words(draft, name)}{whom} {words.capitalized(standing)}.{note}{draft.cited(line)}",
            )
        )
        if varied := varied_words(draft, name):
            items.append(("Choices", varied))
    scale = scale_label(model.estimands[estimand].summary.replace("-", "_")).removesuffix(", points")
    items.insert(0, ("Effect", words.capitalized(scale)))
    events = model.estimands[estimand].intercurrent
    if events:
        said = "; ".join(f"{e.replace('-', ' ')}: {words.STRATEGY_WORDS.get(s, s)}" for e, s in events.items())
        items.append(("Intercurrent events", f"{words.capitalized(said)}."))
    missing = [text for name in own if (text := missing_words(draft, name))]
    if missing:
        items.append(("Missing data", " ".join(dict.fromkeys(missing))))
    for title, group in (("Sensitivity", ("sensitivity",)), ("Supplementary", ("supportive",))):
        for name in _lines_of(draft, estimand, *group):
            if name in told:
                continue
            told.add(name)
            items.append((f"{title}: {short_label(draft, name)}", _short(draft, name)))
    return items


def _short(draft: ProtocolDraft, name: str) -> str:
    line = draft.model.analyses[name]
    subset = draft.model.analysis_sets.get(str(line.analysis_set))
    whom = f" In {words.lowered(subset.words)}." if subset is not None else ""
    missing = missing_words(draft, name) if line.imputation is not None or line.missed is not None else ""
    note = f" {words.capitalized(line.note.rstrip('.'))}." if line.note else ""
    return " ".join(part.strip() for part in (method_words(draft, name) + whom, missing, note) if part.strip())


def _safety(draft: ProtocolDraft) -> Sequence[Block | None]:
    if not any(entry.type == "event" for entry in draft.model.assessments.values()):
        return []
    by = " by arm" if len(draft.model.arms) > 1 else ""
    counted = "Participants with any adverse event, with a serious one and with one related to treatment are counted"
    return [
        Paragraph(f"{counted}{by}."),
        for_you("comparisons of harms, and stopping rules for safety"),
    ]


def _other(draft: ProtocolDraft) -> Sequence[Block | None]:
    """Lines whose endpoint has no objective above: supportive or sensitivity analyses by themselves."""
    shown = {
        name
        for id in _leading(draft)
        for name in [
            *_lines_of(draft, id, "sensitivity", "supportive"),
            *(n for n, line in draft.model.analyses.items() if line.estimand == id),
        ]
    }
    rest = [name for name in draft.model.analyses if name not in shown]
    if not rest:
        return []
    return [DefinitionList(tuple((line_label(draft, name), _short(draft, name)) for name in rest))]


def _interim(draft: ProtocolDraft) -> Sequence[Block | None]:
    looks = draft.model.looks
    written = draft.written("interim")
    if looks is None:
        return written
    stated = looks.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    items: list[tuple[str, Text]] = [
        ("Analyses looked at", fmt.joined([line_label(draft, name) for name in looks.analyses])),
        ("Looks, as fractions of what is counted", ", ".join(f"{at:g}" for at in looks.at)),
    ]
    items += [
        (name_words(key), words.capitalized(_named(stated_text(value))))
        for key, value in stated.items()
        if key not in ("analyses", "at", "source", "status", "basis", "differs")
    ]
    return [*written, DefinitionList(tuple(items)), for_you("who sees interim results, and who decides")]


def _named(text: str) -> str:
    """Boundaries by the names of those who proposed them."""
    for plain, name in (("lan demets", "Lan-DeMets"), ("obrien fleming", "O'Brien-Fleming"), ("pocock", "Pocock")):
        text = text.replace(plain, name)
    return text


def _multiplicity(draft: ProtocolDraft) -> Sequence[Block | None]:
    plan = draft.model.multiplicity
    if plan is None:
        n = sum(line.level == "primary" for line in draft.model.analyses.values())
        several = f" The plan has {n} primary analyses, each at its own level." if n > 1 else ""
        return [Paragraph(f"No adjustment for multiplicity is planned: p values are not adjusted.{several}")]
    labels = [line_label(draft, name) for name in plan.names]
    n = words.capitalized(fmt.count_in_words(len(plan.names)))
    text = f"{n} hypotheses are tested by {procedure_words(plan)} at {level_words(plan)}"
    blocks: list[Block] = [
        Paragraph(f"{text}.{draft.cited(plan)}"),
        Bullets(tuple((strong(label),) for label in labels), numbered=True),
    ]
    boxes, arrows = [], {}
    for graph in plan.graphs:
        for k, name in enumerate(graph.names):
            boxes.append(HypothesisBox(name, line_label(draft, name), graph.weights[k], "", None))
            for j, other in enumerate(graph.names):
                arrows[name, other] = graph.transitions[k][j]
    if boxes:
        rows = list(plan.families) if plan.method == "gatekeeping" else [plan.names]
        alt = f"Hypotheses under one level: {'; '.join(labels)}."
        blocks.append(
            Figure(
                "Multiple testing: weights and transitions",
                draw_hypotheses(boxes, arrows, rows, alt),
                words.capitalized(procedure_words(plan)),
                "Weight: the share of the familywise level that a hypothesis begins with. An arrow carries the part of "
                "its level that a rejected hypothesis passes on.",
            )
        )
    return blocks


def _size(draft: ProtocolDraft) -> Sequence[Block | None]:
    planned = draft.told(draft.model.trial.planned_n)
    blocks: list[Block] = []
    if planned:
        blocks.append(Paragraph(f"Participants planned: {planned}."))
    blocks += draft.written("sample_size")
    blocks += draft.power
    if not draft.statement("sample_size"):
        what = "the assumptions behind the number"
        if draft.model.assumptions and not draft.power:
            names = fmt.joined([id.replace("-", " ") for id in draft.model.assumptions], "or")
            what += f"; equipoise power gives the power of this plan under the assumptions of the file ({names})"
        blocks.append(for_you(what))
    return blocks


WRITERS: dict[str, Writer] = {
    "10.1": _general,
    "10.2": _sets,
    "10.3": _baseline,
    "10.4": _objective("primary", "10.4"),
    "10.5": _objective("secondary", "10.5"),
    "10.6": _objective("exploratory", "10.6"),
    "10.7": _safety,
    "10.8": _other,
    "10.9": _interim,
    "10.10": _multiplicity,
    "10.11": _size,
}
