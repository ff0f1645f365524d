"""Companion files: sealing a new one, writing it for one pair of eyes, reading it back for its protocol."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from equipoise.foundation.errors import (
    EquipoiseError,
    OutputError,
    Problem,
    RandomizationError,
    raise_if_any,
)
from equipoise.foundation.hashing import canonical_json, sha256_value
from equipoise.protocol import Protocol
from equipoise.protocol.text.yaml_lines import read_yaml_file
from equipoise.randomization.companion import KINDS, Companion, Kind, Sealed, check_same_plan
from equipoise.randomization.generator import GENERATOR, SEED_BYTES
from equipoise.randomization.plan import PlannedRandomization, planned_randomizations
from equipoise.randomization.registry import default_parameters, make_scheme

CODES = {
    "L007": "Minimization has no list: arms depend on the participants' factors.",
    "L008": "The public value that a list needs is missing, or was not announced.",
    "L020": "A companion file cannot be read, or is incomplete.",
    "L021": "The companion was sealed for another plan.",
    "L022": "A training companion is used for production, or the reverse.",
    "L023": "The content of a companion file was changed.",
    "O046": "The companion file exists already.",
    "O047": "The companion file cannot be written.",
}
_KEYS = (
    "equipoise-companion",
    "generator",
    "kind",
    "trial",
    "protocol-hash",
    "randomizations",
    "later",
    "seed",
    "nonce",
    "check",
)


def seal(
    protocol: Protocol,
    *,
    entropy: Callable[[int], bytes],
    kind: Kind = "production",
    parameters: Mapping[str, Any] | None = None,
    later: str | None = None,
) -> Companion:
    """A new companion for a protocol.

    ``entropy(n)`` gives ``n`` random bytes (``secrets.token_bytes``); ``parameters`` those of the schemes, by the names
    of ``schemes.SCHEMES``, recommended ones where absent; they hold for every randomization of the protocol.
    ``later`` names a public value that will become known after the commitment. Raises
    :class:`~equipoise.foundation.errors.RandomizationError` with every problem of plan and parameters.
    """
    planned = planned_randomizations(protocol)
    sealed, problems = _with_schemes([(plan, _chosen(protocol, plan, parameters or {})) for plan in planned])
    raise_if_any(RandomizationError, problems)
    return KINDS[kind](
        trial=protocol.id,
        protocol_hash=protocol.hash,
        randomizations=sealed,
        seed=entropy(SEED_BYTES),
        nonce=entropy(SEED_BYTES),
        later_what=later.strip() if later and later.strip() else None,
    )


def _chosen(protocol: Protocol, plan: PlannedRandomization, given: Mapping[str, Any]) -> dict[str, Any]:
    n = protocol.model.trial.planned_n.usable
    defaults = default_parameters(plan.scheme, plan.ratio, plan.factors, n)
    return {**defaults, **given}


def _with_schemes(
    plans: list[tuple[PlannedRandomization, Mapping[str, Any]]],
) -> tuple[tuple[Sealed, ...], list[Problem]]:
    made, problems = [], []
    for plan, parameters in plans:
        scheme, found = make_scheme(
            plan.scheme, plan.ratio, parameters, plan.factors, f"randomizations.{plan.stage}.parameters"
        )
        problems += found
        if scheme is not None:
            made.append(Sealed(plan, scheme))
    return tuple(made), problems


def companion_text(companion: Companion) -> str:
    """The file's text: YAML, the same bytes for the same companion."""
    later = None
    if companion.later_what is not None:
        later = {"what": companion.later_what, "value": companion.later_value}
    lines = [
        f"# SEALED companion of {companion.trial} ({companion.kind}). Whoever reads it knows every allocation to come.",
        "# Keep it apart from the protocol, the database and its backups. Never edit it: `check` would not agree.",
        "equipoise-companion: 1",
    ]
    content = {**companion.content(), "later": later}
    for key in _KEYS[1:-1]:
        value = content[key]
        if key == "randomizations":
            lines.append("randomizations:")
            for item in value:
                first, *rest = [f"{name}: {canonical_json(entry)}" for name, entry in item.items()]
                lines += [f"  - {first}", *(f"    {line}" for line in rest)]
        else:
            lines.append(f"{key}: {canonical_json(value)}")
    lines.append(f'check: "{_check(content)}"')
    return "\n".join(lines) + "\n"


def write_companion(companion: Companion, path: str | os.PathLike[str]) -> None:
    """Write a companion to a new file that its owner alone may read.

    A file that is there is never replaced (O046): a list that was sealed may be in use.
    """
    if companion.kind not in KINDS:
        raise ValueError("sham lists are never written")
    target = Path(path)
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise OutputError(
            Problem(
                "O046",
                str(target),
                "A file of this name is there already.",
                "a new file",
                "Choose another name; a sealed list is never replaced.",
            )
        ) from None
    except OSError as error:
        raise OutputError(Problem("O047", str(target), f"It cannot be written: {error.strerror}.", "")) from None
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as out:
        out.write(companion_text(companion))
        out.flush()
        os.fsync(out.fileno())


def read_companion(path: str | os.PathLike[str], protocol: Protocol, *, kind: Kind | None = "production") -> Companion:
    """The companion of ``protocol`` in a file; ``kind`` is the one that is allowed (either, where it is ``None``).

    Raises :class:`~equipoise.foundation.errors.RandomizationError`: L020 the file cannot be read, L023 it was changed
    since it was sealed, L022 it is for training and production is asked for, L021 it was sealed for another plan, and
    L010 to L014 parameters that do not suit.
    """
    file = str(path)

    def refuse(code: str, place: str, found: str, expected: str, step: str = "") -> RandomizationError:
        return RandomizationError(Problem(code, place, found, expected, step, file))

    whole = "a file that `equipoise randomization seal` wrote"
    try:
        values, _, _ = read_yaml_file(Path(path))
    except EquipoiseError as error:
        raise refuse("L020", "", error.problems[0].found, whole) from None
    if not isinstance(values, dict) or values.get("equipoise-companion") != 1 or set(values) != set(_KEYS):
        raise refuse("L020", "", "This is no companion file.", whole)
    if values["generator"] != GENERATOR:
        raise refuse("L020", "generator", f"Found {values['generator']!r}.", GENERATOR, "Use the program it names.")
    content = {key: values[key] for key in _KEYS[1:-1]}
    if values["check"] != _check(content):
        raise refuse(
            "L023",
            "check",
            "The file is not as it was sealed.",
            "the file untouched",
            "Take the sealed original from its safe place.",
        )
    if kind is not None and values["kind"] != kind:
        raise refuse(
            "L022",
            "kind",
            f"The companion is for {values['kind']}.",
            kind,
            "Seal a list for production." if kind == "production" else "Seal a list with --training.",
        )
    try:
        later = values["later"] or {}
        companion = KINDS[values["kind"]](
            trial=values["trial"],
            protocol_hash=values["protocol-hash"],
            randomizations=_randomizations(values["randomizations"], protocol),
            seed=_bytes(values["seed"]),
            nonce=_bytes(values["nonce"]),
            later_what=later.get("what"),
            later_value=later.get("value"),
        )
    except RandomizationError as error:
        raise RandomizationError([problem.at(file, None) for problem in error.problems]) from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise refuse("L020", "", "Parts of the companion are absent or of another kind.", whole) from None
    problems = check_same_plan(companion, protocol, planned_randomizations(protocol))
    raise_if_any(RandomizationError, [problem.at(file, None) for problem in problems])
    return companion


def _check(content: Mapping[str, Any]) -> str:
    try:
        return sha256_value([GENERATOR, "check", content])
    except (TypeError, ValueError):
        return ""


def _bytes(text: Any) -> bytes:
    made = bytes.fromhex(text)
    if len(made) != SEED_BYTES:
        raise ValueError("a seed has 32 bytes")
    return made


def _randomizations(entries: Any, protocol: Protocol) -> tuple[Sealed, ...]:
    """Sealed randomizations; levels come from the protocol at hand, since an amendment may add a site."""
    levels: dict[str, tuple[str, ...]] = {}
    for plan in planned_randomizations(protocol):
        levels.update(plan.levels)
    plans = []
    for number, entry in enumerate(entries, 1):
        plan = PlannedRandomization(
            stage=entry["stage"],
            number=number,
            scheme=entry["scheme"],
            arms=tuple(entry["arms"]),
            ratio=tuple(entry["ratio"]),
            levels={name: levels.get(name, ()) for name in entry["factors"]},
        )
        plans.append((plan, entry["parameters"]))
    sealed, problems = _with_schemes(plans)
    raise_if_any(RandomizationError, problems)
    return sealed
