"""What a REDCap field is: the 18 columns of the dictionary, the types there are, and the columns a field exports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

# The columns of a data dictionary in their fixed order: the API's name, and the heading in the CSV.
HEADINGS = {
    "field_name": "Variable / Field Name",
    "form_name": "Form Name",
    "section_header": "Section Header",
    "field_type": "Field Type",
    "field_label": "Field Label",
    "select_choices_or_calculations": "Choices, Calculations, OR Slider Labels",
    "field_note": "Field Note",
    "text_validation_type_or_show_slider_number": "Text Validation Type OR Show Slider Number",
    "text_validation_min": "Text Validation Min",
    "text_validation_max": "Text Validation Max",
    "identifier": "Identifier?",
    "branching_logic": "Branching Logic (Show field only if...)",
    "required_field": "Required Field?",
    "custom_alignment": "Custom Alignment",
    "question_number": "Question Number (surveys only)",
    "matrix_group_name": "Matrix Group Name",
    "matrix_ranking": "Matrix Ranking?",
    "field_annotation": "Field Annotation",
}
COLUMNS = tuple(HEADINGS)

FIELD_TYPES = (
    *("text", "notes", "dropdown", "radio", "checkbox", "yesno", "truefalse"),
    *("calc", "slider", "file", "descriptive", "sql"),
)
WITH_CHOICES = ("dropdown", "radio", "checkbox")
# Codes that stand without being written in the dictionary.
_STANDING = {
    "yesno": (("1", "Yes"), ("0", "No")),
    "truefalse": (("1", "True"), ("0", "False")),
}
COMPLETE = (("0", "Incomplete"), ("1", "Unverified"), ("2", "Complete"))

_NUMBER_TEXT = r"[-+]?(?:\d+\.?\d*|\.\d+)"
_DATE_TEXT = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_MINUTE = r"(?:[01]?\d|2[0-3]):[0-5]\d"


def _validations() -> dict[str, str]:
    """What a raw export holds for each validation type, as a pattern of the whole cell."""
    out = {
        "integer": r"[-+]?\d+",
        "number": _NUMBER_TEXT,
        "number_comma_decimal": _NUMBER_TEXT.replace(r"\.", ","),
        "time": _MINUTE,
        "time_hh_mm_ss": rf"{_MINUTE}:[0-5]\d",
        "time_mm_ss": r"[0-5]?\d:[0-5]\d",
        "email": r"[^@\s]+@[^@\s]+",
        "alpha_only": r"[A-Za-z]+",
    }
    for n in range(1, 5):
        out[f"number_{n}dp"] = rf"[-+]?\d*\.\d{{{n}}}"
        out[f"number_{n}dp_comma_decimal"] = rf"[-+]?\d*,\d{{{n}}}"
    for order in ("ymd", "mdy", "dmy"):
        out[f"date_{order}"] = _DATE_TEXT
        out[f"datetime_{order}"] = rf"{_DATE_TEXT} {_MINUTE}"
        out[f"datetime_seconds_{order}"] = rf"{_DATE_TEXT} {_MINUTE}:[0-5]\d"
    return out


PATTERNS = _validations()
# Kept as text without a pattern: each server may read them otherwise.
_AS_TEXT = re.compile(r"phone(?:_\w+)?|postalcode(?:_\w+)?|zipcode|ssn|mrn_10d|mrn_generic|vmrn|signature")
INTERNAL = {"float": "number", "int": "integer"}  # names that REDCap's XML uses for the same types


def is_known_validation(name: str) -> bool:
    """Whether the validation type is one of those that every server has."""
    return name in PATTERNS or _AS_TEXT.fullmatch(name) is not None


def code_column(code: str) -> str:
    """A checkbox code as the name of its export column ends: small letters, other signs turned to ``_``."""
    return re.sub(r"[^a-z0-9_]", "_", code.lower())


@dataclass(frozen=True)
class RedcapField:
    """One row of the dictionary: ``cells`` as they stand, in the order of :data:`COLUMNS`; ``line`` in its file."""

    cells: tuple[str, ...]
    line: int = 0

    def cell(self, column: str) -> str:
        """One cell, by the API's name of its column."""
        return self.cells[COLUMNS.index(column)]

    @cached_property
    def name(self) -> str:
        """The variable name."""
        return self.cell("field_name")

    @cached_property
    def form(self) -> str:
        """The form it stands in."""
        return self.cell("form_name")

    @cached_property
    def type(self) -> str:
        """The field type."""
        return self.cell("field_type")

    @cached_property
    def validation(self) -> str:
        """The validation type of a text field, under its public name; empty for all others."""
        name = self.cell("text_validation_type_or_show_slider_number")
        return INTERNAL.get(name, name) if self.type == "text" else ""

    @cached_property
    def label(self) -> str:
        """The label without HTML and on one line."""
        return plain_label(self.cell("field_label"))

    @cached_property
    def choices(self) -> tuple[tuple[str, str], ...]:
        """Codes and labels, in order; of a yes or no those that stand by themselves."""
        if self.type in WITH_CHOICES:
            return split_choices(self.cell("select_choices_or_calculations"))
        return _STANDING.get(self.type, ())

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Its columns in an export: none for text on the page, one a code for a checkbox, otherwise its name."""
        if self.type == "descriptive":
            return ()
        if self.type == "checkbox":
            return tuple(f"{self.name}___{code_column(code)}" for code, _ in self.choices)
        return (self.name,)

    @property
    def is_identifier(self) -> bool:
        """Whether the project says that it identifies a person."""
        return self.cell("identifier").lower() == "y"

    @property
    def is_date(self) -> bool:
        """Whether it holds a date, with or without the time of day."""
        return self.validation.startswith(("date_", "datetime_"))

    @property
    def has_decimal_comma(self) -> bool:
        """Whether its numbers are exported with a comma."""
        return self.validation.endswith("comma_decimal")

    @property
    def is_number(self) -> bool:
        """Whether it holds a number that counts or measures something."""
        return self.type in ("calc", "slider") or self.validation.startswith(("integer", "number"))

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """Lowest and highest number, where they are constants; of a slider 0 and 100 where nothing is said."""
        ends = (self.cell(f"text_validation_{end}").strip().replace(",", ".") for end in ("min", "max"))
        low, high = (float(end) if re.fullmatch(_NUMBER_TEXT, end) else None for end in ends)
        if self.type == "slider":
            return (0.0 if low is None else low), (100.0 if high is None else high)
        return low, high

    @property
    def has_hard_limits(self) -> bool:
        """Whether a value outside the limits cannot be saved; elsewhere they are advice."""
        return re.search(r"(?:^|\s)@FORCE-MINMAX(?![\w-])", self.cell("field_annotation")) is not None

    @property
    def is_free_text(self) -> bool:
        """Whether anything at all may be typed."""
        return self.type == "notes" or (self.type == "text" and self.validation in ("", "alpha_only"))


def split_choices(text: str) -> tuple[tuple[str, str], ...]:
    """Choices ``code, label | code, label``: parted at bars, then at the first comma; without one code is label.

    Blanks round both are no part of them.
    """
    out = []
    for part in text.split("|"):
        if part.strip():
            code, comma, label = part.partition(",")
            out.append((code.strip(), label.strip() if comma else code.strip()))
    return tuple(out)


def plain_label(text: str) -> str:
    """A label without HTML, on one line."""
    return " ".join(re.sub(r"<[^<>]*>", " ", text).split())
