"""The 54 published definitions (62 columns), each written out letter by letter for one word: slow and obvious.

Nothing here knows the endpoint language; the language is held against this. A value that does not exist is ``None``.
A cell that is not due (``_``) is passed over by every rule and still counts as a place in the word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def positive_if_missing(word: str) -> str:
    return "".join("+" if letter in "o*" else letter for letter in word)


def due(word: str) -> str:
    return "".join(letter for letter in word if letter != "_")


def seen(word: str) -> str:
    return "".join(letter for letter in word if letter not in "o_")


def places(word: str) -> list[int]:
    return [place for place, letter in enumerate(word, start=1) if letter != "_"]


def share(word: str, letter: str) -> float:
    """Weeks with ``letter``, a mixed week as half, over the weeks due; nothing due is zero."""
    letters = due(word)
    if not letters:
        return 0.0
    return (letters.count(letter) + 0.5 * letters.count("*")) / len(letters)


def longest(word: str, letter: str) -> int:
    best = run = 0
    for one in due(word):
        run = run + 1 if one == letter else 0
        best = max(best, run)
    return best


def first_positive(word: str) -> tuple[int | None, int | None]:
    if not due(word):
        return None, None
    for place, letter in enumerate(word, start=1):
        if letter == "+":
            return place, 1
    return places(word)[-1], 0


def first_window(word: str, letter: str, k: int, w: int, offset: int) -> tuple[int | None, int | None]:
    where = places(word)
    if len(where) < w:
        return None, None
    for start in range(len(where) - w + 1):
        window = where[start : start + w]
        if sum(word[place - 1] == letter for place in window) >= k:
            return window[0] + offset, 1
    return where[len(where) - w] + offset, 0


def from_week(word: str, first: int) -> str:
    """Weeks before ``first`` are not looked at but keep their places."""
    return "_" * min(first - 1, len(word)) + word[first - 1 :]


def last_contact(word: str) -> int:
    return max((place for place, letter in enumerate(word, start=1) if letter not in "o_"), default=0)


def thinned(word: str) -> str:
    """Weeks 1 to 7, then 9, 11, 13, 15; every week between repeats the last one seen by the schedule."""
    long = word.replace("o", "+")
    out = ""
    for place in range(1, 16):
        on = place <= 7 or place in (9, 11, 13, 15)
        letter = long[place - 1] if place <= len(long) else "+"
        if on and letter != "_":
            out += letter
        else:
            out += next((earlier for earlier in reversed(out) if earlier != "_"), "_")
    return out


def own_mode(word: str) -> str:
    negatives, positives = word.count("-"), word.count("+") + word.count("*")
    if negatives == positives == 0:
        return word
    return word.replace("o", "-" if negatives > positives else "+")


def filled_between(word: str) -> str:
    value = {"+": 1.0, "*": 0.5, "-": 0.0}
    letters, out = due(word), ""
    for place, letter in enumerate(letters):
        inner = 0 < place < len(letters) - 1
        if letter == "o" and inner and letters[place - 1] != "o" and letters[place + 1] != "o":
            mean = (value[letters[place - 1]] + value[letters[place + 1]]) / 2
            out += "+" if mean >= 0.75 else "*" if mean >= 0.25 else "-"
        else:
            out += letter
    back = iter(out)
    return "".join(letter if letter == "_" else next(back) for letter in word)


def ling_a(word: str) -> float | None:
    if len(word) < 15 or not due(word[:15]):
        return None
    if last_contact(word) <= 3:
        return 0.0
    escalation = [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]
    got = worst = 0.0
    for letter, times in zip(word[:15], escalation):
        if letter == "_":
            continue
        got += {"+": 1.0 * times, "*": 0.5 * times, "o": 0.22, "-": 0.0}[letter]
        worst += 1.0 * times
    return None if worst == 0 else 120 - 120 * got / worst


def ling_b(word: str) -> float | None:
    if last_contact(word) <= 3:
        return 0.0
    letters = word[:15]
    got = worst = 0.0
    for place, letter in enumerate(letters):
        times = 1 + 4 * place / (len(letters) - 1) if len(letters) > 1 else 1.0
        if letter == "_":
            continue
        got += {"+": 0.8 * times, "*": 0.4 * times, "o": 1.0, "-": 0.0}[letter]
        worst += max(0.8 * times, 1.0)
    return None if worst == 0 else 120 - 120 * got / worst


def ctn94_abstinent(word: str) -> bool:
    window = due(word[11:15].replace("*", "+"))
    return len(window) >= 4 and "+" not in window and window.count("o") <= 1


def lofwall(word: str) -> bool:
    weeks = thinned(word.replace("*", "+"))
    return share(weeks[4:7], "-") >= 2 / 3 and weeks[7] == "-" and share(weeks[8:15], "-") >= 5 / 6


def thirty(word: str) -> bool:
    weeks = positive_if_missing(word)
    return weeks[-1:] == "-" and weeks[-4:-1].count("+") <= 1


def relapse_51(word: str) -> tuple[int | None, int | None]:
    return first_window(from_week(positive_if_missing(word), 3), "+", 4, 4, 0)


def eissenberg(word: str) -> bool:
    return last_contact(word) >= 15 and "----" in due(filled_between(word)[:15])


def woody(word: str) -> float:
    long = word.replace("o", "+") + "+" * 12
    return 1 - share(long[3] + long[7] + long[11], "+")


def negatives(word: str) -> float:
    return word.count("-") + 0.5 * word.count("*")


def zaks(word: str) -> float:
    letters = seen(word)
    return len(letters) - (letters.count("+") + 0.5 * letters.count("*"))


def longest_negative_of_seen(word: str) -> int:
    return longest(seen(word).replace("*", "+"), "-")


Slow = Callable[[str], Any]
PAIRS: dict[str, Callable[[str], tuple[int | None, int | None]]] = {
    "Ab?_mokri_2016": lambda w: first_positive(positive_if_missing(w)),
    "Ab?_schottenfeldA_2008": lambda w: first_positive(positive_if_missing(w)),
    "Ab?_shufman_1994": lambda w: first_positive(w.replace("o", "-").replace("*", "+")),
    "Rs?_ctnNinetyFour_2023": lambda w: first_window(positive_if_missing(w), "+", 4, 4, 0),
    "Dr?_ctnNinetyFour_2023": lambda w: first_window(w, "o", 4, 4, 0),
    "Rs?_lee_2016": lambda w: first_window(positive_if_missing(w), "+", 2, 4, 2),
    "Rs?_ctnFiftyOne_2018": relapse_51,
    "Rs?_schottenfeld_2008": lambda w: first_window(positive_if_missing(w), "+", 3, 3, 0),
}
SLOW: dict[str, Slow] = {
    "Ab_ctnNinetyFour_2023": ctn94_abstinent,
    "Ab_fiellin_2006": lambda w: w.count("-"),
    "Ab_kosten_1993": lambda w: longest(w, "-") >= 3,
    "Ab_krupitskyA_2011": lambda w: "+" not in positive_if_missing(w)[4:15],
    "Ab_krupitskyB_2011": lambda w: w[4:15].count("-"),
    "Ab_ling_1998": lambda w: longest(w, "-") >= 4,
    "Ab_lofwall_2018": lofwall,
    "Ab_schottenfeld_2005": longest_negative_of_seen,
    "Ab_schottenfeldB_2008": lambda w: longest(w, "-"),
    "Ab_ctnThirty_2011": thirty,
    "Rs_johnson_1992": lambda w: "++" in due(positive_if_missing(w)[3:]),
    "Rs_krupitsky_2004": lambda w: "+++" in due(positive_if_missing(w)),
    "Rd_comer_2006": lambda w: share(w[:8], "-"),
    "Rd_eissenberg_1997": eissenberg,
    "Rd_fiellin_2006": lambda w: share(w, "-"),
    "Rd_fudala_2003": lambda w: share(seen(w), "-"),
    "Rd_haight_2019": lambda w: share(w[4:15], "-"),
    "Rd_jaffe_1972": lambda w: share(own_mode(w), "-") if last_contact(w) >= 8 else 0.0,
    "Rd_johnson_1992": lambda w: share(w, "-"),
    "Rd_kostenB_1993": lambda w: share(seen(w)[:15], "-") >= 0.7,
    "Rd_lingA_1998": lambda w: share(seen(w)[:15], "-"),
    "Rd_lingC_1998": lambda w: negatives(w[:15]),
    "Rd_ling_2010": lambda w: share(w[:15], "-"),
    "Rd_lingA_1976": ling_a,
    "Rd_lingB_1976": ling_b,
    "Rd_lofwall_2018": lambda w: share(thinned(w), "-"),
    "Rd_mattickA_2003": lambda w: share(w[: last_contact(w)], "-"),
    "Rd_mattickB_2003": lambda w: share(w[:13], "-"),
    "Rd_paniA_2000": lambda w: share(seen(w), "-"),
    "Rd_paniB_2000": lambda w: share(w, "-"),
    "Rd_petitjean_2001": lambda w: 1 - share(w.replace("o", "+"), "+"),
    "Rd_preston_2000": lambda w: share(w[:13], "-"),
    "Rd_schottenfeld_2005": lambda w: share(seen(w), "-"),
    "Ab_schwartz_2006": lambda w: w[14:15] == "-",
    "Rd_shufman_1994": lambda w: 1 - share(w, "+"),
    "Rd_soyka_2008": lambda w: 1 - share(seen(w), "+"),
    "Rd_strain_1993": lambda w: 1 - share(w[5:15], "+"),
    "Rd_strain_1994": lambda w: 1 - share(w, "+"),
    "Rd_strain_1996": lambda w: 1 - share(seen(w), "+"),
    "Rd_strain_1999": lambda w: 1 - share(w, "+"),
    "Rd_strang_2010": lambda w: share(w[-12:], "-") >= 0.5,
    "Rd_strang_2019": lambda w: share(w[:12], "-"),
    "Rd_tanum_2017": lambda w: share(w[: last_contact(w)], "-"),
    "Rd_wolstein_2009": lambda w: share(seen(w), "-"),
    "Rd_woody_2008": woody,
    "Rd_zaks_1972": zaks,
}


def slow_columns(word: str) -> dict[str, float | None]:
    """All 62 columns of one word; true and false as 1 and 0."""
    out: dict[str, float | None] = {}
    for name, pair in PAIRS.items():
        time, event = pair(word)
        out[name.replace("?", "T")] = None if time is None else float(time)
        out[name.replace("?", "E")] = None if event is None else float(event)
    for name, slow in SLOW.items():
        value = slow(word)
        out[name] = None if value is None else float(value)
    return out
