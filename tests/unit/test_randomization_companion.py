"""The sealed companion: made, written, read, refused; its commitment, its streams, and replay after lock."""

from __future__ import annotations

import copy
import json
import os
import stat
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.foundation.errors import OutputError, RandomizationError
from equipoise.foundation.hashing import sha256_value
from equipoise.protocol import Protocol, read_protocol_text
from equipoise.protocol.language.facts import Fact
from equipoise.randomization import (
    Allocation,
    Companion,
    ProductionCompanion,
    TrainingCompanion,
    companion_text,
    each_stream,
    planned_randomizations,
    read_allocations,
    read_companion,
    replay,
    seal,
    write_companion,
)
from equipoise.workflow import read_protocol
from equipoise.workflow.library import bundled_protocols

FLAGSHIP = bundled_protocols()["ketamine-mbrp-cocaine"].read_text("utf-8")
RATIO = "  ratio: {midazolam: 1, ketamine: 1}\n"
SCHEME = "  scheme: {value: null, assumed: permuted-blocks, basis: convention}\n  strata: null\n"
runner = CliRunner()


@cache
def base(name: str) -> Protocol:
    return read_protocol(name)


def planned_as(protocol: Protocol, **changes: object) -> Protocol:
    """The protocol with parts of its randomization, or its sites, replaced: quicker than reading it again."""
    model = protocol.model
    sites = changes.pop("sites", model.sites)
    randomization = model.randomization.model_copy(update=changes)
    model = model.model_copy(update={"randomization": randomization, "sites": sites})
    return Protocol(model, lines=protocol.lines, text=protocol.text)


def flagship(
    scheme: str = "permuted-blocks", strata: tuple[str, ...] = (), ratio: int = 1, sites: tuple[str, ...] = ()
) -> Protocol:
    return planned_as(
        base("ketamine-mbrp-cocaine"),
        scheme=Fact(value=scheme),
        strata=Fact(value=strata or None),
        ratio={"midazolam": 1, "ketamine": ratio},
        sites=sites,
    )


def poats(scheme: str = "permuted-blocks") -> Protocol:
    return planned_as(base("poats"), scheme=Fact(value=scheme))


class Counting:
    """Bytes 0, 1, 2 ...: entropy for tests."""

    def __init__(self, first: int = 0) -> None:
        self.next = first

    def __call__(self, n: int) -> bytes:
        self.next += n
        return bytes(number % 256 for number in range(self.next - n, self.next))


def sealed(protocol: Protocol, **options: object) -> Companion:
    return seal(protocol, entropy=Counting(), **options)  # type: ignore[arg-type]


def codes(error: pytest.ExceptionInfo[RandomizationError]) -> list[str]:
    return [problem.code for problem in error.value.problems]


STRATIFIED = {"strata": ("site", "route"), "sites": ("north", "south")}


# ---------------------------------------------------------------------- making and reading


def test_a_companion_survives_its_file_which_its_owner_alone_may_read(tmp_path):
    protocol = flagship(**STRATIFIED)
    companion = sealed(protocol, parameters={"block-sizes": [4, 6]})
    write_companion(companion, tmp_path / "c.yaml")
    again = read_companion(tmp_path / "c.yaml", protocol)
    assert again == companion
    assert again.commitment == companion.commitment
    assert isinstance(again, ProductionCompanion)
    assert companion_text(again) == (tmp_path / "c.yaml").read_text("utf-8")
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "c.yaml").stat().st_mode) == 0o600


def test_a_companion_file_is_never_replaced(tmp_path):
    write_companion(sealed(flagship()), tmp_path / "c.yaml")
    before = (tmp_path / "c.yaml").read_bytes()
    with pytest.raises(OutputError, match="O046"):
        write_companion(sealed(flagship()), tmp_path / "c.yaml")
    assert (tmp_path / "c.yaml").read_bytes() == before


def test_neither_the_protocol_nor_what_is_printed_of_a_companion_holds_block_sizes_or_seed():
    protocol = flagship()
    companion = sealed(protocol, parameters={"block-sizes": [10]})
    for text in (repr(companion), str(companion), f"{companion.randomizations}", json.dumps(protocol.resolved)):
        assert companion.seed.hex() not in text
        assert "10]" not in text


def test_production_refuses_a_training_list_and_the_other_way_round(tmp_path):
    protocol = flagship()
    write_companion(sealed(protocol, kind="training"), tmp_path / "t.yaml")
    write_companion(sealed(protocol), tmp_path / "p.yaml")
    with pytest.raises(RandomizationError) as error:
        read_companion(tmp_path / "t.yaml", protocol)
    assert codes(error) == ["L022"]
    with pytest.raises(RandomizationError) as error:
        read_companion(tmp_path / "p.yaml", protocol, kind="training")
    assert codes(error) == ["L022"]
    training = read_companion(tmp_path / "t.yaml", protocol, kind="training")
    assert isinstance(training, TrainingCompanion)
    assert not isinstance(training, ProductionCompanion)
    # Even of the same seed the lists and the commitments differ.
    production = read_companion(tmp_path / "p.yaml", protocol)
    assert training.seed == production.seed
    assert training.commitment != production.commitment
    assert training.slots("trial:all", 60) != production.slots("trial:all", 60)


def test_a_training_list_relabelled_by_hand_is_refused(tmp_path):
    text = companion_text(sealed(flagship(), kind="training")).replace('kind: "training"', 'kind: "production"')
    (tmp_path / "c.yaml").write_text(text, "utf-8")
    with pytest.raises(RandomizationError) as error:
        read_companion(tmp_path / "c.yaml", flagship())
    assert codes(error) == ["L023"]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('"block-sizes":[4,6]', '"block-sizes":[4]', "L023"),
        ('seed: "00', 'seed: "01', "L023"),
        ('nonce: "20', 'nonce: "21', "L023"),
        ("equipoise-companion: 1", "equipoise-companion: 2", "L020"),
        ('generator: "equipoise-randomization-1"', 'generator: "another"', "L020"),
        ("later: null\n", "", "L020"),
        ("arms:", "arms", "L020"),
    ],
)
def test_a_companion_file_that_was_changed_is_refused(tmp_path, old, new, code):
    text = companion_text(sealed(flagship()))
    assert old in text
    (tmp_path / "c.yaml").write_text(text.replace(old, new), "utf-8")
    with pytest.raises(RandomizationError) as error:
        read_companion(tmp_path / "c.yaml", flagship())
    assert codes(error) == [code]


@given(
    at=st.integers(0, 3000), what=st.sampled_from(["", "x", '"', ": ", "\n", "\t", "[", "{", "é", "\x00", "&a", "- "])
)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_damage_to_a_companion_file_goes_unseen_or_gives_a_traceback(tmp_path_factory, at, what):
    companion = sealed(flagship())
    text = companion_text(companion)
    at %= len(text)
    damaged = text[:at] + what + text[at + 1 :]
    path = tmp_path_factory.mktemp("damaged") / "c.yaml"
    path.write_text(damaged, "utf-8")
    try:
        found: object = read_companion(path, flagship())
    except RandomizationError as error:
        found = {problem.code for problem in error.problems}
    # Damage to a comment or to layout alone leaves the companion what it was.
    assert found == companion or found <= {"L020", "L022", "L023"}


def test_a_companion_that_is_not_there_is_a_problem_and_no_traceback(tmp_path):
    with pytest.raises(RandomizationError) as error:
        read_companion(tmp_path / "none.yaml", flagship())
    assert codes(error) == ["L020"]


# ---------------------------------------------------------------------- plan


def test_a_companion_goes_with_the_plan_it_was_sealed_for_and_with_its_amendments(tmp_path):
    protocol = flagship(**STRATIFIED)
    companion = sealed(protocol)
    write_companion(companion, tmp_path / "c.yaml")
    amended = flagship(strata=("site", "route"), sites=("north", "south", "west"))
    again = read_companion(tmp_path / "c.yaml", amended)
    assert amended.hash != protocol.hash == again.protocol_hash
    assert again.commitment == companion.commitment
    north = companion.stream_name({"site": "north", "route": "intranasal"})
    assert again.slots(north, 40) == companion.slots(north, 40)
    assert again.stream_name({"site": "west", "route": "intranasal"}) not in companion.streams()
    for other in (flagship(), flagship("big-stick", **STRATIFIED), flagship(ratio=2, **STRATIFIED)):
        with pytest.raises(RandomizationError) as error:
            read_companion(tmp_path / "c.yaml", other)
        assert codes(error) == ["L021"]


def test_an_unequal_ratio_is_refused_where_a_scheme_would_break_it():
    for scheme in ("big-stick", "efron", "chen", "wei-urn", "minimization", "truncated-binomial"):
        with pytest.raises(RandomizationError) as error:
            planned_randomizations(flagship(scheme, ratio=2))
        assert codes(error) == ["L011"]
        assert error.value.problems[0].line is not None
    for scheme in ("permuted-blocks", "complete", "random-allocation-rule"):
        assert planned_randomizations(flagship(scheme, ratio=2))[0].ratio == (1, 2)


def test_more_than_two_arms_are_refused_where_a_scheme_has_no_rule_for_them():
    text = FLAGSHIP.replace(RATIO, "  ratio: {midazolam: 1, ketamine: 1, third: 1}\n")
    at = text.index("arms:\n") + len("arms:\n")
    text = text[:at] + "  third: {role: no-treatment, gives: []}\n" + text[at:]
    three = read_protocol_text(text)
    for scheme, allowed in (("big-stick", False), ("efron", False), ("wei-urn", True), ("minimization", True)):
        protocol = planned_as(three, scheme=Fact(value=scheme))
        if allowed:
            assert len(planned_randomizations(protocol)[0].arms) == 3
        else:
            with pytest.raises(RandomizationError) as error:
                planned_randomizations(protocol)
            assert codes(error) == ["L012"]


def test_a_protocol_that_names_no_scheme_or_a_factor_without_levels_cannot_be_sealed():
    with pytest.raises(RandomizationError) as error:
        sealed(base("poats"))
    assert codes(error) == ["L002"]
    with pytest.raises(RandomizationError) as error:
        sealed(flagship(strata=("site", "age")))
    assert codes(error) == ["L003", "L003"]


@pytest.mark.parametrize(
    ("scheme", "parameters", "wrong"),
    [
        ("permuted-blocks", {"block-sizes": [4, 5]}, ["L013"]),
        ("permuted-blocks", {"limit": 3}, ["L014"]),
        ("big-stick", {"limit": 0}, ["L013"]),
        ("efron", {"probability": "1/3"}, ["L013"]),
        ("efron", {"probability": "many"}, ["L013"]),
        ("chen", {"probability": "5/4", "limit": -1}, ["L013", "L013"]),
        ("wei-urn", {"alpha": 0, "beta": 0}, ["L013"]),
        ("minimization", {"measure": "sd"}, ["L013"]),
        ("minimization", {"weights": {"shoe": 1}}, ["L013"]),
        ("random-allocation-rule", {"total": 7}, ["L013"]),
    ],
)
def test_parameters_that_do_not_suit_are_all_named(scheme, parameters, wrong):
    with pytest.raises(RandomizationError) as error:
        sealed(flagship(scheme), parameters=parameters)
    assert codes(error) == wrong


# ---------------------------------------------------------------------- streams


def test_each_stratum_has_a_stream_of_its_own_named_after_its_levels():
    companion = sealed(flagship(**STRATIFIED))
    names = companion.streams()
    assert names[0] == "trial:site=north;route=intranasal"
    assert len(names) == len(set(names)) == 4
    assert len({companion.slots(name, 40) for name in names}) == 4
    assert companion.stream_name({"route": "intranasal", "site": "north", "age": 40}) == names[0]
    with pytest.raises(RandomizationError) as error:
        companion.stream_name({"site": "moon"})
    assert codes(error) == ["L004", "L004"]
    with pytest.raises(RandomizationError) as error:
        companion.slots("trial:site=moon;route=intranasal", 3)
    assert codes(error) == ["L005"]


def test_levels_in_any_script_give_names_of_plain_letters():
    text = FLAGSHIP.replace("levels: [intranasal, smoked-or-injected]", "levels: ['nasal; süd', 'a=b:c/%']")
    text = text.replace(SCHEME, "  scheme: complete\n  strata: [route]\n")
    text = text.replace("smoked-or-injected:", "'a=b:c/%':")
    companion = sealed(read_protocol_text(text))
    assert companion.streams() == ("trial:route=nasal%3B%20s%C3%BCd", "trial:route=a%3Db%3Ac%2F%25")
    assert companion.stream_name({"route": "nasal; süd"}) == companion.streams()[0]


def test_stages_that_randomize_again_have_streams_of_their_own():
    companion = sealed(poats())
    assert companion.stages == ("phase-1", "phase-2")
    assert [name for _, name in each_stream(companion)] == ["phase-1:all", "phase-2:all"]
    assert companion.slots("phase-1:all", 60) != companion.slots("phase-2:all", 60)
    assert companion.stream_name(stage="phase-2") == "phase-2:all"
    assert set(companion.arms("phase-2")) == {"smm", "emm"}
    with pytest.raises(RandomizationError) as error:
        companion.streams("phase-3")
    assert codes(error) == ["L005"]


def test_renaming_the_arms_renames_the_list_and_nothing_else():
    first = sealed(flagship())
    renamed = FLAGSHIP.replace(SCHEME, "  scheme: permuted-blocks\n  strata: null\n")
    for old, new in (("midazolam", "quibble"), ("ketamine", "zephyr")):
        renamed = renamed.replace(old, new)
    second = sealed(read_protocol_text(renamed.replace("id: zephyr-mbrp-cocaine", "id: ketamine-mbrp-cocaine")))
    names = {"midazolam": "quibble", "ketamine": "zephyr"}
    assert tuple(names[arm] for arm in first.slots("trial:all", 50)) == second.slots("trial:all", 50)


def test_the_next_arm_is_the_slot_after_the_history_whatever_the_profiles():
    companion = sealed(flagship(**STRATIFIED))
    stream = companion.streams()[2]
    arms = companion.slots(stream, 20)
    history: list[tuple[dict[str, str], str]] = []
    for arm in arms:
        assert companion.next_arm(stream, history, {"anything": "at all"}) == arm
        history.append(({}, arm))


def test_minimization_has_one_stream_and_goes_by_the_profile():
    protocol = flagship("minimization", **STRATIFIED)
    companion = sealed(protocol, parameters={"probability": "9/10", "weights": {"site": 2, "route": 1}})
    assert companion.uses_profile()
    assert companion.streams() == ("trial:all",)
    assert companion.stream_name({"site": "north", "route": "intranasal"}) == "trial:all"
    with pytest.raises(RandomizationError) as error:
        companion.slots("trial:all", 3)
    assert codes(error) == ["L007"]
    history: list[tuple[dict[str, str], str]] = []
    for number in range(40):
        profile = {"site": ("north", "south")[number % 3 % 2], "route": "intranasal"}
        history.append((profile, companion.next_arm("trial:all", history, profile)))
    assert abs(sum(1 if arm == "ketamine" else -1 for _, arm in history)) <= 6


def test_a_list_of_a_fixed_total_ends_there():
    companion = sealed(flagship("random-allocation-rule"), parameters={"total": 12})
    assert companion.length() == 12
    assert sealed(flagship()).length() is None
    assert sorted(companion.slots("trial:all", 12)) == ["ketamine"] * 6 + ["midazolam"] * 6
    with pytest.raises(RandomizationError) as error:
        companion.slots("trial:all", 13)
    assert codes(error) == ["L006"]


def test_a_sham_list_is_drawn_by_the_same_scheme_and_tells_nothing_of_the_true_one():
    companion = sealed(flagship())
    sham = companion.sham()
    agree = sum(a == b for a, b in zip(sham.slots("trial:all", 400), companion.slots("trial:all", 400), strict=True))
    assert 140 < agree < 260  # 400 fair coins: six standard deviations
    assert sham.sham().slots("trial:all", 9) == sham.slots("trial:all", 9)
    with pytest.raises(ValueError, match="never written"):
        write_companion(sham, "nowhere.yaml")


# ---------------------------------------------------------------------- commitment


def test_the_commitment_can_be_made_again_from_the_file_by_hand():
    companion = sealed(flagship())
    content = {
        "generator": "equipoise-randomization-1",
        "kind": "production",
        "trial": "ketamine-mbrp-cocaine",
        "protocol-hash": flagship().hash,
        "randomizations": [
            {
                "stage": "trial",
                "scheme": "permuted-blocks",
                "arms": ["midazolam", "ketamine"],
                "ratio": [1, 1],
                "factors": [],
                "parameters": {"block-sizes": [4, 6]},
            }
        ],
        "seed": bytes(range(32)).hex(),
        "nonce": bytes(range(32, 64)).hex(),
        "later": None,
    }
    assert companion.commitment == sha256_value(["equipoise-randomization-1", "commitment", content])


def test_the_commitment_binds_every_part_of_the_list():
    first = sealed(flagship())
    others = [
        seal(flagship(), entropy=Counting(1)),
        sealed(flagship(), parameters={"block-sizes": [4]}),
        sealed(flagship(), kind="training"),
        sealed(flagship(**STRATIFIED)),
        sealed(flagship(), later="a lottery"),
        sealed(flagship("complete")),
    ]
    assert len({companion.commitment for companion in (first, *others)}) == 7


def test_a_public_later_value_changes_the_list_and_not_the_commitment(tmp_path):
    protocol = flagship()
    waiting = sealed(protocol, later="lottery of 3 December")
    with pytest.raises(RandomizationError) as error:
        waiting.slots("trial:all", 1)
    assert codes(error) == ["L008"]
    ready, other = waiting.with_later_value("03-11-19"), waiting.with_later_value("03-11-20")
    assert waiting.commitment == ready.commitment == other.commitment
    assert ready.slots("trial:all", 60) != other.slots("trial:all", 60)
    write_companion(ready, tmp_path / "c.yaml")
    assert read_companion(tmp_path / "c.yaml", protocol) == ready
    with pytest.raises(RandomizationError):
        ready.with_later_value("again")
    with pytest.raises(RandomizationError):
        sealed(protocol).with_later_value("not announced")


# ---------------------------------------------------------------------- replay


def allocated(companion: Companion, n: int = 20) -> list[Allocation]:
    return [
        Allocation(stream, slot, arm, f"{stream}-{slot}")
        for _, stream in each_stream(companion)
        for slot, arm in enumerate(companion.slots(stream, n), 1)
    ]


def told(companion: Companion, rows: list[Allocation]) -> list[str]:
    return [problem.code for problem in replay(companion, rows, commitment=companion.commitment)]


def other_arm(arm: str) -> str:
    return {"ketamine": "midazolam", "midazolam": "ketamine"}[arm]


def test_a_list_that_was_kept_replays_without_a_word():
    companion = sealed(flagship(**STRATIFIED))
    rows = allocated(companion)
    assert told(companion, rows) == []
    assert told(companion, rows[::-1]) == []
    assert replay(companion, rows, commitment=f" {companion.commitment.upper()}\n") == []


def test_every_way_of_not_keeping_a_list_is_named():
    companion = sealed(flagship(**STRATIFIED))
    rows = allocated(companion)
    at = next(i for i in range(19) if rows[i].arm != rows[i + 1].arm)
    one, two = rows[at], rows[at + 1]
    swapped = copy.copy(rows)
    swapped[at : at + 2] = [Allocation(one.stream, one.slot, two.arm), Allocation(two.stream, two.slot, one.arm)]
    found = replay(companion, swapped, commitment=companion.commitment)
    assert [problem.code for problem in found] == ["L034", "L034"]
    assert [f"Slot {row.slot} " in problem.found for row, problem in zip((one, two), found, strict=True)] == [True] * 2
    assert told(companion, [row for row in rows if row != one]) == ["L032"]
    assert told(companion, [*rows, Allocation(one.stream, one.slot, one.arm, "X")]) == ["L033"]
    assert told(
        companion, [*rows, Allocation(one.stream, 21, companion.slots(one.stream, 21)[-1], one.participant)]
    ) == ["L033"]
    wrong = other_arm(companion.slots(one.stream, 21)[-1])
    assert told(companion, [*rows, Allocation(one.stream, 21, wrong, "Y")]) == ["L034"]
    assert told(companion, [*rows, Allocation("trial:site=moon", 1, "ketamine", "Z")]) == ["L034"]
    assert [p.code for p in replay(companion, rows, commitment="0" * 64)] == ["L030"]


def test_minimization_is_replayed_from_its_inputs_and_one_change_is_named_once():
    companion = sealed(flagship("minimization", **STRATIFIED))
    history: list[tuple[dict[str, str], str]] = []
    rows = []
    for number in range(30):
        profile = {
            "site": ("north", "south")[number % 2],
            "route": ("intranasal", "smoked-or-injected")[number % 3 % 2],
        }
        arm = companion.next_arm("trial:all", history, profile)
        history.append((profile, arm))
        rows.append(Allocation("trial:all", number + 1, arm, None, profile))
    assert told(companion, rows) == []
    last = rows[-1]
    rows[-1] = Allocation("trial:all", 30, other_arm(last.arm), None, last.profile)
    assert told(companion, rows) == ["L034"]


def test_commands_seal_commit_and_replay(tmp_path):
    path = tmp_path / "trial.yaml"
    path.write_text(FLAGSHIP, "utf-8")
    file, csv = tmp_path / "c.yaml", tmp_path / "a.csv"
    made = runner.invoke(app, ["randomization", "seal", str(path), "--block-size", "4", "--out", str(file), "--json"])
    assert made.exit_code == 0, made.output
    commitment = json.loads(made.stdout)["commitment"]
    shown = runner.invoke(app, ["randomization", "commit", str(path), str(file), "--json"])
    assert json.loads(shown.stdout)["commitment"] == commitment
    assert "block" not in shown.stdout
    companion = read_companion(file, read_protocol(path))
    rows = allocated(companion, 12)
    lines = ["participant_id,stream,slot,arm", *(f"{r.participant},{r.stream},{r.slot},{r.arm}" for r in rows)]
    csv.write_text("\n".join(lines) + "\n", "utf-8")
    assert read_allocations(csv, companion) == [
        Allocation(r.stream, r.slot, r.arm, r.participant, None, line) for line, r in enumerate(rows, 2)
    ]
    command = ["randomization", "replay", str(path), str(file), str(csv), "--commitment"]
    kept = runner.invoke(app, [*command, commitment])
    assert kept.exit_code == 0
    assert "12 allocations" in kept.stdout
    lines[5] = lines[5].replace(rows[4].arm, other_arm(rows[4].arm))
    csv.write_text("\n".join(lines) + "\n", "utf-8")
    broken = runner.invoke(app, [*command, commitment, "--json"])
    assert broken.exit_code == 9
    [problem] = json.loads(broken.stdout)["problems"]
    assert (problem["code"], problem["line"]) == ("L034", 6)
    assert "Slot 5" in problem["found"]
    assert runner.invoke(app, [*command, "00"]).exit_code == 9
    csv.write_text("stream,slot,arm\ntrial:all,999999999999,ketamine\ntrial:all,two,ketamine\n", "utf-8")
    long = runner.invoke(app, [*command, commitment, "--json"])
    assert [problem["line"] for problem in json.loads(long.stdout)["problems"]] == [2, 3]
    csv.write_text("stream,slot\n", "utf-8")
    assert runner.invoke(app, [*command, commitment]).exit_code == 9


def test_two_lists_sealed_by_the_command_are_never_the_same(tmp_path):
    found = set()
    for name in ("a.yaml", "b.yaml"):
        made = runner.invoke(
            app,
            ["randomization", "seal", "ketamine-mbrp-cocaine", "--training", "--out", str(tmp_path / name), "--json"],
        )
        assert json.loads(made.stdout)["kind"] == "training"
        found.add(json.loads(made.stdout)["commitment"])
    assert len(found) == 2


def test_a_later_value_is_mixed_in_by_command(tmp_path):
    first, second = tmp_path / "c.yaml", tmp_path / "d.yaml"
    name = "ketamine-mbrp-cocaine"
    runner.invoke(app, ["randomization", "seal", name, "--later", "lottery of 3 December", "--out", str(first)])
    waiting = read_companion(first, base(name))
    done = runner.invoke(
        app, ["randomization", "mix", name, str(first), "--value", "03-11-19", "--out", str(second), "--json"]
    )
    assert json.loads(done.stdout)["commitment"] == waiting.commitment
    assert len(read_companion(second, base(name)).slots("trial:all", 5)) == 5


@pytest.mark.parametrize("option", [["--urn", "one"], ["--weight", "site"]])
def test_options_that_cannot_be_read_are_refused(option, tmp_path):
    out = str(tmp_path / "c.yaml")
    done = runner.invoke(app, ["randomization", "seal", "ketamine-mbrp-cocaine", *option, "--out", out])
    assert done.exit_code == 2
    assert not Path(out).exists()


# ---------------------------------------------------------------------- report


def test_the_report_gives_every_scheme_for_the_planned_trial():
    done = runner.invoke(
        app, ["randomization", "report", "ketamine-mbrp-cocaine", "--sites", "3", "--n", "40", "--json"]
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    [part] = found["randomizations"]
    assert (part["n"], part["n_strata"], part["levels"]) == (40, 3, {"site": 3})
    rows = {row["words"]: row["expected"] for row in part["rows"]}
    assert part["rows"][0]["standing"] == "protocol"
    assert rows["complete"]["guess_rate"] == pytest.approx(0.5)
    assert rows["permuted-blocks 2"]["certain_share"] > rows["permuted-blocks 4"]["certain_share"]
    assert rows["permuted-blocks 4"]["certain_share"] > 4 * rows["permuted-blocks 4, 6"]["certain_share"]
    assert rows["big-stick limit 3"]["guess_rate"] < rows["permuted-blocks 4, 6"]["guess_rate"]
    # Minimization over one factor with certainty is stratified blocks of 2: two ways of working it out agree.
    one, other = rows["minimization p 1, range of site"], rows["permuted-blocks 2"]
    for name in ("guess_rate", "certain_share", "mean_difference", "sd_difference"):
        assert one[name] == pytest.approx(other[name], abs=1e-6)
    assert "selection bias" in found["functional_unblinding"]


def test_the_report_of_a_companion_works_out_what_was_sealed(tmp_path):
    path, file = tmp_path / "trial.yaml", tmp_path / "c.yaml"
    path.write_text(FLAGSHIP.replace(SCHEME, "  scheme: big-stick\n  strata: null\n"), "utf-8")
    runner.invoke(app, ["randomization", "seal", str(path), "--limit", "4", "--out", str(file)])
    done = runner.invoke(app, ["randomization", "report", str(path), "--companion", str(file), "--n", "50", "--json"])
    first = json.loads(done.stdout)["randomizations"][0]["rows"][0]
    assert (first["standing"], first["words"]) == ("sealed", "big-stick limit 4")
    assert first["expected"]["guess_rate"] == pytest.approx(0.5550, abs=0.00006)
    text = runner.invoke(app, ["randomization", "report", str(path), "--companion", str(file), "--n", "12"]).stdout
    assert "SEALED" in text


def test_the_report_of_a_trial_of_nobody_asks_for_a_number():
    done = runner.invoke(app, ["randomization", "report", "ketamine-mbrp-cocaine", "--n", "0"])
    assert done.exit_code == 9
