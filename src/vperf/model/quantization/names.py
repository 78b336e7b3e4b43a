"""A config's list of names, globs and regexes, answering which modules it means.

Names are compared as places.py spells them; globs and regexes are tried on the name as given and
on its canonical spellings.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Hashable, Iterable

from vperf.model.quantization.places import (
    MAX_LAYER_DIGITS,
    OUTSIDE,
    SYNONYMS,
    TOWERS,
    WRAPPERS,
    Place,
    canonical_segments,
    split_layer,
    stem_of,
    tower_and_rest,
)  # fmt: skip
from vperf.model.quantization.regexes import is_costly
from vperf.values import dataclass

_PLAIN = re.compile(r"[\w.\-]+", re.ASCII)
_SAYS_REGEX = re.compile(r"^re:|^\.\*|[\\^$(|]")
"""compressed-tensors marks its regexes; transformers and AutoRound take them unmarked."""
_SPELLED_UNDER = ("", "model.", "model.language_model.", "language_model.model.")
"""Prefixes under which a regex may expect the language model's names."""


class BadPatternError(ValueError):
    """A regex of a name list that cannot be used; the caller knows which field it was in."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A glob or regex, tried on the name as given and on its canonical spellings."""

    raw: re.Pattern[str]
    canonical: re.Pattern[str]
    text: str
    by_layer: bool
    """Holds a digit, so its answer may differ from layer to layer."""
    fixed: tuple[str, str] | None
    """A glob's words before its first star, raw and canonical; None for a regex."""

    def may_match(self, *starts: str) -> bool:
        """False when a glob's first words rule out every layer that starts so: as given, and in the
        canonical spelling."""
        if self.fixed is None:
            return True
        return any(
            fixed.startswith(start) or start.startswith(fixed)
            for fixed, start in zip(self.fixed, starts, strict=True)
        )

    def matches(self, place: Place, layer: int | None) -> bool:
        if self.raw.match(place.raw(layer)):
            return True
        under = _SPELLED_UNDER if self.fixed is None and place.tower in ("", "mtp") else ("",)
        return any(self.canonical.match(u + text) for text in place.texts(layer) for u in under)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a list says of one Place: of every layer, of some, or ask the patterns each time."""

    always: bool
    layers: frozenset[int] = frozenset()
    patterns: tuple[_Pattern, ...] = ()

    def holds(self, place: Place, layer: int | None) -> bool:
        """Whether the list means the place in this layer."""
        return (
            self.always
            or layer in self.layers
            or any(pattern.matches(place, layer) for pattern in self.patterns)
        )


ALWAYS = Verdict(True)
NEVER = Verdict(False)


class Names:
    """A list of names, globs and regexes (re:...).

    A listed name covers the module, everything under it, and its fused or split form.
    """

    def __init__(self, entries: Iterable[str] = (), *, regexes: Iterable[str] = ()) -> None:
        self._layered: dict[tuple[str, str], set[int]] = {}
        """(tower, rest) -> layers, of names with a layer number."""
        self._rooted: set[tuple[str, str]] = set()
        """(tower, rest) of names within a tower."""
        self._bare: set[str] = set()
        """Names that stand anywhere: "gate", "mlp.gate", "lm_head"."""
        self._by_layer: dict[int, list[Hashable]] | None = None
        self._globs: dict[str, set[int]] = {}
        """Globs behind a layer number, as NVIDIA lists them by the hundred."""
        self._patterns: list[_Pattern] = [_regex(text) for text in regexes]
        raw_layered: dict[tuple[str, str], set[int]] = {}
        for entry in dict.fromkeys(entries):
            if _PLAIN.fullmatch(entry):
                head, layer, rest = split_layer(entry)
                if layer is None:
                    self._add_plain(entry.rstrip("."))
                elif (key := (head, rest)) in raw_layered:
                    raw_layered[key].add(layer)
                else:
                    raw_layered[key] = {layer}
            elif _SAYS_REGEX.search(entry):
                self._patterns.append(_regex(entry.removeprefix("re:")))
            else:
                self._add_glob(entry)
        for (head, rest), layers in raw_layered.items():
            self._layered.setdefault(tower_and_rest(head, rest, True), set()).update(layers)

    def _add_plain(self, name: str) -> None:
        tower, rest = tower_and_rest(name, "", False)
        if tower:
            self._rooted.add((tower, rest))
        if rest or "." not in name:
            self._bare.add(rest or name)

    def _add_glob(self, glob: str) -> None:
        segments = glob.split(".")
        while len(segments) > 1 and segments[0] in WRAPPERS:
            segments.pop(0)
        number = segments[1] if len(segments) > 1 and segments[0] == "layers" else ""
        digits = number.removesuffix("*") if len(segments) == 2 else number
        if digits.isascii() and digits.isdigit() and len(digits) <= MAX_LAYER_DIGITS:
            if len(segments) == 2:
                self._layered.setdefault(("", ""), set()).update(_starting_with(digits))
            else:
                rest = ".".join(canonical_segments(segments[2:]))
                self._globs.setdefault(rest, set()).add(int(digits))
            return
        segments[0] = stem_of(segments[0], TOWERS)
        if len(segments) == 1:
            segments[0] = stem_of(segments[0], OUTSIDE)
        canonical = ".".join(canonical_segments(segments))
        fixed = (_before_star(glob), _before_star(canonical))
        self._patterns.append(
            _Pattern(_glob(glob), _glob(canonical), canonical, _has_digit(glob), fixed)
        )

    def of_layer(self, layer: int) -> Hashable:
        """What tells a layer from others: the names and globs that list its number; the number
        itself where a pattern holds a digit, which may be one of a layer."""
        if self._by_layer is None:
            self._by_layer = {}
            for key, numbers in (*self._layered.items(), *self._globs.items()):
                for number in numbers:
                    self._by_layer.setdefault(number, []).append(key)
        if any(p.by_layer and p.may_match("model.layers.", "layers.") for p in self._patterns):
            return layer
        return tuple(self._by_layer.get(layer, ()))

    def verdict(self, place: Place, *, whole: bool = False) -> Verdict:
        """What the list says of a place; whole: naming itself, not just a parent or everything."""
        if not self._bare.isdisjoint(place.tails if whole else place.runs):
            return ALWAYS
        reach = frozenset(place.rests) if whole else place.parents
        if any((place.tower, rest) in self._rooted for rest in reach):
            return ALWAYS
        layers: set[int] = set()
        if place.in_layer:
            for rest in reach:
                layers |= self._layered.get((place.tower, rest), set())
            layers |= self._layers_of_globs(place, whole)
        asked: list[_Pattern] = []
        for pattern in self._patterns:
            if whole and not _names_leaf(pattern.text, place):
                continue
            if pattern.by_layer and place.in_layer:
                if pattern.may_match(place.raw_head, place.start):
                    asked.append(pattern)
            elif pattern.matches(place, 0 if place.in_layer else None):
                return ALWAYS
        return Verdict(False, frozenset(layers), tuple(asked))

    def _layers_of_globs(self, place: Place, whole: bool) -> set[int]:
        layers: set[int] = set()
        for glob, numbers in self._globs.items() if not place.tower else ():
            if whole and not _names_leaf(glob, place):
                continue
            if any(_glob(glob).match(rest) for rest in place.rests):
                layers |= numbers
        return layers


def _names_leaf(text: str, place: Place) -> bool:
    return any(rest.rpartition(".")[2] in text for rest in place.rests if rest)


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)


def _before_star(glob: str) -> str:
    return re.split(r"[*?\[]", glob, maxsplit=1)[0]


def _starting_with(digits: str) -> set[int]:
    """The layers "layers.78*" (GLM-5) matches: 78, but also 780 to 789 and so on, as in vLLM."""
    number = int(digits)
    if digits[0] == "0":
        return {number}
    return {number * scale + i for scale in (1, 10, 100) for i in range(scale)}


@functools.lru_cache(maxsize=4096)
def _glob(glob: str) -> re.Pattern[str]:
    """A glob as ModelOpt and vLLM read it (* spans dots), and everything under what it matches."""
    return re.compile(f"{fnmatch.translate(glob)}|{fnmatch.translate(glob + '.*')}")


_WORD = re.compile(r"(?<![A-Za-z0-9_\\])[A-Za-z][A-Za-z0-9_]*(?![A-Za-z0-9_])")
_REGEX_WRAPPER = re.compile(
    rf"^\^?(?:(?:{'|'.join(sorted(WRAPPERS, key=len, reverse=True))})\\?\.)+"
)


def _regex(text: str) -> _Pattern:
    """A regex as compressed-tensors reads it: matched from the start of a name, not to its end."""
    if is_costly(text):
        raise BadPatternError("holds a regex too long or too costly to try")

    def word(match: re.Match[str]) -> str:
        found = match.group()
        return SYNONYMS.get(found, TOWERS.get(found, found))

    canonical = _REGEX_WRAPPER.sub("", _WORD.sub(word, text))
    try:
        raw = re.compile(text)
        try:
            tidy = re.compile(canonical)
        except re.error:  # "model.*" lost its wrapper
            tidy = raw
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise BadPatternError(f"holds a bad regex ({error})") from error
    return _Pattern(raw, tidy, f"{text} {canonical}", _has_digit(text), None)
