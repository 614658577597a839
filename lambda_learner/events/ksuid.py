"""KSUIDs: ids whose text sorts by time.

27 characters of base 62 (0-9, A-Z, a-z: the order of ASCII) spell 20 bytes, big-endian: 4 bytes of
seconds since EPOCH_S, then 16 random bytes. All texts have one length, so the order of the texts is the
order of the numbers, and a text is a 160-bit number iff it is not greater than MAX.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

__all__ = ["EPOCH_S", "LENGTH", "MAX", "encode", "is_valid", "unix_seconds"]

EPOCH_S: Final = 1_400_000_000  # 2014-05-13T16:53:20Z, the second 0 of a KSUID
LENGTH: Final = 27  # characters of base 62 that hold 160 bits
MAX: Final = "aWgEPTl1tmebfsQzFP4bxwgy80V"  # 2**160 - 1

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = {character: digit for digit, character in enumerate(_ALPHABET)}
_PAYLOAD_BYTES: Final = 16
_PAYLOAD_BITS: Final = 128
# The ids of one 6-character prefix span 62**21, about an eighth of a second's 2**128:
# so a prefix meets one boundary between seconds at most.
_PREFIX_LENGTH: Final = 6
_PREFIX_SPAN: Final = 62 ** (LENGTH - _PREFIX_LENGTH)
_CACHED_PREFIXES: Final = 65_536  # about two hours of seconds


def unix_seconds(text: str) -> int:
    """Seconds since the Unix epoch that an id carries; ValueError if the text is no KSUID.

    About 0.3 µs when its prefix, an eighth of a second, was met before.
    """
    if not is_valid(text):
        message = f"a KSUID is {LENGTH} characters of 0-9A-Za-z, at most {MAX}, got {text[:40]!r}"
        raise ValueError(message)
    seconds, boundary = _second_of_prefix(text[:_PREFIX_LENGTH])
    return seconds if text < boundary else seconds + 1


def is_valid(text: str) -> bool:
    """Whether a text is a KSUID."""
    return len(text) == LENGTH and text.isascii() and text.isalnum() and text <= MAX


def encode(unix_seconds: int, payload: bytes) -> str:
    """The id of a second and 16 bytes; ValueError for a second before EPOCH_S or over 32 bits."""
    seconds = unix_seconds - EPOCH_S
    if not 0 <= seconds < 2**32:
        message = f"unix_seconds must be in {EPOCH_S}…{EPOCH_S + 2**32 - 1}, got {unix_seconds}"
        raise ValueError(message)
    if len(payload) != _PAYLOAD_BYTES:
        message = f"payload must be 16 bytes, got {len(payload)}"
        raise ValueError(message)
    return _text(seconds << _PAYLOAD_BITS | int.from_bytes(payload, "big"))


@lru_cache(maxsize=_CACHED_PREFIXES)
def _second_of_prefix(prefix: str) -> tuple[int, str]:
    """The second of the prefix's least id, and the text from which on its ids are of the next second."""
    number = 0
    for character in prefix:
        number = number * 62 + _DIGITS[character]
    first = number * _PREFIX_SPAN >> _PAYLOAD_BITS
    last = (number + 1) * _PREFIX_SPAN - 1 >> _PAYLOAD_BITS
    # "~" sorts after every id: no boundary within this prefix.
    return first + EPOCH_S, "~" if first == last else _text(last << _PAYLOAD_BITS)


def _text(number: int) -> str:
    characters = []
    for _ in range(LENGTH):
        number, digit = divmod(number, 62)
        characters.append(_ALPHABET[digit])
    return "".join(reversed(characters))
