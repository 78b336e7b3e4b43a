"""Configs of recurrent and hybrid models (the keys that shape them) with what is known of them.

Counts are of the published checkpoints, or of the transformers class (release 5.23) built from the
same config without memory; a router's correction biases are buffers there and are not counted.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Known(NamedTuple):
    """`state` is in bytes of one sequence, computed by hand beside each row."""

    config: dict[str, Any]
    parameters: int
    active: int
    kv_bytes_per_token: int
    state: int


def _every(period: int, layers: int, last: str, others: str) -> list[str]:
    return [last if (i + 1) % period == 0 else others for i in range(layers)]


_QWEN = {
    "head_dim": 256, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128,
    "linear_num_key_heads": 16, "linear_num_value_heads": 32, "linear_value_head_dim": 128,
    "num_attention_heads": 16, "full_attention_interval": 4, "attn_output_gate": True,
    "tie_word_embeddings": False,
}  # fmt: skip
_QWEN_STATE = 32 * 128 * 128 * 4 + (2 * 16 + 32) * 128 * 3 * 2

_NEMOTRON_3 = {
    "model_type": "nemotron_h", "vocab_size": 131072, "head_dim": 128, "num_key_value_heads": 2,
    "num_attention_heads": 32, "mamba_head_dim": 64, "n_groups": 8, "ssm_state_size": 128,
    "conv_kernel": 4, "chunk_size": 128, "expand": 2, "use_conv_bias": True, "use_bias": False,
    "mlp_bias": False, "attention_bias": False, "mamba_proj_bias": False, "n_shared_experts": 1,
    "mlp_hidden_act": "relu2", "tie_word_embeddings": False, "sliding_window": None,
}  # fmt: skip
_SUPER = "MEMEMEM*EMEMEMEM*EMEMEMEM*EMEMEMEMEM*EMEMEMEMEM*EMEMEMEMEM*EMEMEMEMEM*EMEMEMEM*EMEMEMEME"
_NANO_9B = "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-"

_JAMBA = {
    "model_type": "jamba", "vocab_size": 65536, "attn_layer_offset": 4, "attn_layer_period": 8,
    "expert_layer_offset": 1, "expert_layer_period": 2, "num_experts": 16,
    "num_experts_per_tok": 2, "mamba_d_state": 16, "mamba_d_conv": 4, "mamba_expand": 2,
    "mamba_conv_bias": True, "mamba_proj_bias": False, "num_key_value_heads": 8,
    "sliding_window": None, "tie_word_embeddings": False,
}  # fmt: skip

_KIMI_FULL = [4, 8, 12, 16, 20, 24, 27]

# Kept KV heads (a group is 8 query heads) and MLP width of each of the 80 layers.
_NAS = (
    [(8, 2.625)] + [(8, 5.25)] * 5 + [(None, 2.625)] * 2 + [(8, 5.25)] * 3 + [(None, 3.28125)]
    + [(8, 5.25)] * 30
    + [(None, x) for x in (1.3125, 2.625, 2.625, 1.3125, 5.25, 1.3125, 2.625)]
    + [(None, 1.3125)] * 3 + [(8, 5.25)]
    + [(None, x) for x in (1.3125, 1.0, 1.0, 1.3125, 1.0, 1.0, 1.0, 1.3125, 1.3125)]
    + [(None, x) for x in (0.5, 0.5, 1.0, 1.0, 0.5, 0.5, 1.0, 0.5, 0.5)] + [(8, 5.25)] * 9
)  # fmt: skip

KNOWN: dict[str, Known] = {
    "Qwen/Qwen3-Next-80B-A3B-Instruct": Known(
        _QWEN | {
            "model_type": "qwen3_next", "vocab_size": 151936, "hidden_size": 2048,
            "intermediate_size": 5120, "num_hidden_layers": 48, "num_key_value_heads": 2,
            "num_experts": 512, "num_experts_per_tok": 10, "moe_intermediate_size": 512,
            "shared_expert_intermediate_size": 512, "decoder_sparse_step": 1,
            "mlp_only_layers": [],
        },
        79_674_391_296, 79_674_391_296 - 48 * (512 - 10) * 3 * 2048 * 512, 24_576, 36 * _QWEN_STATE,
    ),
    "Qwen/Qwen3.5-9B, text": Known(
        _QWEN | {
            "model_type": "qwen3_5_text", "vocab_size": 248320, "hidden_size": 4096,
            "intermediate_size": 12288, "num_hidden_layers": 32, "num_key_value_heads": 4,
            "layer_types": _every(4, 32, "full_attention", "linear_attention"),
        },
        8_953_803_264, 8_953_803_264, 32_768, 24 * _QWEN_STATE,
    ),
    "Qwen/Qwen3.5-35B-A3B, text": Known(
        _QWEN | {
            "model_type": "qwen3_5_moe_text", "vocab_size": 248320, "hidden_size": 2048,
            "num_hidden_layers": 40, "num_key_value_heads": 2, "num_experts": 256,
            "num_experts_per_tok": 8, "moe_intermediate_size": 512,
            "shared_expert_intermediate_size": 512,
            "layer_types": _every(4, 40, "full_attention", "linear_attention"),
        },
        34_660_610_688, 3_454_988_928, 20_480, 30 * _QWEN_STATE,
    ),
    "allenai/Olmo-Hybrid-7B": Known(
        {
            "model_type": "olmo_hybrid", "vocab_size": 100352, "hidden_size": 3840,
            "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 30,
            "tie_word_embeddings": False,
        },
        7_430_870_688, 7_430_870_688, 122_880,
        24 * (30 * 96 * 192 * 4 + (2 * 30 * 96 + 30 * 192) * 3 * 2),
    ),
    "nvidia/NVIDIA-Nemotron-Nano-9B-v2": Known(
        _NEMOTRON_3 | {
            "hidden_size": 4480, "intermediate_size": 15680, "num_attention_heads": 40,
            "num_key_value_heads": 8, "num_hidden_layers": 56, "mamba_num_heads": 128,
            "mamba_head_dim": 80, "hybrid_override_pattern": _NANO_9B,
        },
        8_888_227_328, 8_888_227_328, 16_384,
        27 * (128 * 80 * 128 * 4 + (128 * 80 + 2 * 8 * 128) * 3 * 2),
    ),
    "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B": Known(
        _NEMOTRON_3 | {
            "hidden_size": 4096, "intermediate_size": 2688, "mamba_num_heads": 128,
            "num_hidden_layers": 88, "hybrid_override_pattern": _SUPER, "n_routed_experts": 512,
            "num_experts_per_tok": 22, "moe_intermediate_size": 2688, "moe_latent_size": 1024,
            "moe_shared_expert_intermediate_size": 5376, "num_nextn_predict_layers": 1,
            "mtp_hybrid_override_pattern": "*E",
        },
        120_668_687_360, 12_770_216_960, 8_192,
        40 * (128 * 64 * 128 * 4 + (128 * 64 + 2 * 8 * 128) * 3 * 2),
    ),
    "nvidia/Llama-3_3-Nemotron-Super-49B-v1": Known(
        {
            "model_type": "nemotron-nas", "vocab_size": 128256, "hidden_size": 8192,
            "num_attention_heads": 64, "num_key_value_heads": None, "num_hidden_layers": 80,
            "intermediate_size": None, "tie_word_embeddings": False,
            "block_configs": [
                {
                    "attention": {"n_heads_in_group": group, "no_op": group is None},
                    "ffn": {"ffn_mult": width, "no_op": False, "replace_with_linear": False},
                }
                for group, width in _NAS
            ],
        },
        49_867_145_216, 49_867_145_216, 200_704, 0,
    ),
    "ai21labs/Jamba-v0.1": Known(
        _JAMBA | {
            "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
            "num_attention_heads": 32, "mamba_dt_rank": 256,
        },
        51_570_323_328, 12_110_311_296, 16_384, 28 * (8192 * 16 * 4 + 8192 * 3 * 2),
    ),
    "ai21labs/AI21-Jamba-1.5-Large": Known(
        _JAMBA | {
            "hidden_size": 8192, "intermediate_size": 24576, "num_hidden_layers": 72,
            "num_attention_heads": 64, "mamba_dt_rank": "auto",
        },
        398_555_145_696, 94_149_338_592, 36_864, 63 * (16384 * 16 * 4 + 16384 * 3 * 2),
    ),
    "ibm-ai-platform/Bamba-9B": Known(
        {
            "model_type": "bamba", "vocab_size": 128256, "hidden_size": 4096,
            "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
            "num_key_value_heads": 8, "attn_layer_indices": [9, 18, 27], "mamba_n_heads": 128,
            "mamba_d_head": "auto", "mamba_n_groups": 1, "mamba_d_state": 128, "mamba_d_conv": 4,
            "mamba_expand": 2, "tie_word_embeddings": False,
        },
        9_780_235_392, 9_780_235_392, 12_288,
        29 * (128 * 64 * 128 * 4 + (128 * 64 + 2 * 128) * 3 * 2),
    ),
    "ibm-granite/granite-4.0-h-tiny": Known(
        {
            "model_type": "granitemoehybrid", "vocab_size": 100352, "hidden_size": 1536,
            "intermediate_size": 512, "num_hidden_layers": 40, "num_attention_heads": 12,
            "num_key_value_heads": 4, "mamba_n_heads": 48, "mamba_d_head": 64,
            "layer_types": (["mamba"] * 5 + ["attention"] + ["mamba"] * 4) * 4,
            "mamba_n_groups": 1, "mamba_d_state": 128, "mamba_d_conv": 4, "mamba_expand": 2,
            "num_local_experts": 64, "num_experts_per_tok": 6, "shared_intermediate_size": 1024,
            "tie_word_embeddings": True,
        },
        6_939_037_248, 6_939_037_248 - 40 * (64 - 6) * 3 * 1536 * 512, 8_192,
        36 * (48 * 64 * 128 * 4 + (48 * 64 + 2 * 128) * 3 * 2),
    ),
    "a Falcon-H1 of 4.2B": Known(
        {
            "model_type": "falcon_h1", "vocab_size": 65536, "hidden_size": 2560,
            "intermediate_size": 10240, "num_hidden_layers": 32, "num_attention_heads": 10,
            "num_key_value_heads": 2, "head_dim": 128, "mamba_d_ssm": 4096, "mamba_n_heads": 32,
            "mamba_d_head": 128, "mamba_n_groups": 2, "mamba_d_state": 256, "mamba_d_conv": 4,
            "mamba_rms_norm": False, "tie_word_embeddings": False,
        },
        4_197_914_112, 4_197_914_112, 32_768,
        32 * (32 * 128 * 256 * 4 + (4096 + 2 * 2 * 256) * 3 * 2),
    ),
    "LiquidAI/LFM2-1.2B": Known(
        {
            "model_type": "lfm2", "vocab_size": 65536, "hidden_size": 2048,
            "block_ff_dim": 12288, "block_auto_adjust_ff_dim": True, "block_multiple_of": 256,
            "block_ffn_dim_multiplier": 1.0, "num_hidden_layers": 16, "num_attention_heads": 32,
            "num_key_value_heads": 8, "conv_L_cache": 3, "conv_bias": False,
            "full_attn_idxs": [2, 5, 8, 10, 12, 14],
        },
        1_170_340_608, 1_170_340_608, 12_288, 10 * 2048 * 2 * 2,
    ),
    "LiquidAI/LFM2-8B-A1B": Known(
        {
            "model_type": "lfm2_moe", "vocab_size": 65536, "hidden_size": 2048,
            "intermediate_size": 7168, "moe_intermediate_size": 1792, "num_hidden_layers": 24,
            "num_attention_heads": 32, "num_key_value_heads": 8, "conv_L_cache": 3,
            "num_dense_layers": 2, "num_experts": 32, "num_experts_per_tok": 4,
            "layer_types": [
                "full_attention" if i in (2, 6, 10, 14, 18, 21) else "conv" for i in range(24)
            ],
            "tie_word_embeddings": True,
        },
        8_339_929_856, 1_557_740_288, 12_288, 18 * 2048 * 2 * 2,
    ),
    "MiniMaxAI/MiniMax-Text-01": Known(
        {
            "model_type": "minimax_text_01", "vocab_size": 200064, "hidden_size": 6144,
            "intermediate_size": 9216, "num_hidden_layers": 80, "num_attention_heads": 64,
            "num_key_value_heads": 8, "head_dim": 128, "num_local_experts": 32,
            "num_experts_per_tok": 2, "attn_type_list": ([0] * 7 + [1]) * 10,
            "shared_intermediate_size": 0, "tie_word_embeddings": False,
        },
        456_089_655_296, 48_403_306_496, 40_960, 70 * 64 * 128 * 128 * 4,
    ),
    "moonshotai/Kimi-Linear-48B-A3B-Instruct": Known(
        {
            "model_type": "kimi_linear", "vocab_size": 163840, "hidden_size": 2304,
            "intermediate_size": 9216, "moe_intermediate_size": 1024, "num_hidden_layers": 27,
            "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 72,
            "num_shared_experts": 1, "num_experts": 256, "num_experts_per_token": 8,
            "first_k_dense_replace": 1, "moe_layer_freq": 1, "kv_lora_rank": 512,
            "q_lora_rank": None, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128,
            "v_head_dim": 128, "tie_word_embeddings": False,
            "linear_attn_config": {
                "full_attn_layers": _KIMI_FULL,
                "kda_layers": [i for i in range(1, 28) if i not in _KIMI_FULL],
                "head_dim": 128, "num_heads": 32, "short_conv_kernel_size": 4,
            },
        },
        49_122_675_072, 3_484_453_248, 8_064,
        20 * (32 * 128 * 128 * 4 + 3 * 32 * 128 * 3 * 2),
    ),
    "inclusionAI/Ling-3.0-Flash": Known(
        {
            "model_type": "bailing_hybrid", "vocab_size": 157184, "hidden_size": 2560,
            "intermediate_size": 6144, "moe_intermediate_size": 768, "num_hidden_layers": 42,
            "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128,
            "num_shared_experts": 1, "num_experts": 512, "num_experts_per_token": 8,
            "first_k_dense_replace": 2, "kv_lora_rank": 512, "qk_rope_head_dim": 64,
            "qk_nope_head_dim": 128, "v_head_dim": 128, "layer_group_size": 6,
            "short_conv_kernel_size": 4, "tie_word_embeddings": False,
        },
        124_414_191_072, 5_505_672_672, 8_064,
        35 * (32 * 128 * 128 * 4 + 3 * 32 * 128 * 3 * 2),
    ),
    "state-spaces/mamba-2.8b-hf": Known(
        {
            "model_type": "mamba", "vocab_size": 50280, "hidden_size": 2560,
            "intermediate_size": 5120, "num_hidden_layers": 64, "state_size": 16,
            "conv_kernel": 4, "time_step_rank": 160, "use_bias": False, "use_conv_bias": True,
        },
        2_768_345_600, 2_768_345_600, 0, 64 * (5120 * 16 * 4 + 5120 * 3 * 2),
    ),
    "tiiuae/falcon-mamba-7b": Known(
        {
            "model_type": "falcon_mamba", "vocab_size": 65024, "hidden_size": 4096,
            "intermediate_size": 8192, "num_hidden_layers": 64, "state_size": 16,
            "conv_kernel": 4, "time_step_rank": 256, "tie_word_embeddings": False,
        },
        7_272_665_088, 7_272_665_088, 0, 64 * (8192 * 16 * 4 + 8192 * 3 * 2),
    ),
    "mistralai/Mamba-Codestral-7B-v0.1": Known(
        {
            "model_type": "mamba2", "vocab_size": 32768, "hidden_size": 4096, "num_heads": 128,
            "head_dim": 64, "state_size": 128, "n_groups": 8, "expand": 2, "conv_kernel": 4,
            "chunk_size": 256, "num_hidden_layers": 64, "use_conv_bias": True,
            "tie_word_embeddings": False,
        },
        7_285_403_648, 7_285_403_648, 0,
        64 * (128 * 64 * 128 * 4 + (8192 + 2 * 8 * 128) * 3 * 2),
    ),
    "NX-AI/xLSTM-7b": Known(
        {
            "model_type": "xlstm", "vocab_size": 50304, "hidden_size": 4096, "num_heads": 8,
            "num_blocks": 32, "qk_dim_factor": 0.5, "v_dim_factor": 1.0,
            "ffn_proj_factor": 2.667, "ffn_round_up_to_multiple_of": 64, "use_bias": False,
            "inference_state_dtype": "float32", "tie_word_embeddings": False,
        },
        6_865_424_896, 6_865_424_896, 0, 32 * 8 * (256 * 512 + 256 + 1) * 4,
    ),
    "RWKV/rwkv-4-169m-pile": Known(
        {
            "model_type": "rwkv", "vocab_size": 50277, "hidden_size": 768,
            "num_hidden_layers": 12, "tie_word_embeddings": False,
        },
        169_342_464, 169_342_464, 0, 12 * (3 * 768 * 4 + 2 * 768 * 2),
    ),
    "google/recurrentgemma-2b": Known(
        {
            "model_type": "recurrent_gemma", "vocab_size": 256000, "hidden_size": 2560,
            "intermediate_size": 15360, "lru_width": 2560, "num_attention_heads": 10,
            "num_key_value_heads": 1, "num_hidden_layers": 26, "attention_window_size": 2048,
            "conv1d_width": 4, "attention_bias": False,
            "block_types": ["recurrent", "recurrent", "attention"],
        },
        2_682_862_080, 2_682_862_080, 8_192, 18 * (2560 * 4 + 2560 * 3 * 2),
    ),
}  # fmt: skip
