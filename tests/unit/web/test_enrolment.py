"""From screening to randomization through pages alone, without scripts, by the roles whose steps they are."""

from __future__ import annotations

from pathlib import Path

from .conftest import Desk, key_of, post


def test_one_participant_from_screening_to_randomization(desk: Desk) -> None:
    carol, ivan = desk.client("carol"), desk.client("ivan")
    desk.at(1)
    made = post(carol, "/screen/", participant="P-1", site="main", result="continues")
    assert made.status_code == 303
    assert "✓ Recorded: P-1, screen" in carol.get(made["Location"]).content.decode()
    assert post(carol, "/p/P-1/consent/", version="1.0", on="today").status_code == 303
    refused = post(carol, "/p/P-1/baseline/", **{"values.age": "-3", "values.route": "intranasal"})
    assert refused.status_code == 422
    assert 'value="-3"' in refused.content.decode()
    baseline = {"values.age": "41", "values.route": "intranasal", "values.sex": "female", "values.use-days-30": "12"}
    assert post(carol, "/p/P-1/baseline/", **baseline).status_code == 303
    # who is no investigator sees the criteria, and cannot decide
    assert "Decide on eligibility" not in carol.get("/p/P-1/eligibility/").content.decode()
    assert carol.post("/p/P-1/eligibility/", {"attested.dependent": "yes", "key": "x"}).status_code == 403
    undecided = post(ivan, "/p/P-1/eligibility/", **{"attested.dependent": "yes"})
    assert undecided.status_code == 422
    attested = {"attested.dependent": "yes", "attested.seeking": "yes"}
    assert post(ivan, "/p/P-1/eligibility/", **attested).status_code == 303
    assert post(carol, "/p/P-1/day-1/", on="8 Mar 2027").status_code == 303
    desk.at(2)
    at = "/p/P-1/randomize/"
    assert post(carol, at, participant="P-2").status_code == 422
    assert desk.staged.rows("SELECT count(*) FROM allocation") == [(0,)]
    key = key_of(carol.get(at))
    made = carol.post(at, {"key": key, "participant": "P-1"})
    assert made.status_code == 303
    again = carol.post(at, {"key": key, "participant": "P-1"})
    assert again["Location"] == made["Location"]
    handle = desk.staged.rows("SELECT handle FROM allocation")[0][0]
    receipt = carol.get(made["Location"]).content.decode()
    assert handle in receipt
    for word in ("ketamine", "midazolam", "stream", "stratum"):
        assert word not in receipt.replace("ketamine-mbrp-cocaine", ""), word
    assert desk.staged.rows("SELECT count(*) FROM allocation") == [(1,)]


def test_two_coordinators_press_randomize_at_once(desk: Desk) -> None:
    from concurrent.futures import ThreadPoolExecutor

    desk.at(1)
    for name in ("P-1", "P-2"):
        desk.do("carol", "screen", participant=name, site="main")
        desk.do("carol", "consent", participant=name, version="1.0")
        desk.do("carol", "baseline", participant=name, values={"age": 41, "route": "intranasal"})
        desk.do("ivan", "eligibility", participant=name, attested={"dependent": True, "seeking": True})
        desk.do("carol", "day-1", participant=name)
    desk.at(2)
    clients = [(desk.client("carol"), "P-1"), (desk.client("cody"), "P-1"), (desk.client("ivan"), "P-2")]
    keys = [key_of(client.get(f"/p/{name}/randomize/")) for client, name in clients]

    said: dict[tuple[str, int], str] = {}

    def press(number: int) -> int:
        client, name = clients[number]
        try:
            answered = client.post(f"/p/{name}/randomize/", {"key": keys[number], "participant": name})
            said[name, number] = answered.content.decode()
            return int(answered.status_code)
        finally:
            desk.staged.trial.close()

    with ThreadPoolExecutor(3) as pool:
        found = sorted(pool.map(press, range(3)))
    assert found == [303, 303, 422], said
    rows = desk.staged.rows("SELECT participant, handle FROM allocation ORDER BY participant")
    assert [row[0] for row in rows] == ["P-1", "P-2"]
    assert len({row[1] for row in rows}) == 2


def test_who_is_excluded_is_counted_with_the_reason(desk: Desk) -> None:
    carol = desk.client("carol")
    refused = post(carol, "/screen/", participant="P-3", site="main", result="excluded")
    assert refused.status_code == 422
    assert "No reason is given: excluded." in refused.content.decode()
    assert (
        post(carol, "/screen/", participant="P-3", site="main", result="excluded", reason="no time").status_code == 303
    )
    assert "no time" in carol.get("/p/").content.decode()
    assert "used already" in post(carol, "/screen/", participant="P-3", site="main").content.decode().replace(
        "in use already", "used already"
    )


def test_threads_of_one_server_that_write_the_same_receipt_do_not_take_it_from_each_other(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from equipoise.conduct.trial.receipts import write_private

    def write(number: int) -> None:
        for _ in range(40):
            write_private(tmp_path / "receipt-1.json", "the same text" * 50)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))
    assert [path.name for path in tmp_path.iterdir()] == ["receipt-1.json"]
