"""Figures of one result that cannot all be true: said, and not graded.

    one request at a time    output tokens over the run = output length / latency
    a prompt                 is read faster, token by token, than an answer is written
    a load                   output rate = request rate x output length
    a request                latency = TTFT + (output length - 1) x TPOT: clients that count empty
                             chunks print too short a TPOT; latency and TTFT are clocks

Not here: figures against the limit (grade.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from vperf.checks.result import Result

_APART = 0.25
"""Means of ratios and ratios of means differ by as much over requests of unlike lengths."""
_LONG_TTFT_S = 2.0
"""Below, a cold start or the network may be behind a slow first token."""
_SLOWER = 0.5
"""A prompt read at less than this share of the decode rate, token by token, was not read alone."""


def consistent(result: Result) -> Result:
    """The result without the figures that others of it contradict, and with the reasons."""
    changed: dict[str, Any] = {}
    doubtful = set(result.doubtful)
    warnings = []
    for found in _found(result):
        warnings.append(found.sentence)
        changed |= found.instead
        doubtful |= set(found.doubtful)
    if not warnings:
        return result
    return replace(
        result, **changed, warnings=(*result.warnings, *warnings), doubtful=tuple(sorted(doubtful))
    )


class _Contradiction(NamedTuple):
    sentence: str
    instead: Mapping[str, float | None] = MappingProxyType({})
    """Figures as they are to be graded; None: not at all."""
    doubtful: tuple[str, ...] = ()
    """Those that prove nothing where they are above their limit."""


def _found(result: Result) -> Iterator[_Contradiction]:
    setup = result.setup
    output, latency = setup.output_len, result.latency_s
    rate, tpot, ttft = result.output_tokens_per_s, result.tpot_s, result.ttft_s
    alone = 1 in (setup.max_concurrency, setup.batch_size)
    if output is None or output <= 1:
        return
    if alone and rate and latency and _apart(rate, output / latency) and rate > output / latency:
        yield _Contradiction(
            f"figures disagree: {output:,.0f} tokens in {latency:,.1f} s are"
            f" {output / latency:,.1f} tok/s, not {rate:,.1f}",
            {"output_tokens_per_s": None},
        )
    prompt = setup.input_len
    if (
        alone and prompt and ttft and tpot and not setup.past_len
        and ttft > _LONG_TTFT_S and prompt / ttft < _SLOWER / tpot
    ):  # fmt: skip
        yield _Contradiction(
            f"TTFT counts the thinking: a prompt of {prompt:,.0f} tokens is not read in"
            f" {ttft:,.1f} s where a token is written in {tpot * 1e3:.3g} ms; the client sees no"
            " reasoning tokens, so that TTFT and TPOT are not those of the server",
            dict.fromkeys(("ttft_s", "tpot_s", "decode_tokens_per_s")),
        )
        return
    requests = result.requests_per_s
    if not alone and rate and requests and _apart(rate, requests * output):
        yield _Contradiction(
            f"figures disagree: {requests:,.3g} requests/s of {output:,.0f} tokens are"
            f" {requests * output:,.0f} tok/s, not {rate:,.0f}",
            doubtful=("output_tokens_per_s", "requests_per_s"),
        )
    if latency and ttft and tpot and _apart(latency, ttft + (output - 1) * tpot):
        whole = ttft + (output - 1) * tpot
        said = (
            f"figures disagree: TTFT and {output - 1:,.0f} x TPOT are {whole:,.3g} s, the latency"
            f" is {latency:,.3g} s"
        )
        if latency > whole:
            found = (latency - ttft) / (output - 1)
            said += f"; graded with what they leave, {found * 1e3:.3g} ms a token"
            yield _Contradiction(said, {"tpot_s": found})
        else:
            yield _Contradiction(said, doubtful=("tpot_s", "latency_s", "ttft_s"))


def _apart(one: float, other: float) -> bool:
    return not (1 / (1 + _APART) < one / other < 1 + _APART)
