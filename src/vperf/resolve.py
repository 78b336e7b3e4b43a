"""The one place where names become values: Scenario -> Deployment.

A `Resolver` finds cards, engines, workloads, formats and models, refuses what cannot be, and keeps
what scenarios share. What is cheap to refuse comes first: a misspelt card before a config from the
network. `what_if` is how a neighbouring scenario is looked at.

Not here: reading files and the Hub (sources/), and any time (speeds.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from operator import attrgetter, is_
from typing import TYPE_CHECKING, Any

from vperf.deployment import Deployment, Replica
from vperf.errors import HubError, InputError, UnknownNameError, VperfError
from vperf.formats import bits_named, cache_format_named, format_named
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.model.config import ModelConfig
from vperf.model.divide import Parallel
from vperf.model.drafter import Checkpoint
from vperf.model.lora import MAX_ADAPTERS, MAX_RANK, Lora
from vperf.model.model import Model
from vperf.model.ops import Step
from vperf.model.read import build_model
from vperf.model.tasks import run_for, task_named
from vperf.notes import Note, notes_of
from vperf.scenario import (
    CARD,
    DEFAULT_ENGINE,
    ELSEWHERE,
    HOST,
    INPUT_LEN,
    LAYER_OPTIONS,
    OF_DRAFTS,
    OPTIONS,
    OUTPUT_LEN,
    PLACING,
    PLACING_ENGINE,
    ModelLike,
    Scenario,
)
from vperf.serving.lengths import Lengths, equal, without_output
from vperf.serving.speculative import (
    acceptance_of,
    checked_acceptance,
    denoising,
    divided_with,
    drafting,
    mean_tokens,
    method_named,
    needs_checkpoint,
)
from vperf.sources.engines import load_engine
from vperf.sources.gpus import load_gpu
from vperf.sources.models import load_model_config
from vperf.timing.compiled import Compiled
from vperf.timing.step import Card
from vperf.units import format_bytes, parse_bandwidth

if TYPE_CHECKING:
    from vperf.serving.elsewhere import Ahead
    from vperf.serving.encoding import Encoding
    from vperf.serving.load import Load
    from vperf.serving.simulation import Run

MAX_TOKENS = 10**9
"""No length or batch beyond it is a scenario."""

MAX_KEPT = 512
"""Models, and deployments, that a resolver remembers."""

AS_STORED = "auto"
"""A quantization: what the checkpoint holds."""


_NAMES = ("model", "revision", "gpu", *CARD, "engine", "draft_model")
"""What is looked up or read; the values that come of it stand for it in the key of a replica."""

_SHARED = tuple(name for name, option in OPTIONS.items() if option.shapes != "load")
"""What a replica is made from: all that is not declared to be of the load alone, so that an option
forgotten here cannot give another scenario's answer."""

_shared = attrgetter(*_SHARED)
_settings = attrgetter(*(name for name in _SHARED if name not in _NAMES))
_of_model = attrgetter(*(n for n in _SHARED if OPTIONS[n].shapes != "card" and n not in _NAMES))
_of_card = attrgetter("gpu", *CARD)

_NO_CARD: Mapping[str, Any] = {
    "gpu_file": None,
    "memory_bandwidth": None,
    "memory": None,
    "peak": (),
}

_PLAIN = frozenset((str, int, type(None)))

Cache = dict[tuple[Any, ...], Any]


class Resolver:
    """Resolves scenarios; within its life a name is looked up and a file is read once.

    Remembers replicas, not answers: memory stays flat over any number of loads. `replicas` may
    outlive it: they are kept by the very configs, cards and engines they are of, never by a name.
    """

    def __init__(self, replicas: Cache | None = None, *, keep: int = MAX_KEPT) -> None:
        self._replicas: Cache = {} if replicas is None else replicas
        self._known: Cache = {}
        self._named: Cache = {}
        self._keep = keep
        self._last: tuple[Replica | VperfError | None, tuple[Any, ...]] = None, (object(),)
        """A walk over loads asks for the same one again and again."""

    def deployment(self, scenario: Scenario) -> Deployment:
        """The deployment of a scenario. Raises VperfError."""
        lengths = resolve_lengths(scenario)
        _check_drafting(scenario)
        taken: tuple[Note, ...] = ()
        if (typed := scenario.quantization) is not None and bits_named(typed):
            usual = (
                ""
                if self.config(scenario.model, scenario.revision).gguf is None
                else PLACING_ENGINE
            )
            name, note = own_format(engine_of(scenario, self.gpu(scenario), usual), typed)
            scenario, taken = replace(scenario, quantization=name), (note,)
        replica = self._replica(scenario)
        model, images = replica.compiled.model, scenario.image_tokens
        _check_lengths(model, replica.found.id, lengths, images)
        positions = replica.found.config.get("max_source_positions")
        if scenario.audio is not None and model.encoder and isinstance(positions, int):
            from vperf.serving.encoding import heard  # noqa: PLC0415  (most are of text)

            lengths = equal(heard(scenario.audio, positions), lengths.output_tokens)
            scenario = replace(scenario, audio=None)
        encoding = _encoding(scenario, replica)
        if encoding is not None:
            images = encoding.tokens
        if not model.generates:
            lengths, said = _texts(model, scenario, lengths)
            taken += said
        accepted: tuple[float, ...] = ()
        acceptance = None
        _check_denoising(scenario, model)
        if model.diffuses and model.draft_depth:
            accepted = checked_acceptance(None, scenario.tokens_per_step, model.draft_depth)
            acceptance = acceptance_of(mean_tokens(accepted), len(accepted))
        elif depth := model.draft_depth:
            accepted = checked_acceptance(scenario.acceptance, scenario.acceptance_length, depth)
            acceptance = _as_one(scenario, accepted)
        load, run = None, None
        if scenario.served and not model.generates:
            load = _of_texts(scenario, lengths, replica.found.id, images)
        elif scenario.texts_per_request is not None:
            why = "a load" if not model.generates else "a model that generates no tokens"
            raise InputError(f"needs {why}", field="texts-per-request")
        elif scenario.served:
            load, run = _served(scenario, lengths, acceptance, images, encoding)
        else:
            _check_batch(scenario)
        kept, ahead = None, None
        if scenario.gives(ELSEWHERE):
            from vperf import elsewhere  # noqa: PLC0415  (seldom asked for)

            elsewhere.check(scenario, replica.compiled)
            kept = elsewhere.kept_of(scenario, replica.compiled)
            ahead = self._ahead(scenario, replica.compiled)
        return Deployment(
            scenario,
            replica,
            lengths,
            load,
            scenario.batch_size,
            images,
            acceptance,
            accepted,
            run,
            model_warnings(replica.found, model, scenario.quantization),
            encoding,
            taken=taken,
            kept=kept,
            ahead=ahead,
        )

    def _ahead(self, scenario: Scenario, after: Compiled) -> Ahead | None:
        if scenario.prefill_gpu is None:
            return None
        from vperf import elsewhere  # noqa: PLC0415  (seldom asked for)
        from vperf.serving.elsewhere import Ahead  # noqa: PLC0415

        reads = elsewhere.reading(scenario)
        if reads.engine is None:
            reads = replace(reads, engine=after.card.engine.id)
        before = self.deployment(reads)
        elsewhere.check(replace(reads, prefill_gpu=scenario.prefill_gpu), before.compiled)
        elsewhere.same_cache(before.model, after.model)
        link = elsewhere.between(scenario, before.card.gpu, after.card.gpu)
        return Ahead(before.compiled, before.replica.pools, link)

    def what_if(self, deployment: Deployment, **change: Any) -> Deployment:
        """The deployment of the same scenario but for these options. Raises VperfError.

        Another `gpu` is taken as it is: figures given instead of a card's are of the first one.
        """
        if "gpu" in change:
            change = {**_NO_CARD, **change}
        return self.deployment(replace(deployment.scenario, **change))

    def gpu(self, scenario: Scenario) -> Gpu:
        """The card of a scenario, read once."""
        key = ("gpu", *_keys(_of_card(scenario)))
        gpu = self._named.get(key)
        if gpu is None:
            gpu = self._named[key] = resolve_gpu(scenario)
        return gpu

    def config(self, model: ModelLike, revision: str | None = None) -> ModelConfig:
        """A model's config, read once."""
        if isinstance(model, ModelConfig):
            return model
        key = ("model", *_keys((model, revision)))
        found = self._named.get(key)
        if found is None:
            found = self._named[key] = load_model_config(model, revision=revision)
        return found

    def ids(self, scenario: Scenario) -> tuple[str, str]:
        """What the model and the card of a scenario are called."""
        return self.config(scenario.model, scenario.revision).id, self.gpu(scenario).id

    def _replica(self, scenario: Scenario) -> Replica:
        values = _shared(scenario)
        found, before = self._last
        if not all(map(is_, values, before)):
            found = self._known_or_found(scenario, values)
            self._last = found, values
        if isinstance(found, VperfError):
            raise found.with_traceback(None)
        assert found is not None
        return found

    def _known_or_found(self, scenario: Scenario, values: tuple[Any, ...]) -> Replica | VperfError:
        key = _keys(values)
        # The values are kept too: while they live, their ids are no others'.
        found, _ = self._known.get(key) or (None, None)
        if found is None:
            try:
                found = self._find(scenario)
            except (UnknownNameError, HubError):
                raise  # it ends the walk
            except VperfError as error:
                found = error
            _remember(self._known, key, (found, values), self._keep)
        return found

    def _find(self, scenario: Scenario) -> Replica:
        card = self.gpu(scenario)
        named = engine_of(scenario, card)  # an unknown one is told before the network is asked
        gpu = _joined(card, scenario)
        check_formats(scenario.quantization, scenario.kv_cache_dtype)
        config = self.config(scenario.model, scenario.revision)
        if config.gguf is not None:
            named = engine_of(scenario, card, PLACING_ENGINE)
        engine = _set(named, scenario).on(gpu.id, gpu.memory_bytes)
        engine = _scheduled(engine.calibrated(gpu.calibration, gpu.architecture), scenario)
        draft = self._draft(scenario)
        key = (id(config), id(draft), id(card), id(named), *_keys(_settings(scenario)))
        found: Replica | None
        found, _ = self._replicas.get(key) or (None, None)
        if found is None:
            found = self._on_places(config, draft, named, Card(gpu, engine), scenario)
            _remember(self._replicas, key, (found, (config, draft, card, named)), self._keep)
        return found

    def _draft(self, scenario: Scenario) -> ModelConfig | None:
        """The config of a checkpoint that drafts."""
        if scenario.draft_model is None or scenario.speculative is None:
            return None
        return self.config(scenario.draft_model)

    def _on_places(
        self,
        config: ModelConfig,
        draft: ModelConfig | None,
        named: Engine,
        card: Card,
        scenario: Scenario,
    ) -> Replica:
        several, options = len(card.gpu.cards) > 1, (*PLACING, *HOST)
        if not several and not card.gpu.is_host and not scenario.gives(options):
            model = self._model(config, draft, named, card.engine, scenario)
            return Replica(config, Compiled(model, card))
        from vperf.places import host_named, resolve_places  # noqa: PLC0415  (seldom asked for)

        host = host_named(scenario, card.gpu)
        moved = several or scenario.gives(LAYER_OPTIONS)
        alone = replace(scenario, pp=1) if moved and scenario.pp > 1 else scenario
        model = self._model(config, draft, named, card.engine, alone)
        if card.gpu.is_host:
            card = _cpu_alone(card, host, scenario)
        placed = resolve_places(model, card, scenario, host)
        if placed is None:
            if moved and alone is not scenario:
                model = self._model(config, draft, named, card.engine, scenario)
            return Replica(config, Compiled(model, card))
        compiled = Compiled(placed.model, card, placed.places, placed.fullest)
        return Replica(config, compiled, placed.notes)

    def _model(
        self,
        config: ModelConfig,
        draft: ModelConfig | None,
        named: Engine,
        engine: Engine,
        scenario: Scenario,
    ) -> Model:
        key = (id(config), id(draft), id(named), *_keys(_of_model(scenario)))
        found, _ = self._replicas.get(key) or (None, None)
        if found is None:
            found = resolve_model(config, engine, scenario, draft)
            _remember(self._replicas, key, (found, (config, draft, named)), self._keep)
        return found


def _keys(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Equal for equal names and numbers of one type (True is not 1), and for the same objects."""
    return tuple(
        [
            v if type(v) in _PLAIN else (float, v) if type(v) is float else ("object", id(v))
            for v in values
        ]
    )


def _remember(cache: Cache, key: tuple[Any, ...], value: Any, most: int) -> None:
    while len(cache) >= most:
        cache.pop(next(iter(cache)))
    cache[key] = value


_replicas: Cache = {}
"""Of the configs and cards that ship, which never change while a process runs: others are read
anew by each resolver."""


def lasting() -> Resolver:
    """A resolver whose replicas the next one finds: one scenario at a time, many times."""
    return Resolver(_replicas)


def deploy(scenario: Scenario) -> Deployment:
    """The deployment of one scenario. Raises VperfError."""
    return lasting().deployment(scenario)


# The card and its engine ---------------------------------------------------------------------


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


def engine_of(scenario: Scenario, card: Gpu | None, usual: str = "") -> Engine:
    """The engine of a scenario: as given, or the default of what is asked.

    `usual`: what runs files of the model's kind.
    """
    if scenario.engine is not None:
        return engine_named(scenario.engine)
    if card is None:
        return engine_named(usual or DEFAULT_ENGINE)
    on_places = scenario.gives(LAYER_OPTIONS) or card.is_host or len(card.cards) > 1
    return engine_named(PLACING_ENGINE if on_places else usual or card.engine or DEFAULT_ENGINE)


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


def _cpu_alone(card: Card, host: Gpu | None, scenario: Scenario) -> Card:
    """A host as the target itself."""
    engine = card.engine
    if engine.host is None or engine.host.offloads != "layers":
        raise InputError(
            f"{engine.name} on CPUs alone is not modelled",
            field="engine",
            hint="--engine llama.cpp is",
        )
    if scenario.tp * scenario.pp * scenario.ep * scenario.dp > 1:
        raise InputError("several hosts are not understood together", field="tensor-parallel-size")
    gpu = card.gpu
    if scenario.host_memory is not None and host is not None:
        gpu = replace(
            gpu,
            memory_bandwidth=host.memory_bandwidth,
            memory_type=host.memory_type,
            memory_bytes=host.memory_bytes,
        )
    return Card(gpu, engine.on_host())


def engine_named(engine: str | Engine | None) -> Engine:
    """The engine of a name; None: the default one. Raises UnknownNameError."""
    return engine if isinstance(engine, Engine) else load_engine(engine or DEFAULT_ENGINE)


def resolve_gpu(scenario: Scenario) -> Gpu:
    """The card by name or from its file, with the datasheet figures that are given instead."""
    given, file = scenario.gpu, scenario.gpu_file
    if given is not None and file is not None:
        raise InputError("--gpu cannot be combined with --gpu-file: give one of them")
    if given is None and file is None:
        raise InputError("--gpu is missing", hint="'vperf gpus' lists them; or --gpu-file")
    if file is not None:
        from vperf.sources.gpus import load_gpu_file  # noqa: PLC0415  (imports pydantic)

        gpu = load_gpu_file(file)
    else:
        gpu = gpu_named(given)
    peaks = peaks_of(scenario.peak)
    if scenario.memory_bandwidth is None and scenario.memory is None and not peaks:
        return gpu
    from vperf.sources.gpus import override  # noqa: PLC0415  (seldom asked for)

    return override(gpu, scenario.memory_bandwidth, scenario.memory, peaks)


def _joined(gpu: Gpu, scenario: Scenario) -> Gpu:
    """The card as the scenario says that it reaches others."""
    if (access := scenario.peer_access) is not None:
        if access not in ("yes", "no"):
            raise InputError(f"must be yes or no, not {access!r}", field="peer-access")
        gpu = replace(gpu, peer_access=access == "yes")
    if scenario.gpus_per_node is not None:
        check_count("gpus-per-node", scenario.gpus_per_node, 1)
        gpu = replace(gpu, gpus_per_node=scenario.gpus_per_node)
    if scenario.node_link is not None:
        gpu = replace(gpu, node_bytes_per_s=parse_bandwidth(scenario.node_link, "GB/s"))
    return gpu


def gpu_named(gpu: Any) -> Gpu:
    """The card of a name. Raises InputError, UnknownNameError."""
    if isinstance(gpu, Gpu):
        return gpu
    if not isinstance(gpu, str):
        raise InputError(f"must be a name or a Gpu, not {gpu!r}", field="gpu")
    return load_gpu(gpu)


def gpus_named(names: Iterable[str | Gpu]) -> tuple[Gpu, ...]:
    """The cards of these names, each once; "all" and "all-VENDOR" are those that ship."""
    found: dict[str, Gpu] = {}
    for name in names:
        for gpu in _group(name):
            found.setdefault(gpu.id, gpu)
    return tuple(found.values())


def _group(name: str | Gpu) -> Sequence[Gpu]:
    if not isinstance(name, str):
        return (gpu_named(name),)
    start, dash, vendor = name.strip().lower().partition("-")
    if start != "all" or (dash and not vendor):
        return (gpu_named(name),)
    from vperf.sources.gpus import list_gpus  # noqa: PLC0415  (of tables alone)

    every = list_gpus()
    if not dash:
        return every
    of_vendor = [gpu for gpu in every if gpu.vendor.lower() == vendor]
    if not of_vendor:
        known = sorted({f"all-{gpu.vendor.lower()}" for gpu in every})
        raise UnknownNameError("group of GPUs", name, hint=f"known: all, {', '.join(known)}")
    return of_vendor


def peaks_of(given: Sequence[str]) -> dict[str, str]:
    """Rates in words by compute pipe, from "bf16=250 TFLOPS". Raises InputError."""
    peaks: dict[str, str] = {}
    for text in given:
        pipe, equals, rate = text.partition("=")
        if not (equals and pipe.strip() and rate.strip()):
            raise InputError(f'{text!r} is not like bf16="250 TFLOPS"', source="--peak")
        if pipe.strip().lower() in peaks:
            raise InputError(f"{pipe.strip()} is given twice", source="--peak")
        peaks[pipe.strip().lower()] = rate.strip()
    return peaks


# The model -----------------------------------------------------------------------------------


def check_formats(weights: str | None, cache: str | None) -> None:
    """UnknownNameError for a number format that there is not."""
    if weights is not None and weights != AS_STORED and not bits_named(weights):
        format_named(weights)
    if cache is not None and cache != AS_STORED:
        cache_format_named(cache)


def build(
    model: ModelLike,
    *,
    quantization: str | None = None,
    kv_cache_dtype: str | None = None,
    revision: str | None = None,
) -> tuple[ModelConfig, Model]:
    """A model by itself, without an engine. Raises VperfError."""
    check_formats(quantization, kv_cache_dtype)
    config = Resolver().config(model, revision)
    return config, built(config, quantization, kv_cache_dtype)


def built(found: ModelConfig, quantization: str | None, kv_cache_dtype: str | None) -> Model:
    """A model as its config says, with the formats given instead of its own."""
    weights = None if quantization == AS_STORED else quantization
    cache = None if kv_cache_dtype == AS_STORED else kv_cache_dtype
    if found.source == "bundled":
        return _built_bundled(found.id, weights, cache)
    return _build(found, weights, cache)


@lru_cache(maxsize=64)
def _built_bundled(model_id: str, weights: str | None, cache: str | None) -> Model:
    """Shipped configs never change while a process runs."""
    return _build(load_model_config(model_id), weights, cache)


def _build(found: ModelConfig, weights: str | None, cache: str | None) -> Model:
    chosen = format_named(weights) if weights else None
    kept = cache_format_named(cache) if cache else None
    if found.gguf is not None:
        from vperf.model.gguf import build_gguf  # noqa: PLC0415  (seldom on the way to an answer)

        return build_gguf(found.gguf, quantization=chosen, cache=kept)
    return build_model(
        found.config,
        source=found.label,
        hf_quant_config=found.hf_quant_config,
        quantization=chosen,
        cache=kept,
    )


def resolve_model(
    found: ModelConfig, engine: Engine, scenario: Scenario, draft: ModelConfig | None = None
) -> Model:
    """The model as the engine runs it: its cache, its context, its drafts, its share of a GPU."""
    model = built(found, scenario.quantization, scenario.kv_cache_dtype)
    model = _engine_cache(model, engine, scenario.kv_cache_dtype)
    if scenario.max_model_len is not None:
        model = _capped(model, scenario.max_model_len)
    task = scenario.task or found.task
    if task:
        model = run_for(model, found.id, task_named(task), found.config)
    if model.diffuses and model.generates:
        if scenario.speculative is not None:
            raise InputError(f"{found.id} denoises blocks: nothing drafts", field="speculative")
        model = denoising(model, found.id, scenario.block_length)
    if scenario.speculative is not None and not model.generates:
        raise InputError(f"{found.id} generates no tokens to draft", field="speculative")
    if scenario.speculative is not None:
        model = drafting(
            model,
            found.id,
            scenario.speculative,
            scenario.draft_tokens,
            _checkpoint(draft, scenario.speculative, model) if draft else None,
            scenario.draft_branches,
            scenario.verify_tokens,
        )
    if adapters := _adapters(scenario, found):
        model = with_adapters(model, adapters, found.id)
    return divided_with(model, Parallel(scenario.tp, scenario.pp, scenario.ep, scenario.dp))


def _adapters(scenario: Scenario, found: ModelConfig) -> Lora | None:
    """The adapters of a scenario, or the one that its model is. Raises InputError."""
    rank, count, targets = scenario.lora_rank, scenario.max_loras, scenario.lora_targets
    own = found.adapter
    if rank is None and own is not None:
        rank, targets = own.rank, targets or ",".join(own.targets)
    if rank is None:
        for name, value in (("max-loras", count), ("lora-targets", targets)):
            if value is not None:
                raise InputError("means nothing without lora-rank", field=name)
        return None
    check_count("lora-rank", rank, 1, MAX_RANK)
    count = 1 if count is None else count
    check_count("max-loras", count, 1, MAX_ADAPTERS)
    names = tuple(filter(None, (name.strip() for name in (targets or "").split(","))))
    return Lora(rank, count, names)


def with_adapters(model: Model, adapters: Lora, model_id: str) -> Model:
    """The model with adapters. Raises InputError for modules that it has not."""
    there = sorted({name for op in model.ops(Step(1, 1, 1)) for name, _ in op.modules})
    missing = [name for name in adapters.targets if name not in there]
    if missing or not there:
        raise InputError(
            f"{model_id} has no linear layer {', '.join(missing)} that an adapter can be of",
            field="lora-targets",
            hint=f"it has {', '.join(there)}; adapters of experts are not understood",
        )
    return replace(model, lora=adapters)


def _checkpoint(draft: ModelConfig, method: str, model: Model) -> Checkpoint:
    """What drafts for a model, from a checkpoint of its own."""
    named = method_named(method)
    if named == "draft_model" or not needs_checkpoint(named):
        return Checkpoint(draft.id, built(draft, None, None))
    from vperf.model.eagle import read_eagle  # noqa: PLC0415  (seldom on the way to an answer)

    return read_eagle(draft.config, draft.id, draft.label, named, model, draft.hf_quant_config)


def _engine_cache(model: Model, engine: Engine, given: str | None) -> Model:
    """The model with the cache its engine gives it where neither user nor checkpoint says one."""
    fp8 = any(each.multiplies_fp8 for each in model.formats)
    if given not in (None, AS_STORED) or not (engine.fp8_cache and fp8) or model.cache.bits < 16:
        return model
    cache = cache_format_named("fp8")
    notes = (*model.assumptions, Note("engine_cache", engine=engine.name))
    return replace(model, cache=cache, cache_name=cache.name, assumptions=notes)


def _capped(model: Model, tokens: int) -> Model:
    if tokens < 1:
        raise InputError(f"must be at least 1, not {tokens}", field="max-model-len")
    longest = model.max_context_tokens
    return replace(model, max_context_tokens=min(tokens, longest) if longest else tokens)


def model_warnings(found: ModelConfig, model: Model, what_if: str | None) -> tuple[Note, ...]:
    """What reading the model warned of, and where the checkpoint's own index disagrees with it."""
    if found.stored_bytes is None and not found.warnings:
        return ()
    warned = notes_of("model_warning", found.warnings)
    if found.stored_bytes is None or what_if:
        return warned
    off = found.stored_bytes / model.weight_bytes - 1
    if abs(off) < 0.01:
        return warned
    stored, implied = format_bytes(found.stored_bytes), format_bytes(model.weight_bytes)
    return (*warned, Note("stored_size", stored=stored, implied=implied, off=off))


# The requests --------------------------------------------------------------------------------


def resolve_lengths(scenario: Scenario) -> Lengths:
    """The lengths of the scenario's requests. Raises InputError where two options state them."""
    given = scenario.workload
    if scenario.trace is not None:
        from vperf import requests  # noqa: PLC0415  (most give lengths)

        if given is not None:
            raise InputError("cannot be combined with workload", field="trace")
        return requests.lengths_of_trace(scenario.trace)
    if given is None:
        return equal(scenario.input_len, scenario.output_len)
    if (scenario.input_len, scenario.output_len) != (INPUT_LEN, OUTPUT_LEN):
        raise InputError("cannot be combined with input-len or output-len", field="workload")
    if isinstance(given, Lengths):
        return given
    from vperf.sources.workloads import load_workload  # noqa: PLC0415  (most give lengths)

    return load_workload(given)


def _texts(model: Model, scenario: Scenario, lengths: Lengths) -> tuple[Lengths, tuple[Note, ...]]:
    """Of a model that only reads: no output; where no length is given, no more than it takes."""
    longest = model.max_context_tokens or INPUT_LEN
    given = scenario.workload is not None or scenario.trace is not None
    if given or scenario.input_len != INPUT_LEN or longest >= INPUT_LEN:
        return without_output(lengths), ()
    return without_output(equal(longest, 1)), (Note("text_length", tokens=longest),)


def _as_one(scenario: Scenario, accepted: tuple[float, ...]) -> float:
    """The one probability with which drafts yield as many tokens a step."""
    given = scenario.acceptance
    if isinstance(given, int | float):
        return float(given)
    return acceptance_of(mean_tokens(accepted), len(accepted))


def _check_drafting(scenario: Scenario) -> None:
    """InputError for options of drafting where nothing drafts."""
    if scenario.speculative is not None:
        return
    for name in OF_DRAFTS[1:]:
        if getattr(scenario, name) is not None:
            raise InputError(
                "means nothing without speculative",
                field=name.replace("_", "-"),
                hint="add --speculative mtp",
            )


def check_count(name: str, value: int, least: int, most: int = MAX_TOKENS) -> None:
    """InputError where `value` is no count from `least` on."""
    if type(value) is not int or not least <= value <= most:
        raise InputError(f"must be an integer from {least} to {most}, not {value!r}", field=name)


def _check_lengths(model: Model, model_id: str, lengths: Lengths, image_tokens: int) -> None:
    """InputError for lengths that cannot be, and for images of a model that reads none."""
    check_count("input-len", lengths.input_tokens, 1)
    check_count("output-len", lengths.output_tokens, 1)
    check_count("image-tokens", image_tokens, 0)
    if image_tokens and not model.images:
        raise InputError(
            f"{model_id} (model_type {model.model_type!r}) has no vision tower that puts tokens "
            "into the prompt",
            field="image-tokens",
        )


_OF_LOADS = ("prefix_cache_hit", "num_prompts", "burstiness", "think_time", "metric_percentiles")
_of_loads = attrgetter(*_OF_LOADS)


def _check_batch(scenario: Scenario) -> None:
    """InputError for a batch that cannot be, and for options of a served load."""
    check_count("batch-size", scenario.batch_size, 1)
    if any(_of_loads(scenario)):
        name = next(name for name in _OF_LOADS if getattr(scenario, name))
        raise InputError("needs max-concurrency or request-rate", field=name.replace("_", "-"))


def _of_texts(scenario: Scenario, lengths: Lengths, model_id: str, images: int) -> Load:
    """The load of a model that only reads. Raises InputError for what is not understood of it."""
    from vperf import requests  # noqa: PLC0415  (most scenarios are of a batch)

    refused = ("trace", "sessions", "burstiness", "prefix_cache_hit")
    for name in refused:
        if getattr(scenario, name):
            raise InputError(
                f"is not understood of {model_id}, which generates no tokens",
                field=name.replace("_", "-"), hint="--request-rate or --max-concurrency alone",
            )  # fmt: skip
    load = requests.load_of(scenario, lengths)
    count = scenario.texts_per_request
    if count is not None:
        check_count("texts-per-request", count, 1, 1_000_000)
    load = replace(load, texts=count or 1, input_tokens=load.input_tokens + images)
    sent = scenario.num_prompts
    if sent is not None and load.users is not None and sent <= load.users:
        check_count("num-prompts", sent, 1)
        load = replace(load, users=sent, at_once=True)
    return load


def _check_denoising(scenario: Scenario, model: Model) -> None:
    """InputError for tokens of a denoising step where there are none, and none where there are."""
    given, diffuses = scenario.tokens_per_step, model.diffuses and model.generates
    for name in ("block_length", "tokens_per_step"):
        if getattr(scenario, name) is not None and not diffuses:
            raise InputError("is of diffusion language models", field=name.replace("_", "-"))
    if not diffuses:
        return
    block = 1 + model.draft_depth
    if given is None or not 1 <= given <= block:
        said = "missing" if given is None else f"must be from 1 to {block}, not {given!r}"
        raise InputError(
            f"{said}: a diffusion model is as fast as the tokens that a step keeps",
            field="tokens-per-step", hint="the mean that the engine logs, at its threshold",
        )  # fmt: skip


def _encoding(scenario: Scenario, replica: Replica) -> Encoding | None:
    """The media of a request, with their tower. Raises InputError."""
    if scenario.images is not None and scenario.image is None:
        raise InputError("needs image, their size", field="images")
    if scenario.image is None and scenario.audio is None and scenario.video is None:
        return None
    from vperf.serving.encoding import Encoding, media_of  # noqa: PLC0415  (most are of text)

    if scenario.image_tokens:
        raise InputError("cannot be combined with image, audio or video", field="image-tokens")
    encoder, compiled = replica.tower()
    s, model_id = scenario, replica.found.id
    return Encoding(compiled, media_of(encoder, model_id, s.image, s.images, s.audio, s.video))


def _served(
    scenario: Scenario,
    lengths: Lengths,
    acceptance: float | None,
    images: int,
    encoding: Encoding | None,
) -> tuple[Load, Run]:
    """The load of a served scenario as its model meets it: images in its prompts, drafts."""
    from vperf import requests  # noqa: PLC0415  (most scenarios are of a batch)

    load, run = requests.load_of(scenario, lengths), requests.run_of(scenario, lengths)
    if acceptance is not None:
        load = replace(load, acceptance=acceptance)
    if images:
        load = replace(load, input_tokens=load.input_tokens + images)
    if encoding is not None:
        one = encoding.seconds(1)
        load = replace(load, encode_s=one.expected, encode_limit_s=one.limit)
    return load, run
