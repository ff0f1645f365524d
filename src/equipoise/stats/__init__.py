"""Numbers in, numbers out: batched estimators that know nothing of trials.

Every estimator takes many trials packed end to end (see :mod:`equipoise.stats.packing`) and returns arrays with
one entry a trial. A single analysis is a batch of one, so the number in a report and the number in a power
calculation come from the same code.
"""
