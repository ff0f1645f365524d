"""Endpoints: what one participant's records come to, one file per family."""

from equipoise.endpoints.derive import derive_endpoint
from equipoise.endpoints.derived import Derived
from equipoise.endpoints.lattice import Lattice, read_lattice

__all__ = ["Derived", "Lattice", "derive_endpoint", "read_lattice"]
