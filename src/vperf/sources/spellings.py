"""When two spellings are one name: of a card, of a host.

Not here: which names there are (gpu_names.py, hosts.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

_LOWER = bytes(range(256)).lower()


_SEPARATORS = bytes(b for b in range(256) if not chr(b).isalnum() or b > 127).replace(b"\n", b"")


_MARKS = re.compile(rb"\((?:r|tm|c)\)")


_VENDOR_WORDS = re.compile(
    rb"nvidia|geforce|amd|radeon|instinct|intel|apple|tesla|generation|edition|graphics|gpu"
    rb"|macbook ?(?:pro|air)|mac ?(?:studio|mini|pro)|imac"
)


def exact_key(text: str | bytes) -> bytes:
    """Case, separators and trademark signs do not count: "RTX 4090" is "rtx_4090"."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "ignore")
    return _MARKS.sub(b"", raw.lower()).translate(_LOWER, _SEPARATORS)


def loose_key(text: str | bytes) -> bytes:
    """Nor do vendor words: "NVIDIA GeForce RTX 4090" is "RTX4090"."""
    return _VENDOR_WORDS.sub(b"", exact_key(text))


_WORD = re.compile(r"[a-z0-9+]+")


def by_their_words(name: str, spellings: Mapping[str, Iterable[str]]) -> str | None:
    """The one id of which a spelling has all words of a name, in any order: "5090 laptop".

    None without one, with several, and for a name without a digit, which says too little.
    """
    asked = _words_of(name)
    if not any(letter.isdigit() for word in asked for letter in word):
        return None
    found = [
        each
        for each, spelled in spellings.items()
        if any(asked <= _words_of(text) for text in spelled)
    ]
    return found[0] if len(found) == 1 else None


@lru_cache(maxsize=4096)
def _words_of(text: str) -> frozenset[str]:
    plain = _VENDOR_WORDS.sub(b" ", text.lower().encode("ascii", "ignore")).decode()
    return frozenset(_WORD.findall(plain))
