"""Scenario -> Deployment: what cannot be is refused, and what scenarios share is kept.

What is cheap to refuse comes first: a misspelt card before a config from the network. `what_if` is
how a neighbouring scenario is looked at. Not here: what each name comes to (card.py, engine.py,
model.py, load.py), reading files and the Hub (sources/), and any time (speeds/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from operator import attrgetter, is_
from typing import TYPE_CHECKING, Any

from vperf.deployment import Deployment, Replica
from vperf.errors import HubError, UnknownNameError, VperfError
from vperf.formats import bits_named
from vperf.hardware.engine import Engine
from vperf.hardware.gpu import Gpu
from vperf.model.config import ModelConfig
from vperf.model.model import Model
from vperf.notes import Note
from vperf.resolve.card import cpu_alone, joined, resolve_gpu
from vperf.resolve.engine import (
    as_converted,
    engine_of,
    engine_on,
    keeps_experts,
    own_format,
    reads_gguf,
    with_whole_prompts,
)
from vperf.resolve.figures import check_figures
from vperf.resolve.load import (
    accepted_of,
    as_heard,
    check_drafting,
    check_lengths,
    encoding_of,
    resolve_lengths,
    resolve_load,
    texts_of,
)
from vperf.resolve.model import (
    AS_STORED,
    built,
    check_formats,
    config_of,
    format_spelled,
    model_warnings,
    resolve_model,
)
from vperf.scenario import (
    CARD,
    ELSEWHERE,
    HOST,
    LAYER_OPTIONS,
    OPTIONS,
    PLACING,
    PLACING_ENGINE,
    ModelLike,
    Scenario,
)
from vperf.timing.compiled import Compiled
from vperf.timing.step import Card

if TYPE_CHECKING:
    from vperf.serving.elsewhere import Ahead, Kept
    from vperf.serving.encoding import Encoding
    from vperf.serving.load import Load


MAX_KEPT = 512
"""Models, and deployments, that a resolver remembers."""


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
_Named = tuple[str | None, str | Engine | None, tuple[Note, ...]]
"""Weights and engine of a scenario, and what was taken for its names."""


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
        self._last_named: tuple[_Named, tuple[Any, ...]] = (None, None, ()), (object(),)

    def deployment(self, scenario: Scenario) -> Deployment:
        """The deployment of a scenario. Raises VperfError."""
        check_figures(scenario)
        lengths = resolve_lengths(scenario)
        check_drafting(scenario)
        typed = scenario
        if scenario.prefill_gpu is not None and scenario.pcp > 1:  # of the cards that read
            scenario = replace(scenario, pcp=1)
        scenario, taken = self._as_named(scenario)
        replica = self._replica(scenario)
        model = replica.compiled.model
        check_lengths(model, replica.found.id, lengths, scenario.image_tokens)
        scenario, lengths = as_heard(scenario, replica, lengths)
        encoding = encoding_of(scenario, replica)
        images = scenario.image_tokens if encoding is None else encoding.tokens
        if not model.generates:
            lengths, said = texts_of(model, scenario, lengths)
            taken += said
        else:
            scenario, said = with_whole_prompts(scenario, replica, lengths, images)
            if said:
                replica, taken = self._replica(scenario), taken + said
                model = replica.compiled.model
        accepted, acceptance = accepted_of(scenario, model)
        load, run = resolve_load(
            scenario, replica, lengths, acceptance, images=images, encoding=encoding
        )
        if scenario.trace is not None:
            from vperf.requests import said_of_trace  # noqa: PLC0415  (seldom asked for)

            taken += (said_of_trace(scenario.trace),)
        kept, ahead = None, None
        if scenario.gives(ELSEWHERE):
            from vperf import elsewhere  # noqa: PLC0415  (seldom asked for)

            elsewhere.check(scenario, replica.compiled)
            kept = elsewhere.kept_of(scenario, replica.compiled)
            ahead = self._ahead(replace(scenario, pcp=typed.pcp), replica.compiled, encoding)
            if ahead is not None:
                encoding = ahead.encoding
            if scenario.encoder_gpu is not None and encoding is not None:
                tower, _ = replica.tower()
                encoding = elsewhere.encoded_by(scenario, tower, encoding, replica.compiled)
            if kept is not None and encoding is not None:
                prompt = lengths.input_tokens + images
                encoding = encoding.beyond(kept.found(prompt))
            if load is not None:  # the simulation knows of no link
                load, run = _elsewhere(load, kept, encoding), None
        if scenario.pcp != typed.pcp:
            scenario = replace(scenario, pcp=typed.pcp)
        return Deployment(
            scenario, replica, lengths, load, scenario.batch_size,
            images, acceptance, accepted, run,
            model_warnings(replica.found, model, scenario.quantization), encoding, taken=taken,
            kept=kept, ahead=ahead,
        )  # fmt: skip

    def _as_named(self, scenario: Scenario) -> tuple[Scenario, tuple[Note, ...]]:
        """The scenario with the engine and the format that its names mean, and what was taken."""
        values = _shared(scenario)
        (quantization, engine, taken), before = self._last_named
        if not all(map(is_, values, before)):
            check_formats(scenario.quantization, scenario.kv_cache_dtype)
            runs = engine_of(scenario, self.gpu(scenario))  # told before the network is asked
            named, taken = self._as_spelled(scenario, runs)
            if named is not scenario:
                runs = engine_of(named, self.gpu(named))
            named, said = self._with_own_format(named, runs)
            quantization, engine, taken = named.quantization, named.engine, taken + said
            self._last_named = (quantization, engine, taken), values
        if quantization is scenario.quantization and engine is scenario.engine:
            return scenario, taken
        return replace(scenario, quantization=quantization, engine=engine), taken

    def _as_spelled(self, scenario: Scenario, runs: Engine) -> tuple[Scenario, tuple[Note, ...]]:
        """The format that the model's name says, and for which model the name was taken."""
        model = scenario.model
        if isinstance(model, str):
            model = self.config(model, scenario.revision)
        if not isinstance(model, ModelConfig) or (spelled := model.spelled) is None:
            return scenario, ()
        taken, given = None, scenario.quantization
        if given in (None, AS_STORED):
            taken = format_spelled(model)
            if spelled.usual and scenario.engine is not None and not reads_gguf(runs):
                taken = None
        note = Note(
            "spelled_model", typed=spelled.typed, model=model.id, quantization=taken,
            usual=spelled.usual, sure=spelled.sure, why=spelled.why,
        )  # fmt: skip
        engine = scenario.engine
        if spelled.usual and engine is None:
            engine = PLACING_ENGINE
        return replace(scenario, quantization=taken or given, engine=engine), (note,)

    def _with_own_format(
        self, scenario: Scenario, runs: Engine
    ) -> tuple[Scenario, tuple[Note, ...]]:
        """Bits alone ("4bit") as the engine's own format of them, what it does not load as it is
        stored as its converter makes it; and what was taken."""
        typed = None if scenario.quantization == AS_STORED else scenario.quantization
        bits = typed is not None and bits_named(typed) is not None
        if not bits and not runs.converts:
            return scenario, ()
        found = self.config(scenario.model, scenario.revision)
        taken: str | None
        note: Note | None
        if bits:
            usual = PLACING_ENGINE if found.gguf is not None else ""
            taken, note = own_format(engine_of(scenario, self.gpu(scenario), usual), typed or "")
        elif found.gguf is not None:
            return scenario, ()
        else:
            taken, note = as_converted(runs, typed or self._stored(found))
        if note is None:
            return scenario, ()
        return replace(scenario, quantization=taken or scenario.quantization), (note,)

    def _stored(self, found: ModelConfig) -> str:
        """The format of a model's weights, read once."""
        key = ("stored", *_keys((found,)))
        known, _ = self._named.get(key) or (None, None)
        if known is None:
            known = built(found, None, None).quantization
            self._named[key] = known, found
        return known

    def _ahead(
        self, scenario: Scenario, after: Compiled, encoding: Encoding | None
    ) -> Ahead | None:
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
        return Ahead(before.compiled, before.replica.pools, link, before.encoding, encoding)

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
            found = self._named[key] = config_of(model, revision)
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
        gpu = joined(card, scenario)
        check_formats(scenario.quantization, scenario.kv_cache_dtype)
        config = self.config(scenario.model, scenario.revision)
        if config.gguf is not None:
            named = engine_of(scenario, card, PLACING_ENGINE)
        engine = engine_on(gpu, named, scenario)
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
        if keeps_experts(card.engine) and not scenario.gives(PLACING):
            scenario = replace(scenario, cpu_moe=True)
        if not several and not card.gpu.is_host and not scenario.gives(options):
            model = self._model(config, draft, named, card.engine, scenario)
            return Replica(config, Compiled(model, card))
        from vperf.places import (  # noqa: PLC0415  (seldom asked for)
            host_named,
            resolve_places,
            that_share,
        )

        if unlike := that_share(card, scenario):
            model = self._model(config, draft, named, card.engine, scenario)
            fullest = min(unlike, key=lambda each: each.gpu.memory_bytes)
            compiled = Compiled(model, card, None, fullest, unlike)
            return Replica(config, compiled, (Note("unlike_shared"),))
        host = host_named(scenario, card.gpu)
        moved = several or scenario.gives(LAYER_OPTIONS)
        alone = replace(scenario, pp=1) if moved and scenario.pp > 1 else scenario
        model = self._model(config, draft, named, card.engine, alone)
        if card.gpu.is_host:
            card = cpu_alone(card, host, scenario)
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


def _elsewhere(load: Load, kept: Kept | None, encoding: Encoding | None) -> Load:
    """The load, of whose prompts a part is found, or read, elsewhere."""
    load = replace(load, encode_s=0.0, encode_limit_s=0.0)
    load = load if encoding is None else encoding.of_load(load)
    return load if kept is None else kept.of_load(load)


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
