"""Protocols by name or by path."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from equipoise.foundation.errors import Problem, ProtocolError, listed, nearest
from equipoise.instruments import INSTRUMENTS, Instrument, instruments_of, own_instrument, require_instrument
from equipoise.instruments.of_protocol import OWN_VERSION
from equipoise.protocol import Protocol
from equipoise.protocol import read_protocol as read_protocol_file


def bundled_protocols() -> dict[str, Path]:
    """Names and files of the protocols that are shipped with the program.

    >>> len(equipoise.bundled_protocols())
    15
    >>> equipoise.bundled_protocols()["kare"].name
    'kare.yaml'
    """
    folder = Path(str(files("equipoise") / "protocols"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def protocol_path(name_or_path: str | Path) -> Path:
    """The file of a bundled protocol by its name, or the path itself.

    Raises :class:`~equipoise.foundation.errors.ProtocolError` (P001) when there is neither.
    """
    known = bundled_protocols()
    text = str(name_or_path)
    if text in known:
        return known[text]
    path = Path(name_or_path)
    looks_like_path = path.suffix in (".yaml", ".yml") or "/" in text or path.exists()
    if not looks_like_path:
        guess = nearest(text, known)
        raise ProtocolError(
            Problem(
                "P001",
                "",
                f"There is no bundled protocol {text!r}, nor a file of that name.",
                f"{listed(known)}, or the path of a YAML file",
                f"Did you mean {guess}?" if guess else "`equipoise protocols` lists the bundled ones.",
            )
        )
    return path


def read_protocol(name_or_path: str | Path) -> Protocol:
    """The protocol with this bundled name or path. If the file has problems, all of them are raised together.

    What the file takes by name from our libraries (instruments, endpoint definitions) enters its hash: if a scoring key
    changes in a new version of the program, the protocol has changed.

    >>> protocol = equipoise.read_protocol("smoking-cessation")
    >>> protocol.arm_ids
    ('patch', 'triple')
    >>> protocol.endpoint_label("relapse")
    'Relapse to smoking'
    """
    protocol = read_protocol_file(protocol_path(name_or_path))
    return protocol.with_definitions(definitions_of(protocol))


def list_instruments(protocol: str | Path | None = None) -> list[Instrument]:
    """The instruments that ``protocol`` brings itself, then those of the library."""
    own = [] if protocol is None else list(_own_instruments(read_protocol(protocol)).values())
    return [*own, *INSTRUMENTS.values()]


def get_instrument(name: str, protocol: str | Path | None = None) -> Instrument:
    """An instrument of ``protocol``, by the name of the instrument or of a finding, or else of the library.

    Raises :class:`~equipoise.foundation.errors.UsageError` (U501) with the nearest name.
    """
    own = {} if protocol is None else _own_instruments(read_protocol(protocol))
    return own[name] if name in own else require_instrument(name, also=own)


def _own_instruments(protocol: Protocol) -> dict[str, Instrument]:
    out = {id: own_instrument(id, entry) for id, entry in protocol.model.instruments.items()}
    return {**out, **{id: e for id, e in instruments_of(protocol).items() if e.version == OWN_VERSION}}


def definitions_of(protocol: Protocol) -> dict[str, Any]:
    """The library definitions that a protocol names, as plain values; a name that is not there is left to `check`."""
    from equipoise.endpoints.patterns.library import find_definition

    out: dict[str, Any] = {}
    # What the protocol brings itself is in its hash already.
    for instrument in instruments_of(protocol).values():
        if instrument.version != OWN_VERSION:
            out[f"instrument {instrument.id}"] = instrument.key_as_dict()
    for endpoint in protocol.model.endpoints.values():
        name = getattr(endpoint, "definition", None)
        definition = find_definition(name) if name else None
        if definition is not None:
            out[f"definition {definition.name}"] = definition.formula.model_dump(mode="json", by_alias=True)
    return out
