"""The generator of allocation lists against a second implementation, its printed vectors, and openssl."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from equipoise.randomization.biased_coins import BigStick, ChenCoin, EfronCoin
from equipoise.randomization.generator import Stream, draw_below, list_key, word
from equipoise.randomization.minimization import Minimization
from equipoise.randomization.permuted_blocks import PermutedBlocks

sys.path.insert(0, str(Path(__file__).resolve().parent / "randomization"))

import second_randomizer as second

ROOT = Path(__file__).resolve().parents[2]
VECTORS = json.loads((ROOT / "docs" / "randomization-vectors.json").read_text("utf-8"))
SEED = bytes.fromhex(VECTORS["seed"])
KEY = list_key(SEED, "production", VECTORS["trial"])


def test_the_printed_vectors_are_those_of_the_second_implementation():
    assert json.loads(json.dumps(second.vectors())) == VECTORS


def test_keys_of_each_kind_and_of_a_later_value_are_the_printed_ones():
    found = [list_key(SEED, entry["kind"], VECTORS["trial"], entry["later"]).hex() for entry in VECTORS["keys"]]
    assert found == [entry["key"] for entry in VECTORS["keys"]]
    assert len(set(found)) == len(found)


def test_words_are_the_first_eight_bytes_of_the_printed_hmac():
    for entry in VECTORS["words"]:
        found = word(KEY, entry["stream"], entry["slot"], entry["purpose"], entry["attempt"])
        assert f"{found:016x}" == entry["hmac"][:16]


def test_draws_below_a_bound_are_the_printed_ones_and_some_were_rejected_first():
    for entry in VECTORS["draws"]:
        assert draw_below(KEY, entry["stream"], entry["slot"], entry["purpose"], entry["bound"]) == int(entry["value"])
    # 2^62 + 1 rejects about a quarter of all words: rejection is exercised, and by the printed vectors themselves.
    large = 2**62 + 1
    rejected = [slot for slot in range(1, 5) if word(KEY, "trial:all", slot, "arm", 0) >= 2**64 - 2**64 % large]
    assert rejected


def letters(arms: list[int]) -> str:
    return " ".join("ca"[arm] for arm in arms)


def test_whole_lists_of_the_schemes_are_the_printed_ones():
    def made(scheme, stream, n):
        return letters(scheme.arms(Stream(KEY, stream), n))

    lists = VECTORS["lists"]
    two_thirds = Fraction(2, 3)
    assert made(PermutedBlocks((1, 1), [4]), "trial:all", 24) == lists["permuted-blocks 1:1, sizes 4"]
    assert made(PermutedBlocks((1, 1), [6, 4]), "trial:site=north", 40) == lists["permuted-blocks 1:1, sizes 4 and 6"]
    third = lists["permuted-blocks 2:1, sizes 3 and 6"]
    assert made(PermutedBlocks((2, 1), [3, 6]), "trial:site=s%C3%BCd", 30) == third
    assert made(BigStick((1, 1), 3), "trial:all", 40) == lists["big-stick, limit 3"]
    assert made(EfronCoin((1, 1), two_thirds), "trial:all", 40) == lists["efron, probability 2/3"]
    assert made(ChenCoin((1, 1), 3, two_thirds), "trial:all", 40) == lists["chen, limit 3, probability 2/3"]
    scheme = Minimization((1, 1), {"site": 2, "route": 1}, Fraction(4, 5))
    history: list[tuple[dict[str, str], int]] = []
    for person in VECTORS["people"]:
        history.append((person, scheme.next_arm(Stream(KEY, "trial:all"), history, person)))
    name = "minimization, probability 4/5, range, weights site 2 and route 1"
    assert letters([arm for _, arm in history]) == lists[name]


def test_openssl_gives_the_printed_hmacs():
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl program")
    for entry in VECTORS["words"]:
        done = subprocess.run(
            [openssl, "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{KEY.hex()}"],
            input=entry["message"].encode(),
            capture_output=True,
            check=True,
        )
        assert done.stdout.decode().split()[-1] == entry["hmac"]


@pytest.mark.parametrize("bound", [0, -1, 2**63 + 1])
def test_a_bound_that_a_word_cannot_serve_is_refused(bound):
    with pytest.raises(ValueError, match="bound"):
        draw_below(KEY, "trial:all", 1, "arm", bound)
