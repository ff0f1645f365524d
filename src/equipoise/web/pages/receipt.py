"""A receipt: what one's own request recorded, as it stands in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from equipoise.web.held import held_for
from equipoise.web.page import not_there, page
from equipoise.web.receipts import receipt_of
from equipoise.web.render import render


@page("receipt", "receipt/<key>/")
def receipt(request: Any, key: str) -> HttpResponse:
    """The receipt of a request of the account's own."""
    return receipt_page(request, key)


def receipt_page(
    request: Any, key: str, *, told: Mapping[str, Any] | None = None, warnings: tuple[str, ...] = ()
) -> HttpResponse:
    """A receipt; with it, once, what was told to this person alone."""
    made = receipt_of(request.served.trial, request.who.account, key, held_for(request))
    if made is None:
        return not_there(request)
    told = {
        name: "; ".join(map(str, value)) if isinstance(value, list) else value for name, value in (told or {}).items()
    }
    private = [
        (name.replace("_", " ").capitalize(), value)
        for name, value in (told or {}).items()
        if value not in ("", [], None)
    ]
    return render(
        request,
        "receipt.html",
        {"title": f"Recorded: {made['title']}", "receipt": made, "told": private, "warnings": warnings},
    )
