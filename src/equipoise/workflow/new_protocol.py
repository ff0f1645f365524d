"""A protocol to start from: five answers become a whole file that passes every check and has power."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from equipoise.foundation.errors import OutputError, Problem, UsageError, listed, nearest, raise_if_any
from equipoise.foundation.printable import unseen
from equipoise.stats.design.sample_size import two_proportions_size
from equipoise.workflow.library import bundled_protocols

CODES = {
    "U070": "A new protocol cannot be made from this answer.",
    "U071": "A new protocol cannot have this name.",
    "U073": "No bundled protocol to copy has this name.",
    "O050": "A file with the new protocol's name exists already, or cannot be written.",
}
SCHEMA_FILE = "equipoise.schema.json"
# Urine tests tell little of these over a week: participants are asked day by day.
_REPORTED = frozenset({"alcohol", "drinking", "tobacco", "nicotine", "smoking"})
# A name that begins with a letter cannot be read as a number; these alone would be read as something else than text.
_NAME = re.compile(r"(?!(?:null|true|false)$)[a-z][a-z0-9-]{0,79}")
_FEWEST_WEEKS, _MOST_WEEKS = 2, 52
_ATTRITION = 0.15
_LARGEST_ARM = 20_000


@dataclass(frozen=True)
class Question:
    """One thing that is asked: the words, an answer to begin with, and what reads the answer or says what is wrong."""

    key: str
    words: str
    default: str
    read: Callable[[str], object]


@dataclass(frozen=True)
class Answers:
    """What was answered: ``treatments`` and ``abstinent`` (shares, 0 to 1) with the reference first."""

    title: str
    treatments: tuple[str, str]
    substance: str
    weeks: int
    abstinent: tuple[float, float]

    @property
    def n_per_arm(self) -> int:
        """Participants per arm for 80 % power at the two-sided 5 % level, by the pooled z test of two proportions."""
        size = two_proportions_size(*self.abstinent, power=0.8, alpha_one_sided=0.025)
        return math.ceil(size.n_control)


def questions(name: str) -> tuple[Question, ...]:
    """The five questions for a trial called ``name``."""
    return (
        Question("title", "Title of the trial", f"A trial called {name}", _title),
        Question("treatments", "The two treatments, the reference first", "placebo, active treatment", _treatments),
        Question("substance", "Substance", "cocaine", _substance),
        Question("weeks", "Weeks of treatment, with one visit per week", "12", _weeks),
        Question(
            "abstinent",
            "Percentage abstinent in the last two weeks that you expect, the reference first",
            "30, 50",
            _abstinent,
        ),
    )


def read_answers(name: str, given: Sequence[str]) -> Answers:
    """Answers from texts, one per question; an empty text takes the default. Raises U070 with every problem at once."""
    problems: list[Problem] = []
    found: dict[str, object] = {}
    for question, text in zip(questions(name), given, strict=True):
        try:
            found[question.key] = question.read(text.strip() or question.default)
        except UsageError as error:
            problems.extend(error.problems)
    raise_if_any(UsageError, problems)
    return Answers(**found)  # type: ignore[arg-type]


def require_new_file(path: str | Path) -> Path:
    """The file of a new protocol: ``.yaml`` added where it is wanting. Raises U071 and O050; nothing is written."""
    path = Path(path)
    file = path if path.suffix in (".yaml", ".yml") else path.with_name(f"{path.name}.yaml")
    if not _NAME.fullmatch(file.stem):
        proposed = re.sub(r"[^a-z0-9]+", "-", file.stem.lower()).strip("-")
        raise UsageError(
            Problem(
                "U071",
                "NAME",
                f"Found {file.stem!r}.",
                "lower-case letters, digits and hyphens, a letter first",
                f"Try `equipoise new {proposed}`." if proposed else "",
            )
        )
    if file.exists():
        raise OutputError(
            Problem("O050", str(file), "There is a file of that name.", "a new name", "A protocol is not overwritten.")
        )
    schema = file.with_name(SCHEMA_FILE)
    if schema.exists() and not _is_ours(schema):
        raise OutputError(
            Problem("O050", str(schema), "Another program's file has this name.", "a free name", "Move it away.")
        )
    return file


def _is_ours(schema: Path) -> bool:
    """Whether a file is the schema that this program writes, of this version or an older one."""
    try:
        return str(json.loads(schema.read_text("utf-8"))["title"]).startswith("equipoise protocol")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_new_protocol(path: str | Path, answers: Answers) -> Path:
    """Write the protocol, and beside it the schema by which an editor completes it; returns the protocol's file."""
    file = require_new_file(path)
    return _written(file, protocol_text(file.stem, answers))


def copy_bundled_protocol(name: str, path: str | Path) -> Path:
    """Write the bundled protocol ``name`` as a file of one's own, byte for byte, with the schema beside it.

    Raises :class:`~equipoise.foundation.errors.UsageError` (U073) when no bundled protocol has that name.
    """
    known = bundled_protocols()
    if name not in known:
        guess = nearest(name, known)
        raise UsageError(
            Problem(
                "U073",
                "--from",
                f"There is no bundled protocol {name!r}.",
                listed(known),
                f"Did you mean {guess}?" if guess else "`equipoise protocols` lists them.",
            )
        )
    return _written(require_new_file(path), known[name].read_text("utf-8"))


def _written(file: Path, text: str) -> Path:
    from equipoise.protocol.pages.json_schema import json_schema

    schema = json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.with_name(SCHEMA_FILE).write_text(schema, encoding="utf-8", newline="\n")
        with file.open("x", encoding="utf-8", newline="\n") as out:
            out.write(text)
    except OSError as error:
        raise OutputError(Problem("O050", str(file), f"The file cannot be written: {error}.")) from None
    return file


def protocol_text(name: str, answers: Answers) -> str:
    """The protocol as YAML, with comments that say what to change first."""
    weeks = answers.weeks
    days = [7 * week + 1 for week in range(1, weeks + 1)]
    reference, experimental = (_slug(treatment) for treatment in answers.treatments)
    labels = {_slug(treatment): _quoted(treatment) for treatment in answers.treatments}
    shares = [_percent(share) for share in answers.abstinent]
    reported = answers.substance in _REPORTED
    kind, source = ("daily-use", "self-report") if reported else ("urine", "urine")
    instrument = "calendar" if reported else "urine"
    role = "placebo-control" if "placebo" in reference else "active-control"
    before = "+" * (weeks - 2)
    return f"""\
# yaml-language-server: $schema={SCHEMA_FILE}
# Written by `equipoise new`. Change it, and run `equipoise check` after each change.
equipoise: 1                        # version of the language

trial:
  id: {name}
  title: {_quoted(answers.title)}
  design: parallel
  planned-n: {{value: {2 * answers.n_per_arm}, note: "80 % power by the formula for two proportions, nobody lost"}}

calendar:
  day-1: randomization              # the day before is day -1; there is no day 0
  epochs:
    treatment: {{days: 1..{days[-1]}}}

interventions:                      # a drug, an infusion or therapy in sessions has its own type and keys
  {reference}: {{type: other, words: {labels[reference]}}}
  {experimental}: {{type: other, words: {labels[experimental]}}}

arms:                               # the reference first
  {reference}: {{label: {labels[reference]}, role: {role}, gives: [{reference}], n: {answers.n_per_arm}}}
  {experimental}: {{label: {labels[experimental]}, role: experimental, gives: [{experimental}], n: {answers.n_per_arm}}}

eligibility: {{include: null, exclude: null}}   # null: not known yet; the report lists what is not known

randomization:
  ratio: {{{reference}: 1, {experimental}: 1}}
  scheme: {{value: null, assumed: permuted-blocks, basis: convention}}

assessments:
  {instrument}: {{type: {kind}, substances: [{answers.substance}]}}

schedule:
  weekly: {{days: {days}, window: -1..0, assess: [{instrument}]}}

use:
  {answers.substance}: {{substances: [{answers.substance}], by: [{source}]}}

endpoints:
  abstinence:
    kind: abstinence
    label: Abstinence at the end of treatment
    words: no use of {answers.substance} in the last two weeks of treatment
    use: {answers.substance}
    days: {days[-1] - 13}..{days[-1]}
    at: weekly
    missed: is-use                  # a missed visit counts as use

estimands:
  abstinence: {{endpoint: abstinence, treatments: {experimental} v {reference}, summary: odds-ratio}}

analyses:
  abstinence: {{estimand: abstinence, estimator: logistic, level: primary, alpha-two-sided: 0.05}}

# What you expect, for `equipoise power` and `equipoise size`: shares of all randomized, and the share lost by the end.
assumptions:
  expected:
    simple: {{abstinence: {{{reference}: {shares[0]}, {experimental}: {shares[1]}}}}}
    attrition: {_attrition(answers)}

# Fictional participants, and what the definition must make of them: + use, - no use, o missed; one letter per week.
assurance:
  - name: abstinent at the end
    visits: {{weekly: "{before}--"}}
    expect: {{abstinence: true}}
  - name: missed the last visit
    visits: {{weekly: "{before}-o"}}
    expect: {{abstinence: false}}
"""


def _attrition(answers: Answers) -> str:
    """The share lost: 15 %, or what abstinence of nearly everybody leaves room for (who is lost counts as use)."""
    return _percent(min(_ATTRITION, (1 - max(answers.abstinent)) / 2))


def _percent(share: float) -> str:
    return f"{100 * share:.10g} %"


def _quoted(text: str) -> str:
    """Text as a YAML scalar in double quotes, which is a JSON string."""
    return json.dumps(text, ensure_ascii=False)


def _slug(words: str) -> str:
    """Words as a name of the language."""
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def _wrong(key: str, text: str, expected: str) -> UsageError:
    return UsageError(Problem("U070", key, f"Found {text!r}.", expected))


def _title(text: str) -> str:
    if unseen(text) or len(text) > 300:
        raise _wrong("title", text, "one line of at most 300 characters")
    return text


def _treatments(text: str) -> tuple[str, str]:
    names = [name.strip() for name in text.split(",")]
    slugs = [_slug(name) for name in names]
    if len(names) != 2 or not all(map(_NAME.fullmatch, slugs)) or slugs[0] == slugs[1] or unseen(text):
        raise _wrong("treatments", text, "two names that begin with a letter, a comma between")
    return names[0], names[1]


def _substance(text: str) -> str:
    slug = _slug(text)
    if not _NAME.fullmatch(slug) or "," in text:
        raise _wrong("substance", text, "one substance, such as cocaine, opioids, alcohol")
    return slug


def _weeks(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,3}", text) or not _FEWEST_WEEKS <= int(text) <= _MOST_WEEKS:
        raise _wrong("weeks", text, f"a whole number from {_FEWEST_WEEKS} to {_MOST_WEEKS}")
    return int(text)


def _abstinent(text: str) -> tuple[float, float]:
    expected = "two different percentages above 0 and below 100 with a comma between, such as 30, 50"
    parts = [part.strip().removesuffix("%").strip() for part in text.split(",")]
    if len(parts) != 2 or not all(re.fullmatch(r"[0-9]{1,2}(\.[0-9]+)?", part) for part in parts):
        raise _wrong("abstinent", text, expected)
    first, second = (float(part) / 100 for part in parts)
    if not 0 < first < 1 or not 0 < second < 1 or first == second:
        raise _wrong("abstinent", text, expected)
    if two_proportions_size(first, second, power=0.8, alpha_one_sided=0.025).n_control > _LARGEST_ARM:
        raise _wrong("abstinent", text, f"a difference that {_LARGEST_ARM} participants per arm can show")
    return first, second
