"""Pages of one action each for those who run the trial: sites, accounts, versions, freeze and lock, fence, pause."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from equipoise.conduct.actions.permissions import ROLES
from equipoise.conduct.rows.tables import AccountRow, SiteRow
from equipoise.web.fields import Field
from equipoise.web.pages.acts import PASSPHRASE_AGAIN, OneAct, day, register_act
from equipoise.web.words import role_words

_ZONE = Field("zone", "Time zone", hint="An IANA name, as America/New_York", needed=True)


def _site_field(request: Any, states: tuple[str, ...]) -> Field:
    rows = request.served.trial.values(SiteRow, ("site", "state"), order=("site",))
    choices = [(site, site) for site, state in rows if state in states and (not request.sites or site in request.sites)]
    asked = request.GET.get("site", "")
    hint = "" if choices else "There is no such site."
    return Field("site", "Site", "choice", choices=choices, value=asked, needed=True, hint=hint)


def _account_field(request: Any) -> Field:
    rows = request.served.trial.values(AccountRow, ("account", "person"), state="active", order=("account",))
    return Field("account", "Account", "choice", choices=[(name, f"{name}, {who}") for name, who in rows], needed=True)


def _add_account(request: Any, _: str) -> tuple[Field, ...]:
    roles = [(role, f"{role_words([role]).capitalize()}: {words}") for role, words in ROLES.items()]
    sites = [(site, site) for (site,) in request.served.trial.values(SiteRow, ("site",), order=("site",))]
    return (
        Field("account", "Account", hint="Letters, digits, dots and dashes; never used before", needed=True),
        Field("person", "Person", hint="First name and family name: one account is one person", needed=True),
        Field(
            "roles",
            "Roles",
            "several",
            choices=roles,
            hint="A role that sees an arm is never joined with one that must not",
        ),
        Field("sites", "Sites", "several", choices=sites, hint="None ticked: all sites"),
        Field("expires", "Last day", "date", hint="6 Apr 2027; left blank there is none"),
    )


def _roles_with_codes(request: Any, _: str) -> tuple[Field, ...]:
    from equipoise.conduct.actions.administration.account import roles_with_codes

    choices = [(role, role_words([role]).capitalize()) for role in ROLES]
    now = sorted(roles_with_codes(request.served.trial)) if request.method != "POST" else ()
    return (Field("roles", "Roles", "several", choices=choices, values=now, hint="None ticked: nobody has to"),)


def _no_role(given: dict[str, Any]) -> dict[str, Any]:
    """No role ticked is a decision too."""
    return {"roles": [], **given}


def _lines(given: dict[str, Any]) -> dict[str, Any]:
    """Fields of several lines as lists of them."""
    for name in ("receipts", "envelopes"):
        if name in given:
            given[name] = [line.strip() for line in str(given[name]).splitlines() if line.strip()]
    return given


def _levels(given: dict[str, Any]) -> dict[str, Any]:
    """Levels of the stratification factors, each a field of its own, as one mapping."""
    levels = {name.removeprefix("levels."): value for name, value in given.items() if name.startswith("levels.")}
    rest = {name: value for name, value in given.items() if not name.startswith("levels.")}
    return {**rest, "levels": levels} if levels else rest


def _reserve_fields(request: Any, _: str) -> tuple[Field, ...]:
    """Site, stratum and how many; the factors are those of the first randomization in force."""
    from equipoise.randomization import planned_randomizations

    protocol = request.served.trial.protocol(request.served.trial.protocol_hash)
    plans = planned_randomizations(protocol)
    factors = [name for name in (plans[0].factors if plans else ()) if name != "site"]
    return (
        _site_field(request, ("active",)),
        *(_factor_field(protocol, name) for name in factors),
        Field("n", "How many", "number", hint="1 to 100", needed=True),
    )


def _factor_field(protocol: Any, name: str) -> Field:
    variable = protocol.model.baseline.get(name)
    levels = variable.levels if variable is not None and variable.levels else ("yes", "no")
    label = (variable.label if variable is not None else None) or name.replace("-", " ").capitalize()
    choices = [(level, level.replace("-", " ").capitalize()) for level in levels]
    return Field(f"levels.{name}", label, "pick", choices=choices, needed=True)


_HOW = (("intact", "Unopened, the seal whole"), ("broken", "Broken"), ("lost", "Lost"))
_ENVELOPES = Field(
    "envelopes",
    "Envelopes set aside since",
    "area",
    hint="One a line, as the sites’ lists print them: main/3 7KQ2-9XMA-2ABD",
)

OFFICE: tuple[OneAct, ...] = (
    OneAct(
        "add-site",
        "Add a site",
        "Add site",
        "It enrols nobody before it is activated.",
        (Field("site", "Name", hint="Up to 40 letters, digits, dots, dashes", needed=True), _ZONE),
    ),
    OneAct(
        "activate-site",
        "Activate a site",
        "Activate site",
        "After its approvals. From then on it can enrol; nothing at the site is dated before.",
        lambda request, _: (
            _site_field(request, ("registered", "closed", "active")),
            Field("approval", "Reference of the approvals", hint="As IRB 2027-01", needed=True),
            Field("zone", "Time zone", hint="Only where it changes"),
            day("on", "Approved on"),
        ),
        "optional",
        "Reason, where the date or reference of an active site is corrected",
    ),
    OneAct(
        "close-site",
        "Close a site",
        "Close site",
        "Nobody further is screened or randomized there; visits go on.",
        lambda request, _: (_site_field(request, ("active", "registered")),),
        "needed",
        final=True,
    ),
    OneAct(
        "wording",
        "Wording of questionnaires",
        "Take into use",
        "From a file of the site’s. Its hash is logged, its words are not kept here.",
        lambda request, _: (_site_field(request, ("active",)), Field("text", "File", "file", needed=True)),
    ),
    OneAct(
        "consent-version",
        "Version of the consent document",
        "Put into force",
        "Who agreed to an older one is neither randomized nor dosed before consenting anew.",
        (Field("version", "Version", hint="As printed on the document", needed=True),),
    ),
    OneAct(
        "add-account",
        "Add an account",
        "Add account",
        "The first passphrase is shown once, on the receipt; hand it to the person in private.",
        _add_account,
    ),
    OneAct(
        "disable-account",
        "Disable an account",
        "Disable account",
        "At once and for good: the account signs in no more and is given to nobody else.",
        lambda request, _: (_account_field(request),),
        "needed",
        final=True,
    ),
    OneAct(
        "expire-account",
        "Last day of an account",
        "Set last day",
        "After it the account signs in no more.",
        lambda request, _: (
            _account_field(request),
            Field("last_day", "Last day", "date", hint="6 Apr 2027", needed=True),
        ),
        "needed",
    ),
    OneAct(
        "reset-passphrase",
        "New passphrase for an account",
        "Give a new passphrase",
        "For who lost it or tried too often. It is shown once; every session of the account ends.",
        lambda request, _: (_account_field(request),),
        "needed",
    ),
    OneAct(
        "remove-one-time-code",
        "Remove a one-time code",
        "Remove the code",
        "For who lost the phone: the account signs in by its passphrase alone until a code is set up anew.",
        lambda request, _: (_account_field(request),),
        "needed",
    ),
    OneAct(
        "require-codes",
        "Who signs in with a one-time code",
        "Decide",
        "From each one’s next sign-in on. Who has no code yet sets one up, with the phone in hand, before any other "
        "page opens. Commands ask for none.",
        _roles_with_codes,
        "needed",
        shape=_no_role,
    ),
    OneAct(
        "pause",
        "Pause the trial",
        "Pause the trial",
        "Nobody is screened, randomized or dosed until it is taken up again; who is in it is followed on.",
        (),
        "needed",
        final=True,
    ),
    OneAct("resume", "Take the trial up again", "Take up again", "After a pause.", (), "needed"),
    OneAct(
        "freeze",
        "Freeze the data",
        "Freeze",
        "From then on only corrections, queries, signatures, and adverse events learned of late.",
        (),
        final=True,
    ),
    OneAct("unfreeze", "Open frozen data again", "Open again", "Recording goes on as before.", (), "needed"),
    OneAct(
        "lock",
        "Lock for good",
        "Lock for good",
        "After it nobody changes a value. The allocation may then be told. Opening it again takes two people.",
        (PASSPHRASE_AGAIN,),
        final=True,
        address="lock/now/",
    ),
    OneAct(
        "ask-unlock",
        "Ask that the lock be opened",
        "Ask",
        "Another person opens it. That it was locked stands, and so does what was told after.",
        (),
        "needed",
    ),
    OneAct(
        "unlock",
        "Open the lock",
        "Open the lock",
        "As another person asked. The data are frozen then; they are signed and locked once more.",
        (),
        "needed",
        final=True,
    ),
    OneAct(
        "open-quarantine",
        "Open what was quarantined",
        "Publish the key",
        "After the lock: the safety role’s key stands in the ledger then, and everybody can read what was sealed.",
        (),
        final=True,
    ),
    OneAct(
        "lift-fence",
        "Open randomization after a restore",
        "Lift the fence",
        "Ask every site for its receipts first: who is not told of could be given a slot twice.",
        (
            Field("receipts", "Receipts given since the backup", "area", hint="One a line: 12 P-0012 7KQ2-9XMA-2ABD"),
            Field("last", "Number of the last receipt known anywhere", "number", needed=True),
            _ENVELOPES,
        ),
        "needed",
        "Who was asked",
        shape=_lines,
        final=True,
    ),
    OneAct(
        "acknowledge-loss",
        "Acknowledge a loss",
        "Acknowledge",
        "Anchors found after the fence was lifted that tell of events lost with the restore.",
        (_ENVELOPES,),
        "needed",
        shape=_lines,
    ),
    OneAct(
        "renew-receipts",
        "Write lost receipts again",
        "Write again",
        "Only where they are lost for good: a disk that is not mounted is mounted.",
        (Field("last", "Number of the last receipt that any site has", "number", needed=True),),
        "needed",
    ),
    OneAct(
        "redact",
        "Take personal data out of the ledger",
        "Take it out",
        "For a name, a telephone number, an address that was typed by mistake. Every place where it stands loses it; "
        "that it was done, when, by whom and why stays. Backups, cuts and copies made before still hold it. It is not "
        "undone.",
        (
            Field("participant", "Participant", hint="The code of whose records hold it", needed=True),
            Field(
                "text", "The text, to the letter", hint="Three letters or more; it stands in no receipt", needed=True
            ),
        ),
        "needed",
        "Why, without the text itself",
        final=True,
    ),
    OneAct(
        "envelopes-reserve",
        "Set envelopes aside",
        "Set aside",
        "The next slots of a stratum, for a day without the system. From now on the system gives them to nobody.",
        _reserve_fields,
        "needed",
        shape=_levels,
    ),
    OneAct(
        "envelopes-returned",
        "Take envelopes back",
        "Take back",
        "The slots of unopened ones are given next. Those of broken or lost ones are given to nobody.",
        (
            Field("envelopes", "Envelopes", "area", hint="One a line, as the site’s list prints them", needed=True),
            Field("how", "They are", "pick", choices=_HOW, value="intact"),
            Field("witness", "Who else saw that the seals are whole", hint="By account; not for broken or lost ones"),
        ),
        "optional",
        "Reason, for broken or lost ones",
        shape=_lines,
    ),
    OneAct(
        "acknowledge-clock",
        "Acknowledge the clock",
        "Acknowledge",
        "The clock of this machine was behind the ledger, and is right now.",
        (),
        "needed",
    ),
)
_HOMES = {
    **dict.fromkeys(("add-site", "activate-site", "close-site", "wording"), "/sites/"),
    **dict.fromkeys(
        (
            "add-account",
            "disable-account",
            "expire-account",
            "reset-passphrase",
            "remove-one-time-code",
            "require-codes",
        ),
        "/accounts/",
    ),
    "consent-version": "/protocol/",
    **dict.fromkeys(
        ("pause", "resume", "freeze", "unfreeze", "lock", "ask-unlock", "unlock", "open-quarantine"), "/lock/"
    ),
    **dict.fromkeys(("envelopes-reserve", "envelopes-returned"), "/envelopes/"),
    **dict.fromkeys(("redact", "lift-fence", "acknowledge-loss", "renew-receipts", "acknowledge-clock"), "/verify/"),
}

for _one in OFFICE:
    register_act(replace(_one, of_participant=False, home=_HOMES[_one.action]))
