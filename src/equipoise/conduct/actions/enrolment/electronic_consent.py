"""Electronic consent: the site's document, its questions, the participant's signature, and that of who took it.

The participant signs the page as it was shown: by name and the PIN of the personal link, on a phone of their own, or by
name before a witness, who signs with a passphrase. The name stands in the signed copy, a file of the trial's folder,
and in no ledger; the ledger holds the hashes of the page and of the copy. Who took the consent signs it after that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.enrolment.consent import consent_row
from equipoise.conduct.actions.permissions import ALWAYS, PARTICIPANT
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.actions.sign_in import check_again
from equipoise.conduct.entropy import code
from equipoise.conduct.rows.tables import AccountRow, EventRow, TrialStateRow
from equipoise.conduct.rules import consent_document as rules
from equipoise.conduct.trial.receipts import CONSENTS, write_private
from equipoise.foundation.errors import ConductError, Problem, raise_if_any
from equipoise.foundation.hashing import sha256_text

_WITNESSES = ("coordinator", "investigator", "infusion", "rater", "monitor")


@dataclass(frozen=True, slots=True)
class ConsentGiven:
    """A participant's own signature that waits for that of who took it."""

    event: int
    at: str
    offset_minutes: int
    page: str
    copy: str


@action("consent-document", protocol=False)
def consent_document(act: Act, version: str, text: str) -> None:
    """Bring the text of a version of the consent document (``text=@FILE``), to be signed in the browser.

    It is kept whole in the ledger. Who it is in force for `consent-version` says.
    """
    if not version.strip():
        act.refuse("C660", "version", "The version of the document is not named.", "its version, such as 1.0")
    document, problems = rules.read_document(text)
    raise_if_any(ConductError, problems)
    if _text_of(act.trial, version) is not None:
        act.refuse("C660", "version", f"Version {version} is there already.", "a version of its own for every text")
    act.record(
        subject=f"consent document {version}",
        what={"text": text.replace("\r\n", "\n"), "sha256": sha256_text(text)},
        answer={"version": version, "title": document.title, "questions": len(document.questions)},
    )


def _text_of(trial: Any, version: str) -> str | None:
    found = trial.column(
        EventRow, "what", action="consent-document", subject=f"consent document {version}", order=("-number",), limit=1
    )
    return json.loads(found[0])["text"] if found and found[0] else None


def document_in_force(trial: Any) -> tuple[str, rules.ConsentDocument] | None:
    """The version in force and its document; where no version was named in force, the last one brought."""
    version = trial.first(TrialStateRow, name="trial").consent_version
    if not version:
        newest = trial.column(EventRow, "subject", action="consent-document", order=("-number",), limit=1)
        version = newest[0].removeprefix("consent document ") if newest else ""
    text = _text_of(trial, version) if version else None
    return (version, rules.read_document(text)[0]) if text is not None else None


def given_by_participant(trial: Any, participant: str, version: str, page: str) -> ConsentGiven | None:
    """The participant's signature under this very page that nobody has countersigned yet."""
    found = trial.values(
        EventRow,
        ("number", "action", "at", "offset_minutes", "what"),
        participant=participant,
        action__in=("consent", "consent-electronic", "consent-sign"),
        order=("-number",),
        limit=1,
    )
    if not found or found[0][1] != "consent-sign" or not found[0][4]:
        return None
    number, _, at, offset, what = found[0]
    said = json.loads(what)
    if (said["version"], said["page"]) != (version, page):
        return None
    return ConsentGiven(number, at, offset, said["page"], said["copy"])


def _asked_to_sign(act: Act, version: str, page: str) -> rules.ConsentDocument:
    """The document in force, where it is the one that was shown."""
    found = document_in_force(act.trial)
    if found is None:
        act.refuse("C660", "consent", "There is no document to sign here.", "a document that the site has brought")
    in_force, document = found
    who = act.participant.participant
    if version != in_force or page != document.digest(in_force, who):
        act.refuse(
            "C661", "page", "The document has changed since it was shown.", "the document in force", "Read it again."
        )
    return document


def _has_agreed(act: Act, version: str) -> bool:
    """Whether the participant agreed to this version already, under the protocol in force."""
    return bool(act.participant.consent_version == version and act.participant.protocol_hash == act.state.protocol_hash)


def _signed(
    act: Act, document: rules.ConsentDocument, version: str, name: str, answers: dict[str, Any], method: str
) -> tuple[str, str]:
    """Keep the signed copy before it is recorded; its hash, and its file's name."""
    problems = rules.check_answers(document, answers)
    if len(" ".join(name.split())) < 2:
        problems.append(
            Problem("C663", "name", "Nobody has signed.", "the participant's name, typed by the participant")
        )
    raise_if_any(ConductError, problems)
    who = act.participant.participant
    text = rules.signed_copy(
        document, version, who, name=" ".join(name.split()), method=method, at=act.now.text, nonce=code(act.entropy, 6)
    )
    folder = act.trial.directory / CONSENTS
    folder.mkdir(mode=0o700, exist_ok=True)
    digest = sha256_text(text)
    file = f"{who}-{digest[:12]}.html"
    write_private(folder / file, text)
    return digest, file


@action("consent-sign", private=("passphrase", "name"))
def consent_sign(
    act: Act,
    participant: str,
    version: str,
    page: str,
    name: str,
    passphrase: str,
    answers: dict[str, Any] | None = None,
) -> None:
    """Sign the consent on one's own page: by name and PIN, once every question is answered right.

    It holds when who takes the consent has signed it too.
    """
    document = _asked_to_sign(act, version, page)
    check_again(act.trial, act.session.account, passphrase, act.now, held=act.passphrase)
    if _has_agreed(act, version) or given_by_participant(act.trial, participant, version, page) is not None:
        act.refuse("C124", participant, "It is signed already.", "a document not signed yet")
    copy, file = _signed(act, document, version, name, answers or {}, "by the PIN of the personal link")
    act.record(
        subject=f"consent {version} signed",
        what={"version": version, "page": page, "copy": copy, "file": file, "source": PARTICIPANT},
        answer={"participant": participant, "version": version, "copy": copy[:16]},
    )


@action("consent-electronic", private=("passphrase", "signed", "witness"))
def consent_electronic(
    act: Act,
    participant: str,
    version: str,
    page: str,
    passphrase: str,
    signed: dict[str, Any] | None = None,
    witness: dict[str, Any] | None = None,
) -> None:
    """Take the consent: sign what the participant signed, on a page of their own or here before a witness.

    ``signed`` holds the participant's name and the answers by number of the question, ``witness`` an account and its
    passphrase.
    """
    document = _asked_to_sign(act, version, page)
    check_again(act.trial, act.session.account, passphrase, act.now, held=act.passphrase)
    if _has_agreed(act, version):
        act.refuse("C124", participant, f"Version {version} was agreed to already, under the protocol in force.")
    act.require_active_site()
    before = act.participant.protocol_hash
    row = consent_row(act, version)
    given = given_by_participant(act.trial, participant, version, page)
    if given is not None:
        said: dict[str, Any] = {"signed_in": given.event, "copy": given.copy}
    else:
        who = _require_witness(act, witness or {})
        told = signed or {}
        name, answers = str(told.get("name", "")), dict(told.get("answers") or {})
        copy, file = _signed(act, document, version, name, answers, f"before the witness {who}")
        said = {"copy": copy, "file": file, "witness": who}
    act.record(
        subject=f"consent {version}",
        what={"protocol_before": before, "page": page, **said, "put": {"participant": [row]}},
        answer={
            "participant": participant,
            "version": version,
            "protocol": row["protocol_hash"][:12],
            "copy": said["copy"][:16],
            **({"witness": said["witness"]} if given is None else {}),
        },
    )


def _require_witness(act: Act, told: dict[str, Any]) -> str:
    """The account of the witness: refused where no second person of the site has signed (C663); a wrong passphrase is
    C010.
    """
    witness = str(told.get("account", ""))
    row = act.trial.first(AccountRow, account=witness) if witness else None
    sites = [site for site in row.sites.split(",") if site] if row is not None else []
    fits = row is not None and row.state == "active" and set(row.roles.split(",")) & set(_WITNESSES)
    if not fits or witness == act.session.account or (sites and act.site not in sites):
        act.refuse(
            "C663",
            "witness",
            "The participant has not signed on a page of their own, and no witness signs.",
            "another person of the site, with the account and its passphrase",
        )
    check_again(act.trial, witness, str(told.get("passphrase", "")), act.now)
    return witness


@action("read-consent", states=ALWAYS, again=run_again, protocol=False)
def read_consent(act: Act, participant: str) -> None:
    """Read the document in force for a participant: its page, its questions, and whether it was signed."""
    act.record(subject="consent document", what={"read": "consent document"})
    found = document_in_force(act.trial)
    if found is None:
        act.tell({"version": "", "agreed": act.participant.consent_version})
        return
    version, document = found
    page = document.digest(version, participant)
    given = given_by_participant(act.trial, participant, version, page)
    act.tell(
        {
            "version": version,
            "title": document.title,
            "html": document.page(version, participant),
            "page": page,
            "questions": [{"words": one.words, "answers": list(one.answers)} for one in document.questions],
            "signed": {"at": given.at, "offset_minutes": given.offset_minutes, "copy": given.copy} if given else None,
            "agreed": act.participant.consent_version,
            "is_current": _has_agreed(act, version),
            "site": act.participant.site,
        }
    )
