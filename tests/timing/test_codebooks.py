"""Codebook quants (IQ1 to IQ3) on the CPUs of a host, which look their weights up."""

from __future__ import annotations

import pytest

import vperf
from vperf.sources.hosts import load_host

# llama-bench of Llama-3.1-8B-Instruct on a Ryzen 9 7950X, 16 threads, pp512: discussion 164 of
# github.com/ikawrakow/ik_llama.cpp, llama.cpp b4384, 2024-12-24.
MEASURED = {"iq2_xxs": 45.78, "iq2_xs": 49.72, "iq2_m": 43.80, "iq3_xxs": 34.17, "iq3_s": 30.20}


def ask(quantization: str, cpu: str = "cpu:ryzen-9-7950x", **options: object) -> vperf.Estimate:
    of = {"engine": "llama.cpp", "input_len": 512, "host_memory": "DDR5-5600 x2", **options}
    return vperf.estimate("llama-3.1-8b-instruct", cpu, quantization=quantization, **of)  # type: ignore[arg-type]


@pytest.mark.parametrize("quantization", list(MEASURED))
def test_a_prompt_is_read_as_fast_as_measured(quantization: str) -> None:
    found = ask(quantization).expected.prefill_tokens_per_s
    assert found == pytest.approx(MEASURED[quantization], rel=0.10)


def test_llama_cpp_looks_weights_up_again_for_every_token() -> None:
    # 9.4 bits of indices a core and clock, of three a weight.
    host = load_host("ryzen-9-7950x")
    rate = 9.4 / 3 * host.sm_count * host.rated_clock_hz
    rows = {op.name: op for op in ask("iq3_s").prefill.ops}
    up = rows["gate_up_proj"]
    weights = 32 * 512 * 4096 * 2 * 14336
    assert up.expected_s == pytest.approx(weights / rate, rel=0.1)
    assert up.expected_s > weights / rate


def test_ik_llama_cpp_looks_them_up_once_for_all_tokens() -> None:
    one, many = (ask("iq3_s", engine="ik_llama.cpp", input_len=n).expected for n in (512, 2048))
    assert many.prefill_tokens_per_s == pytest.approx(one.prefill_tokens_per_s, rel=0.1)
    assert one.prefill_tokens_per_s > 4 * ask("iq3_s").expected.prefill_tokens_per_s


def test_with_much_bandwidth_fewer_bits_are_not_faster() -> None:
    # 12 channels: what is smaller waits for the cores, where two channels wait for the memory.
    server = "cpu:epyc-9654"
    memory = {"host_memory": "DDR5-4800 x12"}
    rate = {q: ask(q, server, **memory).expected.decode_tokens_per_s for q in ("iq3_s", "q4_k_m")}
    small = {q: ask(q).expected.decode_tokens_per_s for q in ("iq3_s", "q4_k_m")}
    assert rate["iq3_s"] / rate["q4_k_m"] < small["iq3_s"] / small["q4_k_m"]


def test_the_limit_and_cards_know_nothing_of_it() -> None:
    for quantization in ("iq2_xs", "iq3_s"):
        answer = ask(quantization)
        assert answer.expected.ttft_s > answer.limit.ttft_s
        assert answer.limit.ttft_s == pytest.approx(ask("q4_k_m").limit.ttft_s, rel=1e-6)
    cards = [ask(q, "rtx-4090", host_memory=None).expected.ttft_s for q in ("iq3_s", "q3_k_s")]
    assert cards[0] == pytest.approx(cards[1], rel=0.02)
