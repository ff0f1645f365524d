"""A rehearsal: a training trial filled through the actions, whole, up to the day before, for every role."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path


def test_a_rehearsal_is_a_whole_trial_up_to_last_night_that_every_role_can_open(tmp_path: Path) -> None:
    from django.test import Client

    from equipoise.conduct.actions.permissions import COLUMNS
    from equipoise.conduct.clock import SetClock
    from equipoise.conduct.integrity.verify import verify
    from equipoise.web.application import set_up_pages
    from equipoise.web.rehearsal import PEOPLE, rehearse
    from equipoise.web.served import Served
    from equipoise.workflow.library import read_protocol

    now = datetime(2027, 5, 3, 15, 0, tzinfo=UTC)
    made = rehearse(read_protocol("ketamine-mbrp-cocaine"), tmp_path / "trial", n=4, now=now)
    assert made.refused == {}
    assert {role for *_, role in PEOPLE} == set(COLUMNS)
    trial = made.trial
    with trial.use():
        assert trial.run("SELECT count(*) FROM participant WHERE status IN ('randomized', 'eligible')") == [(4,)]
        assert trial.run("SELECT max(at) FROM event")[0][0] < "2027-05-03T04:00"  # midnight of the site
        assert trial.run("SELECT count(*) FROM item")[0][0] > 500
        assert trial.run("SELECT count(*) FROM visit WHERE state = 'attended'")[0][0] > 10
    assert verify(trial).ok
    set_up_pages()
    served = Served(trial, str(made.pharmacy), str(made.safety), SetClock(now))
    for account, _, role in PEOPLE:
        client = Client(headers={"host": "localhost"}, **{"equipoise.served": served})
        signed = client.post("/sign-in/", {"account": account, "passphrase": made.passphrase})
        assert signed.status_code == 302, role
        first = client.get(client.get("/")["Location"])
        assert first.status_code == 200, role
        assert "TRAINING" in first.content.decode()
    trial.close()
