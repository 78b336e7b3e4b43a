"""The estimate against hand calculations, and the laws that every answer obeys."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vperf
from vperf.errors import InputError
from vperf.sources.engines import load_engine
from vperf.sources.gpu_override import override
from vperf.sources.gpus import load_gpu
from vperf.timing.compiled import Compiled
from vperf.timing.step import Card, OpTime, PhaseTimes

QWEN = "Qwen/Qwen3-4B-Instruct-2507"
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
MODELS = (QWEN, LLAMA, "openai/gpt-oss-20b", "deepseek-ai/DeepSeek-V3", "google/gemma-2-9b",
          "mistralai/Mixtral-8x7B-v0.1", "Qwen/Qwen3-30B-A3B")  # fmt: skip
GPUS = ("h100-sxm", "rtx-4090", "rtx-pro-6000", "l40s", "mi300x", "apple-m3-max", "t4")


# --- worked answers -------------------------------------------------------------------------


def test_qwen3_4b_has_its_exact_parameters_bytes_and_cache() -> None:
    facts = vperf.estimate(QWEN, "rtx-pro-6000").model
    # 151936 x 2560 embedding (tied) + 36 x 100,930,816 + 2560.
    assert facts.parameters == 4_022_468_096
    assert facts.weight_bytes == 8_044_936_192
    # K and V, 36 layers, 8 KV heads of 128 (not 2560 / 32 = 80), 2 bytes.
    assert facts.kv_bytes_per_token == 2 * 36 * 8 * 128 * 2 == 147_456


@pytest.mark.parametrize(
    ("gpu", "bandwidth", "l2_mib", "rounded"),
    [
        ("rtx-pro-6000", 1792e9, 128, 207),
        ("rtx-4090", 1008e9, 72, 116.5),
        ("h100-sxm", 3350e9, 50, 387),
    ],
)
def test_qwen3_4b_decode_limit_at_4096_is_bandwidth_over_weights_and_cache(
    gpu: str, bandwidth: float, l2_mib: int, rounded: float
) -> None:
    streamed = 8_044_936_192 + 4096 * 147_456
    assert bandwidth / streamed == pytest.approx(rounded, rel=0.002)
    at_4096 = next(d for d in vperf.estimate(QWEN, gpu).depth if d.context_tokens == 4096)
    allowed = bandwidth / (streamed - l2_mib * 2**20)
    assert at_4096.limit_decode_tokens_per_s == pytest.approx(allowed, rel=1e-4)
    assert allowed / rounded < 1.02  # what the L2 may hold is worth at most 2 %


def test_llama_3_1_8b_on_h100_decodes_at_most_221_tokens_per_second() -> None:
    # Streams 16.06 GB less the untied 128256 x 4096 embedding, and 131,072 bytes a token of cache.
    streamed = 2 * (8_030_261_248 - 128_256 * 4096) + 1024 * 131_072
    assert 3350e9 / streamed == pytest.approx(221, rel=0.002)
    answer = vperf.estimate(LLAMA, "h100-sxm", input_len=1024, output_len=1)
    assert answer.model.weight_bytes == 2 * 8_030_261_248
    assert answer.limit.decode_tokens_per_s == pytest.approx(
        3350e9 / (streamed - 50 * 2**20), rel=1e-6
    )


def test_llama_3_1_8b_on_h100_prefills_1024_tokens_in_at_least_14_7_ms() -> None:
    matrices = 32 * (4096 * (4096 + 2 * 1024) + 4096 * 4096 + 3 * 4096 * 14336)
    head = 128_256 * 4096  # once: only the last position is needed
    attention = 32 * 32 * 4 * 128 * (1024 * 1025 // 2)  # causal
    flops = 2 * matrices * 1024 + 2 * head + attention
    assert flops == pytest.approx(14.57e12, rel=5e-4)
    answer = vperf.estimate(LLAMA, "h100-sxm", input_len=1024)
    assert answer.prefill.flops == flops
    assert answer.limit.ttft_s == pytest.approx(flops / 989.4e12, rel=1e-9)
    assert answer.limit.ttft_s == pytest.approx(14.7e-3, rel=0.005)
    assert answer.prefill.bound == "compute"
    assert answer.decode.bound == "memory"


def test_a_tied_embedding_is_stored_once_and_streamed_once() -> None:
    answer = vperf.estimate(QWEN, "h100-sxm")
    streamed = sum(op.memory_s for op in answer.decode.ops) * 3350e9 + 50 * 2**20
    cache = (1024 + 63) * 147_456
    assert streamed == pytest.approx(8_044_936_192 + cache, rel=1e-6)


def test_mixtral_at_batch_1_reads_two_of_eight_experts() -> None:
    one = vperf.estimate("mistralai/Mixtral-8x7B-v0.1", "h200", batch_size=1)
    many = vperf.estimate("mistralai/Mixtral-8x7B-v0.1", "h200", batch_size=64)
    expert = 3 * 4096 * 14336 * 2
    experts = [next(op for op in e.decode.ops if op.kind == "moe") for e in (one, many)]
    for op, distinct in zip(experts, (2, 8 * (1 - 0.75**64)), strict=True):
        assert op.bytes == pytest.approx(32 * distinct * expert, rel=0.01)


def test_the_limit_of_a_batch_reads_the_experts_of_one_token_and_the_ceiling_those_of_all() -> None:
    one, many = (
        vperf.estimate("mistralai/Mixtral-8x7B-v0.1", "h200", batch_size=batch, input_len=1)
        for batch in (1, 64)
    )
    assert one.ceiling == one.limit
    assert many.limit.tpot_s == pytest.approx(one.limit.tpot_s, rel=0.05)
    assert many.ceiling.tpot_s > 3 * many.limit.tpot_s
    dense = vperf.estimate(LLAMA, "h200", batch_size=64)
    assert dense.ceiling == dense.limit
    answer = many.to_dict()
    assert answer["ceiling"]["tpot_s"] > answer["limit"]["tpot_s"]


def test_a_group_of_experts_reads_a_whole_one_of_every_token_at_least() -> None:
    """Of 8 experts a token, one of 4 groups has 2 or more; each is shared by the group's GPUs."""
    ways: dict[str, Any] = {"tp": 8, "input_len": 1}
    name = "deepseek-ai/DeepSeek-R1"
    alone, four, twelve = (
        vperf.estimate(name, "b200", ep=ep, batch_size=64, **ways) for ep in (1, 4, 8)
    )
    assert four.limit.tpot_s == pytest.approx(alone.limit.tpot_s)
    assert twelve.limit.tpot_s == pytest.approx(alone.limit.tpot_s)
    five = vperf.estimate("openai/gpt-oss-120b", "h100", tp=8, ep=8, batch_size=64, input_len=1)
    whole = vperf.estimate("openai/gpt-oss-120b", "h100", tp=8, batch_size=64, input_len=1)
    assert five.limit.tpot_s > whole.limit.tpot_s  # 4 experts, 8 groups: one has a whole one
    assert five.ceiling.tpot_s == whole.ceiling.tpot_s


def test_the_depth_table_reaches_the_models_longest_context() -> None:
    answer = vperf.estimate(LLAMA, "h100-sxm")
    assert answer.depth[-1].context_tokens == answer.model.max_context_tokens == 131_072


def test_an_fp8_checkpoint_on_a_card_without_fp8_says_that_it_falls_back() -> None:
    answer = vperf.estimate(LLAMA, "rtx-3090", quantization="fp8")
    said = [line for line in answer.assumptions if "no fp8 pipe" in line]
    assert said
    assert "bf16" in said[0]


def test_a_context_beyond_the_models_maximum_is_a_warning_not_an_error() -> None:
    answer = vperf.estimate("Qwen/Qwen3-8B", "h100-sxm", input_len=50_000)
    assert any("beyond the model's maximum context of 40960" in line for line in answer.warnings)


def test_what_does_not_fit_is_an_answer_with_a_warning() -> None:
    answer = vperf.estimate("deepseek-ai/DeepSeek-V3", "rtx-4090")
    assert not answer.memory.fits
    assert answer.memory.max_context_tokens == 0
    assert answer.memory.max_batch_size == 0
    assert any("does not fit" in line for line in answer.warnings)


def test_an_ambiguous_gpu_name_is_said_in_the_assumptions() -> None:
    answer = vperf.estimate(QWEN, "rtx-pro-6000")
    assert answer.gpu.id == "rtx-pro-6000-workstation"
    assert any("rtx-pro-6000-server" in line for line in answer.assumptions)


@pytest.mark.parametrize("field", ["input_len", "output_len", "batch_size"])
@pytest.mark.parametrize("value", [0, -1, 10**12, 1.5, True])
def test_an_impossible_length_is_refused_by_name(field: str, value: object) -> None:
    arguments: dict[str, Any] = {field: value}
    with pytest.raises(InputError, match=field.replace("_", "-")):
        vperf.estimate(QWEN, "h100-sxm", **arguments)


# --- more than one GPU ----------------------------------------------------------------------


def test_four_gpus_hold_a_quarter_of_the_weights_each() -> None:
    one = vperf.estimate(LLAMA, "h100-sxm")
    four = vperf.estimate(LLAMA, "h100-sxm", tp=4)
    assert four.gpu.count == four.workload.tensor_parallel == 4
    assert four.memory.weight_bytes == pytest.approx(one.memory.weight_bytes / 4, rel=1e-3)
    assert four.memory.kv_cache_bytes == one.memory.kv_cache_bytes / 4
    assert four.memory.capacity_bytes == one.memory.capacity_bytes
    assert four.model == one.model  # facts of the model, not of a share


def test_tensor_parallelism_exchanges_twice_a_layer() -> None:
    answer = vperf.estimate(LLAMA, "h100-sxm", tp=2, input_len=4096)
    for phase, tokens in ((answer.prefill, 4096), (answer.decode, 1)):
        (exchange,) = (op for op in phase.ops if op.kind == "allreduce")
        assert exchange.count == 2 * 32
        assert exchange.shape == f"{tokens * 4096} among 2"
        assert 0 < exchange.limit_s <= exchange.expected_s
        assert exchange.bound == "link"
    # 16-bit activations of 4096 tokens: (N - 1) / N of them leave twice, at 450 GB/s.
    leaves = 2 * (4096 * 4096 * 2) / 2
    (exchange,) = (op for op in answer.prefill.ops if op.kind == "allreduce")
    assert exchange.limit_s == pytest.approx(64 * leaves / 450e9)


def test_a_slow_link_bounds_the_step() -> None:
    answer = vperf.estimate(LLAMA, "rtx-4090", tp=8, input_len=8192)
    assert answer.prefill.bound == "link"


def test_heads_that_do_not_divide_over_the_gpus_are_refused() -> None:
    with pytest.raises(InputError, match="32 attention heads do not divide over 3"):
        vperf.estimate(LLAMA, "h100-sxm", tp=3)


# --- images ---------------------------------------------------------------------------------

VISION = "google/gemma-3-4b-it"


def test_image_tokens_join_the_prompt() -> None:
    image = vperf.estimate(VISION, "h100-sxm", input_len=1000, image_tokens=256)
    text = vperf.estimate(VISION, "h100-sxm", input_len=1256)
    assert image.workload.input_tokens == 1000
    assert image.workload.image_tokens == 256
    for part in ("limit", "expected", "memory", "prefill", "decode", "depth"):
        assert getattr(image, part) == getattr(text, part), part


@pytest.mark.parametrize(
    "load",
    [
        {"max_concurrency": 1},
        {"max_concurrency": 40, "prefix_cache_hit": 0.5},
        {"request_rate": 3.0},
        {"request_rate": 1e6},
    ],
)
def test_image_tokens_of_a_served_load_join_the_prompt(load: dict[str, Any]) -> None:
    image = vperf.estimate(VISION, "h100-sxm", input_len=1000, image_tokens=256, **load)
    text = vperf.estimate(VISION, "h100-sxm", input_len=1256, **load)
    assert (image.workload.input_tokens, image.workload.image_tokens) == (1000, 256)
    for part in ("limit", "expected", "memory", "prefill", "decode", "depth", "serving"):
        assert getattr(image, part) == getattr(text, part), part
    assert any("vision tower's time" in line for line in image.not_modelled)


def test_a_tower_is_not_taken_for_experts() -> None:
    for model, routed in ((VISION, False), ("Qwen/Qwen3-30B-A3B", True)):
        lines = vperf.estimate(model, "h100-sxm").assumptions
        assert any("even routing" in line for line in lines) == routed


def test_the_time_of_the_tower_is_said_to_be_left_out() -> None:
    answer = vperf.estimate(VISION, "h100-sxm", image_tokens=256)
    assert any("vision tower's time" in line for line in answer.not_modelled)


@pytest.mark.parametrize(
    "model", [LLAMA, "mistralai/Voxtral-Mini-3B-2507", "meta-llama/Llama-3.2-11B-Vision-Instruct"]
)
def test_a_model_that_takes_no_image_tokens_is_refused_by_name(model: str) -> None:
    loads: tuple[dict[str, Any], ...] = ({}, {"max_concurrency": 4})
    for load in loads:
        with pytest.raises(InputError, match=rf"image-tokens: {model}"):
            vperf.estimate(model, "h100-sxm", image_tokens=256, **load)


@pytest.mark.parametrize("tokens", [-1, 1.5, True, 10**12])
def test_an_impossible_number_of_image_tokens_is_refused(tokens: Any) -> None:
    loads: tuple[dict[str, Any], ...] = ({}, {"request_rate": 2.0})
    for load in loads:
        with pytest.raises(InputError, match="image-tokens"):
            vperf.estimate(VISION, "h100-sxm", image_tokens=tokens, **load)


@pytest.mark.parametrize("given", [{"input_len": 0}, {"input_len": 1.5}, {"output_len": True}])
def test_impossible_lengths_of_a_served_load_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="put-len: must be an integer from 1"):
        vperf.estimate(LLAMA, "h100-sxm", max_concurrency=4, **given)


# --- the JSON contract ----------------------------------------------------------------------

SPEEDS = ("ttft_s", "prefill_tokens_per_s", "tpot_s", "decode_tokens_per_s",
          "decode_tokens_per_s_per_user")  # fmt: skip
CONTRACT: dict[str, tuple[str, ...]] = {
    "model": ("id", "source", "architecture", "parameters", "active_parameters", "weight_bytes",
              "kv_bytes_per_token", "quantization", "kv_cache_dtype"),
    "gpu": ("id", "name", "count", "memory_bytes", "memory_bandwidth_bytes_per_s",
            "peak_flop_per_s", "constants"),
    "workload": ("batch_size", "input_tokens", "output_tokens", "concurrency", "engine",
                 "tensor_parallel", "pipeline_parallel", "expert_parallel", "data_parallel",
                 "image_tokens", "speculative", "draft_tokens", "acceptance"),
    "limit": SPEEDS,
    "expected": tuple(f"{key}{end}" for key in SPEEDS for end in ("", "_low", "_high")),
    "memory": ("weight_bytes", "kv_cache_bytes", "other_bytes", "total_bytes", "capacity_bytes",
               "fits", "max_context_tokens", "max_batch_size"),
    "prefill": ("ops",),
    "decode": ("ops",),
}  # fmt: skip
OP = ("name", "kind", "count", "flops", "bytes", "compute_s", "memory_s", "limit_s", "expected_s",
      "bound", "of_limit", "share")  # fmt: skip


@pytest.mark.parametrize("tp", [1, 4])
@pytest.mark.parametrize("model", MODELS)
def test_to_dict_is_the_documented_contract_and_plain_json(model: str, tp: int) -> None:
    data = vperf.estimate(model, "b200", tp=tp).to_dict()
    assert data["schema"] == "vperf/estimate/1"
    assert data["vperf_version"] == vperf.__version__
    for part, keys in CONTRACT.items():
        assert set(keys) <= set(data[part]), part
    for phase in ("prefill", "decode"):
        for op in data[phase]["ops"]:
            assert set(OP) <= set(op)
            assert op["bound"] in ("compute", "memory", "link")
    for point in data["depth"]:
        assert {"context_tokens", "limit_decode_tokens_per_s",
                "expected_decode_tokens_per_s"} <= set(point)  # fmt: skip
    assert {"assumptions", "not_modelled", "warnings"} <= set(data)
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_unlike_cards_are_each_in_the_json() -> None:
    answer = vperf.estimate("qwen3-32b", "rtx-5090+2xrtx-3090", quantization="q4_k_m")
    data = answer.to_dict()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert [card["id"] for card in data["gpu"]["cards"]] == ["rtx-5090", "rtx-3090", "rtx-3090"]


# --- laws -----------------------------------------------------------------------------------

workloads = st.fixed_dictionaries(
    {
        "model": st.sampled_from(MODELS),
        "gpu": st.sampled_from(GPUS),
        "input_len": st.integers(1, 30_000),
        "output_len": st.integers(1, 4_000),
        "batch_size": st.integers(1, 300),
        "quantization": st.sampled_from([None, "bf16", "fp8", "int8", "awq", "mxfp4", "nvfp4"]),
        "kv_cache_dtype": st.sampled_from([None, "fp8"]),
        "tp": st.sampled_from([1, 1, 4]),
    }
)
law = settings(max_examples=60, deadline=None)


@law
@given(workloads)
def test_expected_is_never_faster_than_limit_per_op_and_in_total(given: dict[str, Any]) -> None:
    answer = vperf.estimate(**given)
    for key in ("ttft_s", "tpot_s"):
        limit, expected = getattr(answer.limit, key), getattr(answer.expected, key)
        low, high = getattr(answer.expected.low, key), getattr(answer.expected.high, key)
        assert 0 < limit <= low <= expected <= high < math.inf
    for key in ("prefill_tokens_per_s", "decode_tokens_per_s", "decode_tokens_per_s_per_user"):
        limit, expected = getattr(answer.limit, key), getattr(answer.expected, key)
        low, high = getattr(answer.expected.low, key), getattr(answer.expected.high, key)
        assert low <= expected <= high <= limit * (1 + 1e-12)
    for phase in (answer.prefill, answer.decode):
        assert phase.limit_s <= phase.expected_s
        for op in phase.ops:
            assert op.limit_s <= op.expected_s * (1 + 1e-12)
            assert op.limit_s == max(op.compute_s, op.memory_s) or op.kind == "allreduce"
    for point in answer.depth:
        assert point.expected_decode_tokens_per_s <= point.limit_decode_tokens_per_s


@law
@given(workloads)
def test_ops_and_overhead_add_up_to_the_phase(given: dict[str, Any]) -> None:
    answer = vperf.estimate(**given)
    for phase in (answer.prefill, answer.decode):
        total = sum(op.expected_s for op in phase.ops) + phase.overhead_s
        assert total == pytest.approx(phase.expected_s, rel=1e-9)
        assert sum(op.share for op in phase.ops) <= 1 + 1e-9
        assert sum(op.flops for op in phase.ops) == pytest.approx(phase.flops)


@law
@given(workloads, st.sampled_from(["input_len", "batch_size"]), st.integers(1, 500))
def test_more_context_or_batch_is_never_faster_per_step(
    given: dict[str, Any], axis: str, more: int
) -> None:
    small = vperf.estimate(**given)
    large = vperf.estimate(**{**given, axis: given[axis] + more})
    assert large.decode.limit_s >= small.decode.limit_s * (1 - 1e-12)
    assert large.decode.expected_s >= small.decode.expected_s * (1 - 1e-12)
    assert large.prefill.limit_s >= small.prefill.limit_s * (1 - 1e-12)
    # An engine whose default leaves too little room is given more of the memory: less stays free.
    if large.memory.utilization == small.memory.utilization:
        assert large.memory.total_bytes >= small.memory.total_bytes


@law
@given(workloads, st.floats(1.01, 4))
def test_more_bandwidth_or_flops_is_never_slower(given: dict[str, Any], factor: float) -> None:
    slow = vperf.estimate(**given)
    card = load_gpu(given["gpu"])
    wide = override(card, memory_bandwidth=f"{card.memory_bandwidth * factor / 1e9} GB/s")
    quick = override(
        card, peaks={p: f"{r * factor / 1e12} TFLOPS" for p, r in card.peak_flop_per_s.items()}
    )
    for better in (wide, quick):
        fast = vperf.estimate(**{**given, "gpu": better})
        for key in ("ttft_s", "tpot_s"):
            for side in ("limit", "expected"):
                was, now = getattr(getattr(slow, side), key), getattr(getattr(fast, side), key)
                assert now <= was * (1 + 1e-9)


@law
@given(workloads)
def test_fewer_weight_bits_are_never_slower_to_stream(given: dict[str, Any]) -> None:
    answers = [
        vperf.estimate(**{**given, "batch_size": 1, "quantization": name})
        for name in ("bf16", "int8_w8a16", "int4")
    ]
    times = [answer.limit.tpot_s for answer in answers]
    assert times == sorted(times, reverse=True)
    sizes = [answer.model.weight_bytes for answer in answers]
    assert sizes == sorted(sizes, reverse=True)


@law
@given(workloads)
def test_the_same_question_gets_the_same_answer(given: dict[str, Any]) -> None:
    assert vperf.estimate(**given) == vperf.estimate(**given)


@law
@given(st.sampled_from(MODELS), st.integers(1, 20_000), st.integers(2, 3_000))
def test_tpot_is_the_mean_of_the_decode_steps_of_the_output(
    model: str, input_len: int, output_len: int
) -> None:
    answer = vperf.estimate(model, "h100-sxm", input_len=input_len, output_len=output_len)
    card = Card(load_gpu("h100-sxm"), load_engine("vllm"))
    compiled = Compiled(vperf.load_model(model), card)
    pasts = range(input_len, input_len + output_len - 1, max(1, output_len // 100))
    steps = [compiled.decode(1, past) for past in pasts]
    mean_limit = sum(step.limit for step in steps) / len(steps)
    mean_expected = sum(step.expected for step in steps) / len(steps)
    assert answer.limit.tpot_s == pytest.approx(mean_limit, rel=5e-3)
    assert answer.expected.tpot_s == pytest.approx(mean_expected, rel=5e-3)


def test_an_engine_that_keeps_an_fp8_cache_beside_fp8_weights_says_so_and_can_be_overruled() -> (
    None
):
    taken = vperf.estimate(LLAMA, "h100-sxm", quantization="fp8", engine="trtllm")
    assert taken.model.kv_cache_dtype == "fp8"
    assert any("keeps an fp8 KV cache" in line for line in taken.assumptions)
    given = vperf.estimate(
        LLAMA, "h100-sxm", quantization="fp8", engine="trtllm", kv_cache_dtype="bf16"
    )
    assert given.model.kv_cache_dtype == "bf16"
    plain = vperf.estimate(LLAMA, "h100-sxm", engine="trtllm")
    assert plain.model.kv_cache_dtype == "bf16"


def test_an_engine_may_be_given_as_a_value() -> None:
    engine = load_engine("sglang")
    assert vperf.estimate(QWEN, "h100-sxm", engine=engine) == vperf.estimate(
        QWEN, "h100-sxm", engine="sglang"
    )
    slow = replace(engine, host_s_per_step=engine.host_s_per_step + 1e-3)
    later = vperf.estimate(QWEN, "h100-sxm", engine=slow).expected.tpot_s
    assert later == pytest.approx(
        vperf.estimate(QWEN, "h100-sxm", engine=engine).expected.tpot_s + 1e-3
    )


def test_how_near_a_step_is_to_its_limit_is_limit_over_expected() -> None:
    answer = vperf.estimate("qwen3-8b", "h100")
    steps: list[PhaseTimes | OpTime] = [answer.decode, *answer.decode.ops]
    for each in steps:
        assert each.of_limit == each.limit_s / each.expected_s
        assert 0.0 < each.of_limit <= 1.0
