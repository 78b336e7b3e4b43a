"""The Python API: names in, frozen answers out. The command line calls exactly these functions.

Not here: what a name means (resolve/), any arithmetic (speeds/, estimate.py), and answers of
many scenarios (explore/).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from vperf.answer import Estimate, ModelFacts, Speeds
from vperf.errors import InputError
from vperf.estimate import estimate as estimate_of
from vperf.estimate import model_facts_of
from vperf.formats import bits_named
from vperf.hardware.gpu import Gpu
from vperf.model.model import Model
from vperf.napkin import EXAMPLE_GPU, EXAMPLE_MODEL, Napkin, check_choice
from vperf.napkin import napkin as _napkin
from vperf.notes import Note, notes_of
from vperf.resolve import deploy
from vperf.resolve.card import gpu_named, with_count
from vperf.resolve.engine import engine_of, own_format
from vperf.resolve.model import build
from vperf.scenario import ModelLike, Options, Scenario
from vperf.speeds import speeds
from vperf.units import parse_bandwidth, parse_count

if TYPE_CHECKING:
    from vperf.hardware.engine import Engine
    from vperf.model.anatomy import Anatomy
    from vperf.serving.lengths import Lengths
    from vperf.sources.models import ShippedModel


def estimate(
    model: ModelLike, gpu: str | Gpu | None = None, **options: Unpack[Options]
) -> Estimate:
    """Estimate TTFT, prefill and decode speed of `model` on `gpu`.

    `input_len` and `output_len` are tokens of each of `batch_size` requests; `quantization` and
    `kv_cache_dtype` are what-ifs over what the checkpoint says; `max_model_len` caps the context;
    `tp`, `pp`, `ep` and `dp` divide the model over tp x pp x dp GPUs (dp: attention); "2xh100" is
    tp 2.
    With `max_concurrency` users in a closed loop, or `request_rate` requests/s, it is the estimate
    of a served load, `prefix_cache_hit` of each prompt found in cache. `speculative` "mtp" drafts
    `draft_tokens` a step with the model's own MTP layers, of which a share `acceptance` is
    accepted. `image_tokens` of each request join its prompt. `cuda_graphs` False: every kernel is
    launched by the host, which schedules between steps. `workload` states the lengths instead:
    "chat", "rag", "agent", ..., or a file. Defaults: vperf.scenario.Scenario.
    Raises VperfError: InputError for what cannot be, UnsupportedModelError for an architecture
    that is not understood, HubError when the Hub is needed and cannot be reached.
    """
    return ask(Scenario(**with_count({"model": model, "gpu": gpu, **options})))


def ask(scenario: Scenario, tick: Callable[[int, int], object] | None = None) -> Estimate:
    """`estimate` with its options as a value; `tick` is told how far a simulated run is."""
    at = deploy(scenario)
    if tick is not None and at.run is not None:
        at = replace(at, run=replace(at.run, tick=tick))
    return estimate_of(at)


def figures(scenario: Scenario) -> Speeds:
    """The speeds of `estimate` and whether it fits, without the rest."""
    return speeds(deploy(scenario))


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
        card = gpu_named(chosen)
        rate = card.memory_bandwidth
    else:
        rate = (
            parse_bandwidth(bandwidth, "GB/s") if isinstance(bandwidth, str) else float(bandwidth)
        )
    gpu_id, gpu_name = (card.id, card.name) if card else (None, None)
    said = card.assumptions if card else ()
    memory = card.memory_bytes if card else None
    measured = card.achieved.memory_bandwidth if card and card.achieved else None
    if params is not None:
        count = parse_count(params) if isinstance(params, str) else float(params)
        return _napkin(count, 16 if bits is None else bits, rate, gpu_id=gpu_id,
                       gpu_name=gpu_name, assumptions=said, gpu_memory_bytes=memory,
                       measured_bandwidth=measured)  # fmt: skip
    if quantization is not None and bits_named(quantization):
        quantization, note = own_format(engine_of(Scenario("", None), card), quantization)
        said = (*said, note)
    found, built = build(EXAMPLE_MODEL if model is None else model, quantization=quantization)
    if not built.generates:
        raise InputError(f"{found.id} generates no tokens: it has no decode speed", field="model")
    streamed = built.streamed_parameters
    if built.has_experts:
        said = (*said, Note("active_experts"))
    return _napkin(
        streamed, 8 * built.streamed_bytes / streamed, rate, model_id=found.id, gpu_id=gpu_id,
        gpu_name=gpu_name, stored_parameters=built.parameters, quantization=quantization,
        assumptions=(*said, *notes_of("model", built.assumptions)),
        stored_bytes=built.weight_bytes, gpu_memory_bytes=memory, measured_bandwidth=measured,
    )  # fmt: skip


def describe(
    model: ModelLike, *, quantization: str | None = None, revision: str | None = None
) -> tuple[ModelFacts, Anatomy]:
    """What a model is, and its parts: kinds of layers, parameters, number formats."""
    from vperf.model.anatomy import anatomy  # noqa: PLC0415  (one command needs it)

    found, built = build(model, quantization=quantization, revision=revision)
    return model_facts_of(built, found.id, found.source), anatomy(built)


def gpus(name: str = "") -> tuple[Gpu, ...]:
    """The cards that vperf knows, or those whose id or name holds `name`."""
    from vperf.sources.gpus import list_gpus  # noqa: PLC0415  (an estimate needs no list)

    part = name.strip().lower()
    return tuple(gpu for gpu in list_gpus() if part in f"{gpu.id} {gpu.name}".lower())


def engines() -> tuple[Engine, ...]:
    """The engines that vperf knows."""
    from vperf.sources.engines import list_engines  # noqa: PLC0415  (an estimate needs no list)

    return list_engines()


def workloads() -> tuple[Lengths, ...]:
    """The lengths of requests that have a name."""
    from vperf.sources.workloads import list_workloads  # noqa: PLC0415  (few estimates need any)

    return list_workloads()


def models(name: str = "") -> tuple[ShippedModel, ...]:
    """The models that ship, or those whose id holds `name`; `load_model` reads any other too."""
    from vperf.sources.models import shipped  # noqa: PLC0415  (an estimate needs no list)

    part = name.strip().lower()
    return tuple(model for model in shipped() if part in model.id.lower())


def load_model(
    model: ModelLike,
    *,
    quantization: str | None = None,
    kv_cache_dtype: str | None = None,
    revision: str | None = None,
) -> Model:
    """The model itself: layers, parameters, cache, and `ops(Step(batch, new, past))`."""
    return build(
        model, quantization=quantization, kv_cache_dtype=kv_cache_dtype, revision=revision
    )[1]
