"""Time one round of mcpower on one core: ``python estimators_mcpower.py N_SIMULATIONS NODES``.

Run by estimators.py in a process of its own, because the number of threads is read from the environment once. A
replicate includes the generation of its data; the design is balanced (mcpower knows no dropout), 55 participants by 13
visits, with the same three effects and variance between participants. Two numbers are printed, microseconds of
processor time a replicate: with its default standard errors ("rx", without the curvature in the variance) and with
those of the Hessian, which are what ours and glmer's are.
"""

from __future__ import annotations

import sys
import time


def main(n_simulations: int, nodes: int) -> None:
    """Print microseconds a replicate of a random-intercept logistic model, by kind of standard error."""
    from mcpower import MCPower

    model = MCPower("y ~ arm + week + bc + (1|id)", family="logit")
    model.set_variable_type("arm=binary")
    model.set_effects("arm=-0.9, week=-0.11, bc=0.22")
    model.set_baseline_probability(0.5)
    # 1.6 ** 2 over (1.6 ** 2 + pi ** 2 / 3).
    model.set_cluster("id", ICC=0.44, n_clusters=55, cluster_level_vars=["arm", "bc"])

    def run(n: int, errors: str) -> object:
        return model.find_power(
            715, n_sims=n, agq=nodes, wald_se=errors, progress_callback=False, verbose=False, seed=1
        )

    for errors in ("rx", "hessian"):
        run(20, errors)
        start = time.process_time()
        run(n_simulations, errors)
        print(errors, 1e6 * (time.process_time() - start) / n_simulations)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
