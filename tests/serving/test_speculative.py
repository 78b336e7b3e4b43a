"""Speculative decoding with MTP layers: by hand for DeepSeek-V3, and its laws."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vperf
from vperf.errors import InputError
from vperf.model.ops import Step
from vperf.serving.speculative import (
    break_even,
    drafting,
    tokens_per_step,
)
from vperf.sources.engines import load_engine
from vperf.sources.gpus import load_gpu
from vperf.timing.compiled import Compiled
from vperf.timing.passes import decode_passes, prefill_passes
from vperf.timing.step import Card

DEEPSEEK = "deepseek-ai/DeepSeek-V3"
DRAFTS: dict[str, Any] = {"speculative": "mtp", "acceptance": 0.85}


def test_tokens_of_a_step_are_a_geometric_sum() -> None:
    for accepted in (0.0, 0.3, 0.85):
        for drafts in (1, 3, 7):
            closed = (1 - accepted ** (drafts + 1)) / (1 - accepted)
            assert tokens_per_step(accepted, drafts) == pytest.approx(closed)
    assert tokens_per_step(1.0, 3) == 4


def test_one_draft_pays_from_the_acceptance_by_which_it_slows_the_step() -> None:
    assert break_even(1.25, 1) == pytest.approx(0.25)  # 1 + A tokens in 1.25 steps
    assert break_even(3.0, 2) == pytest.approx(1.0)
    assert break_even(3.01, 2) is None
    assert break_even(1.0, 4) == pytest.approx(0.0, abs=1e-12)


def test_a_step_verifies_all_tokens_and_then_drafts_one_after_another() -> None:
    model = drafting(vperf.load_model(DEEPSEEK), DEEPSEEK, "mtp", 3)
    verify, draft = decode_passes(model, 4, 1000)
    assert (verify.step, verify.count) == (Step(4, 4, 1000, 4), 1)
    assert (draft.step, draft.count) == (Step(4, 1, 1000), 3)


def test_deepseek_v3_drafts_with_its_one_mtp_layer() -> None:
    model = drafting(vperf.load_model(DEEPSEEK), DEEPSEEK, "mtp", None)
    assert model.draft_tokens == 1
    compiled = Compiled(model, Card(load_gpu("h200"), load_engine("vllm")))
    verify, draft = (
        {op.name: op for op in compiled.ops(each)} for each in decode_passes(model, 1, 1000)
    )
    # Both tokens of the verification go through the LM head, and they read
    # 256 (1 - (248 / 256)^2) = 15.75 distinct experts.
    assert verify["lm_head"].shape == (2, 7168, 129_280)
    one_expert = verify["experts"].weight_bytes / 15.75
    assert draft["experts"].weight_bytes == pytest.approx(8 * one_expert)
    # The module: its input projection in bf16, one sparse layer, the LM head it shares.
    assert draft["mtp_proj"].shape == (1, 14_336, 7168)
    assert draft["mtp_proj"].weight_bytes == 2 * 14_336 * 7168
    assert draft["lm_head"].weight_bytes == 2 * 7168 * 129_280
    assert draft["experts"].count == 1
    assert verify["experts"].count == 58


def test_the_module_reads_the_prompt_behind_the_first_token() -> None:
    plain = vperf.load_model(DEEPSEEK)
    model = drafting(plain, DEEPSEEK, "mtp", 3)
    (prompt,) = prefill_passes(plain, 2, 1000)
    first, reading, more = prefill_passes(model, 2, 1000)
    assert first.step == prompt.step == reading.step == Step(2, 1000, 0)
    assert (reading.count, more.count, more.step) == (1, 2, Step(2, 1, 1000))
    assert (first.awaited, reading.awaited, more.awaited) == (True, False, False)
    assert len(prefill_passes(drafting(plain, DEEPSEEK, "mtp", 1), 2, 1000)) == 2


def test_the_first_token_is_expected_with_the_drafts_and_bounded_without() -> None:
    plain = vperf.estimate(DEEPSEEK, "h200", tp=8, input_len=4000)
    drafted = vperf.estimate(DEEPSEEK, "h200", tp=8, input_len=4000, **DRAFTS)
    assert drafted.limit.ttft_s == plain.limit.ttft_s
    assert drafted.prefill.bound == plain.prefill.bound
    module = [op for op in drafted.prefill.ops if op.name.startswith("draft ")]
    assert next(op.shape for op in module if op.name == "draft mtp_proj").startswith("[4000,")
    more = drafted.expected.ttft_s - plain.expected.ttft_s
    host_s = load_engine("vllm").drafting_s(1)
    assert more == pytest.approx(sum(op.expected_s for op in module) + host_s)
    assert 1 / 100 < more / plain.expected.ttft_s < 1 / 20  # one layer of 61
    assert any("reads the prompt too" in line for line in drafted.assumptions)
    assert not any("drafts" in line for line in drafted.not_modelled)


SERVED: dict[str, Any] = {"max_concurrency": 32, "output_len": 256, "tp": 8}


def test_a_served_load_drafts_too() -> None:
    plain = vperf.estimate(DEEPSEEK, "h200", **SERVED)
    answer = vperf.estimate(DEEPSEEK, "h200", **SERVED, **DRAFTS)
    drafts, served = answer.speculative, answer.serving
    assert drafts
    assert served
    assert plain.serving
    assert answer.expected.tpot_s < plain.expected.tpot_s
    assert answer.limit.tpot_s == pytest.approx(drafts.limit_step_s / 1.85)
    assert answer.expected.tpot_s > drafts.expected_step_s / 1.85  # prefills of others between
    assert drafts.expected_plain_tpot_s == plain.expected.tpot_s
    assert drafts.limit_plain_tpot_s == plain.limit.tpot_s
    assert served.requests_per_s > plain.serving.requests_per_s
    assert served.slots < plain.serving.slots  # the module's weights and its cache
    assert answer.workload.draft_tokens == 1
    assert answer.limit.ttft_s == plain.limit.ttft_s
    even = drafts.break_even_acceptance
    assert even
    there = vperf.estimate(DEEPSEEK, "h200", **SERVED, speculative="mtp", acceptance=even)
    assert there.expected.tpot_s == pytest.approx(plain.expected.tpot_s, rel=2e-3)


def test_a_served_load_needs_an_acceptance_too() -> None:
    with pytest.raises(InputError, match="acceptance: missing"):
        vperf.estimate(DEEPSEEK, "h200", **SERVED, speculative="mtp")


def test_the_mtp_layer_counts_in_memory_with_its_cache() -> None:
    plain = vperf.estimate(DEEPSEEK, "h200", tp=8)
    drafted = vperf.estimate(DEEPSEEK, "h200", tp=8, **DRAFTS)
    layer, latents, router = 11_507_286_016, 7168 * (1536 + 576), 7168 * 256
    projection = 2 * 2 * 7168 * 7168  # bf16; the rest in fp8, the router in bf16
    whole = projection + latents + 2 * router  # on every GPU
    more = drafted.memory.weight_bytes - plain.memory.weight_bytes
    assert more == pytest.approx((layer - latents - router) / 8 + whole, rel=0.01)
    # The latent cache is on every GPU: 62 layers instead of 61.
    ratio = drafted.memory.kv_cache_bytes / plain.memory.kv_cache_bytes
    assert ratio == pytest.approx(62 / 61)
    assert drafted.model.weight_bytes == plain.model.weight_bytes


def test_tpot_is_the_step_over_its_tokens() -> None:
    answer = vperf.estimate(DEEPSEEK, "h200", tp=8, **DRAFTS)
    drafts = answer.speculative
    assert drafts
    assert drafts.tokens_per_step == pytest.approx(1.85)
    assert answer.limit.tpot_s == pytest.approx(drafts.limit_step_s / 1.85)
    assert answer.expected.tpot_s == pytest.approx(drafts.expected_step_s / 1.85)
    assert answer.decode.expected_s == pytest.approx(drafts.expected_step_s, rel=0.01)
    assert 0 < drafts.limit_draft_s < drafts.limit_step_s
    assert drafts.limit_draft_s <= drafts.expected_draft_s < drafts.expected_step_s
    plain = vperf.estimate(DEEPSEEK, "h200", tp=8)
    assert drafts.expected_plain_tpot_s == plain.expected.tpot_s
    assert drafts.limit_plain_tpot_s == plain.limit.tpot_s
    assert plain.speculative is None
    assert plain.to_dict()["speculative"] is None


def test_at_the_break_even_acceptance_drafting_is_as_fast_as_not() -> None:
    given: dict[str, Any] = {"speculative": "mtp", "draft_tokens": 2, "tp": 8, "batch_size": 64}
    first = vperf.estimate(DEEPSEEK, "h200", **given, acceptance=0.5).speculative
    assert first
    assert first.break_even_acceptance
    there = vperf.estimate(DEEPSEEK, "h200", **given, acceptance=first.break_even_acceptance)
    assert there.expected.tpot_s == pytest.approx(first.expected_plain_tpot_s)


def test_the_depth_table_drafts_too() -> None:
    plain = vperf.estimate(DEEPSEEK, "h200", tp=8)
    drafted = vperf.estimate(DEEPSEEK, "h200", tp=8, **DRAFTS)
    for with_drafts, without in zip(drafted.depth, plain.depth, strict=True):
        assert with_drafts.expected_decode_tokens_per_s > without.expected_decode_tokens_per_s


def test_the_answer_says_what_was_assumed() -> None:
    lines = vperf.estimate(DEEPSEEK, "h200", tp=8, **DRAFTS).assumptions
    (line,) = (line for line in lines if "speculative" in line)
    assert "0.85" in line
    assert "1.85 tokens a step" in line


def test_a_model_without_mtp_layers_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"Qwen/Qwen3-8B.*num_nextn_predict_layers"):
        vperf.estimate("Qwen/Qwen3-8B", "h100", **DRAFTS)


@pytest.mark.parametrize("acceptance", [-0.1, 1.1, float("nan"), True, "0.5"])
def test_an_acceptance_outside_of_0_to_1_is_refused(acceptance: Any) -> None:
    with pytest.raises(InputError, match="acceptance"):
        vperf.estimate(DEEPSEEK, "h200", speculative="mtp", acceptance=acceptance)


@pytest.mark.parametrize("draft_tokens", [0, -1, 1000, 1.5, True])
def test_a_number_of_drafts_that_cannot_be_is_refused(draft_tokens: Any) -> None:
    with pytest.raises(InputError, match="draft-tokens"):
        vperf.estimate(DEEPSEEK, "h200", **DRAFTS, draft_tokens=draft_tokens)


@pytest.mark.parametrize("given", [{"acceptance": 0.5}, {"draft_tokens": 2}])
def test_options_of_drafting_mean_nothing_without_it(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="without speculative"):
        vperf.estimate(DEEPSEEK, "h200", **given)


def test_the_acceptance_is_never_guessed() -> None:
    with pytest.raises(InputError, match="acceptance: missing"):
        vperf.estimate(DEEPSEEK, "h200", speculative="mtp")


workloads = st.fixed_dictionaries(
    {
        "model": st.sampled_from([DEEPSEEK, "deepseek-ai/DeepSeek-V3.2", "zai-org/GLM-4.5-Air"]),
        "gpu": st.sampled_from(["h200", "b200", "mi300x"]),
        "tp": st.sampled_from([1, 8]),
        "batch_size": st.integers(1, 300),
        "input_len": st.integers(1, 20_000),
        "draft_tokens": st.integers(1, 8),
    }
)


@settings(max_examples=40, deadline=None)
@given(workloads, st.floats(0, 1), st.floats(0, 1))
def test_a_higher_acceptance_is_never_slower_and_none_never_pays(
    given: dict[str, Any], one: float, other: float
) -> None:
    low, high = (
        vperf.estimate(**given, speculative="mtp", acceptance=a) for a in sorted((one, other))
    )
    never = vperf.estimate(**given, speculative="mtp", acceptance=0.0)
    plain = vperf.estimate(**{**given, "draft_tokens": None})
    for side in ("limit", "expected"):
        slow, fast, none, without = (
            getattr(answer, side).tpot_s for answer in (low, high, never, plain)
        )
        assert fast <= slow * (1 + 1e-12)
        assert none >= without * (1 - 1e-12)
        assert getattr(never, side).ttft_s >= getattr(plain, side).ttft_s
