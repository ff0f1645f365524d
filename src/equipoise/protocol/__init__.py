"""The plan of the trial: the protocol language, typed and frozen, every part with its file and line."""

from equipoise.protocol.language.protocol import Protocol, ProtocolModel
from equipoise.protocol.read import read_protocol, read_protocol_text

__all__ = ["Protocol", "ProtocolModel", "read_protocol", "read_protocol_text"]
