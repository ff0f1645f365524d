"""Carries out the statistical analysis plan: endpoint x estimand x estimator -> Estimate."""

from equipoise.analysis.analyse import analyse_records
from equipoise.analysis.estimate import Estimate
from equipoise.analysis.results import Results

__all__ = ["Estimate", "Results", "analyse_records"]
