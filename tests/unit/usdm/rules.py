"""Rules of USDM 4 by their numbers, written from their statements and apart from the code that writes files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

ISO = re.compile(r"P(?!$)(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?)?$")
LISTS = {  # attribute -> the codes of its list, where the list is closed
    ("Endpoint", "level"): {"C94496", "C139173", "C170559"},
    ("Objective", "level"): {"C85826", "C85827", "C163559"},
    ("EligibilityCriterion", "category"): {"C25532", "C25370"},
    ("Timing", "type"): {"C201356", "C201357", "C201358"},
    ("Timing", "relativeToFrom"): {"C201352", "C201353", "C201354", "C201355"},
    ("StudyTitle", "type"): {"C207615", "C207616", "C207617", "C207618", "C94108"},
    ("InterventionalStudyDesign", "studyType"): {"C98388"},
}


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "instanceType" in value:
            yield value
        for entry in value.values():
            yield from nodes(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from nodes(entry)


def broken(document: dict[str, Any]) -> list[str]:
    """The rules that a document breaks, each with what breaks it."""
    found: list[str] = []
    every = list(nodes(document))
    of: dict[str, list[dict[str, Any]]] = {}
    for node in every:
        of.setdefault(node["instanceType"], []).append(node)
    ids = Counter((n["instanceType"], n["id"]) for n in every if "id" in n)
    found += [f"DDF00083 id twice: {key}" for key, n in ids.items() if n > 1]
    by_id = {n["id"]: n for n in every if "id" in n}
    for node in every:
        for key, value in node.items():
            targets = [value] if key.endswith("Id") else value if key.endswith("Ids") else []
            found += [f"reference {key} {t}" for t in targets if t not in by_id]
        for (kind, attribute), codes in LISTS.items():
            if node["instanceType"] == kind and node[attribute]["code"] not in codes:
                found.append(f"code of {kind}.{attribute}: {node[attribute]['code']}")
        if node["instanceType"] == "Code" and (node["codeSystem"] == "http://www.cdisc.org") != bool(
            re.fullmatch(r"C\d+", node["code"])
        ):
            found.append(f"a code of our own as CDISC's, or the reverse: {node['code']}")
    version = document["study"]["versions"][0]
    design = version["studyDesigns"][0]
    found += _version(version, design, of)
    found += _cells(design, of)
    for timeline in design["scheduleTimelines"]:
        found += _timeline(timeline)
    mains = [t for t in design["scheduleTimelines"] if t["mainTimeline"]]
    found += [f"DDF00012 {len(mains)} main timelines"] if len(mains) != 1 else []
    order = [one["id"] for one in design["encounters"]]
    chain, at = [], next((one["id"] for one in design["encounters"] if "previousId" not in one), None)
    while at:
        chain.append(at)
        at = by_id[at].get("nextId")
    found += ["encounters stand in another order than their chain"] if chain != order else []
    met = [i["encounterId"] for t in design["scheduleTimelines"] for i in t["instances"] if "encounterId" in i]
    found += ["encounters are met in another order"] if met != order else []
    used = {a for t in design["scheduleTimelines"] for i in t["instances"] for a in i["activityIds"]}
    found += [f"an instance has an unknown activity {a}" for a in used - {a["id"] for a in design["activities"]}]
    return found


def _version(version: dict[str, Any], design: dict[str, Any], of: dict[str, list[dict[str, Any]]]) -> list[str]:
    found = []
    titles = Counter(title["type"]["code"] for title in version["titles"])
    found += ["DDF00115 no official title"] if titles["C207616"] != 1 else []
    found += ["DDF00100 two titles of a type"] if max(titles.values()) > 1 else []
    sponsors = [role for role in version["roles"] if role["code"]["code"] == "C70793"]
    if len(sponsors) != 1 or len(sponsors[0]["organizationIds"]) != 1 or sponsors[0]["appliesToIds"] != [version["id"]]:
        found.append("DDF00201, 202, 203 the role of the sponsor")
    scopes = [one["scopeId"] for one in version["studyIdentifiers"]]
    found += ["DDF00172 the sponsor's identifier"] if scopes.count(sponsors[0]["organizationIds"][0]) != 1 else []
    named = set(design["population"]["criterionIds"])
    found += (
        ["DDF00158 a criterion of no population"] if named != {c["id"] for c in design["eligibilityCriteria"]} else []
    )
    masked = [role for role in version["roles"] if "masking" in role]
    schema = design.get("blindingSchema", {}).get("standardCode", {}).get("code")
    found += ["DDF00191 a masked role in an open study"] if schema == "C49659" and masked else []
    found += ["DDF00192 fewer than two masked roles"] if schema == "C15228" and len(masked) < 2 else []
    for kind in ("studyInterventionIds",):
        known = set(design[kind])
        for element in design["elements"]:
            found += (
                ["DDF00252 an element of a foreign intervention"]
                if not set(element["studyInterventionIds"]) <= known
                else []
            )
    return found


def _cells(design: dict[str, Any], of: dict[str, list[dict[str, Any]]]) -> list[str]:
    pairs = Counter((cell["armId"], cell["epochId"]) for cell in design["studyCells"])
    wanted = {(arm["id"], epoch["id"]) for arm in design["arms"] for epoch in design["epochs"]}
    found = ["DDF00069, 243 cells of arms and epochs"] if set(pairs) != wanted or max(pairs.values()) > 1 else []
    used = {id for cell in design["studyCells"] for id in cell["elementIds"]}
    found += ["DDF00040 an element of no cell"] if used != {one["id"] for one in design["elements"]} else []
    return found


def _timeline(timeline: dict[str, Any]) -> list[str]:
    found = []
    instances = {one["id"]: one for one in timeline["instances"]}
    fixed = [t for t in timeline["timings"] if t["type"]["code"] == "C201358"]
    found += ["DDF00009 no anchor"] if not fixed else []
    for timing in timeline["timings"]:
        one, other = timing["relativeFromScheduledInstanceId"], timing.get("relativeToScheduledInstanceId")
        found += (
            ["DDF00046 a timing of another timeline"]
            if one not in instances or (other and other not in instances)
            else []
        )
        found += [f"DDF00060 {timing['value']}"] if not ISO.match(timing["value"]) else []
        window = [timing.get(key) for key in ("windowLower", "windowUpper", "windowLabel")]
        found += ["DDF00006 half a window"] if any(window) and not all(window) else []
        found += ["DDF00061, 62 a window"] if any(w and not ISO.match(w) for w in window[:2]) else []
        if timing in fixed:
            found += (
                ["DDF00007, 25, 36 an anchor"]
                if other or any(window) or timing["relativeToFrom"]["code"] != "C201355"
                else []
            )
        else:
            found += ["DDF00031 a timing from nothing"] if not other or other == one else []
    timed = {t["relativeFromScheduledInstanceId"] for t in timeline["timings"]}
    found += ["an instance without a timing"] if timed != set(instances) else []
    for one in instances.values():
        found += ["DDF00008 both or neither"] if ("defaultConditionId" in one) == ("timelineExitId" in one) else []
        found += ["DDF00080 no epoch"] if "epochId" not in one else []
    seen, at = [], timeline["entryId"]
    while at:
        seen.append(at)
        at = instances[at].get("defaultConditionId")
    found += ["the timeline is not connected"] if sorted(seen) != sorted(instances) else []
    return found
