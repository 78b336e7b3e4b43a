"""What a checkpoint's quantization config means, tensor by tensor.

Expected sizes are of whole repositories on the Hub (its storage totals), expected formats those of
the tensors in the named checkpoints.
"""

from __future__ import annotations

import string
import time
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vperf
from vperf.errors import InputError, UnsupportedModelError
from vperf.formats import BF16, FP8, FP16, MXFP4, NVFP4, Format
from vperf.model.blocks.base import ModuleKind
from vperf.model.quantization import Kind, Scheme, read_scheme, what_if
from vperf.model.quantization.names import Names
from vperf.model.quantization.places import place_of, split_layer

Matrix = tuple[str, Kind, int, int, int]
"""Module, kind, out features, in features, how many."""

BLOCK_FP8 = {
    "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
    "weight_block_size": [128, 128],
}  # fmt: skip


def scheme_of(
    quantization: Mapping[str, Any] | None,
    hf: Mapping[str, Any] | None = None,
    **config: Any,
) -> Scheme:
    whole: dict[str, Any] = {"dtype": "bfloat16", **config}
    if quantization is not None:
        whole["quantization_config"] = quantization
    return read_scheme(whole, {"quantization": hf} if hf is not None else None, source="m")


def stored(scheme: Scheme, matrices: Iterable[Matrix]) -> float:
    return sum(scheme.weight(m, k).stored_bytes(o, i, n) for m, k, o, i, n in matrices)


def compressed(weights: Mapping[str, Any], **rest: Any) -> dict[str, Any]:
    group = {"targets": ["Linear"], "weights": weights}
    if "inputs" in rest:
        group["input_activations"] = rest.pop("inputs")
    return {
        "quant_method": "compressed-tensors", "config_groups": {"group_0": group},
        "ignore": ["lm_head"], **rest,
    }  # fmt: skip


INT8_CHANNEL = {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": True}
INT4_G128 = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}


# ---- stored bytes against whole repositories ----------------------------------------------------


def llama_3_8b() -> list[Matrix]:
    layer = [
        ("self_attn.q_proj", 4096, 4096), ("self_attn.k_proj", 1024, 4096),
        ("self_attn.v_proj", 1024, 4096), ("self_attn.o_proj", 4096, 4096),
        ("mlp.gate_proj", 14336, 4096), ("mlp.up_proj", 14336, 4096),
        ("mlp.down_proj", 4096, 14336),
    ]  # fmt: skip
    found: list[Matrix] = [
        (f"model.layers.{i}.{name}", "linear", o, n, 1) for i in range(32) for name, o, n in layer
    ]
    found += [
        ("model.embed_tokens", "embedding", 128256, 4096, 1),
        ("lm_head", "head", 128256, 4096, 1),
    ]
    return found


LLAMA_NORMS = 65 * 4096 * 2


def test_llama_3_8b_w8a8_is_its_repository_but_for_60_kb_of_headers() -> None:
    scheme = scheme_of(compressed(INT8_CHANNEL, inputs={"num_bits": 8, "type": "int"}))
    assert scheme.name == "int8 (w8a8)"
    rest = 9_084_013_360 - stored(scheme, llama_3_8b()) - LLAMA_NORMS
    assert 0 < rest < 100_000


def test_llama_3_8b_w8a16_is_its_repository_but_for_90_kb_of_headers() -> None:
    scheme = scheme_of(compressed(INT8_CHANNEL, format="pack-quantized"))
    assert scheme.name == "int8 (w8a16)"
    assert scheme.weight("model.layers.0.mlp.up_proj").paths == BF16.paths
    rest = 9_084_040_952 - stored(scheme, llama_3_8b()) - LLAMA_NORMS
    assert 0 < rest < 150_000


def deepseek_layers(
    layers: int, dense: int, heads: int, experts: int, expert_width: int = 2048
) -> list[Matrix]:
    """Attention and MLPs of the DeepSeek-V3 shape (hidden 7168)."""
    h, found = 7168, []
    for i in range(layers):
        attn, mlp = f"model.layers.{i}.self_attn.", f"model.layers.{i}.mlp."
        shapes = [
            (attn + "q_a_proj", 1536, h), (attn + "q_b_proj", heads * 192, 1536),
            (attn + "kv_a_proj_with_mqa", 576, h), (attn + "kv_b_proj", heads * 256, 512),
            (attn + "o_proj", h, heads * 128),
        ]  # fmt: skip
        width, under = (18432, mlp) if i < dense else (expert_width, mlp + "shared_experts.")
        shapes += [(under + n, width, h) for n in ("gate_proj", "up_proj")]
        shapes.append((under + "down_proj", h, width))
        found += [(name, "linear", o, n, 1) for name, o, n in shapes]
        if i >= dense:
            one = mlp + "experts.3."
            found += [
                (one + n, "expert", expert_width, h, experts) for n in ("gate_proj", "up_proj")
            ]
            found.append((one + "down_proj", "expert", h, expert_width, experts))
            found.append((mlp + "gate", "router", experts, h, 1))
    return found


def test_deepseek_r1_is_its_repository_within_a_ten_thousandth() -> None:
    """688.6 GB with the MTP layer, which repeats embedding and head; its eh_proj is 16 bit."""
    scheme = scheme_of(BLOCK_FP8, num_hidden_layers=61)
    matrices = deepseek_layers(62, 3, 128, 256)
    matrices += [
        ("model.layers.61.eh_proj", "linear", 7168, 14336, 1),
        ("model.embed_tokens", "embedding", 129280, 7168, 2),
        ("lm_head", "head", 129280, 7168, 2),
    ]
    assert stored(scheme, matrices) == pytest.approx(688_624_501_744, rel=1e-4)


def test_kimi_k2_is_its_repository_within_a_ten_thousandth() -> None:
    """Experts in int4 groups of 32, the rest 16 bit, read from the config in text_config."""
    quantization = {
        "quant_method": "compressed-tensors", "format": "pack-quantized",
        "config_groups": {"group_0": {
            "targets": ["Linear"], "input_activations": None,
            "weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32,
                        "symmetric": True},
        }},
        "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*",
                   r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"],
        "kv_cache_scheme": None,
    }  # fmt: skip
    scheme = scheme_of(None, text_config={"quantization_config": quantization})
    assert scheme.name == "int4 g32"
    matrices = deepseek_layers(61, 1, 64, 384)
    matrices += [
        ("model.embed_tokens", "embedding", 163840, 7168, 1), ("lm_head", "head", 163840, 7168, 1),
    ]  # fmt: skip
    vision = 471_143_920 * 2
    assert stored(scheme, matrices) + vision == pytest.approx(595_204_651_032, rel=2e-4)


def deepseek_v4_pro() -> list[Matrix]:
    h, found = 7168, []
    for i in range(61):
        p = f"model.layers.{i}."
        wide = 512 if i in (0, 1) or i % 2 else 1024
        shapes = [
            ("self_attn.q_a_proj", 1536, h), ("self_attn.q_b_proj", 65536, 1536),
            ("self_attn.kv_proj", 512, h), ("self_attn.o_a_proj", 16384, 4096),
            ("self_attn.o_b_proj", h, 16384), ("self_attn.compressor.kv_proj", wide, h),
            ("self_attn.compressor.gate_proj", wide, h),
            ("mlp.shared_experts.gate_proj", 3072, h), ("mlp.shared_experts.up_proj", 3072, h),
            ("mlp.shared_experts.down_proj", h, 3072),
        ]  # fmt: skip
        if wide == 1024:
            indexer = "self_attn.compressor.indexer."
            shapes += [
                (indexer + "kv_proj", 256, h), (indexer + "gate_proj", 256, h),
                (indexer + "q_b_proj", 8192, 1536), (indexer + "scorer.weights_proj", 64, h),
            ]  # fmt: skip
        found += [(p + name, "linear", o, n, 1) for name, o, n in shapes]
    return found


def test_deepseek_v4_pro_has_the_block_scales_of_its_files() -> None:
    """Its E8M0 scales number 49,150,268,416: one per 32 expert weights and one per fp8 block."""
    scheme = scheme_of({**BLOCK_FP8, "scale_fmt": "ue8m0"}, expert_dtype="fp4")
    assert scheme.name == "mxfp4 experts + fp8 (block 128x128)"
    assert scheme.weight("model.layers.9.mlp.experts.7.down_proj", "expert") == MXFP4
    by_format: dict[Format, int] = {}
    for module, kind, o, n, count in deepseek_v4_pro():
        fmt = scheme.weight(module, kind)
        by_format[fmt] = by_format.get(fmt, 0) + o * n * count
    fp8 = scheme.weight("model.layers.0.self_attn.q_a_proj")
    assert fp8.scale_bits == 8
    assert set(by_format) == {BF16, fp8}
    # The MTP layer: the same without compressor, and two 7168 x 7168 input projections.
    mtp = 7168 * (1536 + 512 + 16384 + 3 * 3072 + 2 * 7168) + 1536 * 65536 + 16384 * 4096
    experts = 62 * 384 * 3 * 3072 * 7168
    assert experts // 32 + (by_format[fp8] + mtp) // (128 * 128) == pytest.approx(
        49_150_268_416, abs=100
    )


@pytest.mark.parametrize(
    ("quantization", "bytes_per_weight"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, 0.5 + 2.5 / 128),
        ({"quant_method": "awq", "bits": 4, "group_size": 64}, 0.5 + 2.5 / 64),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, 0.5 + 2.5 / 128 + 4 / 4096),
        ({"quant_method": "gptq", "bits": 8, "group_size": 128}, 1 + 3 / 128 + 4 / 4096),
        ({"quant_method": "gptq", "bits": 3, "group_size": -1}, 3 / 8 + 2.375 / 4096 + 4 / 4096),
        ({"quant_method": "auto-round", "bits": 2, "group_size": 32}, 0.25 + 2.25 / 32),
        ({"quant_method": "mxfp8"}, 1 + 1 / 32),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, 1 + 4 / 4096),
        ({"quant_method": "fbgemm_fp8"}, 1 + 4 / 4096),
        (BLOCK_FP8, 1 + 4 / 16384),
        (compressed(INT4_G128), 0.5 + 2 / 128),
        (compressed({**INT4_G128, "symmetric": False}), 0.5 + 2.5 / 128),
        (compressed({**INT4_G128, "actorder": "weight"}), 0.5 + 2 / 128),
        (compressed({**INT4_G128, "actorder": "group"}), 0.5 + 2 / 128 + 4 / 4096),
        (compressed(INT4_G128, format="int-quantized"), 1 + 2 / 128),
    ],
)  # fmt: skip
def test_scales_zero_points_and_indices_count(
    quantization: Mapping[str, Any], bytes_per_weight: float
) -> None:
    fmt = scheme_of(quantization).weight("model.layers.0.mlp.up_proj")
    assert fmt.stored_bytes(4096, 4096) / 4096**2 == pytest.approx(bytes_per_weight, rel=1e-6)


@pytest.mark.parametrize(("double", "bits"), [(True, 4.127), (False, 4.5)])
def test_nf4_takes_the_bits_of_the_qlora_paper(double: bool, bits: float) -> None:
    scheme = scheme_of({
        "quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": double,
    })  # fmt: skip
    fmt = scheme.weight("model.layers.0.mlp.up_proj")
    assert fmt.stored_bytes(4096, 4096) * 8 / 4096**2 == pytest.approx(bits, abs=1e-3)
    assert scheme.name.startswith("bitsandbytes nf4")


# ---- dialects -----------------------------------------------------------------------------------


def test_an_unquantized_config_is_its_dtype_everywhere() -> None:
    scheme = scheme_of(None, dtype="float16")
    assert (scheme.name, scheme.default, scheme.assumptions) == ("fp16", FP16, ())
    assert scheme.weight("model.layers.0.mlp.up_proj") == FP16


@pytest.mark.parametrize("where", ["dtype", "torch_dtype"])
def test_dtype_is_read_under_both_names_and_in_the_nest(where: str) -> None:
    assert read_scheme({where: "float16"}, None, source="m").default == FP16
    assert read_scheme({"text_config": {where: "torch.float16"}}, None, source="m").default == FP16


@pytest.mark.parametrize("config", [{}, {"dtype": "float32"}, {"dtype": "auto"}])
def test_a_dtype_that_is_missing_or_wider_is_taken_as_bf16_and_said(config: Any) -> None:
    scheme = read_scheme(config, None, source="m")
    assert scheme.default == BF16
    assert "bf16" in scheme.assumptions[0]


def test_fp8_leaves_embedding_head_and_router_alone_without_being_told() -> None:
    scheme = scheme_of(BLOCK_FP8)
    kinds: list[tuple[str, Kind]] = [
        ("model.embed_tokens", "embedding"), ("lm_head", "head"),
        ("model.layers.4.mlp.gate", "router"), ("model.layers.4.mamba.conv1d", "conv"),
    ]  # fmt: skip
    assert {scheme.weight(module, kind) for module, kind in kinds} == {BF16}
    assert scheme.weight("lm_head") == BF16
    assert scheme.weight("model.layers.4.mlp.gate") == BF16


def test_fp8_without_blocks_has_one_scale_per_tensor_as_in_devstral_2() -> None:
    scheme = scheme_of({
        "quant_method": "fp8", "activation_scheme": "static", "weight_block_size": None,
        "modules_to_not_convert": ["model.vision_tower", "model.multi_modal_projector", "lm_head"],
    })  # fmt: skip
    assert scheme.name == "fp8 (per tensor)"
    assert scheme.weight("model.layers.0.mlp.up_proj").stored_bytes(100, 100) == 100 * 100 + 8
    assert scheme.weight("model.vision_tower.encoder.layers.0.mlp.up_proj") == BF16
    assert scheme.weight("model.multi_modal_projector.linear_1") == BF16


def test_gpt_oss_mxfp4_is_its_experts_only() -> None:
    scheme = scheme_of({"quant_method": "mxfp4", "modules_to_not_convert": None})
    assert scheme.weight("model.layers.0.mlp.experts.gate_up_proj", "expert") == MXFP4
    assert scheme.weight("model.layers.0.self_attn.q_proj") == BF16


def test_awq_and_gptq_do_not_reach_the_vision_tower() -> None:
    for method in ("awq", "gptq"):  # Qwen2-VL GPTQ lists no exception
        scheme = scheme_of({"quant_method": method, "bits": 4, "group_size": 128})
        assert scheme.weight("visual.blocks.0.attn.qkv") == BF16


def test_gptq_quantizes_the_head_only_where_it_says_so() -> None:
    base = {"quant_method": "gptq", "bits": 4, "group_size": 128}
    assert scheme_of(base).weight("lm_head", "head") == BF16
    assert scheme_of({**base, "lm_head": True}).weight("lm_head", "head").bits == 4


def test_gptq_dynamic_rules_change_and_exempt_modules() -> None:
    scheme = scheme_of({
        "quant_method": "gptq", "bits": 4, "group_size": 128,
        "dynamic": {r"+:.*\.down_proj.*": {"bits": 8, "group_size": 32},
                    r"-:.*\.layers\.(0|1)\..*": {}},
    })  # fmt: skip
    assert scheme.weight("model.layers.0.mlp.down_proj") == BF16
    assert scheme.weight("model.layers.2.mlp.down_proj").bits == 8
    assert scheme.weight("model.layers.2.mlp.down_proj").block_in == 32
    assert scheme.weight("model.layers.2.mlp.up_proj").bits == 4


def test_gptq_of_some_modules_in_a_block_leaves_the_others() -> None:
    scheme = scheme_of({
        "quant_method": "gptq", "bits": 4, "group_size": 128,
        "modules_in_block_to_quantize": [["self_attn.q_proj", "self_attn.k_proj"]],
    })  # fmt: skip
    assert scheme.weight("model.layers.0.self_attn.k_proj").bits == 4
    assert scheme.weight("model.layers.0.mlp.up_proj") == BF16


def test_auto_round_exempts_modules_in_extra_config() -> None:
    scheme = scheme_of({
        "quant_method": "auto-round", "bits": 4, "group_size": 128, "data_type": "int",
        "extra_config": {"lm_head": {"bits": 4}, "model.layers.0.mlp.up_proj": {"bits": 16},
                         ".*self_attn.*": {"bits": 8}},
    })  # fmt: skip
    assert scheme.name == "auto-round int4 g128"
    assert scheme.weight("lm_head", "head").bits == 4
    assert scheme.weight("model.layers.0.mlp.up_proj") == BF16
    assert scheme.weight("model.layers.7.self_attn.q_proj").bits == 8


def test_compressed_tensors_prefers_named_targets_to_classes() -> None:
    scheme = scheme_of({
        "quant_method": "compressed-tensors", "ignore": ["lm_head"], "config_groups": {
            "group_0": {"targets": ["Linear"], "weights": INT4_G128},
            "group_1": {"targets": [r"re:.*\.down_proj"],
                        "weights": {"num_bits": 8, "type": "float", "strategy": "channel"},
                        "input_activations": {"num_bits": 8, "type": "float", "dynamic": True}},
        },
    })  # fmt: skip
    assert scheme.name == "int4 g128 + fp8 (per channel) (mixed)"
    assert scheme.weight("model.layers.0.mlp.up_proj").bits == 4
    down = scheme.weight("model.layers.0.mlp.down_proj")
    assert (down.name, down.paths[0].pipe) == ("fp8", "fp8")


@pytest.mark.parametrize(
    ("weights", "inputs", "name", "pipe"),
    [
        ({"num_bits": 8, "type": "float", "strategy": "tensor"}, 8, "fp8 (per tensor)", "fp8"),
        ({"num_bits": 8, "type": "float", "strategy": "channel"}, None, "fp8 w8a16", "bf16"),
        ({"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 128]}, 8,
         "fp8 (block 128x128)", "fp8"),
        ({"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}, 4,
         "nvfp4", "fp4"),
        ({"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}, None,
         "nvfp4 w4a16", "bf16"),
        ({"num_bits": 4, "type": "float", "strategy": "group", "group_size": 32}, None,
         "mxfp4 w4a16", "bf16"),
        (INT4_G128, 8, "int4 fp8 act", "fp8"),
    ],
)  # fmt: skip
def test_compressed_tensors_activations_choose_the_pipe(
    weights: Mapping[str, Any], inputs: int | None, name: str, pipe: str
) -> None:
    act = {"num_bits": inputs, "type": "float"} if inputs else None
    scheme = scheme_of(compressed(weights, inputs=act))
    assert scheme.name == name
    assert scheme.weight("model.layers.0.mlp.up_proj").paths[0].pipe == pipe


@pytest.mark.parametrize("scheme", [{"num_bits": 8, "type": "float"}, "FP8"])
def test_the_cache_format_is_read_from_both_spellings(scheme: object) -> None:
    found = scheme_of(compressed(INT8_CHANNEL, kv_cache_scheme=scheme)).cache
    assert found is not None
    assert found.bytes_per_element == 1


def test_modelopt_speaks_from_hf_quant_config_alone() -> None:
    """nvidia/Qwen3-235B-A22B-NVFP4: nothing in config.json."""
    scheme = scheme_of(None, {
        "quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "group_size": 16,
        "exclude_modules": [*(f"model.layers.{i}.mlp.gate" for i in range(94)), "lm_head"],
    })  # fmt: skip
    assert scheme.name == "nvfp4"
    assert scheme.cache is not None
    fmt = scheme.weight("model.layers.0.mlp.experts.0.up_proj", "expert")
    assert (fmt.bits, fmt.block_in, fmt.paths) == (4, 16, NVFP4.paths)
    assert fmt.stored_bytes(1536, 4096) == 1536 * 4096 * 0.5625 + 8


def test_modelopt_without_quant_method_is_known_by_its_quant_algo() -> None:
    """Qwen3-32B-FP8-Static-PerTensor."""
    scheme = scheme_of({
        "quant_algo": "FP8", "kv_cache_scheme": "FP8", "ignore": ["lm_head"],
        "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}},
    })  # fmt: skip
    assert scheme.name == "fp8 (per tensor)"
    assert scheme.assumptions == ()


def test_modelopt_without_exclusions_says_that_the_files_may_be_larger() -> None:
    """Nemotron-3 Super: 80 GB stored, 70 if every linear layer were nvfp4."""
    scheme = scheme_of(None, {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8"})
    assert any("excludes no module" in line for line in scheme.assumptions)


QWEN_36 = {
    "quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "ignore": ["mtp*"],
    "config_groups": {"group_1": {
        "weights": {"num_bits": 4, "type": "float", "group_size": 16},
        "input_activations": {"num_bits": 4, "type": "float", "group_size": 16},
        "targets": ["model.language_model.layers.0.mlp.experts", "lm_head"],
    }},
    "quantized_layers": {
        "model.language_model.layers.0.linear_attn.in_proj_qkv": {"quant_algo": "FP8"},
        "model.language_model.layers.0.mlp.experts": {"quant_algo": "W4A16_NVFP4"},
        "lm_head": {"quant_algo": "W4A16_NVFP4", "group_size": 16},
    },
}  # fmt: skip


def test_quantized_layers_decide_over_config_groups() -> None:
    """Qwen3.6-35B-A3B-NVFP4 declares 4-bit activations that its layers do not have."""
    scheme = scheme_of(QWEN_36, num_hidden_layers=40)
    experts = scheme.weight("model.layers.0.mlp.experts.5.down_proj", "expert")
    assert experts.name == "nvfp4_w4a16"
    assert experts.paths == BF16.paths
    assert scheme.weight("lm_head", "head").name == "nvfp4_w4a16"
    assert scheme.weight("model.embed_tokens", "embedding") == BF16
    assert scheme.weight("model.layers.0.linear_attn.in_proj_qkv").bits == 8
    assert scheme.weight("model.layers.0.linear_attn.in_proj_qkvz").bits == 8
    assert scheme.weight("model.layers.0.linear_attn.in_proj_ba") == BF16
    assert scheme.weight("model.layers.0.mlp.gate", "router") == BF16
    assert scheme.name == "fp8 (per tensor) + nvfp4 w4a16 (mixed)"


def test_nvfp4_experts_over_a_deepseek_v4_checkpoint_leave_the_rest_in_fp8() -> None:
    """nvidia/DeepSeek-V4-Pro-NVFP4: names of another tree, ignore meaning "left as it was"."""
    scheme = scheme_of(
        {
            **BLOCK_FP8, "scale_fmt": "ue8m0", "quant_algo": "MIXED_PRECISION",
            "ignore": ["*.attn.*", "*.ffn.shared_experts.*", "head", "mtp.*"],
            "quantized_layers": {f"layers.{i}.ffn.experts": {"quant_algo": "NVFP4"}
                                 for i in range(61)},
        },
        expert_dtype="fp4", num_hidden_layers=61,
    )  # fmt: skip
    assert scheme.weight("model.layers.60.mlp.experts.1.up_proj", "expert").name == "nvfp4"
    assert scheme.weight("mtp.layers.0.mlp.experts.1.up_proj", "expert") == MXFP4
    assert scheme.weight("model.layers.61.mlp.experts.1.up_proj", "expert") == MXFP4
    assert scheme.weight("model.layers.3.self_attn.q_a_proj").name == "fp8_block"
    assert scheme.weight("model.layers.3.mlp.shared_experts.up_proj").name == "fp8_block"
    assert scheme.weight("lm_head", "head") == BF16


def test_quark_reads_global_per_layer_and_excluded() -> None:
    scheme = scheme_of({
        "quant_method": "quark", "exclude": ["lm_head", "*.self_attn.*"],
        "global_quant_config": {
            "weight": {"dtype": "fp4", "qscheme": "per_group", "group_size": 32,
                       "scale_format": "e8m0"},
            "input_tensors": {"dtype": "fp4", "is_dynamic": True},
        },
        "layer_quant_config": {"*down_proj": {
            "weight": {"dtype": "fp8_e4m3", "qscheme": "per_tensor"},
            "input_tensors": {"dtype": "fp8_e4m3"},
        }},
        "kv_cache_quant_config": {"*k_proj": {"output_tensors": {"dtype": "fp8_e4m3"}}},
    })  # fmt: skip
    assert scheme.name == "quark fp8 (per tensor) + mxfp4 w4a4 (mixed)"
    assert scheme.weight("model.layers.0.mlp.up_proj").paths[0].pipe == "fp4"
    assert scheme.weight("model.layers.0.mlp.down_proj").bits == 8
    assert scheme.weight("model.layers.0.self_attn.q_proj") == BF16
    assert scheme.cache is not None


@pytest.mark.parametrize(
    ("quant_type", "bits", "pipe"),
    [
        ("int4_weight_only", 4, "bf16"),
        ({"default": {"_type": "Int4WeightOnlyConfig", "_data": {"group_size": 64}}}, 4, "bf16"),
        ({"default": {"_type": "Float8DynamicActivationFloat8WeightConfig",
                      "_data": {"granularity": [{"_type": "PerRow", "_data": {}}] * 2}}}, 8, "fp8"),
        ({"default": {"_type": "Int8DynamicActivationIntxWeightConfig", "_data": {
            "weight_dtype": {"_type": "torch.dtype", "_data": "int4"},
            "weight_granularity": {"_type": "PerGroup", "_data": {"group_size": 32}}}}}, 8, "int8"),
        ({"default": {"_type": "ModuleFqnToConfig", "_data": {"module_fqn_to_config": {
            "_default": {"_type": "Int8WeightOnlyConfig", "_data": {}}, "lm_head": None}}}},
         8, "bf16"),
    ],
)  # fmt: skip
def test_torchao_types(quant_type: object, bits: float, pipe: str) -> None:
    scheme = scheme_of({"quant_method": "torchao", "quant_type": quant_type})
    fmt = scheme.weight("model.layers.0.mlp.up_proj")
    assert (fmt.bits, fmt.paths[0].pipe) == (bits, pipe)
    assert scheme.weight("lm_head", "head") == BF16


def test_bitnet_packs_four_weights_to_a_byte() -> None:
    scheme = scheme_of({"quant_method": "bitnet", "quantization_mode": "offline"})
    assert scheme.weight("model.layers.0.mlp.up_proj").stored_bytes(2560, 2560) == 2560**2 / 4 + 2


# ---- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "covered", "left"),
    [
        ("model.layers.3.self_attn.q_proj", "model.layers.3.self_attn.q_proj",
         "model.layers.4.self_attn.q_proj"),
        ("model.layers.3.self_attn", "model.layers.3.self_attn.o_proj",
         "model.layers.3.mlp.up_proj"),
        ("model.layers.1", "model.layers.1.mlp.up_proj", "model.layers.10.mlp.up_proj"),
        ("model.layers.1.*", "model.layers.1.mlp.up_proj", "model.layers.10.mlp.up_proj"),
        ("model.layers.7*", "model.layers.78.mlp.up_proj", "model.layers.8.mlp.up_proj"),
        ("model.layers.0*", "model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj"),
        ("model.layers.*.self_attn", "model.layers.9.self_attn.q_proj",
         "model.layers.9.mlp.up_proj"),
        ("*.attn.*", "model.layers.9.self_attn.q_proj", "model.layers.9.mlp.up_proj"),
        ("re:.*self_attn.*", "model.layers.9.self_attn.q_proj", "model.layers.9.mlp.up_proj"),
        (r"re:model\.layers\.(0|1)\.mlp.*", "model.layers.1.mlp.up_proj",
         "model.layers.2.mlp.up_proj"),
        (r"re:.*\.router$", "model.layers.1.mlp.gate", "model.layers.1.mlp.gate_proj"),
        (r"re:language_model\.model\.layers\.2\..*", "model.layers.2.mlp.up_proj",
         "model.layers.3.mlp.up_proj"),
        (r".*\.mlp\.down_proj$", "model.layers.2.mlp.down_proj", "model.layers.2.mlp.up_proj"),
        ("gate", "model.layers.1.block_sparse_moe.gate", "model.layers.1.mlp.gate_proj"),
        ("mlp.gate", "model.layers.1.mlp.gate", "model.layers.1.mlp.up_proj"),
        ("layers.0.ffn.experts", "model.layers.0.mlp.experts.4.up_proj",
         "model.layers.0.mlp.shared_experts.up_proj"),
        ("head", "lm_head", "model.embed_tokens"),
        ("language_model.lm_head", "lm_head", "model.layers.0.mlp.up_proj"),
        ("language_model.model.layers.2.self_attn*", "model.layers.2.self_attn.q_a_proj",
         "model.layers.2.mlp.up_proj"),
        ("backbone.layers.4.mixer.in_proj", "model.layers.4.mamba.in_proj",
         "model.layers.5.mamba.in_proj"),
        ("backbone.layers.4.mixer", "model.layers.4.self_attn.q_proj",
         "model.layers.5.self_attn.q_proj"),
        ("backbone.layers.4.mixer.q_proj", "model.layers.4.self_attn.q_proj",
         "model.layers.4.self_attn.o_proj"),
        ("model.layers.0.block_sparse_moe.experts.3.w2", "model.layers.0.mlp.experts.3.down_proj",
         "model.layers.0.mlp.experts.4.down_proj"),
        ("model.layers.0.mlp.experts.gate_up_proj", "model.layers.0.mlp.experts.4.up_proj",
         "model.layers.0.mlp.experts.4.down_proj"),
        ("model.layers.0.self_attn.qkv_proj", "model.layers.0.self_attn.v_proj",
         "model.layers.0.self_attn.o_proj"),
        ("model.layers.0.mlp.gate_proj", "model.layers.0.mlp.gate_up_proj",
         "model.layers.0.mlp.down_proj"),
        ("*.mlp.shared_expert.*", "model.layers.0.mlp.shared_expert.up_proj",
         "model.layers.0.mlp.experts.0.up_proj"),
        ("model.layers.3.mlp.shared_experts*", "model.layers.3.mlp.shared_experts.up_proj",
         "model.layers.4.mlp.shared_experts.up_proj"),
        ("model.visual*", "model.visual.blocks.0.mlp.up_proj", "model.layers.0.mlp.up_proj"),
        ("vision_tower*", "model.vision_tower.encoder.layers.0.mlp.up_proj",
         "model.layers.0.mlp.up_proj"),
        ("mtp*", "mtp.layers.0.mlp.up_proj", "model.layers.0.mlp.up_proj"),
        ("mtp.layers.0*", "mtp.layers.0.mlp.up_proj", "model.layers.0.mlp.up_proj"),
        ("model.layers.0.", "model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj"),
    ],
)  # fmt: skip
def test_a_listed_name_covers_what_it_means_and_no_more(
    entry: str, covered: str, left: str
) -> None:
    names = Names([entry])

    def means(module: str) -> bool:
        head, layer, rest = split_layer(module)
        place = place_of(head, rest, layer is not None)
        return names.verdict(place).holds(place, layer)

    assert means(covered)
    assert not means(left)


def test_mtp_layers_answer_to_their_number_and_to_their_own_name() -> None:
    numbered = scheme_of({**BLOCK_FP8, "modules_to_not_convert": ["model.layers.78*"]},
                         num_hidden_layers=78)  # fmt: skip
    named = scheme_of({**BLOCK_FP8, "modules_to_not_convert": ["mtp.*"]}, num_hidden_layers=78)
    for scheme in (numbered, named):
        for module in ("model.layers.78.mlp.up_proj", "mtp.layers.0.mlp.up_proj"):
            assert scheme.weight(module) == BF16
        assert scheme.weight("model.layers.77.mlp.up_proj") != BF16


def test_gemma_4_experts_stand_beside_the_ignored_mlp() -> None:
    """nvidia/Gemma-4-26B-A4B-NVFP4 excludes every mlp*; its experts are layers.N.experts."""
    scheme = scheme_of(
        {"quant_method": "modelopt", "quant_algo": "NVFP4",
         "ignore": [f"model.language_model.layers.{i}.mlp*" for i in range(30)]},
        model_type="gemma4",
    )  # fmt: skip
    assert scheme.weight("model.layers.3.mlp.down_proj") == BF16
    assert scheme.weight("model.layers.3.mlp.experts.7.down_proj", "expert").bits == 4


def test_huge_ignore_lists_answer_a_thousand_modules_at_once() -> None:
    listed = [
        f"model.layers.{i}.mlp.experts.{e}.{n}"
        for i in range(58)
        for e in range(128)
        for n in ("gate_proj", "up_proj", "down_proj")
    ]
    scheme = scheme_of({**BLOCK_FP8, "modules_to_not_convert": listed})
    start = time.process_time()
    for i in range(100):
        for e in range(10):
            fmt = scheme.weight(f"model.layers.{i}.mlp.experts.{e}.up_proj", "expert")
            assert (fmt == BF16) == (i < 58)
    assert time.process_time() - start < 0.05


# ---- what if ------------------------------------------------------------------------------------


def test_what_if_quantizes_linear_layers_and_experts_only() -> None:
    scheme = what_if(FP8, scheme_of(None))
    assert scheme.weight("model.layers.0.mlp.up_proj") == FP8
    assert scheme.weight("model.layers.0.mlp.experts.1.up_proj", "expert") == FP8
    assert scheme.weight("lm_head", "head") == BF16
    assert scheme.weight("model.layers.0.mlp.gate", "router") == BF16


def test_what_if_in_16_bit_undoes_a_checkpoints_quantization() -> None:
    scheme = what_if(FP16, scheme_of(BLOCK_FP8))
    assert (scheme.name, scheme.default) == ("fp16", FP16)
    assert scheme.weight("model.layers.0.mlp.up_proj") == FP16


# ---- refusals -----------------------------------------------------------------------------------


def test_an_unknown_method_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedModelError) as refusal:
        scheme_of({"quant_method": "spqr", "bits": 3})
    assert str(refusal.value) == (
        "m: quantization_config.quant_method: quant_method 'spqr' is not supported"
    )


@pytest.mark.parametrize(
    ("quantization", "bits"),
    [
        ({"quant_method": "hqq", "quant_config": {"weight_quant_params": {
            "nbits": 4, "group_size": 64}}, "skip_modules": ["lm_head"]}, 4 + 32 / 64),
        ({"quant_method": "aqlm", "nbits_per_codebook": 16, "num_codebooks": 1,
          "in_group_size": 8, "out_group_size": 1}, 2 + (16 * 2**16 * 8 / 4096 + 16) / 4096),
        ({"quant_method": "exl2", "bits": 4.65, "head_bits": 6}, 4.65),
        ({"quant_method": "exl3", "bits": 3.0}, 3.0),
        ({"quant_method": "quanto", "weights": "int4"}, 4 + 32 / 128),
        ({"quant_method": "quanto", "weights": "int8"}, 8 + 16 / 4096),
        ({"quant_method": "eetq"}, 8 + 16 / 4096),
    ],
)  # fmt: skip
def test_methods_that_say_how_many_bits_a_weight_has(
    quantization: Mapping[str, Any], bits: float
) -> None:
    scheme = scheme_of(quantization)
    found = scheme.weight("model.layers.0.mlp.up_proj")
    assert 8 * found.stored_bytes(4096, 4096) / 4096**2 == pytest.approx(bits)
    head = scheme.weight("lm_head", "head")
    assert head.bits == quantization.get("head_bits", 16)


@pytest.mark.parametrize(("bits", "stored"), [(3, 3), (4, 4), (5, 5), (6, 6), (7, 7), (8, 8)])
def test_compressed_tensors_packs_densely(bits: int, stored: float) -> None:
    weights = {"num_bits": bits, "type": "int", "strategy": "channel", "symmetric": True}
    scheme = scheme_of(compressed(weights, format="pack-quantized"))
    assert scheme.weight("model.layers.0.mlp.up_proj").bits == stored


def test_a_head_that_the_ignore_list_does_not_name_is_quantized() -> None:
    weights = {"num_bits": 4, "type": "int", "strategy": "channel", "symmetric": True}
    for ignore, bits in ([], 4), (["lm_head"], 16):
        scheme = scheme_of(compressed(weights, format="pack-quantized", ignore=ignore))
        assert scheme.weight("lm_head", "head").bits == bits


@pytest.mark.parametrize(
    ("quantization", "field"),
    [
        ({"quant_method": "awq", "bits": 5}, "bits"),
        ({"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}, "checkpoint_format"),
        ({"quant_method": "modelopt", "quant_algo": "W3A5"}, "quant_algo"),
        ({"quant_method": "torchao", "quant_type": "autoquant"}, "quant_type"),
        ({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "int3"}}}, "dtype"),
        (compressed({"num_bits": 6, "type": "float", "strategy": "group", "group_size": 64}),
         "strategy"),
        ({"quant_method": "quanto", "weights": "int3"}, "weights"),
        ({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 7}}}, "nbits"),
        (compressed(INT8_CHANNEL, sparsity_config={"format": "sparse-24-bitmask"}), "format"),
        (compressed(INT8_CHANNEL, format="marlin-24"), "format"),
        (compressed(INT8_CHANNEL, kv_cache_scheme="int2"), "kv_cache_scheme"),
    ],
)  # fmt: skip
def test_schemes_that_are_not_understood_are_refused_naming_the_field(
    quantization: Mapping[str, Any], field: str
) -> None:
    with pytest.raises(UnsupportedModelError) as refusal:
        scheme_of(quantization)
    assert refusal.value.field.rpartition(".")[2] == field


@pytest.mark.parametrize(
    ("quantization", "field"),
    [
        ([], "quantization_config"),
        ({"bits": 4}, "quantization_config.quant_method"),
        ({"quant_method": 4}, "quantization_config.quant_method"),
        ({"quant_method": "gptq", "bits": -4}, "quantization_config.bits"),
        ({"quant_method": "gptq", "bits": "4"}, "quantization_config.bits"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 0}, "quantization_config.group_size"),
        ({"quant_method": "awq", "bits": 4, "group_size": 10**12},
         "quantization_config.group_size"),
        ({"quant_method": "fp8", "weight_block_size": [128]},
         "quantization_config.weight_block_size"),
        ({"quant_method": "fp8", "weight_block_size": [0, 128]},
         "quantization_config.weight_block_size[0]"),
        ({"quant_method": "fp8", "modules_to_not_convert": [3]},
         "quantization_config.modules_to_not_convert[0]"),
        ({"quant_method": "fp8", "modules_to_not_convert": ["re:("]},
         "quantization_config.modules_to_not_convert"),
        ({"quant_method": "fp8", "modules_to_not_convert": ["re:(a+)+$"]},
         "quantization_config.modules_to_not_convert"),
        ({"quant_method": "bitsandbytes"}, "quantization_config.load_in_4bit"),
        ({"quant_algo": "MIXED_PRECISION"}, "quantization_config.quant_algo"),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_errors_that_name_the_field(
    quantization: Any, field: str
) -> None:
    with pytest.raises(InputError) as error:
        scheme_of(quantization)
    assert error.value.field == field


FIELDS = [
    "quant_method", "quant_algo", "bits", "group_size", "sym", "desc_act", "lm_head", "dynamic",
    "modules_to_not_convert", "ignore", "exclude_modules", "weight_block_size", "fmt",
    "activation_scheme", "config_groups", "kv_cache_scheme", "kv_cache_quant_algo", "format",
    "quantized_layers", "load_in_4bit", "load_in_8bit", "bnb_4bit_quant_type", "extra_config",
    "global_quant_config", "layer_quant_config", "quant_type", "weights", "targets", "num_bits",
    "type", "strategy", "input_activations", "weight", "dtype", "qscheme", "default", "_type",
    "_data", "sparsity_config", "modules_in_block_to_quantize", "expert_dtype", "scale_fmt",
    "quantization_mode", "block_structure", "actorder", "symmetric", "data_type",
]  # fmt: skip
WORDS = [
    "fp8", "awq", "gptq", "compressed-tensors", "modelopt", "bitsandbytes", "mxfp4", "quark",
    "torchao", "auto-round", "bitnet", "fbgemm_fp8", "NVFP4", "FP8", "MIXED_PRECISION", "float",
    "int", "group", "channel", "tensor", "block", "Linear", "lm_head", "re:.*mlp.*", "nf4", "fp4",
    "per_group", "Int4WeightOnlyConfig", "FqnToConfig", "model.layers.0*", "*", "",
]  # fmt: skip
_scalars: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS)
    | st.integers(-1, 300) | st.text(string.printable, max_size=8)
    | st.builds(list) | st.builds(dict)
)  # fmt: skip
_json = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=4)
        | st.dictionaries(
            st.sampled_from(FIELDS) | st.sampled_from(WORDS), inner, min_size=1, max_size=6
        )
    ),
    max_leaves=20,
)
_methods = st.sampled_from(WORDS[:12])


@given(
    _methods,
    st.dictionaries(st.sampled_from(FIELDS), _json, max_size=8),
    st.none() | st.fixed_dictionaries({"quantization": _json}),
)
@settings(max_examples=50)
def test_any_json_is_read_or_refused(method: str, quantization: Any, hf: Any) -> None:
    config = {"dtype": "bfloat16", "quantization_config": {"quant_method": method, **quantization}}
    try:
        scheme = read_scheme(config, hf, source="m")
    except InputError:
        return
    for module, kind in (("model.layers.3.mlp.experts.1.up_proj", "expert"), ("lm_head", "head")):
        fmt = scheme.weight(module, kind)  # type: ignore[arg-type]
        assert 0 < fmt.stored_bytes(4096, 4096) < 1e12


@given(_json, _json)
@settings(max_examples=50)
def test_any_config_is_read_or_refused(config: Any, hf: Any) -> None:
    try:
        scheme = read_scheme(config, hf, source="m")
    except InputError:
        return
    assert scheme.weight("model.layers.0.mlp.up_proj").bits > 0


# --- MLX -----------------------------------------------------------------------------------------


def mlx(**more: Any) -> Scheme:
    """What mlx_lm.convert writes: the same object under two names."""
    stated = {"group_size": 64, "bits": 4, **more}
    return read_scheme({"quantization": stated, "torch_dtype": "bfloat16"}, source="config.json")


def test_mlx_quantizes_linear_layers_experts_embedding_and_head() -> None:
    scheme = mlx(mode="affine")
    assert scheme.name == "mlx q4"
    modules: tuple[tuple[str, ModuleKind], ...] = (
        ("model.layers.0.mlp.down_proj", "linear"), ("model.embed_tokens", "embedding"),
        ("lm_head", "head"), ("model.layers.0.mlp.experts.0.up_proj", "expert"),
    )  # fmt: skip
    for module, kind in modules:
        assert scheme.weight(module, kind).stored_bytes(4096, 4096) / 4096**2 == 0.5 + 4 / 64
    assert scheme.weight("vision_tower.blocks.0.attn.qkv").bits == 16
    assert scheme.weight("model.layers.0.mlp.gate", "router").bits == 16


def test_mlx_names_the_modules_that_differ() -> None:
    scheme = mlx(
        **{
            "model.layers.0.mlp.switch_mlp.down_proj": {"group_size": 32, "bits": 6},
            "language_model.model.layers.1.self_attn.v_proj": {"bits": 8},
            "model.layers.0.mlp.gate": {"group_size": 64, "bits": 8}, "lm_head": False,
        }
    )  # fmt: skip
    assert scheme.weight("model.layers.0.mlp.experts.0.down_proj", "expert").name == "mlx_q6_g32"
    assert scheme.weight("model.layers.1.mlp.experts.0.down_proj", "expert").name == "mlx_q4"
    assert scheme.weight("model.layers.1.self_attn.v_proj").name == "mlx_q8"
    assert scheme.weight("model.layers.0.mlp.gate", "router").name == "mlx_q8"
    assert scheme.weight("lm_head", "head").bits == 16


@pytest.mark.parametrize(
    ("mode", "bytes_each"),
    [("mxfp4", 0.5 + 1 / 32), ("mxfp8", 1 + 1 / 32), ("nvfp4", 0.5 + 1 / 16)],
)
def test_mlx_has_the_micro_formats_without_their_arithmetic(mode: str, bytes_each: float) -> None:
    fmt = mlx(mode=mode).weight("model.layers.0.mlp.down_proj")
    assert fmt.stored_bytes(4096, 4096) / 4096**2 == pytest.approx(bytes_each, rel=1e-4)
    assert [path.pipe for path in fmt.paths] == [path.pipe for path in BF16.paths]


@pytest.mark.parametrize("more", [{"bits": 7}, {"group_size": 48}, {"mode": "turbo"}])
def test_mlx_formats_that_are_not_known_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedModelError, match="MLX"):
        mlx(**more)


def test_an_encoder_decoder_has_a_mix_as_others_whose_heads_share_no_keys() -> None:
    """llama.cpp's Q4_K_M of T5: q4_k (4.5 bits) and q6_k (6.56); its embedding is q6_k."""
    model = vperf.load_model("t5-small", quantization="q4_k_m")
    bits = 8 * model.weight_bytes / model.parameters
    assert 4.5 < bits < 6.5625 + 0.1
