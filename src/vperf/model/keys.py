"""Keys of a config.json that cannot change a weight, and what becomes of keys nobody asked for.

Every set key must be one that a reader asked for, one that is harmless, or one that says what the
class does anyway; any other is a refusal, or a warning where the class has no such key and so
cannot build anything from it. Not here: what the other keys mean (families/, blocks/).
"""

from __future__ import annotations

import re

from vperf.model.checkpoint import Config
from vperf.notes import Note

_HARMLESS = """
    _attn_implementation _attn_implementation_internal _experts_implementation _name_or_path
    _rope_scaling _sliding_window_pattern activation activation_function
    activation_sparsity_pattern afn aggregation_labels aggregation_temperature alibi alibi_bias_max
    allow_empty_column_selection altup_active_idx altup_coef_clip altup_correct_scale
    answer_loss_cutoff answer_loss_importance apply_residual_connection_post_layernorm
    apply_router_weight_on_input apply_spec_augment approx_mode architectures attention_head_scale
    attention_in_multiplier attention_multiplier attention_out_multiplier
    attention_probs_dropout_prob attention_softmax_in_fp32 attention_value_scale
    attn_implementation attn_logit_softcapping attn_output_multiplier attn_scale
    attn_temperature_tuning auto_map
    autocast_kernel_dtype aux_loss_alpha aux_loss_coef average_approximation_function
    average_logits_per_cell bad_words_ids balance_loss_weight begin_suppress_tokens bi_data
    block_dim block_per_row block_use_swiglu canvas_length cell_selection_preference
    chunk_size_feed_forward chunkwise_kernel clamp_len classifier_activation classifier_pooling
    classifier_proj_size clip_qkv compress_rope_theta context_window_size conv_act conv_dim
    conv_dim_out conv_use_xavier_init cross_attention_hidden_size dense_act_fn dense_seq_output
    deterministic_flash_attn dim_model_base disable_per_token_loss diversity_penalty do_sample
    dtype early_stopping emb_pooler embed_init_std embedding_initializer_range embedding_multiplier
    embedding_multiplier_scale embedding_scale enable_expert_tensor_parallelism
    enable_moe_fp32_combine end_n_top eod_token_id eos_token_ids ep_size eps
    esmfold_config expert_dtype expert_selection_fn feature_layer ffn_act_fn
    final_logit_softcapping final_w_init_variance_scale finetuning_task flash_attn floor_scale
    force_dequant fp32_residual_connection freeze_lm_head freeze_mm_mlp_adapter freeze_text_layers
    full_attn_alpha_factor full_attn_beta_factor full_attn_mod fused_add_norm fused_bias_fc
    fused_dropout_add_ln gate_soft_cap gelu_activation gradient_checkpointing hash_code_len hc_eps
    hc_sinkhorn_iters hidden_act hidden_activation hidden_mamba_act huber_loss_delta id2label
    ignore_index image_aspect_ratio image_grid_pinpoints index_share_for_mtp_iteration
    indexer_rope_interleave inference_state_dtype init_cell_selection_weights_to_zero init_device
    init_method init_std initial_context_length initial_prior_diagonal_n_blocks
    initial_prior_first_n_blocks initializer_cutoff_factor initializer_factor initializer_range
    inv_coeff_init_option is_composition is_decoder is_encoder is_encoder_decoder is_prefix_lm
    kda_lower_bound kda_safe_gate key_multiplier keys_to_ignore_at_inference label2id
    label_smoothing lambda_std_dev lang_id language layer_norm_eps layer_norm_epsilon
    layer_norm_type layer_rope_theta layer_switch learnable_sink_init length_penalty
    linear_allow_neg_eigval linear_attn_alpha_factor linear_attn_beta_factor linear_lower_bound
    lm_head_multiplier log_scaling_alpha log_scaling_n_floor logit_scale
    logits_mup_width_multiplier logits_scaling logits_soft_cap logn_attention_clip1
    logn_attention_scale loss_function lsh_backward mamba_hidden_act mamba_norm_before_gate
    mamba_ssm_cache_dtype mamba_ssm_dtype mask_feature_length mask_feature_min_masks
    mask_feature_prob mask_index mask_time_length mask_time_min_masks mask_time_prob
    matryoshka_dimensions max_batch_size max_inference_chunksize max_length max_new_tokens
    max_attn_value max_num_columns max_num_rows max_window_layers
    median_filter_width min_length mlp_alpha_factor
    mlp_beta_factor mlp_dropout mlp_gate_softcap mlp_hidden_act mlp_multipliers mlp_type
    mlp_up_softcap mm_hidden_size mm_projector_type mm_use_im_patch_token mm_use_im_start_end
    mm_vision_select_layer mm_vision_tower mode model_parallel_size model_type
    moe_apply_router_weight_on_input moe_eval_capacity_factor moe_layer_dispatch moe_min_capacity
    moe_token_dropping moe_train_capacity_factor moe_norm_min moe_norm_topk_prob
    moe_renormalize moe_routed_scaling_factor moe_router_activation_func moe_router_dtype
    moe_router_logit_softcapping moe_router_scaling_factor moe_router_use_sigmoid
    moe_shared_expert_overlap mscale mup_enabled mup_init n_ctx n_group name_or_path
    no_aggregation_label_index no_repeat_ngram_size no_rope_layer_interval no_rope_layers
    norm_before_gate norm_eps norm_epsilon norm_reduction_force_float32 norm_topk_prob norm_type
    normalization_function num_aggregation_labels num_beam_groups num_beams num_expert_group
    num_hash num_hash_layers num_image_tokens num_labels num_logits_to_keep
    num_nextn_predict_layers num_return_sequences onnx_export order_of_interleaved_layers
    original_max_position_embeddings output_attentions output_hidden_states output_logit_soft_cap
    output_multiplier output_multiplier_scale output_router_logits output_scores
    pack_qkv pad_head_dim_to_multiple_of
    pad_vocab_size_multiple partial_rotary_factor pooler_hidden_act position_embedding_type
    positive_label_weight post_norm_eps pre_norm prefill_chunk_size prefix prefix_lm pretraining_tp
    problem_type projection_dim pruned_heads qk_head_dim qk_scale_factor quant_mode quantization
    quantization_config query_pre_attn_scalar relative_attention_max_distance remove_invalid_values
    reorder_and_upcast_attn repetition_penalty rescale_embeddings rescale_every rescale_layers
    rescale_prenorm_residual reset_position_index_per_cell residual_in_fp32 residual_multiplier
    return_dict return_dict_in_generate return_last_states rms_norm rms_norm_eps
    rms_norm_eps_moe_gate rope_interleave rope_interleaved rope_local_base_freq rope_parameters
    rope_pct rope_ratio rope_scaling rope_scaling_layers rope_theta rope_type rotary rotary_base
    rotary_dim rotary_emb_base rotary_embedding_base rotary_pct rotary_percentage rotary_value
    route_norm route_scale routed_scaling_factor router_aux_loss_coef router_bias_update_speed
    router_dtype router_ignore_padding_tokens router_scaling_factor scale_attention_softmax_in_fp32
    scale_attn_by_inverse_layer_idx scale_attn_weights scale_decoder_outputs scale_depth scale_emb
    scale_embedding scale_fmt scale_sqrt_depth score_func score_function scoring_func seed
    segment_means_seq_len select_one_column sep_token_id seq_aux sequence_kernel
    sinusoidal_embeddings sinusoidal_pos_embds sliding_window_size slow_but_exact
    sparse_pred_ignore_index ssm_in_multiplier ssm_multipliers ssm_out_multiplier start_n_top
    step_kernel summary_activation summary_hidden_size summary_proj_to_labels summary_type
    summary_use_proj suppress_tokens swa_rope_theta swiglu_alpha swiglu_limit swiglu_limits
    swiglu_limits_shared task_specific_params task_type_vocab_size temperature tf_legacy_loss
    time_step_floor time_step_init_scheme time_step_limit time_step_max time_step_min
    time_step_scale token_dropout tokenizer_class tokenizer_type top_k top_p topk_group topk_method
    torch_dtype torchscript tpu_short_seq_length transformers.js_config transformers_version
    truncate_dim tune_mm_mlp_adapter typical_p unk_index unpad_inputs unpadded_vocab_size
    unsloth_fixed unsloth_version use_associative_scan use_attn_mask use_bfloat16
    use_bidirectional_attention use_cache use_cache_kernel use_cache_quantization use_dynamic_ntk
    use_embedding_sharing use_expectation use_expert_bias use_fast_conv use_fast_hash
    use_flash_attention use_flash_attn use_flash_attn_2 use_gated_activation use_grouped_topk
    use_gumbel_for_aggregation use_gumbel_for_cells use_kernels use_logn_attn use_long_context
    use_mamba_kernels use_mambapy use_mem_eff_path use_memory_efficient_attention use_mems_eval
    use_mems_train use_mm_proj use_mrope use_mtp use_normalized_answer_loss use_parallel_block
    use_parallel_embedding use_pos_enc use_routing_bias use_tpu_fourier_optimizations
    use_weighted_layer_sum use_xentropy vocab_list vocab_size_or_config_json_file
    w_init_variance_scale weight_mode z_loss_coefficient z_steps
"""
HARMLESS = frozenset(_HARMLESS.split())
"""Token ids, dropout, initialization, rotary positions, scales of values, activations without
weights, generation, and what other readers ask for (quantization, architectures)."""

_HARMLESS_FORMS = re.compile(
    r"^mtp_|(_token_ids?|_token_index|_token_offset|dropouts?|_dropout_(prob|rate)|_pdrop"
    r"|layerdrop|_coef|_coeff|_loss_weight|_loss_factor|_noise|_rope_theta|_implementation)$"
)

_INERT = """
    d_inner expand head_dim intermediate_size intermediate_size_mlp mamba_d_head mamba_expand
    moe_intermediate_size num_key_value_heads sliding_window sliding_window_pattern time_step_rank
    use_parallel_residual use_sliding_window
"""
INERT = frozenset(_INERT.split())
"""Widths and windows of mechanisms: a family whose layers have none of it has no use for them.
Where a family has the mechanism, its reader asks."""

_MECHANISMS = """
    altup_num_inputs attention_chunk_size attention_k_eq_v attention_other_setting
    attn_layer_period attn_output_gate block_configs compress_ratios conv_L_cache
    cross_attention_layers full_attention_interval global_head_dim hc_mult
    hidden_size_per_layer_input hybrid_layer_pattern hybrid_override_pattern index_topk
    indexer_types interleave_moe_layer_step kv_lora_rank kv_source_layers layer_types
    layers_block_type linear_attn_config linear_num_value_heads mamba_d_state mamba_num_heads
    mlp_layer_types mlp_only_layers moe_latent_size moe_layer_freq moe_layers_enum moe_num_experts
    n_routed_experts n_shared_experts num_attention_heads_per_layer num_experts
    num_kv_shared_layers num_local_experts num_memory_blocks num_shared_expert num_shared_experts
    per_layer_config q_lora_rank shared_expert_intermediate_size shared_intermediate_size
    sparse_attention_config ssm_state_size swa_num_attention_heads swa_num_key_value_heads use_cla
    zero_expert_num
"""
MECHANISMS = frozenset(_MECHANISMS.split())
"""Keys that bring a mechanism with them: set, they are never passed over, whatever the class."""


def is_harmless(key: str) -> bool:
    """Whether `key` cannot change a weight, in any config."""
    return key in HARMLESS or _HARMLESS_FORMS.search(key) is not None


_SHAPING = (
    r"bias|norm|size|dim|head|expert|layer|rank|width|channel|kernel|ffn|mlp|share|tie_|_tie|moe"
    r"|lora|latent|conv|pattern|compress|index|block"
)
"""Parts of names that may shape weights, where no class says what becomes of a key."""


def unread_lines(config: Config, model_type: str) -> tuple[str, ...]:
    """What was passed over, as lines for the answer. Refuses what could change a weight.

    A key of the class with another value than its default is a mechanism that this reader does
    not have. Of a key that the class does not have, transformers builds nothing.
    """
    passed: list[str] = []
    parts: list[str] = []
    for key, value in sorted(config.unread().items()):
        if is_harmless(key) or key in INERT:
            continue
        unknown = not config.has_class and re.search(_SHAPING, key) is not None
        if config.declares(key) or (value and (key in MECHANISMS or unknown)):
            raise config.unsupported(
                f"model_type {model_type!r} with {key!r} set is not understood", key
            )
        if value and key.endswith("_config") and isinstance(value, dict):
            parts.append(key)
        elif value:
            passed.append(key)
    lines = []
    if parts:
        lines.append(Note("parts_not_counted", listed=", ".join(parts)))
    if passed:
        lines.append(Note("keys_passed", listed=", ".join(passed)))
    return tuple(lines)
