"""A sheet of paper for figures: lines, shapes and text as SVG, nothing else.

Lengths are CSS pixels (96 to the inch). Text stays text, so it can be searched, read aloud and restyled. The same
calls give the same bytes: no dates, no random ids.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypedDict, Unpack
from xml.sax.saxutils import escape as _escape

from equipoise.reporting.palette import colour

WIDTH = 672.0  # 7 inches
FONT_STACK = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, Inter, 'DejaVu Sans', sans-serif"
STAMP_HEIGHT = 20.0
SMALL, BODY = 11.5, 12.5

# Advance widths of ASCII 32 to 126 in hundredths of an em (a wide grotesque, so that narrower ones always fit).
_ADVANCE = (
    28,
    28,
    40,
    63,
    64,
    81,
    64,
    22,
    36,
    36,
    50,
    66,
    28,
    46,
    28,
    36,
    62,
    56,
    61,
    64,
    64,
    61,
    62,
    57,
    62,
    62,
    28,
    28,
    66,
    66,
    66,
    51,
    94,
    68,
    65,
    73,
    72,
    60,
    59,
    74,
    74,
    30,
    54,
    65,
    56,
    89,
    75,
    76,
    63,
    76,
    64,
    64,
    64,
    74,
    68,
    95,
    64,
    66,
    62,
    36,
    36,
    36,
    47,
    45,
    50,
    58,
    62,
    56,
    62,
    60,
    36,
    61,
    61,
    26,
    26,
    56,
    26,
    92,
    61,
    61,
    62,
    62,
    39,
    54,
    38,
    61,
    58,
    81,
    56,
    58,
    54,
    36,
    33,
    36,
    66,
)


def text_width(text: str, size: float = BODY, *, bold: bool = False) -> float:
    """About how wide a line of text is, in pixels; meant to err on the wide side."""
    hundredths = sum(_ADVANCE[ord(c) - 32] if 32 <= ord(c) < 127 else 62 if ord(c) < 0x2E80 else 100 for c in text)
    return hundredths / 100 * size * (1.2 if bold else 1.06)


def wrap(text: str, width: float, size: float = BODY, *, bold: bool = False) -> list[str]:
    """Break a text at spaces into lines no wider than ``width`` pixels; a longer word is cut."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        while text_width(word, size, bold=bold) > width and len(word) > 1:
            cut = len(word) - 1
            while cut > 1 and text_width(word[:cut] + "-", size, bold=bold) > width:
                cut -= 1
            at_hyphen = word.rfind("-", 0, cut + 1) + 1  # a hyphen of the word's own is the better place
            cut = at_hyphen or cut
            if line:
                lines.append(line)
                line = ""
            lines.append(word[:cut] if at_hyphen else word[:cut] + "-")
            word = word[cut:]
        trial = f"{line} {word}".strip()
        if line and text_width(trial, size, bold=bold) > width:
            lines.append(line)
            line = word
        else:
            line = trial
    if line:
        lines.append(line)
    return lines or [""]


def shorten(text: str, width: float, size: float = BODY, *, bold: bool = False) -> str:
    """The text, or as much of it as fits with an ellipsis."""
    if text_width(text, size, bold=bold) <= width:
        return text
    while text and text_width(text + "…", size, bold=bold) > width:
        text = text[:-1]
    return text.rstrip() + "…"


# Control characters but tab and newline, surrogates, direction overrides, and the two that are no characters.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


def clean(text: str) -> str:
    """The text without control characters, which XML cannot hold, and without direction overrides."""
    return _UNFIT.sub("", text)


def escape(text: str) -> str:
    """Text made safe for XML content and double-quoted attributes."""
    return _escape(clean(text), {'"': "&quot;", "'": "&#39;"})


def number(value: float) -> str:
    """A coordinate to a hundredth of a pixel, as short as can be."""
    if not math.isfinite(value):
        raise ValueError(f"a coordinate must be finite, not {value}")
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _attributes(**named: object) -> str:
    parts = []
    for name, value in named.items():
        if value is None:
            continue
        text = number(float(value)) if isinstance(value, (int, float)) else escape(str(value))
        parts.append(f'{name.rstrip("_").replace("_", "-")}="{text}"')
    return " ".join(parts)


class Stroke(TypedDict, total=False):
    """How a line is drawn."""

    width: float  # 1 pixel
    dash: str | None
    opacity: float | None


class Outline(TypedDict, total=False):
    """How the edge of a shape is drawn, how it is filled, and what is told of it."""

    stroke: str | None  # no edge
    stroke_width: float
    opacity: float | None  # of what fills it
    hint: str  # for a pointer that rests on it


class Lettering(TypedDict, total=False):
    """How a line of text is set."""

    size: float
    anchor: str  # start, middle or end
    bold: bool
    italic: bool
    rotate: float | None


@dataclass
class Drawing:
    """A figure: what is drawn on it, how large it is, and what it says to somebody who cannot see it.

    ``alt`` is one to three sentences that state the result. ``height`` may be set when the content is known.
    """

    alt: str
    height: float = 300.0
    width: float = WIDTH
    elements: list[str] = field(default_factory=list)
    definitions: dict[str, str] = field(default_factory=dict)

    def line(
        self,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        token: str = "ink",
        **look: Unpack[Stroke],
    ) -> None:
        """A straight line."""
        self._add(
            "line",
            x1=x1,
            y1=y1,
            x2=x2,
            y2=y2,
            stroke=colour(token),
            stroke_width=look.get("width", 1.0),
            stroke_dasharray=look.get("dash"),
            stroke_opacity=look.get("opacity"),
            class_=f"s-{token}",
        )

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str | None = "paper",
        *,
        radius: float | None = None,
        **look: Unpack[Outline],
    ) -> None:
        """A rectangle; ``radius`` is of its corners."""
        self._add(
            "rect",
            x=x,
            y=y,
            width=max(width, 0.0),
            height=max(height, 0.0),
            rx=radius,
            fill_opacity=look.get("opacity"),
            **_paint(fill, look.get("stroke"), look.get("stroke_width", 1.0)),
            hint=look.get("hint", ""),
        )

    def field(self, x: float, y: float, width: float, height: float, number: int) -> None:
        """A part that a page's script may listen to, by its number; nothing is seen of it."""
        self._add("rect", x=x, y=y, width=width, height=height, fill_opacity=0.0, class_=f"field field-{number}")

    def circle(
        self,
        x: float,
        y: float,
        radius: float,
        fill: str | None = "ink",
        **look: Unpack[Outline],
    ) -> None:
        """A circle."""
        self._add(
            "circle",
            cx=x,
            cy=y,
            r=radius,
            fill_opacity=look.get("opacity"),
            **_paint(fill, look.get("stroke"), look.get("stroke_width", 1.2)),
            hint=look.get("hint", ""),
        )

    def polygon(
        self, points: Iterable[tuple[float, float]], fill: str = "ink", *, opacity: float | None = None
    ) -> None:
        """A filled polygon."""
        text = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        self._add("polygon", points=text, fill=colour(fill), fill_opacity=opacity, class_=f"f-{fill}")

    def polyline(
        self,
        points: Sequence[tuple[float, float]],
        token: str = "ink",
        *,
        width: float = 1.5,
        opacity: float | None = None,
        dash: str | None = None,
    ) -> None:
        """A line through points."""
        if len(points) < 2:
            return
        text = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        self._add(
            "polyline",
            points=text,
            fill="none",
            stroke=colour(token),
            stroke_width=width,
            stroke_opacity=opacity,
            stroke_dasharray=dash,
            stroke_linejoin="round",
            stroke_linecap="round",
            class_=f"s-{token}",
        )

    def path(self, d: str, token: str = "ink", *, width: float = 1.0, opacity: float | None = None) -> None:
        """Many strokes in one element; ``d`` is path data made of coordinates only."""
        if set(d) - set("MLHVZ0123456789.,- "):
            raise ValueError("path data may hold M, L, H, V, Z and coordinates only")
        self._add(
            "path",
            d=d,
            fill="none",
            stroke=colour(token),
            stroke_width=width,
            stroke_opacity=opacity,
            class_=f"s-{token}",
        )

    def shape(
        self,
        d: str,
        fill: str | None,
        *,
        stroke: str | None = None,
        stroke_width: float = 1.0,
        pattern: str | None = None,
    ) -> None:
        """Many filled outlines in one element; ``pattern`` names a definition to fill with."""
        if set(d) - set("MLHVZmlhvz0123456789.,- "):
            raise ValueError("path data may hold M, L, H, V, Z and coordinates only")
        paint = _paint(fill, stroke, stroke_width)
        if pattern is not None:
            paint["fill"] = f"url(#{pattern})"
        self._add("path", hint="", d=d, **paint)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        token: str = "ink",
        **look: Unpack[Lettering],
    ) -> None:
        """One line of text; ``y`` is its baseline."""
        token = _INKS.get(token, token)
        rotate, anchor = look.get("rotate"), look.get("anchor", "start")
        transform = None if rotate is None else f"rotate({number(rotate)} {number(x)} {number(y)})"
        attributes = _attributes(
            x=x,
            y=y,
            fill=colour(token),
            font_size=look.get("size", BODY),
            text_anchor=None if anchor == "start" else anchor,
            font_weight="600" if look.get("bold") else None,
            font_style="italic" if look.get("italic") else None,
            transform=transform,
            class_=f"f-{token}",
        )
        self.elements.append(f"<text {attributes}>{escape(text)}</text>")

    def lines(
        self,
        x: float,
        y: float,
        texts: Iterable[str],
        token: str = "ink",
        *,
        leading: float = 16.0,
        **look: Unpack[Lettering],
    ) -> float:
        """Lines of text under one another; returns the baseline after the last."""
        for text in texts:
            self.text(x, y, text, token, **look)
            y += leading
        return y

    def diamond(self, x: float, y: float, radius: float, token: str = "published") -> None:
        """A diamond."""
        self.polygon([(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)], token)

    def arrow(self, points: Sequence[tuple[float, float]], token: str = "muted", *, width: float = 1.2) -> None:
        """A line through points that ends in an arrow head; its last stretch is upright or level."""
        (x0, y0), (x1, y1) = points[-2], points[-1]
        length = math.hypot(x1 - x0, y1 - y0) or 1.0
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        self.polyline([*points[:-1], (x1 - 5 * ux, y1 - 5 * uy)], token, width=width)
        self.polygon(
            [
                (x1, y1),
                (x1 - 7 * ux - 3.5 * uy, y1 - 7 * uy + 3.5 * ux),
                (x1 - 7 * ux + 3.5 * uy, y1 - 7 * uy - 3.5 * ux),
            ],
            token,
        )

    def svg(self, stamp: str | None = None) -> str:
        """The figure as SVG; ``stamp`` is set in amber in its upper right corner, above everything drawn."""
        top = STAMP_HEIGHT if stamp else 0.0
        mark = ""
        if stamp:
            shelf = Drawing(alt="")
            wide = text_width(stamp, 10.5, bold=True) + 0.9 * len(stamp) + 14
            shelf.rect(self.width - wide, -top + 1, wide, 16, "amber-paper", stroke="amber", stroke_width=0.8, radius=2)
            shelf.text(self.width - wide / 2, -top + 12.8, stamp, "amber", size=10.5, anchor="middle", bold=True)
            mark = "".join(shelf.elements).replace("<text ", '<text letter-spacing="0.8" ')
        size = _attributes(
            viewBox=f"-0.5 {number(-top)} {number(self.width + 1)} {number(self.height + top)}",
            width=self.width,
            height=self.height + top,
            font_family=FONT_STACK,
            role="img",
            aria_label=self.alt,
        )
        inside = "".join(self.definitions[key] for key in sorted(self.definitions))
        definitions = f"<defs>{inside}</defs>" if inside else ""
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{definitions}{"".join(self.elements)}{mark}</svg>'

    def _add(self, tag: str, *, hint: str = "", **attributes: object) -> None:
        content = f"<title>{escape(hint)}</title>" if hint else ""
        close = f">{content}</{tag}>" if content else "/>"
        self.elements.append(f"<{tag} {_attributes(**attributes)}{close}")


def _paint(fill: str | None, stroke: str | None, stroke_width: float) -> dict[str, object]:
    """Fill and stroke as attributes and as classes."""
    classes = " ".join([*([f"f-{fill}"] if fill else []), *([f"s-{stroke}"] if stroke else [])])
    return {
        "fill": colour(fill) if fill else "none",
        "stroke": colour(stroke) if stroke else None,
        "stroke_width": stroke_width if stroke else None,
        "class_": classes or None,
    }


# Colours of shapes that are too light for text, and what text takes instead.
_INKS = {"arm2": "arm2-ink"}

Scale = Callable[[float], float]


def linear_scale(low: float, high: float, start: float, end: float) -> Scale:
    """Map ``low..high`` onto ``start..end``; an empty domain maps to the middle."""
    if high == low:
        return lambda value: (start + end) / 2
    return lambda value: start + (value - low) / (high - low) * (end - start)


def log_scale(low: float, high: float, start: float, end: float) -> Scale:
    """Map ``low..high`` (above 0) onto ``start..end`` by logarithm."""
    inner = linear_scale(math.log(low), math.log(high), start, end)
    return lambda value: inner(math.log(value))


def nice_ticks(low: float, high: float, target: int = 6) -> list[float]:
    """Round values from ``low`` to ``high``, about ``target`` of them, in steps of 1, 2 or 5 times a power of ten."""
    if high <= low:
        return [low]
    raw = (high - low) / max(target - 1, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= raw * 0.999), 10 * power)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Ticks for a logarithmic axis of ratios: 0.1, 0.2, 0.5, 1, 2, 5, 10 ...; powers of ten on a long one."""
    decades = math.log10(high / low)
    factors = (1.0, 2.0, 5.0) if decades <= 3.2 else (1.0,)
    ticks = [
        f * 10.0**k for k in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1) for f in factors
    ]
    return [t for t in ticks if low * 0.999 <= t <= high * 1.001]


def tick_text(value: float) -> str:
    """A tick's label, as short as can be, with a true minus sign."""
    text = f"{value:.10f}".rstrip("0").rstrip(".") if abs(value) < 1e15 else f"{value:g}"
    return text.replace("-", "\N{MINUS SIGN}") or "0"
