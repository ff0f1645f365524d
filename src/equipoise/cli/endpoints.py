"""`equipoise endpoints`: the library of definitions, and endpoints derived on words or on records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from equipoise.cli.console import AMBER, console, print_json, reported, simulated_line, working
from equipoise.cli.options import ForceOption, JsonOption, ProtocolArgument, RecordsArgument

if TYPE_CHECKING:
    from equipoise.endpoints.patterns.library import Definition

WARNINGS = {
    "never-seen-scored-success": "somebody seen in no cell counts as a success, because the definition says so",
    "never-seen-has-no-value": "somebody seen in no cell would count as a success, and has no value instead",
    "time-carried-forward": "time that nobody observed counts as free of the event, because the definition says so",
    "event-without-day": "an event on a day that nobody knows leaves no result",
    "event-on-day-zero": "an event on the day of time zero is not counted, because the definition says so",
    "percent-of-nothing": "of a baseline score of 0 there are no per cent",
    "cells-not-known": "cells of which nothing is known are not counted: the number is a bound",
    "amount-not-recorded": "days of use without an amount are not known",
}
CODES = {"U607": "An option of `equipoise endpoints` does not apply."}
group = typer.Typer(
    help="List and explain endpoint definitions; score patterns; derive endpoints from records.\n\n"
    "Example: `equipoise endpoints explain Ab_kosten_1993`",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="endpoints")


@group.command("list")
def list_definitions(
    family: Annotated[
        str | None, typer.Option("--family", help="Only abstinence, relapse, reduction, retention or daily.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List every definition of the library.

    Example: `equipoise endpoints list --family relapse`
    """
    from equipoise.cli.tables import add_rows, plain_table
    from equipoise.endpoints.patterns.library import FAMILIES, definitions
    from equipoise.foundation.errors import Problem, UsageError, listed

    with reported(as_json=as_json):
        if family is not None and family not in FAMILIES:
            raise UsageError(Problem("U607", "--family", f"There is no family {family!r}.", listed(FAMILIES), ""))
        chosen = [d for d in definitions().values() if family in (None, d.family)]
    if as_json:
        print_json({"definitions": [definition.as_dict() for definition in chosen]})
        return
    out = console()
    for name in FAMILIES:
        members = [definition for definition in chosen if definition.family == name]
        if not members:
            continue
        table = plain_table("name", "what", "over", "comes to", "source", title=name.capitalize())
        add_rows(
            table,
            [[d.name, d.label, " and ".join(d.on), _type(d), d.citation.source] for d in members],
        )
        out.print(table)
        out.print()
    n = sum(definition.standing == "as-ctnote" for definition in chosen)
    out.print(
        f"{len(chosen)} definitions, {n} of them as CTNote computes them; where that is debatable, "
        "NAME--held-right is our corrected variant."
    )


def _type(definition: Definition) -> str:
    return {"binary": "yes or no", "number": definition.unit or "number", "time-to-event": "time and event"}[
        definition.type
    ]


@group.command("explain")
def explain(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A definition of the library, or one of its columns.")],
    word: Annotated[
        str | None, typer.Option("--word", help="A pattern of your own to explain it on, for example --oo++--.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Explain a definition: its words, formula and source, and example patterns with the decisive cells marked.

    A cell is decisive if another letter in its place, with everything else unchanged, would change the value.

    Example: `equipoise endpoints explain Rs_lee_2016 --word=--+-o---`
    """
    from equipoise.endpoints.patterns.explain import draw, formula_text, spell_value
    from equipoise.endpoints.patterns.library import require_definition, spell
    from equipoise.foundation.errors import Problem, UsageError

    with reported(as_json=as_json):
        definition = require_definition(name)
        if word is not None and len(definition.on) > 1:
            raise UsageError(
                Problem(
                    "U607",
                    "--word",
                    f"{definition.name} looks at {len(definition.on)} patterns.",
                    "a definition of one pattern",
                    "Leave --word out; its examples show both patterns.",
                )
            )
        words = [{definition.on[0]: spell(word)}] if word is not None else None
        drawn = [draw(definition, one) for one in words or [e.words(definition.on) for e in definition.examples]]
    if as_json:
        examples = [{"words": d.words, "value": d.value, "event": d.event, "deciding": d.deciding} for d in drawn]
        print_json({**definition.as_dict(), "examples": examples})
        return
    from rich.text import Text

    out = console()

    def say(text: str = "", style: str = "") -> None:
        out.print(Text(text, style=style))

    say(f"{definition.name}  {definition.label}", "bold")
    say(definition.words)
    if definition.note:
        say(f"Note: {definition.note}")
    if definition.standing == "as-ctnote" and definition.counterpart:
        say(f"This is what CTNote computes. We hold {definition.counterpart} right: {definition.why}")
    elif definition.standing == "held-right":
        say(f"This is our corrected variant; {definition.counterpart} is what CTNote computes. {definition.why}")
    say()
    say(f"Source    {definition.citation}")
    say(f"Over      {' and '.join(definition.on)}: + use, - no use, o missed, * mixed, _ not due")
    say(f"Comes to  {_type(definition)}; {definition.better} is better")
    if definition.columns != (definition.name,):
        say(f"Columns   {', '.join(definition.columns)}")
    say()
    say("Formula", "bold")
    for line in formula_text(definition.source_text).splitlines():
        say(f"  {line}")
    say()
    say("Examples (^ decides: another letter there would change the value)", "bold")
    for one in drawn:
        width = max(len(name) for name in one.words)
        for pattern in definition.on:
            lead = f"  {pattern:<{width}}  "
            value = f"   {spell_value(definition, one)}" if pattern == definition.on[-1] else ""
            say(f"{lead}{one.words[pattern]}{value}")
            say(f"{' ' * len(lead)}{one.deciding[pattern]}", AMBER)


@group.command("words")
def words(
    source: Annotated[Path, typer.Argument(metavar="IN.csv", help="A table with a column `word`.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.csv", help="The table to write, with 62 more columns.")],
    length: Annotated[
        int | None,
        typer.Option("--cells", min=1, help="Number of letters that every pattern must have."),
    ] = None,
    definition: Annotated[
        list[str] | None, typer.Option("--definition", help="Only this definition of the library; may be repeated.")
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score patterns by the published definitions: the 54 of CTNote, in 62 columns with its names.

    True and false are 1 and 0; a value that does not exist is an empty cell.

    Example: `equipoise endpoints words words.csv scored.csv`
    """
    from equipoise.workflow.endpoints import require_free_file, score_words, write_table

    with reported(as_json=as_json), working("scoring words", quiet=as_json):
        require_free_file(out, force=force)
        scored = score_words(source, length=length, names=definition or ())
        write_table(scored.table, out, force=force)
    if as_json:
        print_json(
            {
                "ok": True,
                "out": str(out),
                "words": scored.n_words,
                "lengths": list(scored.lengths),
                "columns": scored.table.columns,
                "replaced": list(scored.replaced),
                "warnings": {name: list(codes) for name, codes in scored.warnings.items()},
            }
        )
        return
    shortest, longest = scored.lengths
    of = f"{shortest} cells" if shortest == longest else f"{shortest} to {longest} cells"
    note = console(error=True)
    if shortest != longest:
        note.print(f"Words have {of}: a window beyond a word's end goes by each definition's own rule.")
    if scored.replaced:
        note.print(f"{len(scored.replaced)} columns of the table had these names and were replaced.")
    _warn(scored.warnings)
    console().print(f"{scored.n_words:,} words of {of}: {out}")


def _warn(warnings: dict[str, tuple[str, ...]]) -> None:
    from rich.text import Text

    by_code: dict[str, list[str]] = {}
    for name, codes in warnings.items():
        for code in codes:
            by_code.setdefault(code, []).append(name)
    for code, names in by_code.items():
        line = Text(f"warning {code}: ", style=AMBER)
        line.append(f"{WARNINGS.get(code, code)} ({', '.join(names)})", style="default")
        console(error=True).print(line)


@group.command("apply")
def apply(
    protocol: ProtocolArgument,
    records: RecordsArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="The CSV file to write.")],
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Derive every endpoint of a protocol from records, as one tidy table.

    One row per participant and endpoint; per participant, endpoint and visit if an endpoint is repeated. True and
    false are 1 and 0; a value that does not exist is an empty cell.

    Example: `equipoise endpoints apply xbot xbot-records --out endpoints.csv`
    """
    from equipoise.exchange.records_files import read_records
    from equipoise.workflow.endpoints import derive_all, require_free_file, write_table

    with reported(as_json=as_json), working("deriving endpoints", quiet=as_json):
        require_free_file(out, force=force)
        data = read_records(records)
        table, derived = derive_all(protocol, data)
        write_table(table, out, force=force, private=data.source.is_private, simulated=data.is_simulated)
    rows: list[dict[str, Any]] = [
        {
            "endpoint": id,
            "kind": one.kind,
            "shape": one.shape,
            "participants": one.n,
            "warnings": [*one.warnings, *one.marks],
        }
        for id, one in derived.items()
    ]
    if as_json:
        print_json(
            {"ok": True, "out": str(out), "simulated": data.is_simulated, "rows": table.height, "endpoints": rows}
        )
        return
    simulated_line(data.is_simulated)
    _warn({row["endpoint"]: tuple(row["warnings"]) for row in rows})
    console().print(f"{len(derived)} endpoints, {table.height:,} rows: {out}")
