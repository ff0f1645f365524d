"""Whether tables agree with themselves, with each other, and with the trial they are said to be of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import polars as pl

from equipoise.foundation.errors import Problem, listed, nearest
from equipoise.instruments import Instrument, Item, find_instrument
from equipoise.records.baseline_values import find_baseline_faults
from equipoise.records.cells import RecordFault, flag_rows, said, type_cells
from equipoise.records.records import Records
from equipoise.records.schema import (
    ANY_SUBSTANCE,
    ATTENDED,
    DEATH,
    MISSED,
    NEGATIVE,
    POSITIVE,
    REPLICATE,
    TABLES,
    Table,
)
from equipoise.records.trial_facts import TrialFacts

CODES = {
    "R040": "Two rows where only one is possible.",
    "R041": "A participant is not in the table of participants.",
    "R042": "A participant was allocated without consent.",
    "R043": "An attended visit or delivered session has no day, or a missed one has a day.",
    "R044": "Use is recorded on a day that was not asked about, or a day was asked about without an answer.",
    "R045": "An event ends before it begins.",
    "R046": "The stages of a participant are not numbered 1, 2, ...",
    "R047": "Some tables have replicates and others do not.",
    "R048": "An allocation has no arm although others have theirs.",
    "R050": "The protocol has no such arm.",
    "R051": "A study day is outside the protocol's calendar.",
    "R052": "The protocol does not name this substance.",
    "R053": "The protocol has no such visit.",
    "R054": "Amounts of one substance have several units, or none.",
    "R055": "An arm of the protocol has no participants.",
    "R056": "All participants are in one arm.",
    "R057": "All results are missing.",
    "R058": "No participant was allocated, or there are no participants.",
    "R059": "The protocol has no such intervention.",
    "R060": "The protocol has no such instrument.",
    "R061": "An endpoint uses visits, and no row shows an attended one.",
    "R064": "The protocol does not name this outcome event.",
    "R065": "A row says that an event did not happen, but not up to which day.",
    "R066": "Two rows contradict one another on whether an event had happened, or on the day of a death.",
}


def _key_words(row: Mapping[str, Any], key: tuple[str, ...]) -> str:
    words = {"participant_id": "participant"}
    return ", ".join(f"{words.get(name, name)} {said(row[name])}" for name in key)


def _lead(frame: pl.DataFrame) -> list[str]:
    return [REPLICATE] if REPLICATE in frame.columns else []


def _duplicates(table: Table, frame: pl.DataFrame, faults: list[RecordFault]) -> None:
    key = (*_lead(frame), *table.key)
    complete = frame.filter(pl.col("participant_id").is_not_null())
    if not complete.select(key).is_duplicated().any():
        return
    numbered = frame.with_row_index("_at")
    firsts = numbered.group_by(key).agg(first=pl.col("_at").min())
    marked = numbered.join(firsts, on=list(key), how="left", nulls_equal=True, maintain_order="left")
    flag_rows(
        faults,
        table.name,
        marked,
        (pl.col("_at") != pl.col("first")) & pl.col("participant_id").is_not_null(),
        "R040",
        None,
        lambda row: f"A second row for {_key_words(row, key)}; the first is row {row['first'] + 1}.",
        f"one row per {table.row}",
        "Keep one of the rows.",
    )


def _links(tables: Mapping[str, pl.DataFrame], faults: list[RecordFault]) -> None:
    people = tables["participants"]
    known = people["participant_id"].drop_nulls().unique().to_list()
    for name, frame in tables.items():
        if name == "participants" or not frame.height:
            continue
        key = [*(_lead(frame) if REPLICATE in people.columns else []), "participant_id"]
        here = people.select(key).unique().with_columns(_here=pl.lit(True))
        marked = frame.join(here, on=key, how="left", maintain_order="left")

        def unknown(row: dict[str, Any]) -> str:
            near = None
            if len(known) < 2000:
                # Spreadsheets take leading zeros away: 1 is 01 rather than 12.
                given = str(row["participant_id"])
                near = next((name for name in known if _bare(name) == _bare(given)), None) or nearest(given, known)
            hint = f" Is {near!r} meant?" if near else ""
            return f"Participant {said(row['participant_id'])} is not in the table participants.{hint}"

        flag_rows(
            faults,
            name,
            marked,
            pl.col("_here").is_null() & pl.col("participant_id").is_not_null(),
            "R041",
            "participant_id",
            unknown,
            "a participant_id of the table participants",
            "Add the participant there, or correct the id.",
        )


def _allocations(tables: Mapping[str, pl.DataFrame], faults: list[RecordFault]) -> None:
    """Arms missing beside arms given, people allocated without consent, randomizations not numbered 1, 2, ..."""
    people, allocations = tables["participants"], tables["allocations"]
    if 0 < allocations["arm"].null_count() < allocations.height:
        flag_rows(
            faults,
            "allocations",
            allocations,
            pl.col("arm").is_null(),
            "R048",
            "arm",
            lambda row: f"The arm of participant {said(row['participant_id'])} is empty, and others have theirs.",
            "an arm in every row, or in none while the trial is blinded",
            "Write the arm; an analysis would leave the participant out.",
        )
    if allocations.height and people.height:
        key = [*(_lead(allocations) if REPLICATE in people.columns else []), "participant_id"]
        refused = people.filter(~pl.col("consented")).select(key).unique().with_columns(_refused=pl.lit(True))
        flag_rows(
            faults,
            "allocations",
            allocations.join(refused, on=key, how="left", maintain_order="left"),
            pl.col("_refused").is_not_null(),
            "R042",
            "participant_id",
            lambda row: f"Participant {said(row['participant_id'])} was allocated, and did not consent.",
            "consented true in the table participants",
            "Correct the consent or remove the allocation.",
        )
        by = [*_lead(allocations), "participant_id"]
        gaps = allocations.with_columns(
            _last=pl.col("stage").max().over(by), _count=pl.col("stage").n_unique().over(by)
        )
        flag_rows(
            faults,
            "allocations",
            gaps,
            (pl.col("_last") != pl.col("_count")) & (pl.col("stage") == pl.col("_last")),
            "R046",
            "stage",
            lambda row: f"The last stage is {row['_last']}, and there are {row['_count']}.",
            "stages 1, 2, ... without a gap",
            "Number the randomizations of each participant from 1.",
        )


def _days_of_contacts(tables: Mapping[str, pl.DataFrame], faults: list[RecordFault]) -> None:
    """Visits and sessions have a day where they took place, and there alone."""
    state, day = pl.col("state"), pl.col("day")
    flag_rows(
        faults,
        "visits",
        tables["visits"],
        (state == ATTENDED) & day.is_null(),
        "R043",
        "day",
        lambda row: "The visit was attended, and its day is empty.",
        "the study day it took place",
    )
    flag_rows(
        faults,
        "visits",
        tables["visits"],
        (state != ATTENDED) & day.is_not_null(),
        "R043",
        "day",
        lambda row: f"The visit is {row['state']}, and took place on day {row['day']}.",
        "no day where a visit did not take place",
        "Move the planned day to target_day, or correct the state.",
    )
    flag_rows(
        faults,
        "sessions",
        tables["sessions"],
        pl.col("delivered") != day.is_not_null(),
        "R043",
        "day",
        lambda row: (
            "The session took place, and its day is empty."
            if row["delivered"]
            else f"The session did not take place, and has the day {row['day']}."
        ),
        "a day where delivered is true, none where it is false",
    )


def _answers_about_use(tables: Mapping[str, pl.DataFrame], faults: list[RecordFault]) -> None:
    """Use on a day is known where it was asked about, and there alone."""
    flag_rows(
        faults,
        "daily_use",
        tables["daily_use"],
        pl.col("asked") != pl.col("used").is_not_null(),
        "R044",
        "used",
        lambda row: (
            "The day was asked about, and there is no answer."
            if row["asked"]
            else f"The day was not asked about, and used is {said(row['used'])}."
        ),
        "used true or false where asked is true, empty where asked is false",
    )


def _ends_of_adverse_events(tables: Mapping[str, pl.DataFrame], faults: list[RecordFault]) -> None:
    """No adverse event ends before it begins."""
    flag_rows(
        faults,
        "adverse_events",
        tables["adverse_events"],
        pl.col("end_day") < pl.col("onset_day"),
        "R045",
        "end_day",
        lambda row: f"The event ends on day {row['end_day']}, before its onset on day {row['onset_day']}.",
        "an end on or after the onset",
    )


def _outcome_events(tables: Mapping[str, pl.DataFrame], faults: list[RecordFault]) -> None:
    """Events without what makes them one: up to which day nothing happened, and one day of death."""
    events, happened = tables["events"], pl.col("happened")
    flag_rows(
        faults,
        "events",
        events,
        ~happened & pl.col("day").is_null(),
        "R065",
        "day",
        lambda row: f"{row['term']} did not happen to participant {said(row['participant_id'])}, and the day is empty.",
        "the last study day known without the event",
        "Add the day; leave the row out where nothing is known.",
    )
    deaths = tables["disposition"].filter(pl.col("event") == DEATH).select(*_lead(events), "participant_id", left="day")
    if not deaths.height:
        return
    marked = events.join(
        deaths.unique(subset=[*_lead(events), "participant_id"], keep="first"),
        on=[*_lead(events), "participant_id"],
        how="left",
        maintain_order="left",
    )
    is_death = (pl.col("term") == DEATH) & happened & pl.col("day").is_not_null() & pl.col("left").is_not_null()
    flag_rows(
        faults,
        "events",
        marked,
        (is_death & (pl.col("day") != pl.col("left"))) | (~happened & (pl.col("day") > pl.col("left"))),
        "R066",
        "day",
        lambda row: f"The day is {row['day']}, and by the table disposition the participant died on day {row['left']}.",
        "one day of death, and nothing observed after it",
        "Correct one of the two.",
    )


def _units(frame: pl.DataFrame, faults: list[RecordFault]) -> None:
    amounts = frame.filter(pl.col("amount").is_not_null())
    if not amounts.height:
        return
    per = amounts.group_by("substance").agg(pl.col("unit").unique().sort()).sort("substance")
    mixed = {
        row["substance"]: row["unit"]
        for row in per.iter_rows(named=True)
        if row["unit"] != row["unit"][:1] or row["unit"][0] is None
    }
    for substance, units in mixed.items():
        usual = amounts.filter(pl.col("substance") == substance)["unit"].drop_nulls().mode().sort()
        first = usual[0] if usual.len() else None
        flag_rows(
            faults,
            "daily_use",
            frame,
            pl.col("amount").is_not_null() & (pl.col("substance") == substance) & ~pl.col("unit").eq_missing(first)
            if first is not None
            else pl.col("amount").is_not_null() & (pl.col("substance") == substance),
            "R054",
            "unit",
            lambda row, units=units, substance=substance: (  # type: ignore[misc]
                f"An amount of {substance} is in {said(row['unit'])}; units of this substance here: "
                f"{listed([unit or 'none' for unit in units], conjunction='and')}."
            ),
            "one unit for each substance",
            "Convert all amounts of a substance to one unit.",
        )


def find_faults(tables: Mapping[str, pl.DataFrame]) -> list[RecordFault]:
    """What is wrong between rows and between tables; every table of the schema must be there, typed."""
    faults: list[RecordFault] = []
    full = {name: tables[name] for name in TABLES}
    for name, frame in full.items():
        if frame.height:
            _duplicates(TABLES[name], frame, faults)
    with_key = [name for name, frame in full.items() if frame.height and REPLICATE in frame.columns]
    without = [name for name, frame in full.items() if frame.height and REPLICATE not in frame.columns]
    if with_key and without:
        faults.append(
            RecordFault(
                "R047",
                without[0],
                f"The tables {listed(without, conjunction='and')} carry no replicate, "
                f"{listed(with_key, conjunction='and')} do.",
                "the key in all tables or in none",
            )
        )
    else:
        _links(full, faults)
        for rows_agree in (
            _allocations,
            _days_of_contacts,
            _answers_about_use,
            _ends_of_adverse_events,
            _outcome_events,
        ):
            rows_agree(full, faults)
    _units(full["daily_use"], faults)
    return faults


def _bare(name: str) -> str:
    """A participant's name without the zeros that stand before its numbers."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", name)


def _known(
    faults: list[RecordFault],
    table: str,
    frame: pl.DataFrame,
    column: str,
    names: tuple[str, ...],
    code: str,
    what: str,
) -> None:
    """A fault for each name the protocol does not have: one per name, at its first row."""
    if not names or not frame.height:
        return
    rows_at = frame.rename({"_at": "_row"}) if "_at" in frame.columns else frame.with_row_index("_row")
    first = rows_at.filter(pl.col(column).is_not_null() & ~pl.col(column).is_in(names))
    for row in first.group_by(column).agg(pl.col("_row").min(), n=pl.len()).sort("_row").iter_rows(named=True):
        near = nearest(row[column], names)
        count = "1 row" if row["n"] == 1 else f"{row['n']:,} rows"
        faults.append(
            RecordFault(
                code,
                table,
                f"The protocol has no {what} {said(row[column])} ({count})." + (f" Is {near!r} meant?" if near else ""),
                listed(names),
                "Correct the name, here or in the protocol.",
                row["_row"],
                column,
            )
        )


def find_faults_of_trial(tables: Mapping[str, pl.DataFrame], facts: TrialFacts) -> list[RecordFault]:
    """Where tables do not fit the trial: unknown arms, days, substances, visits; empty arms; nothing to analyse."""
    faults: list[RecordFault] = []
    allocations = tables["allocations"]
    for column in ("arm", "arm_received"):
        _known(faults, "allocations", allocations, column, facts.arms, "R050", "arm")
    not_kept = tables["visits"].with_row_index("_at").filter(pl.col("state") != ATTENDED)
    _known(faults, "visits", not_kept, "visit", facts.visits, "R053", "visit")
    # A contact that was not planned has a row of its own among the visits; any other name is a slip of the pen, and
    # what was found at that visit would pass for missed.
    held = tables["visits"]["visit"].unique().implode()
    for name in ("urine", "assessments"):
        others = tables[name].with_row_index("_at").filter(~pl.col("visit").is_in(held))
        _known(faults, name, others, "visit", facts.visits, "R053", "visit")
    for name in ("exposure", "sessions", "vitals"):
        _known(faults, name, tables[name], "intervention", facts.interventions, "R059", "intervention")
    _known(faults, "assessments", tables["assessments"], "instrument", facts.instruments, "R060", "instrument")
    events = tables["events"]
    if events.height and facts.terms is not None:
        if facts.terms:
            _known(faults, "events", events, "term", facts.terms, "R064", "event")
        else:
            expected = "assessments: {outcomes: {type: events, terms: [...]}}"
            step = "Name them in the protocol, or leave the table out."
            faults.append(RecordFault("R064", "events", "The protocol asks about no events.", expected, step))
    for instrument in facts.keys:
        _scores(tables["assessments"], instrument, faults)
    if facts.other_substances is not None:
        for name in ("urine", "daily_use"):
            names = (*(s for use in facts.uses.values() for s in use), *facts.other_substances)
            _known(faults, name, tables[name], "substance", names, "R052", "substance")
    _days(tables, facts, faults)
    _people(tables, facts, faults)
    faults += find_baseline_faults(tables["participants"], facts.baseline)
    _results(tables, facts, faults)
    return faults


def _scores(frame: pl.DataFrame, instrument: Instrument, faults: list[RecordFault]) -> None:
    """Items that an instrument does not have, and values that its items cannot have."""
    rows = frame.with_row_index("_at").filter(pl.col("instrument") == instrument.id)
    if not rows.height or not instrument.items:
        return
    _known(faults, "assessments", rows, "item", instrument.item_ids, "R501", f"item of {instrument.id} named")
    spans: dict[tuple[float, float, bool, tuple[float, ...]], list[Item]] = {}
    for item in instrument.items:
        spans.setdefault((item.lowest, item.highest, item.whole_numbers, item.levels), []).append(item)
    value = pl.col("value")
    own = find_instrument(instrument.id) is None
    for (lowest, highest, whole, levels), items in spans.items():
        wrong = (value < lowest) | (value > highest) | ~value.is_finite()
        if levels:
            wrong = ~value.is_in(list(levels))
        elif whole:
            wrong = wrong | (value != value.round())
        here = (
            (pl.col("instrument") == instrument.id)
            & pl.col("item").is_in([item.id for item in items])
            & value.is_not_null()
        )
        flag_rows(
            faults,
            "assessments",
            frame,
            here & wrong,
            "R502",
            "value",
            lambda row: (
                f"Item {row['item']} of {row['instrument']} is {row['value']:g} for participant "
                f"{said(row['participant_id'])} at {said(row['visit'])}."
            ),
            items[0].expected,
            "Correct the value, or leave it empty where none was given."
            + (
                f" If {instrument.id} has numbers between whole ones, say decimals: true in it."
                if own and whole
                else ""
            ),
        )


def _days(tables: Mapping[str, pl.DataFrame], facts: TrialFacts, faults: list[RecordFault]) -> None:
    for name, table in TABLES.items():
        frame = tables[name]
        for column in table.columns:
            # people are screened before the calendar begins, and events may end after it
            if column.unit != "study day" or not frame.height or column.name in ("screened_day", "end_day"):
                continue
            if column.later:  # bounds of a day that is not known may lie anywhere
                continue
            cells = pl.col(column.name)
            before = cells < facts.first_day if facts.first_day is not None else pl.lit(False)
            after = cells > facts.last_day if facts.last_day is not None else pl.lit(False)
            first, last = facts.first_day, facts.last_day
            bounds = f"up to {last}" if first is None else f"from {first} on" if last is None else f"{first} to {last}"

            def outside(row: dict[str, Any], of: str = column.name) -> str:
                return f"Study day {row[of]} is outside the protocol's calendar."

            flag_rows(
                faults,
                name,
                frame,
                before | after,
                "R051",
                column.name,
                outside,
                f"study days {bounds}",
                "Correct the day, or widen the calendar of the protocol.",
            )


def _people(tables: Mapping[str, pl.DataFrame], facts: TrialFacts, faults: list[RecordFault]) -> None:
    if not tables["participants"].height:
        faults.append(RecordFault("R058", "participants", "There is no participant.", "at least one"))
        return
    if not facts.randomized:
        return
    arms = tables["allocations"]["arm"]
    if not arms.len():
        faults.append(
            RecordFault("R058", "allocations", "Nobody was allocated.", "an allocation for each randomized participant")
        )
        return
    if arms.null_count() == arms.len():
        return  # blinded: nothing can be said of arms
    there = set(arms.drop_nulls().to_list())
    empty = [arm for arm in facts.arms if arm not in there]
    if len(facts.arms) > 1 and len(there) == 1:
        only = next(iter(there))
        faults.append(
            RecordFault(
                "R056",
                "allocations",
                f"All participants are in one arm: {only}.",
                f"participants in {listed(facts.arms, conjunction='and')}",
                "A comparison needs both arms.",
                column="arm",
            )
        )
    elif empty:
        faults.append(
            RecordFault(
                "R055",
                "allocations",
                f"Nobody is in {listed(empty)}.",
                "at least one participant in each arm",
                "Check the names of the arms.",
                column="arm",
            )
        )


def _results(tables: Mapping[str, pl.DataFrame], facts: TrialFacts, faults: list[RecordFault]) -> None:
    urine, use, scores = tables["urine"], tables["daily_use"], tables["assessments"]
    # a day asked about for any substance is a day asked about for each
    asked = use.filter(pl.col("asked"))
    for kind, substances in facts.uses.items():
        named = urine.filter(pl.col("substance").is_in(substances))
        told = asked.filter(pl.col("substance").is_in([*substances, ANY_SUBSTANCE]))
        if named.filter(pl.col("result").is_in([POSITIVE, NEGATIVE])).height or told.height:
            continue
        counts = named["result"].value_counts().sort("result").rows() if named.height else []
        how = listed([f"{n:,} {state}" for state, n in counts], conjunction="and") if counts else "no rows"
        faults.append(
            RecordFault(
                "R057",
                "urine",
                f"There is no result for {kind} ({listed(substances)}): {how} by urine, none by self-report.",
                "at least one positive or negative result",
                "Check the names of substances and results.",
            )
        )
    for instrument in facts.instruments:
        asked_of = scores.filter(pl.col("instrument") == instrument)
        if asked_of.height and asked_of["value"].null_count() == asked_of.height:
            faults.append(
                RecordFault(
                    "R057",
                    "assessments",
                    f"All {asked_of.height:,} values of {instrument} are empty.",
                    "at least one value",
                )
            )
    visits = tables["visits"]
    for series, names in facts.counted.items():
        # Due visits without a row are missed; but a whole series without any row or result was hardly held.
        if not any(tables[name]["visit"].is_in(names).any() for name in ("visits", "urine", "assessments")):
            faults.append(
                RecordFault(
                    "R061",
                    "visits",
                    f"An endpoint counts the visits of {series}, and no row or result is of one of them.",
                    f"a row for each visit kept ({listed(names)})",
                    "Add the table visits (docs/import-your-own.md shows it), or take `at` or `dropout` out of the "
                    "endpoint.",
                )
            )
    if visits.height and not visits.filter(pl.col("state") != MISSED).height:
        faults.append(
            RecordFault("R057", "visits", f"All {visits.height:,} visits are missed.", "at least one attended visit")
        )


def check_records(records: Records, facts: TrialFacts | None = None) -> list[Problem]:
    """Everything that is wrong with records, in the order of the tables; nothing where they are sound.

    With ``facts`` they are also held against the trial.
    """
    faults: list[RecordFault] = []
    for name, table in TABLES.items():
        if records[name].height:
            faults += type_cells(table, records[name])[1]
    faults += find_faults(records.tables)
    if facts is not None:
        faults += find_faults_of_trial(records.tables, facts)
    return [fault.problem() for fault in faults]
