"""Shell commands that launch an engine as it was estimated, and that measure it.

Flags are those that vLLM (`vllm serve`, `vllm bench serve`), SGLang (`sglang.launch_server`,
`sglang.bench_serving`) and TensorRT-LLM (`trtllm-serve`, the options of its `--config`) document,
looked up 2026-11-23. Not here: the sentences around them (words.py, plan.py).
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

SIXTEEN_BIT = {"bf16", "fp16", "bfloat16", "float16", "auto", "none"}
_CONFIG = "trtllm.yaml"


@dataclass(frozen=True, slots=True)
class Server:
    """One replica. What is 0, None or "" is left to the engine."""

    engine: str
    model: str
    tp: int = 1
    pp: int = 1
    ep: int = 1
    dp: int = 1
    kv_cache: str = ""
    quantization: str = ""
    """What the engine itself quantizes 16-bit weights to when it loads them."""
    draft_tokens: int = 0
    """By the model's own MTP layers."""
    cuda_graphs: bool = True
    max_model_len: int = 0
    memory_utilization: float | None = None
    max_batched_tokens: int = 0
    max_sequences: int = 0
    role: str = ""
    """"prefill" or "decode", where these are apart."""


@dataclass(frozen=True, slots=True)
class Bench:
    """A measurement: requests of one length, from users or at a rate."""

    input_tokens: int
    output_tokens: int
    users: int | None = None
    requests_per_s: float | None = None
    prefix_tokens: int = 0
    """Of the input, found in cache."""

    @property
    def load(self) -> list[str]:
        """Ten requests a user, or two minutes of them."""
        if self.requests_per_s is not None:
            prompts = max(100, round(120 * self.requests_per_s))
            return [f"--request-rate {self.requests_per_s:.6g}", f"--num-prompts {prompts}"]
        users = self.users or 1
        return [f"--max-concurrency {users}", f"--num-prompts {10 * users}"]


def launch(server: Server) -> list[list[str]]:
    """The commands that start a server, each as words; empty for other engines."""
    model = shlex.quote(server.model)
    match server.engine:
        case "vllm":
            return [["vllm serve", model, *_vllm(server)]]
        case "sglang":
            serve = ["python -m sglang.launch_server", f"--model-path {model}"]
            return [[*serve, *_sglang(server)]]
        case "trtllm" if not server.role:
            config = _trtllm_config(server)
            lines = "\\n".join(config)
            prepare = [[f"printf '{lines}\\n' > {_CONFIG}"]] if config else []
            flags = [f"--config {_CONFIG}"] if config else []
            return [*prepare, ["trtllm-serve", model, *_trtllm(server), *flags]]
    return []


def bench(engine: str, model: str, asked: Bench) -> list[str]:
    """The command that measures a server, as words; empty for other engines."""
    model = shlex.quote(model)
    new = asked.input_tokens - asked.prefix_tokens
    lengths = [f"--random-input-len {new}", f"--random-output-len {asked.output_tokens}"]
    prefix = [f"--random-prefix-len {asked.prefix_tokens}"] if asked.prefix_tokens else []
    match engine:
        case "vllm":
            start = ["vllm bench serve", f"--model {model}"]
            return [*start, *lengths, *prefix, "--ignore-eos", *asked.load]
        case "sglang" if not prefix:  # its random prompts share none
            start = ["python -m sglang.bench_serving", "--backend sglang", "--dataset-name random"]
            return [*start, *lengths, "--random-range-ratio 1", *asked.load]
        case "trtllm":
            start = ["python -m tensorrt_llm.serve.scripts.benchmark_serving", f"--model {model}"]
            start += ["--backend openai", "--dataset-name random", "--random-ids"]
            return [*start, *lengths, *prefix, "--ignore-eos", *asked.load]
    return []


def folded(words: Sequence[str], width: int) -> list[str]:
    """A shell command on lines of at most `width`, each but the last ending in a backslash."""
    lines, line = [], words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) > width - 4:
            lines.append(line + " \\")
            line = "    " + word
        else:
            line += " " + word
    return [*lines, line]


def _counts(pairs: Sequence[tuple[str, int]], least: int) -> list[str]:
    return [f"{flag} {count}" for flag, count in pairs if count >= least]


def _vllm(s: Server) -> list[str]:
    found = [f"--quantization {s.quantization}"] if s.quantization else []
    found += [f"--kv-cache-dtype {shlex.quote(s.kv_cache)}"] if s.kv_cache else []
    found += _counts(
        (("--tensor-parallel-size", s.tp), ("--pipeline-parallel-size", s.pp),
         ("--data-parallel-size", s.dp)), 2,
    )  # fmt: skip
    found += ["--enable-expert-parallel"] if s.ep > 1 else []
    found += _counts(
        (("--max-model-len", s.max_model_len), ("--max-num-batched-tokens", s.max_batched_tokens),
         ("--max-num-seqs", s.max_sequences)), 1,
    )  # fmt: skip
    if s.memory_utilization is not None:
        found.append(f"--gpu-memory-utilization {s.memory_utilization:g}")
    found += [] if s.cuda_graphs else ["--enforce-eager"]
    if s.draft_tokens:
        drafts = f'{{"method": "mtp", "num_speculative_tokens": {s.draft_tokens}}}'
        found.append(f"--speculative-config '{drafts}'")
    if s.role:
        carry = '{"kv_connector":"NixlConnector","kv_role":"kv_both"}'
        found.append(f"--kv-transfer-config '{carry}'")
    return found


def _sglang(s: Server) -> list[str]:
    stage = s.tp * s.dp  # its tp-size counts attention groups in
    found = [f"--quantization {s.quantization}"] if s.quantization else []
    cache = "fp8_e4m3" if s.kv_cache == "fp8" else s.kv_cache
    found += [f"--kv-cache-dtype {shlex.quote(cache)}"] if cache else []
    found += _counts((("--tp-size", stage), ("--pp-size", s.pp), ("--ep-size", s.ep)), 2)
    found += [f"--dp-size {s.dp} --enable-dp-attention"] if s.dp > 1 else []
    found += _counts(
        (("--context-length", s.max_model_len), ("--chunked-prefill-size", s.max_batched_tokens),
         ("--max-running-requests", s.max_sequences)), 1,
    )  # fmt: skip
    if s.memory_utilization is not None:
        found.append(f"--mem-fraction-static {s.memory_utilization:g}")
    found += [] if s.cuda_graphs else ["--disable-cuda-graph"]
    if s.draft_tokens:
        drafts = s.draft_tokens
        found.append(f"--speculative-algorithm NEXTN --speculative-num-steps {drafts}")
        found.append(f"--speculative-eagle-topk 1 --speculative-num-draft-tokens {drafts + 1}")
    return [*found, *([f"--disaggregation-mode {s.role}"] if s.role else [])]


def _trtllm(s: Server) -> list[str]:
    stage = s.tp * s.dp  # as above
    return _counts((("--tp_size", stage), ("--pp_size", s.pp), ("--ep_size", s.ep)), 2) + _counts(
        (("--max_seq_len", s.max_model_len), ("--max_num_tokens", s.max_batched_tokens),
         ("--max_batch_size", s.max_sequences)), 1,
    )  # fmt: skip


def _trtllm_config(s: Server) -> list[str]:
    """What trtllm-serve takes from a file only."""
    cache = [f"dtype: {s.kv_cache}"] if s.kv_cache else []
    if s.memory_utilization is not None:
        cache.append(f"free_gpu_memory_fraction: {s.memory_utilization:g}")
    found = [f"kv_cache_config: {{{', '.join(cache)}}}"] if cache else []
    found += ["enable_attention_dp: true"] if s.dp > 1 else []
    found += ["enable_chunked_prefill: true"] if s.max_batched_tokens else []
    found += [] if s.cuda_graphs else ["cuda_graph_config: null"]
    if s.draft_tokens:
        drafts = f"decoding_type: MTP, num_nextn_predict_layers: {s.draft_tokens}"
        found.append(f"speculative_config: {{{drafts}}}")
    return found
