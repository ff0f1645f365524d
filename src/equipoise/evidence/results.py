"""Published results: what a table of them holds, and how a row is read. Columns: ``docs/evidence.md``.

A row is one statement of one source: a result, a row of a baseline table, or a claim. Numbers keep the text they were
printed as, because what can be checked depends on the decimals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from equipoise.evidence.printed import Printed, habit, read_printed
from equipoise.foundation.errors import Problem, listed, nearest

CODES = {
    "E001": "A table of published results has no such column.",
    "E002": "A required column or cell is missing.",
    "E003": "A cell is not a number.",
    "E004": "A cell is not among the choices.",
    "E005": "An id appears twice.",
    "E006": "A claim is about a result that the table does not have.",
    "E007": "A result has no denominator, scale, event or reference.",
}

KINDS = ("result", "baseline", "claim")
RATIOS = ("odds_ratio", "risk_ratio", "hazard_ratio", "ratio_of_means", "percent_reduction")
DIFFERENCES = ("risk_difference", "mean_difference", "standardised_mean_difference")
MEASURES: dict[str, str] = {
    "proportion": "percentage of an arm, or of each of two",
    "mean": "mean of an arm, or of each of two",
    "odds_ratio": "ratio of odds",
    "risk_ratio": "ratio of proportions",
    "hazard_ratio": "ratio of hazards",
    "risk_difference": "difference of proportions, in percentage points",
    "mean_difference": "difference of means",
    "standardised_mean_difference": "difference of means in standard deviations",
    "ratio_of_means": "ratio of means",
    "percent_reduction": "100 (1 - ratio of means)",
    "test": "a test alone",
    "other": "anything else; kept and printed, checked as far as it goes",
}
# What a claim says of its number -> words for a finding.
CLAIMS: dict[str, str] = {
    "times-as-likely": "so many times as likely",
    "percent-less-likely": "so many percent less likely",
    "percent-more-likely": "so many percent more likely",
    "percentage": "a percentage of participants",
    "difference": "a difference between the arms",
    "no-clear-difference": "no clear difference between the arms",
}
TESTS = ("z", "t", "chi-square", "f", "r", "fisher", "log-rank", "wald", "likelihood-ratio", "score", "other")
STATUSES = ("published", "registry", "secondary", "derived", "inferred", "recalled", "assumed")

TEXT_COLUMNS: dict[str, str] = {
    "id": "Name of the row, once in the table. Required.",
    "kind": f"{listed(KINDS)}; by default result.",
    "study": "The trial; one trial has one name in all rows. Required.",
    "registration": "Registry number of the trial: one number is one trial, whatever its name.",
    "source": "Where the row was read. Required.",
    "status": f"Status of the statement: {listed(STATUSES)}.",
    "condition": "The disorder: cocaine, alcohol ...",
    "experimental": "The arm of the numbers with `_1`.",
    "reference": "The reference arm, of the numbers with `_0`.",
    "outcome": "What was measured; one outcome has one name.",
    "event": "What is counted: abstinence, use, relapse ... An odds ratio without it is meaningless.",
    "time": "When it was measured.",
    "unit": "What is counted in `n`: participants (the default), days, items.",
    "measure": f"Scale of the estimate: {listed(MEASURES)}.",
    "adjusted": "yes or no: whether the estimate was adjusted for covariates; empty if the source does not say.",
    "test": f"The test behind p and statistic: {listed(TESTS)}.",
    "derived": "Names of cells that the source does not print but that follow from it, separated by spaces.",
    "partition": "Rows of one study and partition are categories that must add up to the whole.",
    "claimed_as": f"What a claim says of its number: {listed(CLAIMS)}.",
    "about": "Id of the result that a claim is about.",
    "topic": "Number or name that groups statements on one subject.",
    "quote": "The words of the source.",
    "note": "A remark.",
}
NUMBER_COLUMNS: dict[str, str] = {
    "estimate": "The estimate as printed, decimals kept.",
    "lower": "Lower limit as printed.",
    "upper": "Upper limit as printed.",
    "level": "Level of the interval in percent; by default 95.",
    "error": "Standard error as printed (of the logarithm for a ratio).",
    "statistic": "Test statistic as printed.",
    "df": "Degrees of freedom of the statistic.",
    "df2": "Second degrees of freedom, of F.",
    "p": "p as printed: 0.02, <.001.",
    "events_1": "Events in the experimental arm.",
    "n_1": "Denominator of the experimental arm.",
    "percent_1": "Percentage of the experimental arm as printed.",
    "mean_1": "Mean of the experimental arm.",
    "sd_1": "Its standard deviation.",
    "events_0": "Events in the reference arm.",
    "n_0": "Denominator of the reference arm.",
    "percent_0": "Percentage of the reference arm.",
    "mean_0": "Mean of the reference arm.",
    "sd_0": "Its standard deviation.",
    "n_total": "Participants of the study.",
    "step": "Smallest possible difference between two values (1 for whole-number scores), for the checks of means.",
    "minimum": "Lowest possible value of a score.",
    "maximum": "Highest possible value of a score.",
    "claimed_value": "The number of a claim; ~ before it means about.",
}
COLUMNS = {**TEXT_COLUMNS, **NUMBER_COLUMNS}
REQUIRED = ("id", "study", "source")
_CHOICES: dict[str, Sequence[str]] = {
    "kind": KINDS,
    "status": STATUSES,
    "measure": tuple(MEASURES),
    "adjusted": ("yes", "no"),
    "test": TESTS,
    "claimed_as": tuple(CLAIMS),
}


@dataclass(frozen=True, slots=True)
class PublishedArm:
    """One arm of a published result, each number as printed."""

    name: str
    events: Printed | None = None
    n: Printed | None = None
    percent: Printed | None = None
    mean: Printed | None = None
    sd: Printed | None = None

    @property
    def size(self) -> int | None:
        """The denominator as a whole number."""
        return None if self.n is None else round(self.n.value)

    @property
    def count(self) -> int | None:
        """The events as a whole number."""
        return None if self.events is None else round(self.events.value)


@dataclass(frozen=True, slots=True)
class PublishedResult:
    """A row of a table of published results. Texts are empty and numbers ``None`` where the source gives none."""

    id: str
    study: str
    source: str
    kind: str = "result"
    texts: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, Printed] = field(default_factory=dict)
    file: str | None = None
    line: int | None = None

    def text(self, column: str) -> str:
        """A text of the row."""
        return self.texts.get(column, "")

    def number(self, column: str) -> Printed | None:
        """A number of the row as printed."""
        return self.numbers.get(column)

    def value(self, column: str) -> float | None:
        """A number of the row."""
        found = self.numbers.get(column)
        return None if found is None else found.value

    @property
    def measure(self) -> str:
        """Scale of the estimate."""
        return self.text("measure")

    @property
    def unit(self) -> str:
        """What is counted."""
        return self.text("unit") or "participants"

    @property
    def derived(self) -> frozenset[str]:
        """Cells that follow from the source but are not printed there."""
        return frozenset(self.text("derived").split())

    @property
    def level(self) -> float:
        """Level of the interval, 0 to 1."""
        found = self.value("level")
        return 0.95 if found is None else found / 100 if found > 1 else found

    def arm(self, which: int) -> PublishedArm:
        """The experimental arm (1) or the reference (0)."""
        name = self.text("experimental" if which else "reference")
        return PublishedArm(name, *(self.number(f"{key}_{which}") for key in ("events", "n", "percent", "mean", "sd")))

    def printed_only(self, column: str) -> Printed | None:
        """A number of the row, unless it was derived and not printed."""
        return None if column in self.derived else self.numbers.get(column)

    def missing(self) -> list[str]:
        """What a reader needs to know of this result and is not told: denominator, scale, event, reference."""
        out = []
        for which in (1, 0):
            arm = self.arm(which)
            stated = arm.percent is not None or arm.events is not None or arm.mean is not None
            if stated and arm.n is None:
                out.append(f"the denominator of {arm.name or ('the experimental arm' if which else 'the reference')}")
        if self.number("estimate") is not None and not self.measure:
            out.append("the scale of the estimate")
        needs_event = self.measure in ("proportion", "odds_ratio", "risk_ratio", "hazard_ratio", "risk_difference")
        if needs_event and self.kind != "baseline" and not self.text("event"):
            out.append("the event that is counted")
        if self.measure in (*RATIOS, *DIFFERENCES) and not (self.text("experimental") and self.text("reference")):
            out.append("which arm is compared with which")
        return out

    def texts_of_interval(self) -> str:
        """``1.3 to 25.1`` as printed; empty where there is none."""
        lower, upper = self.number("lower"), self.number("upper")
        return f"{lower.text} to {upper.text}" if lower and upper else ""

    def text_of_estimate(self) -> str:
        """``odds ratio 5.7 (1.3 to 25.1)`` as printed."""
        estimate = self.number("estimate")
        name = self.measure.replace("_", " ")
        value = estimate.text if estimate else ""
        limits = self.texts_of_interval()
        return " ".join(part for part in (name, value, f"({limits})" if limits else "") if part)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``: the texts as printed."""
        return {
            "id": self.id,
            "study": self.study,
            "source": self.source,
            "kind": self.kind,
            **{
                key: value
                for key, value in self.texts.items()
                if value and key not in ("id", "study", "source", "kind")
            },
            **{key: value.text for key, value in self.numbers.items()},
        }


Rows = Iterable[tuple[int, Mapping[str, str | None]]]


def header_problems(columns: Sequence[str], file: str) -> list[Problem]:
    """Columns that the table does not have, and required ones that are not there."""
    problems = []
    for column in columns:
        if column not in COLUMNS:
            close = nearest(column, COLUMNS)
            hint = f"Did you mean {close}?" if close else "Remove it, or put its content into `note`."
            problems.append(
                Problem(
                    "E001", column, f"There is no column {column!r}.", "the columns of docs/evidence.md", hint, file, 1
                )
            )
    for column in REQUIRED:
        if column not in columns:
            problems.append(
                Problem(
                    "E002",
                    column,
                    f"The column {column!r} is not there.",
                    listed(REQUIRED, conjunction="and"),
                    "Add it.",
                    file,
                    1,
                )
            )
    return problems


def read_results(rows: Rows, file: str) -> tuple[list[PublishedResult], list[Problem]]:
    """Every row that can be read, and every problem of those that cannot; ``rows`` are line and cells by column."""
    results: list[PublishedResult] = []
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    for line, cells in rows:
        result, faults = _read_row({k: (v or "").strip() for k, v in cells.items()}, file, line)
        problems += faults
        if result is None:
            continue
        if result.id in seen:
            problems.append(
                Problem(
                    "E005",
                    result.id,
                    f"The id stands in line {seen[result.id]} too.",
                    "one id per row",
                    "Rename one.",
                    file,
                    line,
                )
            )
        seen.setdefault(result.id, line)
        results.append(result)
    for result in results:
        about = result.text("about")
        if about and about not in seen:
            close = nearest(about, seen)
            problems.append(
                Problem(
                    "E006",
                    f"{result.id}, about",
                    f"There is no result {about!r}.",
                    "the id of a row of this table",
                    f"Did you mean {close}?" if close else "",
                    file,
                    result.line,
                )
            )
    return results, problems


def _read_row(cells: Mapping[str, str], file: str, line: int) -> tuple[PublishedResult | None, list[Problem]]:
    problems: list[Problem] = []
    place = cells.get("id") or f"line {line}"
    for column in REQUIRED:
        if not cells.get(column):
            problems.append(
                Problem("E002", f"{place}, {column}", "The cell is empty.", TEXT_COLUMNS[column], "", file, line)
            )
    for column, choices in _CHOICES.items():
        value = cells.get(column, "")
        if value and value not in choices:
            close = nearest(value, choices)
            hint = f"Did you mean {close}?" if close else ""
            problems.append(
                Problem("E004", f"{place}, {column}", f"{value!r} is not a choice.", listed(choices), hint, file, line)
            )
    numbers: dict[str, Printed] = {}
    for column in NUMBER_COLUMNS:
        value = cells.get(column, "")
        if not value:
            continue
        printed = read_printed(value)
        if printed is None:
            expected = "a number as printed, for example 48.2, <.001 or ~6"
            what = f"{value!r} is not a number."
            problems.append(Problem("E003", f"{place}, {column}", what, expected, habit(value), file, line))
        elif column[:-2] in ("events", "n") or column == "n_total":
            if printed.sign != "=" or printed.value != int(printed.value) or printed.value < 0 or "%" in value:
                problems.append(
                    Problem(
                        "E003", f"{place}, {column}", f"{value!r} is not a count.", "a whole number", "", file, line
                    )
                )
            else:
                numbers[column] = printed
        else:
            numbers[column] = printed
    if problems:
        return None, problems
    texts = {column: cells[column] for column in TEXT_COLUMNS if cells.get(column)}
    result = PublishedResult(
        cells["id"], cells["study"], cells["source"], cells.get("kind") or "result", texts, numbers, file, line
    )
    if result.kind == "result" and result.missing():
        problems.append(
            Problem(
                "E007",
                place,
                f"Not stated: {listed(result.missing(), conjunction='and')}.",
                "a result with its denominators, scale, event and reference",
                "Add what the source says; where it says nothing, make the row a claim (kind: claim).",
                file,
                line,
            )
        )
        return None, problems
    return result, problems
