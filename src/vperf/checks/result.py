"""One measured result as a frozen value, whichever benchmark tool wrote it.

SI units. None: the tool did not say, and nothing is guessed. Not here: reading files (importers/)
and judging (check.py).
"""

from __future__ import annotations

from dataclasses import field

from vperf.values import dataclass


@dataclass(frozen=True, slots=True)
class Setup:
    """What was run, as far as the file says; names as the tool spelled them."""

    model: str | None = None
    gpu: str | None = None
    gpus: int | None = None
    unlike_gpus: tuple[str, ...] = ()
    """The names of the cards, where they are of several kinds."""
    n_gpu_layers: int | None = None
    """Layers on the cards, output layer included, where others ran on the host's CPUs."""
    n_cpu_moe: int | None = None
    """Layers whose experts lay on the host."""
    cpu_moe: bool | None = None
    """Whether all experts lay there."""
    override_tensor: tuple[str, ...] | None = None
    """Patterns of tensors and where they lay, as llama.cpp's -ot has them."""
    cpu_offload_gb: float | None = None
    """GiB of weights of each card that lay on the host (vLLM)."""
    tensor_split: str | None = None
    """Shares of the layers of several cards, where they are not by free memory."""
    rpc: bool = False
    """Whether layers ran on another machine too (llama.cpp's RPC servers)."""
    cpu: str | None = None
    """Of the host, as its kernel prints it."""
    engine: str | None = None
    """A vperf engine id."""
    engine_version: str | None = None
    tp: int | None = None
    pp: int | None = None
    ep: int | None = None
    dp: int | None = None
    pcp: int | None = None
    dcp: int | None = None
    quantization: str | None = None
    usual_quantization: str | None = None
    """What the tool loads of a 16-bit model where nothing is said."""
    kv_cache_dtype: str | None = None
    flash_attention: bool | None = None
    """Whether attention ran in its fused kernel, where the tool lets one choose (llama.cpp)."""
    input_len: float | None = None
    """Mean tokens of a prompt; 0 where decoding alone was measured."""
    output_len: float | None = None
    """Mean tokens generated for one; 0 where prefill alone was measured."""
    image_len: float | None = None
    """Of the mean prompt's tokens, those of its images."""
    past_len: float | None = None
    """Tokens already cached before the run, as llama-bench's depth."""
    batch_size: int | None = None
    """Sequences that start together."""
    max_concurrency: float | None = None
    """Users in a closed loop."""
    request_rate: float | None = None
    """Requests per second offered in an open loop."""
    requests: int | None = None
    """Requests measured in all."""
    weight_bytes: float | None = None
    """Of the weights that were loaded, where the tool says so (llama-bench)."""
    params: float | None = None
    """Parameters of the model, likewise."""
    duration_s: float | None = None
    """Wall time from the first request sent to the last token."""
    peak_concurrency: float | None = None
    """Most requests in flight at a time, as the client counted them."""
    mean_concurrency: float | None = None
    """Requests in flight on average, as the tool counted them."""
    max_batch: int | None = None
    """Sequences that the server runs at a time at most (vLLM: --max-num-seqs)."""
    max_batched_tokens: int | None = None
    """Tokens of one step at most (vLLM: --max-num-batched-tokens)."""
    burstiness: float | None = None
    """Shape of the gaps between arrivals (a gamma distribution's); 1 is Poisson."""
    prefix_cache_hit: float | None = None
    """Share of the prompts' tokens that came out of the prefix cache."""
    draft_tokens: int | None = None
    """Tokens drafted before each verification."""
    acceptance_length: float | None = None
    """Tokens a step with speculative decoding; None without it, or where the tool is silent."""


TYPED, IN_WORDS = "command line", "a text in words"
"""Tools of results that a person wrote: lengths and users that nobody says are taken as usual."""


@dataclass(frozen=True, slots=True)
class Result:
    """One run: its setup, and what was measured. Means, unless the tool has medians only."""

    tool: str
    """As its users call it: "vllm bench serve", "llama-bench"."""
    label: str
    """Which of the runs of a file: "pp512", "row 3"; empty for the only one."""
    setup: Setup = field(default_factory=Setup)
    ttft_s: float | None = None
    tpot_s: float | None = None
    """Mean time of an output token after the first."""
    decode_tokens_per_s: float | None = None
    """Output tokens of all sequences over the time that decodes."""
    output_tokens_per_s: float | None = None
    """Output tokens over the whole run, prefill included, as servers report it."""
    prefill_tokens_per_s: float | None = None
    latency_s: float | None = None
    """From a request to its last token."""
    requests_per_s: float | None = None
    percentiles: tuple[tuple[str, float], ...] = ()
    """("p99_ttft_s", 0.2): p50, p90 ... or max of ttft, tpot, itl or latency."""
    spread: float | None = None
    """Standard deviation of repeats over their mean, of the main figure."""
    notes: tuple[str, ...] = ()
    """What reading took for granted, in words."""
    warnings: tuple[str, ...] = ()
    """What in the file makes its figures doubtful, in words."""
    doubtful: tuple[str, ...] = ()
    """Figures that others of it contradict: above the limit they prove nothing."""

    @property
    def measured(self) -> dict[str, float]:
        """Its figures, but for percentiles, by the names of their fields."""
        found = {name: getattr(self, name) for name in METRICS}
        return {name: value for name, value in found.items() if value is not None}


METRICS = (
    "ttft_s", "tpot_s", "decode_tokens_per_s", "output_tokens_per_s", "prefill_tokens_per_s",
    "latency_s", "requests_per_s",
)  # fmt: skip
"""Fields of a Result that are measured."""
