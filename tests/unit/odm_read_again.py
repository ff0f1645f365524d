"""ODM read by lxml alone, and checked by schema and checker: independent of the program's own code."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from lxml import etree

EXCHANGE = Path(__file__).resolve().parents[3] / "shared" / "data" / "exchange"
needs_schemas = pytest.mark.skipif(not EXCHANGE.is_dir(), reason="needs ../shared/data/exchange beside the checkout")


_SCHEMAS: dict[str, Any] = {}
_MADE = etree.XMLSchema


def _schema(tree: Any) -> Any:
    """A schema, read once a process: reading it takes far longer than checking a file."""
    return (
        _SCHEMAS.setdefault(tree.docinfo.URL, None) or _SCHEMAS.update({tree.docinfo.URL: _MADE(tree)}) or _schema(tree)
    )


@cache
def _checker() -> Any:
    spec = importlib.util.spec_from_file_location("check_exchange", EXCHANGE / "check_exchange.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def findings(path: Path) -> list[Any]:
    """What the checker finds: schema, references, values."""
    with patch.object(etree, "XMLSchema", _schema):
        return list(_checker().check_odm(path))


def local(node: Any) -> str:
    return str(etree.QName(node).localname)


def values(path: Path) -> list[dict[str, Any]]:
    """Every value in the order of the file: subject, event, its repeat, form, group, its repeat, item, value."""
    root = etree.parse(str(path)).getroot()
    out = []
    for node in root.iter("{*}ItemData"):
        above = {local(one): one for one in node.iterancestors()}
        groups = [one for one in node.iterancestors() if local(one) == "ItemGroupData"]
        form = above.get("FormData")
        value = node.get("Value")
        if value is None:
            found = node.find("{*}Value")
            value = None if found is None else found.text or ""
        out.append(
            {
                "subject": above["SubjectData"].get("SubjectKey"),
                "event": above["StudyEventData"].get("StudyEventOID"),
                "event_repeat": above["StudyEventData"].get("StudyEventRepeatKey"),
                "form": form.get("FormOID") if form is not None else groups[-1].get("ItemGroupOID"),
                "form_repeat": (form if form is not None else groups[-1]).get(
                    "FormRepeatKey" if form is not None else "ItemGroupRepeatKey"
                ),
                "group_repeat": groups[0].get("ItemGroupRepeatKey"),
                "item": node.get("ItemOID"),
                "value": value,
                "is_null": node.get("IsNull") == "Yes",
                "change": node.get("TransactionType"),
                "why": node.findtext("{*}AuditRecord/{*}ReasonForChange"),
                "by": next((one.get("UserOID") for one in node.iterfind("{*}AuditRecord/{*}UserRef")), None),
                "at": node.findtext("{*}AuditRecord/{*}DateTimeStamp"),
                "missing": node.findtext("{*}Annotation/{*}Flag/{*}FlagValue"),
            }
        )
    return out
