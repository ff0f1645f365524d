"""ODM files read part by part: the metadata as a small tree, participants one at a time, so that a large file fits.

A document type or an entity is refused at its declaration, before anything of it is carried out. Elements of other
namespaces are skipped; attributes of REDCap's are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from equipoise.exchange.odm.study import NAMESPACES
from equipoise.foundation.errors import Problem, RecordsError

CODES = {
    "R371": "An ODM file declares a document type or an entity, and was not read.",
    "R372": "A file is XML, but not ODM 1.3 or 2.0.",
    "R373": "A file is not XML, is cut off, or is nested too deeply.",
}
REDCAP = "https://projectredcap.org"
ROOTS = ("ODM", "MetaDataVersion")
_DEEPEST = 100
_CHUNK = 1 << 20


@dataclass(slots=True)
class OdmNode:
    """An element: its name without namespace, attributes, children, text and line."""

    name: str
    attributes: dict[str, str]
    line: int
    children: list[OdmNode] = field(default_factory=list)
    text: str = ""

    def get(self, name: str) -> str:
        """An attribute, empty where there is none."""
        return self.attributes.get(name, "")

    def all(self, *names: str) -> Iterator[OdmNode]:
        """Children of these names."""
        return (child for child in self.children if child.name in names)

    def first(self, name: str) -> OdmNode | None:
        """The first child of that name."""
        return next(self.all(name), None)

    def said(self, *path: str) -> str:
        """The text of the first element along a path of names, without blanks around; empty where there is none."""
        node: OdmNode | None = self
        for name in path:
            node = node.first(name) if node is not None else None
        return " ".join(node.text.split()) if node is not None else ""


@dataclass(frozen=True, slots=True)
class ParsedOdm:
    """A file: its version, its root without participants, and how many elements of other namespaces were skipped."""

    version: str
    root: OdmNode
    skipped: dict[str, int]
    n_subjects: int = 0  # participants that were skipped


class _Refused(Exception):
    def __init__(self, code: str, found: str, expected: str, line: int) -> None:
        super().__init__(found)
        self.code, self.found, self.expected, self.line = code, found, expected, line


def parse_odm(
    path: Path, subject: Callable[[OdmNode], None] | None, told: Callable[[str], None] = lambda text: None
) -> ParsedOdm:
    """Read a file; ``subject`` is called with each participant's element, which are skipped where it is ``None``.

    Raises :class:`RecordsError` (R014, R371 to R373).
    """
    file = str(path)
    reader = _Reader(subject)
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            done = 0
            while block := stream.read(_CHUNK):
                reader.parser.Parse(block, False)
                done += len(block)
                told(f"{done >> 20} of {max(size >> 20, 1)} MB")
            reader.parser.Parse(b"", True)
    except OSError as error:
        found = "There is no such file." if isinstance(error, FileNotFoundError) else f"{error.strerror}."
        raise RecordsError(
            Problem("R014", "", found, "an ODM file", "Check the name of the file.", file=file)
        ) from None
    except _Refused as refused:
        found = refused.found.replace("The file", f"The file ({size:,} bytes)", 1)
        raise RecordsError(Problem(refused.code, "", found, refused.expected, file=file, line=refused.line)) from None
    except (expat.ExpatError, ValueError, LookupError) as error:
        line = getattr(error, "lineno", reader.parser.CurrentLineNumber)
        said = expat.ErrorString(error.code) if isinstance(error, expat.ExpatError) else str(error)
        hint = "Export the file again: it may have been cut off." if size else "Export the file again."
        found = f"The file is not whole XML: {said}." if size else "The file is empty."
        raise RecordsError(Problem("R373", "", found, "an ODM file", hint, file=file, line=line)) from None
    assert reader.root is not None
    return ParsedOdm(reader.version, reader.root, reader.skipped, reader.n_subjects)


class _Reader:
    """Makes nodes of what the parser meets."""

    def __init__(self, subject: Callable[[OdmNode], None] | None) -> None:
        self.subject = subject
        self.root: OdmNode | None = None
        self.version = self.namespace = ""
        self.skipped: dict[str, int] = {}
        self.stack: list[OdmNode] = []
        self.foreign = self.n_subjects = 0  # how deep in an element that is skipped; participants skipped
        self.parts: list[str] = []
        self.parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.EntityDeclHandler = self._entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self.parts.append

    def _doctype(self, name: str, *rest: Any) -> None:
        found = f"The file declares a document type ({name}), and was not read."
        raise _Refused("R371", found, "XML without document type and entities", self.parser.CurrentLineNumber)

    def _entity(self, name: str, *rest: Any) -> None:
        found = f"The file declares an entity ({name}), and was not read."
        raise _Refused("R371", found, "XML without document type and entities", self.parser.CurrentLineNumber)

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        space, _, name = tag.rpartition(" ")
        line = self.parser.CurrentLineNumber
        if self.root is None:
            self._require_odm(space, name, line)
        if self.foreign or space != self.namespace:
            self.foreign += 1
            if self.foreign > 1:
                return  # within what is skipped already
            if space != self.namespace:
                self.skipped[space] = self.skipped.get(space, 0) + 1
            return
        if name == "SubjectData" and self.subject is None:
            self.foreign, self.n_subjects = 1, self.n_subjects + 1
            return
        if len(self.stack) > _DEEPEST:
            raise _Refused("R373", f"The file has more than {_DEEPEST} elements in one another.", "ODM", line)
        held = {}
        for key, value in attributes.items():
            if " " not in key:
                held[key] = value
            elif key.startswith(REDCAP):
                held["redcap:" + key.rpartition(" ")[2]] = value
        node = OdmNode(name, held, line)
        if self.root is None:
            self.root = node
        self.stack.append(node)
        self.parts.clear()

    def _require_odm(self, space: str, name: str, line: int) -> None:
        versions = {namespace: version for version, namespace in NAMESPACES.items()}
        if space not in versions or name not in ROOTS:
            found = f"The root is {name}" + (f" of the namespace {space}." if space else " without a namespace.")
            expected = "ODM of one of the namespaces " + " and ".join(versions)
            raise _Refused("R372", found, expected, line)
        self.version, self.namespace = versions[space], space

    def _end(self, tag: str) -> None:
        if self.foreign:
            self.foreign -= 1
            self.parts.clear()
            return
        node = self.stack.pop()
        if self.parts and not node.children:
            node.text = "".join(self.parts)
        self.parts.clear()
        if node.name == "SubjectData" and self.subject is not None:
            self.subject(node)
        elif self.stack:
            self.stack[-1].children.append(node)
