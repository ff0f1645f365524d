"""Names of variables and files by the rules of each package; what has to be renamed is renamed by rule.

The rules follow the packages' own limits, also those that programs which write the files do not hold themselves to
(SPSS ignores case and takes no word of its syntax as a name).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_SPSS_WORDS = frozenset(("all", "and", "by", "eq", "ge", "gt", "le", "lt", "ne", "not", "or", "to", "with"))
_STATA_WORDS = frozenset(
    ("_all", "_b", "_coef", "_cons", "_n", "_pi", "_pred", "_rc", "_skip", "byte", "double", "float", "if", "in", "int")
) | {"long", "str", "strl", "using", "with"}


@dataclass(frozen=True, slots=True)
class NameRule:
    """What a name may be: its longest, and how a text is made into one; names that differ in case alone are one."""

    longest: int
    words: frozenset[str]
    shorten: Callable[[str, int], str]
    prefix: str = "v_"
    capitals: bool = False

    def name(self, text: str, taken: set[str]) -> str:
        """``text`` as a name that is not yet ``taken`` (by others, in capitals), which it joins."""
        plain = re.sub(r"[^A-Za-z0-9_]", "_", text) or "_"
        if not plain[0].isalpha():
            plain = self.prefix + plain
        if plain.lower() in self.words or re.fullmatch(r"str\d+", plain.lower()):
            plain += "_"
        base = self.shorten(plain, self.longest)
        name, number = base, 1
        while name.upper() in taken:
            number += 1
            name = base[: self.longest - len(str(number))] + str(number)
        taken.add(name.upper())
        return name.upper() if self.capitals else name

    def names(self, texts: Sequence[str]) -> dict[str, str]:
        """A name for each of ``texts``, different from one another; texts that need no change keep theirs."""
        taken: set[str] = set()
        kept = {text: text for text in texts if not self._needs_change(text, taken)}
        return {text: kept.get(text) or self.name(text, taken) for text in texts}

    def _needs_change(self, text: str, taken: set[str]) -> bool:
        alone: set[str] = set()
        if self.name(text, alone) != text or text.upper() in taken:
            return True
        taken.add(text.upper())
        return False


def _cut(text: str, longest: int) -> str:
    return text[:longest]


def _consonants(text: str, longest: int) -> str:
    """Shorter by leaving out underscores, then vowels from the end (never the first letter), then by cutting."""
    if len(text) <= longest:
        return text
    letters = list(text.replace("_", ""))
    for place in range(len(letters) - 1, 0, -1):
        if len(letters) <= longest:
            break
        if letters[place].lower() in "aeiou":
            del letters[place]
    return "".join(letters)[:longest]


RULES = {
    "spss": NameRule(64, _SPSS_WORDS, _cut),
    "stata": NameRule(32, _STATA_WORDS, _cut),
    "xpt": NameRule(8, frozenset(), _consonants, prefix="V", capitals=True),
}


def shortened(label: str, longest: int, *, in_bytes: bool) -> str:
    """A label no longer than a package keeps, cut between words, its end marked by three dots."""
    if _length(label, in_bytes) <= longest:
        return label
    words = label.split(" ")
    while len(words) > 1 and _length(" ".join(words) + "...", in_bytes) > longest:
        words.pop()
    kept = " ".join(words)
    while _length(kept + "...", in_bytes) > longest:
        kept = kept[:-1]
    return kept + "..."


def _length(text: str, in_bytes: bool) -> int:
    return len(text.encode("utf-8")) if in_bytes else len(text)
