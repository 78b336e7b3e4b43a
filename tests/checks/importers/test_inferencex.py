"""InferenceX's aggregates, and the records of its API."""

from __future__ import annotations

import json

from tests.checks.importers.files import DATA, result
from vperf.checks.importers import results_in


def test_rates_per_gpu_become_rates_and_lengths_the_mean_of_their_range() -> None:
    run = result("inferencex_agg.json")
    assert run.output_tokens_per_s == 8 * 250.0
    assert (run.ttft_s, run.tpot_s, run.latency_s) == (0.5, 0.03, 28.1)
    assert (run.setup.input_len, run.setup.output_len) == (921.6, 921.6)
    assert (run.setup.gpu, run.setup.tp, run.setup.max_concurrency) == ("h200", 8, 64)
    assert (run.setup.engine, run.setup.quantization) == ("sglang", "fp8")


def test_a_record_of_the_api_is_read_like_an_aggregate() -> None:
    run = result("inferencex_api.json")
    assert (run.output_tokens_per_s, run.tpot_s) == (1000.0, 0.0039)
    assert (run.setup.model, run.setup.gpu) == ("openai/gpt-oss-120b", "B200")


def test_a_runner_s_name_is_its_card_s_and_drafts_prove_nothing() -> None:
    text = (DATA / "inferencex_agg.json").read_text()
    values = json.loads(text) | {"hw": "h200-cw_1", "mtp": "on"}
    (run,) = results_in(values)
    assert run.setup.gpu == "h200"
    assert "tpot_s" in run.doubtful
    assert any("MTP" in text for text in run.warnings)


def test_separate_groups_have_rates_of_their_own_cards() -> None:
    run = result("inferencex_multinode.json")
    assert run.output_tokens_per_s == 8 * 500.0
    assert (run.setup.gpus, run.setup.dp) == (12, 8)
    assert "tpot_s" in run.doubtful, "spec_decoding: mtp"
    values = json.loads((DATA / "inferencex_multinode.json").read_text())
    (older,) = results_in(values | {"tput_per_gpu": 1000.0, "input_tput_per_gpu": 500.0})
    assert older.output_tokens_per_s == 12 * 500.0


def test_a_pipeline_has_more_cards_than_its_tensor_groups() -> None:
    values = json.loads((DATA / "inferencex_agg.json").read_text())
    (run,) = results_in(values | {"pp": 2, "pcp_size": 1, "spec_decoding": "none"})
    assert (run.setup.gpus, run.setup.tp, run.setup.pp) == (16, 8, 2)
    assert run.output_tokens_per_s == 16 * 250.0
    assert not run.doubtful
