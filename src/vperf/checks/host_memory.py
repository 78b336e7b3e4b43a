"""Layers or experts in the host's memory: those that do not fit a card, or as many as would do.

Where they explain no more than a part, the rate at which that memory would have to be read is
solved for. Not here: how such a placement is timed (timing/placed.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from vperf.answer import Estimate
from vperf.checks.case import MATCH_TOLERANCE, MIN_SLOWDOWN, Case, Suspect
from vperf.checks.faults import ms
from vperf.deployment import Deployment
from vperf.errors import VperfError
from vperf.estimate import estimate
from vperf.hardware.commands import switch

_BYTES_PER_S = (2e9, 900e9)
"""Memory of hosts, from one channel of DDR4 or a disk's cache to two sockets of twelve channels."""
_SLOWLY = (
    ", which is read slowly (memory of the other socket, NUMA; empty channels; more threads than"
    " cores; PCIe)"
)


def in_host_memory(case: Case) -> Iterator[Suspect]:
    """What of the model may lie there."""
    use = case.engine.host
    if use is None or case.gpu.is_host or case.falls[0].metric != "tpot_s":
        return
    if use.offloads == "weights":
        yield from _weights(case)
    elif case.at.compiled.places is not None:
        yield from _slower_than_taken(case)
    elif case.at.model.has_experts or use.offloads == "layers":
        yield from _left_there(case)


def _weights(case: Case) -> Iterator[Suspect]:
    if not case.answer.memory.fits:
        yield Suspect(
            "host-weights", "suspect",
            "weights in the host's memory, read over PCIe: the model does not fit the card",
            odds=0.5,
        )  # fmt: skip


def _slower_than_taken(case: Case) -> Iterator[Suspect]:
    """Layers that are said to be there."""
    moved, on_host = _on_host(case.at, case.answer)
    spent = on_host + case.excess_s
    if on_host > case.answer.decode.expected_s / 2 and spent > 0:
        yield Suspect(
            "host-memory", "suspect", f"the host's memory{_SLOWLY}",
            f"{moved / spent / 1e9:,.3g} GB/s of it would do", command="numactl --hardware",
            gain=case.slowdown, odds=0.75,
        )  # fmt: skip


def _left_there(case: Case) -> Iterator[Suspect]:
    """As many layers, or experts of layers, as have no room, or as would take what was measured."""
    fits, main = case.answer.memory.fits, case.falls[0]
    if fits and _all_on_card(case):
        return
    layers = case.at.model.layer_count
    count = max(0 if fits else _outside(case), _count(case))
    predicted = case.predict(_options(case, count), case.falls[:1])
    if predicted is None:
        return
    off = predicted[0] / main.measured_s - 1
    near = abs(off) <= MATCH_TOLERANCE
    rate = None if near else _rate(case, count)
    if fits and not near and rate is None:
        return
    of = "the experts of " if case.at.model.has_experts else ""
    slowly = _SLOWLY if rate is not None and off < 0 else ""
    why = "" if fits else ": the model does not fit the card"
    evidence = f"{rate / 1e9:,.3g} GB/s of the host's memory would do" if rate else ""
    if near:
        evidence = f"TPOT {ms(predicted[0])} predicted, {ms(main.measured_s)} measured"
    doubtful = case.ratios.get("ttft_s", 0.0) >= MIN_SLOWDOWN or case.at.model.parallel.gpus > 1
    yield Suspect(
        "experts-on-host" if of else "offload", "suspect",
        f"{of}{count} of {layers} layers are in the host's memory (CPU){slowly}{why}", evidence,
        predicted[0] if near else None, off if near else None,
        switch(case.engine, "offload") if fits else "", case.slowdown if fits else None,
        0.95 if not fits else 0.42 if doubtful else 0.55,
    )  # fmt: skip


def _all_on_card(case: Case) -> bool:
    """Whether the file says that nothing was left to the host."""
    said = case.setup.weight_bytes is not None  # llama-bench, whose -ngl is all unless it is said
    setup = case.setup
    moved = (setup.n_gpu_layers, setup.n_cpu_moe, setup.override_tensor)
    return said and moved == (None,) * 3


def _options(case: Case, count: int) -> dict[str, int]:
    if case.at.model.has_experts:
        return {"n_cpu_moe": count}
    return {"n_gpu_layers": case.at.model.layer_count + 1 - count}


def _outside(case: Case) -> int:
    """Layers of weights that the cards have no room for."""
    memory, layers = case.answer.memory, case.at.model.layer_count
    over = memory.total_bytes - memory.capacity_bytes * memory.utilization
    return min(layers, max(1, -int(-layers * over // memory.weight_bytes)))


def _count(case: Case) -> int:
    """As many as would take what was measured."""
    low, high = 0, case.at.model.layer_count
    main = case.falls[:1]
    while high - low > 1:
        middle = (low + high) // 2
        there = case.predict(_options(case, middle), main)
        slower = there is not None and there[0] < main[0].measured_s
        low, high = (middle, high) if slower else (low, middle)
    return high


def _rate(case: Case, count: int) -> float | None:
    """Bytes a second at which the host would be read; None where no host is."""
    try:
        other = case.resolver.what_if(case.at, **_options(case, count))
        answer = estimate(other)
    except VperfError:
        return None
    moved, on_host = _on_host(other, answer)
    spent = case.falls[0].measured_s - (answer.decode.expected_s - on_host)
    rate = moved / spent if spent > 0 else 0.0
    return rate if _BYTES_PER_S[0] <= rate <= _BYTES_PER_S[1] else None


def _on_host(at: Deployment, answer: Estimate) -> tuple[float, float]:
    """Bytes and expected seconds of a decode step that are the host's."""
    places = at.compiled.places
    name = next((place.name for place in places.places if place.host), "") if places else ""
    near = [op for op in answer.decode.ops if op.place == name]
    return sum(op.bytes for op in near), sum(op.expected_s for op in near)
