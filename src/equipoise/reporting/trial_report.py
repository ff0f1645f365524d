"""The report of a trial: protocol, records and results in, one document out.

Every sentence and number comes from the three values given; nothing is known here of any particular trial. A section
whose data the trial does not have is left out, or says that it was not collected.
"""

from __future__ import annotations

from equipoise.analysis.results import Results
from equipoise.instruments import find_instrument_of
from equipoise.protocol import Protocol
from equipoise.records import Records
from equipoise.records.baseline_values import name_of_column
from equipoise.reporting import consort, findings, methods, several_arms, words
from equipoise.reporting import format as fmt
from equipoise.reporting import trial_figures as course
from equipoise.reporting.adjusted_means import adjusted_means_tables
from equipoise.reporting.after_looks import interim_blocks
from equipoise.reporting.answer import build_answer
from equipoise.reporting.baseline import BaselineSummary, baseline_variables, build_baseline_table
from equipoise.reporting.beside_known import beside_known
from equipoise.reporting.blinding import build_guesses_table
from equipoise.reporting.borrowing import borrowing_blocks
from equipoise.reporting.change_rule import change_rule
from equipoise.reporting.competing_risks import competing_blocks
from equipoise.reporting.composed import composed_blocks
from equipoise.reporting.context import Material
from equipoise.reporting.direction import in_one_direction
from equipoise.reporting.document import SIMULATED, Block, Callout, Document, Heading, Paragraph, Sections, Text, code
from equipoise.reporting.manuscript import for_a_manuscript
from equipoise.reporting.missing_data import missing_data, reasons_table
from equipoise.reporting.multiplicity import multiplicity_blocks
from equipoise.reporting.rates import rate_blocks
from equipoise.reporting.safety import build_adverse_events_table, build_infusion_table
from equipoise.reporting.stages import by_stage


def build_report(protocol: Protocol, records: Records, results: Results) -> Document:
    """The report as a document; ``to_html()`` and ``to_pdf()`` render it.

    ``records`` hold one trial (one replicate); ``results`` are those of the same records.
    """
    if records.has_replicates:
        raise ValueError("a report is of one trial: choose a replicate first")
    material = Material(protocol, records, in_one_direction(protocol, results))
    answer = build_answer(material)
    sections = Sections([] if answer is None else [answer])
    sections.add("Results", [*findings.notes_on_the_data(material), *_results(material)])
    sections.add("Interim analyses", interim_blocks(material))
    sections.add("Participants", by_stage(material, _participants))
    published = findings.published_table(material)
    title = "Comparison with the published results" if published is not None else "Remarks"
    sections.add(title, [published, *findings.remarks(material)])
    sections.add("Beside what is known", beside_known(material))
    sections.add("Sensitivity to analysis choices", _choices(material))
    sections.add("Adherence", _adherence(material))
    sections.add("Blinding", [build_guesses_table(material)])
    sections.add("Safety", _safety(material))
    sections.add("Missing data", [*by_stage(material, _missing), *missing_data(material)])
    sections.add("Methods", _methods(material))
    sections.add("Statements of the authors", consort.statements(material))
    sections.add("Unknown facts and assumptions", methods.unknown_and_assumed(material))
    sections.add("How to reproduce this report", methods.reproduce(material))
    sections.add("References", methods.references(material, answer))
    sections.add("CONSORT 2025", [consort.checklist(material, sections.blocks)])
    provenance = results.provenance
    short = f"protocol {provenance.protocol_hash[:12]} · records {provenance.data_hash[:12]}"
    version = f" · equipoise {provenance.version}" if provenance.version else ""
    return Document(
        title=protocol.model.trial.title,
        blocks=tuple(sections.blocks),
        subtitle=_subtitle(material),
        kicker=_kicker(material),
        banner=SIMULATED if records.is_simulated else None,
        provenance=_provenance(material),
        footer=f"{protocol.id} · {short}{version}",
    )


def _subtitle(material: Material) -> str:
    labels = list(material.sides.values())
    n = fmt.plural(material.n_randomized, "participant")
    if material.is_crossover:
        return f"{labels[1]} and {words.lowered(labels[0])} in each of {n} randomized"
    if len(labels) == 2:
        return f"{labels[1]} versus {words.lowered(labels[0])}; {n} randomized"
    return f"{fmt.joined(labels)}; {n}"


def _kicker(material: Material) -> str:
    trial = material.protocol.model.trial
    parts = ["Results report", trial.acronym or "", str(trial.registration.value or "")]
    return " · ".join(part for part in parts if part)


def _provenance(material: Material) -> tuple[tuple[str, Text], ...]:
    source, provenance = material.records.source, material.results.provenance
    words_of_origin = {"simulated": "Simulated", "captured": "Captured in the trial", "imported": "Imported from files"}
    opening = words_of_origin[source.origin]
    rows: list[tuple[str, Text]] = [
        (
            "Data",
            source.description if opening.lower() in source.description.lower() else f"{opening}. {source.description}",
        ),
        ("Software", f"equipoise {provenance.version}".strip()),
        ("Protocol checksum (SHA-256, first 16 characters)", (code(provenance.protocol_hash[:16]),)),
        ("Records checksum (SHA-256, first 16 characters)", (code(provenance.data_hash[:16]),)),
    ]
    return tuple(rows)


def _participants(material: Material) -> list[Block | None]:
    model = material.protocol.model
    variables = []
    for id, variable in model.recorded_baseline.items():
        column = name_of_column(material.records["participants"].columns, id) or id
        variables.append(
            BaselineSummary(
                column, variable.label or words.capitalized(id.replace("-", " ")), variable.unit or "", variable.levels
            )
        )
    known = {variable.column for variable in variables}
    variables += [v for v in baseline_variables(material.records) if v.column not in known]
    baseline = build_baseline_table(material.records, material.arms, variables, everybody=material.everybody)
    return [
        course.flow_figure(material),
        course.schedule_figure(material),
        baseline or Paragraph("Baseline characteristics: not collected."),
    ]


def _missing(material: Material) -> list[Block | None]:
    return [course.missingness_figure(material), reasons_table(material)]


def _results(material: Material) -> list[Block | None]:
    return [
        several_arms.by_arm_table(material),
        *several_arms.factorial_tables(material),
        findings.results_table(material),
        *multiplicity_blocks(material),
        *borrowing_blocks(material),
        change_rule(material),
        *composed_blocks(material),
        *course.survival_figures(material),
        findings.times_table(material),
        *competing_blocks(material),
        *findings.forest_figures(material),
        *by_stage(material, _use),
        *course.score_figures(material),
        *several_arms.over_time_tables(material),
        *adjusted_means_tables(material),
        *rate_blocks(material),
    ]


def _use(material: Material) -> list[Block | None]:
    figure = course.use_figure(material)
    return [figure, None if figure is None else course.use_days(material)]


def _choices(material: Material) -> list[Block | None]:
    tables = findings.choice_tables(material)
    others = findings.supplementary_table(material)
    if not tables:
        return [others]
    opening = Paragraph(
        "A result rests on choices: how time is counted, how ties are broken, what a missed visit stands for. "
        "Each table below changes one or more of them and nothing else."
    )
    return [others, opening, *tables]


def _adherence(material: Material) -> list[Block | None]:
    blocks: list[Block | None] = [course.exposure_table(material), *course.session_figures(material)]
    return blocks if any(blocks) else [Paragraph("Doses and sessions: not collected.")]


def _safety(material: Material) -> list[Block | None]:
    scores = []
    for id, assessment in material.protocol.model.assessments.items():
        instrument = find_instrument_of(material.protocol, id)
        if instrument is not None and len(instrument.items) == 1 and assessment.blinding == "quarantined":
            scores.append((instrument.id, instrument.item_ids[0], assessment.label or instrument.id))
    events = build_adverse_events_table(material.records, material.arms)
    return [
        events or Callout("Adverse events were not collected, or none was recorded, in these data.", "Adverse events"),
        build_infusion_table(material.records, material.arms, scores=scores),
    ]


def _methods(material: Material) -> list[Block | None]:
    return [
        *methods.design(material),
        Heading("Interventions", 2),
        *methods.interventions(material),
        *methods.endpoints_and_estimands(material),
        Heading("Analyses", 2),
        *methods.analyses(material),
        Heading("For a manuscript", 2),
        *for_a_manuscript(material),
    ]
