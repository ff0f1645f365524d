"""Eligibility: each criterion with what decides it, and the decision of an investigator."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect

from equipoise.conduct.actions.permissions import MATRIX
from equipoise.foundation.errors import ConductError, UsageError
from equipoise.web.fields import Field, Summary, place_problems
from equipoise.web.item_words import criterion_words
from equipoise.web.page import page, request_key
from equipoise.web.pages.participants import bar
from equipoise.web.render import render
from equipoise.web.words import day_words

VERDICTS = {"met": ("done", "met"), "not_met": ("late", "not met"), "undecided": ("due", "not decided")}


@page("eligibility", "p/<participant>/eligibility/")
def eligibility(request: Any, participant: str) -> HttpResponse:
    """Decide on eligibility, or see what was decided."""
    told = request.served.do(request.who, "read-eligibility", {"participant": participant}).told
    fields = {row["id"]: _attested(row) for row in told["rulings"] if not row["value"]}
    fields["against"] = Field("against", "Another ground against", hint="Only where the person is not to enter for it")
    key = request_key(request)
    summary = Summary()
    if request.method == "POST":
        for field in fields.values():
            field.value = request.POST.get(field.name, "").strip()
        given = {
            "participant": participant,
            "attested": {id: field.value for id, field in fields.items() if id != "against" and field.value},
            "against": fields["against"].value,
        }
        try:
            request.served.do(request.who, "eligibility", given, key=key)
            return HttpResponseRedirect(f"/receipt/{key}/", status=303)
        except (ConductError, UsageError) as error:
            if error.problems[0].code in ("C013", "C014"):
                raise
            marked = {f"{row['kind']}.{row['id']}": fields[row["id"]] for row in told["rulings"] if row["id"] in fields}
            summary = place_problems(error.problems, {**fields, **marked})
    return render(
        request,
        "eligibility.html",
        {
            "title": f"Eligibility, {participant}",
            "bar": bar(told["standing"]),
            "participant": participant,
            "rulings": criteria(told, fields),
            "fields": fields,
            "summary": summary,
            "key": key,
            "decision": {"yes": "eligible", "no": "not eligible"}.get(told["decision"], told["decision"]),
            "decided_on": day_words(told["decided_on"]),
            "may": bool(MATRIX["eligibility"] & set(request.roles)) and told["standing"]["status"] == "consented",
        },
        status=422 if summary.lines else 200,
    )


def _attested(row: dict[str, Any]) -> Field:
    words = criterion_words(row["words"])
    hint = "Yes: it applies, and the person does not enter" if row["kind"] == "exclude" else ""
    return Field(f"attested.{row['id']}", words, "pick", hint=hint, choices=(("yes", "Yes"), ("no", "No")))


def criteria(told: dict[str, Any], fields: dict[str, Field]) -> list[dict[str, Any]]:
    """Each criterion with what was found, and its field where somebody has to say."""
    units = {one["id"]: one["unit"] for one in told["baseline"]}
    return [
        {
            "words": ("Not: " if row["kind"] == "exclude" else "") + criterion_words(row["words"]),
            "found": f"{row['value']} {units.get(row['needs'], '')}".strip() if row["value"] else "",
            "chip": VERDICTS[row["verdict"]],
            "field": fields.get(row["id"]),
        }
        for row in told["rulings"]
    ]
