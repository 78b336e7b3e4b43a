"""Step times for the simulated scheduler, held to the times of whole steps."""

from __future__ import annotations

from statistics import fmean
from typing import Any

import pytest

import vperf
from vperf.resolve import deploy
from vperf.scenario import Scenario
from vperf.serving.equal_steps import Steps
from vperf.serving.load import Load
from vperf.serving.memory import pool, pools, sequence_bytes
from vperf.serving.step_times import DeploymentTimes, cache_room
from vperf.timing.compiled import Compiled
from vperf.timing.passes import decode_passes, prefill_passes

MODELS: list[tuple[str, dict[str, Any]]] = [
    ("qwen3-8b", {}),
    ("gpt-oss-120b", {}),
    ("deepseek-v3", {"tp": 8}),
    ("deepseek-v3", {"dp": 8, "ep": 8}),
    ("deepseek-v3", {"tp": 8, "speculative": "mtp", "acceptance": 0.8}),
]


def _compiled(model: str, options: dict[str, Any]) -> Compiled:
    return deploy(Scenario(model, "h200-sxm", **options)).compiled


@pytest.mark.parametrize(("model", "options"), MODELS)
def test_a_mixed_step_is_the_sum_of_its_parts_within_1_percent(
    model: str, options: dict[str, Any]
) -> None:
    compiled = _compiled(model, options)
    times = DeploymentTimes(compiled, 1024, 1536)
    groups = compiled.model.parallel.data
    for sequences, prompts in ((1, 1), (40, 1), (200, 1), (40, 5), (200, 12)):
        for new, past in ((60, 0), (300, 0), (1024, 0), (4096, 2048)):
            decode = decode_passes(compiled.model, sequences * groups, 1300)
            prompt = prefill_passes(compiled.model, prompts * groups, new, past)
            whole = compiled.mixed(decode, prompt, sequences + prompts)[1]
            count, chunks = sequences * groups, [(new, past)] * (prompts * groups)
            assert times.mixed(count, count * 1300, chunks) == pytest.approx(whole, rel=0.01)


@pytest.mark.parametrize(("model", "options"), MODELS)
def test_a_decode_step_is_right_on_average_and_near_at_every_context(
    model: str, options: dict[str, Any]
) -> None:
    compiled = _compiled(model, options)
    for low, high in ((1024, 2048), (80, 900)):
        times = DeploymentTimes(compiled, low, high)
        contexts = range(low, high + 1, (high - low) // 20)
        for sequences in (1, 24, 100):
            base, slope = times.decode(sequences)
            found = [base + slope * sequences * context for context in contexts]
            right = [compiled.decode(sequences, context)[1] for context in contexts]
            assert found == pytest.approx(right, rel=0.025)
            near = 1e-3 if sequences <= 24 else 0.01
            assert fmean(found) == pytest.approx(fmean(right), rel=near)


def test_the_cache_has_room_for_as_many_sequences_as_fit() -> None:
    compiled = _compiled("qwen3-8b", {})
    model, card = compiled.model, compiled.card
    room = cache_room(compiled, 1000, 2000, 256, 1000)
    each = model.rank_cache_bytes(2000)
    most = pool(model, card.gpu, card.engine, 256 * each).free_bytes / each
    assert room.size / (room.per_sequence + 2000 * room.per_token) == pytest.approx(most, rel=0.02)


def test_an_engine_that_sets_nothing_aside_for_prompts_has_room_for_fewer() -> None:
    """transformers: beside its cache, a sequence of 2,000 tokens takes its prompt's activations."""
    compiled = deploy(Scenario("qwen3-8b", "h100-sxm", engine="transformers")).compiled
    card = compiled.card
    of_card = pools(compiled.model, card.gpu, card.engine)
    each = sequence_bytes(compiled.model, of_card, 1000, 1000)
    assert each > 1.2 * compiled.model.rank_cache_bytes(2000)
    room = cache_room(compiled, 1000, 2000, 1, 1000)
    most = of_card[0].free_bytes / each
    assert room.size / (room.per_sequence + 2000 * room.per_token) == pytest.approx(most, rel=0.02)
    steps = Steps(compiled, Load(1998, 2, 8))
    assert steps.slots() == int(
        of_card[0].free_bytes / sequence_bytes(compiled.model, of_card, 1998, 1)
    )


def test_a_pipeline_takes_its_share_of_a_prompt_a_step_and_gives_the_token_after_all_stages() -> (
    None
):
    model = "meta-llama/Llama-3.1-70B-Instruct"
    rate: list[float] = []
    for stages in (1, 2, 4):
        asked: dict[str, Any] = {"pp": stages, "quantization": "fp8", "input_len": 4000}
        alone = vperf.estimate(model, "h200-sxm", **asked)
        few = vperf.estimate(model, "h200-sxm", **asked, request_rate=0.02, num_prompts=40)
        many = vperf.estimate(model, "h200-sxm", **asked, output_len=64, max_concurrency=64)
        assert few.simulated
        assert few.simulated.ttft.mean_s == pytest.approx(alone.expected.ttft_s, rel=0.15)
        assert many.simulated
        rate.append(many.simulated.requests_per_s)
    assert rate[1] > 1.6 * rate[0]
    assert rate[2] > 1.5 * rate[1]
