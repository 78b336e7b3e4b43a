"""One file a benchmark tool: its result files as `checks.result.Result`s."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from vperf.checks.contradictions import consistent
from vperf.checks.importers import (
    aiperf,
    bench_sh,
    engine_log,
    evalscope,
    guidellm,
    guidellm_2024,
    inference_perf,
    inferencex,
    labelled,
    llama_batched,
    llama_bench,
    llama_benchy,
    llama_timings,
    llmperf,
    lmdeploy,
    lmstudio,
    localscore,
    mlperf,
    mlx_lm,
    ollama,
    optimum,
    per_answer,
    sglang_batch,
    sglang_offline,
    sglang_serving,
    tgi_benchmark,
    trtllm_bench,
    vllm_offline,
    vllm_serve,
)
from vperf.checks.importers.document import Document, load, parse
from vperf.checks.importers.recognise import (
    Format,
    JsonFormat,
    Reading,
    TextFormat,
    UnknownTextError,
    read_document,
)
from vperf.checks.result import Result
from vperf.errors import InputError, VperfError
from vperf.units import is_moderate

FORMATS: tuple[Format, ...] = (
    *aiperf.FORMATS,
    *bench_sh.FORMATS,
    *engine_log.FORMATS,
    *evalscope.FORMATS,
    *guidellm.FORMATS,
    *guidellm_2024.FORMATS,
    *inference_perf.FORMATS,
    *inferencex.FORMATS,
    *labelled.FORMATS,
    *llama_batched.FORMATS,
    *llama_bench.FORMATS,
    *llama_benchy.FORMATS,
    *llama_timings.FORMATS,
    *llmperf.FORMATS,
    *lmdeploy.FORMATS,
    *lmstudio.FORMATS,
    *localscore.FORMATS,
    *mlperf.FORMATS,
    *mlx_lm.FORMATS,
    *ollama.FORMATS,
    *optimum.FORMATS,
    *per_answer.FORMATS,
    *sglang_batch.FORMATS,
    *sglang_offline.FORMATS,
    *sglang_serving.FORMATS,
    *tgi_benchmark.FORMATS,
    *trtllm_bench.FORMATS,
    *vllm_offline.FORMATS,
    *vllm_serve.FORMATS,
)
"""Those that ship, in no order: exactly one may recognise a file."""

GROUP = "vperf.importers"
"""Entry points of other packages: modules with FORMATS, as the files here."""


@cache
def formats() -> tuple[Format, ...]:
    """Those that ship and those of other packages.

    Raises VperfError naming a package whose importer cannot be loaded.
    """
    from importlib.metadata import entry_points  # noqa: PLC0415  (10 ms, which check alone needs)

    found = list(FORMATS)
    for point in entry_points(group=GROUP):
        package = point.dist.name if point.dist else point.value
        try:
            theirs = tuple(point.load().FORMATS)
        except Exception as error:
            raise VperfError(
                f"the importer {point.name!r} of {package} cannot be loaded: {error}",
                hint=f"update {package}, or uninstall it",
            ) from error
        if not all(isinstance(each, JsonFormat | TextFormat) for each in theirs):
            raise VperfError(
                f"the importer {point.name!r} of {package} has FORMATS that are no formats",
                hint=f"update {package}, or uninstall it",
            )
        found += theirs
    return tuple(found)


def read_results(source: str | Path) -> tuple[Result, ...]:
    """Every result in a file, or in standard input for "-"; at least one.

    Raises InputError, which names the file and the field, for what cannot be read, is no format
    known, is cut off, or holds no measurement.
    """
    return results_of(load(source))


def results_in(values: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> tuple[Result, ...]:
    """As read_results, of what the JSON of a file holds."""
    try:
        text = json.dumps(values)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"is not what JSON holds: {error}", source="the result") from None
    return results_of(parse(text, "the result"))


def results_of(document: Document) -> tuple[Result, ...]:
    """As read_results, of what was read before."""
    try:
        reading = read_document(document, formats())
    except UnknownTextError:
        from vperf.checks.prose import read_words  # noqa: PLC0415  (only where nothing else reads)

        told = read_words(document.plain)
        if not told:
            raise
        reading = Reading(told, ())
    results, left_out = [], [*reading.left_out]
    for result in reading.results:
        try:
            _check(result, document)
        except InputError as error:
            left_out.append(error)
        else:
            results.append(consistent(result))
    if not results:
        raise left_out[0]
    if left_out:
        shown = "; ".join(_without_source(error) for error in left_out[:_SHOWN])
        more = f"; and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else ""
        said = f"{len(left_out)} of the file could not be read and are left out: {shown}{more}"
        if len(left_out) == 1:
            said = f"left out: {shown}"
        results[0] = replace(results[0], warnings=(*results[0].warnings, said))
    return _told_apart(tuple(results))


_SHOWN = 3
"""Of what was left out, that many are named."""


def _without_source(error: InputError) -> str:
    return error.message.removeprefix(f"{error.source}: ") if error.source else error.message


_PLACE = re.compile(r"(?:(?:result|line|item|run|table|report) \d+ ?)*")
"""A label that says no more than where in the file a result stands."""

_SAYS: Mapping[str, str] = {
    "max_concurrency": "{:g} users", "request_rate": "{:g} req/s", "batch_size": "batch {:g}",
    "input_len": "{:,.0f} in", "output_len": "{:,.0f} out", "tp": "tp {}",
    "engine_version": "{}", "model": "{}", "gpu": "{}", "quantization": "{}",
    "kv_cache_dtype": "{} cache", "requests": "{:,} requests",
}  # fmt: skip
"""Fields of a setup that tell runs of a file apart, and how they are said; the load first."""


def _told_apart(results: tuple[Result, ...]) -> tuple[Result, ...]:
    """Results of one label, or of none but their place, by what of their setups differs."""
    found = list(results)
    labels = Counter(result.label for result in results)
    places = [i for i, result in enumerate(results) if _PLACE.fullmatch(result.label)]
    if len(places) > 1:
        for number, words in zip(places, _differences([results[i] for i in places]), strict=True):
            if words:
                found[number] = replace(results[number], label=words)
    for label in (label for label, count in labels.items() if count > 1):
        alike = [number for number, result in enumerate(results) if result.label == label]
        if label and _PLACE.fullmatch(label):
            continue
        differences = _differences([results[number] for number in alike])
        for place, number in enumerate(alike):
            if found[number].label == label:
                says = differences[place] or str(place + 1)
                label_now = f"{label} ({says})" if label else f"({says})"
                found[number] = replace(results[number], label=label_now)
    return tuple(found)


def _differences(results: Sequence[Result]) -> list[str]:
    """Words that tell each from the others, of as few fields as do; empty where none do."""
    setups = [result.setup for result in results]
    said: list[tuple[str, ...]] = [()] * len(results)
    for name, form in _SAYS.items():
        values = [getattr(setup, name) for setup in setups]
        if len(set(values)) < 2:
            continue
        words = ["" if value is None else form.format(value) for value in values]
        if len({(*before, word) for before, word in zip(said, words, strict=True)}) == len(
            set(said)
        ):
            continue
        said = [(*before, word) for before, word in zip(said, words, strict=True)]
        if len(set(said)) == len(said):
            return [", ".join(filter(None, each)) for each in said]
    return [""] * len(results)


def _check(result: Result, document: Document) -> None:
    """What no importer may let through: no figure, or one that arithmetic broke."""
    source = document.source
    if not result.measured:
        raise InputError(f"holds no figures of {result.tool}", source=source, field=result.label)
    for name, value in result.measured.items():
        if not is_moderate(value):
            raise InputError(f"{value} is not a measurement", source=source, field=name)
