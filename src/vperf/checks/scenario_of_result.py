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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from vperf.checks.card_named import card_named
from vperf.checks.prose import TOOL, WORDS
from vperf.checks.result import Result, Setup
from vperf.errors import HubError, InputError, VperfError
from vperf.formats import FLOATS, MIXES, MLX
from vperf.hardware.gpu import Gpu
from vperf.model.config import ModelConfig, Spelled
from vperf.notes import Note, notes_of
from vperf.resolve import Resolver
from vperf.resolve.card import gpu_named
from vperf.resolve.engine import engine_named, keeps_experts, places_layers, reads_gguf
from vperf.resolve.model import bits_of, built
from vperf.scenario import CARD, ELSEWHERE, LAYER_OPTIONS, ModelLike, Scenario
from vperf.serving.speculative import MAX_DRAFT_TOKENS, acceptance_of
from vperf.sources.gpus import BESIDE, several
from vperf.sources.hosts import load_host
from vperf.sources.model_named import find_model
from vperf.sources.weight_names import spellings, weight_name
from vperf.spelling import flag
from vperf.values import dataclass

Notes = list[Note]

_LOAD = ("batch_size", "max_concurrency", "request_rate")
_SETUP = ("engine", "tp", "pp", "ep", "dp", "pcp", "dcp", "quantization", "kv_cache_dtype",
          "prefix_cache_hit", "n_gpu_layers", "n_cpu_moe", "cpu_moe", "override_tensor",
          "cpu_offload_gb", "tensor_split")  # fmt: skip
_CONVERTS = ("llama.cpp", "mlx")
"""Engines that run files made from a checkpoint, most often in fewer bits."""
_BY_HAND = (TOOL, WORDS)
"""Tools of results that a person wrote: lengths and users that nobody says are taken as usual."""
_MAX_PROMPTS = 10_000
"""Of a run that is simulated: longer ones are steady."""
_SAME_SIZE = 0.03
"""How far loaded weights may be off a format's: what embeddings and heads are kept in."""


@dataclass(frozen=True, slots=True)
class ResultScenario:
    """A scenario, and what has to be said about how it came about."""

    scenario: Scenario
    warnings: tuple[Note, ...]
    notes: tuple[Note, ...]
    doubts: tuple[str, ...] = ()
    """Why a figure above the limit proves nothing: what ran is not known well enough."""
    doubts_above: tuple[str, ...] = ()
    """The same of what is said as an assumption anyway: worth a warning only where one is above."""


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
    _check_read_here(options)
    result, gpu = _counted(result, gpu)
    setup = result.setup
    warnings: Notes = [*notes_of("said", result.warnings)]
    doubts: list[str] = []
    notes = [*notes_of("tool", result.notes)]
    asked = _asked(setup, options, warnings)
    unsaid: list[MissingSetupError] = []
    assumed: tuple[str, ...] = ()
    with _noted(unsaid):
        _load(result, asked, warnings, notes)
    with _noted(unsaid):
        assumed = _lengths(result, asked, warnings, notes)
    unlike = gpu is None and "gpu_file" not in options and setup.unlike_gpus
    _split(asked, setup, warnings, notes, unlike=bool(unlike))
    with _noted(unsaid):
        own = {name: options[name] for name in CARD if name in options}
        card = _gpu(result, gpu, own, warnings, resolver)
    with _noted(unsaid):
        _require_model(result, model)
    if unsaid:
        raise _all_unsaid(result, unsaid)
    found = _model(result, model, options.get("revision"), warnings, notes, resolver)
    if "quantization" not in options:
        _quantization(found, result, asked, warnings, notes, doubts)
    found = resolver.config(found.id) if found.spelled is not None else found
    if (setup.acceptance_length or 1.0) > 1.0:
        _drafting(found, setup, asked, warnings, notes, doubts)
        if "speculative" not in asked:
            _as_users(result, asked, warnings)
    _host(setup, asked, card, doubts)
    if result.output_tokens_per_s is not None and not asked.keys() & {*_LOAD, "sessions", "trace"}:
        doubts.append("how many sequences ran at a time is not said: one is taken")
    if doubts:
        warnings += [Note("doubt", text=text) for text in doubts]
    if not asked.keys() & {"max_concurrency", "request_rate"} and "prefix_cache_hit" not in options:
        asked.pop("prefix_cache_hit", None)
    if asked.keys() & {"max_concurrency", "request_rate"}:
        # The server's own caps; what is given wins.
        caps = {"max_num_seqs": setup.max_batch, "max_num_batched_tokens": setup.max_batched_tokens}
        asked = {**{name: cap for name, cap in caps.items() if cap}, **_run(result, asked), **asked}
    scenario = Scenario(found, card, **asked)
    return ResultScenario(scenario, tuple(warnings), tuple(notes), tuple(doubts), assumed)


def _asked(setup: Setup, options: Mapping[str, Any], warnings: Notes) -> dict[str, Any]:
    """What is given, and what the result says where nothing is."""
    asked = {name: value for name, value in options.items() if name not in CARD}
    for name in _SETUP:
        said = getattr(setup, name)
        if name in asked:
            _compare(name, asked[name], said, warnings)
        elif said is not None:
            asked[name] = said
    return asked


def _counted(result: Result, gpu: str | Gpu | None) -> tuple[Result, str | Gpu | None]:
    """The result with the count at a card's name ("2x3090", "H20 TP2") as its GPUs, and the card
    that is given."""
    setup = result.setup
    if setup.gpu is not None:
        count, said = several(setup.gpu)
        setup = replace(setup, gpu=said, gpus=setup.gpus or (count if count > 1 else None))
    if isinstance(gpu, str) and BESIDE not in gpu:
        count, gpu = several(gpu)
        if count > 1:
            setup = replace(setup, gpus=count, unlike_gpus=())
    return replace(result, setup=setup), gpu


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
    whose = "the figures do" if result.tool in _BY_HAND else f"the result of {result.tool} does"
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
        warnings.append(Note("option_wins", option=_flag(name), given=given, said=shown))


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
    elif _of_a_run(result) and result.tool not in _BY_HAND:
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


def _run(result: Result, asked: Mapping[str, Any]) -> dict[str, Any]:
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


def _as_users(result: Result, asked: dict[str, Any], warnings: Notes) -> None:
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


def _lengths(
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
            _compare(name, asked[name], said, warnings)
        elif said:
            asked[name] = max(1, round(said))
    missing = [name for name in ("input_len", "output_len") if name not in asked]
    if missing and result.tool not in _BY_HAND and not _decodes_alone(result):
        flags = " and ".join(map(_flag, missing))
        raise MissingSetupError(
            f"the result of {result.tool} does not say its lengths", "its lengths", flags
        )
    if missing:
        default = Scenario("", "")
        taken = ", ".join(f"{_flag(name)} {getattr(default, name)}" for name in missing)
        notes.append(Note("default_lengths", lengths=taken))
        if not _one_answer(result, asked, missing):
            return ("how long prompts and answers were is not said",)
    return ()


def _decodes_alone(result: Result) -> bool:
    """Whether it is the speed of decoding and nothing else: a short context changes it little."""
    return result.measured.keys() == {"decode_tokens_per_s"}


def _one_answer(result: Result, asked: Mapping[str, Any], missing: list[str]) -> bool:
    """Whether its figures are of one answer, whose speed its length changes little."""
    little = {"tpot_s", "prefill_tokens_per_s", "decode_tokens_per_s"}
    if "input_len" not in missing:
        little.add("ttft_s")
    alone = asked.get("batch_size", 1) == 1 and not asked.keys() & {
        "max_concurrency",
        "request_rate",
    }
    return alone and result.measured.keys() <= little


def _read_alone(result: Result) -> bool:
    """Whether it is of requests that are answered without a token: embeddings, scores."""
    of_tokens = ("ttft_s", "tpot_s", "decode_tokens_per_s", "output_tokens_per_s")
    return result.requests_per_s is not None and all(
        getattr(result, name) is None for name in of_tokens
    )


def _prefill_alone(result: Result) -> bool:
    later = ("tpot_s", "decode_tokens_per_s", "output_tokens_per_s", "latency_s", "requests_per_s")
    return all(getattr(result, name) is None for name in later)


def _gpus(count: int | None, asked: dict[str, Any], warnings: Notes, notes: Notes) -> None:
    if not count:
        return
    ways = [asked.get(name) for name in ("tp", "pp", "dp", "pcp")]
    if any(ways):
        product = math.prod(way or 1 for way in ways)
        if product != count:
            warnings.append(Note("gpu_count", ways=product, gpus=count))
    elif count > 1 and places_layers(asked):
        asked["pp"] = count
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
        if unlike := result.setup.unlike_gpus:
            if result.setup.tp:
                raise InputError(
                    f"the result was measured on unlike cards ({', '.join(unlike)}) that share each"
                    " layer, which vperf does not model together",
                    hint=f"give {flag('gpu')}, with {flag('tp')} 1, for the one that most of the "
                    "model is on",
                )
            ids = [gpu_named(card_named(name)).id for name in unlike]
            return resolver.gpu(Scenario("", BESIDE.join(ids), **own))
        if said is None:
            raise MissingSetupError(
                f"{flag('gpu')} is missing: the result does not say on which card it was measured",
                "the card",
                flag("gpu"),
                hint=f"'vperf gpus' lists them; or {flag('gpu_file')}",
            )
        return resolver.gpu(Scenario("", card_named(said), **own))
    card = resolver.gpu(Scenario("", given, **own))
    if said is not None:
        try:
            same = gpu_named(card_named(said)).id == card.id
        except VperfError:
            same = _plain(said) in _plain(card.name)
        if not same:
            warnings.append(Note("option_wins", option=flag("gpu"), given=card.id, said=said))
    return card


def _split(
    asked: dict[str, Any], setup: Setup, warnings: Notes, notes: Notes, *, unlike: bool
) -> None:
    if unlike:  # by layers over all of them
        asked.pop("pp", None)
    else:
        _gpus(setup.gpus, asked, warnings, notes)


def _check_read_here(options: Mapping[str, Any]) -> None:
    for name in ELSEWHERE:
        if options.get(name) is not None:
            raise InputError("is not understood of a result", field=name.replace("_", "-"))


def _host(setup: Setup, asked: dict[str, Any], card: Gpu, doubts: list[str]) -> None:
    """The host of a run that left layers or experts to it, and how it read its prompt."""
    given = any(asked.get(name) not in (None, False, ()) for name in LAYER_OPTIONS)
    if not given and (engine := asked.get("engine")) and keeps_experts(engine_named(engine)):
        asked["cpu_moe"] = True
    if not any(asked.get(name) not in (None, False, ()) for name in LAYER_OPTIONS):
        return
    if setup.max_batched_tokens:
        asked.setdefault("max_num_batched_tokens", setup.max_batched_tokens)
    if "host" in asked or "host_memory" in asked or (card.beside and "n_cpu_moe" not in asked):
        return
    if setup.cpu is not None:
        try:
            asked["host"] = load_host(setup.cpu).id
        except VperfError:
            doubts.append(f"the host's CPU, {setup.cpu[:60]}, is not in the catalogue")
            return
    doubts.append(f"the host's memory is not named: {flag('host_memory')} says what it has")


def _require_model(result: Result, given: ModelLike | None) -> None:
    if given is None and result.setup.model is None:
        raise MissingSetupError(
            f"{flag('model')} is missing: the result does not name its model",
            "the model",
            flag("model"),
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
            warnings.append(Note("option_wins", option=flag("model"), given=given, said=said))
        found = resolver.config(given, revision)
        if found.spelled is not None:
            notes.append(Note("typed_model", typed=given, model=found.id))
        return found
    assert said is not None  # see _require_model
    error: VperfError | None = None
    try:
        found = resolver.config(said, revision)
    except VperfError as refused:
        error = refused
    else:
        if found.spelled is None:
            return found
    bundled = find_model(said, result.setup.params)
    if bundled is None:
        kind = HubError if isinstance(error, HubError) else InputError
        why = error.message if error else f"unknown model {said[:100]!r}"
        raise kind(
            f"the result's model cannot be found ({why})",
            hint=f"give {flag('model')}: a Hub id, a bundled name or a path",
        )
    notes.append(Note("bundled_model", said=said, model=bundled))
    return resolver.config(bundled)


def _quantization(  # noqa: PLR0917  (what is said, and what is said of it)
    model: ModelConfig,
    result: Result,
    asked: dict[str, Any],
    warnings: Notes,
    notes: Notes,
    doubts: list[str],
) -> None:
    """The weights that ran: what the tool says, what the name says, or the checkpoint's own.

    Tools name kernels ("awq_marlin") as much as formats: over a quantized checkpoint, a format of
    as many bits is the checkpoint's own. Of files that llama.cpp and MLX made, their own names win.
    """
    setup, typed = result.setup, model.spelled
    own = built(model, None, None).quantization
    spelling = setup.model
    if typed and (spelling is None or (typed.quantization and not typed.usual)):
        spelling = typed.typed
    named = weight_name(_format_spelling(spelling)) if spelling else None
    said = asked.pop("quantization", None) or (named.quantization if named else None)
    taken = own
    if said is not None and _plain(str(said)) != _plain(own):
        converted = said in MIXES or said in MLX
        if own in FLOATS or converted or bits_of(said) != bits_of(own):
            taken = said
        else:
            notes.append(Note("own_weights", quantization=own, said=said))
    if named is not None and not named.sure and taken == named.quantization:
        doubts.append(f"the name {spelling} says no exact format: {taken} is the nearest")
    elif named is not None and not named.sure and said is None:
        doubts.append(f"the format of {spelling} has no name here: {own} is taken")
    if said is None and own in FLOATS and not setup.weight_bytes:
        usual = setup.usual_quantization or _usual(typed, setup)
        if usual is not None:
            taken = usual
            doubts.append(
                f"{result.tool} does not say the weights' format: {taken} is the usual one"
            )
        elif setup.engine in _CONVERTS:
            doubts.append(f"{result.tool} does not say the weights' format: {own} is taken")
    if setup.weight_bytes:
        usual = engine_named(setup.engine).converts.get(own) if setup.engine else None
        files = (usual, "mxfp4_f16") if usual else ()
        taken = _of_size(model, setup.weight_bytes, taken, own, files)
    if taken != own:
        asked["quantization"] = taken
        if own not in FLOATS:
            warnings.append(Note("said_weights", said=taken, own=own))


def _usual(typed: Spelled | None, setup: Setup) -> str | None:
    """The format that those who type such a name run, where the result's engine reads it."""
    if typed is None or not typed.usual:
        return None
    runs = setup.engine is None or reads_gguf(engine_named(setup.engine))
    return typed.quantization if runs else None


def _drafting(  # noqa: PLR0917  (what is said, and what is said of it)
    model: ModelConfig,
    setup: Setup,
    asked: dict[str, Any],
    warnings: Notes,
    notes: Notes,
    doubts: list[str],
) -> None:
    """Speculation as the file states it: by what is given, or the model's own modules; where
    neither is, what drafts takes no time, which is a bound."""
    length = setup.acceptance_length or 1.0
    drafts = asked.get("draft_tokens") or max(setup.draft_tokens or 1, math.ceil(length - 1))
    if "speculative" in asked:
        if not asked.keys() & {"acceptance", "acceptance_length"}:
            asked |= {"draft_tokens": drafts, "acceptance_length": round(length, 6)}
        return
    if drafts > MAX_DRAFT_TOKENS:
        warnings.append(Note("drafting_run", tokens_per_step=length))
        doubts.append(f"speculation of {length:.2f} tokens a step is not in the limit")
        return
    found = built(model, None, None)
    own = bool(found.mtp_layers) and found.mtp_module is not None
    asked |= {
        "speculative": "mtp" if own else "ngram",
        "draft_tokens": drafts,
        "acceptance": round(acceptance_of(length, drafts), 4),
    }
    kind = "drafted" if own else "drafted_somehow"
    notes.append(Note(kind, tokens_per_step=length, drafts=drafts))


def _format_spelling(said: str) -> str:
    """The part of a path that says the format; the name of the file where none does."""
    names = [name for name in spellings(said) if weight_name(name).quantization]
    return min(names, key=len) if names else said


def _of_size(model: ModelConfig, loaded: float, taken: str, own: str, files: Sequence[str]) -> str:
    """The format of those named whose weights are as large as what was loaded; `files`: those that
    files of an engine's own may have instead of the checkpoint's."""

    def off(name: str) -> float:
        try:
            found = built(model, None if name == own else name, None)
        except VperfError:
            return math.inf
        return abs(found.weight_bytes / loaded - 1)

    if off(taken) <= _SAME_SIZE:
        return taken
    return min((taken, *(files or (own,))), key=off)


def _alike(given: str, said: str) -> bool:
    """Whether two spellings may mean one model: names of files and tools hold more words."""

    def name(text: str) -> str:
        last = text.rstrip("/").replace("\\", "/").rsplit("/", 1)[-1]
        return _plain(last.removesuffix(".json").removesuffix(".gguf"))

    one, other = name(given), name(said)
    return one in other or other in one or given in ("-",)
