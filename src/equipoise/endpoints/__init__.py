"""Endpoints: the results of each participant, derived from records; one file per family."""

from equipoise.endpoints.derivation import derive_endpoint
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import Lattice, read_lattice

__all__ = ["Derived", "Lattice", "derive_endpoint", "read_lattice"]
