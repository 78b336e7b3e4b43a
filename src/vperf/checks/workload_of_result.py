"""How the requests of a measured result came, and how long they were.

    concurrency 1, a batch      equal requests that start together
    more users, a request rate  a served load, in a closed or an open loop
    all requests at once        as many users, up to what an engine runs at a time
    few of many in flight       as many users: they did not come at once, whatever is not said

Not here: what they ran on (scenario_of_result.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vperf.checks.importers.labelled import OWN
from vperf.checks.result import Result
from vperf.checks.unsaid_setup import BY_HAND, MissingSetupError, Notes, compare
from vperf.notes import Note
from vperf.scenario import Scenario
from vperf.spelling import as_flag, flag

LOAD = ("batch_size", "max_concurrency", "request_rate")


_MAX_PROMPTS = 10_000
"""Of a run that is simulated: longer ones are steady."""


def load_of(result: Result, asked: dict[str, Any], warnings: Notes, notes: Notes) -> None:
    """How many requests at a time: what is given replaces what the result says as a whole."""
    setup = result.setup
    said: dict[str, Any] = {
        name: value
        for name in LOAD
        if (value := getattr(setup, name)) is not None and math.isfinite(value)
    }
    if any(name in asked for name in LOAD):
        for name in LOAD:
            if name in asked:
                compare(name, asked[name], said.get(name), warnings)
    else:
        _said_load(result, said, asked, warnings, notes)
    users = asked.get("max_concurrency")
    if users is not None:
        asked["max_concurrency"] = max(1, round(users))
        if asked["max_concurrency"] == 1:
            del asked["max_concurrency"]
            asked["batch_size"] = 1
            notes.append(Note("one_user"))
    if asked.get("batch_size") is not None:
        asked["batch_size"] = max(1, round(asked["batch_size"]))


def _said_load(
    result: Result, said: dict[str, Any], asked: dict[str, Any], warnings: Notes, notes: Notes
) -> None:
    """The load as the result says it, and as it bounds itself."""
    setup = result.setup
    if (batch := said.get("batch_size")) is not None and not (1 < batch == setup.requests):
        asked["batch_size"] = batch
    elif "max_concurrency" in said:
        asked["max_concurrency"] = users = said["max_concurrency"]
        if setup.requests and "request_rate" in said:
            asked["request_rate"] = said["request_rate"]
        if setup.max_batch and setup.max_batch < users:
            waiting = users - setup.max_batch
            warnings.append(Note("capped", most=setup.max_batch, waiting=waiting))
    elif "request_rate" in said:
        flight = _in_flight(result)
        if setup.requests or flight is None or _is_steady(result, said["request_rate"]):
            asked["request_rate"] = said["request_rate"]
        else:
            asked["max_concurrency"] = max(1, round(flight))
            warnings.append(_never_steady(result, flight))
    elif (spread_out := _spread_out(result)) is not None:
        asked["max_concurrency"] = spread_out
        note = Note("not_at_once", requests=setup.requests, flight=spread_out)
        warnings.append(note)
    elif (setup.requests or 1) > 1:
        asked["request_rate"] = math.inf
        notes.append(Note("sent_at_once", requests=setup.requests))
    elif _of_a_run(result) and result.tool not in BY_HAND:
        what = "how many sequences ran at a time"
        raise MissingSetupError(
            f"the result of {result.tool} does not say {what}",
            what, f"{flag('batch_size')} or {flag('max_concurrency')}",
        )  # fmt: skip


def _spread_out(result: Result) -> int | None:
    """Requests in flight on average, where nobody says how they came and so few of all prove that
    it was not all at once."""
    setup = result.setup
    flight = _in_flight(result) if setup.batch_size is None else None
    if flight is None or not setup.requests or not 1 <= flight < _AT_ONCE * setup.requests:
        return None
    return max(1, round(flight))


_AT_ONCE = 0.25
"""Of requests that are sent at once, half are in flight on average, more where all run."""


def run_of(result: Result, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The requests of the run that is graded, where the result counts them."""
    setup, found = result.setup, dict[str, Any]()
    if (setup.requests or 0) > 1:
        found["num_prompts"] = min(setup.requests or 1, _MAX_PROMPTS)
    if setup.burstiness is not None and asked.get("request_rate", math.inf) != math.inf:
        found["burstiness"] = setup.burstiness
    if ranks := [
        n[1:] for n in (name.split("_")[0] for name, _ in result.percentiles) if n[0] == "p"
    ]:
        found["metric_percentiles"] = ",".join(sorted({*ranks, "50", "90", "99"}, key=float))
    return found


def _in_flight(result: Result) -> float | None:
    """Requests between their start and end at a time: as counted, or by Little's law."""
    setup, latency = result.setup, result.latency_s
    if setup.mean_concurrency is not None:
        return setup.mean_concurrency
    rate = result.requests_per_s
    if rate is None and setup.requests and setup.duration_s:
        rate = setup.requests / setup.duration_s
    if latency is None and result.ttft_s and result.tpot_s and setup.output_len:
        latency = result.ttft_s + (setup.output_len - 1) * result.tpot_s
    return None if rate is None or latency is None else rate * latency


def as_users(result: Result, asked: dict[str, Any], warnings: Notes) -> None:
    """As many users as were in flight, where how fast they are answered at a rate is not known."""
    flight = _in_flight(result)
    if flight is None or not math.isfinite(asked.get("request_rate", math.inf)):
        return
    del asked["request_rate"]
    asked["max_concurrency"] = max(1, round(flight))
    warnings.append(_never_steady(result, flight))


def _never_steady(result: Result, flight: float) -> Note:
    setup = result.setup
    peak = setup.peak_concurrency
    return Note("never_steady", requests=setup.requests, flight=flight, peak=peak)


def _is_steady(result: Result, offered: float) -> bool:
    """Whether a run at a rate served what was offered."""
    rate = result.requests_per_s
    return rate is None or rate >= 0.8 * offered


def _of_a_run(result: Result) -> bool:
    """Whether it has figures that mean nothing without the number of sequences at a time."""
    whole = (result.latency_s, result.output_tokens_per_s, result.requests_per_s)
    return any(figure is not None for figure in whole)


def lengths_of(
    result: Result, asked: dict[str, Any], warnings: Notes, notes: Notes
) -> tuple[str, ...]:
    """Lengths as said or as usual; and why, of usual ones, a figure above the limit proves
    nothing."""
    setup = result.setup
    prompt, output = setup.input_len, setup.output_len
    no_prompt = not prompt and bool(output) and (setup.past_len is not None or prompt == 0)
    if no_prompt:
        start = setup.past_len or 0.0
        prompt = max(1.0, start)
        cached = f"{start:,.0f} tokens" if start else "an empty cache"
        notes.append(Note("no_prompt", output=output, cached=cached))
    elif setup.past_len and output:
        prompt = (prompt or 0.0) + setup.past_len
    if not output and (_prefill_alone(result) or _read_alone(result)):
        output = asked["output_len"] = 1
    if setup.image_len and prompt and "image_tokens" in asked:
        # Those of the images are given apart: they are in the file's prompt, too.
        prompt = max(1.0, prompt - setup.image_len)
    for name, said in (("input_len", prompt), ("output_len", output)):
        if name in asked:
            compare(name, asked[name], said, warnings)
        elif said:
            asked[name] = max(1, round(said))
    missing = [name for name in ("input_len", "output_len") if name not in asked]
    usual = result.tool in BY_HAND or _decodes_alone(result)
    if missing and not usual and not (result.tool in OWN and _one_user(asked)):
        flags = " and ".join(map(as_flag, missing))
        raise MissingSetupError(
            f"the result of {result.tool} does not say its lengths", "its lengths", flags
        )
    if missing:
        default = Scenario("", "")
        taken = ", ".join(f"{as_flag(name)} {getattr(default, name)}" for name in missing)
        notes.append(Note("default_lengths", lengths=taken))
        if not _one_answer(result, asked, missing):
            return ("how long prompts and answers were is not said",)
    return ()


def _decodes_alone(result: Result) -> bool:
    """Whether it is the speed of decoding and nothing else: a short context changes it little."""
    return result.measured.keys() == {"decode_tokens_per_s"}


def _one_user(asked: Mapping[str, Any]) -> bool:
    loads = {"max_concurrency", "request_rate"}
    return asked.get("batch_size", 1) == 1 and not asked.keys() & loads


def _one_answer(result: Result, asked: Mapping[str, Any], missing: list[str]) -> bool:
    """Whether its figures are of one answer, whose speed its length changes little."""
    little = {"tpot_s", "prefill_tokens_per_s", "decode_tokens_per_s"}
    if "input_len" not in missing:
        little.add("ttft_s")
    return _one_user(asked) and result.measured.keys() <= little


def _read_alone(result: Result) -> bool:
    """Whether it is of requests that are answered without a token: embeddings, scores."""
    of_tokens = ("ttft_s", "tpot_s", "decode_tokens_per_s", "output_tokens_per_s")
    return result.requests_per_s is not None and all(
        getattr(result, name) is None for name in of_tokens
    )


def _prefill_alone(result: Result) -> bool:
    later = ("tpot_s", "decode_tokens_per_s", "output_tokens_per_s", "latency_s", "requests_per_s")
    return all(getattr(result, name) is None for name in later)
