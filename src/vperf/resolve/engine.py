"""The engine of a scenario: by name or what is usual on its card, with the switches given.

Not here: what an engine's constants say (hardware/engine.py, sources/engines.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vperf.deployment import Replica
from vperf.errors import InputError, check_count
from vperf.formats import FLOATS, MLX, bits_named, names_gguf
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.model.config import ModelConfig
from vperf.notes import Note
from vperf.scenario import DEFAULT_ENGINE, LAYER_OPTIONS, PLACING_ENGINE, Scenario
from vperf.serving.lengths import Lengths
from vperf.sources.engines import load_engine


def engine_of(scenario: Scenario, card: Gpu | None, usual: str = "") -> Engine:
    """The engine of a scenario: as given, or the default of what is asked.

    `usual`: what runs files of the model's kind.
    """
    if scenario.engine is not None:
        return engine_named(scenario.engine)
    if scenario.quantization is not None and names_gguf(scenario.quantization):
        usual = PLACING_ENGINE
    elif scenario.quantization in MLX and card is not None and card.vendor == "Apple":
        usual = "mlx"
    if card is None:
        return engine_named(usual or DEFAULT_ENGINE)
    apart = len(card.cards) > 1 and scenario.tp == 1
    on_places = scenario.gives(LAYER_OPTIONS) or card.is_host or apart
    return engine_named(PLACING_ENGINE if on_places else usual or card.engine or DEFAULT_ENGINE)


def places_layers(options: Mapping[str, Any]) -> bool:
    """Whether several cards have layers of their own where nobody says how they divide a model:
    with what places layers, and under engines that do so by default."""
    if any(options.get(name) for name in LAYER_OPTIONS):
        return True
    engine, quantization = options.get("engine"), options.get("quantization")
    if quantization is None:
        from vperf.sources.model_named import weights_spelled  # noqa: PLC0415  (of several cards)

        model = options.get("model")
        said = model.spelled if isinstance(model, ModelConfig) else None
        said = weights_spelled(model) if isinstance(model, str) else said
        quantization = said.quantization if said else None
    of_gguf = isinstance(quantization, str) and names_gguf(quantization)
    if engine is None and not of_gguf:
        return False
    host = engine_named(engine or PLACING_ENGINE).host
    return host is not None and host.offloads == "layers"


def engine_named(engine: str | Engine | None) -> Engine:
    """The engine of a name; None: the default one. Raises UnknownNameError."""
    return engine if isinstance(engine, Engine) else load_engine(engine or DEFAULT_ENGINE)


def engine_on(gpu: Gpu, named: Engine, scenario: Scenario) -> Engine:
    """The engine as it runs on a card and as the scenario sets it."""
    engine = _set(named, scenario).on(gpu.id, gpu.memory_bytes)
    return _scheduled(engine.calibrated(gpu.calibration, gpu.architecture), scenario)


def _set(engine: Engine, scenario: Scenario) -> Engine:
    """The engine as the scenario sets it."""
    if not scenario.cuda_graphs:
        engine = engine.without_graphs()
    share = scenario.gpu_memory_utilization
    if share is not None:
        number = isinstance(share, int | float) and not isinstance(share, bool)
        if not number or not 0 < share <= 1:
            raise InputError(
                f"must be above 0, to 1, not {share!r}", field="gpu-memory-utilization"
            )
        engine = replace(engine, memory_utilization=float(share), share_given=True)
    return engine


def _scheduled(engine: Engine, scenario: Scenario) -> Engine:
    """The engine with the limits of its scheduler that are given."""
    given = {
        "max_sequences": ("max-num-seqs", scenario.max_num_seqs),
        "max_batched_tokens": ("max-num-batched-tokens", scenario.max_num_batched_tokens),
    }
    facts = {fact: value for fact, (_, value) in given.items() if value is not None}
    for name, value in given.values():
        if value is not None:
            check_count(name, value, 1)
    return engine.with_scheduler(**facts) if facts else engine


_WHOLE = 1024
"""A step that must be larger than the engine's own is a multiple of so many tokens."""


def with_whole_prompts(
    scenario: Scenario, replica: Replica, lengths: Lengths, images: int
) -> tuple[Scenario, tuple[Note, ...]]:
    """The scenario with a step that holds the longest prompt beside all that decode, and that it
    was taken: of engines that do not split prompts, where nobody says how large a step is.

    Their own budget would refuse a longer prompt, and lets one that is just as long wait until
    nobody decodes; whoever serves such prompts raises it.
    """
    engine, groups = replica.compiled.card.engine, replica.compiled.model.parallel.data
    scheduler = engine.scheduler
    given = scenario.max_num_batched_tokens is not None
    if scheduler.splits_prompts or given or not scenario.served or scenario.trace is not None:
        return scenario, ()
    prompt = max(request.input_tokens for request in lengths.requests) + images
    longest = prompt - int(prompt * (scenario.prefix_cache_hit or lengths.prefix_hit))
    users = min(scenario.max_concurrency or scheduler.max_sequences, scheduler.max_sequences)
    needed = longest + -(-users // groups)
    if needed <= scheduler.max_batched_tokens:
        return scenario, ()
    tokens = -(-needed // _WHOLE) * _WHOLE
    note = Note(
        "step_budget", tokens=tokens, usual=scheduler.max_batched_tokens, longest=longest,
        engine=engine.name,
    )  # fmt: skip
    return replace(scenario, max_num_batched_tokens=tokens), (note,)


def own_format(engine: Engine, typed: str) -> tuple[str, Note]:
    """The engine's own format of the bits that are typed. Raises InputError."""
    bits = bits_named(typed)
    taken = engine.weights_of(bits) if bits else None
    if taken is None:
        raise InputError(
            f"{engine.name} has no usual weights of {bits} bits",
            field="quantization",
            hint="name a format, as q3_k_m, mlx_q3 or 3.5bpw",
        )
    return taken, Note("own_format", typed=typed, taken=taken, engine=engine.name)


def reads_gguf(engine: Engine) -> bool:
    """Whether its usual weights are a GGUF file's."""
    usual = engine.weights_of(4)
    return usual is not None and names_gguf(usual)


def as_converted(engine: Engine, stored: str) -> tuple[str | None, Note | None]:
    """What an engine with files of its own makes of weights stored so, and what is said of it."""
    taken = engine.converts.get(stored)
    if taken is not None:
        return taken, Note("converted", stored=stored, taken=taken, engine=engine.name)
    if stored in FLOATS or names_gguf(stored):
        return None, None
    usual = engine.weights_of(4)
    return None, Note("not_in_gguf", stored=stored, engine=engine.name, usual=usual)


def keeps_experts(engine: Engine) -> bool:
    """Whether it is made to leave routed experts to the host, where nobody says otherwise."""
    return engine.host is not None and engine.host.offloads == "experts"
