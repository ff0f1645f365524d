"""Amendment: a new version of the protocol in the middle of the trial; what was recorded keeps the version it had."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from equipoise.conduct.actions.context import Act, action, anchor_of
from equipoise.conduct.actions.visits.recording import raise_problems
from equipoise.conduct.rows.tables import ProtocolVersionRow, SiteRow
from equipoise.conduct.rules.conditions import check_conditions
from equipoise.conduct.rules.forms import check_blinding
from equipoise.conduct.rules.single_dose import check_doses
from equipoise.conduct.trial.create import version_row
from equipoise.foundation.errors import EquipoiseError

if TYPE_CHECKING:
    from equipoise.randomization import PlannedRandomization

CODES = {
    "C130": "An amendment of another trial, of nothing, or of something that a running trial cannot change.",
}


@action("amend", why=True)
def amend(act: Act, text: str, consent_version: str = "", confirm: bool = False) -> None:
    """Adopt a new version of the protocol (``text=@FILE`` whole): shown first, adopted with confirm=yes.

    Participants stay under the version they consented to until they consent anew. The randomization cannot change:
    the sealed lists were drawn for it.
    """
    from equipoise.protocol import read_protocol_text
    from equipoise.workflow.library import definitions_of

    try:
        protocol = read_protocol_text(text, file="the amended protocol")
    except EquipoiseError as error:
        first = error.problems[0]
        act.refuse(
            "C130",
            f"line {first.line}",
            f"The file cannot be read: {first.found}",
            "a protocol without problems",
            "Run `equipoise check FILE` first.",
        )
    protocol = protocol.with_definitions(definitions_of(protocol))
    before = act.trial.protocol(act.state.protocol_hash)
    if protocol.id != before.id:
        act.refuse("C130", "trial.id", f"The file holds the protocol {protocol.id}.", before.id)
    if protocol.hash == before.hash or act.trial.has(ProtocolVersionRow, hash=protocol.hash):
        act.refuse("C130", "text", "The trial has this version already.", "a file that changes the protocol")
    _require_same_lists(act, before, protocol)
    raise_problems([*check_doses(protocol), *check_blinding(protocol), *check_conditions(protocol)])
    changes = differences(before.resolved, protocol.resolved)
    if not confirm:
        shown = "\n".join(changes[:60])
        act.refuse("C130", "confirm", f"The amendment changes:\n{shown}", "confirm=yes, after reading it")
    number = act.trial.count(ProtocolVersionRow) + 1
    put: dict[str, Any] = {
        "protocol_version": [version_row(protocol, number, act.now, act.why)],
        "trial_state": [
            {
                "name": "trial",
                "protocol_hash": protocol.hash,
                **({"consent_version": consent_version} if consent_version else {}),
            }
        ],
    }
    new = [site for site in protocol.model.sites if not act.trial.has(SiteRow, site=site)]
    if new:
        put["site"] = [{"site": site} for site in new]
    act.record(
        subject=f"protocol version {number}",
        what={"before": before.hash, "after": protocol.hash, "changes": changes, "put": put},
        answer={"version": number, "protocol": protocol.hash[:12], "changes": changes},
    )
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))


def _require_same_lists(act: Act, before: Any, now: Any) -> None:
    """Refuse an amendment that would need other lists: arms, ratio, scheme, strata, levels."""
    from equipoise.randomization import planned_randomizations

    if before.model.randomization is None and now.model.randomization is None:
        return
    same = before.model.randomization is not None and now.model.randomization is not None
    if same:
        was, then = planned_randomizations(before), planned_randomizations(now)
        same = len(was) == len(then) and all(map(_goes_on, was, then))
    if not same:
        act.refuse(
            "C130",
            "randomization",
            "The randomization differs from the one the lists were sealed for.",
            "the same arms, ratio, scheme and strata; sites may be added",
            "Another randomization is another trial.",
        )


def _goes_on(was: PlannedRandomization, now: PlannedRandomization) -> bool:
    """Whether lists sealed for one randomization go on with the other: the same, or with more sites."""
    from equipoise.randomization.plan import SITE

    if replace(was, levels={}) != replace(now, levels={}) or was.factors != now.factors:
        return False
    return all(
        set(levels) <= set(now.levels[name]) if name == SITE else levels == now.levels[name]
        for name, levels in was.levels.items()
    )


def differences(before: Any, now: Any, path: str = "") -> list[str]:
    """What differs between two resolved protocols, a line each: ``schedule.week-1.day: 7 -> 8``."""
    if isinstance(before, dict) and isinstance(now, dict):
        out = []
        for key in sorted(before.keys() | now.keys()):
            where = f"{path}.{key}" if path else str(key)
            if key not in now:
                out.append(f"{where}: removed")
            elif key not in before:
                out.append(f"{where}: added {_short(now[key])}")
            else:
                out += differences(before[key], now[key], where)
        return out
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [
            line
            for at, pair in enumerate(zip(before, now, strict=True))
            for line in differences(*pair, f"{path}[{at}]")
        ]
    return [] if before == now else [f"{path}: {_short(before)} -> {_short(now)}"]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
