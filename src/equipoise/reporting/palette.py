"""Colours of reports: colour-blind safe, legible in grey and in print, never the only signal.

Every shape in a figure carries its colour twice: as an attribute, which a figure saved on its own and the PDF use, and
as a class (``f-arm1`` fills, ``s-arm1`` strokes), through which the web page turns dark.
"""

from __future__ import annotations

from typing import Final

ARM_TOKENS: Final = ("arm0", "arm1", "arm2", "arm3")

# Token -> (colour on white, colour on the dark page).
TOKENS: Final[dict[str, tuple[str, str]]] = {
    "paper": ("#FFFFFF", "#12181D"),
    "ink": ("#1B252D", "#E8EDF0"),
    "muted": ("#56636E", "#A3B0B9"),
    "rule": ("#C9D2D8", "#37434C"),
    "hair": ("#E4E9EC", "#27323A"),
    "arm0": ("#5B6C7F", "#9FB2C6"),
    "arm1": ("#00767A", "#3FB8B5"),
    "arm2": ("#B7791F", "#DFA64A"),
    "arm2-ink": ("#8A5A12", "#DFA64A"),  # ochre dark enough for text on white
    "arm3": ("#7A4E8A", "#BE93CE"),
    "published": ("#000000", "#FFFFFF"),
    "positive": ("#C8471F", "#E8714A"),
    "negative": ("#DCE6EA", "#3A4A54"),
    "amber": ("#B45309", "#F0B35E"),
    "amber-paper": ("#FFF7E6", "#33260F"),
    "accent": ("#00676B", "#5CC9C6"),
    "wash": ("#F5F8F9", "#1A2228"),
}


def colour(token: str) -> str:
    """The colour of a token on white paper, ``#RRGGBB``; an unknown token raises ``KeyError``."""
    return TOKENS[token][0]


def arm_token(position: int) -> str:
    """The token of an arm by its place in the protocol, from 0: the reference arm comes first."""
    return ARM_TOKENS[position % len(ARM_TOKENS)]


def relative_luminance(value: str) -> float:
    """Relative luminance of ``#RRGGBB``, 0 to 1 (WCAG 2.2, definition of relative luminance)."""
    channels = [int(value[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast_ratio(first: str, second: str) -> float:
    """Contrast between two colours, 1 to 21 (WCAG 2.2); 4.5 is the least for text."""
    lighter, darker = sorted((relative_luminance(first), relative_luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def css_variables(*, dark: bool) -> str:
    """The tokens as CSS custom properties."""
    return "".join(f"--{token}:{pair[dark]};" for token, pair in TOKENS.items())


def css_figure_classes() -> str:
    """Rules by which shapes of inline figures follow the page's colours."""
    shapes = "".join(f".f-{t}{{fill:var(--{t})}}.s-{t}{{stroke:var(--{t})}}" for t in TOKENS)
    return shapes + "".join(f".b-{t}{{background:var(--{t})}}" for t in ARM_TOKENS)
