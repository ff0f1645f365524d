"""Between a participant's row and the course of ``rules.participant``."""

from __future__ import annotations

from typing import Any

from equipoise.conduct.rules.status import Course


def course_of(row: Any) -> Course:
    """The course that a participant's row tells."""
    if row is None:
        return Course()
    return Course(
        phase=row.status,
        treatment=row.treatment,
        follow_up=row.follow_up,
        consent=row.consent_version,
        infusing=bool(row.infusing),
        randomized_in_error=bool(row.in_error),
        unblinded=bool(row.unblinded),
    )


def columns_of(before: Course, now: Course, *, why: str) -> dict[str, str]:
    """The columns of a participant's row that differ between two courses."""
    columns = {
        "status": (before.phase, now.phase),
        "treatment": (before.treatment, now.treatment),
        "follow_up": (before.follow_up, now.follow_up),
        "consent_version": (before.consent, now.consent),
        "infusing": ("yes" if before.infusing else "", "yes" if now.infusing else ""),
        "in_error": (before.randomized_in_error, why if now.randomized_in_error else ""),
        "unblinded": ("yes" if before.unblinded else "", "yes" if now.unblinded else ""),
    }
    if before.randomized_in_error == now.randomized_in_error:
        del columns["in_error"]
    return {name: str(new) for name, (old, new) in columns.items() if old != new}
