"""The dictionary reviewed: what cannot be taken over, and what holds otherwise than one may think."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from equipoise.exchange.redcap.action_tags import COSMETIC, FILLED, KEPT, action_tags, why_not
from equipoise.exchange.redcap.fields import RedcapField, is_known_validation
from equipoise.exchange.redcap.findings import ImportFinding
from equipoise.exchange.redcap.logic_text import Call, Constant, LogicNode, Operation, Reference, parts
from equipoise.exchange.redcap.project import RedcapProject
from equipoise.exchange.redcap.rules import FieldRule, RefusedRule

CODES = {
    "R344": "A field whose choices come from a query on the REDCap server.",
    "R345": "A field whose content is a file, which an export of records does not hold.",
    "R346": "A validation type that is not known; its values are kept as text.",
    "R347": "A label with HTML, or with values of other fields piped in; its text is kept.",
    "R348": "A calculation that depends on itself.",
    "R349": "An action tag.",
    "R350": "A rule that holds otherwise than one may think (a caution).",
    "R351": "A limit of a field that is no constant.",
}
_HTML = re.compile(r"<[a-zA-Z/][^<>]*>")
_PIPED = re.compile(r"\[[a-z][a-z0-9_]*(?:\([^()]*\))?(?::[a-z]+)?\]|\{[a-z][a-z0-9_]*\}")
_LABELS = ("field_label", "section_header", "field_note", "select_choices_or_calculations")
_ARMS = ("arm-number", "arm-name")
_TESTS = ("isblankormissingcode", "isblanknotmissingcode", "isnumber", "isinteger")


def review(project: RedcapProject, rules: list[FieldRule], refused: list[RefusedRule]) -> list[ImportFinding]:
    """Findings of every field in the order of the dictionary, then those of the whole."""
    of_field: dict[str, list[ImportFinding]] = {field.name: [] for field in project.fields}
    for field in project.fields:
        of_field[field.name] += [*_of_type(field), *_of_texts(field), *_of_tags(field)]
    for one in refused:
        of_field[one.field.name].append(
            ImportFinding("not translated", one.code, one.field.name, one.column, one.text, one.why)
        )
    for rule in rules:
        of_field[rule.field.name] += list(_cautions(rule, project))
    return [*(one for held in of_field.values() for one in held), *_cosmetic(project)]


def _of_type(field: RedcapField) -> Iterator[ImportFinding]:
    if field.type == "sql":
        query = field.cell("select_choices_or_calculations")
        why = "Its choices come from a query on the REDCap server's database."
        yield ImportFinding("not translated", "R344", field.name, "field_type", query, why)
    if field.type == "file":
        why = "A file: its content is not in an export of records."
        yield ImportFinding("not translated", "R345", field.name, "field_type", field.type, why)
    if field.validation and not is_known_validation(field.validation):
        why = f"The validation type {field.validation} is not known here; values are kept as text."
        yield ImportFinding(
            "caution", "R346", field.name, "text_validation_type_or_show_slider_number", field.validation, why
        )
    for column in ("text_validation_min", "text_validation_max"):
        limit = field.cell(column).strip()
        if limit.lower() in ("today", "now") or "[" in limit:
            yield ImportFinding("kept", "R351", field.name, column, limit, "The limit is no constant.")


def _of_texts(field: RedcapField) -> Iterator[ImportFinding]:
    for column in _LABELS:
        text = field.cell(column)
        if column == "select_choices_or_calculations" and field.type in ("calc", "sql"):
            continue
        what = [word for word, pattern in (("HTML", _HTML), ("piping", _PIPED)) if pattern.search(text)]
        if what:
            yield ImportFinding(
                "caution", "R347", field.name, column, text, f"It holds {' and '.join(what)}; kept as text."
            )


def _of_tags(field: RedcapField) -> Iterator[ImportFinding]:
    annotation = field.cell("field_annotation")
    for tag in action_tags(annotation):
        why = why_not(tag)
        shown = f"@{tag.name}" + (f" {tag.argument}" if tag.argument else "")
        if why:
            found = f"@{tag.name}: {why}."
            yield ImportFinding("not translated", "R349", field.name, "field_annotation", shown, found)
        elif tag.name in FILLED:
            found = f"@{tag.name} fills the field on opening: an entry that nobody made."
            yield ImportFinding("caution", "R349", field.name, "field_annotation", shown, found)
        elif tag.name in KEPT or tag.name == "DEFAULT":
            found = f"@{tag.name} says how the form behaves; the protocol language has no word for it."
            yield ImportFinding("kept", "R349", field.name, "field_annotation", shown, found)


def _cosmetic(project: RedcapProject) -> Iterator[ImportFinding]:
    counts = Counter(
        tag.name
        for field in project.fields
        for tag in action_tags(field.cell("field_annotation"))
        if tag.name in COSMETIC or (tag.name == "IF" and not why_not(tag))
    )
    if counts:
        said = ", ".join(f"@{name} {n}" for name, n in sorted(counts.items()))
        why = "These tags concern the look of the form alone."
        yield ImportFinding("kept", "R349", "", "field_annotation", said, why, n=sum(counts.values()))


def _cautions(rule: FieldRule, project: RedcapProject) -> Iterator[ImportFinding]:
    def caution(why: str) -> ImportFinding:
        return ImportFinding("caution", "R350", rule.field.name, rule.column, rule.text, why)

    if rule.kind == "shown" and rule.field.type == "descriptive":
        yield caution("A rule on text of the page: a message, not an item.")
    tree = list(parts(rule.tree))
    tested = _tested_for_blank(tree)
    seen: set[str] = set()
    for part in tree:
        for why in (*_of_comparison(part, tested, project), *_of_call(part, project)):
            if why not in seen:
                seen.add(why)
                yield caution(why)
    if any(isinstance(part, Reference) and part.smart in _ARMS for part in tree):
        yield caution("It depends on the arm: who sees the form may tell the treatment.")
    if rule.is_of_today:
        yield caution("It depends on the day it is computed: stored results are as old as the last saving.")


def _tested_for_blank(tree: list[LogicNode]) -> set[Reference]:
    """References that the rule asks about whether they are blank."""
    out: set[Reference] = set()
    for part in tree:
        if isinstance(part, Operation) and part.sign in ("=", "<>"):
            sides = (part.left, part.right)
            if any(isinstance(side, Constant) and side.value == "" for side in sides):
                out |= {side for side in sides if isinstance(side, Reference)}
        if isinstance(part, Call) and part.name in _TESTS:
            out |= {one for one in part.arguments if isinstance(one, Reference)}
    return out


def _may_be_blank(part: LogicNode, project: RedcapProject) -> bool:
    return isinstance(part, Reference) and not part.smart and not part.code


def _of_comparison(part: LogicNode, tested: set[Reference], project: RedcapProject) -> Iterator[str]:
    if not isinstance(part, Operation) or part.sign not in ("=", "<>", "<", "<=", ">", ">="):
        return
    left, right, sign = part.left, part.right, part.sign
    lesser = {"<": left, "<=": left, ">": right, ">=": right}.get(sign)
    if lesser is not None and _may_be_blank(lesser, project) and lesser not in tested:
        shown = "<" if sign in ("<", ">") else "<="
        yield f"{lesser} {shown} ... is not defined where it is blank; here it does not hold."
    for one, other in ((left, right), (right, left)):
        if not _may_be_blank(one, project):
            continue
        blank = isinstance(other, Constant) and other.value == ""
        if sign == "<>" and not blank and one not in tested:
            yield f"{one} <> ... holds where it was never asked."
        if isinstance(other, Constant) and other.value in project.missing:
            yield f"{one} is compared with {other.value}, a missing data code."
        elif sign in ("<", "<=", ">", ">=") and any(_reads_as_number(code) for code in project.missing):
            yield f"{one} may hold a missing data code, which is compared as the number it is."


def _reads_as_number(code: str) -> bool:
    return re.fullmatch(r"-?\d+(?:\.\d+)?", code) is not None


def _of_call(part: LogicNode, project: RedcapProject) -> Iterator[str]:
    if not isinstance(part, Call):
        return
    if part.name == "datediff" and isinstance(part.arguments[2], Constant) and part.arguments[2].value == "y":
        yield (
            "datediff(..., 'y') counts years of 365.2425 days: rounded down it is a year short on and near birthdays. "
            "age_at_date() gives the age."
        )
    if part.name == "datediff" and not any(
        isinstance(one, Constant) and one.value.lower() in ("true", "1") for one in part.arguments[3:]
    ):
        yield "datediff() without true gives the size only: a date that lies the other way round looks the same."
    if part.name == "sum" and any(_may_be_blank(one, project) for one in part.arguments):
        yield "sum() leaves out what is blank: the total hides missing items and is not pro-rated."
