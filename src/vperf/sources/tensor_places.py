"""Where tensors go, as llama.cpp spells it: `-ot PATTERN=PLACE`, `-ts 3,1`.

Not here: which layers that moves (model/placement.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from vperf.errors import InputError
from vperf.model.quantization.regexes import is_costly

_MAX_PATTERNS = 64
_HOST = frozenset({"cpu", "cpu_host", "cuda_host", "vulkan_host", "rocm_host", "sycl_host"})
_CARD = re.compile(r"[a-z]+(\d{1,2})")


def parse_overrides(
    texts: Sequence[str], cards: int
) -> Iterator[tuple[re.Pattern[str], int | None]]:
    """(pattern of a tensor's name, card or None for the host), commas and repeats in order."""
    parts = [part.strip() for text in texts for part in text.split(",") if part.strip()]
    if len(parts) > _MAX_PATTERNS:
        raise InputError(f"more than {_MAX_PATTERNS} patterns", field="override-tensor")
    for part in parts:
        pattern, equals, there = part.rpartition("=")
        if not equals or not pattern:
            raise InputError(f"{part[:80]!r} is not PATTERN=CPU", field="override-tensor")
        yield _compiled(pattern), _place(there.strip(), cards)


def _compiled(pattern: str) -> re.Pattern[str]:
    if is_costly(pattern):
        raise InputError(f"{pattern[:80]!r} is too long or too costly a pattern to try",
                         field="override-tensor")  # fmt: skip
    try:
        return re.compile(pattern)
    except re.error as error:
        raise InputError(
            f"{pattern[:80]!r} is no regular expression: {error}", field="override-tensor"
        ) from None


def _place(name: str, cards: int) -> int | None:
    if name.lower() in _HOST:
        return None
    card = _CARD.fullmatch(name.lower())
    if card is None or int(card[1]) >= cards:
        there = "one card (CUDA0)" if cards == 1 else f"{cards} cards (CUDA0, ...)"
        raise InputError(f"{name[:40]!r} is neither CPU nor of {there}", field="override-tensor")
    return int(card[1])


def experts_of(layers: Iterable[int]) -> re.Pattern[str]:
    """The routed experts of these layers, as --n-cpu-moe names them."""
    some = "|".join(map(str, layers))
    return re.compile(rf"blk\.(?:{some})\.ffn_(?:up|down|gate)_exps")


def parse_shares(text: str, cards: int) -> list[float]:
    """A share of the layers for each card, from "3,1"; cards that are not named get none."""
    try:
        shares = [float(part) for part in re.split(r"[,/;]", text)]
    except ValueError:
        shares = []
    if not shares or len(shares) > cards or not all(0 <= share < 1e9 for share in shares):
        raise InputError(f"{text[:80]!r} is no share for each of {cards} cards, as 3,1",
                         field="tensor-split")  # fmt: skip
    if sum(shares) <= 0:
        raise InputError("gives no card a layer", field="tensor-split")
    return [*shares, *[0.0] * (cards - len(shares))]
