"""Action tags: words in capitals after an @ in a field's annotation, some with a value or an argument."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TAG = re.compile(r"(?:^|(?<=\s))@([A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*)(?![A-Za-z])")

# What becomes of each tag. Kept: it says how the form behaves, and stands in the project's own dictionary.
KEPT = (
    *("HIDDEN", "HIDDEN-FORM", "HIDDEN-SURVEY", "HIDDEN-APP", "HIDDEN-PDF"),
    *("READONLY", "READONLY-FORM", "READONLY-SURVEY", "READONLY-APP"),
    *("NONEOFTHEABOVE", "MAXCHECKED", "HIDECHOICE", "SHOWCHOICE", "RANDOMORDER"),
    *("FORCE-MINMAX", "CHARLIMIT", "WORDLIMIT", "NOMISSING"),
)
COSMETIC = ("PASSWORDMASK", "PLACEHOLDER", "HIDEBUTTON", "RICHTEXT", "INLINE", "INLINE-PREVIEW", "DOWNLOAD-COUNT")
FILLED = ("TODAY", "NOW", "TODAY-SERVER", "NOW-SERVER", "TODAY-UTC", "NOW-UTC")
COMPUTED = ("CALCTEXT", "CALCDATE")
_FROM_LOGIN = ("USERNAME", "LATITUDE", "LONGITUDE", "CONSENT-VERSION", "APPUSERNAME-APP", "BARCODE-APP")


@dataclass(frozen=True, slots=True)
class ActionTag:
    """One tag: its name without the @, and its value or argument as it stands (without quotes or parentheses)."""

    name: str
    argument: str = ""


def action_tags(annotation: str) -> tuple[ActionTag, ...]:
    """The tags of an annotation, in order; what stands in the parentheses of one is its argument, tags included."""
    out = []
    position = 0
    while match := _TAG.search(annotation, position):
        argument, position = _argument(annotation, match.end())
        out.append(ActionTag(match[1], argument))
    return tuple(out)


def _argument(text: str, at: int) -> tuple[str, int]:
    """The argument that begins at a position, and where it ends."""
    rest = text[at:]
    if equal := re.match(r"\s*=\s*('[^']*'|\"[^\"]*\"|[^\s]+)", rest):
        value = equal[1]
        return (value[1:-1] if value[0] in "'\"" else value), at + equal.end()
    if not rest.startswith("("):
        return "", at
    depth, quote = 0, ""
    for k, sign in enumerate(rest):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "()":
            depth += 1 if sign == "(" else -1
            if depth == 0:
                return rest[1:k], at + k + 1
    return rest[1:], len(text)


def why_not(tag: ActionTag) -> str:
    """Why a tag cannot be taken over; empty where it can, or needs no more than a remark."""
    name = tag.name
    if name in (*KEPT, *COSMETIC, *FILLED, *COMPUTED):
        return ""
    if name == "DEFAULT":
        return "the default is piped from another field" if "[" in tag.argument else ""
    if name in ("SETVALUE", "PREFILL"):
        return "it overwrites the value at each opening of the form"
    if name == "MAXCHOICE":
        return "a quota over all records, looked at on opening the form only"
    if name == "IF":
        inner = action_tags(tag.argument.replace(",", " "))
        if inner and all(one.name in COSMETIC for one in inner):
            return ""
        return "what it says depends on logic that is read once, when the page opens"
    if name in _FROM_LOGIN or name.startswith("LANGUAGE-"):
        return "taken from the login or the device; a ledger holds who wrote what"
    return "it belongs to an external module or a version of REDCap that is not known here"
