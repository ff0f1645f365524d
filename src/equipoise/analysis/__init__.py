"""The statistical analysis plan carried out: endpoint x estimand x estimator -> Estimate."""
