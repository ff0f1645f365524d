"""The hasher of new passphrases, as Django's settings name it."""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher


class Argon2OneLane(Argon2PasswordHasher):
    """Argon2id with 46 MiB, one pass and one lane, the first of the settings that OWASP holds to be equally strong.

    Django's own (100 MiB, two passes, eight lanes) takes every processor of the machine at each sign-in, four times as
    long: a shift that signs in at once kept the pages of all others waiting for seconds. A hash made otherwise stays
    valid, and is made anew at the next sign-in.
    """

    time_cost = 1
    memory_cost = 47_104  # KiB
    parallelism = 1
