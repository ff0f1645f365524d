"""Accounts: one person each, never deleted, never given to another person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.permissions import ALWAYS, ROLES
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.entropy import code
from equipoise.conduct.keys.credentials import credential_digest, hashed, require_passphrase
from equipoise.conduct.keys.one_time_codes import OneTimeCodes
from equipoise.conduct.rows.tables import AccountRow, EventRow, SiteRow
from equipoise.conduct.rules.accounts import check_name, check_roles, joined_roles
from equipoise.conduct.trial.trial import Trial
from equipoise.foundation.errors import ConductError, listed, raise_if_any

CODES = {
    "C110": "The account exists already, or is unknown.",
    "C111": "Unknown role or site.",
    "C112": "The last administrator cannot be disabled.",
}
MOST_DAYS = 3660  # ahead that a last day can lie: ten years


def _require_last_day(act: Act, day: date, place: str) -> None:
    """Refuse a last day that has passed (C535) or lies so far ahead that it is a slip."""
    today = act.now.local_date
    first, last = today - timedelta(days=1), today + timedelta(days=MOST_DAYS)
    if not first <= day <= last:
        step = "To end it at once: disable-account." if day < first else "Leave it out where there is no last day."
        act.refuse("C535", place, f"{day} cannot be the last day of an account.", f"a day from {first} to {last}", step)


def _known(act: Act, account: str) -> AccountRow:
    found = act.trial.first(AccountRow, account=account)
    if found is None:
        act.refuse("C110", "account", f"There is no account {account!r}.", "an account of the trial")
    return found


def _new_passphrase(act: Act, account: str) -> tuple[str, str]:
    """A passphrase for one person, told once, and its hash."""
    passphrase = code(act.entropy, 5).lower()
    return passphrase, hashed(passphrase, act.entropy)


def _told_once(act: Act, numbers: Sequence[int]) -> str:
    """The passphrase is kept nowhere, and a new one would not be what the request asked for."""
    return "the passphrase was told once and is kept nowhere: reset-passphrase gives another"


@action("add-account", states=ALWAYS, protocol=False, again=_told_once)
def add_account(
    act: Act, account: str, person: str, roles: list, sites: list | None = None, expires: date | None = None
) -> None:
    """Add an account for one person; its first passphrase is told once. No sites means all of them."""
    if act.trial.has(AccountRow, account=account):
        act.refuse(
            "C110",
            "account",
            f"There is or was an account {account!r}.",
            "a name never used before",
            "A name is never given to a second person.",
        )
    if not account or not account.replace("-", "").replace(".", "").isalnum():
        act.refuse(
            "C110", "account", f"{account!r} cannot be the name of an account.", "letters, digits, dots and dashes"
        )
    raise_if_any(ConductError, check_name("account", account, act.trial.column(AccountRow, "account")))
    roles = list(dict.fromkeys(roles))
    if expires is not None:
        _require_last_day(act, expires, "expires")
    unknown = [role for role in roles if role not in ROLES]
    if unknown or not roles:
        act.refuse("C111", "roles", f"There is no role {listed(unknown)}.", listed(ROLES))
    raise_if_any(ConductError, check_roles(account, roles))
    sites = sites or []
    strange = [site for site in sites if not act.trial.has(SiteRow, site=site)]
    if strange:
        act.refuse("C111", "sites", f"There is no site {listed(strange)}.", "sites of the trial")
    passphrase, encoded = _new_passphrase(act, account)
    row = {
        "account": account,
        "person": person,
        "roles": ",".join(roles),
        "sites": ",".join(sites),
        "expires_on": expires.isoformat() if expires else "",
        "credential": credential_digest(encoded),
    }
    entry = act.record(
        subject=f"account {account}", what={"put": {"account": [row]}}, answer={"account": account, "roles": roles}
    )
    act.writer.set_credential(account, encoded, entry.number)
    act.tell({"passphrase": passphrase})


def _require_administrator_left(act: Act, account: str) -> None:
    others = act.trial.find(AccountRow, state="active", account__not=account)
    if not any("administrator" in other.roles.split(",") and not other.expires_on for other in others):
        act.refuse("C112", "account", f"{account} is the last administrator.", "another administrator first")


@action("disable-account", states=ALWAYS, why=True, protocol=False)
def disable_account(act: Act, account: str) -> None:
    """Take an account out of use, at once and for good."""
    _known(act, account)
    _require_administrator_left(act, account)
    act.record(
        subject=f"account {account}",
        what={"put": {"account": [{"account": account, "state": "disabled"}]}},
        answer={"account": account, "state": "disabled"},
    )


@action("expire-account", states=ALWAYS, why=True, protocol=False)
def expire_account(act: Act, account: str, last_day: date) -> None:
    """Set the last day on which an account can be used."""
    _known(act, account)
    _require_last_day(act, last_day, "last_day")
    _require_administrator_left(act, account)
    act.record(
        subject=f"account {account}",
        what={"put": {"account": [{"account": account, "expires_on": last_day.isoformat()}]}},
        answer={"account": account, "last_day": last_day},
    )


@action("reset-passphrase", states=ALWAYS, why=True, protocol=False, again=_told_once)
def reset_passphrase(act: Act, account: str) -> None:
    """Give an account a new passphrase, told once, after its own was lost or tried too often."""
    _known(act, account)
    passphrase, encoded = _new_passphrase(act, account)
    _set(act, account, encoded)
    act.tell({"passphrase": passphrase})


@action("passphrase", states=ALWAYS, private=("new",), protocol=False)
def passphrase(act: Act, new: str) -> None:
    """Set one's own passphrase."""
    require_passphrase(act.session.account, new)
    _set(act, act.session.account, hashed(new, act.entropy))


@action("one-time-code", states=ALWAYS, protocol=False)
def one_time_code(act: Act) -> None:
    """Sign in with a one-time code beside the passphrase from now on; its secret stands nowhere in the ledger."""
    account = act.session.account
    act.record(subject=f"account {account}", what={"one_time_code": "set up"}, answer={"account": account})


# Who knows arms, or gives accounts: these sign in with a code unless an administrator decides otherwise.
_WITH_CODES = ("administrator", "pharmacist", "unblinded-statistician")


def roles_with_codes(trial: Trial) -> frozenset[str]:
    """Roles that sign in with a one-time code, as an administrator last decided; before that those that know arms or
    give accounts, and in training none.
    """
    decided = trial.first(EventRow, action="require-codes", order=("-number",))
    if decided is not None:
        return frozenset(decided.content.get("answer", {}).get("roles", ()))
    return frozenset() if trial.mode == "training" else frozenset(_WITH_CODES)


@action("require-codes", states=ALWAYS, why=True, protocol=False)
def require_codes(act: Act, roles: list) -> None:
    """Decide which roles sign in to the pages with a one-time code, all of them named; from each one's next sign-in on.

    Who has none yet sets it up before any other page opens. Commands ask for none: who runs one has the trial's folder
    before them, where the secrets of the codes lie, so that a code would guard nothing there.
    """
    unknown = [role for role in roles if role not in ROLES]
    if unknown:
        act.refuse("C111", "roles", f"There is no role {listed(unknown)}.", listed(ROLES))
    wanted = sorted(set(roles))
    act.record(subject="one-time codes", what={"codes": "required"}, answer={"roles": wanted})


@action("remove-one-time-code", states=ALWAYS, why=True, protocol=False)
def remove_one_time_code(act: Act, account: str) -> None:
    """Let an account sign in by its passphrase alone again, where its phone was lost."""
    _known(act, account)
    act.record(subject=f"account {account}", what={"one_time_code": "removed"}, answer={"account": account})
    act.later.append(lambda receipt: _forget(act, account))


def _forget(act: Act, account: str) -> str:
    try:
        OneTimeCodes(act.trial.directory).remove(account)
    except OSError as error:
        return f"the code could not be removed ({error.strerror}): do it again"
    return ""


def _set(act: Act, account: str, encoded: str) -> None:
    row = {"account": account, "credential": credential_digest(encoded), "refusals": 0}
    entry = act.record(subject=f"account {account}", what={"put": {"account": [row]}}, answer={"account": account})
    act.writer.set_credential(account, encoded, entry.number)


@action("review-accounts", states=ALWAYS, again=run_again)
def review_accounts(act: Act) -> None:
    """List who may do what: every account with its roles, sites, last day, when it last signed in and was last refused.

    For the periodic review of access; that it was done is recorded.
    """
    last = act.trial.largest_by(EventRow, "at", "account", action="sign-in")
    rows = [
        {
            "account": row.account,
            "person": row.person,
            "roles": row.roles,
            "sites": row.sites or "all",
            "state": row.state,
            "last_day": row.expires_on,
            "signed_in": last.get(row.account, "never"),
            "refused": row.refused_at,
            "refusals": row.refusals,
            "breaks_the_blind": [f"{one} with {other}" for one, other, _ in joined_roles(row.roles.split(","))],
        }
        for row in sorted(act.trial.find(AccountRow), key=lambda row: row.account)
    ]
    act.record(subject="accounts", what={"reviewed": len(rows)}, answer={"accounts": len(rows)})
    act.tell({"list": rows})


@action("sign-out", states=ALWAYS, protocol=False)
def sign_out(act: Act) -> None:
    """Note that somebody signed out."""
    act.record(subject=f"account {act.session.account}", what={"signed": "out"})
