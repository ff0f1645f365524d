"""Addresses of all pages, as Django looks for them."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.urls import path

from equipoise.web.page import PAGES, SERVED, broken, forged, not_there


def _lost(request: Any, exception: Exception | None = None) -> HttpResponse:
    request.served, request.who, request.page = request.META.get(SERVED), None, ""
    return not_there(request)


def _failed(request: Any) -> HttpResponse:
    request.served, request.who, request.page = request.META.get(SERVED), None, ""
    return broken(request, RuntimeError("outside of a page"))


def _bad(request: Any, exception: Exception | None = None) -> HttpResponse:
    response = _lost(request)
    response.status_code = 400
    return response


urlpatterns = [path(one.address, one.view, name=one.name) for one in PAGES.values()]
handler404, handler500, handler403, handler400 = _lost, _failed, _lost, _bad

__all__ = ["forged", "handler400", "handler403", "handler404", "handler500", "urlpatterns"]
