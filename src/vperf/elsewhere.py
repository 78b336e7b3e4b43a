"""What was typed of prompts that are not read where they are decoded -> Kept, Ahead.

    --kv-offload host|disk|RATE    a cache beyond the card; --kv-offload-hit, --kv-offload-size
    --prefill-gpu [Nx]NAME         cards of their own read the prompts; --node-link between both
    --encoder-gpu [Nx]NAME         the same of those that encode images and sounds

Not here: what that takes (serving/elsewhere.py).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vperf.errors import InputError, VperfError
from vperf.hardware.gpu import Gpu
from vperf.model.model import Model
from vperf.model.placement import undivided
from vperf.model.vision import Encoder
from vperf.places import default_host, host_named
from vperf.scenario import ELSEWHERE, MEDIA, OF_LOADS, PLACING, Scenario
from vperf.serving.elsewhere import LINK_SHARE, Kept
from vperf.serving.encoding import Apart, Encoding, tower_on
from vperf.sources.gpus import load_gpu, several
from vperf.spelling import flag
from vperf.timing.collectives import PCIE_UNKNOWN
from vperf.timing.compiled import Compiled
from vperf.timing.placed import link_of
from vperf.timing.step import Card
from vperf.units import parse_bandwidth

DISK_BYTES_PER_S = 7e9
"""Sequential reads of one PCIe 4.0 x4 drive, as datasheets have them."""
NETWORK_BYTES_PER_S = 50e9
"""A port of 400 Gbit/s for each card, as the plan takes it."""
_GIB = 2.0**30
_OF_RUNS = (*OF_LOADS, "sessions", "trace")
"""Of what a load finds on the card, and of its simulated run, which has no cache beyond it."""


def check(scenario: Scenario, compiled: Compiled) -> None:
    """InputError for what means nothing, or is not understood beside such prompts."""
    if scenario.encoder_gpu is not None:
        _check_encoder(scenario, compiled)
        return
    if scenario.kv_offload is None:
        for name in ("kv_offload_hit", "kv_offload_size"):
            if getattr(scenario, name) is not None:
                raise InputError(
                    "is of a cache beyond the card", field=name.replace("_", "-"),
                    hint=f"add {flag('kv_offload')} host",
                )  # fmt: skip
    elif scenario.prefill_gpu is not None:
        raise InputError(f"is not understood with {flag('prefill_gpu')}", field="kv-offload")
    field = "kv-offload" if scenario.kv_offload is not None else "prefill-gpu"
    model, gpu = compiled.model, compiled.card.gpu
    for name in _OF_RUNS if scenario.served else ():
        if getattr(scenario, name) and (name, field) != ("prefix_cache_hit", "prefill-gpu"):
            raise InputError(f"is not understood with {flag(field.replace('-', '_'))}",
                             field=name.replace("_", "-"))  # fmt: skip
    if not model.generates or model.encoder:
        raise InputError("is of a decoder that generates tokens", field=field)
    if model.drafter is not None and model.diffuses:
        raise InputError("is not understood with denoised blocks", field=field)
    placed = compiled.places is not None and compiled.places.placement is not None
    if placed or gpu.beside or gpu.is_host:
        raise InputError("is not understood with layers on several places", field=field)
    if model.parallel.pipeline > 1 and field == "prefill-gpu":
        raise InputError("is not understood with pipeline stages", field=field)


def _check_encoder(scenario: Scenario, compiled: Compiled) -> None:
    """The same of cards that encode images and sounds."""
    for name in ("kv_offload", "kv_offload_hit", "kv_offload_size", "prefill_gpu"):
        if getattr(scenario, name) is not None:
            raise InputError(f"is not understood with {flag(name)}", field="encoder-gpu")
    for name in _OF_RUNS[1:] if scenario.served else ():
        if getattr(scenario, name):
            raise InputError(f"is not understood with {flag('encoder_gpu')}",
                             field=name.replace("_", "-"))  # fmt: skip
    if not compiled.model.generates:
        raise InputError("is of a decoder that generates tokens", field="encoder-gpu")
    if not any(getattr(scenario, name) for name in MEDIA):
        raise InputError(
            "has nothing to encode", field="encoder-gpu",
            hint=f"give {flag('image')}, {flag('audio')} or {flag('video')}",
        )  # fmt: skip


def encoded_by(
    scenario: Scenario, encoder: Encoder, encoding: Encoding, after: Compiled
) -> Encoding:
    """The media of a request on cards of their own, one request on each at a time. Raises
    InputError."""
    count, name = several(scenario.encoder_gpu or "")
    gpu, engine = load_gpu(name), after.card.engine
    alone = replace(encoder, model=undivided(encoder.model))
    sent = 2.0 * after.model.hidden * encoding.tokens
    link = between(scenario, gpu, after.card.gpu)
    tower = tower_on(alone, Card(gpu, engine))
    return Encoding(tower, encoding.parts, Apart(count, sent, link))


def kept_of(scenario: Scenario, compiled: Compiled) -> Kept | None:
    """The cache beyond the card. Raises InputError."""
    place, hit, size = scenario.kv_offload, scenario.kv_offload_hit, scenario.kv_offload_size
    if place is None:
        return None
    if hit is not None and not 0 <= hit <= 1:
        raise InputError(f"must be from 0 to 1, not {hit!r}", field="kv-offload-hit")
    if size is not None and size <= 0:
        raise InputError(f"must be above 0, not {size:g}", field="kv-offload-size")
    gpu, gpus = compiled.card.gpu, compiled.model.parallel.gpus
    name, share = place.strip().lower(), LINK_SHARE
    if name in ("host", "disk"):
        if gpu.memory_class in ("Apple", "unified") and name == "host":
            raise InputError(f"the memory of {gpu.name} is the host's own", field="kv-offload")
        host = host_named(scenario, gpu) or default_host(gpu)
        rate = min(link_of(gpu, host), host.memory_bandwidth / gpus)
        if name == "disk":
            rate = min(rate, DISK_BYTES_PER_S / gpus)
        elif (use := compiled.card.engine.host) is not None and use.link_share < 1:
            share = use.link_share
    else:
        try:
            rate = parse_bandwidth(place)
        except VperfError:
            raise InputError(
                f"must be host, disk or a rate, not {place!r}", field="kv-offload"
            ) from None
    return Kept(name, rate, share, hit, None if size is None else size * _GIB)


def reading(scenario: Scenario) -> Scenario:
    """The scenario of the cards that read the prompts."""
    count, name = several(scenario.prefill_gpu or "")
    if count % scenario.pcp:
        raise InputError(
            f"{scenario.pcp} groups do not divide the {count} cards that read",
            field="prefill-context-parallel-size",
        )
    ways: dict[str, Any] = {"tp": count // scenario.pcp, "pp": 1, "dp": 1, "ep": 1, "dcp": 1}
    cleared = dict.fromkeys((*ELSEWHERE, "max_concurrency", "request_rate"))
    changed: dict[str, Any] = {**cleared, **ways, "gpu": name, "gpu_file": None, "peak": (),
                               "prefix_cache_hit": 0.0,
                               "memory_bandwidth": None, "memory": None}  # fmt: skip
    if scenario.gives(PLACING):
        raise InputError("is not understood with weights on the host", field="prefill-gpu")
    return replace(scenario, **changed)


def between(scenario: Scenario, first: Gpu, second: Gpu) -> float:
    """Bytes per second from a card that reads prompts to one that decodes."""
    port = NETWORK_BYTES_PER_S
    if scenario.node_link is not None:
        port = parse_bandwidth(scenario.node_link)
    return min(port, *(gpu.pcie_bytes_per_s or PCIE_UNKNOWN for gpu in (first, second)))


def same_cache(first: Model, second: Model) -> None:
    """InputError where one side's cache means nothing to the other."""
    if first.cache.bytes_per_element != second.cache.bytes_per_element:
        raise InputError(
            "both kinds of card must keep the cache in one format", field="prefill-gpu",
            hint=f"give {flag('kv_cache_dtype')}",
        )  # fmt: skip
