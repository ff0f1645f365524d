"""Records as SDTM: every domain that can be made, the account of all rows, and why a domain is left out."""

from __future__ import annotations

from collections.abc import Callable

from equipoise.exchange.cdisc import findings, interventions, occurrences, subjects, trial_design
from equipoise.exchange.cdisc.datasets import CdiscDataset
from equipoise.exchange.cdisc.domain import DomainRows, make_domain
from equipoise.exchange.cdisc.study import SdtmStudy
from equipoise.exchange.cdisc.vocabulary import ORDER
from equipoise.foundation.errors import Problem, RecordsError
from equipoise.records.schema import TABLES

CODES = {
    "R605": "Records that cannot go out as one trial of CDISC's: replicates, or those of another protocol.",
}

Maker = Callable[[SdtmStudy], DomainRows | list[DomainRows] | None]
_DESIGN: tuple[Maker, ...] = (
    trial_design.trial_arms,
    trial_design.trial_elements,
    trial_design.trial_visits,
    trial_design.trial_criteria,
    trial_design.trial_summary,
)
# By table of records, what is made of it; what has no table needs other tables too.
_OF_PEOPLE: tuple[tuple[str, Maker], ...] = (
    ("participants", subjects.demographics),
    ("", subjects.elements),
    ("visits", subjects.visits),
    ("exposure", interventions.exposure),
    ("sessions", interventions.procedures),
    ("daily_use", interventions.substance_use),
    ("adverse_events", occurrences.adverse_events),
    ("events", occurrences.clinical_events),
    ("disposition", occurrences.disposition),
    ("", occurrences.criteria_not_met),
    ("urine", findings.laboratory),
    ("assessments", findings.questionnaires),
    ("vitals", findings.vital_signs),
)


def require_one_trial(study: SdtmStudy) -> None:
    """Refuse replicates, and records of another protocol (R605)."""
    records, protocol = study.records, study.protocol
    if records.has_replicates:
        found = "The records hold replicates of a trial."
        raise RecordsError(Problem("R605", "records", found, "one trial", "Export one replicate."))
    if records.source.protocol not in ("", protocol.id):
        found = f"The records are of {records.source.protocol!r}, the protocol is {protocol.id!r}."
        raise RecordsError(Problem("R605", "records.json", found, f"records of {protocol.id}"))


def make_sdtm(study: SdtmStudy) -> list[CdiscDataset]:
    """Every dataset of a trial in the order of Define-XML; ``study.account`` holds where every row went.

    Without what DM needs (``study.blockers``) there is the design of the trial alone. Raises :class:`RecordsError`
    (R605).
    """
    require_one_trial(study)
    made: list[CdiscDataset] = []
    for maker in _DESIGN:
        made += _made(study, maker)
    if study.blockers:
        reason = f"nothing says {'; '.join(study.blockers)}"
        study.account.note("DM", f"left out: {reason}")
        for name in TABLES:
            study.account.stays(name, study.records[name].height, "there is no DM, and so no dataset of participants")
    else:
        for table, maker in _OF_PEOPLE:
            if not table or study.records[table].height:
                made += _made(study, maker)
    made = [_only_known(dataset) for dataset in made]
    by_name = {dataset.name: dataset for dataset in made}
    order = [name for one in ORDER for name in (one, f"SUPP{one}") if name in by_name]
    return [by_name[name] for name in order]


def _made(study: SdtmStudy, maker: Maker) -> list[CdiscDataset]:
    rows = maker(study)
    several = rows if isinstance(rows, list) else [rows]
    return [dataset for one in several if one is not None for dataset in make_domain(study, one)]


def _only_known(dataset: CdiscDataset) -> CdiscDataset:
    """The dataset; a fault of the program where its keys do not tell rows apart."""
    assert not dataset.frame.select(dataset.keys).is_duplicated().any(), f"{dataset.name}: keys {dataset.keys}"
    return dataset
