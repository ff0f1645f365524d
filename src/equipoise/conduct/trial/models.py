"""Models of the fixed tables. None is written but by :mod:`equipoise.conduct.trial.ledger`: triggers refuse the rest.

The columns of the projection are those of :mod:`equipoise.conduct.audit_trail.tables`; a test holds the two equal.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models

APP = "store"


class Event(models.Model):
    """One event of the open ledger: who, when, what, why, under which protocol, chained to the one before."""

    number = models.BigIntegerField(primary_key=True)
    request = models.TextField()
    step = models.IntegerField()
    action = models.TextField()
    at = models.TextField()
    zone = models.TextField()
    offset_minutes = models.IntegerField()
    clock = models.TextField()
    account = models.TextField()
    role = models.TextField()
    site = models.TextField()
    device = models.TextField()
    participant = models.TextField()
    subject = models.TextField()
    why = models.TextField()
    what = models.TextField()
    salt = models.TextField()
    digest = models.TextField()
    protocol_hash = models.TextField()
    program_version = models.TextField()
    previous = models.TextField()
    hash = models.TextField()

    class Meta:
        """Gapless numbers; one answer a request; the trail of a participant is an index away."""

        app_label = APP
        db_table = "event"
        constraints: ClassVar = [models.UniqueConstraint(fields=["request", "step"], name="event_request")]
        indexes: ClassVar = [models.Index(fields=["participant", "number"], name="event_participant")]


class SealedEvent(models.Model):
    """One event of the sealed ledger: content of one length, and the digest of the slots sealed with it."""

    number = models.BigIntegerField(primary_key=True)
    event_number = models.BigIntegerField()
    content = models.TextField()
    slots = models.TextField()
    previous = models.TextField()
    hash = models.TextField()

    class Meta:
        """The sealed ledger."""

        app_label = APP
        db_table = "sealed_event"


class Slot(models.Model):
    """One place of an allocation list: handle, stream and position open, the arm sealed."""

    handle = models.TextField(primary_key=True)
    stream = models.TextField()
    position = models.IntegerField()
    content = models.TextField()
    sealed_number = models.BigIntegerField()

    class Meta:
        """One slot a place."""

        app_label = APP
        db_table = "slot"
        constraints: ClassVar = [models.UniqueConstraint(fields=["stream", "position"], name="slot_place")]


class LedgerHead(models.Model):
    """The last number and hash of each ledger: the one row that a writer locks."""

    ledger = models.TextField(primary_key=True)
    number = models.BigIntegerField()
    hash = models.TextField()

    class Meta:
        """Moves forward only."""

        app_label = APP
        db_table = "ledger_head"


class Credential(models.Model):
    """The hash of an account's pass-phrase; the ledger holds the digest of this hash."""

    account = models.TextField(primary_key=True)
    encoded = models.TextField()
    event_number = models.BigIntegerField()

    class Meta:
        """Kept out of the ledger, so that copies of the ledger carry no hash to guess at."""

        app_label = APP
        db_table = "credential"


class TrialState(models.Model):
    """Where the trial stands: one row named `trial`."""

    name = models.TextField(primary_key=True)
    state = models.TextField()
    randomization = models.TextField()
    protocol_hash = models.TextField()
    consent_version = models.TextField()
    fence = models.TextField()
    event_number = models.BigIntegerField()

    class Meta:
        """A table of the projection."""

        app_label = APP
        db_table = "trial_state"


class ProtocolVersion(models.Model):
    """A version of the protocol, its text whole."""

    hash = models.TextField(primary_key=True)
    version = models.BigIntegerField()
    file_hash = models.TextField()
    text = models.TextField()
    adopted_at = models.TextField()
    note = models.TextField()
    event_number = models.BigIntegerField()

    class Meta:
        """A table of the projection."""

        app_label = APP
        db_table = "protocol_version"


class Site(models.Model):
    """A site and whether it may enrol."""

    site = models.TextField(primary_key=True)
    state = models.TextField()
    zone = models.TextField()
    approval = models.TextField()
    activated_on = models.TextField()
    event_number = models.BigIntegerField()

    class Meta:
        """A table of the projection."""

        app_label = APP
        db_table = "site"


class Account(models.Model):
    """An account: never deleted, never given to another person."""

    account = models.TextField(primary_key=True)
    person = models.TextField()
    roles = models.TextField()
    sites = models.TextField()
    expires_on = models.TextField()
    state = models.TextField()
    credential = models.TextField()
    refusals = models.BigIntegerField()
    refused_at = models.TextField()
    event_number = models.BigIntegerField()

    class Meta:
        """A table of the projection."""

        app_label = APP
        db_table = "account"


class Participant(models.Model):
    """A person screened or enrolled."""

    participant = models.TextField(primary_key=True)
    site = models.TextField()
    status = models.TextField()
    screening = models.TextField()
    reason = models.TextField()
    consent_version = models.TextField()
    consented_on = models.TextField()
    protocol_hash = models.TextField()
    stratum = models.TextField()
    day_1 = models.TextField()
    treatment = models.TextField()
    follow_up = models.TextField()
    infusing = models.TextField()
    in_error = models.TextField()
    unblinded = models.TextField()
    event_number = models.BigIntegerField()

    class Meta:
        """A table of the projection."""

        app_label = APP
        db_table = "participant"
        indexes: ClassVar = [models.Index(fields=["site", "status"], name="participant_site")]


class Visit(models.Model):
    """One planned or unplanned contact of one participant."""

    pk = models.CompositePrimaryKey("participant", "visit", "repeat")
    participant = models.TextField()
    visit = models.TextField()
    repeat = models.IntegerField()
    state = models.TextField()
    date = models.TextField()
    study_day = models.TextField()
    reason = models.TextField()
    note = models.TextField()
    event_number = models.BigIntegerField()

    class Meta:
        """A table of the projection."""

        app_label = APP
        db_table = "visit"


class Form(models.Model):
    """One filling of one form."""

    pk = models.CompositePrimaryKey("participant", "visit", "form", "repeat")
    participant = models.TextField()
    visit = models.TextField()
    form = models.TextField()
    repeat = models.IntegerField()
    state = models.TextField()
    date = models.TextField()
    reason = models.TextField()
    first_event = models.BigIntegerField()
    protocol_hash = models.TextField()
    event_number = models.BigIntegerField()

    class Meta:
        """A table of the projection."""

        app_label = APP
        db_table = "form"


class ItemValue(models.Model):
    """The current value of one item of one form."""

    pk = models.CompositePrimaryKey("participant", "visit", "form", "repeat", "item")
    participant = models.TextField()
    visit = models.TextField()
    form = models.TextField()
    repeat = models.IntegerField()
    item = models.TextField()
    type = models.TextField()
    value = models.TextField()
    unit = models.TextField()
    missing = models.TextField()
    blinding = models.TextField()
    event_number = models.BigIntegerField()

    class Meta:
        """A table of the projection."""

        app_label = APP
        db_table = "item"


class Query(models.Model):
    """A question about what was recorded."""

    query = models.TextField(primary_key=True)
    participant = models.TextField()
    visit = models.TextField()
    form = models.TextField()
    repeat = models.BigIntegerField()
    item = models.TextField()
    blinding = models.TextField()
    state = models.TextField()
    rule = models.TextField()
    asked_by = models.TextField()
    asked_at = models.TextField()
    first_event = models.BigIntegerField()
    text = models.TextField()
    answer = models.TextField()
    answered_by = models.TextField()
    answered_at = models.TextField()
    closed_by = models.TextField()
    closed_at = models.TextField()
    event_number = models.BigIntegerField()

    class Meta:
        """A table of the projection."""

        app_label = APP
        db_table = "query"


class Signature(models.Model):
    """A signature with its meaning over the hash of what was signed."""

    signature = models.TextField(primary_key=True)
    participant = models.TextField()
    visit = models.TextField()
    form = models.TextField()
    repeat = models.BigIntegerField()
    subject = models.TextField()
    account = models.TextField()
    person = models.TextField()
    role = models.TextField()
    meaning = models.TextField()
    content = models.TextField()
    at = models.TextField()
    state = models.TextField()
    event_number = models.BigIntegerField()

    class Meta:
        """A table of the projection."""

        app_label = APP
        db_table = "signature"


class Unblinding(models.Model):
    """A code broken: who, for whom, why."""

    unblinding = models.TextField(primary_key=True)
    participant = models.TextField()
    asked_by = models.TextField()
    told = models.TextField()
    mode = models.TextField()
    reason = models.TextField()
    at = models.TextField()
    state = models.TextField()
    event_number = models.BigIntegerField()

    class Meta:
        """A table of the projection."""

        app_label = APP
        db_table = "unblinding"


class Stream(models.Model):
    """How many slots of one randomization stream were given."""

    stream = models.TextField(primary_key=True)
    given = models.BigIntegerField()
    event_number = models.BigIntegerField()

    class Meta:
        """A table of the projection."""

        app_label = APP
        db_table = "stream"


class Allocation(models.Model):
    """A slot given to a participant, by its opaque handle."""

    pk = models.CompositePrimaryKey("participant", "randomization")
    participant = models.TextField()
    randomization = models.IntegerField()
    handle = models.TextField()
    stream = models.TextField()
    position = models.BigIntegerField()
    receipt = models.BigIntegerField()
    state = models.TextField()
    event_number = models.BigIntegerField()

    class Meta:
        """A table of the projection."""

        app_label = APP
        db_table = "allocation"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["handle"], name="allocation_handle"),
            models.UniqueConstraint(fields=["stream", "position"], name="allocation_place"),
        ]
