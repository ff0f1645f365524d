"""The document of consent that a site brings: read from plain text, shown the same to everybody, bound by its hash.

The text is a file of the site's. Lines that begin with `# ` are its title, with `## ` its headings, with `- ` items of
a list; blank lines part paragraphs. A line that begins with `? ` asks whether it was understood, and the lines under it
are answers: `+ ` the right one, `- ` the others::

    # What taking part means
    You can stop at any time, and need not say why.
    ? Can you stop?
    + Yes, at any time
    - Only if the doctor agrees

Who signs signs what was shown: the hash is of the page's own content, letter for letter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from equipoise.foundation.errors import Problem
from equipoise.foundation.hashing import sha256_text

CODES = {
    "C660": "A consent document cannot be read, or does not exist.",
    "C661": "The signature is for another page than the one in force.",
    "C662": "A question about the document has no answer, or a wrong one.",
    "C663": "The consent has no signature of the participant.",
}
LONGEST = 200_000  # characters


@dataclass(frozen=True, slots=True)
class ConsentQuestion:
    """Whether something was understood: its words, the answers, and which is right (counted from 0)."""

    words: str
    answers: tuple[str, ...]
    right: int


@dataclass(frozen=True, slots=True)
class ConsentDocument:
    """A document: title, blocks (kind and words), questions."""

    title: str
    blocks: tuple[tuple[str, str], ...]
    questions: tuple[ConsentQuestion, ...]

    def page(self, version: str, participant: str) -> str:
        """The content of the page that is signed, as HTML: everything of the site's escaped."""
        parts = [
            f"<h2>{escape(self.title)}</h2>",
            f"<p>Version {escape(version)}. Participant {escape(participant)}.</p>",
        ]
        in_list = False
        for kind, words in self.blocks:
            if (kind == "item") != in_list:
                parts.append("<ul>" if kind == "item" else "</ul>")
                in_list = kind == "item"
            tag = {"heading": "h3", "item": "li"}.get(kind, "p")
            parts.append(f"<{tag}>{escape(words)}</{tag}>")
        if in_list:
            parts.append("</ul>")
        return "\n".join(parts)

    def digest(self, version: str, participant: str) -> str:
        """SHA-256 of the page as it is shown, and of its questions."""
        asked = "\n".join(f"{one.words}\n{' | '.join(one.answers)}" for one in self.questions)
        return sha256_text(f"{self.page(version, participant)}\n\n{asked}")


def read_document(text: str) -> tuple[ConsentDocument, list[Problem]]:
    """The document of a text, and everything that is wrong with it (C660); one with problems is not to be used."""
    problems: list[Problem] = []
    title = ""
    blocks: list[tuple[str, str]] = []
    questions: list[ConsentQuestion] = []
    paragraph: list[str] = []
    asking: list[tuple[bool, str]] | None = None
    words = ""

    def end_paragraph() -> None:
        if paragraph:
            blocks.append(("paragraph", " ".join(paragraph)))
            paragraph.clear()

    def end_question(line: int) -> None:
        nonlocal asking
        if asking is None:
            return
        right = [number for number, (is_right, _) in enumerate(asking) if is_right]
        if len(asking) < 2 or len(right) != 1:
            found = f"{len(asking)} answers, {len(right)} of them right"
            problems.append(
                _problem(line, f"The question {words!r} has {found}.", "two answers or more, one of them with +")
            )
        questions.append(ConsentQuestion(words, tuple(answer for _, answer in asking), right[0] if right else 0))
        asking = None

    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for number, raw in enumerate([*lines, ""], 1):
        line = raw.strip()
        if asking is not None and line[:2] in ("+ ", "- "):
            asking.append((line[0] == "+", line[2:].strip()))
            continue
        end_question(number)
        if line.startswith("? "):
            end_paragraph()
            asking, words = [], line[2:].strip()
        elif line.startswith(("# ", "## ", "- ")):
            end_paragraph()
            if line.startswith("# ") and title:
                problems.append(_problem(number, "There is a second title.", "one line that begins with '# '"))
            elif line.startswith("# "):
                title = line[2:].strip()
            else:
                kind = "heading" if line.startswith("## ") else "item"
                blocks.append((kind, line.partition(" ")[2].strip()))
        elif line:
            paragraph.append(line)
        else:
            end_paragraph()
    if not title:
        problems.append(_problem(1, "The document has no title.", "a first line that begins with '# '"))
    if not blocks:
        problems.append(_problem(1, "The document says nothing.", "its text"))
    if len(text) > LONGEST:
        problems.append(_problem(1, f"The document has {len(text)} characters.", f"at most {LONGEST}"))
    return ConsentDocument(title, tuple(blocks), tuple(questions)), problems


def _problem(line: int, found: str, expected: str) -> Problem:
    return Problem("C660", f"text:{line}", found, expected)


def check_answers(document: ConsentDocument, answers: Mapping[str, object]) -> list[Problem]:
    """C662 for each question that has no answer or a wrong one; ``answers`` by the question's number, from 1."""
    out = []
    for number, one in enumerate(document.questions, 1):
        said = str(answers.get(str(number), "")).strip()
        if said != str(one.right + 1):
            found = "is not answered" if not said else "is not answered as the document says"
            out.append(
                Problem("C662", f"answers.{number}", f"Question {number} {found}.", "Read that part again, or ask")
            )
    return out


def signed_copy(
    document: ConsentDocument, version: str, participant: str, *, name: str, method: str, at: str, nonce: str
) -> str:
    """The signed page as a file that opens by itself: what was shown, what was answered, who signed how and when.

    The name stands here and nowhere else; ``nonce`` keeps it from being guessed by the hash of this file.
    """
    asked = "".join(
        f"<li>{escape(one.words)} <b>{escape(one.answers[one.right])}</b></li>" for one in document.questions
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Consent, signed</title></head><body>\n'
        f"{document.page(version, participant)}\n"
        + (f"<h3>Answered</h3>\n<ol>{asked}</ol>\n" if asked else "")
        + f"<h3>Signed</h3>\n<p>{escape(name)}, {escape(at)}, {escape(method)}.</p>\n"
        f"<p>SHA-256 of the page that was shown: {document.digest(version, participant)}.</p>\n"
        f"<p>Number of this copy: {nonce}.</p>\n"
        "</body></html>\n"
    )
