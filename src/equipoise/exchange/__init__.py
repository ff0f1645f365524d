"""Files in and out: record folders, results, a user's own tables, real trials."""

from equipoise.exchange.output_folder import OutputFolder
from equipoise.exchange.records_files import read_records, write_records

# Results are in equipoise.exchange.results_files: reading records should not load the analysis.
__all__ = ["OutputFolder", "read_records", "write_records"]
