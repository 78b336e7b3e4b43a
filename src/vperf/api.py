"""The Python API: names in, frozen answers out. The command line calls exactly these functions.

Not here: any arithmetic (estimate.py, speeds.py), and answers of many settings (explore/).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Unpack

from vperf.answer import Estimate, Figures, ModelFacts
from vperf.errors import InputError
from vperf.estimate import estimate_model, model_facts_of, serve_model
from vperf.formats import cache_format_named, format_named
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.model.config import ModelConfig
from vperf.model.divide import Parallel, divide
from vperf.model.model import Model
from vperf.model.read import build_model
from vperf.napkin import EXAMPLE_GPU, EXAMPLE_MODEL, Napkin, check_choice
from vperf.napkin import napkin as _napkin
from vperf.notes import Note, notes_of
from vperf.scenario import INPUT_LEN, OUTPUT_LEN, ModelLike, Options, Scenario
from vperf.serving.lengths import Lengths, equal
from vperf.serving.speculative import checked_acceptance, drafting
from vperf.sources.engines import load_engine
from vperf.sources.gpus import load_gpu
from vperf.sources.models import load_model_config
from vperf.speeds import batch_figures, check_count, deployed_load, served_figures
from vperf.timing.compiled import Compiled
from vperf.timing.step import Card
from vperf.units import format_bytes, parse_bandwidth, parse_count

if TYPE_CHECKING:
    from vperf.model.anatomy import Anatomy
    from vperf.serving.load import Load, Steps
    from vperf.serving.simulation import Run


def estimate(model: ModelLike, gpu: str | Gpu, **options: Unpack[Options]) -> Estimate:
    """Estimate TTFT, prefill and decode speed of `model` on `gpu`.

    `input_len` and `output_len` are tokens of each of `batch_size` requests; `quantization` and
    `kv_cache_dtype` are what-ifs over what the checkpoint says; `max_model_len` caps the context;
    `tp`, `pp`, `ep` and `dp` divide the model over tp x pp x dp GPUs (dp: attention).
    With `max_concurrency` users in a closed loop, or `request_rate` requests/s, it is the estimate
    of a served load, `prefix_cache_hit` of each prompt found in cache. `speculative` "mtp" drafts
    `draft_tokens` a step with the model's own MTP layers, of which a share `acceptance` is
    accepted. `image_tokens` of each request join its prompt. `cuda_graphs` False: every kernel is
    launched by the host, which schedules between steps. `workload` states the lengths instead:
    "chat", "rag", "agent", ..., or a file. Defaults: vperf.scenario.Scenario.
    Raises VperfError: InputError for what cannot be, UnsupportedModelError for an architecture
    that is not understood, HubError when the Hub is needed and cannot be reached.
    """
    return ask(Scenario(model, gpu, **options))


@dataclass(frozen=True, slots=True)
class Deployment:
    """The part of a scenario that settings of its load share: a model, divided, on its cards."""

    found: ModelConfig
    compiled: Compiled
    _steps: dict[tuple[int, ...], Steps] = field(default_factory=dict, compare=False, repr=False)

    @property
    def model(self) -> Model:
        """As its engine runs it, divided."""
        return self.compiled.model

    @property
    def card(self) -> Card:
        """One of its cards, with its engine."""
        return self.compiled.card

    def steps(self, load: Load) -> Steps:
        """Step times that loads of equal lengths share, each computed once."""
        from vperf.serving.load import Steps  # noqa: PLC0415  (most estimates are of a batch)

        key = (load.input_tokens, load.output_tokens, load.cached_tokens)
        found = self._steps.get(key)
        if found is None:
            self._steps.clear()  # a walk over lengths does not come back
            found = self._steps[key] = Steps(self.compiled, load)
        return found


def ask(scenario: Scenario, deployment: Deployment | None = None) -> Estimate:
    """The estimate that one scenario asks for; `estimate` with its options as a value.

    `deployment` is that of a scenario that differs in its load only.
    """
    at = deployment or deploy(scenario)
    found, lengths = at.found, lengths_of(scenario)
    warned = (
        *notes_of("model_warning", found.warnings),
        *_stored_warning(found, at.model, scenario.quantization),
    )
    if scenario.served:
        return serve_model(
            at.compiled,
            found.id,
            found.source,
            load=_load_of(scenario, lengths),
            asked=_run_of(scenario, lengths),
            lengths=lengths,
            image_tokens=scenario.image_tokens,
            acceptance=scenario.acceptance,
            warned=warned,
        )
    _check_batch(scenario)
    return estimate_model(
        at.compiled,
        found.id,
        found.source,
        lengths=lengths,
        batch_size=scenario.batch_size,
        image_tokens=scenario.image_tokens,
        acceptance=scenario.acceptance,
        warned=warned,
    )


def figures(scenario: Scenario, deployment: Deployment | None = None) -> Figures:
    """The speeds of `ask(scenario)` and whether it fits, without the rest.

    `deployment` is that of a scenario that differs in its load only.
    """
    at = deployment or deploy(scenario)
    if scenario.served:
        load = load_of(scenario, at)
        return served_figures(at.compiled, load, at.steps(load))
    _check_batch(scenario)
    return batch_figures(
        at.compiled,
        at.found.id,
        lengths_of(scenario),
        batch=scenario.batch_size,
        image_tokens=scenario.image_tokens,
        acceptance=scenario.acceptance,
    )


def deploy(scenario: Scenario) -> Deployment:
    """Find the model, the card and the engine of a scenario, and divide the model."""
    engine = engine_of(scenario)
    found, model = deployed_model(scenario, engine)
    return Deployment(found, Compiled(model, card_of(scenario, engine)))


def engine_of(scenario: Scenario) -> Engine:
    """The engine as the scenario sets it."""
    engine = scenario.engine
    if isinstance(engine, str):
        engine = load_engine(engine)
    if not scenario.cuda_graphs:
        engine = engine.without_graphs()
    share = scenario.gpu_memory_utilization
    if share is not None:
        number = isinstance(share, int | float) and not isinstance(share, bool)
        if not number or not 0 < share <= 1:
            raise InputError(f"must be above 0, to 1, not {share!r}",
                             field="gpu-memory-utilization")  # fmt: skip
        engine = replace(engine, memory_utilization=float(share), share_given=True)
    return engine


def _joined(gpu: Gpu, scenario: Scenario) -> Gpu:
    """The card as the scenario says that it reaches others."""
    if scenario.peer_access is not None:
        gpu = replace(gpu, peer_access=scenario.peer_access)
    if scenario.gpus_per_node is not None:
        check_count("gpus-per-node", scenario.gpus_per_node, 1)
        gpu = replace(gpu, gpus_per_node=scenario.gpus_per_node)
    if (link := scenario.node_link) is not None:
        rate = parse_bandwidth(link) if isinstance(link, str) else float(link)
        gpu = replace(gpu, node_bytes_per_s=rate)
    return gpu


def card_of(scenario: Scenario, engine: Engine) -> Card:
    """The card with all that timing a step on it needs."""
    gpu = _joined(
        load_gpu(scenario.gpu) if isinstance(scenario.gpu, str) else scenario.gpu, scenario
    )
    engine = engine.on(gpu.id, gpu.memory_bytes)
    asked = {
        "max_sequences": ("max-num-seqs", scenario.max_num_seqs),
        "max_batched_tokens": ("max-num-batched-tokens", scenario.max_num_batched_tokens),
    }
    facts = {fact: value for fact, (_, value) in asked.items() if value is not None}
    for name, value in asked.values():
        if value is not None:
            check_count(name, value, 1)
    return Card(gpu, engine.with_scheduler(**facts) if facts else engine)


def lengths_of(scenario: Scenario) -> Lengths:
    """The lengths of the scenario's requests. Raises InputError where two options state them."""
    if scenario.trace is not None:
        from vperf import requests  # noqa: PLC0415  (most give lengths)

        if scenario.workload is not None:
            raise InputError("cannot be combined with workload", field="trace")
        return requests.lengths_of_trace(scenario.trace)
    if scenario.workload is None:
        return equal(scenario.input_len, scenario.output_len)
    from vperf.sources.workloads import load_workload  # noqa: PLC0415  (most give lengths)

    if (scenario.input_len, scenario.output_len) != (INPUT_LEN, OUTPUT_LEN):
        raise InputError("cannot be combined with input-len or output-len", field="workload")
    given = scenario.workload
    return given if isinstance(given, Lengths) else load_workload(given)


_OF_LOADS = (
    "prefix_cache_hit", "num_prompts", "burstiness", "think_time", "metric_percentiles",
)  # fmt: skip


def _check_batch(scenario: Scenario) -> None:
    for name in _OF_LOADS:
        if getattr(scenario, name):
            field = name.replace("_", "-")
            raise InputError("needs max-concurrency or request-rate", field=field)


def deployed_model(scenario: Scenario, engine: Engine) -> tuple[ModelConfig, Model]:
    """The model as the engine runs it: its cache, its context, its drafts, its share of a GPU."""
    found, model = _load(
        scenario.model, scenario.quantization, scenario.kv_cache_dtype, scenario.revision
    )
    model = _engine_cache(model, engine, scenario.kv_cache_dtype)
    if scenario.max_model_len is not None:
        model = _capped(model, scenario.max_model_len)
    if scenario.speculative is not None:
        model = drafting(model, found.id, scenario.speculative, scenario.draft_tokens)
        checked_acceptance(scenario.acceptance)
    else:
        for name in ("draft_tokens", "acceptance"):
            if getattr(scenario, name) is not None:
                raise InputError(
                    "means nothing without speculative",
                    field=name.replace("_", "-"),
                    hint="add --speculative mtp",
                )
    parallel = Parallel(scenario.tp, scenario.pp, scenario.ep, scenario.dp)
    return found, divide(model, parallel) if parallel.gpus > 1 else model


def load_of(scenario: Scenario, at: Deployment) -> Load:
    """The load of a served scenario as its model meets it: with images and drafts."""
    load = _load_of(scenario, lengths_of(scenario))
    images, acceptance = scenario.image_tokens, scenario.acceptance
    return deployed_load(at.model, at.found.id, load, image_tokens=images, acceptance=acceptance)


def _load_of(scenario: Scenario, lengths: Lengths) -> Load:
    """The load of a served scenario."""
    from vperf import requests  # noqa: PLC0415  (most estimates are of a batch)

    return requests.load_of(scenario, lengths)


def _run_of(scenario: Scenario, lengths: Lengths) -> Run:
    """The requests of a served scenario."""
    from vperf import requests  # noqa: PLC0415  (most estimates are of a batch)

    return requests.run_of(scenario, lengths)


def napkin(
    model: ModelLike | None = None,
    gpu: str | Gpu | None = None,
    *,
    quantization: str | None = None,
    params: str | float | None = None,
    bandwidth: str | float | None = None,
    bits: float | None = None,
) -> Napkin:
    """Memory bandwidth over model size, from names or from raw numbers.

    With nothing given, the example: Qwen3-4B-Instruct-2507 on an RTX 4090. `params` and
    `bandwidth` may be text with units ("4B", "1000 GB/s"). Raises InputError for contradictions.
    """
    check_choice(
        model=model is not None, gpu=gpu is not None, quantization=quantization is not None,
        params=params is not None, bandwidth=bandwidth is not None, bits=bits is not None,
    )  # fmt: skip
    card: Gpu | None = None
    if bandwidth is None:
        chosen = EXAMPLE_GPU if gpu is None else gpu
        card = load_gpu(chosen) if isinstance(chosen, str) else chosen
        rate = card.memory_bandwidth
    else:
        rate = parse_bandwidth(bandwidth) if isinstance(bandwidth, str) else float(bandwidth)
    gpu_id, gpu_name = (card.id, card.name) if card else (None, None)
    said = card.assumptions if card else ()
    memory = card.memory_bytes if card else None
    measured = card.achieved.memory_bandwidth if card and card.achieved else None
    if params is not None:
        count = parse_count(params) if isinstance(params, str) else float(params)
        return _napkin(count, 16 if bits is None else bits, rate, gpu_id=gpu_id,
                       gpu_name=gpu_name, assumptions=said, gpu_memory_bytes=memory,
                       measured_bandwidth=measured)  # fmt: skip
    found, built = _load(EXAMPLE_MODEL if model is None else model, quantization, None, None)
    streamed = built.streamed_parameters
    if built.has_experts:
        said = (*said, Note("active_experts"))
    return _napkin(
        streamed, 8 * built.streamed_bytes / streamed, rate, model_id=found.id, gpu_id=gpu_id,
        gpu_name=gpu_name, stored_parameters=built.parameters, quantization=quantization,
        assumptions=(*said, *notes_of("model", built.assumptions)),
        stored_bytes=built.weight_bytes,
        gpu_memory_bytes=memory, measured_bandwidth=measured,
    )  # fmt: skip


def describe(
    model: ModelLike, *, quantization: str | None = None, revision: str | None = None
) -> tuple[ModelFacts, Anatomy]:
    """What a model is, and its parts: kinds of layers, parameters, number formats."""
    from vperf.model.anatomy import anatomy  # noqa: PLC0415  (one command needs it)

    found, built = _load(model, quantization, None, revision)
    return model_facts_of(built, found.id, found.source), anatomy(built)


def load_model(
    model: ModelLike,
    *,
    quantization: str | None = None,
    kv_cache_dtype: str | None = None,
    revision: str | None = None,
) -> Model:
    """The model itself: layers, parameters, cache, and `ops(Step(batch, new, past))`."""
    return _load(model, quantization, kv_cache_dtype, revision)[1]


def _load(
    model: ModelLike,
    quantization: str | None,
    kv_cache_dtype: str | None,
    revision: str | None,
) -> tuple[ModelConfig, Model]:
    if kv_cache_dtype == "auto":
        kv_cache_dtype = None
    if isinstance(model, str):
        found = load_model_config(model, revision=revision)
        if found.source == "bundled":
            return found, _bundled_model(found.id, quantization, kv_cache_dtype)
    elif isinstance(model, ModelConfig):
        found = model
    else:
        found = load_model_config(model, revision=revision)
    return found, _build(found, quantization, kv_cache_dtype)


@lru_cache(maxsize=64)
def _bundled_model(model_id: str, quantization: str | None, kv_cache_dtype: str | None) -> Model:
    """Shipped configs never change while a process runs."""
    return _build(load_model_config(model_id), quantization, kv_cache_dtype)


def _build(found: ModelConfig, quantization: str | None, kv_cache_dtype: str | None) -> Model:
    chosen = format_named(quantization) if quantization else None
    cache = cache_format_named(kv_cache_dtype) if kv_cache_dtype else None
    if found.gguf is not None:
        from vperf.model.gguf import build_gguf  # noqa: PLC0415  (seldom on the way to an answer)

        return build_gguf(found.gguf, quantization=chosen, cache=cache)
    return build_model(
        found.config,
        source=found.label,
        hf_quant_config=found.hf_quant_config,
        quantization=chosen,
        cache=cache,
    )


def _engine_cache(model: Model, engine: Engine, asked: str | None) -> Model:
    """The model with the cache its engine gives it where neither user nor checkpoint says one."""
    fp8 = any(each.multiplies_fp8 for each in model.formats)
    if asked not in (None, "auto") or not (engine.fp8_cache and fp8) or model.cache.bits < 16:
        return model
    cache = cache_format_named("fp8")
    said = (*model.assumptions, Note("engine_cache", engine=engine.name))
    return replace(model, cache=cache, cache_name=cache.name, assumptions=said)


def _capped(model: Model, tokens: int) -> Model:
    if tokens < 1:
        raise InputError(f"must be at least 1, not {tokens}", field="max-model-len")
    longest = model.max_context_tokens
    return replace(model, max_context_tokens=min(tokens, longest) if longest else tokens)


def _stored_warning(found: ModelConfig, model: Model, what_if: str | None) -> tuple[Note, ...]:
    """Say so where the checkpoint's own index disagrees with what its config implies."""
    if found.stored_bytes is None or what_if:
        return ()
    off = found.stored_bytes / model.weight_bytes - 1
    if abs(off) < 0.01:
        return ()
    return (
        Note(
            "stored_size",
            stored=format_bytes(found.stored_bytes),
            implied=format_bytes(model.weight_bytes),
            off=off,
        ),
    )
