"""Configs with counts that somebody else made: the oracle of test_families.

Only the keys that shape a model. Named models: the parameter count of the published files (score
correction biases of MoE routers, which transformers keeps as buffers, left out), the active count
and the KV bytes of one more token in bf16. "class defaults": what transformers 5.23 builds from
the defaults of a model_type, counted on its meta device.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Known(NamedTuple):
    """A config and what is known of it."""

    name: str
    parameters: int
    active: int | None
    kv_bytes: int | None
    config: dict[str, Any]


# fmt: off
KNOWN = (
    Known("deepseek-ai/DeepSeek-V2-Lite", 15_706_484_224, 2_661_150_208, 31_104, {
        "attention_bias": False, "first_k_dense_replace": 1, "hidden_size": 2048,
        "intermediate_size": 10944, "kv_lora_rank": 512, "max_position_embeddings": 163840,
        "model_type": "deepseek_v2", "moe_intermediate_size": 1408, "moe_layer_freq": 1,
        "n_routed_experts": 64, "n_shared_experts": 2, "num_attention_heads": 16,
        "num_experts_per_tok": 6, "num_hidden_layers": 27, "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64, "tie_word_embeddings": False, "v_head_dim": 128,
        "vocab_size": 102400,
    }),
    Known("deepseek-ai/DeepSeek-V3", 671_026_404_352, 37_552_282_624, 70_272, {
        "attention_bias": False, "first_k_dense_replace": 3, "hidden_size": 7168,
        "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 163840,
        "model_type": "deepseek_v3", "moe_intermediate_size": 2048, "moe_layer_freq": 1,
        "n_routed_experts": 256, "n_shared_experts": 1, "num_attention_heads": 128,
        "num_experts_per_tok": 8, "num_hidden_layers": 61, "num_nextn_predict_layers": 1,
        "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
        "tie_word_embeddings": False, "v_head_dim": 128, "vocab_size": 129280,
    }),
    Known("deepseek-ai/DeepSeek-V3.2", 671_877_929_216, 38_403_807_488, 70_272, {
        "attention_bias": False, "first_k_dense_replace": 3, "hidden_size": 7168,
        "index_head_dim": 128, "index_n_heads": 64, "index_topk": 2048,
        "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 163840,
        "model_type": "deepseek_v32", "moe_intermediate_size": 2048, "moe_layer_freq": 1,
        "n_routed_experts": 256, "n_shared_experts": 1, "num_attention_heads": 128,
        "num_experts_per_tok": 8, "num_hidden_layers": 61, "num_nextn_predict_layers": 1,
        "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
        "tie_word_embeddings": False, "v_head_dim": 128, "vocab_size": 129280,
    }),
    Known("deepseek-ai/DeepSeek-V4-Flash", 284_332_230_231, 13_799_622_231, 44_032, {
        "hc_mult": 4, "head_dim": 512, "hidden_size": 4096, "index_head_dim": 128,
        "index_n_heads": 64, "index_topk": 512, "max_position_embeddings": 1048576,
        "model_type": "deepseek_v4", "moe_intermediate_size": 2048, "n_routed_experts": 256,
        "n_shared_experts": 1, "num_attention_heads": 64, "num_experts_per_tok": 6,
        "num_hidden_layers": 43, "num_nextn_predict_layers": 1, "o_groups": 8,
        "o_lora_rank": 1024, "q_lora_rank": 1024, "qk_rope_head_dim": 64, "sliding_window": 128,
        "tie_word_embeddings": False, "vocab_size": 129280, "compress_ratios": [0, 0] + [4, 128,
        4, 128] * 10 + [4, 0],
    }),
    Known("deepseek-ai/DeepSeek-V4-Pro", 1_572_997_179_491, 49_779_058_787, 62_464, {
        "hc_mult": 4, "head_dim": 512, "hidden_size": 7168, "index_head_dim": 128,
        "index_n_heads": 64, "index_topk": 1024, "max_position_embeddings": 1048576,
        "model_type": "deepseek_v4", "moe_intermediate_size": 3072, "n_routed_experts": 384,
        "n_shared_experts": 1, "num_attention_heads": 128, "num_experts_per_tok": 6,
        "num_hidden_layers": 61, "num_nextn_predict_layers": 1, "o_groups": 16,
        "o_lora_rank": 1024, "q_lora_rank": 1536, "qk_rope_head_dim": 64, "sliding_window": 128,
        "tie_word_embeddings": False, "vocab_size": 129280, "compress_ratios": [128] + [128, 4] *
        30 + [0],
    }),
    Known("zai-org/GLM-4.7-Flash", 29_943_390_976, 3_896_763_136, 54_144, {
        "vocab_size": 154880, "hidden_size": 2048, "intermediate_size": 10240,
        "moe_intermediate_size": 1536, "num_hidden_layers": 47, "num_attention_heads": 20,
        "n_shared_experts": 1, "n_routed_experts": 64, "kv_lora_rank": 512, "q_lora_rank": 768,
        "qk_rope_head_dim": 64, "v_head_dim": 256, "qk_nope_head_dim": 192,
        "num_experts_per_tok": 4, "max_position_embeddings": 202752, "tie_word_embeddings": False,
        "mlp_layer_types": ["dense"] + ["sparse"] * 46, "attention_bias": False,
        "model_type": "glm4_moe_lite",
    }),
    Known("zai-org/GLM-5", 743_911_199_232, 41_784_709_632, 89_856, {
        "attention_bias": False, "first_k_dense_replace": 3, "hidden_size": 6144,
        "index_head_dim": 128, "index_n_heads": 32, "index_topk": 2048,
        "intermediate_size": 12288, "kv_lora_rank": 512, "max_position_embeddings": 202752,
        "moe_intermediate_size": 2048, "moe_layer_freq": 1, "model_type": "glm_moe_dsa",
        "n_routed_experts": 256, "n_shared_experts": 1, "num_attention_heads": 64,
        "num_experts_per_tok": 8, "num_hidden_layers": 78, "num_nextn_predict_layers": 1,
        "q_lora_rank": 2048, "qk_nope_head_dim": 192, "qk_rope_head_dim": 64,
        "tie_word_embeddings": False, "v_head_dim": 256, "vocab_size": 154880,
    }),
    Known("zai-org/GLM-5.2", 743_377_000_704, 41_250_511_104, 89_856, {
        "attention_bias": False, "first_k_dense_replace": 3, "hidden_size": 6144,
        "index_head_dim": 128, "index_n_heads": 32, "index_skip_topk_offset": 3,
        "index_topk": 2048, "index_topk_freq": 4, "indexer_types": ["full", "full"] + ["full",
        "shared", "shared", "shared"] * 19, "intermediate_size": 12288, "kv_lora_rank": 512,
        "max_position_embeddings": 1048576, "mlp_layer_types": ["dense"] * 3 + ["sparse"] * 75,
        "model_type": "glm_moe_dsa", "moe_intermediate_size": 2048, "moe_layer_freq": 1,
        "n_routed_experts": 256, "n_shared_experts": 1, "num_attention_heads": 64,
        "num_experts_per_tok": 8, "num_hidden_layers": 78, "num_nextn_predict_layers": 1,
        "q_lora_rank": 2048, "qk_nope_head_dim": 192, "qk_rope_head_dim": 64,
        "tie_word_embeddings": False, "v_head_dim": 256, "vocab_size": 154880,
    }),
    Known("mistralai/Mistral-Small-4-119B-2603", 118_972_826_624, 6_632_588_288, 23_040, {
        "vocab_size": 131072, "hidden_size": 4096, "moe_intermediate_size": 2048,
        "num_hidden_layers": 36, "num_attention_heads": 32, "n_shared_experts": 1,
        "n_routed_experts": 128, "kv_lora_rank": 256, "q_lora_rank": 1024, "qk_rope_head_dim": 64,
        "v_head_dim": 128, "qk_nope_head_dim": 64, "num_experts_per_tok": 4,
        "first_k_dense_replace": 0, "max_position_embeddings": 1048576,
        "tie_word_embeddings": False, "attention_bias": False, "model_type": "mistral4",
    }),
    Known("openbmb/MiniCPM3-4B", 4_073_875_968, 4_073_875_968, 35_712, {
        "hidden_size": 2560, "num_hidden_layers": 62, "intermediate_size": 6400,
        "max_position_embeddings": 32768, "model_type": "minicpm3", "num_attention_heads": 40,
        "qk_nope_head_dim": 64, "qk_rope_head_dim": 32, "q_lora_rank": 768, "kv_lora_rank": 256,
        "vocab_size": 73448,
    }),
    Known("LGAI-EXAONE/K-EXAONE-236B-A23B", 236_571_150_336, 23_668_279_296, 196_608, {
        "vocab_size": 153600, "hidden_size": 6144, "intermediate_size": 18432,
        "num_hidden_layers": 48, "num_attention_heads": 64, "num_key_value_heads": 8,
        "max_position_embeddings": 2048, "tie_word_embeddings": False, "sliding_window": 128,
        "layer_types": ["sliding_attention", "sliding_attention", "sliding_attention",
        "full_attention"] * 12, "mlp_layer_types": ["dense"] + ["sparse"] * 47,
        "first_k_dense_replace": 1, "moe_intermediate_size": 2048, "num_experts": 128,
        "num_experts_per_tok": 8, "num_shared_experts": 1, "head_dim": 128,
        "model_type": "exaone_moe",
    }),
    Known("tencent/Hy3-preview", 295_033_528_320, 20_675_715_072, 327_680, {
        "vocab_size": 120832, "hidden_size": 4096, "intermediate_size": 13312,
        "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8,
        "head_dim": 128, "max_position_embeddings": 131072, "tie_word_embeddings": False,
        "attention_bias": False, "mlp_bias": False, "num_experts": 192, "num_experts_per_tok": 8,
        "num_shared_experts": 1, "moe_intermediate_size": 1536, "mlp_layer_types": ["dense"] +
        ["sparse"] * 79, "model_type": "hy_v3",
    }),
    Known("upstage/Solar-Open-100B", 102_651_793_408, 12_054_827_008, 196_608, {
        "vocab_size": 196608, "hidden_size": 4096, "num_hidden_layers": 48,
        "num_attention_heads": 64, "num_key_value_heads": 8, "max_position_embeddings": 131072,
        "tie_word_embeddings": False, "attention_bias": False, "moe_intermediate_size": 1280,
        "num_experts_per_tok": 8, "n_shared_experts": 1, "n_routed_experts": 128, "head_dim": 128,
        "model_type": "solar_open",
    }),
    Known("Qwen/Qwen1.5-MoE-A2.7B-Chat", 14_315_784_192, 2_689_173_504, 196_608, {
        "hidden_size": 2048, "intermediate_size": 5632, "max_position_embeddings": 32768,
        "model_type": "qwen2_moe", "num_attention_heads": 16, "num_hidden_layers": 24,
        "num_key_value_heads": 16, "tie_word_embeddings": False, "use_sliding_window": False,
        "vocab_size": 151936, "decoder_sparse_step": 1, "moe_intermediate_size": 1408,
        "shared_expert_intermediate_size": 5632, "num_experts_per_tok": 4, "num_experts": 60,
    }),
    Known("Qwen/Qwen3-30B-A3B", 30_532_122_624, 3_353_032_704, 98_304, {
        "attention_bias": False, "decoder_sparse_step": 1, "head_dim": 128, "hidden_size": 2048,
        "intermediate_size": 6144, "max_position_embeddings": 40960, "mlp_only_layers": [],
        "model_type": "qwen3_moe", "moe_intermediate_size": 768, "num_attention_heads": 32,
        "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 48,
        "num_key_value_heads": 4, "tie_word_embeddings": False, "use_sliding_window": False,
        "vocab_size": 151936,
    }),
    Known("openai/gpt-oss-120b", 116_829_156_672, 5_711_982_912, 73_728, {
        "attention_bias": True, "experts_per_token": 4, "head_dim": 64, "hidden_size": 2880,
        "intermediate_size": 2880, "layer_types": ["sliding_attention", "full_attention"] * 18,
        "max_position_embeddings": 131072, "model_type": "gpt_oss", "num_attention_heads": 64,
        "num_experts_per_tok": 4, "num_hidden_layers": 36, "num_key_value_heads": 8,
        "num_local_experts": 128, "sliding_window": 128, "tie_word_embeddings": False,
        "vocab_size": 201088,
    }),
    Known("MiniMaxAI/MiniMax-M2.5", 228_689_748_992, 11_030_537_216, 253_952, {
        "model_type": "minimax_m2", "num_hidden_layers": 62, "hidden_size": 3072,
        "num_attention_heads": 48, "num_key_value_heads": 8, "head_dim": 128,
        "intermediate_size": 1536, "vocab_size": 200064, "num_experts_per_tok": 8,
        "num_local_experts": 256, "max_position_embeddings": 196608, "tie_word_embeddings": False,
        "num_mtp_modules": 3, "shared_intermediate_size": 0,
    }),
    Known("microsoft/Phi-3.5-MoE-instruct", 41_873_153_344, 6_640_999_744, 131_072, {
        "attention_bias": True, "hidden_size": 4096, "intermediate_size": 6400,
        "lm_head_bias": True, "max_position_embeddings": 131072, "model_type": "phimoe",
        "num_attention_heads": 32, "num_experts_per_tok": 2, "num_hidden_layers": 32,
        "num_key_value_heads": 8, "num_local_experts": 16, "sliding_window": 131072,
        "tie_word_embeddings": False, "vocab_size": 32064,
    }),
    Known("allenai/OLMoE-1B-7B-0924", 6_919_161_856, 1_282_017_280, 131_072, {
        "model_type": "olmoe", "attention_bias": False, "hidden_size": 2048,
        "intermediate_size": 1024, "max_position_embeddings": 4096, "num_attention_heads": 16,
        "num_experts": 64, "num_experts_per_tok": 8, "num_hidden_layers": 16,
        "num_key_value_heads": 16, "tie_word_embeddings": False, "vocab_size": 50304,
    }),
    Known("mistralai/Mixtral-8x7B-v0.1", 46_702_792_704, 12_879_925_248, 131_072, {
        "hidden_size": 4096, "intermediate_size": 14336, "max_position_embeddings": 32768,
        "model_type": "mixtral", "num_attention_heads": 32, "num_experts_per_tok": 2,
        "num_hidden_layers": 32, "num_key_value_heads": 8, "num_local_experts": 8,
        "tie_word_embeddings": False, "vocab_size": 32000,
    }),
    Known("CohereForAI/c4ai-command-r-plus", 103_810_674_688, 103_810_674_688, 262_144, {
        "model_type": "cohere", "attention_bias": False, "hidden_size": 12288,
        "intermediate_size": 33792, "max_position_embeddings": 131072, "num_attention_heads": 96,
        "num_hidden_layers": 64, "num_key_value_heads": 8, "use_qk_norm": True,
        "vocab_size": 256000,
    }),
    Known("tiiuae/falcon-40b", 41_303_293_952, 41_303_293_952, 122_880, {
        "bias": False, "hidden_size": 8192, "model_type": "falcon", "n_head": 128, "n_layer": 60,
        "new_decoder_architecture": True, "num_attention_heads": 128, "num_hidden_layers": 60,
        "num_kv_heads": 8, "vocab_size": 65024,
    }),
    Known("bigscience/bloom-7b1", 7_069_016_064, 7_069_016_064, 491_520, {
        "model_type": "bloom", "n_embed": 4096, "n_layer": 30, "num_attention_heads": 32,
        "vocab_size": 250880,
    }),
    Known("facebook/opt-350m", 331_196_416, 331_196_416, 98_304, {
        "model_type": "opt", "_remove_final_layer_norm": False, "do_layer_norm_before": False,
        "ffn_dim": 4096, "hidden_size": 1024, "max_position_embeddings": 2048,
        "num_attention_heads": 16, "num_hidden_layers": 24, "vocab_size": 50272,
        "word_embed_proj_dim": 512,
    }),
    Known("stabilityai/stablelm-3b-4e1t", 2_795_443_200, 2_795_443_200, 327_680, {
        "hidden_size": 2560, "intermediate_size": 6912, "max_position_embeddings": 4096,
        "model_type": "stablelm", "num_attention_heads": 32, "num_hidden_layers": 32,
        "num_key_value_heads": 32, "tie_word_embeddings": False, "use_qkv_bias": False,
        "vocab_size": 50304,
    }),
    Known("internlm/internlm3-8b-instruct", 8_804_241_408, 8_804_241_408, 49_152, {
        "vocab_size": 128512, "hidden_size": 4096, "intermediate_size": 10240,
        "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 2,
        "max_position_embeddings": 32768, "tie_word_embeddings": False, "head_dim": 128,
        "model_type": "internlm3",
    }),
    Known("bigcode/santacoder", 1_124_886_528, 1_124_886_528, 12_288, {
        "multi_query": True, "model_type": "gpt_bigcode", "n_embd": 2048, "n_head": 16,
        "n_inner": 8192, "n_layer": 24, "n_positions": 2048, "vocab_size": 49280,
    }),
    Known("EleutherAI/gpt-j-6b", 6_050_882_784, 6_050_882_784, 458_752, {
        "model_type": "gptj", "n_embd": 4096, "n_head": 16, "n_layer": 28, "n_positions": 2048,
        "tie_word_embeddings": False, "vocab_size": 50400,
    }),
    Known("dbrx", 131_596_523_520, None, None, {
        "model_type": "dbrx", "d_model": 6144, "n_heads": 48, "n_layers": 40,
        "max_seq_len": 32768, "vocab_size": 100352, "attn_config": {"kv_n_heads": 8,
        "clip_qkv": 8, "rope_theta": 500000.0}, "ffn_config": {"ffn_hidden_size": 10752,
        "moe_num_experts": 16, "moe_top_k": 4}, "tie_word_embeddings": False,
    }),
    Known("glm-4-9b-chat", 9_399_951_360, None, None, {
        "model_type": "chatglm", "add_bias_linear": False, "add_qkv_bias": True,
        "ffn_hidden_size": 13696, "hidden_size": 4096, "kv_channels": 128,
        "multi_query_attention": True, "multi_query_group_num": 2, "num_attention_heads": 32,
        "num_layers": 40, "padded_vocab_size": 151552, "post_layer_norm": True, "rmsnorm": True,
        "seq_length": 131072, "tie_word_embeddings": False,
    }),
    Known("chatglm3-6b", 6_243_584_000, None, None, {
        "model_type": "chatglm", "add_bias_linear": False, "add_qkv_bias": True,
        "ffn_hidden_size": 13696, "hidden_size": 4096, "kv_channels": 128,
        "multi_query_attention": True, "multi_query_group_num": 2, "num_attention_heads": 32,
        "num_layers": 28, "padded_vocab_size": 65024, "post_layer_norm": True, "rmsnorm": True,
        "seq_length": 8192, "tie_word_embeddings": False,
    }),
    Known("Qwen-7B", 7_721_324_544, None, None, {
        "model_type": "qwen", "hidden_size": 4096, "intermediate_size": 22016,
        "num_attention_heads": 32, "num_hidden_layers": 32, "kv_channels": 128, "no_bias": True,
        "vocab_size": 151936, "seq_length": 8192, "tie_word_embeddings": False,
    }),
    Known("Baichuan2-7B", 7_505_973_248, None, None, {
        "model_type": "baichuan", "hidden_size": 4096, "intermediate_size": 11008,
        "num_attention_heads": 32, "num_hidden_layers": 32, "vocab_size": 125696,
        "model_max_length": 4096,
    }),
    Known("Baichuan2-13B", 13_896_668_160, None, None, {
        "model_type": "baichuan", "hidden_size": 5120, "intermediate_size": 13696,
        "num_attention_heads": 40, "num_hidden_layers": 40, "vocab_size": 125696,
    }),
    Known("internlm-7b", 7_321_948_160, None, None, {
        "model_type": "internlm", "bias": True, "hidden_size": 4096, "intermediate_size": 11008,
        "num_attention_heads": 32, "num_hidden_layers": 32, "vocab_size": 103168,
        "tie_word_embeddings": False,
    }),
    Known("internlm2-7b", 7_737_708_544, None, None, {
        "model_type": "internlm2", "bias": False, "hidden_size": 4096, "intermediate_size": 14336,
        "num_attention_heads": 32, "num_key_value_heads": 8, "num_hidden_layers": 32,
        "vocab_size": 92544, "tie_word_embeddings": False,
    }),
    Known("MiniCPM-2B", 2_724_880_896, None, None, {
        "model_type": "minicpm", "hidden_size": 2304, "intermediate_size": 5760,
        "num_attention_heads": 36, "num_key_value_heads": 36, "num_hidden_layers": 40,
        "vocab_size": 122753,
    }),
    Known("deepseek-moe-16b", 16_375_728_128, None, None, {
        "model_type": "deepseek", "hidden_size": 2048, "intermediate_size": 10944,
        "moe_intermediate_size": 1408, "num_attention_heads": 16, "num_key_value_heads": 16,
        "num_hidden_layers": 28, "vocab_size": 102400, "n_routed_experts": 64,
        "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1,
        "moe_layer_freq": 1,
    }),
    Known("Ling-lite", 16_801_974_272, None, None, {
        "model_type": "bailing_moe", "hidden_size": 2048, "moe_intermediate_size": 1408,
        "num_attention_heads": 16, "num_key_value_heads": 4, "num_hidden_layers": 28,
        "vocab_size": 126464, "num_experts": 64, "num_shared_experts": 2,
        "num_experts_per_tok": 6, "first_k_dense_replace": 0, "use_bias": False,
        "use_qkv_bias": False,
    }),
    Known("Hunyuan-A13B", 80_393_183_232, None, None, {
        "model_type": "hunyuan_v1_moe", "hidden_size": 4096, "moe_intermediate_size": [3072] * 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "attention_head_dim": 128,
        "head_dim": 128, "num_hidden_layers": 32, "vocab_size": 128167, "num_experts": 64,
        "num_shared_expert": [1] * 32, "moe_topk": [8] * 32, "use_mixed_mlp_moe": True,
        "moe_layer_num_skipped": 0, "use_qk_norm": True, "use_cla": False,
        "tie_word_embeddings": True,
    }),
    Known("OpenELM-270M", 271_527_168, None, None, {
        "model_type": "openelm", "model_dim": 1280, "num_transformer_layers": 16, "head_dim": 64,
        "vocab_size": 32000, "ffn_dim_divisor": 256, "ffn_multipliers": [0.5, 0.73, 0.97, 1.2,
        1.43, 1.67, 1.9, 2.13, 2.37, 2.6, 2.83, 3.07, 3.3, 3.53, 3.77, 4.0], "ffn_with_glu": True,
        "normalize_qk_projections": True, "num_query_heads": [12] * 5 + [16] * 7 + [20] * 4,
        "num_kv_heads": [3] * 5 + [4] * 7 + [5] * 4, "share_input_output_layers": True,
    }),
    Known("gpt-neo-1.3B", 1_315_575_808, None, None, {
        "model_type": "gpt_neo", "hidden_size": 2048, "num_layers": 24, "num_heads": 16,
        "vocab_size": 50257, "max_position_embeddings": 2048, "attention_layers": ["global",
        "local"] * 12, "window_size": 256,
    }),
    Known("mpt-7b", 6_649_286_656, None, None, {
        "model_type": "mpt", "d_model": 4096, "n_heads": 32, "n_layers": 32, "expansion_ratio": 4,
        "max_seq_len": 2048, "vocab_size": 50432, "no_bias": True, "attn_config": {"alibi": True,
        "attn_type": "multihead_attention", "qk_ln": False},
    }),
    Known("ernie4_5_moe class defaults", 21_825_437_888, None, None, {
        "hidden_size": 2560, "intermediate_size": 12288, "max_position_embeddings": 131072,
        "model_type": "ernie4_5_moe", "moe_intermediate_size": 1536, "moe_k": 6,
        "moe_layer_end_index": 27, "moe_layer_interval": 1, "moe_layer_start_index": 1,
        "moe_num_experts": 64, "moe_num_shared_experts": 2, "num_attention_heads": 20,
        "num_hidden_layers": 28, "num_key_value_heads": 4, "tie_word_embeddings": True,
        "use_bias": False, "vocab_size": 103424,
    }),
    Known("mimo_v2_flash class defaults", 308_778_768_832, None, None, {
        "attention_bias": False, "head_dim": 192, "hidden_size": 4096, "intermediate_size": 16384,
        "layer_types": ["full_attention"] + ["sliding_attention", "sliding_attention",
        "sliding_attention", "sliding_attention", "full_attention", "sliding_attention"] * 7 +
        ["sliding_attention", "sliding_attention", "sliding_attention", "sliding_attention",
        "full_attention"], "max_position_embeddings": 131072, "mlp_layer_types": ["dense"] +
        ["sparse"] * 47, "model_type": "mimo_v2_flash", "moe_intermediate_size": 2048,
        "n_routed_experts": 256, "num_attention_heads": 64, "num_experts_per_tok": 8,
        "num_hidden_layers": 48, "num_key_value_heads": 4, "sliding_window": 129,
        "tie_word_embeddings": False, "v_head_dim": 128, "vocab_size": 152576,
    }),
    Known("granitemoeshared class defaults", 37_441_769_472, None, None, {
        "attention_bias": False, "hidden_size": 4096, "intermediate_size": 11008,
        "max_position_embeddings": 2048, "model_type": "granitemoeshared",
        "num_attention_heads": 32, "num_experts_per_tok": 2, "num_hidden_layers": 32,
        "num_key_value_heads": 32, "num_local_experts": 8, "shared_intermediate_size": 1024,
        "tie_word_embeddings": False, "vocab_size": 32000,
    }),
    Known("flex_olmo class defaults", 33_270_665_216, None, None, {
        "attention_bias": False, "hidden_size": 4096, "intermediate_size": 11008,
        "max_position_embeddings": 4096, "model_type": "flex_olmo", "num_attention_heads": 32,
        "num_experts": 7, "num_experts_per_tok": 5, "num_hidden_layers": 32,
        "num_key_value_heads": 32, "tie_word_embeddings": False, "vocab_size": 100352,
    }),
    Known("afmoe class defaults", 19_232_600_000, None, None, {
        "attention_bias": False, "head_dim": 128, "hidden_size": 2048, "intermediate_size": 6144,
        "layer_types": ["sliding_attention", "sliding_attention", "sliding_attention",
        "full_attention"] * 8, "max_position_embeddings": 16384, "model_type": "afmoe",
        "moe_intermediate_size": 1408, "num_attention_heads": 16, "num_dense_layers": 1,
        "num_experts": 64, "num_experts_per_tok": 6, "num_hidden_layers": 32,
        "num_key_value_heads": 16, "num_shared_experts": 2, "sliding_window": 1024,
        "tie_word_embeddings": False, "vocab_size": 200192,
    }),
    Known("seed_oss class defaults", 28_921_040_896, None, None, {
        "attention_bias": True, "attention_out_bias": False, "head_dim": 128, "hidden_size": 4096,
        "intermediate_size": 27648, "max_position_embeddings": 524288, "mlp_bias": False,
        "model_type": "seed_oss", "num_attention_heads": 80, "num_hidden_layers": 64,
        "num_key_value_heads": 8, "tie_word_embeddings": False, "vocab_size": 155136,
    }),
    Known("apertus class defaults", 6_979_596_352, None, None, {
        "attention_bias": False, "hidden_act": "xielu", "hidden_size": 4096,
        "intermediate_size": 14336, "max_position_embeddings": 65536, "model_type": "apertus",
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32,
        "tie_word_embeddings": False, "vocab_size": 131072,
    }),
    Known("helium class defaults", 2_172_643_840, None, None, {
        "attention_bias": False, "head_dim": 128, "hidden_size": 2560, "intermediate_size": 7040,
        "max_position_embeddings": 4096, "mlp_bias": False, "model_type": "helium",
        "num_attention_heads": 20, "num_hidden_layers": 24, "num_key_value_heads": 20,
        "tie_word_embeddings": False, "vocab_size": 48000,
    }),
    Known("cwm class defaults", 32_581_097_472, None, None, {
        "head_dim": 128, "hidden_size": 6144, "intermediate_size": 21504,
        "layer_types": ["full_attention", "sliding_attention", "sliding_attention",
        "sliding_attention"] * 16, "max_position_embeddings": 131072, "mlp_bias": False,
        "model_type": "cwm", "num_attention_heads": 48, "num_hidden_layers": 64,
        "num_key_value_heads": 8, "sliding_window": 8192, "tie_word_embeddings": False,
        "vocab_size": 128256,
    }),
    Known("granite_swa class defaults", 2_144_463_840, None, None, {
        "attention_bias": False, "hidden_size": 2560, "intermediate_size": 8192,
        "layer_types": ["full_attention", "sliding_attention", "sliding_attention",
        "sliding_attention"] * 6, "max_position_embeddings": 8192, "mlp_bias": False,
        "model_type": "granite_swa", "num_attention_heads": 20, "num_hidden_layers": 24,
        "num_key_value_heads": 4, "sliding_window": 128, "tie_word_embeddings": True,
        "vocab_size": 100352,
    }),
    Known("hyperclovax class defaults", 6_738_677_760, None, None, {
        "attention_bias": False, "head_dim": 128, "hidden_size": 4096, "intermediate_size": 11008,
        "max_position_embeddings": 2048, "mlp_bias": False, "model_type": "hyperclovax",
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32,
        "tie_word_embeddings": False, "use_post_norm": True, "vocab_size": 32000,
    }),
    Known("laguna class defaults", 33_189_975_808, None, None, {
        "attention_bias": False, "gating": True, "head_dim": 128, "hidden_size": 2048,
        "intermediate_size": 8192, "layer_types": ["full_attention"] * 40,
        "max_position_embeddings": 131072, "mlp_layer_types": ["dense"] + ["sparse"] * 39,
        "model_type": "laguna", "moe_intermediate_size": 512,
        "num_attention_heads_per_layer": [48] * 40, "num_experts": 256, "num_experts_per_tok": 8,
        "num_hidden_layers": 40, "num_key_value_heads": 8, "shared_expert_intermediate_size": 512,
        "tie_word_embeddings": False, "vocab_size": 100352,
    }),
    Known("mellum class defaults", 12_149_923_072, None, None, {
        "attention_bias": False, "head_dim": 128, "hidden_size": 2304,
        "layer_types": ["full_attention"] * 28, "max_position_embeddings": 131072,
        "mlp_layer_types": ["sparse"] * 28, "model_type": "mellum", "moe_intermediate_size": 896,
        "num_attention_heads": 32, "num_experts_per_tok": 8, "num_hidden_layers": 28,
        "num_key_value_heads": 4, "num_local_experts": 64, "tie_word_embeddings": False,
        "vocab_size": 98304,
    }),
    Known("youtu class defaults", 1_961_560_064, None, None, {
        "attention_bias": False, "hidden_size": 2048, "intermediate_size": 6144,
        "kv_lora_rank": 512, "max_position_embeddings": 131072, "model_type": "youtu",
        "num_attention_heads": 16, "num_hidden_layers": 32, "q_lora_rank": 1536,
        "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "tie_word_embeddings": True,
        "v_head_dim": 128, "vocab_size": 128256,
    }),
    Known("jais2 class defaults", 8_090_401_280, None, None, {
        "attention_bias": True, "head_dim": 128, "hidden_size": 3328, "intermediate_size": 26624,
        "max_position_embeddings": 8192, "mlp_bias": True, "model_type": "jais2",
        "num_attention_heads": 26, "num_hidden_layers": 32, "num_key_value_heads": 26,
        "tie_word_embeddings": False, "vocab_size": 150272,
    }),
    Known("persimmon class defaults", 9_397_175_296, None, None, {
        "hidden_size": 4096, "intermediate_size": 16384, "max_position_embeddings": 16384,
        "model_type": "persimmon", "num_attention_heads": 64, "num_hidden_layers": 36,
        "qk_layernorm": True, "tie_word_embeddings": False, "vocab_size": 262144,
    }),
    Known("codegen class defaults", 6_050_882_784, None, None, {
        "model_type": "codegen", "n_embd": 4096, "n_head": 16, "n_layer": 28, "n_positions": 2048,
        "tie_word_embeddings": False, "vocab_size": 50400,
    }),
    Known("nanochat class defaults", 256_573_440, None, None, {
        "attention_bias": False, "hidden_size": 768, "intermediate_size": 8192,
        "max_position_embeddings": 2048, "model_type": "nanochat", "num_attention_heads": 6,
        "num_hidden_layers": 12, "num_key_value_heads": 6, "tie_word_embeddings": False,
        "vocab_size": 50304,
    }),
    Known("llama4_text class defaults", 400_711_848_960, None, None, {
        "attention_bias": False, "attention_chunk_size": 8192, "head_dim": 128,
        "hidden_size": 5120, "interleave_moe_layer_step": 2, "intermediate_size": 8192,
        "intermediate_size_mlp": 16384, "layer_types": ["chunked_attention", "chunked_attention",
        "chunked_attention", "full_attention"] * 12, "max_position_embeddings": 131072,
        "model_type": "llama4_text", "moe_layers": [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25,
        27, 29, 31, 33, 35, 37, 39, 41, 43, 45, 47], "num_attention_heads": 40,
        "num_experts_per_tok": 1, "num_hidden_layers": 48, "num_key_value_heads": 8,
        "num_local_experts": 128, "tie_word_embeddings": False, "vocab_size": 202048,
    }),
    Known("hunyuan_v1_dense class defaults", 8_859_684_864, None, None, {
        "attention_bias": False, "head_dim": 128, "hidden_size": 4096, "intermediate_size": 11008,
        "max_position_embeddings": 2048, "model_type": "hunyuan_v1_dense",
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32,
        "tie_word_embeddings": False, "vocab_size": 290943,
    }),
    Known("exaone4 class defaults", 9_429_069_824, None, None, {
        "hidden_size": 4096, "intermediate_size": 16384, "layer_types": ["sliding_attention",
        "sliding_attention", "sliding_attention", "full_attention"] * 8,
        "max_position_embeddings": 2048, "model_type": "exaone4", "num_attention_heads": 32,
        "num_hidden_layers": 32, "num_key_value_heads": 32, "sliding_window": 4096,
        "tie_word_embeddings": False, "vocab_size": 102400,
    }),
    Known("smollm3 class defaults", 3_075_098_624, None, None, {
        "attention_bias": False, "hidden_size": 2048, "intermediate_size": 11008,
        "layer_types": ["full_attention"] * 36, "max_position_embeddings": 32768,
        "mlp_bias": False, "model_type": "smollm3", "num_attention_heads": 16,
        "num_hidden_layers": 36, "num_key_value_heads": 4, "tie_word_embeddings": True,
        "vocab_size": 128256,
    }),
    Known("arcee class defaults", 4_022_766_080, None, None, {
        "attention_bias": False, "head_dim": 80, "hidden_size": 2560, "intermediate_size": 18432,
        "max_position_embeddings": 4096, "mlp_bias": False, "model_type": "arcee",
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32,
        "tie_word_embeddings": False, "vocab_size": 32000,
    }),
    Known("olmo3 class defaults", 6_888_624_128, None, None, {
        "attention_bias": False, "hidden_size": 4096, "intermediate_size": 11008,
        "layer_types": ["sliding_attention", "sliding_attention", "sliding_attention",
        "full_attention"] * 8, "max_position_embeddings": 2048, "model_type": "olmo3",
        "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 32,
        "sliding_window": 4096, "tie_word_embeddings": False, "vocab_size": 50304,
    }),
    Known("phi3 class defaults", 3_821_079_552, None, None, {
        "hidden_size": 3072, "intermediate_size": 8192, "max_position_embeddings": 4096,
        "model_type": "phi3", "num_attention_heads": 32, "num_hidden_layers": 32,
        "num_key_value_heads": 32, "tie_word_embeddings": False, "vocab_size": 32064,
    }),
    Known("glm4 class defaults", 9_400_279_040, None, None, {
        "attention_bias": True, "head_dim": 128, "hidden_size": 4096, "intermediate_size": 13696,
        "max_position_embeddings": 131072, "model_type": "glm4", "num_attention_heads": 32,
        "num_hidden_layers": 40, "num_key_value_heads": 2, "tie_word_embeddings": False,
        "vocab_size": 151552,
    }),
)
# fmt: on
