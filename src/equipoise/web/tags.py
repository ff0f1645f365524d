"""What templates can say beyond Django's own: dates, and the mark of the style sheet."""

from __future__ import annotations

from typing import Any

from django import template

from equipoise.web import words
from equipoise.web.render import static_mark

register = template.Library()
register.filter("day", words.day_words)
register.filter("visit", words.visit_words)
register.filter("roles", words.role_words)


def short(day: str) -> str:
    """A date without its year."""
    return words.day_words(day, year=False)


def at(mapping: Any, key: str) -> Any:
    """The entry of a mapping."""
    return mapping.get(key, "") if mapping else ""


def split_words(text: str) -> list[str]:
    """The words of a text, one by one."""
    return text.split()


register.filter("words", split_words)
register.filter("short", short)
register.filter("at", at)
register.simple_tag(static_mark, name="static_mark")
