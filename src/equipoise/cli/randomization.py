"""`equipoise randomization`: seal a list, commit to it, replay it, and what a scheme gives away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from equipoise.cli.console import AMBER, console, print_json, print_problems, reported, working
from equipoise.cli.options import JsonOption, ProtocolArgument
from equipoise.cli.trial_options import PharmacyOption, TrialArgument, passphrase_of

if TYPE_CHECKING:
    from equipoise.randomization.companion import Companion
    from equipoise.randomization.predictability import Predictability

CODES = {"U620": "A parameter of a scheme cannot be read."}
group = typer.Typer(
    help="Seal an allocation list, publish its commitment, replay it after the lock; predictability of "
    "schemes.\n\nExample: `equipoise randomization report ketamine-mbrp-cocaine --sites 2`",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
CompanionArgument = Annotated[
    Path, typer.Argument(metavar="COMPANION", help="The sealed companion file, as `seal` wrote it.")
]
TrainingOption = Annotated[
    bool, typer.Option("--training", help="A list for training, which no production trial accepts.")
]
NewFileOption = Annotated[Path, typer.Option("--out", "-o", help="New file; an existing file is never replaced.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="randomization")


@group.command("seal")
def seal(
    protocol: ProtocolArgument,
    out: NewFileOption,
    training: TrainingOption = False,
    block_size: Annotated[
        list[int] | None, typer.Option("--block-size", help="Permuted blocks: a size; several are mixed at random.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="Big stick, Chen: largest difference.")] = None,
    probability: Annotated[
        str | None, typer.Option("--probability", help="Efron, Chen, minimization: such as 2/3 or 0.75.")
    ] = None,
    urn: Annotated[str | None, typer.Option("--urn", help="Wei's urn: alpha,beta such as 0,1.")] = None,
    total: Annotated[
        int | None, typer.Option("--total", help="Random allocation rule, truncated binomial: slots per stream.")
    ] = None,
    weight: Annotated[
        list[str] | None, typer.Option("--weight", help="Minimization: a factor's weight, such as site=2.")
    ] = None,
    measure: Annotated[str | None, typer.Option("--measure", help="Minimization: range or variance.")] = None,
    later: Annotated[
        str | None,
        typer.Option("--later", help="A public value that will become known after the commitment, in words."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Seal a new allocation list: parameters, seed and nonce in a file that only its owner can read.

    Done once, by an unblinded person. The seed comes from the operating system.

    Example: `equipoise randomization seal ketamine-mbrp-cocaine --block-size 4 --block-size 6 --out companion.yaml`
    """
    import secrets

    from equipoise.randomization import seal as make
    from equipoise.randomization import write_companion
    from equipoise.workflow.library import read_protocol

    with reported(as_json=as_json):
        given: dict[str, Any] = {
            "block-sizes": block_size or None,
            "limit": limit,
            "probability": probability,
            "total": total,
            "measure": measure,
            **_urn(urn),
            "weights": _weights(weight),
        }
        chosen = read_protocol(protocol)
        companion = make(
            chosen,
            entropy=secrets.token_bytes,
            kind="training" if training else "production",
            parameters={name: value for name, value in given.items() if value is not None},
            later=later,
        )
        write_companion(companion, out)
    if as_json:
        print_json({"ok": True, "file": str(out), "kind": companion.kind, "commitment": companion.commitment})
        return
    said = console()
    said.print(str(out))
    said.print(f"commitment  {companion.commitment}")
    said.print("Publish the commitment before the first participant. Keep the file away from everybody who is blinded.")
    for sealed in companion.randomizations:
        if sealed.scheme.parameters().get("block-sizes") == [sum(sealed.scheme.ratio)]:
            said.print(
                "Blocks of the smallest size end in certainty every time: seal another list with larger ones mixed."
            )
    if not companion.is_ready:
        said.print(f"The list awaits: {companion.later_what}. Then: equipoise randomization mix")


@group.command("mix")
def mix(
    protocol: ProtocolArgument,
    companion: CompanionArgument,
    value: Annotated[str, typer.Option("--value", help="The public value, exactly as it was published.")],
    out: NewFileOption,
    training: TrainingOption = False,
    as_json: JsonOption = False,
) -> None:
    """Mix the announced public value into a sealed list; the commitment does not change.

    Example: `equipoise randomization mix trial.yaml companion.yaml --value 03-11-19-27-40-44 --out ready.yaml`
    """
    from equipoise.randomization import write_companion

    with reported(as_json=as_json):
        mixed = _read(protocol, companion, training).with_later_value(value)
        write_companion(mixed, out)
    if as_json:
        print_json({"ok": True, "file": str(out), "kind": mixed.kind, "commitment": mixed.commitment})
    else:
        console().print(f"{out}\ncommitment  {mixed.commitment}")


@group.command("commit")
def commit(
    protocol: ProtocolArgument,
    companion: CompanionArgument,
    training: TrainingOption = False,
    as_json: JsonOption = False,
) -> None:
    """Print the commitment of a sealed list, to be published before the first participant.

    It is SHA-256 over nonce, specification, seed and protocol hash: it binds, and reveals nothing.

    Example: `equipoise randomization commit ketamine-mbrp-cocaine companion.yaml`
    """
    with reported(as_json=as_json):
        sealed = _read(protocol, companion, training)
    if as_json:
        print_json(
            {
                "commitment": sealed.commitment,
                "trial": sealed.trial,
                "kind": sealed.kind,
                "protocol_hash": sealed.protocol_hash,
                "later": sealed.later_what,
            }
        )
        return
    out = console()
    out.print(f"commitment     {sealed.commitment}")
    out.print(f"trial          {sealed.trial} ({sealed.kind})")
    out.print(f"protocol hash  {sealed.protocol_hash}")
    if sealed.later_what is not None:
        out.print(f"awaits         {sealed.later_what}")


@group.command("replay")
def replay(
    protocol: ProtocolArgument,
    companion: CompanionArgument,
    allocations: Annotated[
        Path, typer.Argument(metavar="ALLOCATIONS", help="CSV with stream, slot, arm; with minimization the factors.")
    ],
    commitment: Annotated[str, typer.Option("--commitment", help="The commitment as it was published.")],
    training: TrainingOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the allocations made with the list: no slot swapped, skipped or added.

    Example: `equipoise randomization replay trial.yaml companion.yaml allocations.csv --commitment 0557a85c...`
    """
    from equipoise.foundation.errors import RandomizationError
    from equipoise.randomization import read_allocations, require_commitment
    from equipoise.randomization import replay as compare

    with reported(as_json=as_json):
        sealed = _read(protocol, companion, training)
        require_commitment(sealed, commitment)
        rows = read_allocations(allocations, sealed)
        problems = compare(sealed, rows, commitment=commitment, file=str(allocations))
    streams = len({row.stream for row in rows})
    if problems:
        print_problems(tuple(problems), as_json=as_json)
        raise typer.Exit(RandomizationError.exit_code)
    if as_json:
        print_json(
            {
                "ok": True,
                "allocations": len(rows),
                "streams": streams,
                "commitment": sealed.commitment,
                "later": {"what": sealed.later_what, "value": sealed.later_value} if sealed.later_what else None,
            }
        )
        return
    out = console()
    out.print(f"{len(rows)} allocations in {streams} streams: every one is the list's, in order, none left out.")
    if sealed.later_what is not None:
        out.print(f"The public value used was {sealed.later_value!r} ({sealed.later_what}): compare with its source.")


@group.command("export")
def export(
    directory: TrialArgument,
    out: NewFileOption,
    account: Annotated[str, typer.Option("--as", envvar="EQUIPOISE_ACCOUNT", help="The account that acts.")],
    pharmacy: PharmacyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write every allocation of a locked trial with its arm, as `replay` reads it. The export is recorded.

    Needs the pharmacy's folder, and the role of a pharmacist or an unblinded statistician.

    Example: `equipoise randomization export trial --out allocations.csv --as phil --pharmacy trial-pharmacy`
    """
    import os
    import platform

    from equipoise.conduct.actions.dispatch import perform
    from equipoise.conduct.actions.sign_in import sign_in
    from equipoise.conduct.trial.trial import Trial
    from equipoise.foundation.errors import OutputError, Problem

    with reported(as_json=as_json):
        if out.exists():
            raise OutputError(
                Problem("O020", str(out), "It is there already.", "a file that is not there yet", "Name another.")
            )
        trial = Trial.open(directory)
        session = sign_in(trial, account, passphrase_of(account), device=platform.node())
        receipt = perform(trial, session, "export-allocations", pharmacy=str(pharmacy) if pharmacy else None)
        try:
            with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(receipt.told["csv"])
        except OSError as error:
            raise OutputError(
                Problem("O020", str(out), f"It cannot be written: {error.strerror}.", "a file that can be made")
            ) from None
    if as_json:
        print_json({"ok": True, "file": str(out), **receipt.answer, "events": list(receipt.events)})
        return
    said = console()
    said.print(f"{out}: {receipt.answer['allocations']} allocations, SHA-256 {receipt.answer['sha256']}", markup=False)
    said.print("Next: equipoise randomization replay P COMPANION " + str(out) + " --commitment HEX", markup=False)


@group.command("report")
def report(
    protocol: ProtocolArgument,
    companion: Annotated[
        Path | None, typer.Option("--companion", help="Sealed companion: use its parameters. Not for blinded people.")
    ] = None,
    sites: Annotated[
        int | None, typer.Option("--sites", help="Number of sites, each a stratum; by default the protocol's list.")
    ] = None,
    n: Annotated[
        int | None, typer.Option("--n", help="Participants; by default the protocol's planned number.")
    ] = None,
    training: TrainingOption = False,
    as_json: JsonOption = False,
) -> None:
    """Predictability and balance of the scheme, compared with other schemes, for the planned trial.

    Example: `equipoise randomization report ketamine-mbrp-cocaine --sites 2`
    """
    from equipoise.randomization.predictability import FUNCTIONAL_UNBLINDING, predictability
    from equipoise.workflow.library import read_protocol

    with reported(as_json=as_json):
        chosen = read_protocol(protocol)
        sealed = _read(protocol, companion, training) if companion is not None else None
        with working("working out", quiet=as_json):
            found = predictability(chosen, sealed, n=n, n_sites=sites)
    if as_json:
        print_json(
            {
                "protocol": chosen.id,
                "protocol_hash": chosen.hash,
                "functional_unblinding": FUNCTIONAL_UNBLINDING,
                "randomizations": [part.as_dict() for part in found],
            }
        )
        return
    for part in found:
        _print(part)
    _print_words(found)


def _print(part: Predictability) -> None:
    from rich.text import Text

    from equipoise.cli.tables import add_rows, plain_table

    out = console()
    planned = part.planned
    ratio = ", ".join(f"{arm} {share}" for arm, share in zip(planned.arms, planned.ratio, strict=True))
    strata = " x ".join(f"{name} {count}" for name, count in part.levels.items())
    out.print(Text(f"{planned.stage}: {part.n} participants, ratio {ratio}", style="bold"))
    out.print(f"strata: {part.n_strata}" + (f" ({strata}), equally likely" if strata else ""))
    table = plain_table(
        "scheme",
        "",
        ("guessed", "right"),
        ("by lag", "right"),
        ("certain", "right"),
        ("beyond chance", "right"),
        ("|D|", "right"),
        ("SD of D", "right"),
        ("open blocks", "right"),
        "note",
        names=False,
    )
    rows = []
    for row in part.rows:
        e = row.expected
        if e is None:
            rows.append([row.words, row.standing, *[""] * 7, row.note])
            continue
        mark = " sim." if e.is_simulated else ""
        rows.append(
            [
                row.words,
                row.standing.replace("candidate", ""),
                f"{100 * e.guess_rate:.1f}%{mark}",
                f"{100 * e.lagging_rate:.1f}%",
                f"{100 * e.certain_share:.1f}%",
                f"{e.excess_guesses:.1f}",
                _short(e.mean_difference),
                _short(e.sd_difference),
                _short(e.unfinished_blocks),
                row.note,
            ]
        )
    out.print(add_rows(table, rows))
    if any(row.expected is not None and row.expected.is_simulated for row in part.rows):
        worst = max(r.expected.guess_error for r in part.rows if r.expected is not None and r.expected.is_simulated)
        out.print(f"sim.: from simulated trials, standard error at most {100 * worst:.2f}%; all else is exact.")
    out.print()


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _print_words(found: tuple[Predictability, ...]) -> None:
    from rich.text import Text

    from equipoise.randomization.predictability import FUNCTIONAL_UNBLINDING

    out = console()
    chance = max(row.expected.chance_rate for part in found for row in part.rows if row.expected is not None)
    for line in (
        "guessed: percentage of allocations guessed correctly by a person who knows the past and the scheme; "
        f"{100 * chance:.1f}% by chance. by lag: by guessing the arm below its share. certain: slots with only one "
        "possible arm.",
        "beyond chance: correct guesses in the whole trial above those by chance. |D|, SD of D: mean and "
        "standard deviation of the overall difference in numbers. open blocks: unfinished when the trial "
        "ends.",
    ):
        out.print(line)
    out.print(Text(FUNCTIONAL_UNBLINDING, style=AMBER))
    if any(row.standing == "sealed" for part in found for row in part.rows):
        out.print(Text("SEALED  this page shows parameters of a sealed list: not for blinded people", style="bold"))


def _read(protocol: str, companion: Path, training: bool) -> Companion:
    from equipoise.randomization import read_companion
    from equipoise.workflow.library import read_protocol

    return read_companion(companion, read_protocol(protocol), kind="training" if training else "production")


def _urn(text: str | None) -> dict[str, Any]:
    from equipoise.foundation.errors import Problem, UsageError

    if text is None:
        return {}
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise UsageError(Problem("U620", "--urn", f"Found {text!r}.", "alpha,beta such as 0,1", ""))
    return {"alpha": int(parts[0]), "beta": int(parts[1])}


def _weights(texts: list[str] | None) -> dict[str, int] | None:
    from equipoise.foundation.errors import Problem, UsageError

    if not texts:
        return None
    found = {}
    for text in texts:
        name, sign, number = text.partition("=")
        if not sign or not number.strip().isdecimal():
            raise UsageError(Problem("U620", "--weight", f"Found {text!r}.", "a factor and its weight: site=2", ""))
        found[name.strip()] = int(number)
    return found
