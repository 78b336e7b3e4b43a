"""What each engine calls its metrics, and what else it tells of itself.

vLLM: vllm/v1/metrics/loggers.py (0.8 to 0.14, and V0's names), from excerpts; SGLang:
python/sglang/srt/metrics/collector.py at commit 00ae9c1 and /get_server_info; TGI:
router/src/server.rs and /info; llama-server: tools/server README (--metrics) and /props;
TensorRT-LLM: tensorrt_llm/metrics/collector.py, at /prometheus/metrics; Dynamo: the frontend's, in
lib/runtime/src/metrics/prometheus_names.rs at commit 04070c7 (read December 2026). An engine is one
row. Not here: the looks (server.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from vperf.values import dataclass

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EngineMetrics:
    """Names of one engine's metrics; of several, the first that is there."""

    engine: str | None
    """vperf's id; None where the metrics do not say which one runs behind."""
    name: str
    namespace: str
    running: Names
    waiting: Names
    prompt_tokens: Names
    generated_tokens: Names
    requests: Names
    ttft: Names = ()
    tpot: Names = ()
    latency: Names = ()
    prompt_length: Names = ()
    output_length: Names = ()
    cache_use: Names = ()
    """A gauge from 0 to 1."""
    prefix_queries: Names = ()
    prefix_hits: Names = ()
    prefix_rate: Names = ()
    """A gauge of the share, where it is no counter."""
    drafts: Names = ()
    accepted: Names = ()
    acceptance_length: Names = ()
    decode_seconds: Names = ()
    """Seconds spent on generated tokens, where no histogram of gaps is there."""
    prompt_seconds: Names = ()
    max_batch: Names = ()
    """A gauge of the sequences that run at most."""
    max_batched_tokens: Names = ()
    cap: str = ""
    """The option that bounds the sequences that run."""


ENGINES: tuple[EngineMetrics, ...] = (
    EngineMetrics(
        "vllm", "vLLM", "vllm:",
        running=("vllm:num_requests_running",), waiting=("vllm:num_requests_waiting",),
        prompt_tokens=("vllm:prompt_tokens",), generated_tokens=("vllm:generation_tokens",),
        requests=("vllm:request_success",),
        ttft=("vllm:time_to_first_token_seconds",),
        tpot=("vllm:request_time_per_output_token_seconds", "vllm:time_per_output_token_seconds",
              "vllm:inter_token_latency_seconds"),
        latency=("vllm:e2e_request_latency_seconds",),
        prompt_length=("vllm:request_prompt_tokens",),
        output_length=("vllm:request_generation_tokens",),
        cache_use=("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"),
        prefix_queries=("vllm:prefix_cache_queries", "vllm:gpu_prefix_cache_queries"),
        prefix_hits=("vllm:prefix_cache_hits", "vllm:gpu_prefix_cache_hits"),
        drafts=("vllm:spec_decode_num_drafts",),
        accepted=("vllm:spec_decode_num_accepted_tokens",),
        cap="--max-num-seqs",
    ),
    EngineMetrics(
        "sglang", "SGLang", "sglang:",
        running=("sglang:num_running_reqs",), waiting=("sglang:num_queue_reqs",),
        prompt_tokens=("sglang:prompt_tokens",), generated_tokens=("sglang:generation_tokens",),
        requests=("sglang:num_requests",),
        ttft=("sglang:time_to_first_token_seconds",),
        tpot=("sglang:time_per_output_token_seconds", "sglang:inter_token_latency_seconds"),
        latency=("sglang:e2e_request_latency_seconds",),
        prompt_length=("sglang:prompt_tokens_histogram",),
        output_length=("sglang:generation_tokens_histogram",),
        cache_use=("sglang:token_usage", "sglang:full_token_usage"),
        prefix_rate=("sglang:cache_hit_rate",),
        acceptance_length=("sglang:spec_accept_length",), cap="--max-running-requests",
    ),
    EngineMetrics(
        "llama.cpp", "llama-server", "llamacpp:",
        running=("llamacpp:requests_processing",), waiting=("llamacpp:requests_deferred",),
        prompt_tokens=("llamacpp:prompt_tokens",),
        generated_tokens=("llamacpp:tokens_predicted",),
        requests=(), cache_use=("llamacpp:kv_cache_usage_ratio",),
        drafts=("llamacpp:spec_decode_num_drafts",),
        accepted=("llamacpp:spec_decode_num_accepted_tokens",),
        decode_seconds=("llamacpp:tokens_predicted_seconds",),
        prompt_seconds=("llamacpp:prompt_seconds",), cap="--parallel",
    ),
    EngineMetrics(
        None, "TGI", "tgi_",
        running=("tgi_batch_current_size",), waiting=("tgi_queue_size",),
        prompt_tokens=("tgi_request_input_length_sum",),
        generated_tokens=("tgi_request_generated_tokens_sum",),
        requests=("tgi_request_success",),
        tpot=("tgi_request_mean_time_per_token_duration",), latency=("tgi_request_duration",),
        prompt_length=("tgi_request_input_length",),
        output_length=("tgi_request_generated_tokens",), cap="--max-concurrent-requests",
    ),
    EngineMetrics(
        None, "Dynamo", "dynamo_",
        running=("dynamo_frontend_inflight_requests",),
        waiting=("dynamo_frontend_queued_requests",),
        prompt_tokens=("dynamo_frontend_input_sequence_tokens_sum",),
        generated_tokens=("dynamo_frontend_output_tokens",
                          "dynamo_frontend_output_sequence_tokens_sum"),
        requests=("dynamo_frontend_requests",),
        ttft=("dynamo_frontend_time_to_first_token_seconds",),
        tpot=("dynamo_frontend_inter_token_latency_seconds",),
        latency=("dynamo_frontend_request_duration_seconds",),
        prompt_length=("dynamo_frontend_input_sequence_tokens",),
        output_length=("dynamo_frontend_output_sequence_tokens",),
        prefix_queries=("dynamo_frontend_input_sequence_tokens_sum",),
        prefix_hits=("dynamo_frontend_cached_tokens_sum",),
        max_batch=("dynamo_frontend_model_max_num_seqs",),
        max_batched_tokens=("dynamo_frontend_model_max_num_batched_tokens",),
    ),
    EngineMetrics(
        "trtllm", "TensorRT-LLM", "trtllm_",
        running=("trtllm_num_requests_running",), waiting=("trtllm_num_requests_waiting",),
        prompt_tokens=("trtllm_prompt_tokens",), generated_tokens=("trtllm_generation_tokens",),
        requests=("trtllm_request_success",),
        ttft=("trtllm_time_to_first_token_seconds",),
        tpot=("trtllm_time_per_output_token_seconds",),
        latency=("trtllm_e2e_request_latency_seconds",),
        cache_use=("trtllm_kv_cache_utilization",),
        prefix_queries=("trtllm_prompt_tokens",), prefix_hits=("trtllm_prompt_cached_tokens",),
        prefix_rate=("trtllm_kv_cache_hit_rate",),
        acceptance_length=("trtllm_spec_decode_acceptance_length",),
        max_batch=("trtllm_max_batch_size_runtime", "trtllm_max_batch_size_static"),
        max_batched_tokens=("trtllm_max_num_tokens_runtime",),
        cap="--max_batch_size",
    ),
)  # fmt: skip
"""The engine that runs before the frontend that stands before it."""

OPTIONS: Mapping[str, str] = {
    "tp_size": "tp", "dp_size": "dp", "pp_size": "pp", "ep_size": "ep", "dcp_size": "dcp",
    "quantization": "quantization", "kv_cache_dtype": "kv_cache_dtype",
    "max_running_requests": "max_batch",
    "chunked_prefill_size": "max_batched_tokens",
}  # fmt: skip
"""SGLang's server arguments -> fields of a setup."""
