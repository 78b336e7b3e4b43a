"""Whether it fits, by hand, and that each way out is one."""

from __future__ import annotations

from typing import Any

import pytest

import vperf
from vperf.errors import InputError
from vperf.serving.overhead import visible_bytes
from vperf.sources.engines import load_engine
from vperf.sources.gpus import load_gpu
from vperf.sources.models import model_ids

VLLM = load_engine("vllm")


def test_the_parts_are_all_of_the_memory_that_is_taken() -> None:
    (room,) = vperf.fit("qwen3-32b", "h100", context=4096, users=8).rooms
    parts, gpu = room.parts, load_gpu("h100")
    assert parts is not None
    pieces = parts.weight_bytes + parts.kv_cache_bytes + parts.activation_bytes
    assert parts.total_bytes == pytest.approx(pieces + parts.reserve_bytes)
    assert parts.kv_cache_bytes == 8 * 4096 * 262_144
    visible = visible_bytes(gpu)
    left = (1 - VLLM.memory_utilization) * visible
    assert parts.reserve_bytes == pytest.approx(gpu.memory_bytes - visible + left)
    assert parts.capacity_bytes == gpu.memory_bytes


def test_the_engine_takes_its_share_unless_told_otherwise() -> None:
    (own,) = vperf.fit("qwen3-32b", "h100").rooms
    (more,) = vperf.fit("qwen3-32b", "h100", gpu_memory_utilization=0.97).rooms
    assert own.memory_utilization == VLLM.memory_utilization
    assert own.parts is not None
    assert more.parts is not None
    freed = own.parts.total_bytes - more.parts.total_bytes
    visible = visible_bytes(load_gpu("h100"))
    assert freed == pytest.approx((0.97 - VLLM.memory_utilization) * visible)
    assert more.max_users > own.max_users


@pytest.mark.parametrize("share", [0, -0.1, 1.01, True, float("nan")])
def test_a_share_of_the_memory_that_cannot_be_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="gpu-memory-utilization"):
        vperf.estimate("qwen3-8b", "h100", gpu_memory_utilization=share)


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ({"context": 8192}, "int4 weights"),
        ({"context": 40960, "quantization": "int4"}, "2 GPUs"),
        ({"context": 4096, "engine": "llama.cpp"}, "q4_k_m weights"),
        ({"context": 21_000, "quantization": "int4"}, "an fp8 KV cache"),
        ({"context": 1024, "quantization": "int4", "users": 40}, "2 GPUs"),
    ],
)
def test_what_would_make_it_fit_does(options: dict[str, Any], first: str) -> None:
    answer = vperf.fit("qwen3-32b", "rtx-4090", **options)
    assert answer.fitting == 0
    assert answer.ways[0].text.startswith(first)
    for way in answer.ways:
        assert vperf.fit("qwen3-32b", "rtx-4090", **{**options, **way.options}).fitting == 1


def test_a_cache_that_is_copied_may_be_shared_instead() -> None:
    # DeepSeek-V3 keeps (512 + 64) x 2 bytes a token and layer, 61 layers, whole on each of 8 GPUs;
    # the rest of a GPU is weights and what the engine takes, whoever shares the cache.
    options: dict[str, Any] = {"tp": 8, "context": 131_072, "users": 32}
    answer = vperf.fit("deepseek-v3", "h200", **options)
    assert answer.ways[0].options == {"dcp": 8}
    shared, copied = answer.ways[0].room.parts, answer.rooms[0].parts
    assert shared is not None
    assert copied is not None
    assert copied.kv_cache_bytes == pytest.approx(32 * 131_072 * 576 * 2 * 61, rel=1e-3)
    assert shared.kv_cache_bytes == pytest.approx(copied.kv_cache_bytes / 8, rel=1e-3)
    fewer = vperf.fit("deepseek-v3", "h200", **options, dcp=4).rooms[0]
    assert not fewer.fits
    # Eight KV heads over 8 GPUs are kept once: there is nothing to share.
    heads = vperf.fit("llama-3.3-70b", "h100", tp=8, context=131_072, users=16)
    assert not any("dcp" in way.options for way in heads.ways)


def test_a_little_too_much_fits_where_the_engine_leaves_less_free() -> None:
    given: dict[str, Any] = {"quantization": "int4", "gpu_memory_utilization": 0.92}
    (room,) = vperf.fit("qwen3-32b", "rtx-4090", **given).rooms
    context = room.max_context_tokens + 300
    answer = vperf.fit("qwen3-32b", "rtx-4090", context=context, **given)
    assert answer.fitting == 0
    assert answer.ways[0].text.startswith("95% of the memory")
    assert answer.ways[0].room.fits


@pytest.mark.parametrize("share", [None, 0.92])
def test_no_longer_context_fits_than_the_longest_at_that_share(share: float | None) -> None:
    given: dict[str, Any] = {"quantization": "int4", "gpu_memory_utilization": share}
    (room,) = vperf.fit("qwen3-32b", "rtx-4090", context=512, **given).rooms
    longest = vperf.fit("qwen3-32b", "rtx-4090", context=room.max_context_tokens, **given)
    assert longest.fitting == 1
    assert longest.rooms[0].memory_utilization == room.memory_utilization == 0.92
    (more,) = vperf.fit("qwen3-32b", "rtx-4090", context=room.max_context_tokens + 9, **given).rooms
    assert (more.memory_utilization, more.fits) == ((0.92, False) if share else (0.95, True))


def test_the_longest_context_of_one_user_is_the_pool_that_engines_log() -> None:
    # Of an RTX 5090 from whom 122,880 tokens were had and 131,072 were not, at the engine's share.
    model = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
    (room,) = vperf.fit(
        model, "rtx-5090", quantization="awq", context=122_880, gpu_memory_utilization=0.92
    ).rooms
    assert room.max_context_tokens == room.pool_tokens == pytest.approx(127_000, rel=0.08)
    assert (room.memory_utilization, room.max_users) == (0.92, 1)


def test_as_many_users_fit_as_it_says() -> None:
    given: dict[str, Any] = {"context": 4096, "gpu_memory_utilization": 0.9}
    (room,) = vperf.fit("qwen3-8b", "h100", **given).rooms
    assert vperf.fit("qwen3-8b", "h100", users=room.max_users, **given).fitting == 1
    assert vperf.fit("qwen3-8b", "h100", users=room.max_users + 1, **given).fitting == 0


def test_what_does_not_fit_alone_may_fit_divided_and_narrower() -> None:
    answer = vperf.fit("deepseek-v3", "rtx-5090")
    assert any("int4 weights on 16 GPUs" in way.text for way in answer.ways)


def test_without_a_gpu_it_is_asked_of_all_and_the_smallest_comes_first() -> None:
    answer = vperf.fit("qwen3-32b")
    sizes = [room.parts.capacity_bytes for room in answer.rooms if room.fits and room.parts]
    assert len(answer.rooms) > 100
    assert sizes == sorted(sizes)
    assert not any(room.fits for room in answer.rooms[answer.fitting :])


def test_models_in_a_list_come_largest_first() -> None:
    names = [n for n in model_ids() if n.startswith("Qwen/Qwen3-")][:8]
    answer = vperf.fit(names, "rtx-4090")
    weights = [room.parts.weight_bytes for room in answer.rooms if room.fits and room.parts]
    assert weights == sorted(weights, reverse=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "a model, a GPU, or both"),
        ({"model": "qwen3-8b", "gpu": "h100", "users": 0}, "users"),
        ({"model": "qwen3-8b", "gpu": "h100", "context": 0}, "context"),
        ({"model": "qwen3-32b", "gpu": "h100", "tp": 3}, "do not divide"),
    ],
)
def test_what_cannot_be_asked_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        vperf.fit(**options)


def test_a_context_beyond_the_models_is_said() -> None:
    notes = " ".join(vperf.fit("qwen3-32b", "b200", context=100_000).notes)
    assert "100,000 tokens are more than Qwen/Qwen3-32B is made for (40,960)" in notes


def test_a_context_is_as_long_as_a_prompt_and_its_output_may_be_together() -> None:
    assert not vperf.fit("qwen3-8b", "h100-sxm", context=10**9 + 10).fitting
    for context in (0, 2 * 10**9 + 1):
        with pytest.raises(InputError, match="context: must be an integer from 1 to 2000000000"):
            vperf.fit("qwen3-8b", "h100-sxm", context=context)
