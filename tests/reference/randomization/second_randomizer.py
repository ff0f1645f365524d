"""A second, tiny randomizer, written from docs/randomization-generator.md alone: it imports nothing of the product.

python tests/reference/randomization/second_randomizer.py > docs/randomization-vectors.json
"""

from __future__ import annotations

import hashlib
import json


def hmac_sha256(key: bytes, text: str) -> bytes:
    """RFC 2104 by its two paddings; keys of 32 bytes."""
    block = key + bytes(64 - len(key))
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in block) + text.encode()).digest()
    return hashlib.sha256(bytes(b ^ 0x5C for b in block) + inner).digest()


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def key_of(seed: str, kind: str, trial: str, later: str) -> bytes:
    message = f'["equipoise-randomization-1","key",{quoted(kind)},{quoted(trial)},{quoted(later)}]'
    return hmac_sha256(bytes.fromhex(seed), message)


def message(stream: str, slot: int, purpose: str, attempt: int) -> str:
    return f'["equipoise-randomization-1","draw",{quoted(stream)},{slot},{quoted(purpose)},{attempt}]'


def below(key: bytes, stream: str, slot: int, purpose: str, bound: int) -> int:
    attempt = 0
    while True:
        digest = hmac_sha256(key, message(stream, slot, purpose, attempt)).hex()
        number = int(digest[:16], 16)
        if number // bound < 2**64 // bound:
            return number % bound
        attempt += 1


def blocks(key: bytes, stream: str, arms: list[str], ratio: list[int], sizes: list[int], n: int) -> list[str]:
    """Arms written out block by block: the arm at a drawn place is taken out of a list in arm order."""
    out: list[str] = []
    while len(out) < n:
        size = sizes[below(key, stream, len(out) + 1, "block-size", len(sizes))] if len(sizes) > 1 else sizes[0]
        bag = [arm for arm, part in zip(arms, ratio) for _ in range(size * part // sum(ratio))]
        while bag:
            out.append(bag.pop(below(key, stream, len(out) + 1, "arm", len(bag))))
    return out[:n]


def coin(key: bytes, stream: str, arms: list[str], top: int, bottom: int, limit: int | None, n: int) -> list[str]:
    """Two arms; top in bottom for the one with fewer; certain at the limit. Big stick: 1 in 2; Efron: no limit."""
    out: list[str] = []
    for slot in range(1, n + 1):
        lead = out.count(arms[0]) - out.count(arms[1])
        if lead == 0:
            first, of = 1, 2
        elif limit is not None and abs(lead) >= limit:
            first, of = (1, 1) if lead < 0 else (0, 1)
        else:
            first, of = (top, bottom) if lead < 0 else (bottom - top, bottom)
        out.append(arms[0] if below(key, stream, slot, "arm", of) < first else arms[1])
    return out


def minimized(
    key: bytes,
    stream: str,
    arms: list[str],
    top: int,
    bottom: int,
    weights: dict[str, int],
    people: list[dict[str, str]],
) -> list[str]:
    """Two arms, range: the sum over factors of what the difference at the person's level would be."""
    out: list[str] = []
    for slot, person in enumerate(people, 1):
        ahead = 0  # how much worse the first arm would be
        for factor, weight in weights.items():
            lead = sum(1 if arm == arms[0] else -1 for arm, past in zip(out, people) if past[factor] == person[factor])
            ahead += weight * (abs(lead + 1) - abs(lead - 1))
        first, of = (1, 2) if ahead == 0 else (top, bottom) if ahead < 0 else (bottom - top, bottom)
        out.append(arms[0] if below(key, stream, slot, "arm", of) < first else arms[1])
    return out


SEED = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
PEOPLE = [{"site": ["north", "south"][i * i % 3 % 2], "route": ["oral", "nasal"][i // 3 % 2]} for i in range(24)]


def vectors() -> dict[str, object]:
    key = key_of(SEED, "production", "example-trial", "")
    arms = ["control", "active"]
    large = 2**62 + 1
    words = [
        ("trial:all", 1, "arm"),
        ("trial:all", 2, "arm"),
        ("trial:all", 1, "block-size"),
        ("phase-2:site=north", 1, "arm"),
    ]
    lists = {
        "permuted-blocks 1:1, sizes 4": blocks(key, "trial:all", arms, [1, 1], [4], 24),
        "permuted-blocks 1:1, sizes 4 and 6": blocks(key, "trial:site=north", arms, [1, 1], [4, 6], 40),
        "permuted-blocks 2:1, sizes 3 and 6": blocks(key, "trial:site=s%C3%BCd", arms, [2, 1], [3, 6], 30),
        "big-stick, limit 3": coin(key, "trial:all", arms, 1, 2, 3, 40),
        "efron, probability 2/3": coin(key, "trial:all", arms, 2, 3, None, 40),
        "chen, limit 3, probability 2/3": coin(key, "trial:all", arms, 2, 3, 3, 40),
        "minimization, probability 4/5, range, weights site 2 and route 1": minimized(
            key, "trial:all", arms, 4, 5, {"site": 2, "route": 1}, PEOPLE
        ),
    }
    return {
        "generator": "equipoise-randomization-1",
        "seed": SEED,
        "trial": "example-trial",
        "keys": [
            {"kind": kind, "later": later, "key": key_of(SEED, kind, "example-trial", later).hex()}
            for kind, later in (("production", ""), ("training", ""), ("sham", ""), ("production", "4711, 12 March"))
        ],
        "words": [
            {
                "stream": stream,
                "slot": slot,
                "purpose": purpose,
                "attempt": attempt,
                "message": message(stream, slot, purpose, attempt),
                "hmac": hmac_sha256(key, message(stream, slot, purpose, attempt)).hex(),
            }
            for stream, slot, purpose in words
            for attempt in (0, 1)
        ],
        "draws": [
            {
                "stream": "trial:all",
                "slot": slot,
                "purpose": "arm",
                "bound": bound,
                "value": str(below(key, "trial:all", slot, "arm", bound)),
            }
            for bound in (1, 2, 3, 6, 1000, large, 2**63)
            for slot in range(1, 5)
        ],
        "people": PEOPLE,
        "lists": {name: " ".join(arm[0] for arm in made) for name, made in lists.items()},
    }


if __name__ == "__main__":
    print(json.dumps(vectors(), indent=1, ensure_ascii=False))
