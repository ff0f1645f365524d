"""Methods in words: design, interventions, endpoints, estimands, analyses; what is not known; how to reproduce."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from equipoise.instruments import find_instrument_of
from equipoise.protocol.language.facts import Fact
from equipoise.protocol.language.interventions import BehaviouralIntervention, DrugIntervention
from equipoise.protocol.vocabulary.scales import scale_label
from equipoise.reporting import format as fmt
from equipoise.reporting import words
from equipoise.reporting.blinding import build_guesses_table
from equipoise.reporting.context import Material
from equipoise.reporting.document import (
    Answer,
    Block,
    Bullets,
    Code,
    Column,
    DefinitionList,
    Heading,
    Paragraph,
    Row,
    Table,
    Text,
    code,
)
from equipoise.reporting.missing_rules import rule_sentence
from equipoise.reporting.multiplicity import adjustment_words, cited_for
from equipoise.reporting.references import GUIDELINES, cited_by, references_for

NOT_KNOWN = "not known"


def _value(fact: Fact[Any]) -> str:
    """A fact in words: its value, or what was assumed, or that it is not known."""
    if fact.value is not None:
        return _plain(fact.value)
    if fact.assumed is not None:
        return f"{NOT_KNOWN}; assumed: {_plain(fact.assumed)}"
    return NOT_KNOWN


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return fmt.joined([_plain(v) for v in value]) if value else "nobody"
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    text = fmt.dates_in_words(str(value))
    return text.replace("-", " ") if text.islower() and " " not in text else text


def design(material: Material) -> list[Block]:
    """Design, masking, randomization, eligibility."""
    model = material.protocol.model
    trial = model.trial
    items: list[tuple[str, Text]] = []
    shape = {"parallel": "Parallel arms", "single-arm": "Single arm"}.get(trial.design, trial.design.capitalize())
    items.append(
        ("Design", f"{shape}: {fmt.joined([material.protocol.arm_label(a) for a in material.protocol.arm_ids])}")
    )
    if trial.condition:
        items.append(("Condition", trial.condition))
    for label, fact in (("Setting", trial.setting), ("Sponsor", trial.sponsor), ("Phase", trial.phase)):
        if fact.is_known:
            items.append((label, _value(fact)))
    masking = _value(trial.masking) if trial.masking.value != () else "none (open label)"
    items.append(("Masking", masking))
    if trial.dates:
        dates = [f"{name.replace('-', ' ')} {_value(fact)}" for name, fact in trial.dates.items()]
        items.append(("Dates", words.capitalized("; ".join(dates))))
    if trial.planned_n.is_known:
        items.append(("Planned number", _value(trial.planned_n)))
    if trial.stopping.is_known:
        items.append(("How the trial ended", _value(trial.stopping)))
    if model.randomization is not None:
        ratio = " : ".join(f"{material.protocol.arm_label(a)} {k}" for a, k in model.randomization.ratio.items())
        items.append(("Allocation ratio", ratio))
        items.append(("Allocation scheme", _value(model.randomization.scheme)))
        strata = model.randomization.strata
        items.append(("Stratified by", _value(strata) if strata.is_known or strata.assumed else NOT_KNOWN))
        items.append(("Concealment", _value(model.randomization.concealment)))
    else:
        items.append(("Allocation", "not randomized"))
    items.append(("Study day 1", model.calendar.day_1))
    for label, criteria in (("Included", model.eligibility.include), ("Excluded", model.eligibility.exclude)):
        if criteria is None:
            items.append((label, NOT_KNOWN))
        elif criteria:
            said = [
                _comparison(str(c.criterion)) if c.criterion is not None else (c.words or id)
                for id, c in criteria.items()
            ]
            items.append((label, "; ".join(said)))
    return [DefinitionList(tuple(items))]


def interventions(material: Material) -> list[Block]:
    """What each arm received."""
    items: list[tuple[str, Text]] = []
    for id, entry in material.protocol.model.interventions.items():
        label = getattr(entry, "label", None) or id.replace("-", " ").capitalize()
        if isinstance(entry, DrugIntervention):
            parts = [entry.drug if entry.drug.lower() not in label.lower() else ""]
            parts.append(str(entry.total_dose) if entry.total_dose is not None else "")
            parts.append(f"over {entry.over}" if entry.over is not None else "")
            parts.append(entry.route or "")
            parts.append(entry.frequency or "")
            parts.append(f"on study day {', '.join(str(d) for d in entry.days)}" if entry.days else "")
            parts.append(entry.titration or "")
            text = ", ".join(part for part in parts if part)
        elif isinstance(entry, BehaviouralIntervention):
            n = sum(block.count for block in entry.sessions)
            text = f"{fmt.plural(n, 'session')}" if n else "sessions"
            days = [str(d) for d in entry.session_days if d is not None]
            if days:
                text += f", on study days {fmt.joined(days)}"
            text += f"; length in minutes {_value(entry.minutes)}; manual: {_value(entry.manual)}"
        else:
            text = entry.words
        items.append((label, text + "." + (f" {_differing(entry)}" if entry.differs else "")))
    return [DefinitionList(tuple(items))]


def _comparison(text: str) -> str:
    return text.replace(">=", "\N{GREATER-THAN OR EQUAL TO}").replace("<=", "\N{LESS-THAN OR EQUAL TO}")


def _differing(entry: Any) -> str:
    return " ".join(
        f"The {d.source} says otherwise: {d.says}{f' ({d.note})' if d.note else ''}." for d in entry.differs
    )


def _score_words(material: Material, endpoint: Any) -> str:
    """Of a score: what is counted from where, and what becomes of items left out."""
    if endpoint.kind != "score":
        return ""
    text = ""
    if endpoint.value != "score":
        how = "in per cent of" if endpoint.value == "percent-change" else "from"
        text = f" The value is the change {how} the score at {endpoint.baseline}; without that score it is missing."
    instrument = find_instrument_of(material.protocol, endpoint.assessment)
    # A single value has no items that could be left out.
    if instrument is not None and len(instrument.items) > 1:
        text += f" Items left out: {words.lowered(instrument.missing_rule.words)}"
    return text


def endpoints_and_estimands(material: Material) -> list[Block]:
    """Endpoints in words, then each estimand's five attributes."""
    model = material.protocol.model
    asked = {estimand.endpoint for estimand in model.estimands.values()}
    items: list[tuple[str, Text]] = []
    for id, endpoint in model.endpoints.items():
        if id in asked:
            note = (
                f" {words.capitalized(endpoint.note)}{'' if endpoint.note.endswith('.') else '.'}"
                if endpoint.note
                else ""
            )
            text = f"{words.capitalized(endpoint.words)}.{_score_words(material, endpoint)}{note}"
            items.append((material.endpoint_label(id), text))
    blocks: list[Block] = [Heading("Endpoints", 2), DefinitionList(tuple(items)), Heading("Estimands", 2)]
    rows = []
    populations = {estimand.population for estimand in model.estimands.values()}
    one_population = len(populations) == 1
    any_events = any(estimand.intercurrent for estimand in model.estimands.values())
    for estimand in model.estimands.values():
        events = "; ".join(
            f"{event.replace('-', ' ')}: {strategy.replace('-', ' ')}"
            for event, strategy in estimand.intercurrent.items()
        )
        treatments = estimand.treatments
        against = f" v {material.arm_label(treatments.reference)}" if treatments.reference else ""
        rows.append(
            Row(
                (
                    material.endpoint_label(estimand.endpoint),
                    scale_label(estimand.summary.replace("-", "_")).removesuffix(", points"),
                    f"{material.arm_label(treatments.experimental)}{against}",
                    *([] if one_population else [words.capitalized(estimand.population)]),
                    *([events or "none named"] if any_events else []),
                )
            )
        )
    columns = (
        Column("Variable", wide=True),
        Column("Summary measure"),
        Column("Treatments"),
        *([] if one_population else [Column("Population")]),
        *([Column("Intercurrent events", wide=True)] if any_events else []),
    )
    used = {s for e in model.estimands.values() for s in e.intercurrent.values()}
    notes = tuple(f"{words.capitalized(words.STRATEGY_WORDS[s])}." for s in sorted(used) if s in words.STRATEGY_WORDS)
    said = [f"Population of each: {next(iter(populations))}"] if one_population else []
    said += [] if any_events else ["no intercurrent event is named"]
    subtitle = "; ".join(said)
    blocks.append(Table("Estimands: the five attributes of ICH E9(R1)", columns, tuple(rows), subtitle, notes))
    return blocks


def analyses(material: Material) -> list[Block]:
    """How each line of the plan was carried out, in the words of its estimates."""
    rows = []
    for line, analysis in material.protocol.model.analyses.items():
        found = [e for e in material.results.estimates if material.line(e) == line and not material.choices(e)]
        method = next((e.method for e in found if e.method and material.is_main(e)), None) or next(
            (e.method for e in found if e.method), ""
        )
        endpoint = material.protocol.model.estimands[analysis.estimand].endpoint
        alpha = ""
        if analysis.alpha_two_sided is not None:
            alpha = f"; two-sided alpha {analysis.alpha_two_sided:g}"
        elif analysis.alpha_one_sided is not None:
            alpha = f"; one-sided alpha {analysis.alpha_one_sided:g}"
        shared = material.protocol.model.multiplicity
        if shared is not None and line in shared.names:
            alpha = "; a hypothesis under the familywise level"
        standing = (
            f"{words.LEVEL_WORDS[analysis.level].lower()}, {'pre-specified' if analysis.prespecified else 'post hoc'}"
        )
        # lines of one method differ in whom they count and in what a missed visit is
        subset = material.protocol.model.analysis_sets.get(str(analysis.analysis_set))
        note = f" In {words.lowered(subset.words)}." if subset is not None else ""
        about_use = material.protocol.model.endpoints[endpoint].is_about_use
        if analysis.missed and not analysis.note:
            note += f" {rule_sentence(analysis.missed, about_use=about_use)}"
        note += f" {analysis.note}" if analysis.note else ""
        rows.append(
            Row(
                (
                    analysis.label or material.endpoint_label(endpoint),
                    f"{words.capitalized(method)}{alpha}.{note}",
                    words.capitalized(standing),
                )
            )
        )
    columns = (Column("Endpoint"), Column("Method", wide=True), Column("Status"))
    shared = material.protocol.model.multiplicity
    unadjusted = "; no adjustment for multiplicity was made" if shared is None else ""
    return [
        Paragraph(
            "All planned analyses were run by equipoise from the records identified in the footer. "
            '"Not estimable" means that the data do not determine the quantity. Intervals are at '
            f"95% unless stated{unadjusted}."
        ),
        *([] if shared is None else [Paragraph(adjustment_words(material))]),
        Table("Analyses", columns, tuple(rows)),
    ]


def references(material: Material, answer: Answer | None = None) -> list[Block]:
    """Sources of facts, then methods, numbered; those of the first screen and of blinding too, which no line plans."""
    model = material.protocol.model
    cited: set[str] = cited_for(model.multiplicity)
    for estimate in material.results.estimates:
        cited |= cited_by(estimate, model.analyses.get(material.line(estimate)))
    if answer is not None and any(cell.endswith(words.NOT_IN_THE_PLAN) for row in answer.rows for cell in row.cells):
        cited.add("miettinen-nurminen-1985")
    if build_guesses_table(material) is not None:
        cited |= {"bang-2004", "james-1996"}
    items: list[Text] = []
    for source in model.sources.values():
        text = source.cite.rstrip(".") + "."
        if source.doi:
            text += f" doi:{source.doi}."
        elif source.address:
            text += f" {source.address}."
        if source.note:
            text += f" {source.note}"
        items.append(fmt.dates_in_words(text))
    items += [*references_for(cited), *GUIDELINES]
    return [Bullets(tuple(items), numbered=True)]


def unknown_and_assumed(material: Material) -> list[Block]:
    """Facts that no source read gives, and what was assumed in their place."""
    blocks: list[Block] = []
    unknown = material.protocol.unknown()
    assumed = [(place, part) for place, part in material.protocol.assumed() if not place.startswith("assumptions")]
    if unknown:
        stand_in = dict(assumed)
        rows = []
        for place, fact in unknown:
            part = stand_in.get(place)
            instead = ""
            if isinstance(part, Fact) and part.assumed is not None:
                instead = f"{_plain(part.assumed)} ({part.basis})" if part.basis else _plain(part.assumed)
            rows.append(Row((_place(material, place), instead or "none needed", fact.note or "none")))
        has_notes = any(row.cells[2] != "none" for row in rows)
        columns = [Column("Not known", wide=True), Column("Assumed value")]
        if has_notes:
            columns.append(Column("Note", wide=True))
        blocks.append(
            Table(
                "What is not known",
                tuple(columns),
                tuple(rows if has_notes else [Row(row.cells[:2]) for row in rows]),
                subtitle="Facts not found in the sources",
            )
        )
    known = {place for place, _ in unknown}
    others = [(place, part) for place, part in assumed if place not in known]
    if others:
        rows = [Row((_place(material, place), words.capitalized(part.basis or "ours"))) for place, part in others]
        blocks.append(
            Table(
                "What was assumed", (Column("Part of the protocol", wide=True), Column("Basis", wide=True)), tuple(rows)
            )
        )
    blocks += _generative(material)
    return blocks


def _place(material: Material, place: str) -> str:
    """A place of the protocol file as words."""
    model = material.protocol.model
    parts = place.split(".")
    if len(parts) > 1 and parts[0] == "interventions" and parts[1] in model.interventions:
        label = getattr(model.interventions[parts[1]], "label", None) or parts[1].replace("-", " ")
        rest = [p.replace("-", " ") for p in parts[2:] if p != "tidier"]
        return ": ".join([label, *rest])
    return words.capitalized(": ".join(p.replace("-", " ") for p in parts))


def _generative(material: Material) -> list[Block]:
    """Parameters of the generative model, where the records were simulated."""
    details = material.records.source.details
    parameters = details.get("parameters")
    if not material.records.is_simulated or not isinstance(parameters, dict):
        return []
    scenario = details.get("scenario")
    chosen = material.protocol.model.assumptions.get(str(scenario))
    rows = [Row((name.replace("-", " "), _parameter(material, value))) for name, value in parameters.items()]
    sentence = f"The records were simulated by the {details.get('model', '')} model under the assumptions “{scenario}”."
    if chosen is not None and chosen.words:
        sentence += f" {chosen.words}"
    if chosen is not None and chosen.basis:
        sentence += f" Basis: {chosen.basis}."
    return [
        Heading("Assumptions of the simulation", 2),
        Paragraph(sentence),
        Table(
            "Parameters of the generative model",
            (Column("Parameter", wide=True), Column("Value", wide=True)),
            tuple(rows),
        ),
    ]


def _parameter(material: Material, value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{material.arm_label(str(k))} {_parameter(material, v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_parameter(material, v) for v in value)
    if isinstance(value, float):
        return f"{value:.6g}".replace("-", fmt.MINUS)
    return str(value)


def reproduce(material: Material) -> list[Block]:
    """Commands, hashes and versions."""
    provenance = material.results.provenance
    source = material.records.source
    # a bundled protocol has a name; any other is the file that lies beside the report
    lines = material.protocol.lines
    path = material.protocol.id
    if lines is not None and Path(lines.file).resolve().parent != Path(__file__).resolve().parents[1] / "protocols":
        path = "protocol.yaml"
    if source.is_simulated:
        scenario = f" --scenario {provenance.scenario}" if provenance.scenario else ""
        numbers = list(source.details.get("replicates", [0]))
        command = f"equipoise run {path} --seed {provenance.seed}{scenario} --out results"
        if numbers != [0]:  # a run of its own simulates the first replicate of a seed
            command = (
                f"equipoise simulate {path} --seed {provenance.seed}{scenario} --replicate {numbers[0]} --out records\n"
                f"equipoise run {path} --records records --out results"
            )
    else:
        command = f"equipoise run {path} --records RECORDS --out results"
    items: list[tuple[str, Text]] = [
        ("Protocol", (code(provenance.protocol_hash),)),
        ("Protocol file", (code(provenance.protocol_file_hash),)),
        ("Records", (code(provenance.data_hash),)),
        ("Origin of the records", source.description),
    ]
    if provenance.seed is not None:
        items.append(("Seed", str(provenance.seed)))
    versions = {"equipoise": provenance.version, **provenance.versions}
    items.append(("Versions", ", ".join(f"{name} {version}" for name, version in versions.items() if version)))
    return [
        Paragraph("The same protocol, records and version give the same numbers. Hashes are SHA-256."),
        Code(command),
        DefinitionList(tuple(items)),
    ]
