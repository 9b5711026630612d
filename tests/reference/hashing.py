"""Slow twins of `graphrec.kernels.hashing`, in Python integers."""

import re

WORD = (1 << 64) - 1
PRIMES = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def mix_integer(value: int) -> int:
    value &= WORD
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & WORD
    return value ^ (value >> 31)


def rotate(value: int, bits: int) -> int:
    value &= WORD
    return ((value << bits) | (value >> (64 - bits))) & WORD


def xxh64(data: bytes) -> int:
    """XXH64 with seed 0, step by step as its specification lists it."""
    p1, p2, p3, p4, p5 = PRIMES

    def lane_round(lane: int, word: int) -> int:
        return (rotate(lane + word * p2, 31) * p1) & WORD

    rest = data
    if len(data) >= 32:
        lanes = [p1 + p2, p2, 0, -p1]
        while len(rest) >= 32:
            lanes = [
                lane_round(lane, int.from_bytes(rest[8 * i : 8 * i + 8], "little"))
                for i, lane in enumerate(lanes)
            ]
            rest = rest[32:]
        key = sum(rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True))
        for lane in lanes:
            key = ((key ^ lane_round(0, lane)) * p1 + p4) & WORD
    else:
        key = p5
    key = (key + len(data)) & WORD
    while len(rest) >= 8:
        key ^= lane_round(0, int.from_bytes(rest[:8], "little"))
        key = (rotate(key, 27) * p1 + p4) & WORD
        rest = rest[8:]
    if len(rest) >= 4:
        key ^= (int.from_bytes(rest[:4], "little") * p1) & WORD
        key = (rotate(key, 23) * p2 + p3) & WORD
        rest = rest[4:]
    for byte in rest:
        key = (rotate(key ^ (byte * p5 & WORD), 11) * p1) & WORD
    key = ((key ^ (key >> 33)) * p2) & WORD
    key = ((key ^ (key >> 29)) * p3) & WORD
    return key ^ (key >> 32)


def text_key(text: str) -> int:
    """The key of one string: of the int64 it prints, else its XXH64."""
    if re.fullmatch(r"0|-?[1-9][0-9]*", text) and -(1 << 63) <= int(text) < 1 << 63:
        return mix_integer(int(text))
    return xxh64(text.encode())
