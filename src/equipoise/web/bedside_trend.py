"""Readings at the bedside: sealed as they travel with the page, and drawn; nothing of them is kept on the server.

A reading is sealed in the ledger as soon as it is recorded, and nobody at the site can open it there. So that the nurse
still sees how they go, those of this page go with it, under a key of the session that is in the server's memory alone.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

SIGNS = ("systolic", "diastolic", "pulse", "saturation")
_MOST = 200  # readings of one infusion
Reading = dict[str, str]  # minute and the four signs, as text; a sign that was left out is empty


def sealed(key: bytes, place: str, readings: Sequence[Reading]) -> str:
    """Readings as a text that only this session can read, and only at this infusion."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(12)
    said = json.dumps(list(readings)[-_MOST:]).encode()
    return base64.urlsafe_b64encode(nonce + AESGCM(key).encrypt(nonce, said, place.encode())).decode()


def opened(key: bytes, place: str, text: str) -> list[Reading]:
    """The readings that a page brought back; none where they are of another session, place or page."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        raw = base64.urlsafe_b64decode(text.encode())
        found: list[Reading] = json.loads(AESGCM(key).decrypt(raw[:12], raw[12:], place.encode()))
    except (InvalidTag, ValueError):
        return []
    return found


_LEFT, _TOP, _WIDE, _HIGH = 40, 8, 350, 134  # of the drawing, in its own units


def trend(sign: str, readings: Sequence[Reading], limits: Sequence[tuple[str, str]], last: float) -> SafeString:
    """One sign by minute, with the limits (operator, number) at which the infusion stops."""
    points = sorted((float(row["minute"]), float(row[sign])) for row in readings if row.get(sign))
    bounds = [float(bound) for _, bound in limits]
    if not points and not bounds:
        return mark_safe("")
    values = [value for _, value in points]
    low, high = min([*values, *bounds, 80.0]) - 5, max([*values, *bounds, 150.0]) + 8
    last = max([last, *(minute for minute, _ in points)])

    def x(minute: float) -> float:
        return _LEFT + minute / last * _WIDE

    def y(value: float) -> float:
        return _TOP + (high - value) / (high - low) * _HIGH

    parts = [f'<line class="limit" x1="{_LEFT}" x2="{_LEFT + _WIDE}" y1="{y(b):.1f}" y2="{y(b):.1f}"/>' for b in bounds]
    parts += [f'<text class="strong" x="{_LEFT + _WIDE + 4}" y="{y(b) + 4:.1f}">{b:g}</text>' for b in bounds]
    step = 10 if last <= 60 else 20 if last <= 140 else 60
    for tick in range(0, int(last) + 1, step):
        parts.append(f'<line class="tick" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{_TOP}" y2="{_TOP + _HIGH}"/>')
        unit = " min" if tick + step > last else ""
        parts.append(f'<text x="{x(tick):.1f}" y="{_TOP + _HIGH + 14}" text-anchor="middle">{tick}{unit}</text>')
    for mark in range(int(low // 40 + 1) * 40, int(high), 40):
        parts.append(f'<text x="{_LEFT - 6}" y="{y(mark) + 4:.1f}" text-anchor="end">{mark}</text>')
    if len(points) > 1:
        line = " ".join(f"{x(minute):.1f},{y(value):.1f}" for minute, value in points)
        parts.append(f'<polyline class="line" points="{line}"/>')
    parts += [f'<circle class="dot" cx="{x(m):.1f}" cy="{y(v):.1f}" r="4"/>' for m, v in points]
    if points:
        minute, value = points[-1]
        at = ("end", -8) if x(minute) > _LEFT + _WIDE - 40 else ("start", 8)
        place = f'text-anchor="{at[0]}" x="{x(minute) + at[1]:.1f}" y="{y(value) - 7:.1f}"'
        parts.append(f'<text class="strong last" {place}>{value:g}</text>')
    said = ", ".join(f"minute {minute:g}: {value:g}" for minute, value in points) or "no reading yet"
    stop = "".join(f"; stop at {operator} {bound}" for operator, bound in limits)
    label = escape(f"{sign.capitalize()} by minute: {said}{stop}")
    return mark_safe(f'<svg width="100%" viewBox="0 0 430 162" role="img" aria-label="{label}">{"".join(parts)}</svg>')


def newest_first(readings: Sequence[Reading]) -> list[Mapping[str, Any]]:
    """Readings for the table beside the drawing."""
    return sorted(readings, key=lambda row: -float(row["minute"]))
