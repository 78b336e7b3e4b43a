"""The answer as plain frozen values: every figure that is printed is read from here.

`Estimate.to_dict()` is the contract of `--json` (schema "vperf/estimate/1"). Not here: how the
figures come about (estimate.py), their notes (notes.py), and printing (report/).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, Generic, Literal, TypeVar, cast

from vperf.frames import Shown, frame
from vperf.model.config import ModelSource
from vperf.notes import Note
from vperf.serving.memory import Memory
from vperf.serving.percentiles import Distribution
from vperf.timing.step import PhaseTimes
from vperf.values import dataclass
from vperf.version import __version__

SCHEMA = "vperf/estimate/1"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model as the answer reports it. Counts are elements, sizes bytes."""

    id: str
    source: ModelSource
    architecture: str
    parameters: int
    """Everything a checkpoint of this config stores, vision tower included."""
    active_parameters: int
    weight_bytes: float
    kv_bytes_per_token: float
    """One more token in every layer's cache, before any window is full."""
    quantization: str
    kv_cache_dtype: str
    max_context_tokens: int | None
    """The context the model was made for; None when its config does not say."""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """One of several unlike cards."""

    id: str
    name: str
    memory_bytes: float
    memory_bandwidth_bytes_per_s: float
    peak_flop_per_s: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """The GPU as the answer reports it; of unlike cards the first."""

    id: str
    name: str
    count: int
    memory_bytes: float
    memory_bandwidth_bytes_per_s: float
    peak_flop_per_s: Mapping[str, float]
    constants: Literal["measured", "same_die", "generic", "datasheet"]
    """Where the matmul rate and the memory stream behind `expected` were measured: on this card, on
    another with its die, or on others."""
    constants_by_part: Mapping[str, Literal["measured", "same_die", "generic"]]
    """The same of the matmul rates, the memory stream and the kernels' times apart."""
    cards: tuple[CardFacts, ...] = ()
    """Of unlike cards each, in the order of their layers; empty where all are of one kind."""
    per_node: int = 8
    """Those that reach each other without the network between nodes."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked for: every sequence of the batch has the same lengths."""

    batch_size: int
    input_tokens: int
    output_tokens: int
    concurrency: int
    engine: str
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    expert_parallel: int = 1
    data_parallel: int = 1
    image_tokens: int = 0
    """Tokens that the images of a request add to its input_tokens."""
    speculative: str | None = None
    """What drafts tokens; None: nothing does."""
    draft_tokens: int = 0
    acceptance: float | None = None
    name: str | None = None
    """Of the workload whose mean lengths these are."""
    lora_rank: int = 0
    """0: no adapters."""
    max_loras: int = 0
    expected_encode_s: float = 0.0
    """What the tower takes for the images and sounds of one request, in TTFT."""
    limit_encode_s: float = 0.0
    encoder_gpu: str = ""
    """Cards of their own that do, what they send included; "": those that read."""
    placement: str = ""
    """What lies beyond the cards, as the engine's own options say it: "--n-cpu-moe 36"."""
    prefill_context_parallel: int = 1
    decode_context_parallel: int = 1

    @property
    def generates(self) -> bool:
        """Whether tokens come after the prompt; not of an encoder or an embedding model."""
        return self.output_tokens > 0

    @property
    def prompt_tokens(self) -> int:
        """All that prefill reads of one request."""
        return self.input_tokens + self.image_tokens


@dataclass(frozen=True, slots=True)
class Speed:
    """The five figures of an answer; rates count all sequences unless they say per user."""

    ttft_s: float
    prefill_tokens_per_s: float
    tpot_s: float
    decode_tokens_per_s: float
    decode_tokens_per_s_per_user: float

    @property
    def main_tokens_per_s(self) -> float:
        """The rate that it is asked for: decoded, or read where nothing is decoded."""
        return self.decode_tokens_per_s or self.prefill_tokens_per_s


@dataclass(frozen=True, slots=True)
class Expected(Speed):
    """Speed with the range in which about 80 % of measurements fall.

    `low` and `high` bound each figure itself: `low.ttft_s` is the shortest time to expect,
    `high.decode_tokens_per_s` the highest rate.
    """

    low: Speed
    high: Speed


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """Decode speed (all sequences) with `context_tokens` in every sequence's cache."""

    context_tokens: int
    limit_decode_tokens_per_s: float
    expected_decode_tokens_per_s: float
    fits: bool


@dataclass(frozen=True, slots=True)
class Serving:
    """What a load of many requests settles to; None in an estimate of equal requests at once."""

    running_batch: float
    """Sequences decoding at a time; the other users wait for their first token."""
    slots: int
    """Sequences that the KV cache has room for."""
    requests_per_s: float
    ttft_steady_s: float
    """Without the first burst, which a benchmark's mean TTFT holds."""
    requests_asked_per_s: float | None
    """The rate of an open loop; None: users in a closed loop."""
    saturated: bool
    """More requests arrive than can be served: TTFT grows for as long as that lasts."""
    prompt_share: float = 0.0
    """Of the time, what prompts take. Above a half, means of an endless run hang on how prompts
    happen to meet: those of the simulated run are right."""
    prompts: int | None = None
    """Of a finite run, which the expected speeds are then of; None: an endless one."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What a model that generates no tokens is asked for: texts read."""

    task: str
    """embed, rerank or classify."""
    limit_texts_per_s: float
    expected_texts_per_s: float
    expected_texts_per_s_low: float
    expected_texts_per_s_high: float
    limit_one_s: float
    """One text alone."""
    expected_one_s: float
    best_batch_size: int
    """Of the fewest texts at a time that come within a twentieth of the highest rate that a step of
    the engine reaches."""
    best_texts_per_s: float
    texts_per_request: int = 1


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """A served load as a benchmark runs it, ramp and drain included; seconds as its client has
    them."""

    prompts: int
    seed: int
    duration_s: float
    requests_per_s: float
    output_tokens_per_s: float
    ttft: Distribution
    tpot: Distribution | None
    """None: no output of two tokens."""
    itl: Distribution | None
    e2e: Distribution
    mean_running: float
    """Sequences admitted, of the whole deployment."""
    mean_waiting: float
    peak_running: int
    utilization: float
    """Share of the run in which a step ran."""
    preempted: int
    """How often a sequence lost its cache to others and was read again."""
    oversized: int
    """Requests that the cache does not hold even alone."""
    steady_requests_per_s: float | None
    """Without ramp and drain; None: too short a run."""
    saturated: bool
    limit_output_tokens_per_s: float | None = None
    """No run of so many users is faster; None: of a rate that is offered."""
    goodput_requests_per_s: float | None = None
    """Of requests that keep all the times given (--goodput); None: none are given."""

    def to_dict(self) -> dict[str, Any]:
        """The part of an estimate's JSON; percentiles as ttft.p99_s."""
        found = asdict(self)
        for name in ("ttft", "tpot", "itl", "e2e"):
            each: Distribution | None = getattr(self, name)
            found[name] = each and each.to_dict()
        return found


@dataclass(frozen=True, slots=True)
class Speeds:
    """What an estimate comes down to: its speeds and whether it fits. No ops, no sentences."""

    limit: Speed
    expected: Expected
    gpus: int
    memory_bytes: float
    """Taken on each GPU, the engine's reserve included."""
    capacity_bytes: float
    input_s: float
    """Expected time of the deployment that one prompt token takes; batched with the others."""
    output_s: float
    """The same of one output token; under a load, all that is not prefill, idle time included."""
    requests_per_s: float
    """Answered in all; of a batch, one batch after another."""
    output_tokens_per_s: float
    """Of all requests, from first to last: prefill takes part of the time."""
    serving: Serving | None = None

    @property
    def fits(self) -> bool:
        """Whether each GPU has the memory."""
        return self.memory_bytes <= self.capacity_bytes


@dataclass(frozen=True, slots=True)
class Speculative:
    """What speculative decoding does to a step; seconds are means over the output."""

    method: str
    draft_tokens: int
    """In a row."""
    acceptance: float
    """Probability that a draft is accepted: given, or the one that yields as many tokens a step."""
    tokens_per_step: float
    break_even_acceptance: float | None
    """Where expected TPOT is that of plain decoding; None: drafting never pays."""
    limit_step_s: float
    expected_step_s: float
    """Verification and all drafts."""
    limit_draft_s: float
    expected_draft_s: float
    """All drafts of a step."""
    limit_plain_tpot_s: float
    expected_plain_tpot_s: float
    """Without drafts."""
    draft_model: str | None = None
    """The checkpoint that drafts; None: the model's own modules, or the text."""
    verified_tokens: int = 0
    """Of a sequence in a step: the drafts, of a tree all its nodes, and the token before them."""
    branches: int = 1
    """Of a tree."""
    acceptance_by_position: tuple[float, ...] = ()
    """Share of steps in which each draft is accepted."""
    draft_weight_bytes: float = 0.0
    """On each GPU, in its weights."""
    draft_cache_bytes_per_token: float = 0.0
    """On each GPU, in its cache."""


@dataclass(frozen=True, slots=True)
class DraftsAt:
    """Drafting at one batch, as expected in the middle of the output."""

    batch_size: int
    speedup: float
    """Of the drafts as given, over decoding plainly."""
    break_even_acceptance: float | None
    """None: never."""
    best_draft_tokens: int | None
    """The fastest chain of as many as the acceptance is known of; 0: none; None: of a tree."""
    best_speedup: float


@dataclass(frozen=True, slots=True)
class KeptCache:
    """What a cache beyond the card does to the prompts; seconds are expected, of all of them."""

    place: str
    """ "host", "disk" or the rate that was given."""
    found_tokens: int
    """Of a prompt of mean length."""
    sent_bytes: float
    """To each GPU."""
    bytes_per_s: float
    """Expected, to each GPU."""
    sent_s: float
    rest_s: float
    """To read what is not found."""
    anew_s: float
    """To read all of it."""
    pays: bool
    """Whether it is faster than reading all anew."""
    pays_above_bytes_per_s: float | None
    """Expected to each GPU, from which on it pays; None: nothing is found."""
    pays_from_tokens: int | None
    """The shortest prompt, at this share found, that it pays for; None: none."""
    size_bytes: float | None
    holds_tokens: int | None
    """Of all GPUs together."""


@dataclass(frozen=True, slots=True)
class ReadBy:
    """Cards of their own that read the prompts; seconds are expected, of all prompts."""

    gpu: str
    gpus: int
    tp: int
    prefill_s: float
    sent_bytes: float
    """Through each link."""
    bytes_per_s: float
    sent_s: float
    first_step_s: float
    """The decode step that gives the first token."""
    ttft_alone_s: float
    """With no such cards: the GPUs that decode read too."""
    memory_bytes: float
    """On each of them."""
    capacity_bytes: float
    fits: bool
    requests_per_s: float
    """That they read, one batch after another."""
    decode_requests_per_s: float
    """That the GPUs that decode answer meanwhile; under a load, with all sequences that fit."""
    busy: float | None = None
    """Share of the time that they read, under a load."""


T = TypeVar("T")


class Later(Generic[T]):
    """A part of an answer that is made when it is first read."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[], T]) -> None:
        self.make = make


class _Made(Generic[T]):
    """A field that may be given as it is, or for later."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, answer: object | None, owner: type) -> T:
        if answer is None:
            raise AttributeError(self._name)  # so that the field has no default
        held = answer.__dict__[self._name]
        if isinstance(held, Later):
            held = answer.__dict__[self._name] = held.make()
        return cast("T", held)

    def __set__(self, answer: object, value: T | Later[T]) -> None:
        answer.__dict__[self._name] = value


@dataclass(frozen=True, repr=False)
class Estimate(Shown):
    """The whole answer. Every figure the command line prints is read from here.

    Ops, depths and notes are made when they are read; speeds and memory are there.
    """

    model: ModelFacts
    gpu: GpuFacts
    workload: Workload
    limit: Speed
    """No measurement is faster, whatever experts its tokens were routed to."""
    ceiling: Speed
    """The limit where tokens are routed to all experts alike, as measurements are compared; without
    experts the limit."""
    expected: Expected
    memory: Memory
    prefill: _Made[PhaseTimes] = _Made()
    decode: _Made[PhaseTimes] = _Made()
    """One decode step in the middle of the output."""
    depth: _Made[tuple[DepthPoint, ...]] = _Made()
    assumptions: _Made[tuple[Note, ...]] = _Made()
    not_modelled: _Made[tuple[Note, ...]] = _Made()
    warnings: _Made[tuple[Note, ...]] = _Made()
    uncalibrated: _Made[Speed | None] = _Made()
    """What would be expected without the calibration of the card's file; None without one."""
    simulated: _Made[SimulatedRun | None] = _Made()
    """The run of a served load; None for a batch, and where the load cannot be served."""
    drafts: _Made[tuple[DraftsAt, ...]] = _Made()
    """What drafting does at each batch; empty where nothing drafts."""
    serving: Serving | None = None
    speculative: Speculative | None = None
    texts: Texts | None = None
    """None: it generates tokens."""
    kept: KeptCache | None = None
    """Where prompts are found in a cache beyond the card."""
    read_by: ReadBy | None = None
    """Where other cards read the prompts."""

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def to_dict(self) -> dict[str, Any]:
        """The JSON contract: stable keys, SI base units, floats unrounded."""
        expected: dict[str, float] = {}
        plain = self.uncalibrated
        for key in Speed.__slots__:
            expected[key] = getattr(self.expected, key)
            expected[f"{key}_low"] = getattr(self.expected.low, key)
            expected[f"{key}_high"] = getattr(self.expected.high, key)
        return {
            "schema": SCHEMA,
            "vperf_version": __version__,
            "model": _flat(self.model),
            "gpu": {
                **_flat(self.gpu),
                "peak_flop_per_s": dict(self.gpu.peak_flop_per_s),
                "cards": [
                    {**_flat(card), "peak_flop_per_s": dict(card.peak_flop_per_s)}
                    for card in self.gpu.cards
                ],
            },
            "workload": _flat(self.workload),
            "limit": _flat(self.limit),
            "ceiling": _flat(self.ceiling),
            "expected": expected,
            "uncalibrated": plain and {key: getattr(plain, key) for key in Speed.__slots__},
            "memory": {
                **_flat(self.memory),
                "places": [_flat(place) for place in self.memory.places],
            },
            "prefill": _phase(self.prefill),
            "decode": _phase(self.decode),
            "serving": _flat(self.serving) if self.serving else None,
            "simulated": self.simulated.to_dict() if self.simulated else None,
            "speculative": _speculative(self) if self.speculative else None,
            "texts": _flat(self.texts) if self.texts else None,
            "kv_offload": _flat(self.kept) if self.kept else None,
            "prefill_gpu": _flat(self.read_by) if self.read_by else None,
            "depth": [_flat(point) for point in self.depth],
            "assumptions": list(map(str, self.assumptions)),
            "not_modelled": list(map(str, self.not_modelled)),
            "warnings": list(map(str, self.warnings)),
        }

    def to_frame(self) -> Any:
        """The ops of both phases as a pandas.DataFrame. Raises VperfError without pandas."""
        phases = (("prefill", self.prefill), ("decode", self.decode))
        return frame({"phase": name, **op.to_dict()} for name, each in phases for op in each.ops)


def _speculative(answer: Estimate) -> dict[str, Any]:
    found = _flat(answer.speculative)
    found["acceptance_by_position"] = list(found["acceptance_by_position"])
    return {**found, "by_batch": [_flat(each) for each in answer.drafts]}


def _phase(times: PhaseTimes) -> dict[str, Any]:
    ops = [op.to_dict() for op in times.ops]
    places = [_flat(place) for place in times.places]
    return {**_flat(times), "of_limit": times.of_limit, "ops": ops, "places": places}


def _flat(value: Any) -> dict[str, Any]:
    """The fields of a dataclass whose values are plain: `asdict` would copy each of them."""
    names = value.__slots__
    return dict(zip(names, _read(names)(value), strict=True))


@lru_cache(maxsize=64)
def _read(names: tuple[str, ...]) -> attrgetter[tuple[Any, ...]]:
    return attrgetter(*names)
