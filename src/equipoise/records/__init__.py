"""What happened: immutable tables of one trial."""

from equipoise.records.records import DataSource, Records
from equipoise.records.schema import TABLES

__all__ = ["TABLES", "DataSource", "Records"]
