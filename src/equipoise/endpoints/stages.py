"""In which stage of a trial an endpoint is looked at."""

from __future__ import annotations

from equipoise.protocol import Protocol


def stage_of_endpoint(protocol: Protocol, id: str) -> int:
    """The number of the stage whose participants and days an endpoint is about, 1 for the first.

    It is that of an estimand that asks for the endpoint, or of one whose analysis takes the endpoint in its place
    (``vary``), or of the visits that the endpoint goes by.
    """
    model = protocol.model
    stages = list(model.stages)
    if len(stages) < 2:
        return 1
    asking = [estimand for estimand in model.estimands.values() if estimand.endpoint == id]
    asking += [
        model.estimands[line.estimand]
        for line in model.analyses.values()
        if line.vary is not None and id in line.vary.endpoint
    ]
    named = next((estimand.stage for estimand in asking if estimand.stage is not None), None)
    if named is None:
        for base in model.endpoints[id].made_of:
            return stage_of_endpoint(protocol, base)
        series = model.schedule.get(str(getattr(model.endpoints[id], "at", None)))
        named = series.stage if series is not None else None
    return stages.index(named) + 1 if named in stages else 1
