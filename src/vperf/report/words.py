"""The sentences of an answer, shared by every output that people read.

Not here: layout and colour (table.py, markdown.py).
"""

from __future__ import annotations

from vperf.answer import Estimate, Serving, Speculative
from vperf.report.commands import SIXTEEN_BIT, Bench, Server, bench, folded, launch
from vperf.report.format import clean, per_second, percent, plural, seconds, size, span, whole, work
from vperf.timing.step import PhaseTimes
from vperf.units import format_bandwidth, format_rate, format_requests

_SHOWN_PEAKS = ("bf16", "fp8", "fp4")
_NOISE = {"nvidia", "geforce", "blackwell", "edition", "generation", "gpu"}
_LINE = 80


def short_model(identifier: str) -> str:
    """A Hub id without its owner; a path without its directories."""
    return clean(identifier).rstrip("/").rsplit("/", 1)[-1] or "model"


def short_gpu(name: str, count: int = 1) -> str:
    """A GPU's name without the words that do not tell cards apart."""
    words = [word for word in clean(name).split() if word.lower() not in _NOISE]
    text = " ".join(words) or clean(name)
    return f"{count} x {text}" if count > 1 else text


def subject(answer: Estimate) -> str:
    """ "Qwen3-4B on H100 SXM"."""
    return f"{short_model(answer.model.id)} on {short_gpu(answer.gpu.name, answer.gpu.count)}"


def headline(answer: Estimate, width: int = _LINE) -> str:
    """Line 1: the answer and its ceiling; the longest wording that fits into `width`."""
    name, low, high = subject(answer), answer.expected.low, answer.expected.high
    if not answer.memory.fits:
        need, have = size(answer.memory.total_bytes), size(answer.memory.capacity_bytes)
        each = " per GPU" if answer.gpu.count > 1 else ""
        wordings = [f"Does not fit: {name} needs {need} of {have}{each}."]
        last = f"Does not fit, needs {need} of {have}{each}: {name}."
    else:
        speed = f"{per_second(answer.expected.decode_tokens_per_s)} tok/s"
        ceiling = per_second(answer.limit.decode_tokens_per_s)
        spread = span(per_second(low.decode_tokens_per_s), per_second(high.decode_tokens_per_s))
        wordings = [
            f"{name}: decode {speed} expected ({spread}), limit {ceiling}.",
            f"{name}: decode {speed} expected, limit {ceiling}.",
            f"{name}: decode {speed}, limit {ceiling}.",
            f"{name}: {speed}, limit {ceiling}.",
        ]
        last = f"Decode {speed}, limit {ceiling}: {name}."
    return next((wording for wording in wordings if len(wording) <= width), last)


def second_line(answer: Estimate) -> str:
    """What line 1 has no room for: the first token, and the workload."""
    wait = f"first token after {seconds(answer.expected.ttft_s)}"
    wait += f" (limit {seconds(answer.limit.ttft_s)})"
    if answer.memory.fits:
        return f"{wait[0].upper()}{wait[1:]}; {workload(answer)}."
    speed = f"{per_second(answer.expected.decode_tokens_per_s)} tok/s"
    ceiling = per_second(answer.limit.decode_tokens_per_s)
    return f"With the memory it would decode {speed} (limit {ceiling}), {wait}; {workload(answer)}."


def workload(answer: Estimate) -> str:
    """ "1,024 tokens in, 128 out, batch 1, bf16 weights, bf16 KV cache, vllm"."""
    asked, model = answer.workload, answer.model
    images = f" and {plural(asked.image_tokens, 'image token')}" if asked.image_tokens else ""
    load = f"batch {asked.batch_size:,}"
    if answer.serving:
        rate = answer.serving.requests_asked_per_s
        load = plural(asked.concurrency, "user") if rate is None else format_requests(rate)
    return (
        f"{plural(asked.input_tokens, 'token')}{images} in, {asked.output_tokens:,} out, "
        f"{load}, {clean(model.quantization)} weights, "
        f"{clean(model.kv_cache_dtype)} KV cache, {clean(asked.engine)}"
    )


def speed_rows(answer: Estimate) -> list[tuple[str, str, str, str, str]]:
    """The rows of the one table: what, limit, expected, range, bound by."""
    limit, expected = answer.limit, answer.expected
    low, high = expected.low, expected.high
    prefill, decode = answer.prefill.bound, answer.decode.bound
    shared = answer.workload.batch_size > 1

    def row(
        name: str, bound: str, values: tuple[float, float, float, float], of_time: bool
    ) -> tuple[str, str, str, str, str]:
        lim, exp, lowest, highest = map(seconds if of_time else per_second, values)
        return name, lim, exp, span(lowest, highest), bound

    rows = [
        row("TTFT", prefill, (limit.ttft_s, expected.ttft_s, low.ttft_s, high.ttft_s), True),
        row(
            "Prefill tok/s",
            prefill,
            (
                limit.prefill_tokens_per_s,
                expected.prefill_tokens_per_s,
                low.prefill_tokens_per_s,
                high.prefill_tokens_per_s,
            ),
            False,
        ),
        row("TPOT", decode, (limit.tpot_s, expected.tpot_s, low.tpot_s, high.tpot_s), True),
        row(
            f"Decode tok/s, all {answer.workload.batch_size:,}" if shared else "Decode tok/s",
            decode,
            (
                limit.decode_tokens_per_s,
                expected.decode_tokens_per_s,
                low.decode_tokens_per_s,
                high.decode_tokens_per_s,
            ),
            False,
        ),
    ]
    if shared:
        rows.append(
            row(
                "Decode tok/s per user",
                decode,
                (
                    limit.decode_tokens_per_s_per_user,
                    expected.decode_tokens_per_s_per_user,
                    low.decode_tokens_per_s_per_user,
                    high.decode_tokens_per_s_per_user,
                ),
                False,
            )
        )
    return rows


OP_HEADINGS = (
    *("op", "shape", "count", "FLOPs", "bytes", "compute", "memory"),
    *("limit", "expected", "share", "bound"),
)


def op_rows(phase: PhaseTimes) -> list[tuple[str, ...]]:
    """The op table of a phase under OP_HEADINGS: its ops, the overhead, the total."""
    rows: list[tuple[str, ...]] = [
        (
            clean(op.name),
            clean(op.shape),
            whole(op.count),
            work(op.flops),
            size(op.bytes),
            seconds(op.compute_s),
            seconds(op.memory_s),
            seconds(op.limit_s),
            seconds(op.expected_s),
            percent(op.share),
            op.bound,
        )
        for op in phase.ops
    ]
    share = percent(phase.overhead_s / phase.expected_s if phase.expected_s > 0 else 0.0)
    rest = ("-",) * 5
    rows.append(
        ("overhead", "host time per step", "", *rest, seconds(phase.overhead_s), share, "latency")
    )
    rows.append(
        (
            "total",
            "",
            "",
            work(sum(op.flops for op in phase.ops)),
            size(sum(op.bytes for op in phase.ops)),
            seconds(sum(op.compute_s for op in phase.ops)),
            seconds(sum(op.memory_s for op in phase.ops)),
            seconds(phase.limit_s),
            seconds(phase.expected_s),
            percent(1.0),
            phase.bound,
        )
    )
    return rows


def op_title(name: str, phase: PhaseTimes) -> str:
    """ "Decode step with 1,088 tokens in the cache, op by op"."""
    cached = f" with {plural(phase.context_tokens, 'token')} in the cache"
    return f"{name}{cached if phase.context_tokens else ''}, op by op"


def facts(answer: Estimate) -> list[tuple[str, str]]:
    """What the answer rests on: memory and the room left in it, the model, the GPU."""
    memory, asked = answer.memory, answer.workload
    verdict = "fits" if memory.fits else "does not fit"
    each_gpu = " per GPU" if answer.gpu.count > 1 else ""
    used = (
        f"{verdict}: {size(memory.total_bytes)} of {size(memory.capacity_bytes)}{each_gpu} "
        f"({size(memory.weight_bytes)} weights, {size(memory.kv_cache_bytes)} KV cache, "
        f"{size(memory.other_bytes)} other)"
    )
    if memory.max_context_tokens <= 0 and memory.max_batch_size <= 0:
        room = "none: beside the weights no KV cache has space"
    else:
        longest = whole(memory.max_context_tokens)
        if memory.max_context_tokens == answer.model.max_context_tokens:
            longest += " (the model's maximum)"
        each = plural(asked.prompt_tokens + asked.output_tokens, "token")
        room = (
            f"a context of {longest} at batch {asked.batch_size:,}, "
            f"or a batch of {whole(memory.max_batch_size)} at {each}"
        )
    return [
        *([("Drafts", _drafts(answer.speculative))] if answer.speculative else []),
        *([("Load", _load(answer.serving))] if answer.serving else []),
        ("Memory", used),
        ("Room for", room),
        ("Model", _model(answer)),
        ("GPU", _gpu(answer)),
    ]


def _load(served: Serving) -> str:
    """What a served load settles to."""
    running = f"{served.running_batch:.3g}"
    text = (
        f"{running} sequence{' decodes' if running == '1' else 's decode'} at a time (the cache "
        f"holds {whole(served.slots)}), {format_requests(served.requests_per_s, 3)} served"
    )
    if served.requests_asked_per_s is None:
        text += f"; first token after {seconds(served.ttft_steady_s)} once the first burst is over"
    return text


def _drafts(answer: Speculative) -> str:
    """What speculative decoding brings, and from which acceptance on."""
    even = answer.break_even_acceptance
    pays = "never pays" if even is None else f"pays from an acceptance of {even:.2f} on"
    return (
        f"{answer.draft_tokens} a step ({clean(answer.method)}), {answer.tokens_per_step:.3g} "
        f"tokens a step of {seconds(answer.expected_step_s)}; {pays}: without, TPOT is "
        f"{seconds(answer.expected_plain_tpot_s)}"
    )


def _model(answer: Estimate) -> str:
    model = answer.model
    active = (
        f" ({whole(model.active_parameters)} active)"
        if model.active_parameters != model.parameters
        else ""
    )
    return (
        f"{clean(model.architecture)}, {whole(model.parameters)} parameters{active} in "
        f"{whole(model.weight_bytes)} bytes, {whole(model.kv_bytes_per_token)} bytes of KV cache "
        "per token"
    )


def _gpu(answer: Estimate) -> str:
    gpu = answer.gpu
    peaks = ", ".join(
        f"{format_rate(gpu.peak_flop_per_s[pipe])} {pipe}"
        for pipe in _SHOWN_PEAKS
        if gpu.peak_flop_per_s.get(pipe)
    )
    return (
        f"{f'{gpu.count} x ' if gpu.count > 1 else ''}{clean(gpu.id)}, {size(gpu.memory_bytes)}, "
        f"{format_bandwidth(gpu.memory_bandwidth_bytes_per_s)}, {peaks or 'no peak known'}; "
        f"constants: {clean(gpu.constants)}"
    )


def verify(answer: Estimate, width: int = _LINE) -> list[str]:
    """The commands that would measure what was estimated; empty where vperf knows none."""
    if not nameable(answer):
        return []
    asked, model = answer.workload, answer.model.id
    server = Server(
        asked.engine, model, asked.tensor_parallel, asked.pipeline_parallel,
        asked.expert_parallel, asked.data_parallel, kv_cache=own_cache(answer),
        draft_tokens=asked.draft_tokens if asked.speculative else 0,
    )  # fmt: skip
    measured = Bench(asked.prompt_tokens, asked.output_tokens, asked.concurrency)
    commands = [*launch(server), bench(asked.engine, model, measured)]
    return [line for words in commands if words for line in folded(words, width)]


def nameable(answer: Estimate) -> bool:
    """Whether an engine would find the model by its id.

    Ids come from strangers and end up in a shell's clipboard: those with odd characters are not.
    """
    model = answer.model
    return model.source in ("bundled", "hub") and clean(model.id) == model.id


def own_cache(answer: Estimate) -> str:
    """The KV cache's format where it is not the model's 16-bit one."""
    cache = answer.model.kv_cache_dtype
    return "" if cache in SIXTEEN_BIT else cache


def verify_title(answer: Estimate) -> str:
    """What goes above the commands of `verify`."""
    if answer.model.quantization in SIXTEEN_BIT:
        return "Measure it:"
    return f"Measure it (with a checkpoint in {clean(answer.model.quantization)}):"
