"""The looks of a trial in its report: what was seen before the end, and what the answer allows for."""

from __future__ import annotations

from equipoise.analysis.estimate import Estimate
from equipoise.analysis.interim import looks_of
from equipoise.analysis.look_taken import AfterLooks
from equipoise.protocol.vocabulary.scales import scale_label
from equipoise.reporting import format as fmt
from equipoise.reporting import look_words, words
from equipoise.reporting.context import Material
from equipoise.reporting.document import Block, Column, Paragraph, Row, Table
from equipoise.reporting.looks_shown import LooksShown, bounds_figure, looks_table


def interim_blocks(material: Material) -> list[Block | None]:
    """The section of the looks; nothing where the plan has none, or none was given."""
    after = material.results.after_looks
    if after is None:
        return []
    looks = looks_of(material.protocol)
    shown = LooksShown(protocol=material.protocol, looks=looks, taken=after.taken)
    blocks: list[Block | None] = [Paragraph(f"{look_words.of_plan(looks)}. {look_words.taken(after)}")]
    if after.taken:
        blocks.append(looks_table(shown))
    blocks += [bounds_figure(shown, after.final), _adjusted_table(material, after)]
    blocks.append(Paragraph(look_words.at_the_end(after, looks, shown.arm_of, shown.sides)))
    return blocks


def _adjusted_table(material: Material, after: AfterLooks) -> Table | None:
    """The answer with and without the looks allowed for."""
    if after.adjusted is None:
        return None
    plain = after.plain[0]
    told = material.results[plain.id]
    scale = scale_label(plain.scale).removesuffix(", points")
    columns = (
        Column("", wide=True),
        Column(words.capitalized(scale)),
        Column("p", "decimal"),
    )

    def effect(row: Estimate) -> fmt.Cell:
        return "test only" if plain.scale == "test" else fmt.Interval(*row.ends, plain.scale)

    rows = (
        Row(("Allowing for the looks", effect(told), words.p_cell(told))),
        Row(("As an analysis without looks gives it", effect(plain), words.p_cell(plain))),
    )
    notes = [
        f"Allowing for the looks: median unbiased estimate, {fmt.level(after.adjusted.ci_level)} limits and p value by "
        "the stage-wise ordering. The first row is the result of the plan and stands everywhere else in this report.",
        f"{material.arm_label(plain.arm)} v {material.arm_label(plain.reference)}.",
    ]
    return Table("The planned analysis, allowing for the looks", columns, rows, footnotes=tuple(notes))
