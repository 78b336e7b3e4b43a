"""A running server as a result: vLLM of two years, SGLang, llama-server, TGI and others."""

from __future__ import annotations

from typing import Any

import pytest

from tests.checks.live.servers import Clock, Page, playing
from vperf.checks.live import is_server, read_server
from vperf.checks.live.fetch import TOKEN
from vperf.checks.result import Result
from vperf.errors import InputError


def watched(pages: dict[str, list[Page]], query: str = "", duration: float = 10.0) -> Result:
    clock = Clock()
    with playing(pages) as (url, _):
        return read_server(f"{url}/v1{query}", duration, sleep=clock.sleep, clock=clock)


def histogram(name: str, count: int, total: float, buckets: dict[str, int] | None = None) -> str:
    lines = [f'{name}_bucket{{le="{le}",model_name="m"}} {n}' for le, n in (buckets or {}).items()]
    return "\n".join([*lines, f'{name}_count{{model_name="m"}} {count}',
                      f'{name}_sum{{model_name="m"}} {total}'])  # fmt: skip


def vllm(step: int, *, new: bool = True, waiting: int = 0, use: float = 0.4) -> str:
    """Ten requests a look, of 1,000 tokens in and 100 out, TTFT 0.2 s and TPOT 20 ms."""
    n = 10 * step
    cache = "kv" if new else "gpu"
    gaps = "inter_token_latency" if new else "time_per_output_token"
    prefix = "" if new else "gpu_"
    ttft = {"0.1": 0, "0.25": n, "0.5": n, "+Inf": n}
    return "\n".join((
        "# HELP vllm:num_requests_running Number of requests.",
        'vllm:num_requests_running{engine="0",model_name="m"} 8.0',
        f'vllm:num_requests_waiting{{engine="0",model_name="m"}} {waiting}',
        f'vllm:{cache}_cache_usage_perc{{engine="0",model_name="m"}} {use}',
        f'vllm:prompt_tokens_total{{model_name="m"}} {1000 * n}',
        f'vllm:generation_tokens_total{{model_name="m"}} {100 * n}',
        f'vllm:request_success_total{{finished_reason="stop",model_name="m"}} {n - step}',
        f'vllm:request_success_total{{finished_reason="length",model_name="m"}} {step}',
        f'vllm:{prefix}prefix_cache_queries_total{{model_name="m"}} {1000 * n}',
        f'vllm:{prefix}prefix_cache_hits_total{{model_name="m"}} {300 * n}',
        f'vllm:spec_decode_num_drafts_total{{model_name="m"}} {50 * n}',
        f'vllm:spec_decode_num_accepted_tokens_total{{model_name="m"}} {40 * n}',
        'vllm:cache_config_info{block_size="16",cache_dtype="fp8",num_gpu_blocks="100"} 1.0',
        histogram("vllm:time_to_first_token_seconds", n, 0.2 * n, ttft),
        histogram(f"vllm:{gaps}_seconds", 99 * n, 99 * n * 0.02),
        histogram("vllm:e2e_request_latency_seconds", n, 2.2 * n),
        histogram("vllm:request_prompt_tokens", n, 1000.0 * n),
        histogram("vllm:request_generation_tokens", n, 100.0 * n),
    ))  # fmt: skip


MODELS: Page = {"data": [{"id": "prod", "root": "Qwen/Qwen3-8B"}]}


@pytest.mark.parametrize("new", [True, False])
def test_vllm_of_two_years_gives_means_of_what_it_served(new: bool) -> None:
    run = watched({
        "/metrics": [vllm(step, new=new) for step in range(1, 6)],
        "/v1/models": [MODELS], "/version": [{"version": "0.11.0"}],
    })  # fmt: skip
    assert (run.ttft_s, run.tpot_s, run.latency_s) == pytest.approx((0.2, 0.02, 2.2))
    assert run.output_tokens_per_s == pytest.approx(400.0)
    assert run.requests_per_s == pytest.approx(4.0)
    setup = run.setup
    assert (setup.model, setup.engine, setup.engine_version) == ("Qwen/Qwen3-8B", "vllm", "0.11.0")
    assert (setup.input_len, setup.output_len, setup.requests) == (1000, 100, 40)
    assert (setup.max_concurrency, setup.kv_cache_dtype) == (8, "fp8")
    assert setup.prefix_cache_hit == pytest.approx(0.3)
    assert setup.acceptance_length == pytest.approx(1.8)
    # All of 40 between 0.1 and 0.25 s.
    assert dict(run.percentiles)["p50_ttft_s"] == pytest.approx(0.175)


@pytest.mark.parametrize(
    ("waiting", "use", "words"),
    [
        (12, 0.3, "12 wait while 8 run with the KV cache 30% full: --max-num-seqs bounds it"),
        (12, 0.97, "12 wait while 8 run with the KV cache 97% full: room in the cache bounds it"),
        (0, 0.95, "the KV cache is 95% full: more users would wait"),
    ],
)
def test_what_holds_the_server_back_is_said(waiting: int, use: float, words: str) -> None:
    pages: dict[str, list[Page]] = {
        "/metrics": [vllm(step, waiting=waiting, use=use) for step in range(1, 6)]
    }
    assert words in watched(pages).warnings


def test_sglang_tells_its_arguments_and_few_users_are_said() -> None:
    def look(step: int) -> str:
        n = 3 * step
        return "\n".join((
            "sglang:num_running_reqs 2", "sglang:num_queue_reqs 0", "sglang:token_usage 0.05",
            "sglang:cache_hit_rate 0.02", "sglang:spec_accept_length 0.0",
            f"sglang:prompt_tokens_total {500 * n}", f"sglang:generation_tokens_total {200 * n}",
            f"sglang:num_requests_total {n}",
            histogram("sglang:time_to_first_token_seconds", n, 0.1 * n),
            histogram("sglang:inter_token_latency_seconds", 199 * n, 199 * n * 0.01),
        ))  # fmt: skip

    run = watched({
        "/metrics": [look(step) for step in range(1, 6)],
        "/get_server_info": [{"model_path": "Qwen/Qwen3-32B", "tp_size": 4, "quantization": "fp8",
                              "kv_cache_dtype": "auto", "max_running_requests": 128,
                              "version": "0.5.5", "dp_size": 1}],
    })  # fmt: skip
    setup = run.setup
    assert (setup.model, setup.tp, setup.quantization) == ("Qwen/Qwen3-32B", 4, "fp8")
    assert (setup.max_batch, setup.kv_cache_dtype, setup.acceptance_length) == (128, None, None)
    assert (setup.input_len, setup.output_len) == (500, 200)
    assert (run.tpot_s, run.ttft_s) == pytest.approx((0.01, 0.1))
    assert run.warnings == (
        "few users: 2 sequences at a time, so that weights are read for few",
        "the prefix cache finds 2% of the prompts' tokens",
    )


def test_llama_server_has_seconds_of_all_its_slots() -> None:
    def look(step: int) -> str:
        return "\n".join((
            "llamacpp:requests_processing 2", "llamacpp:requests_deferred 0",
            f"llamacpp:prompt_tokens_total {800 * step}",
            f"llamacpp:prompt_seconds_total {0.4 * step}",
            f"llamacpp:tokens_predicted_total {100 * step}",
            f"llamacpp:tokens_predicted_seconds_total {2.5 * step}",
        ))  # fmt: skip

    run = watched({
        "/metrics": [look(step) for step in range(1, 6)],
        "/props": [{"model_path": "/models/Qwen3-8B-Q4_K_M.gguf", "total_slots": 4,
                    "build_info": "b7142-abc"}],
    })  # fmt: skip
    assert run.tpot_s == pytest.approx(0.025)
    assert run.output_tokens_per_s == pytest.approx(40.0)
    assert (run.setup.model, run.setup.max_batch) == ("/models/Qwen3-8B-Q4_K_M.gguf", 4)


def test_tgi_and_dynamo_have_their_own_names() -> None:
    def tgi(step: int) -> str:
        n = 2 * step
        return "\n".join((
            "tgi_batch_current_size 6", "tgi_queue_size 0", f"tgi_request_success {n}",
            f"tgi_request_input_length_count {n}", f"tgi_request_input_length_sum {300 * n}",
            f"tgi_request_generated_tokens_count {n}", f"tgi_request_generated_tokens_sum {60 * n}",
            histogram("tgi_request_mean_time_per_token_duration", n, 0.03 * n),
        ))  # fmt: skip

    run = watched({
        "/metrics": [tgi(step) for step in range(1, 6)],
        "/info": [{"model_id": "mistralai/Mistral-7B-Instruct-v0.3", "version": "3.0.0",
                   "max_concurrent_requests": 128}],
    })  # fmt: skip
    assert (run.tpot_s, run.setup.input_len, run.setup.output_len) == pytest.approx((0.03, 300, 60))
    assert run.setup.model == "mistralai/Mistral-7B-Instruct-v0.3"

    def dynamo(step: int) -> str:
        n = 5 * step
        name = "dynamo_frontend"
        return "\n".join((
            f'{name}_inflight_requests{{model="qwen"}} 16',
            f'{name}_requests_total{{model="qwen"}} {n}',
            histogram(f"{name}_input_sequence_tokens", n, 2000.0 * n),
            histogram(f"{name}_output_sequence_tokens", n, 150.0 * n),
            histogram(f"{name}_time_to_first_token_seconds", n, 0.3 * n),
            histogram(f"{name}_inter_token_latency_seconds", 149 * n, 149 * n * 0.015),
        ))  # fmt: skip

    run = watched({"/metrics": [dynamo(step) for step in range(1, 6)]})
    assert (run.ttft_s, run.tpot_s) == pytest.approx((0.3, 0.015))
    assert (run.setup.model, run.setup.max_concurrency) == ("qwen", 16)


def test_tensorrt_llm_has_its_metrics_on_another_page() -> None:
    def look(step: int) -> str:
        n, name = 4 * step, "trtllm"
        return "\n".join((
            f'{name}_num_requests_running{{model_name="nvidia/Qwen3-32B-FP8"}} 12',
            f"{name}_num_requests_waiting 4", f"{name}_kv_cache_utilization 0.4",
            f"{name}_prompt_tokens_total {1000 * n}", f"{name}_generation_tokens_total {250 * n}",
            f"{name}_prompt_cached_tokens_total {300 * n}", f"{name}_request_success_total {n}",
            f"{name}_max_batch_size_runtime 12", f"{name}_max_num_tokens_runtime 8192",
            histogram(f"{name}_time_to_first_token_seconds", n, 0.2 * n),
            histogram(f"{name}_time_per_output_token_seconds", n, 0.012 * n),
        ))  # fmt: skip

    run = watched({
        "/metrics": ['[{"iter": 12, "gpuMemUsage": 1}]'],
        "/prometheus/metrics": [look(step) for step in range(1, 6)],
    })  # fmt: skip
    assert (run.tool, run.setup.engine) == ("TensorRT-LLM server", "trtllm")
    assert (run.ttft_s, run.tpot_s) == pytest.approx((0.2, 0.012))
    assert (run.setup.input_len, run.setup.output_len) == (1000, 250)
    assert (run.setup.max_batch, run.setup.max_batched_tokens) == (12, 8192)
    assert run.setup.prefix_cache_hit == pytest.approx(0.3)
    assert run.setup.model == "nvidia/Qwen3-32B-FP8"
    assert "--max_batch_size bounds it" in run.warnings[0]


def test_a_router_of_llama_servers_is_asked_for_one_model() -> None:
    def look(step: int) -> str:
        return (
            f"llamacpp:requests_processing 1\nllamacpp:tokens_predicted_total {100 * step}\n"
            f"llamacpp:tokens_predicted_seconds_total {2.0 * step}\n"
            f"llamacpp:spec_decode_num_drafts_total {40 * step}\n"
            f"llamacpp:spec_decode_num_accepted_tokens_total {60 * step}\n"
        )

    run = watched({"/metrics?model=qwen": [look(s) for s in range(1, 6)]}, "?model=qwen")
    assert run.tpot_s == pytest.approx(0.02)
    assert run.setup.acceptance_length == pytest.approx(2.5)


def test_a_server_that_was_idle_is_told_so() -> None:
    with pytest.raises(InputError, match="generated nothing in 10 s"):
        watched({"/metrics": [vllm(3)]})


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        ({}, "has no /metrics"),
        ({"/metrics": ["go_gc_duration_seconds 1\n"]}, "its metrics are of none of vLLM, SGLang"),
        ({"/metrics": [(302, "http://example.invalid/metrics")]}, "sends elsewhere"),
    ],
)
def test_what_is_no_server_of_a_model_is_told_so(pages: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        watched(pages)


def test_nobody_listening_is_told_so() -> None:
    with playing({}) as (url, _):
        pass
    with pytest.raises(InputError, match="cannot be reached"):
        read_server(url, 1.0, sleep=lambda _: None)


def test_a_token_is_sent_to_the_server_and_not_to_where_it_redirects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(TOKEN, "secret")
    with playing({"/metrics": [vllm(1)]}) as (other, seen_there):
        pages: dict[str, list[Page]] = {"/metrics": [(307, f"{other}/metrics")]}
        with playing(pages) as (url, seen), pytest.raises(InputError, match="sends elsewhere"):
            read_server(url, 1.0, sleep=lambda _: None)
    assert seen == [("/metrics", "Bearer secret")]
    assert seen_there == []


@pytest.mark.parametrize("duration", [0.0, -1.0, 1e9, float("nan")])
def test_a_duration_that_is_none_is_refused(duration: float) -> None:
    with pytest.raises(InputError, match="--duration"):
        read_server("http://127.0.0.1:9", duration)


def test_addresses_are_told_from_files() -> None:
    assert is_server("http://localhost:8000")
    assert is_server("https://models.example/v1")
    assert not is_server("result.json")
    assert not is_server("-")
