"""`equipoise looks` and `equipoise stopping`: interim looks, and rules for stopping that nobody wrote down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from equipoise.cli.console import console, print_json, reported, simulated_line, working
from equipoise.cli.options import JsonOption, ProtocolArgument

if TYPE_CHECKING:
    from equipoise.design.looks import LooksOutcome
    from equipoise.workflow.looks import LooksRun, StoppingRun

# Options of `looks`, whose list is long.
BoundaryOption = Annotated[
    str | None,
    typer.Option(
        "--boundary",
        help="lan-demets-obrien-fleming, lan-demets-pocock, kim-demets, hwang-shih-decani (spending); "
        "obrien-fleming, pocock, wang-tsiatis (classical); haybittle-peto. By default the first.",
    ),
]
FractionsOption = Annotated[
    str | None,
    typer.Option("--looks", help="Fractions of outcomes (or events) at the interim analyses; by default 0.5,1."),
]
UnadjustedOption = Annotated[
    bool, typer.Option("--unadjusted", help="Pooled z or log-rank test at each look, not the plan's analysis.")
]
EventsOption = Annotated[
    int | None, typer.Option("--events", help="Events at the last analysis; by default those expected.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("looks")(looks)
    app.command("stopping")(stopping)


def _fractions(text: str, option: str, code: str) -> list[float]:
    from equipoise.foundation.errors import DesignError, Problem

    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise DesignError(
            Problem(code, option, f"Found {text!r}.", "numbers separated by commas, such as 0.5,1")
        ) from None


def looks(
    protocol: ProtocolArgument,
    endpoint: Annotated[
        str | None,
        typer.Option(
            "--endpoint", help="A yes-or-no endpoint or a time; by default that of the first primary analysis."
        ),
    ] = None,
    scenario: Annotated[str | None, typer.Option("--scenario", help="Assumptions, as for `equipoise power`.")] = None,
    unadjusted: UnadjustedOption = False,
    at: FractionsOption = None,
    boundary: BoundaryOption = None,
    boundary_parameter: Annotated[
        float | None, typer.Option("--boundary-parameter", help="Its parameter, if it has one.")
    ] = None,
    alpha_spent: Annotated[
        str | None,
        typer.Option("--alpha-spent", help="Cumulative alpha spent by each analysis, instead of a boundary."),
    ] = None,
    alpha: Annotated[float | None, typer.Option("--alpha", help="Level, two-sided; by default 0.05.")] = None,
    one_sided: Annotated[
        bool, typer.Option("--one-sided", help="Stop only for an effect in the better direction.")
    ] = False,
    futility: Annotated[
        str | None, typer.Option("--futility", help="Spending family for beta; the design is then one-sided.")
    ] = None,
    futility_parameter: Annotated[
        float | None, typer.Option("--futility-parameter", help="Its parameter, if it has one.")
    ] = None,
    binding: Annotated[bool, typer.Option("--binding", help="Futility bounds are always followed.")] = False,
    power: Annotated[
        float | None,
        typer.Option("--power", help="Power for which futility and inflation are calculated; by default 0.8."),
    ] = None,
    events: EventsOption = None,
    per_week: Annotated[float, typer.Option("--per-week", help="Participants enrolled per week.")] = 1.0,
    even: Annotated[bool, typer.Option("--even", help="Entry at equal intervals, not at random.")] = False,
    result_delay: Annotated[
        float, typer.Option("--result-delay", help="Days from an outcome until it is in the database.")
    ] = 0.0,
    decision_delay: Annotated[
        float, typer.Option("--decision-delay", help="Days from an interim analysis until enrolment stops.")
    ] = 0.0,
    replicates: Annotated[int, typer.Option("--replicates", "-r", help="Trials to simulate.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the simulation, 0 to 4294967295.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Interim analyses at calendar time with the data available then, each by the plan's own analysis.

    Shown are stopping, expected size and duration, type I error, estimates after stopping, new sizes and dropped arms.

    They are those that the protocol states under `looks`, unless options name others.

    Example: `equipoise looks ketamine-mbrp-cocaine --looks 0.5,1 --per-week 0.5 --result-delay 7`
    """
    from equipoise.workflow.looks import looks as run_looks

    with reported(as_json=as_json):
        asked: dict[str, Any] = {
            "information": None if at is None else _fractions(at, "--looks", "D101"),
            "boundary": boundary,
            "boundary_parameter": boundary_parameter,
            "alpha_spent": None if alpha_spent is None else _fractions(alpha_spent, "--alpha-spent", "D102"),
            "alpha_two_sided": alpha,
            "sides": 1 if one_sided else None,
            "futility": futility,
            "futility_parameter": futility_parameter,
            "is_binding": binding or None,
            "power": power,
        }
        with working("simulating", quiet=as_json):
            run = run_looks(
                protocol,
                endpoint=endpoint,
                scenario=scenario,
                unadjusted=unadjusted,
                n_events=events,
                per_week=per_week,
                is_even=even,
                result_delay_days=result_delay,
                decision_delay_days=decision_delay,
                replicates=replicates,
                seed=seed,
                **{name: value for name, value in asked.items() if value is not None},
            )
    if as_json:
        print_json(run.as_dict())
        return
    _print_looks(run)


def _print_looks(run: LooksRun) -> None:
    out = console()
    simulated_line(True)
    sides = "two-sided" if run.design.sides == 2 else "one-sided"
    out.print(
        f"{run.protocol.id}, {run.endpoint}: {run.boundary}, {sides} {run.design.alpha:g}, "
        f"{run.effect.n_replicates:,} trials, seed {run.seed}"
    )
    how = "the pooled z or log-rank test, unadjusted" if run.analysis is None else f"the plan's analysis {run.analysis}"
    whose = "the protocol's looks" if run.is_stated else "looks as asked for"
    out.print(f"{whose[:1].upper()}{whose[1:]}; at each {how}.")
    for title, outcome in ((f"scenario {run.scenario}", run.effect), ("no effect", run.null)):
        out.print()
        _print_outcome(title, outcome, "events" if run.shape == "time-to-event" else "outcomes")
    if run.size is not None:
        out.print()
        out.print(
            f"Exact level of the unadjusted z test at these boundaries with so few participants: up to "
            f"{run.size.largest:.4f} (common risk {run.size.risk:.2f}) where {run.size.nominal:g} is claimed; normal "
            "theory is only approximate."
        )
    out.print(
        f"By normal theory the looks cost {100 * (run.inflation - 1):.1f}% more participants at the same power, and "
        f"on average {100 * run.expected_share:.1f}% of them are needed under the effect."
    )


def _print_outcome(title: str, outcome: LooksOutcome, word: str) -> None:
    from equipoise.cli.tables import add_rows, plain_table

    out = console()
    table = plain_table(
        "look",
        ("information", "right"),
        ("critical z", "right"),
        ("futility z", "right"),
        ("day", "right"),
        ("entered", "right"),
        (word, "right"),
        ("in the pipeline", "right"),
        ("rejects %", "right"),
        ("ends without %", "right"),
        title=title,
    )
    rows = [
        (
            str(look.number),
            f"{look.information:.3g}",
            f"{look.critical_z:.3f}" if look.critical_z < 99 else "none",
            "" if look.futility_z is None else f"{look.futility_z:.3f}",
            f"{look.day:.0f}",
            f"{look.n_entered:.1f}",
            f"{look.n_known:.1f}",
            f"{look.n_pipeline:.1f}",
            f"{100 * look.rejected:.1f}",
            f"{100 * look.futile:.1f}",
        )
        for look in outcome.looks
    ]
    out.print(add_rows(table, rows))
    out.print(
        f"rejects {100 * outcome.rejected:.1f} % (Monte Carlo error {100 * outcome.rejected_error:.1f}); "
        f"{outcome.expected_n:.1f} of {outcome.n_planned} participants and {outcome.expected_days:.0f} of "
        f"{outcome.planned_days:.0f} days expected"
    )
    _print_more(outcome)
    if outcome.reversed_share is not None:
        out.print(f"{100 * outcome.reversed_share:.1f}% of early claims no longer hold once the pipeline is in")


def _print_more(outcome: LooksOutcome) -> None:
    """What looks by the plan's own analysis do to claims, estimates, sizes and arms."""
    from equipoise.design.plan_looks import PlanLooksOutcome

    if not isinstance(outcome, PlanLooksOutcome):
        return
    out = console()
    if outcome.harmed:
        out.print(f"of these {100 * outcome.harmed:.1f} % in the other direction")
    if outcome.rejected_without_looks == outcome.rejected_without_looks:
        out.print(
            f"one analysis at the planned end, without looks: rejects {100 * outcome.rejected_without_looks:.1f} %"
        )
    if outcome.naive == outcome.naive:
        said = f"mean effect, on the scale of analysis: {outcome.naive:.3f} as estimated where trials stopped"
        if outcome.adjusted == outcome.adjusted:
            said += f", {outcome.adjusted:.3f} adjusted for the looks"
        if outcome.whole == outcome.whole:
            said += f", {outcome.whole:.3f} had all gone to their end"
        out.print(said)
    if outcome.sizes is not None:
        sizes = outcome.sizes
        low, middle, high = sizes.quartiles
        out.print(
            f"size re-estimated: changed in {100 * sizes.share_changed:.1f} % of trials that went on, on average "
            f"{sizes.mean:.1f} (quartiles {low:.0f}, {middle:.0f}, {high:.0f}); {100 * sizes.share_at_largest:.1f} % "
            "at the most"
        )
    for arm in outcome.arms:
        out.print(
            f"{arm.arm} ({arm.analysis}): goes on in {100 * arm.kept:.1f} %, claimed in {100 * arm.claimed:.1f} %"
        )
    if outcome.without_answer:
        out.print(f"{100 * outcome.without_answer:.2f} % of analyses at looks have no p value; they claim nothing")


def stopping(
    protocol: ProtocolArgument,
    planned: Annotated[
        int | None, typer.Option("--planned", help="Planned number of participants; by default the protocol's.")
    ] = None,
    stopped: Annotated[
        int | None, typer.Option("--stopped", help="Participants at the stop; by default the arms'.")
    ] = None,
    risk: Annotated[
        list[float] | None, typer.Option("--risk", help="Risk common to both arms; by default the published ones.")
    ] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="Level, two-sided.")] = 0.05,
    replicates: Annotated[int, typer.Option("--replicates", "-r", help="Also simulate this number of trials.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the simulation, 0 to 4294967295.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Type I error of hypothetical rules by which a trial could have stopped early, exactly.

    Example: `equipoise stopping ketamine-mbrp-cocaine`
    """
    from equipoise.workflow.looks import stopping as run_stopping

    with reported(as_json=as_json), working("adding up every course of the trial", quiet=as_json):
        run = run_stopping(
            protocol,
            n_planned=planned,
            n_stopped=stopped,
            risks=risk or (),
            alpha_two_sided=alpha,
            replicates=replicates,
            seed=seed,
        )
    if as_json:
        print_json(run.as_dict())
        return
    _print_stopping(run)


def _print_stopping(run: StoppingRun) -> None:
    from equipoise.cli.tables import add_rows, plain_table

    out = console()
    out.print(f"{run.protocol.id}: rules under which {run.n_planned} planned could have ended at {run.n_stopped}")
    if run.said:
        out.print(f"The protocol file says: {run.said}.")
    out.print(f"The rules are hypothetical. Type I error at two-sided {run.alpha:g}, exact.")
    for test in dict.fromkeys(row.test for row in run.rows):
        heads = [(f"risk {name}", "right") for name, _ in run.risks]
        table = plain_table("rule", *heads, ("worst", "right"), ("n expected", "right"), "words", title=test)
        rows = []
        for worst in (row for row in run.worst if row.test == test):
            mine = [row for row in run.rows if row.test == test and row.rule == worst.rule]
            rows.append(
                (
                    worst.rule,
                    *(_error(row.type_one_error, row.simulated) for row in mine),
                    f"{worst.type_one_error:.3f}",
                    f"{mine[-1].expected_n:.1f}",
                    worst.words,
                )
            )
        out.print()
        out.print(add_rows(table, rows))


def _error(exact: float, simulated: float | None) -> str:
    return f"{exact:.3f}" if simulated is None else f"{exact:.3f} ({simulated:.3f} simulated)"
