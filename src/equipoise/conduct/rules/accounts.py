"""Accounts: roles that break the blind when one person holds both, and names that people take for one another."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable

from equipoise.foundation.errors import Problem, listed

CODES = {
    "C113": "One account cannot hold these roles together: they would break the blind.",
    "C114": "The name differs from another only in case, or looks like it.",
}

# Who knows arms, or what may tell them; and who enrols, treats, rates, reviews or analyses without knowing them.
KNOWS_ARMS = ("pharmacist", "unblinded-statistician")
BLINDED = ("coordinator", "investigator", "infusion", "rater", "monitor", "data-manager", "statistician")
READS_QUARANTINED = ("safety",)
_APART = (
    (KNOWS_ARMS, BLINDED, "knows arms, and the other is blinded"),
    (
        READS_QUARANTINED,
        ("coordinator", "investigator", "rater", "monitor", "data-manager", "statistician"),
        "reads what is quarantined, and the other must not",
    ),
    (("infusion",), ("rater", "statistician"), "sees the infusion and its vital signs, and the other must not"),
)


def joined_roles(roles: Collection[str]) -> list[tuple[str, str, str]]:
    """Pairs of roles that one account must not hold together, with the reason."""
    return [
        (one, other, why)
        for group, others, why in _APART
        for one in group
        for other in others
        if one in roles and other in roles
    ]


def check_roles(account: str, roles: Collection[str]) -> list[Problem]:
    """C113 for each pair of roles that breaks the blind in one account."""
    return [
        Problem(
            "C113",
            f"account {account}",
            f"It would hold {one} and {other}: one {why}.",
            "one of the two roles",
            "Give the other role to another person, with an account of their own.",
        )
        for one, other, why in joined_roles(roles)
    ]


# Letters of other scripts that look like Latin ones, and digits that look like letters. Each stands for what it is
# taken for; two names are alike when nothing is left to tell them apart.
_LOOKS = {
    # Cyrillic
    "\u0430": "a",
    "\u0435": "e",
    "\u043e": "o",
    "\u0440": "p",
    "\u0441": "c",
    "\u0443": "y",
    "\u0445": "x",
    "\u0456": "i",
    "\u0458": "j",
    "\u0455": "s",
    "\u0501": "d",
    "\u04bb": "h",
    "\u051b": "q",
    "\u051d": "w",
    "\u043a": "k",
    "\u043c": "m",
    "\u0442": "t",
    "\u0432": "b",
    "\u043d": "h",
    # Greek
    "\u03b1": "a",
    "\u03b2": "b",
    "\u03bf": "o",
    "\u03c1": "p",
    "\u03bd": "v",
    "\u03b9": "i",
    "\u03ba": "k",
    "\u03c4": "t",
    "\u03c5": "u",
    "\u03c7": "x",
    "\u03b7": "n",
    # Latin letters without a dot, and a click
    "\u0131": "i",
    "\u0269": "i",
    "\u01c0": "i",
}
_LOOKS |= {"0": "o", "1": "i", "l": "i", "|": "i"}


def skeleton(name: str) -> str:
    """What a reader sees of a name: without case, accents, and what looks like another letter."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    letters = "".join(_LOOKS.get(one, one) for one in plain if not unicodedata.combining(one))
    return letters.replace("rn", "m").replace("vv", "w")


def check_name(place: str, name: str, others: Iterable[str]) -> list[Problem]:
    """C114 where a name is taken for one of ``others``; the very same name is for others to refuse."""
    seen = skeleton(name)
    alike = sorted(other for other in others if other != name and skeleton(other) == seen)
    if not alike:
        return []
    return [
        Problem(
            "C114",
            place,
            f"{name!r} is taken for {listed([repr(other) for other in alike], conjunction='and')}.",
            "a name that differs by more than case, or by letters that do not look alike",
            "Choose another.",
        )
    ]
