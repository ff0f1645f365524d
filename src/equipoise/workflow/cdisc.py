"""Records as CDISC's datasets: SDTM from records, ADaM from what the endpoints came to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from equipoise.analysis.dataset import in_analysis_set
from equipoise.endpoints.lattice import read_lattice
from equipoise.exchange.cdisc.adam import AdamParts, make_adam
from equipoise.exchange.cdisc.export import (
    CdiscExport,
    head_of,
    read_dates,
    write_cdisc,
)
from equipoise.exchange.cdisc.mapping import SdtmMapping, read_sdtm_mapping
from equipoise.exchange.cdisc.sdtm import make_sdtm
from equipoise.exchange.cdisc.study import ParticipantDates, SdtmStudy
from equipoise.exchange.cdisc.template import mapping_template
from equipoise.exchange.cdisc.vocabulary import ADAM_GUIDE, SDTM_GUIDE
from equipoise.exchange.records_files import read_records
from equipoise.protocol import Protocol
from equipoise.records import Records
from equipoise.workflow.endpoints import derive_all
from equipoise.workflow.library import read_protocol

TEMPLATE = "mapping-template.yaml"


def _study(
    protocol: Protocol | str | Path,
    records: Records | str | Path,
    mapping: Path | None,
    dates: Path | None,
) -> SdtmStudy:
    chosen = protocol if isinstance(protocol, Protocol) else read_protocol(protocol)
    data = records if isinstance(records, Records) else read_records(records)
    known: Mapping[str, ParticipantDates] = read_dates(dates, data) if dates is not None else {}
    return SdtmStudy(
        chosen,
        data,
        read_sdtm_mapping(mapping) if mapping is not None else SdtmMapping(),
        known,
    )


def export_sdtm(
    protocol: Protocol | str | Path,
    records: Records | str | Path,
    out: str | Path,
    *,
    mapping: Path | None = None,
    dates: Path | None = None,
    force: bool = False,
) -> CdiscExport:
    """Write records as SDTM (guide 3.4): Dataset-JSON 1.1, SAS transport files, Define-XML 2.1 and a list of losses.

    ``mapping`` is a file with what only a person can say (sites, sex, drugs, codes of adverse events); without what DM
    needs, the design of the trial alone is written. ``dates`` is a file with each participant's calendar dates;
    without it datasets have study days and no dates. A template of the mapping stands in the folder.

    >>> made = equipoise.export_sdtm("smoking-cessation", records, "smoking-sdtm")
    >>> sorted(made.files)
    ['TA', 'TE', 'TS', 'TV']
    >>> made.account.n_not_exported > 0
    True
    """
    study = _study(protocol, records, mapping, dates)
    datasets = make_sdtm(study)
    head = head_of(study.id, study.protocol, study.records, "SDTMIG", SDTM_GUIDE)
    return write_cdisc(
        datasets,
        study.account,
        head,
        Path(out),
        further={TEMPLATE: mapping_template(study.protocol, study.records)},
        force=force,
        private=study.records.source.is_private,
    )


def export_adam(
    protocol: Protocol | str | Path,
    records: Records | str | Path,
    out: str | Path,
    *,
    mapping: Path | None = None,
    dates: Path | None = None,
    force: bool = False,
) -> CdiscExport:
    """Write what the endpoints came to as ADaM (guide 1.3): ADSL, ADTTE, ADQS, ADUSE, ADEFF, with Define-XML 2.1.

    ``mapping`` and ``dates`` are those of :func:`export_sdtm`, whose DM is where ADSL comes from. Endpoints and sets of
    analysis are those that every analysis uses. Raises what deriving the endpoints raises.

    >>> try:
    ...     equipoise.export_adam("smoking-cessation", records, "smoking-adam")
    ... except equipoise.EquipoiseError as error:
    ...     print(error.problems[0].code)
    R606
    """
    study = _study(protocol, records, mapping, dates)
    sdtm = make_sdtm(study)
    study.account.lines.clear()  # of SDTM; what is told here is about analysis datasets
    datasets = make_adam(study, sdtm, _parts(study))
    head = head_of(study.id, study.protocol, study.records, "ADaMIG", ADAM_GUIDE)
    return write_cdisc(
        datasets,
        study.account,
        head,
        Path(out),
        further={TEMPLATE: mapping_template(study.protocol, study.records)},
        force=force,
        private=study.records.source.is_private,
    )


def _parts(study: SdtmStudy) -> AdamParts:
    """Endpoints and sets of analysis, derived as every analysis derives them; nothing where no arm may be shown."""
    if not study.shows_arms or study.blockers:
        return AdamParts()
    _, derived = derive_all(study.protocol, study.records)
    lattices = {}
    sets = {}
    for name, group in study.protocol.model.analysis_sets.items():
        if group.stage not in lattices:
            lattices[group.stage] = read_lattice(study.protocol, study.records, stage=group.stage)
        lattice = lattices[group.stage]
        members = lattice.participants.frame["participant_id"].to_numpy()[in_analysis_set(lattice, name)]
        sets[name] = frozenset(str(id) for id in members)
    first = lattices.get(1) or read_lattice(study.protocol, study.records)
    return AdamParts(derived, first, sets)
