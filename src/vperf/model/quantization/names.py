"""Which modules a quantization config means: its lists of names, globs and regexes, matched
against module names of another tree.

A checkpoint's list may say "backbone.layers.3.mixer.q_proj", "layers.3.attn*", "re:.*self_attn.*"
or "gate"; the model asks for "model.layers.3.self_attn.q_proj". Both sides are brought to one
spelling, a Place (tower, layer, rest), and compared there. The spellings seen are those of
transformers, vLLM, ModelOpt and of the checkpoints named beside each table.
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_WRAPPERS = frozenset({
    "model", "language_model", "backbone", "transformer", "text_model", "decoder", "base_model",
    "llm", "thinker", "module", "gpt_neox", "text_decoder",
})  # fmt: skip
"""Leading segments that say nothing: Kimi-K2.5 language_model.model., Nemotron backbone."""

_TOWERS = {
    "visual": "vision", "vision_tower": "vision", "vision_model": "vision", "vision": "vision",
    "vision_encoder": "vision", "vit": "vision", "vpm": "vision", "image_encoder": "vision",
    "visual_encoder": "vision", "vision_embed_tokens": "vision", "patch_merger": "projector",
    "audio_tower": "audio", "audio_model": "audio", "audio_encoder": "audio", "audio": "audio",
    "speech_encoder": "audio", "sound_encoder": "audio", "apm": "audio",
    "multi_modal_projector": "projector", "mm_projector": "projector", "projector": "projector",
    "embed_vision": "projector", "embed_audio": "projector", "modality_projection": "projector",
    "vision_projector": "projector", "audio_projector": "projector", "aligner": "projector",
    "connector": "projector", "mlp1": "projector", "merger": "projector",
    "mtp": "mtp", "nextn": "mtp", "mtp_layers": "mtp", "encoder": "encoder", "talker": "talker",
    "code2wav": "talker",
}  # fmt: skip
"""First segment after the wrappers -> the part of the model that is not the language model."""

_SYNONYMS = {
    # blocks of a layer: MiniMax, Mixtral, DeepSeek-V4, Llama-4, Step-3, GPT-J
    "block_sparse_moe": "mlp", "ffn": "mlp", "feed_forward": "mlp", "moe": "mlp",
    "mlp_moe": "mlp",
    "attn": "self_attn", "attention": "self_attn", "self_attention": "self_attn",
    "shared_experts": "shared_expert", "shared_mlp": "shared_expert",
    "router": "gate",
    # leaves: Mixtral, DeepSeek-V4 (w1 gate, w3 up, w2 down), InternLM2, GPT-NeoX, Phi, Qwen
    "w1": "gate_proj", "w3": "up_proj", "w2": "down_proj", "wqkv": "qkv_proj", "Wqkv": "qkv_proj",
    "qkv": "qkv_proj", "query_key_value": "qkv_proj", "c_attn": "qkv_proj", "wo": "o_proj",
    "w13": "gate_up_proj", "wq": "q_proj", "wk": "k_proj", "wv": "v_proj",
    "indexers_proj": "weights_proj",
}  # fmt: skip

_OUTSIDE = {
    "head": "lm_head", "embed_out": "lm_head", "output": "lm_head", "shared_head": "lm_head",
    "embed": "embed_tokens", "tok_embeddings": "embed_tokens", "word_embeddings": "embed_tokens",
    "wte": "embed_tokens", "embed_in": "embed_tokens", "embeddings": "embed_tokens",
}  # fmt: skip
"""Names outside the layers: DeepSeek-V4 "head" and "embed", GPT-NeoX, InternLM2."""

_MIXER = {
    "q_proj": "self_attn", "k_proj": "self_attn", "v_proj": "self_attn", "o_proj": "self_attn",
    "qkv_proj": "self_attn", "in_proj": "mamba", "out_proj": "mamba", "conv1d": "mamba",
    "up_proj": "mlp", "down_proj": "mlp", "gate": "mlp", "experts": "mlp", "shared_expert": "mlp",
    "fc1_latent_proj": "mlp", "fc2_latent_proj": "mlp",
}  # fmt: skip
"""Nemotron-H calls every block "mixer"; what follows says which kind it is."""
_BLOCKS = frozenset({"self_attn", "mamba", "mlp", "linear_attn"})

_FUSED = {
    "q_proj": "qkv_proj", "k_proj": "qkv_proj", "v_proj": "qkv_proj", "qkv_proj": "q_proj",
    "gate_proj": "gate_up_proj", "up_proj": "gate_up_proj", "gate_up_proj": "gate_proj",
    "in_proj_qkv": "in_proj_qkvz", "in_proj_z": "in_proj_qkvz", "in_proj_qkvz": "in_proj_qkv",
    "in_proj_b": "in_proj_ba", "in_proj_a": "in_proj_ba", "in_proj_ba": "in_proj_b",
    "q_a_proj": "fused_qkv_a_proj", "kv_a_proj_with_mqa": "fused_qkv_a_proj",
    "fused_qkv_a_proj": "q_a_proj",
}  # fmt: skip
"""A part -> the matrix it is stored in elsewhere, and back: either name means both."""

_OTHER_CONTAINER = re.compile(r"(?:^|\.)(?:h|blocks|block|mtp)\.(\d{1,6})(?:\.|$)")
_MAX_LAYER_DIGITS = 6
# Sequences like (a+)+ take exponential time to fail; no list seen in a checkpoint needs one.
_NESTED_REPEAT = re.compile(r"[*+}][^()\\]*\)\s*[*+{]")
_MAX_REGEX = 2000


class BadPatternError(ValueError):
    """A regex of a name list that cannot be used; the caller knows which field it was in."""


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A module name without its layer number, in every spelling it may be listed under."""

    raw_head: str
    """The name as given, up to the layer number (all of it when there is none)."""
    raw_rest: str
    tower: str
    """"" for the language model, else "vision", "audio", "projector", "mtp", ..."""
    in_layer: bool
    rests: tuple[str, ...]
    """What follows the layer number; the first is the canonical spelling."""
    parents: frozenset[str]
    runs: frozenset[str]
    """Every run of segments: what a bare name such as "gate" or "mlp.gate" is looked up in."""
    tails: frozenset[str]

    def texts(self, layer: int | None) -> list[str]:
        """The canonical full names."""
        start = ".".join(
            [
                *([self.tower] if self.tower else []),
                *(["layers", str(layer)] if self.in_layer else []),
            ]
        )
        return [".".join(part for part in (start, rest) if part) for rest in self.rests]

    def raw(self, layer: int | None) -> str:
        """The name as it was given."""
        return f"{self.raw_head}{layer}{self.raw_rest}" if self.in_layer else self.raw_head


def split_layer(name: str) -> tuple[str, int | None, str]:
    """("model.layers.", 3, ".mlp.gate") of "model.layers.3.mlp.gate"; no layer: (name, None, "")."""
    head, found, tail = name.partition("layers.")
    if found:
        digits, _, _ = tail.partition(".")
        if digits.isascii() and digits.isdigit() and len(digits) <= _MAX_LAYER_DIGITS:
            return head + found, int(digits), tail[len(digits) :]
    match = _OTHER_CONTAINER.search(name)
    if match:
        return name[: match.start(1)], int(match.group(1)), name[match.end(1) :]
    return name, None, ""


def _stem(segment: str, table: dict[str, str]) -> str:
    """A segment's canonical spelling; a trailing * stays ("attn*" -> "self_attn*")."""
    stem = segment.rstrip("*")
    return table.get(stem, stem) + segment[len(stem) :]


def _canonical(segments: list[str]) -> list[str]:
    out = [_stem(segment, _SYNONYMS) for segment in segments]
    if out and out[-1] == "weight":
        out.pop()
    for i, segment in enumerate(out[:-1]):
        if segment == "mixer":
            out[i] = _MIXER.get(out[i + 1], segment)
    return out


@functools.lru_cache(maxsize=4096)
def _tower_and_rest(head: str, rest: str, in_layer: bool) -> tuple[str, str]:
    """The tower and the canonical rest of a name split by split_layer."""
    segments = [part for part in head.split(".") if part]
    while len(segments) > 1 and segments[0] in _WRAPPERS:
        segments.pop(0)
    tower = ""
    if segments and _stem(segments[0], _TOWERS).rstrip("*") in _TOWER_NAMES:
        tower = _stem(segments.pop(0), _TOWERS).rstrip("*")
    if in_layer:
        return tower, ".".join(_canonical([part for part in rest.split(".") if part]))
    if not tower and len(segments) == 1:
        segments = [_stem(segments[0], _OUTSIDE)]
    return tower, ".".join(_canonical(segments))


_TOWER_NAMES = frozenset(_TOWERS.values())


@functools.lru_cache(maxsize=8192)
def place_of(head: str, rest: str, in_layer: bool, flat_experts: bool = False) -> Place:
    """The Place of a name split by split_layer; cached, for layers share theirs.

    flat_experts: the experts stand beside the MLP, not in it (Gemma 4: layers.N.experts).
    """
    tower, canonical = _tower_and_rest(head, rest, in_layer)
    segments = canonical.split(".") if canonical else []
    spelled = [segments]

    def also(change: Callable[[list[str]], list[str] | None]) -> None:
        spelled.extend([new for old in tuple(spelled) if (new := change(old)) is not None])

    def beside_mlp(old: list[str]) -> list[str] | None:
        return old[1:] if old[:2] == ["mlp", "experts"] else None

    def fused(old: list[str]) -> list[str] | None:
        return [*old[:-1], _FUSED[old[-1]]] if old and old[-1] in _FUSED else None

    def other_expert(old: list[str]) -> list[str] | None:
        """Stacked experts have no number, single ones have: either may be listed."""
        if "experts" not in old:
            return None
        after = old.index("experts") + 1
        if after == len(old):
            return [*old, "0", "down_proj"]
        numbered = old[after].isdigit()
        return [*old[:after], *old[after + 1 :]] if numbered else [*old[:after], "0", *old[after:]]

    def mixer(old: list[str]) -> list[str] | None:
        return ["mixer", *old[1:]] if old and old[0] in _BLOCKS else None

    if flat_experts and beside_mlp(segments) is not None:
        spelled = [segments[1:]]
    else:
        also(beside_mlp)
    also(fused)
    also(other_expert)
    also(mixer)
    return Place(
        raw_head=head,
        raw_rest=rest,
        tower=tower,
        in_layer=in_layer,
        rests=tuple(".".join(s) for s in spelled),
        parents=frozenset(".".join(s[:i]) for s in spelled for i in range(len(s) + 1)),
        runs=frozenset(
            ".".join(s[i:j])
            for s in spelled
            for i in range(len(s))
            for j in range(i + 1, len(s) + 1)
        ),
        tails=frozenset(".".join(s[i:]) for s in spelled for i in range(len(s))),
    )


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A glob or regex that is not tied to one layer by its first words."""

    raw: re.Pattern[str]
    canonical: re.Pattern[str]
    is_glob: bool
    text: str
    by_layer: bool
    """Holds a digit, so its answer may differ from layer to layer."""

    def may_match(self, place: Place) -> bool:
        """False when the words before a glob's first star rule a place out in every layer."""
        if not self.is_glob:
            return True
        fixed = _FIXED.match(self.text)
        start = f"{place.tower}.layers." if place.tower else "layers."
        known = fixed.group() if fixed else ""
        return known[: len(start)] == start[: len(known)] or place.raw_head[:2] == self.start

    def matches(self, place: Place, layer: int | None) -> bool:
        if self.raw.match(place.raw(layer)):
            return True
        texts = place.texts(layer)
        if not self.is_glob:
            texts += ["model." + text for text in texts]
        return any(self.canonical.match(text) for text in texts)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a list says of one Place: of every layer, of some, or ask the patterns each time."""

    always: bool
    layers: frozenset[int] = frozenset()
    patterns: tuple[_Pattern, ...] = ()


class Names:
    """A list of names, globs and regexes (re:...), answering for module places.

    A listed name covers the module, everything under it, and its fused or split form.
    """

    def __init__(self, entries: Iterable[str] = (), *, regexes: Iterable[str] = ()) -> None:
        self._layered: dict[tuple[str, str], set[int]] = {}
        self._rooted: set[tuple[str, str]] = set()
        self._bare: set[str] = set()
        self._globs: dict[str, set[int]] = {}
        self._patterns: list[_Pattern] = []
        self._known: dict[tuple[Place, bool], _Verdict] = {}
        raw_layered: dict[tuple[str, str], set[int]] = {}
        for entry in dict.fromkeys(entries):
            if entry.startswith("re:"):
                self._patterns.append(_regex(entry[3:]))
            elif "*" in entry or "?" in entry:
                self._add_glob(entry)
            else:
                head, layer, rest = split_layer(entry)
                if layer is None:
                    self._add_plain(entry.rstrip("."))
                else:
                    raw_layered.setdefault((head, rest), set()).add(layer)
        for (head, rest), layers in raw_layered.items():
            self._layered.setdefault(_tower_and_rest(head, rest, True), set()).update(layers)
        self._patterns.extend(_regex(text) for text in regexes)

    def __bool__(self) -> bool:
        return bool(self._layered or self._rooted or self._bare or self._globs or self._patterns)

    def _add_plain(self, name: str) -> None:
        tower, rest = _tower_and_rest(name, "", False)
        if tower:
            self._rooted.add((tower, rest))
        if not tower or rest or "." not in name:
            self._bare.add(rest or name)

    def _add_glob(self, glob: str) -> None:
        segments = glob.split(".")
        while len(segments) > 1 and segments[0] in _WRAPPERS:
            segments.pop(0)
        number = segments[1] if len(segments) > 1 and segments[0] == "layers" else ""
        digits = number.removesuffix("*") if len(segments) == 2 else number
        if digits.isascii() and digits.isdigit() and len(digits) <= _MAX_LAYER_DIGITS:
            if len(segments) == 2:  # GLM-5: "layers.78*" also means 780 and so on
                self._layered.setdefault(("", ""), set()).update(_starting_with(digits))
            else:
                rest = ".".join(_canonical(segments[2:]))
                self._globs.setdefault(rest, set()).add(int(digits))
            return
        segments[0] = _stem(segments[0], _TOWERS)
        if len(segments) == 1:
            segments[0] = _stem(segments[0], _OUTSIDE)
        canonical = ".".join(_canonical(segments))
        self._patterns.append(
            _Pattern(_glob(glob), _glob(canonical), True, canonical, _has_digit(glob))
        )

    def cover(self, place: Place, layer: int | None, *, whole: bool = False) -> bool:
        """Whether the list names this module; whole: itself, not just a parent or everything."""
        key = (place, whole)
        verdict = self._known.get(key)
        if verdict is None:
            verdict = self._known[key] = self._judge(place, whole)
        return (
            verdict.always
            or layer in verdict.layers
            or any(pattern.matches(place, layer) for pattern in verdict.patterns)
        )

    def _judge(self, place: Place, whole: bool) -> _Verdict:
        tower = place.tower
        reach = frozenset(place.rests) if whole else place.parents
        if not self._bare.isdisjoint(place.tails if whole else place.runs):
            return _Verdict(True)
        if any((tower, rest) in self._rooted for rest in reach):
            return _Verdict(True)
        layers: set[int] = set()
        if place.in_layer:
            for rest in reach:
                layers |= self._layered.get((tower, rest), set())
            for glob, numbers in self._globs.items() if not tower else ():
                if whole and not _names_leaf(glob, place):
                    continue
                pattern = _glob(glob)
                if any(pattern.match(rest) for rest in place.rests):
                    layers |= numbers
        asked: list[_Pattern] = []
        for pattern_ in self._patterns:
            if whole and not _names_leaf(pattern_.text, place):
                continue
            if pattern_.by_layer and place.in_layer:
                if pattern_.may_match(place):
                    asked.append(pattern_)
            elif pattern_.matches(place, 0 if place.in_layer else None):
                return _Verdict(True)
        return _Verdict(False, frozenset(layers), tuple(asked))


def _names_leaf(text: str, place: Place) -> bool:
    return any(rest.rpartition(".")[2] in text for rest in place.rests if rest)


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text.replace("[0-9]", ""))


@functools.lru_cache(maxsize=4096)
def _glob(glob: str) -> re.Pattern[str]:
    """A glob as ModelOpt and vLLM read it (* spans dots), and everything under what it matches."""
    return re.compile(f"{fnmatch.translate(glob)}|{fnmatch.translate(glob + '.*')}")


_WORD = re.compile(r"(?<![A-Za-z0-9_])[A-Za-z][A-Za-z0-9_]*(?![A-Za-z0-9_])")
_ESCAPED_LETTER = re.compile(r"\\([A-Za-z])")
_REGEX_WRAPPER = re.compile(
    rf"^\^?(?:(?:{'|'.join(sorted(_WRAPPERS, key=len, reverse=True))})\\?\.)+"
)


def _regex(text: str) -> _Pattern:
    """A regex as compressed-tensors reads it: matched from the start of the name, not to its end."""
    if len(text) > _MAX_REGEX or _NESTED_REPEAT.search(text):
        raise BadPatternError("a regex too long or too costly to try")

    def word(match: re.Match[str]) -> str:
        start = match.start()
        if start and text[start - 1] == "\\":  # \d, \w: not a word
            return match.group()
        found = match.group()
        return _SYNONYMS.get(found, _TOWERS.get(found, found))

    canonical = _REGEX_WRAPPER.sub("", _WORD.sub(word, text))
    try:
        raw = re.compile(text)
        try:
            tidy = re.compile(canonical)
        except re.error:
            tidy = raw
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise BadPatternError(f"not a regex ({error})") from error
    return _Pattern(raw, tidy, False, f"{text} {canonical}", _has_digit(text))
