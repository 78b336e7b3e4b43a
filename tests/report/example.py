"""A hand-made Estimate with round figures, so that reports are tested without the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vperf.answer import DepthPoint, Estimate, Expected, GpuFacts, ModelFacts, Speed, Workload
from vperf.notes import notes_of
from vperf.serving.memory import Memory
from vperf.timing.step import OpTime, PhaseTimes


def _op(name: str, shape: str, count: int, *, scale: float, bound: Any, share: float) -> OpTime:
    return OpTime(
        name=name,
        kind="matmul",
        count=count,
        shape=shape,
        flops=1.23456e12 * scale,
        bytes=4.56789e9 * scale,
        compute_s=2.5e-3 * scale,
        memory_s=2.55e-3 * scale,
        limit_s=2.55e-3 * scale,
        expected_s=3.1e-3 * scale,
        bound=bound,
        share=share,
    )


EXAMPLE = Estimate(
    model=ModelFacts(
        id="Qwen/Qwen3-4B-Instruct-2507",
        source="bundled",
        architecture="Qwen3ForCausalLM",
        parameters=4_022_468_096,
        active_parameters=4_022_468_096,
        weight_bytes=8_044_936_192.0,
        kv_bytes_per_token=147_456.0,
        quantization="bf16",
        kv_cache_dtype="bf16",
        max_context_tokens=262_144,
    ),
    gpu=GpuFacts(
        id="rtx-pro-6000-workstation",
        name="RTX PRO 6000 Workstation",
        count=1,
        memory_bytes=102.6e9,
        memory_bandwidth_bytes_per_s=1.792e12,
        peak_flop_per_s={"bf16": 503.8e12, "fp8": 1007.6e12},
        constants="measured",
        constants_by_part={
            "matmul_rates": "measured",
            "memory_stream": "measured",
            "kernel_times": "measured",
        },
    ),
    workload=Workload(
        batch_size=1, input_tokens=1024, output_tokens=128, concurrency=1, engine="vllm"
    ),
    limit=Speed(0.0167, 61_300.0, 4.52e-3, 221.2, 221.2),
    ceiling=Speed(0.0167, 61_300.0, 4.52e-3, 221.2, 221.2),
    expected=Expected(
        0.0241,
        42_490.0,
        5.26e-3,
        190.1,
        190.1,
        low=Speed(0.0210, 37_900.0, 4.97e-3, 175.1, 175.1),
        high=Speed(0.0270, 48_700.0, 5.71e-3, 201.2, 201.2),
    ),
    memory=Memory(
        weight_bytes=8_044_936_192.0,
        kv_cache_bytes=169_869_312.0,
        other_bytes=9.1e9,
        total_bytes=17_314_805_504.0,
        capacity_bytes=102.6e9,
        fits=True,
        max_context_tokens=262_144,
        max_batch_size=502,
        utilization=0.92,
        pool_bytes=84e9,
        pool_tokens=578_304,
    ),
    prefill=PhaseTimes(
        context_tokens=0,
        limit_s=0.0167,
        ceiling_s=0.0167,
        expected_s=0.0241,
        overhead_s=0.0021,
        flops=8.2e12,
        bytes=8.04e9,
        bound="compute",
        ops=(
            _op(
                "attn.qkv_proj", "1024x2560 @ 2560x6144", 36, scale=1.0, bound="compute", share=0.3
            ),
            _op("attention", "1x32x1024x1024 d=128", 36, scale=0.1, bound="compute", share=0.2),
            _op(
                "mlp.gate_up_proj",
                "1024x2560 @ 2560x19456",
                36,
                scale=2.0,
                bound="compute",
                share=0.4,
            ),
        ),
    ),
    decode=PhaseTimes(
        context_tokens=1088,
        limit_s=4.52e-3,
        ceiling_s=4.52e-3,
        expected_s=5.26e-3,
        overhead_s=0.8e-3,
        flops=8.1e9,
        bytes=8.2e9,
        bound="memory",
        ops=(
            _op("attn.qkv_proj", "1x2560 @ 2560x6144", 36, scale=0.001, bound="memory", share=0.3),
            _op("lm_head", "1x2560 @ 2560x151936", 1, scale=0.002, bound="memory", share=0.1),
        ),
    ),
    depth=tuple(
        DepthPoint(tokens, 221.0 - tokens / 2000, 190.0 - tokens / 2000, tokens < 200_000)
        for tokens in (1024, 4096, 16384, 32768, 65536, 131072, 262144)
    ),
    assumptions=notes_of(
        "model", ("every expert is as likely as any other", "clocks are not capped")
    ),
    not_modelled=notes_of("model", ("speculative decoding", "requests that share a prefix")),
    warnings=(),
    uncalibrated=None,
    simulated=None,
    drafts=(),
)


def example(**parts: dict[str, Any]) -> Estimate:
    """EXAMPLE with fields of its parts replaced: `example(memory={"fits": False})`."""
    changed = {name: replace(getattr(EXAMPLE, name), **fields) for name, fields in parts.items()}
    return replace(EXAMPLE, **changed)
