"""Will it run: memory by part, the room that is left, and what would make it fit.

A context here is all that one user's sequence holds, prompt and answer. Not here: what takes the
memory (serving/memory.py) and the layout (report/fit.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from itertools import islice
from typing import Any

from vperf.errors import MAX_COUNT, HubError, InputError, UnknownNameError, VperfError, check_count
from vperf.explore.grid import Grid, grid
from vperf.explore.offload import Fits, best_split, decode_rate, offloads
from vperf.frames import Shown, frame
from vperf.notes import Note
from vperf.resolve import Resolver
from vperf.scenario import Scenario
from vperf.serving.memory import MAX_UTILIZATION
from vperf.serving.memory_by_place import plan_places
from vperf.serving.overhead import overhead
from vperf.sources.models import model_ids
from vperf.values import dataclass
from vperf.version import __version__

SCHEMA = "vperf/fit/1"
CONTEXT = 8192
"""Tokens a user holds where nobody says; less where the model is made for less."""
_MORE_GPUS = (2, 4, 8, 16)


@dataclass(frozen=True, slots=True)
class Parts:
    """Bytes of one GPU by what takes them."""

    weight_bytes: float
    kv_cache_bytes: float
    activation_bytes: float
    """With CUDA graphs and the buffers between GPUs."""
    reserve_bytes: float
    """What the driver keeps and the engine leaves free."""
    total_bytes: float
    capacity_bytes: float

    @property
    def fits(self) -> bool:
        """Whether it is not more than there is."""
        return self.total_bytes <= self.capacity_bytes


@dataclass(frozen=True, slots=True)
class MemoryFit:
    """One model on its GPUs: what it takes and what is left."""

    chosen: Mapping[str, Any]
    model: str
    gpu: str
    gpus: int = 0
    quantization: str = ""
    kv_cache_dtype: str = ""
    context_tokens: int = 0
    """Of each user, as asked."""
    users: int = 0
    """At a time, as asked."""
    memory_utilization: float = 0.0
    """Share of memory that the engine takes here."""
    default_utilization: float = 0.0
    """Its own, or as given."""
    pool_tokens: int = 0
    """Tokens of cache, all GPUs together, at the context asked for: what engines log at start."""
    parts: Parts | None = None
    """None: `problem` says why it cannot be."""
    max_context_tokens: int = 0
    """Of each of the users; 0: not even one token."""
    max_users: int = 0
    """At the context asked for."""
    model_context_tokens: int | None = None
    """What the model was made for."""
    draft_weight_bytes: float = 0.0
    """Of the weights on each GPU, those of what drafts."""
    adapter_bytes: float = 0.0
    """Of the weights on each GPU, those of LoRA adapters."""
    problem: str = ""

    @property
    def fits(self) -> bool:
        """Whether it can be and each GPU has the memory."""
        return self.parts is not None and self.parts.fits

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        parts = asdict(self.parts) if self.parts else None
        return {**plain, "chosen": dict(self.chosen), "fits": self.fits, "parts": parts,
                "problem": self.problem or None}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Remedy:
    """One change that makes it fit."""

    text: str
    options: Mapping[str, Any]
    room: MemoryFit
    decode_tokens_per_s: float | None = None
    """Expected then, where it costs speed: what lies on the host, or on a slower card."""


@dataclass(frozen=True, slots=True, repr=False)
class Fit(Shown):
    """The answer: one room, or a table of them."""

    rooms: tuple[MemoryFit, ...]
    """Those that fit first: the smallest cards, or the largest models."""
    axes: tuple[str, ...]
    ways: tuple[Remedy, ...]
    """What would make it fit, of least sacrifice first; of one model on one card only."""
    problems: Mapping[str, int]
    notes: tuple[Note, ...]

    @property
    def fitting(self) -> int:
        """How many fit."""
        return sum(room.fits for room in self.rooms)

    def to_dict(self) -> dict[str, Any]:
        """The JSON contract: stable keys, bytes."""
        return {
            "schema": SCHEMA,
            "vperf_version": __version__,
            "fits": self.fitting > 0,
            "axes": list(self.axes),
            "rooms": [room.to_dict() for room in self.rooms],
            "ways": [
                {
                    "text": way.text,
                    "options": dict(way.options),
                    "room": way.room.to_dict(),
                    "decode_tokens_per_s": way.decode_tokens_per_s,
                }
                for way in self.ways
            ],
            "problems": dict(self.problems),
            "notes": list(map(str, self.notes)),
        }

    def to_frame(self) -> Any:
        """The rooms as a pandas.DataFrame. Raises VperfError without pandas."""
        return frame(self.flat())

    def flat(self) -> Iterator[dict[str, Any]]:
        """The rooms as one level of columns, for CSV and frames."""
        for room in self.rooms:
            row = room.to_dict()
            parts = row.pop("parts") or {}
            names = Parts.__slots__
            yield {**row.pop("chosen"), **row, **{name: parts.get(name) for name in names}}


def fit(
    model: Any = None,
    gpu: Any = None,
    *,
    context: int | None = None,
    users: int = 1,
    **options: Any,
) -> Fit:
    """Whether models fit on GPUs: `users` at a time, each with `context` tokens.

    Without a model all that ship, without a GPU all of them. Other options as `vperf.estimate`;
    lists give a table. Raises VperfError.
    """
    if model is None and gpu is None and options.get("gpu_file") is None:
        raise InputError("give a model, a GPU, or both")
    if context is not None:
        check_count("context", context, 1, 2 * MAX_COUNT)  # the longest prompt and output
    check_count("users", users, 1)
    if gpu is None and options.get("gpu_file") is None:
        gpu = "all"
    chosen = {"model": list(model_ids()) if model is None else model, "gpu": gpu}
    resolver = Resolver()
    points = grid({**options, **chosen}, resolver)
    rooms = [_room(resolver, p.chosen, p.scenario, context, users) for p in points]
    if all(room.parts is None for room in rooms):
        raise InputError(rooms[0].problem)
    ways: tuple[Remedy, ...] = ()
    if len(rooms) == 1:
        only = next(iter(points)).scenario
        found = _faster_split if rooms[0].fits else _ways
        ways = tuple(found(resolver, only, rooms[0]))
    problems: dict[str, int] = {}
    for room in rooms:
        if room.problem:
            problems[room.problem] = problems.get(room.problem, 0) + 1
    return Fit(
        tuple(sorted(rooms, key=lambda room: _rank(room, by_model="model" in points.axes))),
        tuple(points.axes), ways, problems,
        (*_choices_made(resolver, points), *_notes(rooms, context)),
    )  # fmt: skip


def _rank(room: MemoryFit, *, by_model: bool) -> tuple[int, float]:
    if room.parts is None:
        return 2, 0.0
    if not room.parts.fits:
        return 1, (room.parts.total_bytes - room.parts.capacity_bytes) * room.gpus
    all_bytes = -room.parts.weight_bytes if by_model else room.parts.capacity_bytes
    return 0, all_bytes * room.gpus


def _room(
    resolver: Resolver,
    chosen: Mapping[str, Any],
    scenario: Scenario,
    context: int | None,
    users: int,
) -> MemoryFit:
    if scenario.speculative is not None and scenario.acceptance is None:
        scenario = replace(scenario, acceptance=0.0)  # no matter for the memory
    if scenario.block_length is not None and scenario.tokens_per_step is None:
        scenario = replace(scenario, tokens_per_step=1.0)
    try:
        at = resolver.deployment(scenario)
    except (UnknownNameError, HubError):
        raise
    except VperfError as error:
        return MemoryFit(chosen, *resolver.ids(scenario), problem=error.message)
    model, gpu, engine = at.model, at.compiled.fullest.gpu, at.card.engine
    tokens = min(CONTEXT, model.max_context_tokens or CONTEXT) if context is None else context
    memory = plan_places(at.compiled, at.replica.pools, users, tokens, 0)
    taken = overhead(model, gpu, engine, memory.utilization)
    reserve = taken.left_bytes + taken.driver_bytes
    parts = Parts(
        memory.weight_bytes, memory.kv_cache_bytes, memory.other_bytes - reserve, reserve,
        memory.total_bytes, memory.capacity_bytes,
    )  # fmt: skip
    if parts.fits and not memory.fits:  # another place is full
        full = max(memory.places, key=lambda place: place.total_bytes - place.capacity_bytes)
        parts = Parts(
            full.weight_bytes, full.kv_cache_bytes, 0.0, full.other_bytes, full.total_bytes,
            full.capacity_bytes,
        )  # fmt: skip
    return MemoryFit(
        chosen,
        at.found.id,
        at.card.gpu.id,
        gpus=at.gpus,
        quantization=model.quantization,
        kv_cache_dtype=model.cache_name,
        context_tokens=tokens,
        users=users,
        memory_utilization=memory.utilization,
        default_utilization=engine.memory_utilization,
        pool_tokens=memory.pool_tokens,
        parts=parts,
        max_context_tokens=memory.max_context_tokens,
        max_users=memory.max_batch_size,
        model_context_tokens=model.max_context_tokens,
        draft_weight_bytes=model.drafter.rank_weight_bytes if model.drafter else 0.0,
        adapter_bytes=memory.adapter_bytes,
    )


def _ways(resolver: Resolver, scenario: Scenario, room: MemoryFit) -> Iterator[Remedy]:
    """Changes that make it fit: none of the model's precision, then ever more, then its use."""

    def tried(text: str, **change: Any) -> Remedy | None:
        other = _room(resolver, room.chosen, replace(scenario, **change), room.context_tokens,
                      room.users)  # fmt: skip
        return Remedy(text, change, other) if other.fits else None

    if room.memory_utilization < MAX_UTILIZATION and (
        way := tried(f"{MAX_UTILIZATION:.0%} of the memory for the engine, less for all else",
                     gpu_memory_utilization=MAX_UTILIZATION)
    ):  # fmt: skip
        yield way
    for ranks in _ranks_of_a_cache(scenario):
        if way := tried(f"a cache that {ranks} GPUs share instead of each keeping it", dcp=ranks):
            yield way
            break
    changes = _narrower(resolver, scenario)
    narrow = next((way for each in changes if (way := tried(each[0], **each[1]))), None)
    if narrow:
        yield narrow
    for count in _MORE_GPUS:
        if count > scenario.tp and (way := tried(f"{count} GPUs (tp {count})", tp=count)):
            yield way
            break
    else:
        yield from _both(scenario, [] if narrow else changes, tried)
    yield from _offloads(resolver, scenario, room)
    if 0 < room.max_context_tokens < room.context_tokens:
        shorter = _room(resolver, room.chosen, scenario, room.max_context_tokens, room.users)
        text = f"a context of {room.max_context_tokens:,} tokens instead of {room.context_tokens:,}"
        yield Remedy(text, {"context": room.max_context_tokens}, shorter)
    if 0 < room.max_users < room.users:
        fewer = _room(resolver, room.chosen, scenario, room.context_tokens, room.max_users)
        text = f"{room.max_users:,} at a time instead of {room.users:,} users"
        yield Remedy(text, {"users": room.max_users}, fewer)


def _ranks_of_a_cache(scenario: Scenario) -> Iterator[int]:
    """Ranks that may share the tokens of a cache that tensor parallelism would copy."""
    if scenario.dcp == 1:
        yield from (ranks for ranks in range(2, scenario.tp + 1) if scenario.tp % ranks == 0)


def _offloads(resolver: Resolver, scenario: Scenario, room: MemoryFit) -> Iterator[Remedy]:
    """Part of the model on the host, and of unlike cards the fastest split: those that fit."""

    def fits(change: dict[str, Any]) -> bool:
        other = replace(scenario, **change)
        return _room(resolver, room.chosen, other, room.context_tokens, room.users).fits

    at_length = replace(
        scenario, input_len=room.context_tokens, output_len=1, batch_size=room.users, workload=None
    )
    changes = [*_splits(resolver, at_length, fits), *offloads(resolver, at_length, fits)]
    for change in changes:
        other = _room(resolver, room.chosen, replace(scenario, **change), room.context_tokens,
                      room.users)  # fmt: skip
        rate = decode_rate(resolver, at_length, change)
        yield Remedy("part of the model on the host", change, other, rate)


def _faster_split(resolver: Resolver, scenario: Scenario, room: MemoryFit) -> Iterator[Remedy]:
    """The fastest split of unlike cards, where it is faster than the one that is asked for."""
    at_length = replace(
        scenario, input_len=room.context_tokens, output_len=1, batch_size=room.users, workload=None
    )

    def fits(change: dict[str, Any]) -> bool:
        other = replace(scenario, **change)
        return _room(resolver, room.chosen, other, room.context_tokens, room.users).fits

    now = decode_rate(resolver, at_length, {})
    for change in _splits(resolver, at_length, fits):
        rate = decode_rate(resolver, at_length, change)
        if rate > now * _FASTER:
            other = _room(resolver, room.chosen, replace(scenario, **change), room.context_tokens,
                          room.users)  # fmt: skip
            text = f"{rate / now - 1:.0%} faster than by free memory"
            yield Remedy(text, change, other, rate)


def _splits(resolver: Resolver, scenario: Scenario, fits: Fits) -> Iterator[dict[str, Any]]:
    if not isinstance(scenario.gpu, str) and len(resolver.gpu(scenario).cards) < 2:
        return
    try:
        change = best_split(resolver, resolver.deployment(scenario), fits)
    except (UnknownNameError, HubError):
        raise
    except VperfError:
        return
    if change is not None:
        yield change


_FASTER = 1.02
"""From how much faster a split is worth telling."""
_Change = tuple[str, dict[str, Any]]


def _narrower(resolver: Resolver, scenario: Scenario) -> list[_Change]:
    """Narrower formats of cache, weights or both, the least narrow first."""
    if scenario.speculative is not None:
        scenario = replace(scenario, acceptance=0.0)
    at = resolver.deployment(scenario)
    stored, engine = at.model, at.card.engine
    cache = {"kv_cache_dtype": "fp8"} if stored.cache.bits > 8 else {}
    steps: list[dict[str, Any]] = [cache] if cache else []
    for weights in filter(None, map(engine.weights_of, (8, 4))):
        change: dict[str, Any] = {"quantization": weights}
        try:
            narrower = resolver.what_if(at, quantization=weights).model
        except VperfError:
            continue
        if narrower.weight_bytes < stored.weight_bytes * 0.99:
            steps += [change, {**change, **cache}] if cache else [change]
    return [(_words(change), change) for change in steps]


def _words(change: Mapping[str, Any]) -> str:
    words = [f"{change['quantization']} weights"] if "quantization" in change else []
    words += ["an fp8 KV cache"] if "kv_cache_dtype" in change else []
    return " and ".join(words)


def _both(scenario: Scenario, changes: list[_Change], tried: Any) -> Iterator[Remedy]:
    """The fewest GPUs that are enough with the least narrow formats, where neither is alone."""
    for text, change in changes:
        for count in _MORE_GPUS:
            if count > scenario.tp and (
                way := tried(f"{text} on {count} GPUs (tp {count})", **change, tp=count)
            ):
                yield way
                return


def _choices_made(resolver: Resolver, points: Grid) -> tuple[Note, ...]:
    """What was taken for the names that were typed; of a few cards, for theirs too."""
    found: dict[Note, None] = {}
    for point in islice(points, _FEW):
        with suppress(VperfError):
            at = resolver.deployment(point.scenario)
            cards = (note for note in at.card.gpu.assumptions if note.kind in _OF_THE_CARD)
            found |= dict.fromkeys((*at.taken, *(() if "gpu" in points.axes else cards)))
    return tuple(found)


_FEW = 20
_OF_THE_CARD = ("card_choice", "card_memory")


def _notes(rooms: list[MemoryFit], context: int | None) -> tuple[Note, ...]:
    found = []
    longer = [
        room
        for room in rooms
        if room.model_context_tokens and room.context_tokens > room.model_context_tokens
    ]
    if longer and context is not None:
        one, others = longer[0], len(longer) - 1
        most = one.model_context_tokens
        found.append(
            Note("beyond_made_for", context=context, model=one.model, others=others, most=most)
        )
    if context is None:
        found.append(Note("context_default", context=CONTEXT))
    shares = sorted({f"{room.memory_utilization:.0%}" for room in rooms if room.parts})
    if shares != ["100%"]:
        found.append(Note("utilization", shares=" or ".join(shares)))
    raised = [r for r in rooms if r.parts and r.memory_utilization > r.default_utilization]
    if raised:
        share, default = raised[0].memory_utilization, raised[0].default_utilization
        found.append(Note("utilization_raised", share=share, default=default))
    found.append(Note("driver_memory"))
    return tuple(found)
