"""Power of the plan for the section on sample size, as it was calculated for this document."""

from __future__ import annotations

from equipoise.design.operating import OperatingCharacteristics
from equipoise.protocol import Protocol
from equipoise.reporting import format as fmt
from equipoise.reporting.design_answer import success_words
from equipoise.reporting.document import Block, Column, Paragraph, Row, Table
from equipoise.reporting.power_report import primaries_of


def power_blocks(protocol: Protocol, cell: OperatingCharacteristics) -> list[Block]:
    """Participants, assumptions, and in how many of 100 simulated trials each primary analysis succeeds."""
    rows = []
    for summary in primaries_of(cell):
        share = summary.significant
        if share is None:
            continue
        alpha = summary.row.alpha_two_sided
        power = f"{fmt.percent(share.value, 1)} ({fmt.percent(share.lower, 1)} to {fmt.percent(share.upper, 1)})"
        rows.append(
            Row((protocol.endpoint_label(summary.row.endpoint), "not stated" if alpha is None else f"{alpha:g}", power))
        )
    if not rows:
        return []
    n = ", ".join(f"{protocol.arm_label(arm)} {size}" for arm, size in cell.arm_sizes.items())
    spec = cell.cell.spec
    told = f" {spec.words}" if spec.words else ""
    columns = (Column("Primary analysis", wide=True), Column("Two-sided level"), Column("Power (95% interval)"))
    return [
        Paragraph(
            f"Power under the assumptions {spec.name.replace('-', ' ')} with these participants: {n}.{told} "
            "Simulated trials, each analysed as planned; power is a number under assumptions, not evidence."
        ),
        Table(
            "Power of the primary analyses",
            columns,
            tuple(rows),
            f"{cell.n_replicates} simulated trials, seed {cell.seed}",
            (
                f"Power: share of trials with success: {success_words([s.row for s in primaries_of(cell)])}. "
                "Interval: of the simulation itself.",
            ),
        ),
    ]
