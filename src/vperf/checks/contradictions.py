"""Figures of one result that cannot all be true: said, and not graded.

    one request at a time    output tokens over the run = output length / latency
    a prompt                 is read faster, token by token, than an answer is written
    a load                   output rate = request rate x output length
    a request                latency = TTFT + (output length - 1) x TPOT

Not here: figures against the limit (grade.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vperf.checks.result import Result

_APART = 0.25
"""Means of ratios and ratios of means differ by as much over requests of unlike lengths."""
_LONG_TTFT_S = 2.0
"""Below, a cold start or the network may be behind a slow first token."""
_SLOWER = 0.5
"""A prompt read at less than this share of the decode rate, token by token, was not read alone."""


def consistent(result: Result) -> Result:
    """The result without the figures that others of it contradict, and with the reasons."""
    dropped: dict[str, None] = {}
    warnings = []
    for names, sentence in _found(result):
        warnings.append(sentence)
        dropped |= dict.fromkeys(names)
    if not warnings:
        return result
    return replace(result, **dropped, warnings=(*result.warnings, *warnings))  # type: ignore[arg-type]


def _found(result: Result) -> Iterator[tuple[tuple[str, ...], str]]:
    """(figures that are not to be graded, why)."""
    setup = result.setup
    output, latency = setup.output_len, result.latency_s
    rate, tpot, ttft = result.output_tokens_per_s, result.tpot_s, result.ttft_s
    alone = 1 in (setup.max_concurrency, setup.batch_size)
    if output is None or output <= 1:
        return
    if alone and rate and latency and _apart(rate, output / latency) and rate > output / latency:
        yield (
            ("output_tokens_per_s",),
            f"figures disagree: {output:,.0f} tokens in {latency:,.1f} s are"
            f" {output / latency:,.1f} tok/s, not {rate:,.1f}",
        )
    prompt = setup.input_len
    if (
        alone and prompt and ttft and tpot and not setup.past_len
        and ttft > _LONG_TTFT_S and prompt / ttft < _SLOWER / tpot
    ):  # fmt: skip
        yield (
            ("ttft_s", "tpot_s", "decode_tokens_per_s"),
            f"TTFT counts the thinking: a prompt of {prompt:,.0f} tokens is not read in"
            f" {ttft:,.1f} s where a token is written in {tpot * 1e3:.3g} ms; the client sees no"
            " reasoning tokens, so that TTFT and TPOT are not those of the server",
        )
        return
    requests = result.requests_per_s
    if not alone and rate and requests and _apart(rate, requests * output):
        yield (
            (),
            f"figures disagree: {requests:,.3g} requests/s of {output:,.0f} tokens are"
            f" {requests * output:,.0f} tok/s, not {rate:,.0f}",
        )
    if latency and ttft and tpot and _apart(latency, ttft + (output - 1) * tpot):
        yield (
            (),
            f"figures disagree: TTFT and {output - 1:,.0f} x TPOT are"
            f" {ttft + (output - 1) * tpot:,.3g} s, the latency is {latency:,.3g} s",
        )


def _apart(one: float, other: float) -> bool:
    return not (1 / (1 + _APART) < one / other < 1 + _APART)
