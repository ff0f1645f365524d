"""A marimo notebook: a trial from its protocol to the report, with the report's own tables and figures.

Run it with `pip install marimo`, then `marimo edit docs/notebook.py`.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="equipoise in a notebook")


@app.cell
def _():
    import marimo as mo

    import equipoise

    return equipoise, mo


@app.cell
def _(mo):
    mo.md(
        """
        # A trial in a notebook

        The flagship trial, simulated: its participants are fictional, and every table and figure says so. Change the
        seed, and everything below is worked out again.
        """
    )
    return


@app.cell
def _(mo):
    seed = mo.ui.number(start=1, stop=10_000, value=7, label="Seed")
    seed
    return (seed,)


@app.cell
def _(equipoise, seed):
    protocol = equipoise.read_protocol("ketamine-mbrp-cocaine")
    records = equipoise.simulate(protocol, seed=seed.value)
    records
    return protocol, records


@app.cell
def _(equipoise, protocol, records):
    results = equipoise.analyse(protocol, records)
    results
    return (results,)


@app.cell
def _(results):
    estimate = results["relapse"]
    estimate
    return (estimate,)


@app.cell
def _(results):
    endpoint = results.endpoints["abstinence"]
    endpoint
    return (endpoint,)


@app.cell
def _(equipoise, protocol, records, results):
    report = equipoise.report(protocol, records, results)
    report.pictures[0]
    return (report,)


@app.cell
def _(mo):
    mo.md("""The whole report, as `equipoise run` writes it:""")
    return


@app.cell
def _(report):
    report
    return


if __name__ == "__main__":
    app.run()
