"""The path of one participant: what may be done next, and what it makes of them.

Three things are kept apart that are often mixed: how far somebody has come (``phase``), whether the treatment goes on
(``treatment``) and whether they are still followed (``follow_up``). Stopping the treatment ends nobody's follow-up;
withdrawing from visits may leave a telephone call; a lost participant may be found again; only death and a full
withdrawal end contact, and neither ends the reporting of what happened before. What is asked is whether a step could be
taken on the day it was taken (:func:`standing_on`), not on the day it is typed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from equipoise.foundation.errors import Problem

CODES = {
    "C501": "The participant's status does not allow this step now.",
    "C502": "This step needs consent to the current version first.",
    "C503": "This step needs a reason.",
}

Phase = Literal["new", "screened", "not_enrolled", "consented", "eligible", "randomized", "enrolled"]
Treatment = Literal["not_begun", "begun", "discontinued"]
FollowUp = Literal["in", "completed", "lost", "withdrawn_from_visits", "withdrawn", "dead"]

STEPS = (
    "screen",
    "fail_screening",
    "consent",
    "record_baseline",
    "find_eligible",
    "find_ineligible",
    "void_eligibility",
    "reopen_screening",
    "randomize",
    "enrol",
    "enter_stage",
    "randomize_again",
    "prepare_dose",
    "start_dose",
    "record_dose",
    "give_dose",
    "hold_session",
    "hold_visit",
    "miss_visit",
    "call",
    "report_event",
    "correct",
    "guess_arm",
    "discontinue_treatment",
    "complete",
    "lose",
    "find_again",
    "withdraw_from_visits",
    "withdraw",
    "die",
    "unblind",
    "randomized_in_error",
)
NEEDS_REASON = frozenset(
    {
        "fail_screening",
        "find_ineligible",
        "void_eligibility",
        "reopen_screening",
        "correct",
        "discontinue_treatment",
        "lose",
        "withdraw",
        "withdraw_from_visits",
        "unblind",
        "randomized_in_error",
    }
)
# Nobody who stands so is seen at visits of the trial any more.
LEFT: tuple[FollowUp, ...] = ("withdrawn", "dead", "lost", "withdrawn_from_visits")
_NEW: tuple[Phase, ...] = ("new",)
_BEFORE: tuple[Phase, ...] = ("screened", "consented", "eligible")
# In the trial: randomized, or where nobody is randomized enrolled.
IN_TRIAL: tuple[Phase, ...] = ("randomized", "enrolled")
_RANDOMIZED: tuple[Phase, ...] = ("randomized",)
_CONSENTED: tuple[Phase, ...] = ("consented", "eligible", *IN_TRIAL)
_KNOWN: tuple[Phase, ...] = ("screened", "not_enrolled", *_CONSENTED)

# The phases in which a step can be taken.
_PHASES: dict[str, tuple[Phase, ...]] = {
    "screen": _NEW,
    "fail_screening": _BEFORE,
    "consent": ("screened", *_CONSENTED),
    "record_baseline": _CONSENTED,
    "find_eligible": ("consented", "eligible"),
    "find_ineligible": ("consented", "eligible"),
    "void_eligibility": ("eligible",),
    "reopen_screening": ("not_enrolled",),
    "randomize": ("eligible",),
    "enrol": ("eligible",),
    "enter_stage": _RANDOMIZED,
    "randomize_again": _RANDOMIZED,
    "prepare_dose": IN_TRIAL,
    "start_dose": IN_TRIAL,
    "record_dose": IN_TRIAL,
    "give_dose": IN_TRIAL,
    "hold_session": IN_TRIAL,
    "hold_visit": _CONSENTED,
    "miss_visit": _CONSENTED,
    "call": IN_TRIAL,
    "report_event": (*_CONSENTED, "not_enrolled"),
    "correct": _KNOWN,
    "guess_arm": IN_TRIAL,
    "discontinue_treatment": IN_TRIAL,
    "complete": IN_TRIAL,
    "lose": IN_TRIAL,
    "find_again": IN_TRIAL,
    "withdraw_from_visits": IN_TRIAL,
    "withdraw": _CONSENTED,
    "die": _KNOWN,
    "unblind": _RANDOMIZED,
    "randomized_in_error": _RANDOMIZED,
}
# The standing in follow-up in which a step can be taken; a step not named here needs "in".
_ALWAYS: tuple[FollowUp, ...] = ("in", "completed", "lost", "withdrawn_from_visits", "withdrawn", "dead")
_ALIVE: tuple[FollowUp, ...] = ("in", "completed", "lost", "withdrawn_from_visits", "withdrawn")
_STANDINGS: dict[str, tuple[FollowUp, ...]] = {
    # Whatever happens to somebody while an infusion runs, its end is recorded.
    "record_dose": _ALWAYS,
    "miss_visit": _ALWAYS,
    "call": ("in", "completed", "lost", "withdrawn_from_visits"),
    "report_event": _ALWAYS,
    "correct": _ALWAYS,
    "record_baseline": _ALWAYS,
    "void_eligibility": _ALWAYS,
    "unblind": _ALWAYS,
    "randomized_in_error": _ALWAYS,
    "discontinue_treatment": ("in", "completed", "lost", "withdrawn_from_visits", "withdrawn"),
    "hold_visit": ("in", "completed", "lost"),
    "consent": ("in", "completed", "lost", "withdrawn_from_visits"),
    "find_again": ("lost",),
    "withdraw": ("in", "completed", "lost", "withdrawn_from_visits"),
    "withdraw_from_visits": ("in", "completed", "lost"),
    "die": _ALIVE,
}
# What is done to a person's body or mind under the protocol stops while a new consent version is outstanding.
_NEEDS_CURRENT_CONSENT = frozenset(
    {"randomize", "enrol", "randomize_again", "prepare_dose", "start_dose", "give_dose", "hold_session", "guess_arm"}
)
_WORDS = {
    "new": "has not been screened",
    "screened": "was screened and has not consented",
    "not_enrolled": "was not enrolled",
    "consented": "consented and was not yet found eligible",
    "eligible": "was found eligible and has not entered the trial",
    "randomized": "was randomized",
    "enrolled": "was enrolled",
}
_FOLLOWED = {
    "completed": "completed the trial",
    "lost": "was lost to follow-up",
    "withdrawn_from_visits": "withdrew from visits",
    "withdrawn": "withdrew from the trial",
    "dead": "died",
}
_NEXT = {
    "new": "Screen the person first.",
    "screened": "Record the consent, with its version.",
    "consented": "Decide on eligibility.",
    "eligible": "Randomize; where nobody is randomized: enrol.",
    "not_enrolled": "Screen the person again under a new number; where it was a mistake: reopen-screening.",
    "randomized": "",
    "enrolled": "",
}


@dataclass(frozen=True, slots=True)
class Course:
    """Where one participant stands. ``consent`` is the version consented to, empty before consent."""

    phase: Phase = "new"
    treatment: Treatment = "not_begun"
    follow_up: FollowUp = "in"
    consent: str = ""
    infusing: bool = False
    randomized_in_error: bool = False
    unblinded: bool = False

    @property
    def is_in_trial(self) -> bool:
        """Whether they were randomized, or enrolled where nobody is."""
        return self.phase in IN_TRIAL

    @property
    def words(self) -> str:
        """Where they stand, as a sentence goes on after "the participant"."""
        return _WORDS[self.phase] if self.follow_up == "in" else _FOLLOWED[self.follow_up]


def refusals(course: Course, step: str, *, reason: str = "", current_consent: str | None = None) -> list[Problem]:
    """Why ``step`` cannot be taken now; empty where it can.

    ``current_consent`` is the version in force: somebody who agreed to an older one is not randomized or dosed until
    they agree again (leave it out where versions do not matter). ``ValueError`` for a step that does not exist.
    """
    if step not in _PHASES:
        raise ValueError(f"no step {step!r}")
    found: list[Problem] = []
    words = step.replace("_", " ")
    if course.phase not in _PHASES[step]:
        phases = " or ".join(_WORDS[phase] for phase in _PHASES[step])
        found.append(
            Problem("C501", words, f"The participant {_WORDS[course.phase]}.", f"one who {phases}", _NEXT[course.phase])
        )
    elif course.follow_up not in _STANDINGS.get(step, ("in",)):
        ended = _FOLLOWED.get(course.follow_up, "is still followed")
        found.append(Problem("C501", words, f"The participant {ended}.", "a participant to whom this can still happen"))
    elif step in ("enter_stage", "randomize_again") and course.randomized_in_error:
        found.append(Problem("C501", words, "They were randomized in error.", "one who belongs in the trial"))
    elif step in ("prepare_dose", "start_dose", "give_dose") and course.treatment == "discontinued":
        found.append(Problem("C501", words, "The treatment was discontinued.", "a treatment that goes on"))
    elif (step == "start_dose" and course.infusing) or (step == "complete" and course.infusing):
        found.append(Problem("C501", words, "An infusion is running.", "none", "Record its end first."))
    elif step == "record_dose" and not course.infusing:
        found.append(Problem("C501", words, "No infusion is running.", "one that was started", "Record its start."))
    elif step == "discontinue_treatment" and course.treatment == "discontinued":
        found.append(Problem("C501", words, "The treatment was discontinued before.", "a treatment that goes on"))
    elif step == "randomized_in_error" and course.randomized_in_error:
        found.append(Problem("C501", words, "This was recorded before.", "once"))
    elif step in _NEEDS_CURRENT_CONSENT and current_consent is not None and course.consent != current_consent:
        found.append(
            Problem(
                "C502",
                words,
                f"The participant consented to version {course.consent or 'none'}.",
                f"consent to version {current_consent}",
                "Record the consent to the version in force.",
            )
        )
    if step in NEEDS_REASON and not reason.strip():
        found.append(Problem("C503", words, "No reason is given.", "a reason in words"))
    return found


def after(course: Course, step: str, *, consent: str = "") -> Course:
    """The participant's standing after ``step``; ``refusals`` says beforehand whether it can be taken."""
    match step:
        case "screen":
            return replace(course, phase="screened")
        case "fail_screening" | "find_ineligible":
            return replace(course, phase="not_enrolled")
        case "consent":
            phase: Phase = "consented" if course.phase == "screened" else course.phase
            return replace(course, phase=phase, consent=consent)
        case "find_eligible":
            return replace(course, phase="eligible")
        case "void_eligibility":
            return replace(course, phase="consented")
        case "reopen_screening":
            return replace(course, phase="consented" if course.consent else "screened")
        case "randomize":
            return replace(course, phase="randomized")
        case "enrol":
            return replace(course, phase="enrolled")
        case "start_dose":
            return replace(course, treatment="begun", infusing=True)
        case "give_dose":
            return replace(course, treatment="begun")
        case "record_dose":
            return replace(course, infusing=False)
        case "discontinue_treatment":
            return replace(course, treatment="discontinued")
        case "complete":
            return replace(course, follow_up="completed")
        case "lose":
            return replace(course, follow_up="lost")
        case "find_again":
            return replace(course, follow_up="in")
        case "withdraw_from_visits":
            return replace(course, follow_up="withdrawn_from_visits")
        case "withdraw":
            return replace(course, follow_up="withdrawn")
        case "die":
            return replace(course, follow_up="dead")
        case "unblind":
            return replace(course, unblinded=True)
        case "randomized_in_error":
            return replace(course, randomized_in_error=True)
        case _:
            return course


def follow(steps: Iterable[tuple[str, str]]) -> Course:
    """The standing after steps in order, each with the consent version it brings (or an empty text)."""
    course = Course()
    for step, consent in steps:
        course = after(course, step, consent=consent)
    return course


@dataclass(frozen=True, slots=True)
class Turn:
    """A change of a participant's treatment or follow-up: the day it happened, the order in which it was recorded."""

    on: date
    number: int
    treatment: Treatment | None = None
    follow_up: FollowUp | None = None


def standing_after(course: Course, turns: Iterable[Turn]) -> Course:
    """The course with the treatment and follow-up that ``turns`` come to, in the order of the days they happened on.

    Whoever withdrew from everything, or died, is not brought back by what happened later and was recorded all the same:
    only taking the withdrawal or death back as entered in error does that.
    """
    treatment: Treatment = "not_begun"
    follow_up: FollowUp = "in"
    for turn in sorted(turns, key=lambda turn: (turn.on, turn.number)):
        if turn.treatment is not None and treatment != "discontinued":
            treatment = turn.treatment
        if turn.follow_up is not None and (follow_up not in ("withdrawn", "dead") or turn.follow_up == "dead"):
            follow_up = turn.follow_up
    return replace(course, treatment=treatment, follow_up=follow_up)


def standing_on(course: Course, turns: Iterable[Turn], day: date) -> Course:
    """Where the participant stood on ``day``: what turned on that very day had not happened yet."""
    return standing_after(course, (turn for turn in turns if turn.on < day))


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
