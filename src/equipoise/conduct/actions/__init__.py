"""What people can do, one file a thing; the only way to a change of state is :func:`~.dispatch.perform`.

Writing an action
-----------------

One file in one of these folders, one row in ``permissions.py``; the command line
(``equipoise do DIR NAME key=value``) and the tests of rights find it by themselves::

    from equipoise.conduct.actions.context import Act, action

    @action("visit-missed", why=True)
    def visit_missed(act: Act, participant: str, visit: str) -> None:
        '''Record that a visit did not take place.'''
        changed = act.take("miss_visit")  # the path of rules/status.py, or every reason against it
        row = {"participant": participant, "visit": visit, "repeat": 1, "state": "missed", "reason": act.why}
        act.record(
            subject=visit,
            what={"put": {"visit": [row], "participant": [{"participant": participant, **changed}]}},
            answer={"visit": visit, "state": "missed"},
        )

* A ``participant`` argument makes the door load the row (``act.participant``, ``act.course``); for people of other
  sites it says that there is no such participant. ``site`` likewise.
* The arguments are those of the function, by their annotations: ``str``, ``int``, ``Decimal``, ``bool``, ``date``,
  ``list``, ``dict``, each with ``| None`` and a default where it may be left out. Others are refused.
* ``act.record`` appends one event. ``what["put"]`` names the rows it writes (``audit_trail/tables.py``), which are
  there at once for the rest of the action; a column not named keeps its value. Several events an action are fine. What
  is not in ``put`` may be anything plain: text, whole numbers, decimals, dates, lists, mappings; floats are refused.
* ``answer`` is what the person is told; it stands in the ledger, so it never holds what is sealed. A repeated request
  (same key) gets the same answer and runs nothing.
* What is sealed (arm, drug, milligrams): ``act.seal({...})`` after the event it belongs to; ``act.arm_of(participant)``
  opens the slot. Both need the pharmacy's folder. What a person alone may see goes to ``act.tell({...})``: it is in the
  reply and nowhere else. Keep sealed entries equal in number in every arm.
* ``act.now`` is the moment (``utc``, ``local_date`` at the site), ``act.entropy`` the random bytes, ``act.protocol``
  the version of the protocol that holds for the participant. Read rows by their class:
  ``act.trial.find(ItemRow, participant=...)`` (``rows/find.py``). Never order by text: databases differ.
* Reasons: ``why=True`` makes one compulsory, ``act.require_why("...")`` does so for a change only.
* What comes after the commit (a file, an anchor outside): ``act.later.append(lambda receipt: warning_or_empty)``.
* Refuse by ``act.refuse(code, place, found, expected, next_step)``: nothing of the action is kept.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from equipoise.conduct.actions.context import Action

_FOLDERS = ("administration", "enrolment", "infusion", "safety", "visits")


@cache
def all_actions() -> dict[str, Action]:
    """Every action by name, in alphabetical order; sets Django up."""
    from equipoise.conduct.actions.context import REGISTERED

    for module in _modules():
        _load(module)
    return dict(sorted(REGISTERED.items()))


@cache
def action_named(name: str) -> Action | None:
    """The action of that name, with its own module loaded and no other: a command waits for what it needs alone."""
    from equipoise.conduct.actions.context import REGISTERED

    mark = f'@action("{name}"'.encode()
    for module in _modules():
        folder, _, stem = module.partition(".")
        text = files(__name__).joinpath(folder, f"{stem}.py")
        if text.is_file() and mark in text.read_bytes():
            _load(module)
    return REGISTERED.get(name) or all_actions().get(name)


def _modules() -> list[str]:
    here = Path(__path__[0])
    return [f"{folder}.{module.name}" for folder in _FOLDERS for module in iter_modules([str(here / folder)])]


def _load(module: str) -> None:
    from equipoise.conduct.trial.django_settings import set_up

    set_up()
    import_module(f"{__name__}.{module}")
