"""The trial as a web application: settings, headers, static files."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from importlib.resources import files
from pkgutil import iter_modules
from typing import Any

from equipoise.conduct.trial.django_settings import set_up
from equipoise.web.served import Served

HOSTS = ("localhost", "127.0.0.1", "[::1]")
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


@cache
def set_up_pages() -> None:
    """Set Django up for pages, once a process: the trial's own settings, and these with them."""
    set_up()
    from django.conf import settings

    settings.ROOT_URLCONF = "equipoise.web.addresses"
    settings.SECRET_KEY = secrets.token_urlsafe(48)  # nothing that outlives the process is signed with it
    settings.ALLOWED_HOSTS = list(HOSTS)
    settings.APPEND_SLASH = False
    settings.MIDDLEWARE = [
        "equipoise.web.application.with_headers",
        "django.middleware.csrf.CsrfViewMiddleware",
    ]
    settings.CSRF_COOKIE_NAME = "equipoise-form"
    settings.CSRF_COOKIE_HTTPONLY = True
    settings.CSRF_COOKIE_SAMESITE = "Lax"
    settings.CSRF_FAILURE_VIEW = "equipoise.web.addresses.forged"
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000
    settings.TEMPLATES = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [str(files("equipoise.web").joinpath("templates"))],
            "OPTIONS": {"libraries": {"pages": "equipoise.web.tags"}, "builtins": ["equipoise.web.tags"]},
        }
    ]
    load_pages()


def load_pages() -> None:
    """Import every page, so that it is registered."""
    import equipoise.web.pages as folder

    for module in iter_modules(folder.__path__):
        import_module(f"{folder.__name__}.{module.name}")


def with_headers(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Middleware: the headers that every answer has."""

    def answer(request: Any) -> Any:
        request.get_host()  # refused where it is not this server's: pages of another name never read these
        response = get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        if request.is_secure():
            response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        return response

    return answer


def application(served: Served, hosts: Iterable[str] = ()) -> Callable[..., Any]:
    """The WSGI application that shows one trial."""
    set_up_pages()
    from django.conf import settings
    from django.core.wsgi import WSGIHandler
    from whitenoise import WhiteNoise

    settings.ALLOWED_HOSTS = [*HOSTS, *hosts]
    settings.CSRF_COOKIE_SECURE = served.secure
    pages = WSGIHandler()

    def with_trial(environ: dict[str, Any], start_response: Any) -> Any:
        environ["equipoise.served"] = served
        return pages(environ, start_response)

    static = str(files("equipoise.web").joinpath("static"))

    def headers(answered: Any, path: str, url: str) -> None:
        for name, value in HEADERS.items():
            answered[name] = value

    return WhiteNoise(with_trial, root=static, prefix="static/", max_age=300, add_headers_function=headers)
