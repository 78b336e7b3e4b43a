"""What `plan` chooses among: layouts of a model over GPUs, what each reaches, what it misses.

Not here: which candidates are tried and which is best (plan.py), and separate pools for prefill
and decode (disaggregation.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Literal

from vperf.answer import Speed, Speeds
from vperf.errors import InputError
from vperf.explore.rows import Row, flattened
from vperf.model.model import Model
from vperf.scenario import Scenario
from vperf.serving.load import Errors, Span
from vperf.serving.percentiles import distribution, read_percents
from vperf.serving.simulated import Simulated
from vperf.spelling import flag
from vperf.units import is_moderate, parse_seconds
from vperf.values import dataclass

Reason = Literal["layout", "memory", "saturated", "ttft", "tpot", "e2e"]
"""Why a candidate is out: the model does not divide so, a GPU has not the memory, more requests
come than are served, or a target is missed."""

NODE = 8
"""GPUs that peers of a usual server are."""

NETWORK_BYTES_PER_S = 50e9
"""400 Gb/s, one network port a GPU: what servers with eight GPUs are usually built with."""

WAYS = ("tp", "pp", "ep", "dp", "pcp", "dcp")


Verdict = Literal["meets", "misses", "unsure"]
"""What means of the closed form say of targets; unsure: a simulated run decides."""


_HOPELESS, _TAIL = 1.5, 90.0
"""A mean is at most so many times a percentile, from one on."""


@dataclass(frozen=True, slots=True)
class Targets:
    """The longest times allowed, seconds; None: any."""

    ttft_s: float | None = None
    tpot_s: float | None = None
    e2e_s: float | None = None
    """From the request to its last token."""
    percents: Mapping[Reason, float] = field(default_factory=dict)
    """Percentiles of targets that are not of the mean; they are simulated."""

    def label(self, reason: Reason, name: str) -> str:
        """ "p99 TTFT"."""
        percent = self.percents.get(reason)
        return name if percent is None else f"p{percent:g} {name}"

    def simulated(self, times: Times, run: Simulated) -> Times:
        """The times of a candidate as its run has them: means, or percentiles where asked for."""

        def of(reason: Reason, of_requests: list[float], without: float) -> float:
            if not of_requests:
                return without
            percent = self.percents.get(reason)
            found = distribution(of_requests, () if percent is None else (percent,))
            return found.mean_s if percent is None else found.at(percent)

        return Times(
            of("ttft", run.ttft_s, times.ttft_s),
            of("tpot", run.tpot_s, times.tpot_s),
            of("e2e", run.e2e_s, times.e2e_s),
        )

    def verdict(self, ratios: Mapping[Reason, float], errors: Errors | None) -> Verdict:
        """What the ratios of closed-form means say, which may be wrong by `errors`; None: by
        much."""
        said: Verdict = "meets"
        for name, ratio in ratios.items():
            percent = self.percents.get(name)
            bounded = errors if percent is None else None
            off = None if bounded is None else _off(bounded, name)
            beyond = _HOPELESS if off is None else 1 + off.high
            if ratio > beyond and (percent is None or percent >= _TAIL):
                return "misses"
            if off is None or ratio >= 1 + off.low:
                said = "unsure"
        return said

    def ratios(self, times: Times) -> dict[Reason, float]:
        """By target, time over what is allowed: above 1 it is missed."""
        pairs: tuple[tuple[Reason, float, float | None], ...] = (
            ("ttft", times.ttft_s, self.ttft_s),
            ("tpot", times.tpot_s, self.tpot_s),
            ("e2e", times.e2e_s, self.e2e_s),
        )
        return {name: time / most for name, time, most in pairs if most is not None}


def _off(errors: Errors, name: Reason) -> Span:
    spans: dict[Reason, Span] = {"ttft": errors.ttft, "tpot": errors.tpot}
    return spans.get(name, errors.e2e)


def targets_of(**given: str | float | None) -> Targets:
    """Targets from seconds or text ("500ms", "p99:500ms"). Raises InputError; where there is none
    too."""
    found: dict[str, float] = {}
    percents: dict[Reason, float] = {}
    for name, value in given.items():
        if value is None:
            continue
        longest: str | float = value
        if isinstance(value, str) and ":" in value:
            percent, _, longest = value.partition(":")
            percents[name] = _percent(name, percent)  # type: ignore[index]
        seconds = _seconds(name, longest)
        if not is_moderate(seconds):
            raise InputError(f"must be above 0, not {value!r}", field=name)
        found[f"{name}_s"] = seconds
    if not found:
        raise InputError(
            "no target is given", hint=f"for example {flag('ttft')} 500ms {flag('tpot')} 20ms"
        )
    return Targets(**found, percents=percents)


def _percent(name: str, text: str) -> float:
    digits = text.strip().lower().removeprefix("p")
    try:
        (found,) = read_percents(digits)
    except (InputError, ValueError):
        raise InputError(
            f"{text!r} is no percentile such as p99", field=name, hint="for example p99:500ms"
        ) from None
    return found


def _seconds(name: str, value: str | float) -> float:
    if isinstance(value, str):
        try:
            return parse_seconds(value, "ms")
        except InputError as error:
            raise InputError(error.message, field=name) from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"must be seconds or text such as '500ms', not {value!r}", field=name)
    return float(value)


@dataclass(frozen=True, slots=True)
class Times:
    """The times that are held against the targets, seconds."""

    ttft_s: float
    tpot_s: float
    e2e_s: float


def times_of(speed: Speed, output_tokens: int) -> Times:
    """The times of a request."""
    return Times(speed.ttft_s, speed.tpot_s, speed.ttft_s + (output_tokens - 1) * speed.tpot_s)


@dataclass(frozen=True, slots=True)
class Layout:
    """How many ways a replica is divided, as in Scenario."""

    tp: int = 1
    pp: int = 1
    ep: int = 1
    dp: int = 1
    pcp: int = 1
    dcp: int = 1

    @property
    def gpus(self) -> int:
        """Of one replica."""
        return self.tp * self.pp * self.dp * self.pcp

    def of(self, scenario: Scenario, **load: Any) -> Scenario:
        """The scenario of one replica."""
        return replace(scenario, **{way: getattr(self, way) for way in WAYS}, **load)


@dataclass(frozen=True, slots=True)
class Pool:
    """Replicas that do one of the two phases only."""

    replicas: int
    layout: Layout
    busy: float
    """Share of what the pool can take: of time in prefill, of room in the cache in decode."""

    @property
    def gpus(self) -> int:
        """Of all its replicas."""
        return self.replicas * self.layout.gpus

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        ways = {name: getattr(self.layout, name) for name in WAYS}
        return {"replicas": self.replicas, **ways, "gpus": self.gpus, "busy": self.busy}


@dataclass(frozen=True, slots=True)
class Pools:
    """Prefill and decode apart, and what is carried between them."""

    prefill: Pool
    decode: Pool
    queue_s: float
    prefill_s: float
    transfer_s: float
    transfer_bytes: float
    """Of one request, over one GPU's link: that of the side with fewer GPUs a replica."""
    link_bytes_per_s: float
    first_step_s: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "prefill": self.prefill.to_dict(),
            "decode": self.decode.to_dict(),
            "queue_s": self.queue_s,
            "prefill_s": self.prefill_s,
            "transfer_s": self.transfer_s,
            "transfer_bytes": self.transfer_bytes,
            "link_bytes_per_s": self.link_bytes_per_s,
            "first_step_s": self.first_step_s,
        }


Asked = tuple[str, int | None]
"""A GPU and the longest sequence that its server takes, of which the best is asked for."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One deployment with what it reaches under its share of the load."""

    row: Row
    """Of one replica; of the whole deployment where it has pools."""
    scenario: Scenario
    """Whose estimate the row is; of a decode replica where there are pools."""
    replicas: int
    layout: Layout
    weights: str
    kv_cache: str
    gpu_name: str
    tdp_w: float | None
    times: Times
    ratios: Mapping[Reason, float]
    """By target, and for "saturated" requests asked over requests served."""
    pools: Pools | None = None
    simulated: bool = False
    """The times are those of a run."""

    @property
    def gpus(self) -> int:
        """Of the whole deployment."""
        return self.replicas * self.each

    @property
    def each(self) -> int:
        """GPUs that the row's figures are of."""
        return self._figures.gpus

    @property
    def asked(self) -> Asked:
        """What it is one of the answers to."""
        return self.row.gpu, self.scenario.max_model_len

    @property
    def at_a_time(self) -> int | None:
        """The cap on sequences that was chosen for it; None: the engine's, or what was given."""
        return self.row.chosen.get("max_num_seqs")

    @property
    def what_if(self) -> int:
        """How many of weights and cache were asked for in a format that may not be the own one."""
        asked = (self.scenario.quantization, self.scenario.kv_cache_dtype)
        return sum(name not in (None, "auto") for name in asked)

    @property
    def binding(self) -> tuple[Reason, float] | None:
        """What is missed by most, and the ratio; None: nothing is."""
        reason = max(self.ratios, key=lambda name: self.ratios[name], default=None)
        if reason is None or self.ratios[reason] <= 1:
            return None
        return reason, self.ratios[reason]

    @property
    def distance(self) -> tuple[float, int]:
        """From the targets, and the GPUs it takes: the least is nearest."""
        missed = self.binding
        return (missed[1] if missed else 0.0), self.gpus

    @property
    def per_user(self) -> float:
        """Tokens per second that one user sees."""
        return 1 / self.times.tpot_s if self.times.tpot_s else 0.0

    @property
    def per_gpu(self) -> float:
        """Output tokens per second of one GPU, prefill included."""
        figures = self._figures
        each = figures.output_tokens_per_s / figures.requests_per_s
        return _round(self._served * each / figures.gpus)

    @property
    def requests_per_s(self) -> float:
        """Of the whole deployment."""
        return self._served * self.replicas

    @property
    def _figures(self) -> Speeds:
        assert self.row.figures is not None  # else there is no candidate
        return self.row.figures

    @property
    def _served(self) -> float:
        """Requests/s of a replica: what it is asked for, to the digit, where it keeps up."""
        serving = self._figures.serving
        asked = serving.requests_asked_per_s if serving and not serving.saturated else None
        return asked or self._figures.requests_per_s

    @property
    def expense(self) -> float:
        """$ per request; without prices, joules per request at TDP (inf: no TDP known)."""
        if self.row.cost is not None:
            return _round(self.row.cost.usd_per_hour / 3600 / self._served)
        if self.tdp_w is None:
            return math.inf
        return _round(self.tdp_w * self.each / self._served)

    @property
    def usd_per_hour(self) -> float | None:
        """Of the whole deployment; None without a price."""
        return self.row.cost.usd_per_hour * self.replicas if self.row.cost else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON: the row's own keys are of one replica, `total_gpus` and on of all."""
        return {
            **self.row.to_dict(),
            "weights": self.weights,
            "kv_cache": self.kv_cache,
            "max_model_len": self.scenario.max_model_len,
            "max_num_seqs": self.scenario.max_num_seqs,
            "replicas": self.replicas,
            "total_gpus": self.gpus,
            "total_requests_per_s": self.requests_per_s,
            "total_usd_per_hour": self.usd_per_hour,
            "ttft_s": self.times.ttft_s,
            "tpot_s": self.times.tpot_s,
            "e2e_s": self.times.e2e_s,
            "output_tokens_per_s_per_gpu": self.per_gpu,
            "pools": self.pools.to_dict() if self.pools else None,
        }

    def flat(self) -> dict[str, Any]:
        """The same as one level of columns, for CSV and frames."""
        row = self.to_dict()
        pools = row.pop("pools")
        for name in ("prefill", "decode"):
            pool = pools[name] if pools else {}
            for key in ("replicas", *WAYS):
                row[f"{name}_{key}"] = pool.get(key)
        return flattened(row)


def _round(value: float) -> float:
    """To nine digits: what differs by less is a tie."""
    return float(f"{value:.9g}")


def layouts(
    model: Model, most: int, given: Mapping[str, Sequence[int]], node: int
) -> Iterator[Layout]:
    """Layouts of a model over at most so many GPUs: powers of two, or those given of each way;
    context parallelism only where it is given.

    Experts in groups and attention data parallelism only for mixtures of experts: of a dense
    model, data parallelism is replicas. Beyond a node a stage fills nodes, and the ranks that share
    a layer stay in one, unless they are given.
    """
    experts = model.has_experts
    powers = [1 << n for n in range(most.bit_length())]
    for tp in given.get("tp") or powers:
        for dp in given.get("dp") or (powers if experts else (1,)):
            for pp in given.get("pp") or powers:
                for pcp in given.get("pcp") or (1,):
                    stage = tp * dp * pcp
                    if stage * pp > most:
                        continue
                    far = stage * pp > node and not given
                    if far and (tp > node or stage % node):
                        continue
                    groups = dict.fromkeys((1, stage)) if experts else (1,)
                    for ep in given.get("ep") or groups:
                        for dcp in given.get("dcp") or (1,):
                            yield Layout(tp, pp, ep, dp, pcp, dcp)
