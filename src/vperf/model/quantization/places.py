"""One spelling for module names that every checkpoint and library spells its own way.

A checkpoint's list may say "backbone.layers.3.mixer.q_proj"; the model asks for
"model.layers.3.self_attn.q_proj". Both become a Place: the tower, what follows the layer number,
and every other spelling of that. The tables hold what transformers, vLLM, ModelOpt and the
checkpoints named beside them use.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable

from vperf.values import dataclass

WRAPPERS = frozenset({
    "model", "language_model", "backbone", "transformer", "text_model", "decoder", "base_model",
    "llm", "thinker", "module", "gpt_neox", "text_decoder",
})  # fmt: skip
"""Leading segments that say nothing: Kimi-K2.5 language_model.model., Nemotron backbone."""

TOWERS = {
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

SYNONYMS = {
    # blocks of a layer: MiniMax, Mixtral, DeepSeek-V4, Llama-4, Step-3, GPT-J, MLX's experts
    "block_sparse_moe": "mlp", "ffn": "mlp", "feed_forward": "mlp", "moe": "mlp",
    "mlp_moe": "mlp",
    "attn": "self_attn", "attention": "self_attn", "self_attention": "self_attn",
    "switch_mlp": "experts", "shared_experts": "shared_expert", "shared_mlp": "shared_expert",
    "gate": "router",
    # leaves: Mixtral, DeepSeek-V4 (w1 gate, w3 up, w2 down), InternLM2, GPT-NeoX, Phi, Qwen
    "w1": "gate_proj", "w3": "up_proj", "w2": "down_proj", "wqkv": "qkv_proj", "Wqkv": "qkv_proj",
    "qkv": "qkv_proj", "query_key_value": "qkv_proj", "c_attn": "qkv_proj", "wo": "o_proj",
    "w13": "gate_up_proj", "wq": "q_proj", "wk": "k_proj", "wv": "v_proj",
    "indexers_proj": "weights_proj",
}  # fmt: skip

OUTSIDE = {
    "head": "lm_head", "embed_out": "lm_head", "output": "lm_head", "shared_head": "lm_head",
    "embed": "embed_tokens", "tok_embeddings": "embed_tokens", "word_embeddings": "embed_tokens",
    "wte": "embed_tokens", "embed_in": "embed_tokens", "embeddings": "embed_tokens",
}  # fmt: skip
"""Names outside the layers: DeepSeek-V4 "head" and "embed", GPT-NeoX, InternLM2."""

_MIXER = {
    "q_proj": "self_attn", "k_proj": "self_attn", "v_proj": "self_attn", "o_proj": "self_attn",
    "qkv_proj": "self_attn", "in_proj": "mamba", "out_proj": "mamba", "conv1d": "mamba",
    "up_proj": "mlp", "down_proj": "mlp", "router": "mlp", "experts": "mlp", "shared_expert": "mlp",
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
MAX_LAYER_DIGITS = 6


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
        start = f"{self.start}{layer}" if self.in_layer else self.tower
        return [".".join(part for part in (start, rest) if part) for rest in self.rests]

    @property
    def start(self) -> str:
        """The canonical full names up to the layer number."""
        return f"{self.tower}.layers." if self.tower else "layers."

    def raw(self, layer: int | None) -> str:
        """The name as it was given."""
        return f"{self.raw_head}{layer}{self.raw_rest}" if self.in_layer else self.raw_head


def split_layer(name: str) -> tuple[str, int | None, str]:
    """("model.layers.", 3, ".mlp.gate") of "model.layers.3.mlp.gate"; else (name, None, "")."""
    head, found, tail = name.partition("layers.")
    if found:
        digits, _, _ = tail.partition(".")
        if digits.isascii() and digits.isdigit() and len(digits) <= MAX_LAYER_DIGITS:
            return head + found, int(digits), tail[len(digits) :]
    match = _OTHER_CONTAINER.search(name)
    if match:
        return name[: match.start(1)], int(match.group(1)), name[match.end(1) :]
    return name, None, ""


def stem_of(segment: str, table: dict[str, str]) -> str:
    """A segment's canonical spelling; a trailing * stays ("attn*" -> "self_attn*")."""
    stem = segment.rstrip("*")
    return table.get(stem, stem) + segment[len(stem) :]


def canonical_segments(segments: list[str]) -> list[str]:
    """Every segment in its canonical spelling; "mixer" by what follows it."""
    out = [stem_of(segment, SYNONYMS) for segment in segments]
    if out and out[-1] == "weight":
        out.pop()
    for i, segment in enumerate(out[:-1]):
        if segment == "mixer":
            out[i] = _MIXER.get(out[i + 1], segment)
    return out


_TOWER_NAMES = frozenset(TOWERS.values())


@functools.lru_cache(maxsize=4096)
def tower_and_rest(head: str, rest: str, in_layer: bool) -> tuple[str, str]:
    """The tower and the canonical rest of a name split by split_layer."""
    segments = [part for part in head.split(".") if part]
    while len(segments) > 1 and segments[0] in WRAPPERS:
        segments.pop(0)
    tower = ""
    if segments and stem_of(segments[0], TOWERS).rstrip("*") in _TOWER_NAMES:
        tower = stem_of(segments.pop(0), TOWERS).rstrip("*")
    if in_layer:
        return tower, ".".join(canonical_segments([part for part in rest.split(".") if part]))
    if not tower and len(segments) == 1:
        segments = [stem_of(segments[0], OUTSIDE)]
    return tower, ".".join(canonical_segments(segments))


def _other_spellings(rest: list[str]) -> Iterable[Callable[[list[str]], list[str] | None]]:
    """The changes that lead from a canonical spelling to others it may be listed under."""
    if rest[:2] == ["mlp", "experts"]:
        yield lambda old: old[1:]
    if rest and rest[-1] in _FUSED:
        yield lambda old: [*old[:-1], _FUSED[rest[-1]]]
    if "experts" in rest:
        yield _other_expert
    if rest and rest[0] in _BLOCKS:
        yield lambda old: ["mixer", *old[1:]] if old[0] == rest[0] else None


def _other_expert(rest: list[str]) -> list[str]:
    """Stacked experts have no number, single ones have: either may be listed."""
    after = rest.index("experts") + 1
    if after == len(rest):
        return [*rest, "0", "down_proj"]
    if rest[after].isdigit():
        return [*rest[:after], *rest[after + 1 :]]
    return [*rest[:after], "0", *rest[after:]]


@functools.lru_cache(maxsize=8192)
def place_of(head: str, rest: str, in_layer: bool, flat_experts: bool = False) -> Place:
    """The Place of a name split by split_layer; cached, for layers share theirs.

    flat_experts: the experts stand beside the MLP, not in it (Gemma 4: layers.N.experts).
    """
    tower, canonical = tower_and_rest(head, rest, in_layer)
    segments = canonical.split(".") if canonical else []
    if flat_experts and segments[:2] == ["mlp", "experts"]:
        segments = segments[1:]
    spelled = [segments]
    for change in _other_spellings(segments):
        spelled += [new for old in tuple(spelled) if (new := change(old)) is not None]
    ends = [(s, i) for s in spelled for i in range(len(s))]
    return Place(
        raw_head=head,
        raw_rest=rest,
        tower=tower,
        in_layer=in_layer,
        rests=tuple(".".join(s) for s in spelled),
        parents=frozenset(".".join(s[:i]) for s in spelled for i in range(len(s) + 1)),
        runs=frozenset(".".join(s[i:j]) for s, i in ends for j in range(i + 1, len(s) + 1)),
        tails=frozenset(".".join(s[i:]) for s, i in ends),
    )
