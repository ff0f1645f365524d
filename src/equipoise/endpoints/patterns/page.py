"""The page of the library of definitions, made from the library, so that it cannot say what the library does not."""

from __future__ import annotations

from equipoise.endpoints.patterns.explain import draw, formula_text, spell_value
from equipoise.endpoints.patterns.library import FAMILIES, Definition, definitions

_FAMILY_WORDS = {
    "abstinence": "Whether, how long, and until when there was no use, in weekly patterns.",
    "relapse": "Return to use, in weekly patterns.",
    "reduction": "How much use, in weekly patterns.",
    "retention": "Who stayed in contact, in weekly patterns.",
    "daily": "Daily calendars: one letter per day.",
}


def render_library() -> str:
    """The page as Markdown: a table of every definition, then each with its words, source, formula and examples."""
    every = definitions()
    reference = sum(definition.standing == "as-ctnote" for definition in every.values())
    held = sum(definition.standing == "held-right" for definition in every.values())
    lines = [
        "# The library of endpoint definitions",
        "",
        "This page is generated from the library by `python docs/generate.py`. [The endpoint "
        "language](methods/endpoint_language.md) explains formulas, letters and rules; `equipoise "
        "endpoints explain NAME --word=--oo++--` explains a definition on a pattern of your own.",
        "",
        f"{len(every)} definitions. {reference} are those of the R package CTNote 0.1.3, under its names and with its "
        "values; `NAME--as-ctnote` is another spelling of such a name. Where the package's behaviour is debatable, "
        f"`NAME--held-right` is our corrected variant ({held} of them), and both entries give the reason. "
        "In the examples `^` marks a decisive cell: another letter there, with everything else unchanged, would "
        "change the value.",
        "",
        "The patterns that CTNote publishes are older than those of public.ctn0094extra 1.0.4 (the day of "
        "randomization lies in week 1, not in week 0), so values on published patterns may differ from "
        "those on patterns made from newer tables. In patterns made from records, weeks are counted from "
        "the first day that the protocol names.",
        "",
    ]
    for family in FAMILIES:
        members = [definition for definition in every.values() if definition.family == family]
        lines += [
            f"## {family.capitalize()}",
            "",
            _FAMILY_WORDS[family],
            "",
            "| name | definition | result |",
            "| --- | --- | --- |",
        ]
        lines += [f"| [`{d.name}`](#{d.name.lower()}) | {d.label} | {_comes_to(d)} |" for d in members]
        lines.append("")
        for definition in members:
            lines += _entry(definition)
    return "\n".join(lines).rstrip() + "\n"


def _comes_to(definition: Definition) -> str:
    return {"binary": "yes or no", "time-to-event": "time and event"}.get(definition.type, definition.unit or "number")


def _entry(definition: Definition) -> list[str]:
    lines = [f"### {definition.name}", "", f"**{definition.label}.** {definition.words}", ""]
    if definition.note:
        lines += [definition.note, ""]
    if definition.counterpart is not None:
        other = f"[`{definition.counterpart}`](#{definition.counterpart.lower()})"
        if definition.standing == "as-ctnote":
            lines += [f"As CTNote computes it; our corrected variant is {other}. {definition.why}", ""]
        else:
            lines += [f"Our corrected variant; {other} is what CTNote computes. {definition.why}", ""]
    source = definition.citation.source
    if definition.citation.doi:
        source += f", [doi:{definition.citation.doi}](https://doi.org/{definition.citation.doi})"
    over = " and ".join(definition.on)
    lines += [
        f"Source: {source}. Over {over}; the result is {_comes_to(definition)}, {definition.better} is better. "
        f"Columns: {', '.join(f'`{name}`' for name in definition.columns)}.",
        "",
        "```yaml",
        "formula:",
        *(f"  {line}" for line in formula_text(definition.source_text).splitlines()),
        "```",
        "",
        "```text",
    ]
    for example in definition.examples:
        drawn = draw(definition, example.words(definition.on))
        width = max(len(name) for name in definition.on) if len(definition.on) > 1 else 0
        for name in definition.on:
            lead = f"{name:<{width}}  " if width else ""
            value = f"   {spell_value(definition, drawn)}" if name == definition.on[-1] else ""
            lines.append(f"{lead}{drawn.words[name]}{value}")
            lines.append(f"{' ' * len(lead)}{drawn.deciding[name]}".rstrip())
    return [*lines, "```", ""]
