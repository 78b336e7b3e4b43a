"""Two looks at a server's metrics -> one result of what it served between them.

Running and waiting sequences are gauges: the mean of several looks. Not here: the names of metrics
(engines.py), HTTP (fetch.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import fmean
from typing import Any
from urllib.parse import urlsplit

from vperf.checks.importers.record import Record
from vperf.checks.live.engines import ENGINES, OPTIONS, EngineMetrics
from vperf.checks.live.fetch import Server
from vperf.checks.live.prometheus import Metrics, Window, parse_metrics
from vperf.checks.result import Result, Setup
from vperf.errors import InputError
from vperf.sources.weight_names import quantization_named

DURATION_S = 10.0
"""How long the server is watched, where nobody says."""
_MAX_S = 3600.0
_LOOKS = 5
_FULL, _ROOMY = 0.9, 0.8
"""Shares of the cache in use: above the first it holds sequences back, below the second not."""
_FEW_USERS = 4.0
_FEW_HITS = 0.1


def is_server(source: object) -> bool:
    """Whether a source is the address of a server."""
    return isinstance(source, str) and urlsplit(source).scheme in {"http", "https"}


def read_server(
    url: str,
    duration_s: float = DURATION_S,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Result:
    """What the server at `url` served in `duration_s`.

    Raises InputError where it cannot be reached, has no metrics that vperf knows, or was idle.
    """
    if not 0 < duration_s <= _MAX_S:
        raise InputError(f"must be above 0 and at most {_MAX_S:,.0f} s", field="--duration")
    parts = urlsplit(url)
    server = Server(f"{parts.scheme}://{parts.netloc}")
    pages = tuple(f"{page}?{parts.query}" if parts.query else page for page in _PAGES)
    looks: list[Metrics] = []
    started = clock()
    for number in range(_LOOKS):
        if number:
            sleep(max(0.0, started + duration_s * number / (_LOOKS - 1) - clock()))
        looks.append(_look(server, pages))
    seconds = max(clock() - started, 1e-3)
    metrics = _engine(looks[-1], server.url)
    window = Window(looks[0], looks[-1], seconds)
    return _result(server, metrics, window, looks)


_PAGES = ("/metrics", "/prometheus/metrics")
"""TensorRT-LLM has JSON at the first."""


def _look(server: Server, pages: tuple[str, ...]) -> Metrics:
    """Of the first page that has metrics. A router in front of several llama-servers wants
    "?model=NAME" in the address."""
    seen = False
    for page in pages:
        text = server.text(page)
        seen = seen or text is not None
        if text is not None and (metrics := parse_metrics(text)).samples:
            return metrics
    if seen:
        return Metrics({})
    raise InputError(
        "has no /metrics", source=server.url,
        hint="llama-server needs --metrics (behind its router: ?model=NAME in the address), SGLang"
        " --enable-metrics",
    )  # fmt: skip


def _engine(metrics: Metrics, url: str) -> EngineMetrics:
    found = next((each for each in ENGINES if metrics.has(each.namespace)), None)
    if found is None:
        names = ", ".join(each.name for each in ENGINES)
        raise InputError(f"its metrics are of none of {names}", source=url)
    return found


def _result(server: Server, names: EngineMetrics, window: Window, looks: list[Metrics]) -> Result:
    generated = window.grew(*names.generated_tokens)
    if not generated:
        raise InputError(
            f"generated nothing in {window.seconds:,.0f} s", source=server.url,
            hint="send it requests meanwhile, or watch it for longer with --duration",
        )  # fmt: skip
    running = _gauge(looks, *names.running)
    waiting = _gauge(looks, *names.waiting)
    prompts, ended = window.grew(*names.prompt_tokens), window.grew(*names.requests)
    input_len = window.mean(*names.prompt_length) or _ratio(prompts, ended)
    output_len = window.mean(*names.output_length) or _ratio(generated, ended)
    notes = [
        f"{names.name} watched for {window.seconds:,.3g} s: means of that time",
        f"{running:.3g} sequences running, {waiting:.3g} waiting on average",
    ]
    setup, more = _about(server, names, window.last)
    notes += more
    tpot = window.mean(*names.tpot)
    if tpot is None and (decoding := window.grew(*names.decode_seconds)):
        # Seconds are summed over the slots: time of a token of each.
        tpot = decoding / generated
    prompting = window.grew(*names.prompt_seconds)
    rate = generated / window.seconds
    setup = replace(
        setup,
        engine=names.engine,
        input_len=input_len,
        output_len=output_len,
        max_concurrency=max(1.0, running + waiting),
        mean_concurrency=running + waiting,
        requests=int(ended) if ended else None,
        duration_s=window.seconds,
        prefix_cache_hit=_hit(names, window),
        acceptance_length=_accepted(names, window),
    )
    return Result(
        tool=f"{names.name} server",
        label="",
        setup=setup,
        ttft_s=window.mean(*names.ttft),
        tpot_s=tpot,
        output_tokens_per_s=rate,
        prefill_tokens_per_s=prompts / prompting if prompts and prompting else None,
        latency_s=window.mean(*names.latency),
        requests_per_s=ended / window.seconds if ended else None,
        percentiles=tuple(_percentiles(names, window)),
        notes=tuple(notes),
        warnings=tuple(_held_back(names, window, running, waiting)),
    )


def _gauge(looks: list[Metrics], *names: str) -> float:
    values = [value for look in looks if (value := look.total(*names)) is not None]
    return fmean(values) if values else 0.0


def _ratio(total: float | None, count: float | None) -> float | None:
    return total / count if total and count else None


def _hit(names: EngineMetrics, window: Window) -> float | None:
    queries, hits = window.grew(*names.prefix_queries), window.grew(*names.prefix_hits)
    if queries and hits is not None:
        return min(0.999, hits / queries)
    rate = window.last.total(*names.prefix_rate) if names.prefix_rate else None
    return None if rate is None else min(0.999, rate)


def _accepted(names: EngineMetrics, window: Window) -> float | None:
    drafts, accepted = window.grew(*names.drafts), window.grew(*names.accepted)
    if drafts and accepted is not None:
        return 1 + accepted / drafts
    length = window.last.total(*names.acceptance_length) if names.acceptance_length else None
    return length if length and length > 1 else None


def _percentiles(names: EngineMetrics, window: Window) -> Iterator[tuple[str, float]]:
    for metric, histogram in (
        ("ttft", names.ttft), ("tpot", names.tpot), ("latency", names.latency),
    ):  # fmt: skip
        for rank, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
            value = window.percentile(share, *histogram)
            if value:
                yield f"{rank}_{metric}_s", value


def _held_back(
    names: EngineMetrics, window: Window, running: float, waiting: float
) -> Iterator[str]:
    """What bounds the server now, in words."""
    use = window.last.average(*names.cache_use)
    full = f" with the KV cache {use:.0%} full" if use is not None else ""
    if waiting >= 1 and (use is None or use < _ROOMY):
        option = f": {names.cap} bounds it" if names.cap else ""
        yield f"{waiting:.0f} wait while {running:.0f} run{full}{option}"
    elif waiting >= 1:
        yield f"{waiting:.0f} wait while {running:.0f} run{full}: room in the cache bounds it"
    elif use is not None and use >= _FULL:
        yield f"the KV cache is {use:.0%} full: more users would wait"
    elif running <= _FEW_USERS:
        yield f"few users: {running:.2g} sequences at a time, so that weights are read for few"
    hit = _hit(names, window)
    if hit is not None and hit < _FEW_HITS:
        yield f"the prefix cache finds {hit:.0%} of the prompts' tokens"


def _about(server: Server, names: EngineMetrics, metrics: Metrics) -> tuple[Setup, list[str]]:
    """Model, version and options, from the pages that the engine has."""
    notes: list[str] = []
    setup = Setup(model=_model(server, names, metrics))
    version = server.json("/version")
    if isinstance(version, dict) and isinstance(version.get("version"), str):
        setup = replace(setup, engine_version=version["version"])
    if names.engine == "sglang":
        info = server.json("/get_server_info") or server.json("/server_info")
        if isinstance(info, dict):
            setup = _sglang(setup, Record(server.url, info), notes)
    elif names.name == "TGI":
        info = server.json("/info")
        if isinstance(info, dict):
            record = Record(server.url, info)
            setup = replace(
                setup, model=_word(info, "model_id") or setup.model,
                engine_version=_word(info, "version"),
                quantization=quantization_named(_word(info, "quantize"), notes),
                max_batch=record.degree("max_concurrent_requests"),
            )  # fmt: skip
    elif names.engine == "llama.cpp":
        props = server.json("/props")
        if isinstance(props, dict):
            slots = props.get("total_slots")
            setup = replace(
                setup, model=_word(props, "model_path") or setup.model,
                engine_version=_word(props, "build_info"),
                max_batch=slots if isinstance(slots, int) and slots > 0 else None,
            )  # fmt: skip
    batch, tokens = metrics.total(*names.max_batch), metrics.total(*names.max_batched_tokens)
    if batch and setup.max_batch is None:
        setup = replace(setup, max_batch=round(batch))
    if tokens and setup.max_batched_tokens is None:
        setup = replace(setup, max_batched_tokens=round(tokens))
    dtype = metrics.label("cache_dtype", "vllm:cache_config_info")
    if dtype and dtype != "auto":
        setup = replace(setup, kv_cache_dtype=dtype)
    return setup, notes


def _sglang(setup: Setup, info: Record, notes: list[str]) -> Setup:
    found: dict[str, Any] = {}
    for key, field in OPTIONS.items():
        value = info.get(key)
        if field in {"quantization", "kv_cache_dtype"}:
            if isinstance(value, str) and value != "auto":
                found[field] = value
        elif isinstance(value, int) and not isinstance(value, bool) and value > 0:
            found[field] = value
    if "quantization" in found:
        found["quantization"] = quantization_named(found["quantization"], notes)
    return replace(
        setup, model=_word(info.values, "model_path") or setup.model,
        engine_version=_word(info.values, "version") or setup.engine_version, **found,
    )  # fmt: skip


def _model(server: Server, names: EngineMetrics, metrics: Metrics) -> str | None:
    """What /v1/models serves: its root, which vLLM gives where the name is an alias."""
    answer = server.json("/v1/models")
    models = answer.get("data") if isinstance(answer, dict) else None
    first = models[0] if isinstance(models, list) and models else None
    if isinstance(first, dict):
        for key in ("root", "id"):
            if isinstance(first.get(key), str) and first[key].strip():
                return str(first[key]).strip()
    return metrics.label("model_name", *names.running, *names.waiting) or metrics.label(
        "model", *names.running, *(f"{name}_total" for name in names.requests)
    )


def _word(values: Any, key: str) -> str | None:
    value = values.get(key)
    return value.strip() if isinstance(value, str) and value.strip() else None
