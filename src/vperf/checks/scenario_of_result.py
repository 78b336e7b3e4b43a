"""The scenario that a measured result answers: its setup where it says one, else what is given.

    tgN of llama-bench          an empty cache that grows to N tokens: no prompt
    ppN                         a prompt alone
    concurrency 1, a batch      equal requests that start together
    more users, a request rate  a served load, in a closed or an open loop
    all requests at once        as many users, up to what an engine runs at a time

What is given wins over what the result says, and the difference is said. Not here: grading.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vperf.checks.result import Result
from vperf.errors import HubError, InputError, VperfError
from vperf.hardware.gpu import Gpu
from vperf.model.config import ModelConfig
from vperf.notes import Note, notes_of
from vperf.resolve import Resolver, built, gpu_named
from vperf.scenario import CARD, ModelLike, Scenario
from vperf.sources.models import model_ids

Notes = list[Note]

_LOAD = ("batch_size", "max_concurrency", "request_rate")
_SETUP = ("engine", "tp", "pp", "ep", "dp", "quantization", "kv_cache_dtype", "prefix_cache_hit")
_SIXTEEN_BIT = ("bf16", "fp16", "fp32")
_BY_HAND = "command line"
"""The tool of a result whose figures the user typed."""
_RUNNING = 256
"""Requests that an engine runs at a time where all are sent at once (vLLM: --max-num-seqs)."""


@dataclass(frozen=True, slots=True)
class ResultScenario:
    """A scenario, and what has to be said about how it came about."""

    scenario: Scenario
    warnings: tuple[Note, ...]
    notes: tuple[Note, ...]


def scenario_of(
    result: Result,
    *,
    gpu: str | Gpu | None,
    model: ModelLike | None,
    options: Mapping[str, Any],
    resolver: Resolver,
) -> ResultScenario:
    """The scenario of one result, its model and its card found. `options` are fields of Scenario
    that were given.

    Raises InputError where neither says the model or the GPU.
    """
    setup = result.setup
    warnings: Notes = []
    notes = [*notes_of("tool", result.notes)]
    asked = {name: value for name, value in options.items() if name not in CARD}
    for name in _SETUP:
        said = getattr(setup, name)
        if name in asked:
            _compare(name, asked[name], said, warnings)
        elif said is not None:
            asked[name] = said
    unsaid: list[MissingSetupError] = []
    with _noted(unsaid):
        _load(result, asked, warnings, notes)
    with _noted(unsaid):
        _lengths(result, asked, warnings, notes)
    _gpus(setup.gpus, asked, warnings, notes)
    if (setup.acceptance_length or 1.0) > 1.0 and "speculative" not in asked:
        warnings.append(Note("drafting_run", tokens_per_step=setup.acceptance_length))
    with _noted(unsaid):
        own = {name: options[name] for name in CARD if name in options}
        card = _gpu(result, gpu, own, warnings, resolver)
    with _noted(unsaid):
        _require_model(result, model)
    if unsaid:
        raise _all_unsaid(result, unsaid)
    found = _model(result, model, options.get("revision"), warnings, notes, resolver)
    if "quantization" in asked and "quantization" not in options:
        _quantization(found, asked, notes)
    if str(asked.get("kv_cache_dtype")).lower() == "q8_0" and "kv_cache_dtype" not in options:
        asked["kv_cache_dtype"] = "int8"
        notes.append(Note("cache_as_int8"))
    if not asked.keys() & {"max_concurrency", "request_rate"} and "prefix_cache_hit" not in options:
        asked.pop("prefix_cache_hit", None)
    return ResultScenario(Scenario(found, card, **asked), tuple(warnings), tuple(notes))


class MissingSetupError(InputError):
    """Neither the result nor an option says it."""

    def __init__(self, message: str, what: str, flags: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint or f"give {flags}")
        self.what = what
        self.flags = flags


@contextmanager
def _noted(unsaid: list[MissingSetupError]) -> Iterator[None]:
    """Keep what is unsaid for later, so that all of it is asked for at once."""
    try:
        yield
    except MissingSetupError as error:
        unsaid.append(error)


def _all_unsaid(result: Result, unsaid: list[MissingSetupError]) -> InputError:
    if len(unsaid) == 1:
        return unsaid[0]
    *first, last = [each.what for each in unsaid]
    whose = "the figures do" if result.tool == _BY_HAND else f"the result of {result.tool} does"
    return InputError(
        f"{whose} not say {', '.join(first)} and {last}",
        hint=f"give {', '.join(each.flags for each in unsaid)}",
    )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _compare(name: str, given: Any, said: Any, warnings: Notes) -> None:
    """Say where the command line and the result differ."""
    if said is None or given is None:
        return
    if isinstance(given, int | float) and isinstance(said, int | float):
        same = math.isclose(given, said, rel_tol=0.005, abs_tol=0.5)
    else:
        same = _plain(str(given)) == _plain(str(said))
    if not same:
        shown = f"{said:g}" if isinstance(said, float) else said
        warnings.append(Note("option_wins", flag=_flag(name), given=given, said=shown))


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _load(result: Result, asked: dict[str, Any], warnings: Notes, notes: Notes) -> None:
    """How many requests at a time: what is given replaces what the result says as a whole."""
    setup = result.setup
    said: dict[str, Any] = {
        name: value
        for name in _LOAD
        if (value := getattr(setup, name)) is not None and math.isfinite(value)
    }
    if any(name in asked for name in _LOAD):
        for name in _LOAD:
            if name in asked:
                _compare(name, asked[name], said.get(name), warnings)
    elif (batch := said.get("batch_size")) is not None and not (1 < batch == setup.requests):
        asked["batch_size"] = batch
    elif said.keys() - {"batch_size"}:
        # With both, the users in flight are what bounds the batch.
        name = "max_concurrency" if "max_concurrency" in said else "request_rate"
        asked[name] = said[name]
    elif (setup.requests or 1) > 1:
        asked["max_concurrency"] = min(setup.requests or 1, _RUNNING)
        notes.append(Note("sent_at_once", requests=setup.requests, users=asked["max_concurrency"]))
    elif _of_a_run(result) and result.tool != _BY_HAND:
        what = "how many sequences ran at a time"
        raise MissingSetupError(
            f"the result of {result.tool} does not say {what}",
            what, "--batch-size or --max-concurrency",
        )  # fmt: skip
    users = asked.get("max_concurrency")
    if users is not None:
        asked["max_concurrency"] = max(1, round(users))
        if asked["max_concurrency"] == 1:
            del asked["max_concurrency"]
            asked["batch_size"] = 1
            notes.append(Note("one_user"))
    if asked.get("batch_size") is not None:
        asked["batch_size"] = max(1, round(asked["batch_size"]))


def _of_a_run(result: Result) -> bool:
    """Whether it has figures that mean nothing without the number of sequences at a time."""
    whole = (result.latency_s, result.output_tokens_per_s, result.requests_per_s)
    return any(figure is not None for figure in whole)


def _lengths(result: Result, asked: dict[str, Any], warnings: Notes, notes: Notes) -> None:
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
    if not output and _prefill_alone(result):
        output = asked["output_len"] = 1
    for name, said in (("input_len", prompt), ("output_len", output)):
        if name in asked:
            _compare(name, asked[name], said, warnings)
        elif said:
            asked[name] = max(1, round(said))
    missing = [name for name in ("input_len", "output_len") if name not in asked]
    if missing and result.tool != _BY_HAND:
        flags = " and ".join(map(_flag, missing))
        raise MissingSetupError(
            f"the result of {result.tool} does not say its lengths", "its lengths", flags
        )
    if missing:
        default = Scenario("", "")
        taken = ", ".join(f"{_flag(name)} {getattr(default, name)}" for name in missing)
        notes.append(Note("default_lengths", lengths=taken))


def _prefill_alone(result: Result) -> bool:
    later = ("tpot_s", "decode_tokens_per_s", "output_tokens_per_s", "latency_s", "requests_per_s")
    return all(getattr(result, name) is None for name in later)


def _gpus(count: int | None, asked: dict[str, Any], warnings: Notes, notes: Notes) -> None:
    if not count:
        return
    ways = [asked.get(name) for name in ("tp", "pp", "dp")]
    if any(ways):
        product = math.prod(way or 1 for way in ways)
        if product != count:
            warnings.append(Note("gpu_count", ways=product, gpus=count))
    elif count > 1:
        asked["tp"] = count
        notes.append(Note("as_tensor_parallel", gpus=count))


def _gpu(
    result: Result,
    given: str | Gpu | None,
    own: Mapping[str, Any],
    warnings: Notes,
    resolver: Resolver,
) -> Gpu:
    """The card that is given, by name or file, or the one the result names; as `own` changes it."""
    said = result.setup.gpu
    if given is None and own.get("gpu_file") is None:
        if said is None:
            raise MissingSetupError(
                "--gpu is missing: the result does not say on which card it was measured",
                "the card",
                "--gpu",
                hint="'vperf gpus' lists them; or --gpu-file",
            )
        return resolver.gpu(Scenario("", said, **own))
    card = resolver.gpu(Scenario("", given, **own))
    if said is not None:
        try:
            same = gpu_named(said).id == card.id
        except VperfError:
            same = _plain(said) in _plain(card.name)
        if not same:
            warnings.append(Note("option_wins", flag="--gpu", given=card.id, said=said))
    return card


def _require_model(result: Result, given: ModelLike | None) -> None:
    if given is None and result.setup.model is None:
        raise MissingSetupError(
            "--model is missing: the result does not name its model",
            "the model",
            "--model",
            hint="'vperf models' lists those that are bundled",
        )


def _model(  # noqa: PLR0917  (what is given, and what is said of it)
    result: Result,
    given: ModelLike | None,
    revision: str | None,
    warnings: Notes,
    notes: Notes,
    resolver: Resolver,
) -> ModelConfig:
    """The model that is given, or the one the result names where that can be found."""
    said = result.setup.model
    if given is not None:
        if said is not None and isinstance(given, str | Path) and not _alike(str(given), said):
            warnings.append(Note("option_wins", flag="--model", given=given, said=said))
        return resolver.config(given, revision)
    assert said is not None  # see _require_model
    try:
        return resolver.config(said, revision)
    except VperfError as error:
        bundled = _bundled(said)
        if bundled is None:
            kind = HubError if isinstance(error, HubError) else InputError
            raise kind(
                f"the result's model cannot be found ({error.message})",
                hint="give --model: a Hub id, a bundled name or a path",
            ) from None
        notes.append(Note("bundled_model", said=said, model=bundled))
        return resolver.config(bundled)


_FILE_WORDS = re.compile(
    r"(?:-\d{5}-of-\d{5})?\.gguf$|[-_.](?:i?q\d\w*|tq\d\w*|bf16|f16|f32|fp8|awq|gptq\w*|mxfp4|nvfp4)$",
    re.IGNORECASE,
)


def _bundled(said: str) -> str | None:
    """The bundled model that a file or directory elsewhere is named after."""
    name = said.rstrip("/").replace("\\", "/").rsplit("/", 1)[-1]
    before = ""
    while name != before:
        found = [known for known in model_ids() if known.split("/", 1)[1].lower() == name.lower()]
        if len(found) == 1:
            return found[0]
        before, name = name, _FILE_WORDS.sub("", name)
    return None


def _quantization(model: ModelConfig, asked: dict[str, Any], notes: Notes) -> None:
    """A quantized checkpoint is what it is; over a 16-bit one, what the result says is a what-if.

    Tools name kernels ("awq_marlin") and files ("Q4_K - Medium") as much as formats.
    """
    own = built(model, None, None).quantization
    if own in _SIXTEEN_BIT:
        return
    said = asked.pop("quantization")
    if _plain(str(said)) != _plain(own):
        notes.append(Note("own_weights", quantization=own, said=said))


def _alike(given: str, said: str) -> bool:
    """Whether two spellings may mean one model: names of files and tools hold more words."""

    def name(text: str) -> str:
        last = text.rstrip("/").replace("\\", "/").rsplit("/", 1)[-1]
        return _plain(last.removesuffix(".json").removesuffix(".gguf"))

    one, other = name(given), name(said)
    return one in other or other in one or given in ("-",)
