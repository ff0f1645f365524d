"""Pages of one action each: what it asks, and what it recorded. The table below is all there is of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect

from equipoise.conduct.actions.permissions import MATRIX
from equipoise.conduct.rows.tables import ParticipantRow, SiteRow
from equipoise.foundation.errors import ConductError, UsageError
from equipoise.web.fields import Field, Summary, place_problems, typed
from equipoise.web.page import page, pass_on, request_key
from equipoise.web.pages.participants import bar
from equipoise.web.pages.receipt import receipt_page
from equipoise.web.render import render
from equipoise.web.words import typed_date

YES_NO = (("yes", "Yes"), ("no", "No"))
DAY_HINT = "6 Apr 2027, or today"


@dataclass(frozen=True)
class OneAct:
    """One action as a page. ``fields`` may be worked out from the request; ``why`` is empty, optional or needed."""

    action: str
    title: str
    button: str
    words: str = ""
    fields: tuple[Field, ...] | Callable[[Any, str], tuple[Field, ...]] = ()
    why: str = ""
    why_label: str = "Reason"
    final: bool = False
    shape: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    of_participant: bool = True
    address: str = ""  # where it is, if not under the name of the action
    home: str = "/"  # where leaving it leads


def day(name: str = "on", label: str = "On", needed: bool = False) -> Field:
    """A date; where it may be left out it is today."""
    hint = DAY_HINT if needed else f"{DAY_HINT}; left blank it is today"
    return Field(name, label, "date", hint=hint, needed=needed)


def _reasons_to_leave(what: str) -> str:
    return f"{what} Nothing that was recorded is lost, and nothing of it is undone."


_SEVERITY = (("mild", "Mild"), ("moderate", "Moderate"), ("severe", "Severe"))
SERIOUS = (
    ("death", "Death"),
    ("life-threatening", "Life-threatening"),
    ("hospitalization", "Hospital stay, or a longer one"),
    ("disability", "Lasting disability"),
    ("congenital-anomaly", "Congenital anomaly"),
    ("medically-important", "Important medical event"),
)

SERIOUS_WORDS = dict(SERIOUS)


def _event_fields(*, new: bool) -> tuple[Field, ...]:
    from equipoise.conduct.rules import adverse_events as rules

    outcomes = [(value, value.capitalize()) for value in rules.OUTCOMES]
    serious = [(value, SERIOUS_WORDS.get(value, value.replace("-", " ").capitalize())) for value in rules.CRITERIA]
    return (
        *((Field("event", "Number of the event", "number", needed=True),) if not new else ()),
        Field("term", "What happened", "text", hint="In the reporter's own words; never what was given", needed=new),
        day("onset", "Began on", needed=new),
        Field("severity", "Severity", "pick", choices=_SEVERITY, needed=new),
        Field("serious", "Serious, because", "several", hint="None ticked: not serious", choices=serious),
        Field("related", "Related to the treatment", "pick", hint="Not judged yet counts as related", choices=YES_NO),
        Field("expected", "Expected", "pick", hint="Not judged yet counts as unexpected", choices=YES_NO),
        Field("end", "Ended on", "date", hint=f"{DAY_HINT}; left blank: it goes on"),
        Field("outcome", "Outcome", "choice", choices=[("", "Not known yet"), *outcomes]),
        Field("aware", "The site knew at", "text", hint="2027-04-06T10:40, time of the site; left blank it is now"),
    )


def _baseline_fields(request: Any, participant: str) -> tuple[Field, ...]:
    told = request.served.do(request.who, "read-eligibility", {"participant": participant}).told
    out = []
    for one in told["baseline"]:
        name, value = f"values.{one['id']}", one["value"]
        if one["type"] == "category":
            levels = [(level, level.replace("-", " ").capitalize()) for level in one["levels"]]
            kind = "pick" if len(levels) <= 6 else "choice"
            choices = levels if kind == "pick" else [("", "Choose"), *levels]
            out.append(Field(name, one["label"], kind, choices=choices, value=value))
        elif one["type"] == "yes-no":
            out.append(Field(name, one["label"], "pick", choices=YES_NO, value=value))
        else:
            out.append(Field(name, one["label"], "number", unit=one["unit"], value=value))
    return tuple(out)


def _baseline_shape(given: dict[str, Any]) -> dict[str, Any]:
    values = {name.removeprefix("values."): value for name, value in given.items() if name.startswith("values.")}
    return {"participant": given["participant"], "values": values}


def _sites(request: Any, _: str) -> tuple[Field, ...]:
    trial = request.served.trial
    rows = trial.values(SiteRow, ("site",), state="active", order=("site",))
    sites = [site for (site,) in rows if not request.sites or site in request.sites]
    results = (("continues", "Goes on to consent"), ("excluded", "Excluded"), ("declined", "Declined"))
    return (
        Field("participant", "New code", hint="Says nothing of the person; never used before, as P-035", needed=True),
        Field("site", "Site", "choice", choices=[(site, site) for site in sites], value=sites[0] if sites else ""),
        Field("result", "Result", "pick", choices=results, value="continues"),
        Field("reason", "Why excluded or declined", hint="Only where screening ends here"),
        Field("again", "Code of before", hint="Only for a participant who was screened before"),
    )


def _therapy_fields(request: Any, participant: str) -> tuple[Field, ...]:
    from equipoise.conduct.rules.forms import forms

    protocol = request.served.protocol_of(participant)
    made = {id: form for id, form in forms(protocol).items() if form.kind == "session"}
    therapies = [(id, form.label) for id, form in made.items()]
    return (
        *((Field("therapy", "Therapy", "choice", choices=therapies),) if len(therapies) > 1 else ()),
        Field("session", "Number of the session", "number", needed=True),
        Field("delivered", "It took place", "pick", choices=YES_NO, needed=True),
        day(),
        Field("minutes", "Length", "number", hint="Needed where it took place", unit="min"),
        Field("practice", "Practice at home since the last", "number", unit="min"),
        Field("fidelity", "Rated fidelity", "number", hint="0 to 1", unit="share"),
    )


def _transfer_fields(request: Any, participant: str) -> tuple[Field, ...]:
    trial = request.served.trial
    now = trial.first(ParticipantRow, participant=participant).site
    rows = trial.values(SiteRow, ("site",), state="active", order=("site",))
    sites = [(site, site) for (site,) in rows if site != now and (not request.sites or site in request.sites)]
    hint = "" if sites else "There is no other active site that this account sees."
    value = sites[0][0] if len(sites) == 1 else ""
    return (Field("to", f"From {now} to", "pick", choices=sites, value=value, hint=hint, needed=True),)


def _stage_fields(request: Any, participant: str) -> tuple[Field, ...]:
    stages = list(request.served.protocol_of(participant).model.stages.items())[1:]
    choices = [(id, id.replace("-", " ").capitalize()) for id, _ in stages]
    asked = request.GET.get("stage", "")
    words = next((stage.entry for id, stage in stages if id == asked and stage.entry), "")
    return (
        Field("stage", "Stage", "pick", choices=choices, value=choices[0][0] if len(choices) == 1 else "", needed=True),
        Field("enters", "The participant enters it", "pick", choices=YES_NO, hint=words, needed=True),
        day("on", "Its first day, where it randomizes nobody"),
    )


def _missed_fields(request: Any, participant: str) -> tuple[Field, ...]:
    rows = request.served.do(request.who, "due", {"participant": participant}).told["due"]
    from equipoise.web.words import visit_words, window_words

    choices = [
        (row["visit"], f"{visit_words(row['visit'])}, {window_words(row['first'], row['last'])}")
        for row in rows
        if row.get("kind") == "visit" and row["state"] == "overdue"
    ]
    asked = request.GET.get("visit", "")
    value = asked if asked in dict(choices) else choices[0][0] if choices else ""
    hint = "" if choices else "No visit has passed its window without an entry."
    return (Field("visit", "Visit", "choice", choices=choices, value=value, hint=hint, needed=True),)


ACTS: tuple[OneAct, ...] = (
    OneAct(
        "screen",
        "Screen a participant",
        "Record screening",
        "Everybody who was considered is counted, with the reason where it ended there. No name is ever recorded.",
        _sites,
        of_participant=False,
    ),
    OneAct(
        "baseline",
        "Baseline",
        "Record baseline",
        "A value in the record is changed with its reason; what rested on the old one is looked at again.",
        _baseline_fields,
        "optional",
        "Reason, where a value in the record is changed",
        shape=_baseline_shape,
    ),
    OneAct(
        "day-1",
        "Study day 1",
        "Record study day 1",
        "The day from which the participant's study days and windows are counted.",
        (day(),),
        "optional",
        "Reason, where it is changed",
    ),
    OneAct(
        "screening-failure",
        "Screening failure",
        "End screening",
        "For who does not go on for another reason than a criterion.",
        (),
        "needed",
    ),
    OneAct("reopen-screening", "Reopen screening", "Reopen screening", "An end that was a mistake.", (), "needed"),
    OneAct(
        "visit-missed",
        "Visit missed",
        "Record as missed",
        "A visit that did not take place, once its window has closed.",
        _missed_fields,
        "needed",
        "Why it did not take place, and what was tried",
    ),
    OneAct(
        "transfer",
        "Move to another site",
        "Move the participant",
        "What was recorded keeps its site; what follows belongs to the new one, and so do the people who see it. The "
        "allocation stays as it was given.",
        _transfer_fields,
        "needed",
        final=True,
    ),
    OneAct(
        "enter-stage",
        "Entry into a later stage",
        "Record the decision",
        "By the words of the protocol. A stage that randomizes begins with its randomization.",
        _stage_fields,
        "optional",
        "Reason, where a decision is changed",
    ),
    OneAct(
        "randomized-in-error",
        "Randomized in error",
        "Record",
        "For a participant who should not have been randomized. The allocation stands, its slot is never given again, "
        "and the participant is followed as the protocol says.",
        (),
        "needed",
        "What was wrong, without the arm",
        final=True,
    ),
    OneAct(
        "envelope-opened",
        "An envelope was opened",
        "Record the allocation",
        "A randomization that took place on paper, while the system could not be reached. Record envelopes in the "
        "order in which they were opened. It is never undone.",
        (
            Field("envelope", "Code on the envelope", hint="As printed: 7KQ2-9XMA-2ABD", needed=True),
            Field("at", "Opened at", hint="2027-04-06T10:40, time of the site, as written on it", needed=True),
        ),
        "optional",
        "Reason, where it happened otherwise than planned",
        final=True,
    ),
    OneAct("session", "Therapy session", "Record session", "", _therapy_fields),
    OneAct(
        "weight",
        "Body weight",
        "Record weight",
        "A doubtful weight is held until another person has measured again; meanwhile no dose is prepared.",
        (
            Field("kg", "Weight", "number", unit="kg", needed=True),
            Field("pounds", "The same in pounds", "number", hint="For a first weight that could be either", unit="lb"),
            day(),
        ),
    ),
    OneAct(
        "adverse-event",
        "Report an adverse event",
        "Report event",
        "The receipt says which reports are due, to whom and by when.",
        lambda request, participant: _event_fields(new=True),
    ),
    OneAct(
        "adverse-event-update",
        "Bring an adverse event up to date",
        "Record",
        "Only what is filled in changes. The time limits run from when the site first knew.",
        lambda request, participant: _event_fields(new=False),
        "needed",
    ),
    OneAct(
        "adverse-event-reported",
        "A report was made",
        "Record report",
        "",
        (
            Field("event", "Number of the event", "number", needed=True),
            Field("report", "Report", hint="By the name that Today shows: sponsor, regulator", needed=True),
            Field("reference", "Reference it was given"),
        ),
        "optional",
        "Reason, where it is late",
    ),
    OneAct(
        "discontinue",
        "Discontinue the treatment",
        "Discontinue treatment",
        _reasons_to_leave("The participant is followed as before: visits and calls go on."),
        (day(),),
        "needed",
        final=True,
    ),
    OneAct(
        "withdraw",
        "Withdraw from the trial",
        "Record withdrawal",
        _reasons_to_leave("From visits: a telephone call is still allowed. From everything: nothing more is asked."),
        (
            Field(
                "scope",
                "Withdraws from",
                "pick",
                choices=(("visits", "Visits"), ("everything", "Everything")),
                needed=True,
            ),
            day(),
        ),
        "needed",
        "In the participant's words",
        final=True,
    ),
    OneAct(
        "lost",
        "Lost to follow-up",
        "Record as lost",
        _reasons_to_leave("Somebody who is found again is followed again."),
        (day(),),
        "needed",
        "What was tried",
        final=True,
    ),
    OneAct("found-again", "Found again", "Record", "Contact is made again; the loss stays on record.", (), "needed"),
    OneAct(
        "death",
        "Death",
        "Record death",
        "The adverse event is reported by itself.",
        (day("on", "Died on", needed=True),),
        "needed",
        "What is known",
        final=True,
    ),
    OneAct(
        "complete",
        "Completed",
        "Record completion",
        "Treatment and visits are complete; later calls are still made.",
        (day(),),
    ),
)

PASSPHRASE_AGAIN = Field(
    "passphrase", "Your passphrase, again", "secret", hint="Shows that it is you who signs", needed=True
)
_MEANINGS = (
    ("authored", "Authored"),
    ("reviewed", "Reviewed"),
    ("approved", "Approved"),
    ("responsible", "Responsible"),
)
_QUERY = Field("query", "Query", hint="Its number, as Q-0041", needed=True)

ACTS += (
    OneAct(
        "query",
        "Ask a query",
        "Ask",
        "About the participant in general, or about a visit, a form or an item. It changes no value.",
        (
            Field("text", "Question", "area", needed=True),
            Field("visit", "Visit", hint="By its name, as day-16"),
            Field("form", "Form", hint="By its name, as urine"),
            Field("item", "Item"),
        ),
    ),
    OneAct(
        "query-answer",
        "Answer a query",
        "Answer",
        "The answer changes no value.",
        (_QUERY, Field("text", "Answer", "area", needed=True)),
        of_participant=False,
    ),
    OneAct(
        "query-close",
        "Close a query",
        "Close query",
        "One that nobody answered is closed with the reason.",
        (_QUERY,),
        "optional",
        of_participant=False,
    ),
    OneAct("query-reopen", "Ask again", "Ask again", "", (_QUERY,), "needed", of_participant=False),
    OneAct(
        "sign",
        "Sign",
        "Sign",
        "All records of the participant as they stand, or one form at one visit. A signature is never taken back; when "
        "what it covers changes, it says that it is superseded.",
        (
            Field("meaning", "Meaning", "pick", choices=_MEANINGS, needed=True),
            Field("visit", "Visit", hint="By its name; left blank with the form: all records"),
            Field("form", "Form"),
            PASSPHRASE_AGAIN,
        ),
        final=True,
    ),
    OneAct(
        "unblinded-by-accident",
        "Somebody learned the arm",
        "Report",
        "For a person who learned an arm and should not have. Blinded people read it: never say which arm it was.",
        (
            Field("participant", "Participant", hint="The code", needed=True),
            Field(
                "learned_by",
                "Who learned it",
                hint="An account, or in words: the participant, a nurse of the ward",
                needed=True,
            ),
            Field(
                "impact", "What follows from it", "area", hint="Another rater takes over; nothing, and why", needed=True
            ),
        ),
        "needed",
        "How it was learned",
        of_participant=False,
    ),
    OneAct(
        "release-text",
        "Let blinded people read a text",
        "Release the text",
        "It reveals nothing of the trial’s treatment. The same words of the same participant are then read everywhere, "
        "and that is not taken back.",
        (Field("event", "Number of the event", "number", needed=True),),
        "needed",
        "Why it reveals no treatment, without naming one",
        of_participant=False,
        home="/held-texts/",
    ),
    OneAct(
        "open-arms",
        "Unblinding for an analysis before the lock",
        "Record",
        "From then on the unblinded statistician opens the closed report, and takes unblinded cuts.",
        (),
        "needed",
        "Reason, as the data monitoring committee's meeting of a date",
        final=True,
        of_participant=False,
    ),
    OneAct(
        "sign-off",
        "Sign off",
        "Sign off",
        "All records of the participant, as the responsible investigator: the lock asks for it, as they then stand.",
        (PASSPHRASE_AGAIN,),
        final=True,
    ),
)


def register_act(one: OneAct) -> None:
    """Make an action a page."""
    address = one.address or (f"p/<participant>/{one.action}/" if one.of_participant else f"{one.action}/")

    def view(request: Any, participant: str = "") -> HttpResponse:
        return act_page(request, one, participant)

    view.__name__ = one.action.replace("-", "_")
    view.__doc__ = one.title
    page(one.action, address)(view)


def act_page(request: Any, one: OneAct, participant: str = "", **more: Any) -> HttpResponse:
    """Ask for what the action takes; do it, and show the receipt."""
    fields = one.fields(request, participant) if callable(one.fields) else deepcopy(one.fields)
    by_name = {field.name: field for field in fields}
    if one.why:
        by_name["why"] = Field("why", one.why_label, "area", needed=one.why == "needed")
    key = request_key(request)
    if request.method != "POST":
        for name in by_name.keys() & request.GET.keys():
            by_name[name].value = request.GET[name][:80]
        return _shown(request, one, participant, by_name, key, Summary(), **more)
    for field in by_name.values():
        typed(field, request.POST)
    given = _given(request, one, participant, by_name)
    try:
        receipt = request.served.do(request.who, one.action, given, why=request.POST.get("why", ""), key=key)
    except (ConductError, UsageError) as error:
        pass_on(error, "C014")
        aliases = {**by_name, **{name.removeprefix("values."): field for name, field in by_name.items()}}
        summary = place_problems(error.problems, aliases)
        return _shown(request, one, participant, by_name, key, summary, **more)
    if receipt.told or receipt.warnings:
        return receipt_page(request, key, told=receipt.told, warnings=receipt.warnings)
    return HttpResponseRedirect(f"/receipt/{key}/", status=303)


def _given(request: Any, one: OneAct, participant: str, by_name: Mapping[str, Field]) -> dict[str, Any]:
    """What was typed, as the action takes it; blanks are left out."""
    today = _today(request, participant)
    given: dict[str, Any] = {"participant": participant} if one.of_participant else {}
    for name, field in by_name.items():
        if name == "why":
            continue
        if field.kind == "several":
            if field.values:
                given[name] = list(field.values)
        elif field.kind == "file":
            given[name] = file_text(request, name)
        elif field.kind == "secret":
            given[name] = request.POST.get(name, "")
        elif field.value:
            given[name] = typed_date(field.value, today) if field.kind == "date" else field.value
    confirmed = request.POST.getlist("confirm")
    if confirmed:
        given["confirm"] = confirmed
    return one.shape(given) if one.shape is not None else given


def file_text(request: Any, name: str) -> str:
    """The text of a file that was chosen on the page; empty where none was, or where it is no text."""
    chosen = request.FILES.get(name)
    try:
        return chosen.read().decode("utf-8-sig") if chosen is not None else ""
    except UnicodeDecodeError:
        return ""


def _today(request: Any, participant: str) -> date:
    served = request.served
    row = served.trial.first(ParticipantRow, participant=participant) if participant else None
    site = row.site if row is not None else (request.sites[0] if request.sites else "")
    found: date = served.now(served.zone_of(site)).local_date
    return found


def _shown(
    request: Any,
    one: OneAct,
    participant: str,
    by_name: Mapping[str, Field],
    key: str,
    summary: Summary,
    **more: Any,
) -> HttpResponse:
    heading = f"{one.title}, {participant}" if participant else one.title
    return render(
        request,
        "act.html",
        {
            "title": f"Not recorded: {heading}" if summary.lines else heading,
            "heading": heading,
            "one": one,
            "participant": participant,
            "bar": standing_bar(request, participant) if participant else None,
            "fields": list(by_name.values()),
            "has_file": any(field.kind == "file" for field in by_name.values()),
            "summary": summary,
            "key": key,
            **more,
        },
        status=422 if summary.lines else 200,
    )


def standing_bar(request: Any, participant: str) -> Any:
    """The participant's bar, for roles that may see where somebody stands."""
    if not MATRIX["participants"] & set(request.roles):
        return None
    told = request.served.do(request.who, "participants", {"participant": participant}).told["participants"]
    return bar(told[0])


for _one in ACTS:
    register_act(_one)
