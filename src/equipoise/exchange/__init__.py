"""Files in and out: record folders, results, a user's own tables, real trials."""

from equipoise.exchange.output_folder import OutputFolder
from equipoise.exchange.records_files import read_records, write_records
from equipoise.exchange.results_files import read_results, write_results

__all__ = ["OutputFolder", "read_records", "read_results", "write_records", "write_results"]
