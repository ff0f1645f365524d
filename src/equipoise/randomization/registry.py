"""The table of schemes, and a scheme made from the parameters of a companion file, with every problem of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from equipoise.foundation.errors import Problem, listed, nearest
from equipoise.randomization.biased_coins import BigStick, ChenCoin, EfronCoin
from equipoise.randomization.complete import Complete
from equipoise.randomization.fixed_total import RandomAllocationRule, TruncatedBinomial
from equipoise.randomization.minimization import MEASURES, Minimization
from equipoise.randomization.permuted_blocks import PermutedBlocks
from equipoise.randomization.scheme import Scheme, reduced
from equipoise.randomization.wei_urn import WeiUrn

CODES = {
    "L010": "The program has no such scheme.",
    "L011": "The scheme does not keep an unequal ratio at every position.",
    "L012": "The scheme is not defined for so many arms.",
    "L013": "A parameter of the scheme is missing, or out of bounds.",
    "L014": "A parameter does not belong to the scheme.",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A scheme of the table: its class, the parameters it needs, and a sentence."""

    kind: type[Scheme]
    parameters: tuple[str, ...]
    words: str


SCHEMES: dict[str, Entry] = {
    "permuted-blocks": Entry(PermutedBlocks, ("block-sizes",), "blocks in each of which the ratio holds exactly"),
    "big-stick": Entry(BigStick, ("limit",), "a fair coin, certain where the difference has reached the limit"),
    "complete": Entry(Complete, (), "every allocation drawn anew"),
    "random-allocation-rule": Entry(RandomAllocationRule, ("total",), "one block as long as the stream"),
    "truncated-binomial": Entry(TruncatedBinomial, ("total",), "a fair coin until one arm is full"),
    "efron": Entry(EfronCoin, ("probability",), "a coin that leans towards the arm with fewer"),
    "chen": Entry(ChenCoin, ("limit", "probability"), "Efron's coin with the big stick's limit"),
    "wei-urn": Entry(WeiUrn, ("alpha", "beta"), "an urn to which each allocation adds the other arms"),
    "minimization": Entry(
        Minimization, ("probability", "measure", "weights"), "the arm that keeps the factors' margins alike preferred"
    ),
}


def default_parameters(
    scheme: str, ratio: Sequence[int], factors: Sequence[str], n: int | None = None
) -> dict[str, Any]:
    """Parameters that we recommend where none are given (``docs/methods/randomization.md`` says why).

    Blocks of twice and three times the smallest one; a limit of 3; probability 2/3 (Efron, Chen) or 4/5
    (minimization); the urn UD(0, 1). ``n`` is the planned number a stream, for schemes with a fixed total.
    """
    unit = sum(reduced(ratio))
    every: dict[str, Any] = {
        "block-sizes": [2 * unit, 3 * unit],
        "limit": 3,
        "total": None if n is None else -(-n // unit) * unit,
        "probability": "4/5" if scheme == "minimization" else "2/3",
        "alpha": 0,
        "beta": 1,
        "measure": "range",
        "weights": dict.fromkeys(factors, 1),
    }
    return {name: every[name] for name in SCHEMES[scheme].parameters if every[name] is not None}


def check_ratio(scheme: str, ratio: Sequence[int], place: str) -> list[Problem]:
    """Whether the scheme exists, allows this many arms, and gives every position the ratio."""
    if scheme not in SCHEMES:
        guess = nearest(scheme, SCHEMES)
        hint = f"Did you mean {guess}?" if guess else ""
        return [Problem("L010", place, f"There is no scheme {scheme!r}.", listed(SCHEMES), hint)]
    kind, parts = SCHEMES[scheme].kind, reduced(ratio)
    if kind.most_arms is not None and len(parts) > kind.most_arms:
        able = [name for name, entry in SCHEMES.items() if entry.kind.most_arms is None]
        return [
            Problem(
                "L012",
                place,
                f"{scheme} with {len(parts)} arms.",
                f"at most {kind.most_arms} arms",
                f"With more arms choose {listed(able)}.",
            )
        ]
    if len(set(parts)) > 1 and not kind.keeps_unequal_ratio:
        able = [name for name, entry in SCHEMES.items() if entry.kind.keeps_unequal_ratio]
        return [
            Problem(
                "L011",
                place,
                f"{scheme} with the ratio {':'.join(map(str, parts))}.",
                "an equal ratio: with an unequal one the chance of an arm would differ from position to position "
                "(Kuznetsova, Tymofyeyev 2012)",
                f"With an unequal ratio choose {listed(able)}.",
            )
        ]
    return []


def make_scheme(
    scheme: str, ratio: Sequence[int], parameters: Mapping[str, Any], factors: Sequence[str], place: str
) -> tuple[Scheme | None, list[Problem]]:
    """The scheme with its parameters (keys as in a companion file), or every problem of them."""
    problems = check_ratio(scheme, ratio, place)
    if problems:
        return None, problems
    entry = SCHEMES[scheme]
    for name in parameters:
        if name not in entry.parameters:
            takes = listed(entry.parameters, conjunction="and") if entry.parameters else "no parameters"
            problems.append(
                Problem(
                    "L014", f"{place}.{name}", f"{scheme} has no {name}.", takes, "Remove it, or choose another scheme."
                )
            )
    unit = sum(reduced(ratio))
    readers: dict[str, Callable[[Any], Any]] = {
        "block-sizes": lambda value: _block_sizes(value, unit),
        "limit": lambda value: _whole(value, 1),
        "total": lambda value: _total(value, unit),
        "probability": lambda value: _probability(value, len(ratio) if scheme == "minimization" else 2),
        "alpha": lambda value: _whole(value, 0),
        "beta": lambda value: _whole(value, 0),
        "measure": lambda value: _one_of(value, MEASURES),
        "weights": lambda value: _weights(value, factors),
    }
    read: dict[str, Any] = {}
    for name in entry.parameters:
        try:
            read[name] = readers[name](parameters.get(name))
        except ValueError as error:
            shown = "Nothing" if name not in parameters else f"{parameters[name]!r}"
            problems.append(Problem("L013", f"{place}.{name}", f"{shown} stands here.", str(error), "Correct it."))
    if scheme == "wei-urn" and not problems and read["alpha"] + read["beta"] == 0:
        problems.append(
            Problem(
                "L013", f"{place}.alpha", "alpha and beta are both 0.", "at least one of them above 0", "Correct it."
            )
        )
    if problems:
        return None, problems
    names = {"weights": "weights_of", "block-sizes": "block_sizes"}
    return entry.kind(ratio, **{names.get(name, name): value for name, value in read.items()}), []


def _whole(value: Any, lowest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise ValueError(f"a whole number from {lowest} on")
    return value


def _block_sizes(value: Any, unit: int) -> tuple[int, ...]:
    sizes = value if isinstance(value, (list, tuple)) else [value]
    if not sizes or any(isinstance(s, bool) or not isinstance(s, int) or s < unit or s % unit for s in sizes):
        raise ValueError(f"a list of multiples of {unit}, the sum of the ratio")
    return tuple(sizes)


def _total(value: Any, unit: int) -> int:
    number = _whole(value, 1)
    if number % unit:
        raise ValueError(f"a multiple of {unit}, the sum of the ratio")
    return number


def _probability(value: Any, parts: int) -> Fraction:
    try:
        chance = Fraction(str(value).replace(" ", ""))
    except (ValueError, ZeroDivisionError):
        raise ValueError("a fraction such as 2/3, or a decimal such as 0.75") from None
    if not Fraction(1, parts) <= chance <= 1 or chance.denominator > 10**6:
        raise ValueError(f"a probability from 1/{parts} to 1, its denominator at most a million")
    return chance


def _one_of(value: Any, known: Sequence[str]) -> str:
    if value not in known:
        raise ValueError(listed(known))
    return str(value)


def _weights(value: Any, factors: Sequence[str]) -> dict[str, int]:
    if not isinstance(value, Mapping) or set(value) != set(factors):
        raise ValueError(f"a weight for each factor: {listed(factors, conjunction='and')}")
    for weight in value.values():
        if isinstance(weight, bool) or not isinstance(weight, int) or weight < 1:
            raise ValueError("weights that are whole numbers from 1 on")
    return {name: int(value[name]) for name in factors}
