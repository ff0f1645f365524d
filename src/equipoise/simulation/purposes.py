"""What each random number is for: the third part of its address.

A purpose keeps its number for ever: changing one changes every simulated trial. New purposes take new numbers, so that
adding a table to the records leaves all published quantities as they were.
"""

from __future__ import annotations

from enum import IntEnum


class Purpose(IntEnum):
    """Streams of random numbers. Up to 99: allocation and published quantities; from 100: what accompanies them.

    From 200: parts that may stand more than once in a trial, told apart by the fourth word of the address.
    """

    ALLOCATION = 1
    ROUTE = 2
    PROPENSITY = 3
    RESPONDER = 4
    SITE = 5
    BLOCK_SIZE = 6
    USE = 10
    REPORT = 11
    DROPOUT = 12
    MISSED_VISIT = 13
    URINE = 14
    CRAVING_PERSON = 20
    CRAVING_VISIT = 21
    SIX_MONTHS_REACHED = 30
    SIX_MONTHS_ABSTINENT = 31

    SCREENING_FAILURES = 100
    SCREENING_REASON = 101
    SCREENING_DAY = 102
    AGE = 110
    SEX = 111
    WEIGHT = 112
    USE_DAYS = 113
    DISPOSITION = 120
    CALL_DAY = 121
    INFUSION_COURSE = 130
    VITALS_PERSON = 131
    VITALS_MINUTE = 132
    DISSOCIATION = 133
    ARM_GUESS = 134
    MINDFULNESS_PERSON = 140
    MINDFULNESS_ITEM = 141
    MINDFULNESS_LEFT_OUT = 142
    STRESS_PERSON = 145
    STRESS_ITEM = 146
    STRESS_LEFT_OUT = 147
    BASELINE_CRAVING = 148
    SESSION_HELD = 150
    SESSION_MINUTES = 151
    HOME_PRACTICE = 152
    FIDELITY = 153
    ADVERSE_EVENT = 160
    ADVERSE_EVENT_SEVERITY = 161
    ADVERSE_EVENT_COURSE = 162

    PERSON = 200
    VALUE = 201
    ITEM = 202
    ITEM_LEFT_OUT = 203
    USED = 210
    TOLD = 211
    SAMPLE = 212
    AMOUNT_PERSON = 213
    AMOUNT = 214
    EVENT_TIME = 220
    EVENT_CAUSE = 221
    EVENT_SEEN = 222
    COUNT = 230
    DOSE_GIVEN = 240
    DOSE_COURSE = 241
    DISCONTINUED = 242
    REACHED = 250
    ANSWER = 251
    SITE_EFFECT = 260
    CLASS = 270
    DIRECT = 280
    LOST = 281
    COPULA = 282
    COVARIATE = 283
