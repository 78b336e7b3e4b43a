"""What a deployment is asked to do: lengths, media, a batch or a served load, what drafts yield.

Not here: what a load settles to (serving/load.py), and the requests of a run (requests.py).
"""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING

from vperf.deployment import Replica
from vperf.errors import InputError, check_count
from vperf.model.model import Model
from vperf.notes import Note
from vperf.scenario import INPUT_LEN, OF_DRAFTS, OF_LOADS, OUTPUT_LEN, Scenario
from vperf.serving.lengths import Lengths, equal, without_output
from vperf.serving.speculative import acceptance_of, checked_acceptance, mean_tokens
from vperf.spelling import flag

if TYPE_CHECKING:
    from vperf.serving.encoding import Encoding
    from vperf.serving.load import Load
    from vperf.serving.simulation import Run


def resolve_lengths(scenario: Scenario) -> Lengths:
    """The lengths of the scenario's requests. Raises InputError where two options state them."""
    given = scenario.workload
    if scenario.trace is not None:
        from vperf import requests  # noqa: PLC0415  (most give lengths)

        if given is not None:
            raise InputError("cannot be combined with workload", field="trace")
        return requests.lengths_of_trace(scenario.trace)
    if given is None:
        return equal(scenario.input_len, scenario.output_len)
    if (scenario.input_len, scenario.output_len) != (INPUT_LEN, OUTPUT_LEN):
        raise InputError("cannot be combined with input-len or output-len", field="workload")
    if isinstance(given, Lengths):
        return given
    from vperf.sources.workloads import load_workload  # noqa: PLC0415  (most give lengths)

    return load_workload(given)


def texts_of(
    model: Model, scenario: Scenario, lengths: Lengths
) -> tuple[Lengths, tuple[Note, ...]]:
    """Of a model that only reads: no output; where no length is given, no more than it takes."""
    longest = model.max_context_tokens or INPUT_LEN
    given = scenario.workload is not None or scenario.trace is not None
    if given or scenario.input_len != INPUT_LEN or longest >= INPUT_LEN:
        return without_output(lengths), ()
    return without_output(equal(longest, 1)), (Note("text_length", tokens=longest),)


def as_heard(scenario: Scenario, replica: Replica, lengths: Lengths) -> tuple[Scenario, Lengths]:
    """Sound of a model whose prompt it is: as many positions instead of what was typed."""
    positions = replica.found.config.get("max_source_positions")
    if scenario.audio is None or not replica.compiled.model.encoder:
        return scenario, lengths
    if not isinstance(positions, int):
        return scenario, lengths
    from vperf.serving.encoding import heard  # noqa: PLC0415  (most are of text)

    lengths = equal(heard(scenario.audio, positions), lengths.output_tokens)
    return replace(scenario, audio=None), lengths


def accepted_of(scenario: Scenario, model: Model) -> tuple[tuple[float, ...], float | None]:
    """The share of steps in which each draft is accepted, and the one probability with which drafts
    yield as many tokens a step; none where nothing drafts. Raises InputError."""
    _check_denoising(scenario, model)
    depth, given = model.draft_depth, scenario.acceptance
    if not depth:
        return (), None
    if model.diffuses:
        accepted = checked_acceptance(None, scenario.tokens_per_step, depth)
    else:
        accepted = checked_acceptance(given, scenario.acceptance_length, depth)
        if isinstance(given, int | float):
            return accepted, float(given)
    return accepted, acceptance_of(mean_tokens(accepted), len(accepted))


def check_drafting(scenario: Scenario) -> None:
    """InputError for options of drafting where nothing drafts."""
    if scenario.speculative is not None:
        return
    for name in OF_DRAFTS[1:]:
        if getattr(scenario, name) is not None:
            raise InputError(
                "means nothing without speculative",
                field=name.replace("_", "-"),
                hint=f"add {flag('speculative')} mtp",
            )


def check_lengths(model: Model, model_id: str, lengths: Lengths, image_tokens: int) -> None:
    """InputError for lengths that cannot be, and for images of a model that reads none."""
    check_count("input-len", lengths.input_tokens, 1)
    check_count("output-len", lengths.output_tokens, 1)
    check_count("image-tokens", image_tokens, 0)
    if image_tokens and not model.images:
        raise InputError(
            f"{model_id} (model_type {model.model_type!r}) has no vision tower that puts tokens "
            "into the prompt",
            field="image-tokens",
        )


def resolve_load(
    scenario: Scenario,
    replica: Replica,
    lengths: Lengths,
    acceptance: float | None,
    *,
    images: int,
    encoding: Encoding | None,
) -> tuple[Load | None, Run | None]:
    """A served load and its run; neither of a batch. Raises InputError."""
    generates = replica.compiled.model.generates
    if scenario.served and not generates:
        return _load_of_texts(scenario, lengths, replica.found.id, images), None
    if scenario.texts_per_request is not None:
        why = "a model that generates no tokens" if generates else "a load"
        raise InputError(f"needs {why}", field="texts-per-request")
    if scenario.served:
        return _served(scenario, lengths, acceptance, images, encoding)
    _check_batch(scenario)
    return None, None


_of_loads = attrgetter(*OF_LOADS)


def _check_batch(scenario: Scenario) -> None:
    """InputError for a batch that cannot be, and for options of a served load."""
    check_count("batch-size", scenario.batch_size, 1)
    if any(_of_loads(scenario)):
        name = next(name for name in OF_LOADS if getattr(scenario, name))
        raise InputError("needs max-concurrency or request-rate", field=name.replace("_", "-"))


def _load_of_texts(scenario: Scenario, lengths: Lengths, model_id: str, images: int) -> Load:
    """The load of a model that only reads. Raises InputError for what is not understood of it."""
    from vperf import requests  # noqa: PLC0415  (most scenarios are of a batch)

    refused = ("trace", "sessions", "burstiness", "prefix_cache_hit")
    for name in refused:
        if getattr(scenario, name):
            raise InputError(
                f"is not understood of {model_id}, which generates no tokens",
                field=name.replace("_", "-"),
                hint=f"{flag('request_rate')} or {flag('max_concurrency')} alone",
            )  # fmt: skip
    load = requests.load_of(scenario, lengths)
    count = scenario.texts_per_request
    if count is not None:
        check_count("texts-per-request", count, 1, 1_000_000)
    load = replace(load, texts=count or 1, input_tokens=load.input_tokens + images)
    sent = scenario.num_prompts
    if sent is not None and load.users is not None and sent <= load.users:
        check_count("num-prompts", sent, 1)
        load = replace(load, users=sent, at_once=True)
    return load


def _check_denoising(scenario: Scenario, model: Model) -> None:
    """InputError for tokens of a denoising step where there are none, and none where there are."""
    given, diffuses = scenario.tokens_per_step, model.diffuses and model.generates
    for name in ("block_length", "tokens_per_step"):
        if getattr(scenario, name) is not None and not diffuses:
            raise InputError("is of diffusion language models", field=name.replace("_", "-"))
    if not diffuses:
        return
    block = 1 + model.draft_depth
    if given is None or not 1 <= given <= block:
        said = "missing" if given is None else f"must be from 1 to {block}, not {given!r}"
        raise InputError(
            f"{said}: a diffusion model is as fast as the tokens that a step keeps",
            field="tokens-per-step", hint="the mean that the engine logs, at its threshold",
        )  # fmt: skip


def encoding_of(scenario: Scenario, replica: Replica) -> Encoding | None:
    """The media of a request, with their tower. Raises InputError."""
    if scenario.images is not None and scenario.image is None:
        raise InputError("needs image, their size", field="images")
    if scenario.image is None and scenario.audio is None and scenario.video is None:
        return None
    from vperf.serving.encoding import Encoding, media_of  # noqa: PLC0415  (most are of text)

    if scenario.image_tokens:
        raise InputError("cannot be combined with image, audio or video", field="image-tokens")
    encoder, compiled = replica.tower()
    s, model_id = scenario, replica.found.id
    return Encoding(compiled, media_of(encoder, model_id, s.image, s.images, s.audio, s.video))


def _served(
    scenario: Scenario,
    lengths: Lengths,
    acceptance: float | None,
    images: int,
    encoding: Encoding | None,
) -> tuple[Load, Run]:
    """The load of a served scenario as its model meets it: images in its prompts, drafts."""
    from vperf import requests  # noqa: PLC0415  (most scenarios are of a batch)

    load, run = requests.load_of(scenario, lengths), requests.run_of(scenario, lengths)
    if acceptance is not None:
        load = replace(load, acceptance=acceptance)
    if images:
        load = replace(load, input_tokens=load.input_tokens + images)
    if encoding is not None:
        one = encoding.seconds(1)
        load = replace(load, encode_s=one.expected, encode_limit_s=one.limit)
    return load, run
