"""The sealed companion of a protocol: parameters of the schemes, seed and nonce; and the lists that follow from it.

Whoever holds it can tell every allocation to come. It is made once, by the unblinded statistician or pharmacist, and
never stands in the protocol that sites read. What may be published beforehand is its commitment.

A companion is for production or for training. These are different types with different lists even of one seed, and a
production trial takes the one and refuses the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal

from equipoise.foundation.errors import Problem, RandomizationError, listed
from equipoise.foundation.hashing import sha256_value
from equipoise.protocol import Protocol
from equipoise.randomization.generator import GENERATOR, Stream, list_key
from equipoise.randomization.minimization import Minimization
from equipoise.randomization.plan import PlannedRandomization, stream_name
from equipoise.randomization.scheme import Exhausted, Profile, Scheme

Kind = Literal["production", "training"]
History = Sequence[tuple[Profile, str]]


@dataclass(frozen=True, slots=True)
class Sealed:
    """One randomization as it was sealed: what was planned, and the scheme with its parameters."""

    planned: PlannedRandomization
    scheme: Scheme

    def as_dict(self) -> dict[str, Any]:
        """Plain values as they stand in the file; what the commitment is taken over."""
        return {
            "stage": self.planned.stage,
            "scheme": self.planned.scheme,
            "arms": list(self.planned.arms),
            "ratio": list(self.planned.ratio),
            "factors": list(self.planned.factors),
            "parameters": self.scheme.parameters(),
        }


@dataclass(frozen=True, kw_only=True, repr=False)
class Companion:
    """The lists of one trial. Use :class:`ProductionCompanion` or :class:`TrainingCompanion`.

    ``protocol_hash`` is that of the protocol as it was sealed; an amended protocol whose randomization reads the same
    goes on with the same lists. ``later_what`` names the public value that was to become known after the commitment,
    ``later_value`` what it came to.
    """

    kind: ClassVar[str]

    trial: str
    protocol_hash: str
    randomizations: tuple[Sealed, ...]
    seed: bytes
    nonce: bytes
    later_what: str | None = None
    later_value: str | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.trial} {self.commitment[:12]}>"  # never a parameter: it may be logged

    # ------------------------------------------------------------------ what may be told

    @property
    def commitment(self) -> str:
        """SHA-256 that binds the sealer to these lists and tells nothing of them; published before the first slot."""
        return sha256_value([GENERATOR, "commitment", {**self.content(), "later": self.later_what}])

    def content(self) -> dict[str, Any]:
        """Everything the file says, as plain values, without the later value."""
        return {
            "generator": GENERATOR,
            "kind": self.kind,
            "trial": self.trial,
            "protocol-hash": self.protocol_hash,
            "randomizations": [sealed.as_dict() for sealed in self.randomizations],
            "seed": self.seed.hex(),
            "nonce": self.nonce.hex(),
        }

    @property
    def is_ready(self) -> bool:
        """Whether lists can be drawn: the later public value, where one was announced, is known."""
        return self.later_what is None or self.later_value is not None

    # ------------------------------------------------------------------ streams

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the randomizations in order; ``trial`` alone where no stage randomizes."""
        return tuple(sealed.planned.stage for sealed in self.randomizations)

    def arms(self, stage: str | None = None) -> tuple[str, ...]:
        """Arms of a randomization; by default the first."""
        return self._sealed(stage).planned.arms

    def factors(self, stage: str | None = None) -> tuple[str, ...]:
        """Names of the variables that decide the stream (or, with minimization, the arm)."""
        return self._sealed(stage).planned.factors

    def uses_profile(self, stage: str | None = None) -> bool:
        """Whether an arm goes by the participants' factors (minimization): ``slots`` is then refused."""
        return self._sealed(stage).scheme.uses_profile

    def length(self, stage: str | None = None) -> int | None:
        """Slots of each stream where the scheme has a fixed total (``slots`` beyond it is refused); else ``None``."""
        total = getattr(self._sealed(stage).scheme, "total", None)
        return total if isinstance(total, int) else None

    def streams(self, stage: str | None = None) -> tuple[str, ...]:
        """Every stream of a randomization; one for each stratum, a single one with minimization."""
        sealed = self._sealed(stage)
        strata = [{}] if sealed.scheme.uses_profile else sealed.planned.strata()
        return tuple(stream_name(sealed.planned.stage, stratum) for stratum in strata)

    def stream_name(self, profile: Mapping[str, Any] | None = None, stage: str | None = None) -> str:
        """The stream of a participant with these levels (further keys are ignored; true and false are yes and no).

        Raises :class:`~equipoise.foundation.errors.RandomizationError`: L004 where a level is absent or not known.
        """
        sealed = self._sealed(stage)
        levels = sealed.planned.require_profile(profile or {})
        return stream_name(sealed.planned.stage, {} if sealed.scheme.uses_profile else levels)

    # ------------------------------------------------------------------ allocations

    def slots(self, stream: str, n: int) -> tuple[str, ...]:
        """The first ``n`` arms of a stream. A longer list begins with the shorter one.

        Raises :class:`~equipoise.foundation.errors.RandomizationError`: L005 for a stream that is not ours, L006 past
        a fixed total, L007 with minimization, L008 while a later public value is awaited.
        """
        sealed = self._of_stream(stream)
        if sealed.scheme.uses_profile:
            raise RandomizationError(
                Problem("L007", stream, "Minimization: an arm goes by the participant's factors.", "next_arm")
            )
        if n < 0:
            raise ValueError("a list has no negative length")
        try:
            numbers = sealed.scheme.arms(self._stream(stream), n)
        except Exhausted:
            raise RandomizationError(
                Problem(
                    # The total is sealed: who is told of the end need not learn more than that.
                    "L006",
                    stream,
                    f"The stream has no slot {n}: it is used up.",
                    "a slot of the list",
                    "The stratum is complete; ask the person who keeps the sealed companion.",
                )
            ) from None
        return tuple(sealed.planned.arms[number] for number in numbers)

    def next_arm(self, stream: str, history: History, profile: Mapping[str, Any] | None = None) -> str:
        """The arm of the next participant of a stream.

        ``history`` holds the profile and the arm of everybody allocated in the stream before, in the order of slots.
        With every scheme but minimization only its length matters, and the arm is ``slots(stream, n + 1)[-1]``.
        """
        sealed = self._of_stream(stream)
        scheme = sealed.scheme
        if not isinstance(scheme, Minimization):
            return self.slots(stream, len(history) + 1)[-1]
        planned = sealed.planned
        past = [(planned.require_profile(before), planned.arms.index(arm)) for before, arm in history]
        number = scheme.next_arm(self._stream(stream), past, planned.require_profile(profile or {}))
        return planned.arms[number]

    def sham(self) -> ShamCompanion:
        """An independent allocation by the same schemes, for a cut whose arms must mean nothing.

        Its lists come from a key of their own: from a sham list nothing follows about the true one.
        """
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return ShamCompanion(**values)

    def with_later_value(self, value: str) -> Companion:
        """The companion with the public value that was announced in ``later_what``; its commitment is the same."""
        if self.later_what is None or self.later_value is not None or not value.strip():
            found = (
                "No later value was announced."
                if self.later_what is None
                else "The later value is known already."
                if self.later_value is not None
                else "The later value is empty."
            )
            raise RandomizationError(
                Problem(
                    "L008",
                    "later",
                    found,
                    "a companion that awaits a value, and the value",
                    "Seal with --later to await one.",
                )
            )
        return replace(self, later_value=value.strip())

    # ------------------------------------------------------------------ within

    def _sealed(self, stage: str | None) -> Sealed:
        if stage is None:
            return self.randomizations[0]
        for sealed in self.randomizations:
            if sealed.planned.stage == stage:
                return sealed
        raise RandomizationError(Problem("L005", stage, f"There is no randomization {stage!r}.", listed(self.stages)))

    def _of_stream(self, stream: str) -> Sealed:
        for sealed in self.randomizations:
            if stream in self.streams(sealed.planned.stage):
                return sealed
        known = [name for stage in self.stages for name in self.streams(stage)]
        raise RandomizationError(
            Problem(
                "L005",
                stream,
                f"The list has no stream {stream!r}.",
                listed(known),
                "stream_name gives the name from a participant's levels.",
            )
        )

    def _stream(self, name: str) -> Stream:
        if not self.is_ready:
            raise RandomizationError(
                Problem(
                    "L008",
                    "later",
                    f"The list awaits a public value: {self.later_what}.",
                    "its value",
                    "Give it by `equipoise randomization mix COMPANION --value V --out FILE`.",
                )
            )
        return Stream(list_key(self.seed, self.kind, self.trial, self.later_value or ""), name)


class ProductionCompanion(Companion):
    """The lists of a running trial."""

    kind = "production"


class TrainingCompanion(Companion):
    """Lists to train people with; no production trial takes them."""

    kind = "training"


class ShamCompanion(Companion):
    """Dummy lists, made from a companion and never written to a file."""

    kind = "sham"

    def sham(self) -> ShamCompanion:
        """Itself."""
        return self


KINDS: dict[str, type[Companion]] = {kind.kind: kind for kind in (ProductionCompanion, TrainingCompanion)}


def each_stream(companion: Companion) -> Iterator[tuple[str, str]]:
    """Every stage with each of its streams."""
    for stage in companion.stages:
        for stream in companion.streams(stage):
            yield stage, stream


def check_same_plan(companion: Companion, protocol: Protocol, planned: Sequence[PlannedRandomization]) -> list[Problem]:
    """Where a protocol's randomization is not what was sealed."""
    problems = []
    if companion.trial != protocol.id:
        problems.append(
            Problem(
                "L021",
                "trial",
                f"The companion is of {companion.trial}.",
                protocol.id,
                "Take the trial's own companion.",
            )
        )
        return problems
    sealed = {item.planned.stage: item.planned for item in companion.randomizations}
    stated = {item.stage: item for item in planned}
    if list(sealed) != list(stated):
        problems.append(
            Problem(
                "L021",
                "randomizations",
                f"Sealed were {listed(sealed, conjunction='and')}.",
                f"{listed(stated, conjunction='and')}, as the protocol says",
                _AGAIN,
            )
        )
    for stage in [name for name in sealed if name in stated]:
        was, now = sealed[stage], stated[stage]
        for what, before, after in (
            ("scheme", was.scheme, now.scheme),
            ("ratio", _ratio(was), _ratio(now)),
            ("factors", list(was.factors), list(now.factors)),
        ):
            if before != after:
                problems.append(
                    Problem(
                        "L021",
                        f"randomizations.{stage}.{what}",
                        f"Sealed was {_said(before)}.",
                        f"{_said(after)}, as the protocol says",
                        _AGAIN,
                    )
                )
    return problems


_AGAIN = (
    "A list follows one plan: go on with the plan it was sealed for; a new list is for a trial without participants."
)


def _ratio(planned: PlannedRandomization) -> dict[str, int]:
    return dict(sorted(zip(planned.arms, planned.ratio, strict=True)))


def _said(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{arm}: {part}" for arm, part in value.items())
    return (listed(value, conjunction="and") if value else "none") if isinstance(value, list) else str(value)
