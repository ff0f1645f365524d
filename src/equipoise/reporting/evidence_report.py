"""The report of what is known: studies, results in forests by outcome, contradictions, claims, and what is not known.

Made of a body of evidence and the findings of its checks; no sentence here knows a particular study. Every number
carries the number of its source in brackets.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from equipoise.evidence.findings import SEVERITIES, Finding
from equipoise.evidence.known import Evidence
from equipoise.evidence.results import RATIOS, PublishedResult
from equipoise.evidence.synthesis import StudyEffect, Synthesis, study_effect
from equipoise.reporting import format as fmt
from equipoise.reporting.document import (
    Block,
    Bullets,
    Callout,
    Column,
    Document,
    Figure,
    KeyFigures,
    Paragraph,
    Row,
    Sections,
    Table,
    Text,
    strong,
)
from equipoise.reporting.figures.published_forest import (
    PublishedPanel,
    PublishedRow,
    draw_funnel,
    draw_published_forest,
)
from equipoise.reporting.svg import Drawing

# Outcomes of which fewer is better: a ratio below 1 then favours the experimental arm.
_UNWANTED = ("use", "relapse", "craving")
_CLAIM_CHECKS = ("claim",)


class _Cited:
    """Sources numbered in the order in which they are cited."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.numbers: dict[str, int] = {}

    def mark(self, tags: Iterable[str]) -> str:
        """``[1, 4]`` for sources."""
        known = [tag for tag in tags if tag in self.evidence.sources]
        if not known:
            return ""
        numbers = sorted(self.numbers.setdefault(tag, len(self.numbers) + 1) for tag in dict.fromkeys(known))
        return f"[{', '.join(str(n) for n in numbers)}]"

    def text(self, text: str) -> str:
        """A sentence of a finding with the tags of sources in it replaced by their numbers."""
        for tag in sorted(self.evidence.sources, key=len, reverse=True):
            for before, after in ((f"by {tag} (", "by {} ("), (f"where {tag} has", "where {} has")):
                if before in text:
                    text = text.replace(before, after.format(self.mark([tag])))
        return _capital(text)

    def told(self, finding: Finding) -> str:
        """What each source states, with its number and words."""
        by_id = {row.id: row for row in self.evidence.statements}
        rows = [by_id[id] for id in finding.results if id in by_id]
        parts = []
        for row in rows:
            quote = f", “{row.quote}”" if row.quote else ""
            parts.append(f"{_value(row.value)} {self.mark([row.source])}{quote}")
        return f"{rows[0].attribute[:1].upper()}{rows[0].attribute[1:]}: {'; '.join(parts)}."


def _value(text: str) -> str:
    """A stated value in words: 45 to 50, 2 or more, about 5."""
    if ".." in text:
        return " to ".join(text.split(".."))
    if text.endswith("+"):
        return f"{text[:-1]} or more"
    return f"about {text[1:]}" if text.startswith("~") else text.replace("; ", " and ")


def build_evidence_report(evidence: Evidence, findings: Sequence[Finding], *, version: str = "") -> Document:
    """The report as a document; ``to_html()`` and ``to_pdf()`` render it."""
    cited = _Cited(evidence)
    sections = Sections()
    sections.add("What is known", _summary(evidence, findings, cited))
    sections.add("Studies", [_studies(evidence, cited)])
    sections.add("Results by outcome", _results(evidence, cited))
    sections.add("Told in words only", _in_words(evidence, cited))
    sections.add("Published numbers that cannot be, or do not agree", _numbers(findings, cited))
    sections.add("What contradicts what", _contradictions(findings, cited))
    sections.add("Claims beyond the data", _claims(evidence, findings, cited))
    sections.add("Differences of words", _readings(findings, cited))
    sections.add("What is not known", _unknown(evidence, cited))
    sections.add("How this was made", _methods())
    sections.add("Sources", _sources(cited))
    return Document(
        title=f"{evidence.topic}: what is known",
        blocks=tuple(sections.blocks),
        subtitle="Published results as their sources print them, each number checked; unlike studies are not pooled",
        kicker="Evidence report",
        provenance=(
            ("Read", f"{len(evidence.sources)} sources, excerpts of public pages; no full article"),
            ("Software", f"equipoise {version}".strip()),
        ),
        footer=evidence.topic + (f" · equipoise {version}" if version else ""),
    )


def _summary(evidence: Evidence, findings: Sequence[Finding], cited: _Cited) -> list[Block | None]:
    randomized = [s for s in evidence.studies.values() if s.randomized == "yes"]
    n = sum(int(s.n) for s in randomized if s.n.isdigit())
    alarms = [f for f in findings if f.is_alarm]
    masked = sorted({s.condition for s in randomized})
    compared = [r for r in evidence.results if r.kind == "result" and _effect(r) is not None]
    excluding = [r for r in compared if _excludes(r)]
    items = (
        (str(len(randomized)), "randomized studies", f"{n} participants; {fmt.joined(masked)}"),
        (str(len(compared)), "comparisons with an interval", f"{len(excluding)} exclude no difference"),
        (str(len(alarms)), "alarms among the statements", "impossible, contradicted or misworded"),
    )
    bullets: list[Text] = []
    for result in excluding:
        effect = _effect(result)
        assert effect is not None
        sentence = _sentence(result, effect)
        if evidence.studies[result.study].randomized == "no":
            sentence += " The study was not randomized."
        text = f"{sentence[:1].upper()}{sentence[1:]} {cited.mark([result.source])}"
        bullets.append((strong(f"{result.study}, {_when(result)}. "), text))
    return [
        KeyFigures(items),
        Paragraph("Comparisons whose 95% CI excludes no difference:"),
        Bullets(tuple(bullets)),
        Callout(
            "The studies differ in substance, dose, number of infusions, therapy, control and outcome. They stand side "
            "by side and are not pooled. Odds ratios marked crude were made here from counts.",
            "How to read this",
        ),
    ]


def _sentence(result: PublishedResult, effect: StudyEffect) -> str:
    arms = f"{result.text('experimental')} versus {result.text('reference')}"
    printed = _printed(result, effect) + (", crude" if effect.origin == "counts" else "")
    of = result.text("event") or result.text("outcome")
    return f"{arms}: {printed} for {of}."


def _when(result: PublishedResult) -> str:
    return ", ".join(part for part in (result.text("outcome"), result.text("time")) if part)


def _studies(evidence: Evidence, cited: _Cited) -> Table:
    rows = []
    for study in evidence.studies.values():
        randomized = {"no": "not randomized", "not found": "whether randomized was not found"}.get(study.randomized, "")
        design = study.design if "randomized" in study.design else "; ".join(p for p in (study.design, randomized) if p)
        rows.append(
            Row(
                (
                    f"{study.study} {cited.mark([study.source])}",
                    f"{study.condition}; {study.n}",
                    f"{design}; follow-up {study.followup}",
                    f"{study.drug} {study.dose}" if study.dose != "not found" else f"{study.drug}, dose not found",
                    f"{study.comparator}; therapy: {study.therapy}",
                )
            )
        )
    columns = (
        Column("Study"),
        Column("Condition; n"),
        Column("Design", wide=True),
        Column("Drug"),
        Column("Control; therapy"),
    )
    note = "“Not found” is what none of the sources read gives."
    return Table(
        f"Studies: {evidence.topic[:1].lower()}{evidence.topic[1:]}",
        columns,
        tuple(rows),
        "As far as the sources report",
        (note,),
    )


def _effect(result: PublishedResult) -> StudyEffect | None:
    """A comparison with its interval on the scale it is printed on, or the odds ratio of its counts."""
    if result.kind != "result" or result.unit != "participants":
        return None
    scale = "ratio_of_means" if result.measure == "percent_reduction" else result.measure
    if scale in (*RATIOS, "mean_difference") and result.number("lower") is not None:
        return _printed_effect(result, scale)
    if result.measure == "proportion" and result.text("reference"):
        effect, _ = study_effect(result, "odds_ratio")
        return effect
    return None


def _printed_effect(result: PublishedResult, scale: str) -> StudyEffect | None:
    """The printed estimate, never one made again from counts."""
    values = [result.value(c) for c in ("estimate", "lower", "upper")]
    if None in values:
        return None
    estimate, lower, upper = (float(v) for v in values if v is not None)
    if result.measure == "percent_reduction":
        estimate, lower, upper = 1 - estimate / 100, 1 - upper / 100, 1 - lower / 100
    if scale in RATIOS:
        if lower <= 0:
            return None
        estimate, lower, upper = math.log(estimate), math.log(lower), math.log(upper)
    return StudyEffect(result, estimate, (upper - lower) / (2 * 1.959963984540054), "printed interval")


def _limits(result: PublishedResult, effect: StudyEffect) -> tuple[float, float, float]:
    """Estimate and limits on the printed scale; printed ones as they are."""
    if effect.origin == "printed interval":
        values = [float(result.value(c) or 0.0) for c in ("estimate", "lower", "upper")]
        if result.measure == "percent_reduction":
            values = [1 - values[0] / 100, 1 - values[2] / 100, 1 - values[1] / 100]
        return values[0], values[1], values[2]
    shown = [math.exp(v) for v in effect.limits()]
    return shown[0], shown[1], shown[2]


def _excludes(result: PublishedResult) -> bool:
    effect = _effect(result)
    if effect is None:
        return False
    _, lower, upper = _limits(result, effect)
    null = 0.0 if result.measure == "mean_difference" else 1.0
    return lower > null or upper < null


def _printed(result: PublishedResult, effect: StudyEffect) -> str:
    if effect.origin == "printed interval":
        estimate = result.numbers["estimate"].text
        name = {"percent_reduction": "percent lower", "mean_difference": "difference"}.get(
            result.measure, result.measure
        )
        return f"{name.replace('_', ' ')} {estimate} ({result.texts_of_interval()})"
    estimate_, lower, upper = _limits(result, effect)
    return f"odds ratio {fmt.interval(fmt.Interval(estimate_, lower, upper, 'odds_ratio'))}"


def _shares(result: PublishedResult) -> str:
    """``13/27 v 3/28`` where counts are known."""
    texts = []
    for which in (1, 0):
        arm = result.arm(which)
        if arm.count is None or arm.size is None:
            return ""
        texts.append(f"{arm.count}/{arm.size}")
    return " v ".join(texts)


def _results(evidence: Evidence, cited: _Cited) -> list[Block | None]:
    groups: dict[tuple[str, str], list[tuple[PublishedResult, StudyEffect]]] = {}
    for result in evidence.results:
        effect = _effect(result)
        if effect is None:
            continue
        scale = "odds_ratio" if effect.origin == "counts" else result.measure
        scale = "ratio_of_means" if scale == "percent_reduction" else scale
        groups.setdefault((result.text("outcome"), scale), []).append((result, effect))
    panels: dict[str, list[PublishedPanel]] = {}
    largest = max(groups, key=lambda key: len(groups[key]))[0] if groups else ""
    for (outcome, scale), members in groups.items():
        rows = [_row(result, effect, cited) for result, effect in members]
        heading = outcome if outcome == largest else "other outcomes"
        panels.setdefault(heading, []).append(_panel(outcome, scale, members, rows))
    blocks: list[Block | None] = [
        Figure(
            f"Published comparisons: {heading}",
            draw_published_forest(some),
            "95% confidence intervals; marker size follows precision; nothing is pooled",
            "Estimates as printed, the arm named first over the other. Where a source prints proportions only, the "
            "odds ratio was made from the counts (0.5 added to each cell where one is empty) and is crude. Numbers in "
            "brackets are sources.",
        )
        for heading, some in panels.items()
    ]
    blocks.append(_results_table(evidence, cited))
    return blocks


def _row(result: PublishedResult, effect: StudyEffect, cited: _Cited) -> PublishedRow:
    estimate, lower, upper = _limits(result, effect)
    numbers = _printed(result, effect).removeprefix("odds ratio ").removeprefix("hazard ratio ")
    if result.measure == "mean_difference":
        numbers = numbers.removeprefix("difference ")
    if result.measure == "percent_reduction":
        numbers = f"{result.numbers['estimate'].text}% lower ({result.texts_of_interval()})"
    arms = f"{result.text('experimental')} v {result.text('reference')}"
    parts = [result.text("condition"), arms, result.text("time"), _shares(result)]
    if effect.origin == "counts":
        parts.append("crude")
    elif result.text("adjusted") == "yes":
        parts.append("adjusted")
    return PublishedRow(
        f"{result.study} {cited.mark([result.source])}",
        estimate,
        lower,
        upper,
        numbers,
        "; ".join(part for part in parts if part),
        weight=min(1.0, 0.08 / effect.standard_error**2) if result.measure != "mean_difference" else 0.5,
    )


def _panel(
    outcome: str, scale: str, members: Sequence[tuple[PublishedResult, StudyEffect]], rows: Sequence[PublishedRow]
) -> PublishedPanel:
    events = {result.text("event") or outcome for result, _ in members}
    unwanted = any(word in (*events, outcome) for word in _UNWANTED) or any(w in outcome for w in _UNWANTED)
    first = "the arm named first"
    left, right = (f"favours {first}", "favours the other") if unwanted else ("favours the other", f"favours {first}")
    title = f"{outcome[:1].upper()}{outcome[1:]}: {scale.replace('_', ' ')}"
    if scale == "mean_difference":
        title += ", percentage points" if "days" in outcome else ""
    return PublishedPanel(title, rows, left, right, scale in RATIOS)


def draw_synthesis(found: Synthesis) -> Drawing:
    """The forest of a synthesis: studies, and what they come to together where they were pooled."""

    def numbers(values: tuple[float, float, float]) -> str:
        texts = [fmt.ratio(v) if found.is_ratio else fmt.fixed(v, 2) for v in values]
        return f"{texts[0]} ({texts[1]} to {texts[2]})"

    rows = []
    weights = None if found.random is None else found.random.weights
    for i, study in enumerate(found.studies):
        values = tuple(found.shown(v) for v in study.limits())
        triple = (values[0], values[1], values[2])
        detail = "; ".join(part for part in (study.result.text("condition"), study.origin) if part)
        weight = 0.4 if weights is None else float(weights[i])
        rows.append(PublishedRow(study.result.study, *triple, numbers(triple), detail, weight))
    for fit, name in ((found.random, f"Random effects ({found.method})"), (found.common, "Common effect")):
        if fit is not None:
            triple = (found.shown(fit.estimate), found.shown(fit.ci_lower), found.shown(fit.ci_upper))
            rows.append(PublishedRow(name, *triple, numbers(triple), kind="pooled"))
    if found.prediction is not None and found.random is not None:
        low, high = (found.shown(v) for v in found.prediction)
        texts = [fmt.ratio(v) if found.is_ratio else fmt.fixed(v, 2) for v in (low, high)]
        middle = found.shown(found.random.estimate)
        rows.append(PublishedRow("A further such study", middle, low, high, f"{texts[0]} to {texts[1]}", kind="range"))
    first = found.studies[0].result
    title = f"{found.measure.replace('_', ' ').capitalize()} of {found.event or first.text('outcome')}"
    return draw_published_forest([PublishedPanel(title, rows, "lower", "higher", found.is_ratio)])


def draw_synthesis_funnel(found: Synthesis) -> Drawing:
    """The funnel of a pooled synthesis, about its common effect."""
    if found.common is None:
        raise ValueError("a funnel is of studies that were pooled")
    return draw_funnel(
        [s.effect for s in found.studies],
        [s.standard_error for s in found.studies],
        [s.result.study for s in found.studies],
        centre=found.common.estimate,
        is_ratio=found.is_ratio,
    )


def _results_table(evidence: Evidence, cited: _Cited) -> Table:
    rows = []
    for study in evidence.studies:
        mine = [r for r in evidence.results if r.study == study and r.kind in ("result", "baseline")]
        if mine:
            rows.append(Row((study,), "group"))
        for result in mine:
            effect = _effect(result)
            printed = result.text_of_estimate() if result.number("estimate") else ""
            p = result.number("p")
            values = _arm_value(result, 1), _arm_value(result, 0)
            crude = "" if effect is None or effect.origin != "counts" else _printed(result, effect) + ", crude"
            rows.append(
                Row(
                    (
                        _when(result),
                        _named(result, 1, values[0]),
                        _named(result, 0, values[1]),
                        printed or crude or result.text("quote"),
                        "" if p is None else p.text,
                        cited.mark([result.source]),
                    ),
                    indent=1,
                )
            )
    columns = (
        Column("Outcome", wide=True),
        Column("Arm"),
        Column("Compared with"),
        Column("Effect (95% CI)"),
        Column("p"),
        Column("Source", "right"),
    )
    footnotes = ("Numbers as printed; counts after = follow from the percentage or from another source.",)
    return Table("Every published result", columns, tuple(rows), "", footnotes)


def _arm_value(result: PublishedResult, which: int) -> str:
    arm = result.arm(which)
    if arm.mean is not None:
        return arm.mean.text
    percent = "" if arm.percent is None else f"{arm.percent.text.strip('%')}%"
    count = "" if arm.count is None or arm.size is None else f"{arm.count}/{arm.size}"
    if count and f"events_{which}" in result.derived and percent:
        return f"{percent} = {count}"
    return f"{count} ({percent})" if count and percent else count or percent


def _named(result: PublishedResult, which: int, value: str) -> str:
    name = result.text("experimental" if which else "reference")
    return f"{name}: {value}" if value and name else name or value


def _numbers(findings: Sequence[Finding], cited: _Cited) -> list[Block | None]:
    skip = ("statements-agree", "one-infusion-told-as-several", "agonist-or-antagonist", "claim", "reading")
    chosen = [f for f in findings if f.check not in skip]
    rows: list[Row] = []
    for severity, meaning in SEVERITIES.items():
        mine = [f for f in chosen if f.severity == severity]
        if mine:
            rows.append(Row((f"{severity.capitalize()}: {meaning}",), "group"))
        for f in mine:
            what = f"{cited.text(f.what)} {cited.mark(f.sources)}"
            rows.append(Row((f.study, what, f.by_how_much, _capital(f.reconciles)), indent=1))
    if not rows:
        return [Paragraph("None was found.")]
    columns = (
        Column("Study"),
        Column("Finding", wide=True),
        Column("By how much"),
        Column("What would reconcile it"),
    )
    return [Table("Published numbers against one another", columns, tuple(rows), "Each found by a check")]


def _contradictions(findings: Sequence[Finding], cited: _Cited) -> list[Block | None]:
    names = ("statements-agree", "one-infusion-told-as-several", "agonist-or-antagonist")
    rows = []
    for f in findings:
        if f.check in names:
            rows.append(Row((_capital(f.study), cited.told(f), cited.text(_held(f.reconciles)))))
    if not rows:
        return [Paragraph("None was found.")]
    columns = (Column("Subject"), Column("What is stated", wide=True), Column("Held"))
    note = "What to hold goes by the kind of source: article, abstract, registry, grant, review, summary, news, clinic."
    return [Table("Statements that cannot both hold", columns, tuple(rows), "", (note,))]


def _capital(text: str) -> str:
    return text if text[:2] in ("p=", "p<", "p>") else text[:1].upper() + text[1:]


def _held(text: str) -> str:
    """What is held, as a table says it."""
    value, by, rest = text.rpartition(", by ")
    return f"{_value(value)}{by}{rest}" if by else text


def _claims(evidence: Evidence, findings: Sequence[Finding], cited: _Cited) -> list[Block | None]:
    items: list[Text] = []
    for f in findings:
        if f.check in _CLAIM_CHECKS:
            repeated = f.reconciles and f.reconciles in f.by_how_much
            more = "; ".join(part for part in (f.by_how_much, "" if repeated else f.reconciles) if part)
            rest = f" {more[:1].upper()}{more[1:]}." if more else ""
            items.append(
                (strong(f"{f.study}, {f.severity}. "), f"{cited.text(f.what)}{rest} {cited.mark(f.sources[:1])}")
            )
    checked = Counter(r.kind for r in evidence.results)["claim"]
    text = f"Of {checked} claims about results, {len(items)} say more, less or something else than the numbers."
    return [Paragraph(text), Bullets(tuple(items)) if items else None]


def _readings(findings: Sequence[Finding], cited: _Cited) -> list[Block | None]:
    items: list[Text] = []
    for f in findings:
        if f.severity == "reading":
            items.append((strong(f"{_capital(f.study)}. "), f"{cited.told(f)} ", strong("Read as: "), f.reconciles))
    return [Bullets(tuple(items))] if items else []


def _in_words(evidence: Evidence, cited: _Cited) -> list[Block | None]:
    """Statements that stand alone, nothing told against them: most are results whose numbers no source read gives."""
    told = Counter((row.subject, row.attribute) for row in evidence.statements)
    alone = [row for row in evidence.statements if told[row.subject, row.attribute] == 1]
    rows = [
        Row((_capital(row.subject), row.attribute, _value(row.value), cited.mark([row.source])))
        for row in sorted(alone, key=lambda row: row.subject)
    ]
    columns = (Column("Study"), Column("Of what"), Column("What is reported", wide=True), Column("Read in", "right"))
    return [Table("Results reported without their numbers", columns, tuple(rows))] if rows else []


def _unknown(evidence: Evidence, cited: _Cited) -> list[Block | None]:
    rows = []
    for entry in evidence.unknown:
        study = "All studies" if entry.study == "all" else entry.study
        rows.append(Row((study, entry.unknown, cited.mark([entry.source]))))
    columns = (Column("Study"), Column("Not found", wide=True), Column("Read in", "right"))
    return [Table("Not found in any source read", columns, tuple(rows))] if rows else []


def _methods() -> list[Block | None]:
    return [
        Paragraph(
            "Results were taken from excerpts of public pages, with the decimals as printed. A printed number stands "
            "for every value within half a unit of its last decimal; a check finds fault only where no such values "
            "agree. Statements contradict one another where their values cannot both hold; a difference of words is "
            "listed as a reading. Recalled numbers are not used."
        )
    ]


def _sources(cited: _Cited) -> list[Block | None]:
    items: list[Text] = []
    for tag, _ in sorted(cited.numbers.items(), key=lambda pair: pair[1]):
        source = cited.evidence.sources[tag]
        parts = [f"{source.cite.rstrip('.')}.", f"{source.kind.capitalize()}.", source.address, source.note]
        items.append(" ".join(part for part in parts if part))
    return [Bullets(tuple(items), numbered=True)]
