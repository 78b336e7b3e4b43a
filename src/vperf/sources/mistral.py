"""params.json of Mistral's own releases (and of Meta's first Llamas) -> config.json.

Keys as vLLM's `--config-format mistral` reads them (release 0.33). Not here: what a config means
(model/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vperf.errors import InputError, UnsupportedModelError

_NAMES = {
    "dim": "hidden_size", "norm_eps": "rms_norm_eps", "n_kv_heads": "num_key_value_heads",
    "n_layers": "num_hidden_layers", "n_heads": "num_attention_heads",
    "hidden_dim": "intermediate_size", "activation": "hidden_act",
    "tied_embeddings": "tie_word_embeddings",
}  # fmt: skip
_OF_EXPERTS = {
    "route_every_n": "moe_layer_freq", "first_k_dense_replace": "first_k_dense_replace",
    "num_experts_per_tok": "num_experts_per_tok", "num_experts": "n_routed_experts",
    "expert_hidden_dim": "moe_intermediate_size", "num_shared_experts": "n_shared_experts",
    "routed_scale": "routed_scaling_factor", "num_expert_groups": "n_group",
    "num_expert_groups_per_tok": "topk_group",
}  # fmt: skip
_HARMLESS = frozenset({
    "rope_theta", "yarn", "llama_4_scaling", "max_seq_len", "max_position_embeddings", "dtype",
    "model_type", "norm_eps", "activation", "use_scaled_rope", "multiple_of", "ffn_dim_multiplier",
    "max_batch_size", "use_biases", "causal", "rope_scaling", "original_rope_theta",
})  # fmt: skip


def is_params(config: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a params.json; DistilBERT's config has these keys too."""
    named = config.get("model_type", "transformer") != "transformer" or "architectures" in config
    return {"dim", "n_layers", "n_heads"} <= config.keys() and not named


def config_of(params: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The config.json that says the same. Raises InputError, UnsupportedModelError."""
    found = {_NAMES.get(key, key): value for key, value in params.items() if value is not None}
    for key in ("vision_encoder", "multimodal"):
        if found.pop(key, None) is not None:
            found["vision_config"] = {"from": key}  # named, so that it is said not to be counted
    if params.get("use_biases"):
        raise UnsupportedModelError("biases are not understood", source=source, field="use_biases")
    if "intermediate_size" not in found:
        found["intermediate_size"] = _width(params, source)
    found.setdefault("tie_word_embeddings", False)
    if (vocab := params.get("vocab_size")) is None or vocab == -1:
        raise InputError("missing; it is the tokenizer's", source=source, field="vocab_size")
    _quantized(found, source)
    experts = found.pop("moe", None)
    found["model_type"] = "mistral"
    if isinstance(experts, Mapping):
        _with_experts(found, experts)
    elif experts is not None:
        raise InputError("must be an object", source=source, field="moe")
    elif params.get("qk_nope_head_dim"):
        raise UnsupportedModelError(
            "MLA without experts is not understood", source=source, field="qk_nope_head_dim"
        )
    longest = params.get("max_position_embeddings") or params.get("max_seq_len")
    found["max_position_embeddings"] = longest or 128_000
    return {key: value for key, value in found.items() if key not in _HARMLESS or key in _KEPT}


_KEPT = frozenset({"model_type", "max_position_embeddings"})


_MAX_SCALE = 64
"""No MLP is so wide."""


def _width(params: Mapping[str, Any], source: str) -> int:
    """Meta's rule: two thirds of four times the width, scaled and rounded up."""
    unit, dim = params.get("multiple_of"), params["dim"]
    scale = params.get("ffn_dim_multiplier") or 1.0
    if not (isinstance(dim, int) and isinstance(unit, int) and unit > 0):
        raise InputError("missing; it is needed", source=source, field="hidden_dim")
    if not isinstance(scale, int | float) or not 0 < scale < _MAX_SCALE:
        raise InputError("is no such factor", source=source, field="ffn_dim_multiplier")
    width = int(scale * int(2 * 4 * dim / 3))
    return unit * -(-width // unit)


def _with_experts(found: dict[str, Any], experts: Mapping[str, Any]) -> None:
    """Mixtral's, or those of Mistral Large 3, which is DeepSeek-V3 with other numbers."""
    if experts.get("num_shared_experts"):
        found["model_type"] = "deepseek_v3"
        found.update(
            {new: experts[old] for old, new in _OF_EXPERTS.items() if experts.get(old) is not None}
        )
        found.pop("num_key_value_heads", None)
        return
    found["model_type"] = "mixtral"
    found["num_local_experts"] = experts.get("num_experts")
    found["num_experts_per_tok"] = experts.get("num_experts_per_tok")


def _quantized(found: dict[str, Any], source: str) -> None:
    stated = found.pop("quantization", None)
    if not stated:
        return
    if isinstance(stated, Mapping) and stated.get("qformat_weight") == "fp8_e4m3":
        found["quantization_config"] = {
            "quant_method": "fp8",
            "activation_scheme": "dynamic"
            if stated.get("qscheme_act") == "NO_SCALES"
            else "static",
        }
    elif isinstance(stated, Mapping) and "quant_method" in stated:
        method = str(stated["quant_method"]).lower().replace("_", "-")
        found["quantization_config"] = {**stated, "quant_method": method}
    else:
        raise UnsupportedModelError("is not understood", source=source, field="quantization")
