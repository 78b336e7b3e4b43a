"""What an answer rests on, in sentences: assumptions, what is not modelled, warnings.

Not here: the figures (estimate.py) and their layout (report/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vperf.answer import Speculative
from vperf.formats import Format
from vperf.hardware.gpu import Gpu
from vperf.model.model import Model
from vperf.serving.lengths import Lengths
from vperf.serving.memory import Memory
from vperf.timing.collectives import link_bytes_per_s
from vperf.timing.step import Card

if TYPE_CHECKING:
    from vperf.serving.load import Load


def assumptions(model: Model, card: Card, speculative: Speculative | None) -> tuple[str, ...]:
    """What was taken for granted: ambiguous names, defaults, fallbacks, constants, the engine."""
    gpu, constants, engine = card.gpu, card.constants, card.engine
    lines = [*gpu.assumptions, *model.assumptions]
    lines += [_fallback_line(f, gpu) for f in model.formats if _falls_back(f, gpu)]
    if gpu.boost > 1.001:
        lines.append(
            f"limit: compute peaks at the card's highest clock, {gpu.max_clock_hz / 1e6:.0f} MHz "
            f"({gpu.boost:.2f} x rated)"
        )
    if model.has_experts:
        lines.append(
            "experts: uniform routing, in limit and expected; a real router may touch fewer"
        )
    if model.windows:
        lines.append("windowed layers cache no more than their window")
    if constants.origin == "measured":
        source = gpu.achieved.source if gpu.achieved else ""
        lines.append(f"expected: rates measured on this card ({source})" if source else
                     "expected: rates measured on this card")  # fmt: skip
    else:
        lines.append("expected: nobody's measurements of this card; generic fractions of its peaks")
    graphs = "CUDA graphs" if engine.cuda_graphs else "no CUDA graphs"
    each = engine.host_s_per_sequence * 1e6
    lines.append(
        f"{engine.name}: {graphs}, {engine.host_s_per_step * 1e3:g} ms of host time a step"
        + (f" and {each:g} us a sequence" if each else "")
    )
    if model.parallel.gpus > 1:
        lines.append(_parallel_line(model, card))
    if speculative:
        lines.append(
            f"speculative decoding: {speculative.draft_tokens} drafted a step by the model's own "
            f"MTP layer, each token accepted with probability {speculative.acceptance:g} as "
            f"given, independently: {speculative.tokens_per_step:.3g} tokens a step"
        )
        lines.append(
            "the MTP layer reads the prompt too before the first token is given out (expected; "
            "the limit does not wait for it)"
        )
    return tuple(lines)


def load_line(load: Load) -> str:
    """What a served load takes for granted."""
    hit = f"; {load.prefix_hit:.0%} of each prompt found in cache" if load.prefix_hit else ""
    if load.users is None:
        return f"requests arrive evenly, each as long as the others{hit}"
    if load.users == 1:
        return f"closed loop: 1 user, who sends the next request when answered{hit}"
    return (
        f"closed loop: {load.users:,} users, all starting at once, each sending its next request "
        f"when answered; a tenth of the requests measured are the first burst{hit}"
    )


def workload_line(lengths: Lengths, *, served: bool) -> str:
    """Whose lengths a workload's are, and what the figures are means of."""
    few = len(lengths.requests) > 1
    means = f"{lengths.input_tokens:,} tokens in, {lengths.output_tokens:,} out"
    source = f" ({lengths.source})" if lengths.source else ""
    line = f"workload {lengths.name}: {means}{' on average' if few else ''}{source}"
    if few and served:
        line += "; the load is one of requests of that length each"
    elif few:
        line += "; TTFT is the mean over requests, TPOT over their output tokens"
    if lengths.prefix_hit and not served:
        share = f"{lengths.prefix_hit:.0%}"
        line += f"; all of each prompt is prefilled, under a served load {share} is found in cache"
    return line


def _parallel_line(model: Model, card: Card) -> str:
    """How the model is divided, and over what."""
    p, gpu = model.parallel, card.gpu
    ways = [
        f"{name} {count}"
        for name, count in (
            ("tensor", p.tensor), ("pipeline", p.pipeline), ("expert", p.expert),
            ("attention data", p.data),
        )
        if count > 1
    ]  # fmt: skip
    link = gpu.link.name if gpu.link else "PCIe"
    rate = link_bytes_per_s(gpu)
    speed = (
        f" at {rate / 1e9:,.0f} GB/s one way"
        if rate < float("inf")
        else " at an unknown rate (3.0 x16 taken)"
    )
    measured = gpu.achieved is not None and gpu.achieved.all_reduce
    return (
        f"{p.gpus} GPUs in one node, parallel: {', '.join(ways)}; joined by {link}{speed}, "
        f"all-reduces {'measured on this card' if measured else 'from generic constants'}"
    )


def unpacks(model: Model, gpu: Gpu) -> bool:
    """Whether the card has no pipe for one of the model's formats and multiplies a wider one."""
    return any(_falls_back(f, gpu) for f in model.formats)


def _falls_back(fmt: Format, gpu: Gpu) -> bool:
    if fmt.any_path and fmt.paths[0].pipe in gpu.peak_flop_per_s:
        return False  # it has that pipe, and another is faster (int8 on a B300)
    return fmt.path(gpu.peak_flop_per_s) != fmt.paths[0]


def _fallback_line(fmt: Format, gpu: Gpu) -> str:
    wanted, got = fmt.paths[0], fmt.path(gpu.peak_flop_per_s)
    return (
        f"{gpu.id} has no {wanted.required} pipe: {fmt.name} weights stay {fmt.bits:g}-bit in "
        f"memory and are multiplied in {got.pipe}"
    )


def not_modelled(
    model: Model, image_tokens: int = 0, *, served: bool = False
) -> tuple[str, ...]:
    """What the figures leave out."""
    lines = ["throttling and power caps"]
    if not served:
        lines.insert(
            0, "queueing and prefix caching: all prompts start at once (see --max-concurrency)"
        )
    if image_tokens:
        lines.append("the vision tower's time to encode the images (its weights are in memory)")
    elif model.tower_parameters:
        lines.append("the vision or audio tower's time (its weights are in memory)")
    return tuple(lines)


def warnings_of(model: Model, memory: Memory, context: int) -> tuple[str, ...]:
    """What the user should see first: it does not fit, the context is too long."""
    lines = []
    if not memory.fits:
        short = memory.total_bytes - memory.capacity_bytes
        lines.append(f"does not fit: {short / 1e9:,.1f} GB more memory is needed")
    longest = model.max_context_tokens
    if longest is not None and context > longest:
        lines.append(f"{context} tokens are beyond the model's maximum context of {longest}")
    return tuple(lines)
