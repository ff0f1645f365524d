"""Serving a trial: on this machine alone, unless a certificate is named."""

from __future__ import annotations

import ipaddress
import logging
import socket
from typing import Any

from equipoise.conduct.actions import all_actions
from equipoise.foundation.errors import Problem, UsageError
from equipoise.web.application import application
from equipoise.web.served import Served

CODES = {"U039": "Pages may not be served at this address."}
THREADS = 64  # most wait: for the write lock, or for a passphrase to be hashed, which is done one after another


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_address(host: str, port: int, names: tuple[str, ...]) -> None:
    """Refuse an address beyond this machine: passphrases and records would cross the network in the clear (U039).

    Behind a proxy of this machine that has the certificate, ``names`` are those under which it is reached.
    """
    if not is_loopback(host):
        raise UsageError(
            Problem(
                "U039",
                "--host",
                f"{host} can be reached from other machines, and pages are served without TLS.",
                "127.0.0.1",
                "Put a proxy with a certificate before it on this machine, and name its host: --behind-tls trial.org.",
            )
        )
    if not 0 <= port <= 65535:
        raise UsageError(Problem("U039", "--port", f"Found {port}.", "0 to 65535"))
    bad = [name for name in names if not name or "/" in name or "*" in name or name.startswith(".")]
    if bad:
        raise UsageError(Problem("U039", "--behind-tls", f"Found {bad[0]!r}.", "the name of a host, such as trial.org"))


def make_server(served: Served, host: str, port: int, names: tuple[str, ...] = ()) -> Any:
    """A server that listens; ``run()`` answers until it is stopped."""
    import waitress

    require_address(host, port, names)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    logging.getLogger("django").setLevel(logging.ERROR)
    served.secure = bool(names)
    # Loaded and read before anybody asks: several first requests at once would load the same files in parallel.
    all_actions()
    served.trial.protocol(served.trial.protocol_hash)
    trusted = (
        {"trusted_proxy": "127.0.0.1", "trusted_proxy_headers": "x-forwarded-proto x-forwarded-for"} if names else {}
    )
    try:
        return waitress.create_server(
            application(served, names),
            host=host,
            port=port,
            threads=THREADS,
            ident=None,
            clear_untrusted_proxy_headers=True,
            max_request_body_size=2_000_000,
            **trusted,
        )
    except (OSError, socket.gaierror) as error:
        words = error.strerror or str(error)
        raise UsageError(
            Problem(
                "U039", "--port", f"{host}:{port} cannot be used: {words}.", "a free port", "Choose another: --port."
            )
        ) from None


def address_of(server: Any, host: str) -> str:
    """Where a server can be opened."""
    port = getattr(server, "effective_port", None) or server.socket.getsockname()[1]
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/"
