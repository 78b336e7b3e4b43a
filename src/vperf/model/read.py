"""config.json -> Model: which family it is of, and what its keys say.

Not here: what a layer of a family is made of (families/), number formats (quantization/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vperf.errors import InputError, UnsupportedModelError
from vperf.formats import BF16, Format, Mix
from vperf.model.blocks.base import Scope
from vperf.model.blocks.gqa import hidden_size
from vperf.model.checkpoint import Config
from vperf.model.families import all_families, find_family
from vperf.model.families.family import Family
from vperf.model.model import LayerKind, Model
from vperf.model.quantization import Scheme, read_scheme, what_if
from vperf.model.towers import Tower
from vperf.notes import Note

_NESTS = ("text_config", "llm_config", "language_config", "thinker_config")

# Fields that shape a model. A family that never asks for one that is set does not understand the
# model, however well its other fields read.
_SHAPING = (
    "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "kv_lora_rank",
    "q_lora_rank", "linear_num_value_heads", "mamba_d_state", "ssm_state_size", "mamba_num_heads",
    "attn_layer_period", "hybrid_override_pattern", "layers_block_type", "block_configs",
    "num_kv_shared_layers", "index_topk", "attention_chunk_size", "linear_attn_config",
    "full_attention_interval", "conv_L_cache", "cross_attention_layers", "altup_num_inputs",
    "hidden_size_per_layer_input", "hc_mult", "attention_k_eq_v", "zero_expert_num",
    "global_head_dim", "swa_num_attention_heads", "num_memory_blocks", "attn_output_gate",
    "mlp_layer_types", "moe_layer_freq", "mlp_only_layers",
    "moe_layers_enum", "interleave_moe_layer_step", "n_shared_experts", "num_shared_experts",
    "num_shared_expert", "shared_expert_intermediate_size", "shared_intermediate_size",
    "moe_latent_size", "use_cla", "compress_ratios", "sparse_attention_config",
    "indexer_types", "kv_source_layers", "attention_other_setting", "hybrid_layer_pattern",
    "swa_num_key_value_heads", "num_attention_heads_per_layer", "layer_types",
    "per_layer_config",
)  # fmt: skip


MTP_KEYS = (
    "num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules", "num_mtp_layers",
    "_num_mtp_layers",
)  # fmt: skip
"""How configs spell the number of multi-token-prediction modules."""


def build_model(
    config: Mapping[str, Any],
    *,
    source: str,
    hf_quant_config: Mapping[str, Any] | None = None,
    quantization: Format | Mix | None = None,
    cache: Format | None = None,
    scheme: Scheme | None = None,
) -> Model:
    """Read a config.json (already parsed) into a Model.

    `quantization` and `cache` are what-ifs over what the checkpoint says; `scheme` says it in the
    config's place (GGUF). Raises InputError for values that cannot be, UnsupportedModelError for
    architectures that are not understood.
    """
    if not isinstance(config, Mapping):
        raise InputError("must hold a JSON object", source=source)
    top = Config(config, source)
    family, text = _find_text_model(top)
    if scheme is None:
        scheme = read_scheme(config, hf_quant_config, source=source)
    if isinstance(quantization, Mix):
        from vperf.model.quantization import ggml  # noqa: PLC0415  (seldom asked for)

        census = ggml.Census(scheme.name, scheme.default)
        once = _read_layers(top, text, family, census, cache)
        scheme = ggml.mixed(quantization, scheme, census, once)
    elif quantization is not None:
        scheme = what_if(quantization, scheme)
    model = _read_layers(top, text, family, scheme, cache)
    unread = [k for k in _SHAPING if k in text.keys() - text.asked and text.raw(k)]
    if unread:
        raise UnsupportedModelError(
            f"model_type {model.model_type!r} with {unread[0]!r} set is not understood",
            source=source, field=unread[0],
        )  # fmt: skip
    return replace(model, config_keys=tuple(sorted(text.keys() & text.asked)))


def _find_text_model(top: Config) -> tuple[Family, Config]:
    """The decoder's family and its config object, wherever it nests."""
    kind = top.text("model_type", default="")
    nest = next((name for name in _NESTS if top.has(name)), None)
    if not kind and nest is None:
        raise top.error("missing; without it the architecture is unknown", "model_type")
    family = find_family(kind)
    if family is None:
        raise _unsupported(top, kind)
    if not family.wraps:
        return family, top.with_defaults(family.defaults)
    text, text_type = top, family.wraps[0]
    if nest is not None:
        nested = top.child(nest)
        assert nested is not None
        text = nested.child("text_config") or nested  # thinker_config.text_config
        text_type = text.text("model_type", default=text_type)
    # else: older files (Qwen2-VL-2B, liuhaotian's LLaVA) hold the text model's keys at the top
    text_family = find_family(text_type)
    if text_family is not None and text_family.wraps:  # a text_config that names its wrapper
        text_family = find_family(text_family.wraps[0])
    if text_family is None:
        raise _unsupported(text, text_type)
    defaults = {**text_family.defaults, **family.text_defaults.get(text_type, {})}
    return replace(
        text_family,
        tower=family.tower,
        images=family.images,
        tied=family.tied or text_family.tied,
        assumptions=(*text_family.assumptions, *family.assumptions),
    ), text.with_defaults(defaults)


def _unsupported(config: Config, kind: str) -> UnsupportedModelError:
    import difflib  # noqa: PLC0415  (only on the way to an error)

    from vperf.model.families.encoder_decoder import ENCODER_ONLY  # noqa: PLC0415

    if kind in ENCODER_ONLY:
        return UnsupportedModelError(
            f"model_type {kind!r} is an encoder: it generates no tokens, so there is no decode "
            "to estimate",
            source=config.source,
        )
    near = difflib.get_close_matches(kind, all_families(), 3, 0.6)
    return UnsupportedModelError(
        f"model_type {kind!r} is not supported: vperf does not know what its layers compute",
        source=config.source,
        hint=f"supported and near: {', '.join(near)}" if near else "",
    )


def _read_layers(
    top: Config, text: Config, family: Family, scheme: Scheme, cache: Format | None
) -> Model:
    hidden = hidden_size(text)
    vocab = text.integer("vocab_size", "padded_vocab_size")
    layers = family.layers(text)
    norms = family.layer_norms(text) * hidden
    kinds: dict[LayerKind, int] = {}
    for i in range(layers):
        scope = Scope(f"model.layers.{i}", scheme.weight)
        kind = LayerKind(family.blocks(text, i, scope), norms)
        kinds[kind] = kinds.get(kind, 0) + 1
    tied = top.raw("tie_word_embeddings")
    if not isinstance(tied, bool):
        tied = text.flag("tie_word_embeddings", "tie_embedding", default=family.tied)
    tied = tied or family.always_tied
    head_bias = family.head_bias if isinstance(family.head_bias, bool) else family.head_bias(text)
    embed_width = text.optional_integer("word_embed_proj_dim") or hidden
    outer = Scope("", scheme.weight)
    head = outer.linear("lm_head", embed_width, vocab, bias=head_bias, kind="head")
    finals = family.final_norm if isinstance(family.final_norm, int) else family.final_norm(text)
    final = finals * hidden * (1 + family.norm_bias)
    extra = family.extra_parameters(text) if family.extra_parameters else 0
    tower = family.tower(top, text) if family.tower else Tower(0)
    inner = Scope("model", scheme.weight)
    encoder = family.encoder(text, Scope("encoder", scheme.weight)) if family.encoder else ()
    mtp_layers = text.optional_integer(*MTP_KEYS, minimum=0, maximum=64) or 0
    mtp = family.mtp_blocks(text, layers - 1, Scope("mtp.0", scheme.weight)) if mtp_layers else None
    chosen = cache or scheme.cache or (scheme.default if scheme.default.bits == 16 else BF16)
    return Model(
        model_type=text.text("model_type", default=family.model_types[0]),
        hidden=hidden,
        kinds=tuple((count, kind) for kind, count in kinds.items()),
        embedding=outer.linear("model.embed_tokens", embed_width, vocab, kind="embedding"),
        head=head,
        tied=tied,
        other_parameters=final + extra + (vocab if head_bias and tied else 0),
        tower_parameters=tower.parameters,
        quantization=scheme.name,
        cache=chosen,
        cache_name=chosen.name,
        max_context_tokens=text.optional_integer(
            "max_position_embeddings", "n_positions", "max_seq_len", "seq_length",
            "max_sequence_length", "model_max_length", maximum=10**9,
        ),
        assumptions=(
            *scheme.assumptions, *family.assumptions, *tower.assumptions, *_defaults_line(text),
        ),
        lookups=family.lookups(text, inner) if family.lookups else (),
        outside=family.outside(text, inner) if family.outside else (),
        mtp_layers=mtp_layers,
        mtp=LayerKind(mtp, norms) if mtp else None,
        images=family.images,
        encoder=tuple((count, LayerKind(blocks, own)) for count, blocks, own in encoder if count),
        vector_bytes=scheme.vector_bytes,
    )  # fmt: skip


def _defaults_line(text: Config) -> tuple[str, ...]:
    used = text.defaults_used
    if not used:
        return ()
    listed = ", ".join(f"{name} {value}" for name, value in sorted(used.items()))
    return (Note("config_defaults", listed=listed),)
