"""Recurrent and hybrid models: exact counts, and the laws of a state that does not grow."""

from __future__ import annotations

from typing import Any

import pytest

from tests.model.hybrid_configs import KNOWN, Known
from vperf.errors import InputError, UnsupportedModelError, VperfError
from vperf.model.model import Model
from vperf.model.ops import Op, Step
from vperf.model.read import build_model

CONFIGS = pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)


def build(name: str, **changes: Any) -> Model:
    return build_model(KNOWN[name].config | changes, source="config.json")


def ops(model: Model, step: Step, name: str) -> list[Op]:
    return [op for op in model.ops(step) if op.name.startswith(name)]


@CONFIGS
def test_counts_are_exact(known: Known) -> None:
    model = build_model(known.config, source="x")
    assert model.parameters == known.parameters
    assert model.active_parameters == known.active
    assert model.kv_bytes_per_token == known.kv_bytes_per_token


@CONFIGS
def test_state_of_an_empty_sequence_is_the_recurrent_one(known: Known) -> None:
    assert build_model(known.config, source="x").cache_bytes(0) == known.state


@CONFIGS
def test_a_decode_step_moves_every_state_in_and_out_for_each_sequence(known: Known) -> None:
    model = build_model(known.config, source="x")
    for batch in (1, 7):
        # The token before, of RWKV's channel mix, rides with the small kernels.
        shift = 12 * 768 * 2 if known.config["model_type"] == "rwkv" else 0
        assert state_traffic(model, Step(batch, 1, 500)) == 2 * batch * (known.state - shift)


@CONFIGS
def test_only_attention_grows_with_context(known: Known) -> None:
    model = build_model(known.config, source="x")
    near, far = model.ops(Step(2, 1, 1000)), model.ops(Step(2, 1, 2000))
    grown = {a.name for a, b in zip(near, far, strict=True) if a != b}
    assert grown <= {"attention", "attention[window]"}
    assert bool(grown) == bool(known.kv_bytes_per_token)
    growth = (model.cache_bytes(2000) - model.cache_bytes(1000)) / 1000
    assert growth == known.kv_bytes_per_token


@CONFIGS
def test_prefill_in_two_chunks_is_the_work_of_one(known: Known) -> None:
    model = build_model(known.config, source="x")
    whole = flops(model, Step(1, 4096, 0))
    halves = flops(model, Step(1, 2048, 0)) + flops(model, Step(1, 2048, 2048))
    # The LM head runs once a step; expanding MLA expands the cached half again.
    assert whole <= halves <= whole * 1.02


def test_prefill_of_a_pure_recurrence_is_linear_in_the_prompt() -> None:
    model = build("mistralai/Mamba-Codestral-7B-v0.1")
    head = 2 * 32768 * 4096
    short, long = (flops(model, Step(1, n, 0)) - head for n in (2560, 25600))
    assert long == pytest.approx(10 * short, rel=1e-12)


def test_codestral_decode_streams_its_weights_and_272_megabytes_of_state_twice() -> None:
    model = build("mistralai/Mamba-Codestral-7B-v0.1")
    streamed = sum(op.count * op.streamed_bytes for op in model.ops(Step(1, 1, 10_000)))
    weights = 2 * (model.parameters - 32768 * 4096)  # the embedding is looked up, not streamed
    assert streamed == weights + 2 * 272_367_616


def test_layers_of_one_kind_are_one_op_with_a_count() -> None:
    model = build("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B")
    step = Step(1, 1, 100)
    assert [op.count for op in ops(model, step, "mamba2_ssd")] == [40]
    assert [op.count for op in ops(model, step, "experts")] == [40]
    assert [op.count for op in ops(model, step, "attention")] == [8]


def test_latent_experts_work_in_the_latent_width_and_are_not_gated() -> None:
    model = build("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B")
    step = Step(1, 1, 100)
    (experts,) = ops(model, step, "experts")
    assert experts.flops == 22 * 2 * (2 * 1024 * 2688)
    (down,), (up,) = ops(model, step, "latent_down"), ops(model, step, "latent_up")
    assert (down.shape, up.shape) == ((1, 4096, 1024), (1, 1024, 4096))


def test_falcon_h1_runs_attention_and_mamba_in_every_layer() -> None:
    names = {op.name: op.count for op in build("a Falcon-H1 of 4.2B").ops(Step(1, 1, 9))}
    assert names["attention"] == names["mamba2_ssd"] == names["gate_up_proj"] == 32


def test_gated_attention_of_qwen3_5_makes_q_twice_as_wide() -> None:
    gated = build("Qwen/Qwen3.5-9B, text")
    plain = build("Qwen/Qwen3.5-9B, text", attn_output_gate=False)
    assert gated.parameters - plain.parameters == 8 * 4096 * 16 * 256


def test_nemotron_counts_its_layers_from_the_list() -> None:
    name = "nvidia/NVIDIA-Nemotron-Nano-9B-v2"
    config = {k: v for k, v in KNOWN[name].config.items() if k != "num_hidden_layers"}
    assert build_model(config, source="x").parameters == KNOWN[name].parameters
    names = {"M": "mamba", "*": "attention", "-": "mlp"}
    listed = [names[c] for c in config.pop("hybrid_override_pattern")]
    config["layers_block_type"] = listed
    assert build_model(config, source="x").parameters == KNOWN[name].parameters


def test_a_dense_granite_has_only_its_shared_mlp() -> None:
    """granite-4.0-micro: the same model_type with neither experts nor Mamba."""
    model = build(
        "ibm-granite/granite-4.0-h-tiny", hidden_size=2560, intermediate_size=8192,
        num_attention_heads=40, num_key_value_heads=8, layer_types=["attention"] * 40,
        mamba_n_heads=80, num_local_experts=0, num_experts_per_tok=0,
        shared_intermediate_size=8192,
    )  # fmt: skip
    assert model.parameters == model.active_parameters == 3_402_836_480
    assert model.cache_bytes(0) == 0


def test_a_jamba_of_one_expert_is_dense() -> None:
    model = build("ai21labs/Jamba-v0.1", num_experts=1)
    assert model.parameters == model.active_parameters == 9_290_690_432


def test_kimi_in_the_spelling_of_transformers_is_the_same_model() -> None:
    name = "moonshotai/Kimi-Linear-48B-A3B-Instruct"
    config = {k: v for k, v in KNOWN[name].config.items() if k != "linear_attn_config"}
    full = KNOWN[name].config["linear_attn_config"]["full_attn_layers"]
    config |= {
        "layer_types": [
            "full_attention" if i + 1 in full else "linear_attention" for i in range(27)
        ],
        "mlp_layer_types": ["dense"] + ["sparse"] * 26, "linear_head_dim": 128,
        "linear_num_heads": 32, "linear_conv_kernel_dim": 4, "head_dim": 64,
    }  # fmt: skip
    ours, theirs = build_model(config, source="x"), build(name)
    assert ours.kinds == theirs.kinds


QWEN, MINIMAX = "Qwen/Qwen3.5-9B, text", "MiniMaxAI/MiniMax-Text-01"
SUPER, NAS = "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B", "nvidia/Llama-3_3-Nemotron-Super-49B-v1"
KIMI = "moonshotai/Kimi-Linear-48B-A3B-Instruct"


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        (QWEN, {"layer_types": ["warp_drive"] * 32}, "layer_types[0]"),
        (QWEN, {"num_experts": 8}, "num_experts"),
        (SUPER, {"hybrid_override_pattern": "X" * 88}, "layers_block_type[0]"),
        (SUPER, {"mamba_proj_bias": True}, "mamba_proj_bias"),
        (MINIMAX, {"shared_intermediate_size": 512}, "shared_intermediate_size"),
        (MINIMAX, {"sliding_window": 4096}, "sliding_window"),
        (KIMI, {"moe_layer_freq": 2}, "moe_layer_freq"),
        (NAS, {"block_configs": [{"attention": {"replace_with_linear": True}}] * 80},
         "block_configs[0].attention.replace_with_linear"),
        ("NX-AI/xLSTM-7b", {"add_out_norm": False}, "add_out_norm"),
        ("google/recurrentgemma-2b", {"block_types": ["warp_drive"]}, "block_types"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(name: str, changes: Any, field: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        build(name, **changes)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("name", "changes", "field"),
    [
        (QWEN, {"layer_types": ["linear_attention"]}, "layer_types"),
        (QWEN, {"layer_types": [{}] * 32}, "layer_types[0]"),
        (QWEN, {"full_attention_interval": 0}, "full_attention_interval"),
        (SUPER, {"num_hidden_layers": 87}, "num_hidden_layers"),
        (SUPER, {"hybrid_override_pattern": ""}, "layers_block_type"),
        (SUPER, {"hybrid_override_pattern": 5}, "hybrid_override_pattern"),
        (SUPER, {"n_shared_experts": 2}, "n_shared_experts"),
        (SUPER, {"n_groups": 7}, "n_groups"),
        (MINIMAX, {"attn_type_list": [0]}, "attn_type_list"),
        (MINIMAX, {"attn_type_list": None}, "layer_types"),
        (KIMI, {"linear_attn_config": {"kda_layers": [1], "full_attn_layers": [1]}},
         "linear_attn_config.kda_layers"),
        (KIMI, {"mlp_layer_types": ["odd"] * 27}, "mlp_layer_types[0]"),
        (NAS, {"block_configs": [7] * 80}, "block_configs[0]"),
        (NAS, {"block_configs": [{}] * 80}, "block_configs[0].attention"),
        (NAS, {"block_configs": []}, "block_configs"),
        ("ai21labs/Jamba-v0.1", {"attn_layer_period": 0}, "attn_layer_period"),
        ("ai21labs/Jamba-v0.1", {"attn_layer_offset": 8}, "attn_layer_offset"),
        ("ibm-ai-platform/Bamba-9B", {"mamba_d_head": 63}, "mamba_n_heads"),
        ("LiquidAI/LFM2-1.2B", {"full_attn_idxs": None}, "layer_types"),
        ("LiquidAI/LFM2-1.2B", {"block_ffn_dim_multiplier": -1.0}, "block_ffn_dim_multiplier"),
        ("mistralai/Mamba-Codestral-7B-v0.1", {"expand": 3}, "num_heads"),
        ("NX-AI/xLSTM-7b", {"ffn_proj_factor": 1e17}, "ffn_proj_factor"),
        ("NX-AI/xLSTM-7b", {"num_heads": 7}, "num_heads"),
        ("google/recurrentgemma-2b", {"lru_width": 2561}, "lru_width"),
    ],
)  # fmt: skip
def test_nonsense_is_an_error_that_names_the_field(name: str, changes: Any, field: str) -> None:
    with pytest.raises(InputError) as caught:
        build(name, **changes)
    assert caught.value.field == field
    assert str(caught.value).startswith("config.json: ")


JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1,
    2**40,
    0.5,
    1e300,
    "",
    "auto",
    [],
    [[]],
    {},
    [None] * 200,
    "x" * 99,
)


@CONFIGS
def test_any_value_in_any_field_gives_an_answer_or_a_clean_error(known: Known) -> None:
    for key in known.config:
        for junk in JUNK:
            try:
                model = build_model(known.config | {key: junk}, source="x")
            except VperfError:
                continue
            for op in model.ops(Step(2, 33, 1000)):
                assert 0 <= op.flops < float("inf")
                assert 0 <= op.streamed_bytes < float("inf")


def flops(model: Model, step: Step) -> float:
    return sum(op.count * op.flops for op in model.ops(step))


def state_traffic(model: Model, step: Step) -> float:
    kinds = ("recurrent", "elementwise")
    return sum(op.count * op.cache_bytes for op in model.ops(step) if op.kind in kinds)


def test_a_last_layer_of_another_kind_does_not_shape_the_drafting_one() -> None:
    config = {
        "model_type": "qwen3_next", "architectures": ["Qwen3NextModel"], "num_hidden_layers": 2,
        "layer_types": ["full_attention", "linear_attention"], "hidden_size": 256,
        "vocab_size": 1000,
    }  # fmt: skip
    model = build_model(config, source="config.json")
    assert model.mtp is not None
    assert model.mtp.blocks[1].cache_elements > 0
