"""Every command that reads a stranger's file, each with a set of small files that it takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import polars as pl
from redcap.small_project import dictionary
from redcap.small_project import field as asked

import equipoise
from equipoise.exchange.ctn0094.read import NEEDED
from equipoise.exchange.own_tables.convert import import_table
from equipoise.records import DataSource, Records
from equipoise.workflow.export import export_records

ODM = (Path(__file__).parents[1] / "odm_small_study.xml").read_text("utf-8")
ODM_HEAD = (
    '<ODM xmlns="http://www.cdisc.org/ns/odm/v1.3" FileOID="f" FileType="Snapshot" '
    'CreationDateTime="2026-01-01T00:00:00Z">'
)
ODM_DATA = (
    '<ClinicalData StudyOID="S" MetaDataVersionOID="M"><SubjectData SubjectKey="P1"><StudyEventData StudyEventOID='
    '"SE.1"><FormData FormOID="F.1"><ItemGroupData ItemGroupOID="IG.1"><ItemData ItemOID="I.DAYS" Value="4"/>'
    "</ItemGroupData></FormData></StudyEventData></SubjectData></ClinicalData>"
)
MAPPING = """equipoise-mapping: 1
protocol: small
tables:
  participants: [{file: people.ENDING, columns: {participant_id: id, consented: true}}]
  urine:
    - file: people.ENDING
      columns: {participant_id: id, visit: {value: w1}, day: day, substance: {value: cocaine}, result: result}
"""
PEOPLE = {"id": ["1", "2"], "day": ["8", "9"], "result": ["positive", "negative"]}
SDTM_MAPPING = "study-id: S1\nsite: {id: '001', country: USA}\nadverse-events: coded.csv\n"
TRIAL = "smoking-cessation"
EVIDENCE = Path(equipoise.__file__).parent / "evidence" / "known"


@dataclass(frozen=True)
class Door:
    """A command; ``spoilt`` is the file among its own that is damaged, ``form`` the kind of file."""

    name: str
    command: tuple[str, ...]  # ``DIR`` stands for the folder of files, ``OUT`` for what is written
    spoilt: str
    form: str


def _door(name: str, command: str, spoilt: str, form: str) -> Door:
    return Door(name, tuple(command.split()), spoilt, form)


DOORS = (
    _door("redcap dictionary", "import redcap DIR/dictionary.csv DIR/data.csv --out OUT", "dictionary.csv", "csv"),
    _door("redcap data", "import redcap DIR/dictionary.csv DIR/data.csv --out OUT", "data.csv", "csv"),
    _door("redcap events", "import redcap DIR/dictionary.csv --events DIR/events.csv --out OUT", "events.csv", "csv"),
    _door("redcap arms", "import redcap DIR/dictionary.csv --arms DIR/arms.csv --out OUT", "arms.csv", "csv"),
    _door("redcap xml", "import redcap DIR/dictionary.csv --project DIR/project.xml --out OUT", "project.xml", "xml"),
    _door("redcap settings", "import redcap DIR/dictionary.csv --settings DIR/set.json --out OUT", "set.json", "json"),
    _door("answers", "import redcap DIR/dictionary.csv --answers DIR/answers.yaml --out OUT", "answers.yaml", "yaml"),
    _door("odm", "import odm DIR/study.xml --out OUT", "study.xml", "xml"),
    _door("odm data", "import odm DIR/study.xml DIR/data.xml --out OUT", "data.xml", "xml"),
    _door("usdm", "import usdm DIR/usdm.json --out OUT", "usdm.json", "json"),
    _door("dataset-json", "import dataset-json DIR/dm.json --out OUT", "dm.json", "json"),
    _door("dataset ndjson", "import dataset-json DIR/dm.ndjson --out OUT", "dm.ndjson", "json"),
    _door("mapping", "import table DIR/csv.yaml --out OUT", "csv.yaml", "yaml"),
    _door("own csv", "import table DIR/csv.yaml --out OUT", "people.csv", "csv"),
    _door("own parquet", "import table DIR/parquet.yaml --out OUT", "people.parquet", "binary"),
    _door("own sav", "import table DIR/sav.yaml --out OUT", "people.sav", "binary"),
    _door("own dta", "import table DIR/dta.yaml --out OUT", "people.dta", "binary"),
    _door("own xpt", "import table DIR/xpt.yaml --out OUT", "people.xpt", "binary"),
    _door("ctn0094", "import ctn0094 DIR/ctn --project 51 --out OUT", "ctn/everybody.csv", "csv"),
    _door("spss", "import spss DIR/spss --out OUT", "spss/urine.sav", "binary"),
    _door("stata", "import stata DIR/stata --out OUT", "stata/urine.dta", "binary"),
    _door("xpt", "import xpt DIR/xpt --out OUT", "xpt/urine.xpt", "binary"),
    _door("list of an export", "import spss DIR/spss --out OUT", "spss/export.json", "json"),
    _door("records", "export packages DIR/records --to csv --out OUT", "records/urine.csv", "csv"),
    _door("manifest", "export packages DIR/records --to csv --out OUT", "records/records.json", "json"),
    _door("records parquet", "export packages DIR/parquet --to csv --out OUT", "parquet/urine.parquet", "binary"),
    _door("sdtm mapping", f"export sdtm {TRIAL} DIR/smoking --mapping DIR/sdtm.yaml --out OUT", "sdtm.yaml", "yaml"),
    _door("coded events", f"export sdtm {TRIAL} DIR/smoking --mapping DIR/sdtm.yaml --out OUT", "coded.csv", "csv"),
    _door("dates", f"export sdtm {TRIAL} DIR/smoking --dates DIR/dates.csv --out OUT", "dates.csv", "csv"),
    _door("protocol", "export usdm DIR/trial.yaml --out OUT", "trial.yaml", "yaml"),
    _door("evidence", "evidence check DIR/evidence.csv", "evidence.csv", "csv"),
)


def write_files(folder: Path) -> None:
    """All files of all doors, whole."""
    dictionary(folder, asked("arm", "radio", choices="1, x | 2, y"), asked("n", validation="integer"))
    texts = {
        "data.csv": "id,arm,n,f_complete\nP1,1,3,2\nP2,2,4,2\n",
        "events.csv": "event_name,arm_num,unique_event_name\nBaseline,1,baseline_arm_1\n",
        "arms.csv": "arm_num,name\n1,All\n",
        "project.xml": f"{ODM_HEAD}{ODM}</ODM>",
        "set.json": json.dumps({"project_title": "Small", "is_longitudinal": 0}),
        "answers.yaml": "equipoise-redcap-answers: 1\nconsented: all\narm: none\nday-1: none\n",
        "study.xml": f"{ODM_HEAD}{ODM}{ODM_DATA}</ODM>",
        "data.xml": f"{ODM_HEAD}{ODM_DATA}</ODM>",
        "people.csv": "id,day,result\n1,8,positive\n2,9,negative\n",
        "sdtm.yaml": SDTM_MAPPING,
        "coded.csv": "term,AEDECOD\nheadache,Headache\n",
        "dates.csv": "participant_id,day_1,informed_consent\n",
        "trial.yaml": (Path(equipoise.__file__).parent / "protocols" / f"{TRIAL}.yaml").read_text("utf-8"),
        "dm.ndjson": "\n".join(json.dumps(part) for part in (_head(), *_ROWS)) + "\n",
        "dm.json": json.dumps({**_head(), "rows": _ROWS}),
        "evidence.csv": next(EVIDENCE.glob("*.csv")).read_text("utf-8"),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    for ending in ("csv", "parquet", "sav", "dta", "xpt"):
        (folder / f"{ending}.yaml").write_text(MAPPING.replace("ENDING", ending), "utf-8")
    _write_binary(folder)
    (folder / "ctn").mkdir()
    for name, columns in NEEDED.items():
        (folder / "ctn" / f"{name}.csv").write_text(",".join(columns) + f"\n{_CTN.get(name, '')}", "utf-8")
    records = _records()
    for to in ("spss", "stata", "xpt"):
        export_records(records, folder / to, to=to)
    equipoise.write_records(records, folder / "records")
    equipoise.write_records(records, folder / "parquet", tables_as="parquet")
    protocol = equipoise.read_protocol(TRIAL)
    example = Path(equipoise.__file__).parent / "examples" / TRIAL / "mapping.yaml"
    equipoise.write_records(import_table(example), folder / "smoking")
    from equipoise.exchange.usdm.export import write_usdm

    write_usdm(protocol, folder / "usdm.json", version="1")


_CTN = {"everybody": "1,51\n", "randomization": "1,Inpatient BUP,1,0\n"}
_COLUMNS = ("STUDYID", "DOMAIN", "USUBJID", "SUBJID")
_ROWS = [["S1", "DM", "S1-1", "1"], ["S1", "DM", "S1-2", "2"]]


def _head() -> dict[str, object]:
    columns = [{"itemOID": f"IT.DM.{n}", "name": n, "label": n, "dataType": "string", "length": 9} for n in _COLUMNS]
    return {
        "datasetJSONCreationDateTime": "2026-01-01T00:00:00Z",
        "datasetJSONVersion": "1.1.0",
        "itemGroupOID": "IG.DM",
        "records": len(_ROWS),
        "name": "DM",
        "label": "Demographics",
        "columns": columns,
    }


def _records() -> Records:
    people = {"participant_id": ["P1", "P2"], "consented": [True, True]}
    urine = {
        "participant_id": ["P1", "P2"],
        "visit": ["w1", "w1"],
        "day": [8, 9],
        "substance": ["cocaine"] * 2,
        "result": ["positive", "negative"],
    }
    source = DataSource("imported", "made for a test", "trial", "hash", {})
    return Records({"participants": pl.DataFrame(people), "urine": pl.DataFrame(urine)}, source)


def _write_binary(folder: Path) -> None:
    import pyreadstat

    frame = pl.DataFrame(PEOPLE)
    frame.write_parquet(folder / "people.parquet")
    writers: Mapping[str, Callable[..., None]] = {
        "sav": pyreadstat.write_sav,
        "dta": pyreadstat.write_dta,
        "xpt": pyreadstat.write_xport,
    }
    for ending, write in writers.items():
        write(pd.DataFrame(PEOPLE), str(folder / f"people.{ending}"))
