"""Facts: a value, where it comes from, and what stands in for it when nobody knows.

``dose: 0.5 mg/kg`` is a fact stated bare. ``{value: 0.5 mg/kg, source: paper}`` says where it comes from;
``{value: null, assumed: 60, basis: sister trial}`` says that no source gives it and what the program uses instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Strict, Tag, model_validator

from equipoise.protocol.language.notation import Fault

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="A name in kebab-case.", max_length=80)]

# YAML says which of its values are numbers and truths; "5", true for 1 and `yes` for true are refused, not guessed at.
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Truth = Annotated[bool, Strict()]

# Names for everybody; or, by arm or stage, the names for that one.
ListOrMapping = Annotated[
    Annotated[tuple[Id, ...], Tag("(list)")] | Annotated[Mapping[Id, tuple[Id, ...]], Tag("(mapping)")],
    Discriminator(lambda value: "(mapping)" if isinstance(value, Mapping) else "(list)"),
]

Status = Literal["published", "registry", "secondary", "derived", "inferred", "recalled", "assumed"]


class Later:
    """Marks a key that the language got after its first files were hashed: ``Annotated[..., LATER]``.

    At its default such a key stays out of the resolved model, so that files which do not know it keep their hash.
    """


LATER = Later()


def kebab(name: str) -> str:
    """The name a key has in a protocol file: ``time_zero`` is written ``time-zero``."""
    return name.rstrip("_").replace("_", "-")


class FrozenDict(dict[Any, Any]):
    """A dictionary that cannot be changed once it is made."""

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("a protocol is frozen: read the changed text instead")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return (FrozenDict, (dict(self),))


def _frozen(value: Any) -> Any:
    return FrozenDict({key: _frozen(entry) for key, entry in value.items()}) if isinstance(value, dict) else value


class Frozen(BaseModel):
    """A typed part of a protocol: immutable, no unknown keys, keys in kebab-case."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=kebab,
        populate_by_name=False,
        strict=False,
        protected_namespaces=(),
        allow_inf_nan=False,
    )

    def model_post_init(self, context: Any) -> None:
        """Freeze the mappings too: pydantic freezes the attributes only."""
        for name, value in self.__dict__.items():
            if type(value) is dict:
                self.__dict__[name] = _frozen(value)

    @cached_property
    def as_json(self) -> str:
        """Its content as text, the same for parts that say the same; what is not said is left out."""
        return self.model_dump_json(exclude_none=True)


class Differing(Frozen):
    """What another source says about the same thing."""

    source: str = Field(description="The source that disagrees.")
    says: Any = Field(description="What it says.")
    note: str | None = Field(None, description="A remark for readers.")


class Sourced(Frozen):
    """A part of a protocol that states its source."""

    source: tuple[str, ...] = Field((), description="Ids of the sources that state this (see `sources`).")
    status: Status | None = Field(
        None, description="Status of the statement; by default that of its source, `assumed` if there is none."
    )
    basis: str | None = Field(None, description="Why this was assumed: sister trial, convention, ours ...")
    note: str | None = Field(None, description="A remark for readers.")
    differs: tuple[Differing, ...] = Field((), description="What other sources say instead.")

    @model_validator(mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return _lists(value, "source", "differs")


def _lists(value: Any, *keys: str) -> Any:
    """``value`` with a single entry under each of ``keys`` made a list of one."""
    if isinstance(value, dict):
        single = {key: [value[key]] for key in keys if key in value and not isinstance(value[key], list)}
        single = {key: entry for key, entry in single.items() if entry != [None]}
        return {**value, **single} if single else value
    return value


T = TypeVar("T")


class Fact(Sourced, Generic[T]):
    """A value with its source and status; null where it is not known."""

    value: T | None = Field(None, description="The value as the source states it; null where no source gives it.")
    assumed: T | None = Field(None, description="What simulation and conduct use where `value` is null.")

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        if isinstance(value, Fact) or value == {}:
            return value
        if isinstance(value, dict):
            return _lists(value, "source", "differs")
        return {"value": value}

    @model_validator(mode="after")
    def _stated(self) -> Fact[T]:
        if self.model_fields_set and not self.model_fields_set & {"value", "assumed"}:
            raise Fault("A fact has neither value nor assumed", "value: the fact, or null", "Add value.")
        return self

    @property
    def usable(self) -> T | None:
        """The value where it is known, otherwise what was assumed."""
        return self.value if self.value is not None else self.assumed

    @property
    def is_known(self) -> bool:
        """Whether a source or the author states the value."""
        return self.value is not None
