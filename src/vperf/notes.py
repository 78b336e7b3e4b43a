"""Notes: what an answer rests on, as kinds with values. The one place of their sentences.

A `Note` is its sentence (a str), and knows its kind, its values, its role and whether it is a guess
that changed the answer. What decides something reads those; nothing searches a sentence.

    Note("no_pipe", gpu="a100", pipe="fp8", ...).kind == "no_pipe"

Not here: which notes an answer has (estimate_notes.py and the answers themselves), and how they
are laid out (report/). Free text of a data file or a foreign tool is a note of kind "card",
"model" or "tool".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple, Self

from vperf.spelling import FLAGS
from vperf.units import format_requests, format_seconds

Role = Literal["assumption", "warning", "not_modelled"]


class NoteKind(NamedTuple):
    """What all notes of a kind have in common."""

    role: Role
    sentence: str | Callable[..., str]
    """A format string of the values, options as {flag[name]}; or a function of the values."""
    guess: bool = False
    """Whether it stands in for something that nobody said and that changed the answer."""


class Note(str):
    """One sentence about an answer, with its kind and values."""

    __slots__ = ("kind", "values")
    kind: str
    values: Mapping[str, Any]

    def __new__(cls, kind: str, /, **values: Any) -> Self:
        """Raises KeyError for a kind that is not in KINDS."""
        sentence = KINDS[kind].sentence
        text = (
            sentence.format(flag=FLAGS, **values)
            if isinstance(sentence, str)
            else sentence(**values)
        )
        note = super().__new__(cls, text)
        note.kind, note.values = kind, values
        return note

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self.kind, dict(self.values))

    @property
    def role(self) -> Role:
        """Under which head it stands."""
        return KINDS[self.kind].role

    @property
    def guess(self) -> bool:
        """Whether it stands in for something that nobody said and that changed the answer."""
        return KINDS[self.kind].guess


def _remade(kind: str, values: Mapping[str, Any]) -> Note:
    return Note(kind, **values)


def notes_of(kind: str, lines: Iterable[str]) -> tuple[Note, ...]:
    """Free text as notes of this kind, but for the lines that are notes already."""
    return tuple(line if isinstance(line, Note) else Note(kind, text=line) for line in lines)


def _card_choice(*, typed: str, taken: str, others: tuple[str, ...]) -> str:
    rest = f", not {', '.join(others)}" if others else ""
    return f"{typed} taken as {taken}{rest}"


def _spelled_model(
    *, typed: str, model: str, quantization: str | None, usual: bool, sure: bool, why: str
) -> str:
    weights = f" in {quantization}" if quantization else ""
    if quantization and usual:
        weights += ", the usual where no format is said"
    elif quantization and not sure:
        weights += ", the nearest to what the name says"
    return f"{typed} taken as {model}{weights}{f' ({why})' if why else ''}"


def _constants(
    *, matmul_rates: str, memory_stream: str, kernel_times: str, same_die: str, source: str
) -> str:
    parts = {
        "matmul rates": matmul_rates, "memory stream": memory_stream, "kernel times": kernel_times,
    }  # fmt: skip
    whose = {
        "measured": "measured",
        "same_die": f"those of {same_die}, of the same die",
        "generic": "generic",
    }
    said = [
        f"{' and '.join(', '.join(of).rsplit(', ', 1))} {where}"
        for each, where in whose.items()
        if (of := [part for part, origin in parts.items() if origin == each])
    ]
    if set(parts.values()) == {"measured"}:
        return "expected: constants measured on this card" + (f" ({source})" if source else "")
    if set(parts.values()) == {"generic"}:
        return "expected: not measured on this card; generic fractions of its peaks"
    return f"expected: {', '.join(said)}"


_GRAPHS = {"NVIDIA": "CUDA graphs", "AMD": "HIP graphs"}


def _engine(
    *, name: str, vendor: str, cuda_graphs: bool, step_s: float, sequence_s: float
) -> str:  # fmt: skip
    one = _GRAPHS.get(vendor, "one launch a step")
    graphs = one if cuda_graphs else f"no {_GRAPHS.get(vendor, 'graphs')}"
    each = f" and {sequence_s * 1e6:.3g} \N{MICRO SIGN}s a sequence" if sequence_s else ""
    return f"{name}: {graphs}, {step_s * 1e3:.3g} ms of host time a step{each}"


_ALL_REDUCE_SOURCES = {
    "card": "measured on this card",
    "scaled": "scaled from another card's by their links",
    "": "from generic constants",
}


def _parallel(
    *, gpus: int, ways: Mapping[str, int], link: str, bytes_per_s: float | None, measured: str,
    node: int, node_bytes_per_s: float,
) -> str:  # fmt: skip
    listed = ", ".join(f"{name} {count}" for name, count in ways.items())
    if bytes_per_s is None:
        speed = " at an unknown rate (3.0 x16 taken)"
    else:
        speed = f" at {bytes_per_s / 1e9:,.0f} GB/s one way"
    source = _ALL_REDUCE_SOURCES[measured]
    where = "in one node"
    if gpus > node:
        rate = f"{node_bytes_per_s / 1e9:g} GB/s a GPU"
        where = f"in {-(-gpus // node)} nodes of {node} with {rate} between them"
    return f"{gpus} GPUs {where}, parallel: {listed}; joined by {link}{speed}, all-reduces {source}"


def _context_apart(*, engine: str, shared: bool) -> str:
    keeps = "that part of its cache" if shared else "the cache of all"
    return (
        f"each group reads every other part of a prompt and keeps {keeps} ({engine}); keys of the "
        "others are gathered once a layer, before its attention"
    )


def _encoding(
    *, parts: int, sequences: int, patches: int, tokens: int, cache_tokens: int, cache_gb: float
) -> str:
    return (
        f"{parts:,} image{'' if parts == 1 else 's'} or sounds a request: {sequences:,} x "
        f"{patches:,} patches in the tower, {tokens:,} tokens of the prompt, by the published "
        f"processor's rule; encoded before the prompt without CUDA graphs, and kept in the engine's "
        f"encoder cache ({cache_tokens:,} tokens, {cache_gb:.2g} GB, not in the memory here)"
    )


def _lora(*, rank: int, adapters: int, targets: tuple[str, ...]) -> str:
    of = ", ".join(targets) if targets else "every linear layer but routers and experts"
    count = "one adapter" if adapters == 1 else f"{adapters:,} adapters"
    shared = "" if adapters == 1 else ", which the sequences of a step use evenly"
    return (
        f"LoRA: {count} of rank {rank} on {of}, 16 bit, unmerged, two kernels a matmul{shared}; the "
        "limit reads one"
    )


def _drafts(
    *, by: str, draft_tokens: int, verified: int, acceptance: float, by_position: tuple[float, ...],
    tokens_per_step: float,
) -> str:  # fmt: skip
    tree = f", {verified} verified" if verified != draft_tokens + 1 else ""
    if by_position:
        listed = ", ".join(f"{share:g}" for share in by_position)
        accepted = f"accepted in {listed} of all steps as given"
    else:
        accepted = f"each token accepted with probability {acceptance:.3g}, independently"
    return (
        f"speculative decoding: {draft_tokens} drafted a step by {by}{tree}, {accepted}: "
        f"{tokens_per_step:.3g} tokens a step"
    )


def _trace(
    *, name: str, requests: int, span_s: float, columns: str, times: str, failed: int
) -> str:
    left = f"; {failed:,} without an answer are left out" * bool(failed)
    return (
        f"trace {name}: {requests:,} requests in {format_seconds(span_s)}, times taken as {times} "
        f"({columns}'s columns){left}"
    )


_VARIED = "outputs up to a quarter longer or shorter"


def _load(
    *, users: int | None, requests_per_s: float | None, prefix_hit: float, prompts: int | None
) -> str:
    hit = f"; {prefix_hit:.0%} of each prompt found in cache" if prefix_hit else ""
    if prompts is not None:
        how = "at a rate" if users is None else f"by up to {users:,} users at a time"
        return (
            f"a run of {prompts:,} prompts sent {how}, ramp and drain included (simulated), "
            f"{_VARIED}{hit}"
        )
    if users is None:
        return f"requests arrive at random (Poisson), {_VARIED}{hit}"
    if requests_per_s is not None:
        return f"at most {users:,} requests are out; beyond it one is sent as another ends{hit}"
    if users == 1:
        return f"closed loop: 1 user, who sends the next request when answered{hit}"
    return (
        f"closed loop: {users:,} users start at once, each sends again when answered; a tenth of "
        f"the requests measured are the first burst, {_VARIED}{hit}"
    )


def _workload(
    *,
    name: str,
    input_tokens: int,
    output_tokens: int,
    several: bool,
    served: bool,
    source: str,
    prefix_hit: float,
) -> str:
    said = f" ({source})" if source else ""
    average = " on average" if several else ""
    line = f"workload {name}: {input_tokens:,} tokens in, {output_tokens:,} out{average}{said}"
    if several and served:
        line += "; the load is one of requests of that length each"
    elif several:
        line += "; TTFT is the mean over requests, TPOT over their output tokens"
    if prefix_hit and not served:
        line += f"; all of each prompt is prefilled, under a served load {prefix_hit:.0%} is found in cache"
    return line


def _never_steady(*, requests: int | None, flight: float, peak: float | None) -> str:
    most = f", {peak:,.0f} at most" if peak else ""
    count = f" of {requests:,} requests" if requests else ""
    return (
        f"the run{count} was never steady at the rate offered: {flight:.3g} were in flight on"
        f" average{most}; graded as {max(1, round(flight)):,} users"
    )


def _saturated(*, requests_per_s: float, most_per_s: float, prompts: int | None = None) -> str:
    end = f"until {prompts:,} prompts have come" if prompts else "without end"
    return (
        f"saturated: {format_requests(requests_per_s)} asked for, at most "
        f"{format_requests(most_per_s, 3)} can be served; the queue and TTFT grow {end}"
    )


def _more_are_slower(
    *, gpu: str, few: int, many: int, figure: str, few_s: float, many_s: float, link: str
) -> str:
    times = f"{format_seconds(many_s)} against {format_seconds(few_s)}"
    slower = f"{figure} is longer on {many} GPUs than on {few} ({times})"
    return f"{gpu}: {slower}; they exchange over {link}"


def _settings(count: int) -> str:
    return f"{count:,} setting{'' if count == 1 else 's'}"


def _mixed_constants(*, measured: int, same_die: int, every: int) -> str:
    if measured == every:
        return "expected: rates measured on the card"
    if not measured and not same_die:
        return "expected: not measured on the card; generic fractions of its peaks"
    parts = [f"on the card in {measured:,}"] if measured else []
    parts += [f"on another with its die in {same_die:,}"] if same_die else []
    rest = measured + same_die < every
    others = ", generic fractions of the peaks in the others" if rest else ""
    return f"expected: rates measured {', '.join(parts)} of {every:,}{others}"


def _no_price(*, gpus: tuple[str, ...]) -> str:
    more = f" and {len(gpus) - 3} others" if len(gpus) > 3 else ""
    return f"no price for {', '.join(gpus[:3])}{more}"


def _beyond_made_for(*, context: int, model: str, others: int, most: int) -> str:
    more = f" and {others} others" if others else ""
    return f"{context:,} tokens are more than {model}{more} is made for ({most:,})"


def _in_flight(*, requests: float, users: int, more: bool) -> str:
    shown = f"{requests:.1f}" if requests < 100 else f"{requests:,.0f}"
    says = f"rate x latency makes {'less than 1' if requests < 1 else shown} requests in flight"
    why = (
        "the figures contradict each other (units, or another concurrency)"
        if more
        else "the client sent fewer, or the figures contradict each other"
    )
    return f"{says}, not {users:,}: {why}"


KINDS: Mapping[str, NoteKind] = {
    # the card
    "card": NoteKind("assumption", "{text}"),
    "card_choice": NoteKind("assumption", _card_choice, guess=True),
    "card_default": NoteKind("assumption", "{name}: no {fact} in the file, {taken} assumed{remark}", guess=True),
    "card_memory": NoteKind("assumption", "{text}", guess=True),
    "boost": NoteKind("assumption", "limit: compute peaks at the card's highest clock, {clock_mhz:,.0f} MHz ({boost:.2f} x rated)"),
    "card_odd": NoteKind("assumption", "{what}: {shown}, where cards have {usual}: is each unit right?", guess=True),
    "no_pipe": NoteKind("assumption", "{gpu} has no {pipe} pipe: {format} weights stay {bits:g}-bit in memory and are multiplied in {taken}"),
    "measured_constants": NoteKind("assumption", _constants),
    "generic_constants": NoteKind("assumption", _constants, guess=True),
    "parallel": NoteKind("assumption", _parallel),
    "unlike_shared": NoteKind("assumption", "each card has an equal share of every layer: the slower one is waited for, the smaller one is full first; they exchange over PCIe"),
    "context_apart": NoteKind("assumption", _context_apart),
    # the host and what lies there
    "host": NoteKind("assumption", "host: {name}, {cores} cores, {memory}, {rate:,.0f} GB/s"),
    "host_default": NoteKind("assumption", "host not given; taken: {name}, {size}, {rate:,.0f} GB/s ({flag[host]}, {flag[host_memory]})", guess=True),
    "host_memory": NoteKind("assumption", "the host has {size} of memory ({flag[host_memory]} says otherwise)", guess=True),
    "host_local": NoteKind("assumption", "host: this machine's {name} with {memory}, its modules taken as {modules} ({flag[host_memory]})", guess=True),
    "placed": NoteKind("assumption", "placement: {layers}{experts}"),
    "weights_stored": NoteKind("assumption", "{gib:,.1f} GiB of each card's weights lie in host memory and are read over the link, {rate:,.1f} GB/s, at every step; {each:.0%} of that is expected"),
    "kv_kept": NoteKind("assumption", "{found:,} of a prompt's {tokens:,} tokens are found {where}, {rate:,.1f} GB/s to each GPU, of which {share:.0%} is expected; the rest is read after they came", guess=True),
    "read_by": NoteKind("assumption", "{gpu} reads the prompts and sends their caches when they are complete, {rate:,.1f} GB/s from each GPU; the first token is of a decode step"),
    # the model
    "model": NoteKind("assumption", "{text}"),
    "keys_passed": NoteKind("assumption", "set in the config and passed over: {listed}"),
    "parts_not_counted": NoteKind("assumption", "{listed}: not counted, parameters are the text model's"),
    "another_class": NoteKind("assumption", "architectures names {name}: taken for what its model_type {kind} says", guess=True),
    "another_text": NoteKind("assumption", "the text model of this {kind} is {text}, where {usual} is usual: counted as it says"),
    "config_defaults": NoteKind("assumption", "not in the config, taken from the model class's defaults: {listed}", guess=True),
    "run_for": NoteKind("assumption", "run for {task}: the LM head is not loaded"),
    "trace": NoteKind("assumption", _trace),
    "texts_load": NoteKind("assumption", lambda texts: f"{'a request is one text' if texts == 1 else f'a request is {texts:,} texts'}, all of one length; who comes while texts are read is read in the next step"),
    "no_tokens": NoteKind("assumption", "generates no tokens: its answer is there when the prompt is read, output-len means nothing"),
    "routing": NoteKind("assumption", "experts: the limit counts those of one token, which any routing must read; ceiling, bytes and MBU even routing, expected {expected}"),
    "windows": NoteKind("assumption", "windowed layers cache no more than their window"),
    "no_windows": NoteKind("assumption", "{engine} has no windows for {model_type}: every layer keeps and reads the whole context"),
    "engine_cache": NoteKind("assumption", "{engine} keeps an fp8 KV cache beside fp8 weights ({flag[kv_cache_dtype]} says otherwise)"),
    "text_length": NoteKind("assumption", "texts of {tokens:,} tokens, the longest that the model takes ({flag[input_len]} says otherwise)", guess=True),
    "spelled_model": NoteKind("assumption", _spelled_model, guess=True),
    "own_format": NoteKind("assumption", "{typed} taken as {taken}, the usual of {engine}", guess=True),
    "converted": NoteKind("assumption", "{stored} as GGUF files have it: {taken}, attention and head in 8 bit", guess=True),
    "not_in_gguf": NoteKind("warning", "{engine} loads no {stored} weights: name a GGUF format, as {flag[quantization]} {usual}"),
    "active_experts": NoteKind("assumption", "mixture of experts: only the experts of one token are read"),
    "stored_size": NoteKind("warning", "the checkpoint stores {stored}, its config implies {implied} ({off:+.1%}): other formats, or layers not modelled"),
    "model_warning": NoteKind("warning", "{text}"),
    # the engine and the load
    "engine": NoteKind("assumption", _engine),
    "engine_default": NoteKind("assumption", _engine, guess=True),
    "drafts": NoteKind("assumption", _drafts),
    "drafts_prompt": NoteKind("assumption", "{by} reads the prompt too, in TTFT (expected, not limit)"),
    "drafts_shared": NoteKind("assumption", "the head shares the model's embedding, as engines load it, and runs divided as the model is"),
    "draft_model_divided": NoteKind("assumption", "the draft model has its own weights and cache on every GPU's share, divided as the model is, in the model's KV cache format"),
    "denoising": NoteKind("assumption", "diffusion: each step reads a block of {block} tokens and keeps as many as given, the blocks before are cached (SGLang, Fast-dLLM); prompts as if causal"),
    "lora": NoteKind("assumption", _lora),
    "encoding": NoteKind("assumption", _encoding),
    "encoded_by": NoteKind("assumption", "encoded on {count} x {gpu}, a request on each at a time; a hidden state for each token comes, {megabytes:,.3g} MB at {rate:,.3g} GB/s"),
    "lookup_time": NoteKind("not_modelled", "the host's search of the text for drafts"),
    "calibrated": NoteKind("assumption", "calibrated to {results} results of this server ({before:.1%} off before, {after:.1%} after): {base} with memory x {memory:.2f}, compute x {compute:.2f}, host time x {host:.2f}, all-reduces x {link:.2f}; without that, TPOT {tpot_ms:.3g} ms and TTFT {ttft_ms:.3g} ms", guess=True),
    "load": NoteKind("assumption", _load),
    "workload": NoteKind("assumption", _workload),
    # what comes of it
    "no_fit": NoteKind("warning", "does not fit: {short_gb:,.1f} GB more memory is needed"),
    "context": NoteKind("warning", "{context} tokens are beyond the model's maximum context of {most}"),
    "saturated": NoteKind("warning", _saturated),
    "prompts_fill": NoteKind("warning", "reading prompts takes {share:.0%} of the time: means of an endless run may be far off, those of the simulated run are not"),
    "users_wait": NoteKind("warning", "the KV cache has room for {slots} of {users} users; the others wait"),
    "queueing": NoteKind("not_modelled", "queueing and prefix caching (all prompts start at once: see {flag[max_concurrency]})"),
    "throttling": NoteKind("not_modelled", "throttling and power caps"),
    "image_host": NoteKind("not_modelled", "preprocessing on the host: decoding and resizing images and video frames"),
    "image_time": NoteKind("not_modelled", "the vision tower's time to encode the images (its weights are in memory)"),
    "tower_time": NoteKind("not_modelled", "the vision or audio tower's time (its weights are in memory)"),
    # tables of many settings
    "mixed_constants": NoteKind("assumption", _mixed_constants),
    "unpacked_settings": NoteKind("assumption", lambda count: f"{_settings(count)} where the card has no pipe for a format of weights or cache and multiplies a wider one"),
    "beyond_settings": NoteKind("warning", lambda count: f"{_settings(count)} with more tokens than the model is made for"),
    "step_budget": NoteKind("assumption", "{engine} is given steps of {tokens:,} tokens: it reads prompts whole, and its own {usual:,} do not hold one of {longest:,} beside what decodes ({flag[max_num_batched_tokens]})", guess=True),
    "closed_form": NoteKind("assumption", "served loads: the closed form of a run; vperf estimate simulates one request by request"),
    "more_are_slower": NoteKind("warning", _more_are_slower),
    "saturated_settings": NoteKind("warning", lambda count: f"{_settings(count)} that cannot serve what is asked: queues grow"),
    "energy": NoteKind("assumption", "tok/J: decoded tokens per joule at 63 % of the TDP of all GPUs, as 79 measured runs drew (50 to 76 % in most); hosts and cooling come on top"),
    "dollars": NoteKind("assumption", "$: every GPU of the deployment is paid by the hour"),
    "no_price": NoteKind("warning", _no_price),
    # fit
    "beyond_made_for": NoteKind("warning", _beyond_made_for),
    "context_default": NoteKind("assumption", "{context:,} tokens a user, less where the model is made for less ({flag[context]})", guess=True),
    "utilization": NoteKind("assumption", "the engine takes {shares} of a GPU's memory ({flag[gpu_memory_utilization]})"),
    "driver_memory": NoteKind("assumption", "memory is what the driver shows, after ECC, part of which it keeps; other programs must leave it free"),
    "utilization_raised": NoteKind("assumption", "the engine is given {share:.0%} of a GPU's memory: its own {default:.0%} leave no room for the load ({flag[gpu_memory_utilization]})", guess=True),
    # plan
    "weights_quality": NoteKind("not_modelled", "{weights} weights are a what-if, the checkpoint holds {stored}: what that does to the quality of answers is not modelled"),
    "pools": NoteKind("assumption", "pools of equal GPUs: a prompt is prefilled alone, its cache is sent when complete, and decode replicas never prefill; requests/s are shared out equally in each pool"),
    "kv_link": NoteKind("assumption", "{flag[kv_link]}: {gb_per_s:,.4g} GB/s one way for each GPU; unless given, the peer link where both pools are in one node, else a network port of {port_gb_per_s:g} GB/s (400 Gb/s)"),
    "replicas_users": NoteKind("assumption", "each of {replicas} replicas has its share of the users, rounded up"),
    "at_a_time": NoteKind(
        "assumption",
        "{flag[max_num_seqs]} {sequences}: of more, prompts would interrupt those who decode beyond the TPOT; "
        "the others wait, and requests end no later on average",
    ),
    "replicas_rate": NoteKind("assumption", "each of {replicas} replicas gets an equal share of the requests"),
    "one_node": NoteKind("assumption", "tensor parallel ranks stay within a node; stages and groups of experts may cross nodes ({flag[node_link]})"),
    "targets_slow": NoteKind("assumption", "targets are held against the slow end of the range"),
    "targets_mean": NoteKind("assumption", "targets are held against the expected mean; {flag[conservative]} takes the slow end"),
    # check
    "tool": NoteKind("assumption", "{text}"),
    "said": NoteKind("warning", "{text}"),
    "doubt": NoteKind("warning", "{text}; a figure above the limit proves nothing here"),
    "more_ran": NoteKind("warning", "{decoding:.0f} sequences decoded at a time (rate x TPOT), more than the {slots:,} for which vperf finds room: the result wins"),
    "no_steady_state": NoteKind("assumption", "more requests come than can be served, which has no steady state: graded as a run of {prompts:,} prompts", guess=True),
    "capped": NoteKind("warning", "the server runs {most:,} at a time at most: the other {waiting:,.0f} users wait for their first token"),
    "never_steady": NoteKind("warning", _never_steady),
    "decoding": NoteKind("warning", "{decoding:.0f} of {requests:,} were decoding at a time (rate x TPOT) and are graded so: the others waited, for --max-num-seqs or room in the cache"),
    "said_weights": NoteKind("warning", "graded with {said} weights, as the result says; the checkpoint's are {own}"),
    "option_wins": NoteKind("warning", "{option} {given} is taken; the result says {said}"),
    "drafting_run": NoteKind("warning", "the run decoded speculatively, {tokens_per_step:.2f} tokens a step; it is graded against plain decoding (see {flag[speculative]})"),
    "drafted": NoteKind("assumption", "speculation as the result says: {drafts} drafts, {tokens_per_step:.2f} tokens a step, drafted by the model's own modules", guess=True),
    "drafted_somehow": NoteKind("assumption", "speculation as the result says: {drafts} drafts, {tokens_per_step:.2f} tokens a step; what drafted is not said, and takes no time here ({flag[speculative]}, {flag[draft_model]})", guess=True),
    "gpu_count": NoteKind("warning", "tp x pp x dp is {ways}; the result says {gpus} GPUs"),
    "not_graded": NoteKind("warning", "not graded: {text}"),
    "not_in_baseline": NoteKind("warning", "not in {source}: no drift"),
    "in_flight": NoteKind("warning", _in_flight),
    "loaded_weights": NoteKind("warning", "the tool loaded {loaded_gb:.3g} GB of weights, {quantization} weights of {model} are {stored_gb:.3g} GB: see {flag[quantization]}"),
    "sent_at_once": NoteKind("assumption", "{requests:,} requests, all sent at once: graded as that run", guess=True),
    "one_user": NoteKind("assumption", "one user is graded as batch 1: expected TTFT leaves out the server's own time"),
    "no_prompt": NoteKind("assumption", "decodes {output:,.0f} tokens from {cached}, with no prompt before them"),
    "default_lengths": NoteKind("assumption", "lengths not given; taken: {lengths}", guess=True),
    "as_tensor_parallel": NoteKind("assumption", "{gpus} GPUs taken as tensor parallel ({flag[tp]}, {flag[pp]} and {flag[dp]} say otherwise)", guess=True),
    "bundled_model": NoteKind("assumption", "the result's model is {said}, which is not here: {model} taken for it", guess=True),
    "not_at_once": NoteKind("warning", "{requests:,} requests, {flight:,} in flight on average: they did not all come at once; graded as {flight:,} users"),
    "typed_model": NoteKind("assumption", "{typed} taken as {model}", guess=True),
    "own_weights": NoteKind("assumption", "weights as the checkpoint has them, {quantization}; the result says {said}"),
    "figures_left": NoteKind("assumption", "not graded: {figures}; there is nothing to hold them against (a rate that was offered, cached tokens)"),
}  # fmt: skip
"""Every kind: its role, its sentence, and whether it is a guess."""
