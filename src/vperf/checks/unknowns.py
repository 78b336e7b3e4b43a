"""Faults that one unknown value would explain: named where the value it needs is one that occurs.

    launches      us of the host for each kernel, ms for each step
    links         us for each all-reduce; GB/s of a prompt's all-reduces
    bandwidth     share of the card's that a decode step has left
    attention     times its kernel's time
    acceptance    of drafted tokens

Facts of the file and the machine rule faults out. The ranges are judgements, made in sight of the
public runs in benchmarks/data/slow_runs.csv (2026-12-01), not fits. Not here: faults with a
prediction (faults.py), and what lies in the host's memory (host_memory.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vperf.checks.case import MATCH_TOLERANCE, MIN_SLOWDOWN, Case, Suspect
from vperf.checks.faults import ms, reads_blocks, unpacks
from vperf.checks.host_memory import in_host_memory
from vperf.checks.looks import look
from vperf.errors import VperfError
from vperf.estimate import decode_step
from vperf.formats import FLOATS, MIXES
from vperf.hardware.commands import switch
from vperf.model.ops import COLLECTIVES

_LAUNCH = (0.5, 4.0)
"""Host time of a launch over the engine's: hosts differ, and so do the calls around a kernel."""
_HOST_STEP_S = (1e-3, 60e-3)
"""What a busy or slow host adds to a step: sampling, grammars, penalties, detokenizing, logs."""
_NODE_ALL_REDUCE_S = (40e-6, 1e-3)
"""An all-reduce of one token over PCIe, through the host's memory, or by a slow library."""
_NETWORK_ALL_REDUCE_S = (1e-3, 30e-3)
"""The same between machines, over Ethernet."""
_LINK_BYTES_PER_S = (0.3e9, 14e9)
"""Of a prompt's all-reduces over PCIe from 3.0 x1 to 4.0 x8."""
_LONG_CACHE = 0.2
"""Share of a step that its cache takes, from which attention may be what is slow."""
_ATTENTION = (1.4, 60.0)
"""An attention kernel that is not meant for the card, over the one that is."""
_BANDWIDTH = (0.02, 0.75)
"""Shares of a card's bandwidth that low clocks, or other work, leave."""
_LOWEST_CLOCKS = 8.0
"""Slowdown that clocks of an idle card, or the lowest power mode, do not reach."""
_SLOW_CACHE = ("q4_1", "q5_0", "q5_1", "iq4_nl")
"""Cache types that llama.cpp's default build has no attention kernels of a card for
(GGML_CUDA_FA_ALL_QUANTS; ggml-org/llama.cpp#28455, read 2026-12-01)."""
_ACT_ORDER = ("gptq", "gptq_int8", "gptq_int4")
_TWO_PHASES = 1.3
"""From here on the two phases are not slow alike."""
_MIN_KERNEL_SLOWDOWN, _CRAWL = 1.4, 15.0
"""Slowdowns from which kernels are named, and from which work may not be on the card at all."""
_LATE = 4.0
"""TTFT over expected from which a load does not explain it."""
_IMAGES_LATE = 1.5
"""The same of a load with images, which the host prepares."""
_FULL = 0.9
"""Share of the memory from which another program may push weights out."""


def telling(case: Case) -> Iterator[Suspect]:
    """All of them, in no order."""
    if case.is_slow:
        yield from _launches(case)
        yield from _links(case)
        yield from in_host_memory(case)
        yield from _swap(case)
        yield from _packed(case)
        yield from _attention(case)
        yield from _clocks(case)
        yield from _bandwidth(case)
        yield from _acceptance(case)
        yield from _kernels(case)
    yield from _first_token(case)


def _launches(case: Case) -> Iterator[Suspect]:
    """The host: its time for each kernel without graphs, or for each step."""
    engine = case.engine
    if not case.decodes_slowly or not engine.eager_launch_s or reads_blocks(case):
        return
    kernels = _kernel_count(case)
    launch = (case.step_s - engine.eager_host_s_per_step) / kernels
    low, high = (share * engine.eager_launch_s for share in _LAUNCH)
    if low <= launch <= high:
        would = f"{launch * 1e6:.0f} us of the host for each of {kernels:,} kernels would do"
        usual = f"usual are {low * 1e6:.0f} to {high * 1e6:.0f}"
        if engine.cuda_graphs:
            option = switch(engine, "", eager="yes")
            typed = f" ({option}, or batches beyond the largest graph?)" if option else ""
            sentence = f"no CUDA graphs{typed}: the host launches every kernel"
        else:
            sentence = "a slow host: without CUDA graphs it launches every kernel"
        yield Suspect(
            "no-cuda-graphs", "suspect", sentence, f"{would}, {usual}",
            command=switch(engine, "graphs"), gain=case.slowdown,
            odds=0.4 if _reads_late(case) else 0.62,
        )  # fmt: skip
    elif _HOST_STEP_S[0] < case.excess_s < _HOST_STEP_S[1] and switch(engine, "async"):
        yield Suspect(
            "slow-host", "suspect",
            f"the host adds {ms(case.excess_s)} to each step: few or slow CPU cores, grammars,"
            " penalties, logprobs or adapters", command="top -H", gain=case.slowdown, odds=0.3,
        )  # fmt: skip


def _kernel_count(case: Case) -> int:
    """Kernels of a decode step: what it would take if each were launched in a second."""
    slow = replace(case.engine, eager_launch_s=1.0, cuda_graphs=True)
    try:
        other = case.resolver.what_if(case.at, engine=slow, cuda_graphs=False)
    except VperfError:
        return max(1, sum(op.count for op in case.answer.decode.ops))
    return max(1, round(decode_step(other, 1).overhead_s))


def _links(case: Case) -> Iterator[Suspect]:
    """What every all-reduce would have to take, where that is a time that links have."""
    parallel = case.at.model.parallel
    if case.setup.rpc:
        yield Suspect(
            "network", "suspect",
            "layers on another machine (RPC), over a network that each token crosses",
            gain=case.slowdown, odds=0.75,
        )  # fmt: skip
    count = sum(op.count for op in case.answer.decode.ops if op.kind in COLLECTIVES)
    if parallel.tensor == 1:
        return
    command = look("topology", case.gpu)
    far = parallel.gpus > case.gpu.node_size
    if case.decodes_slowly and count:
        each = case.excess_s / count
        would = f"{each * 1e6:,.0f} us more for each of {count:,} a token would do"
        if far and _NETWORK_ALL_REDUCE_S[0] <= each <= _NETWORK_ALL_REDUCE_S[1]:
            sentence = "all-reduces between machines over a slow network (no InfiniBand or RDMA)"
            odds = 0.75
        elif _NODE_ALL_REDUCE_S[0] <= each <= _NODE_ALL_REDUCE_S[1]:
            sentence = "all-reduces over a slow link"
            odds = 0.65 if case.gpu.link is None else 0.5
        else:
            return
        yield Suspect("all-reduce", "suspect", sentence, would, command=command,
                      gain=case.slowdown, odds=odds)  # fmt: skip
    elif case.falls[0].metric == "ttft_s":
        moved = sum(op.bytes for op in case.answer.prefill.ops if op.kind in COLLECTIVES)
        spent = (case.slowdown - 1) * case.answer.prefill.expected_s
        if _LINK_BYTES_PER_S[0] <= moved / spent <= _LINK_BYTES_PER_S[1]:
            yield Suspect(
                "all-reduce", "suspect", "all-reduces of prompts over a slow link",
                f"{moved / spent / 1e9:.2g} GB/s between the GPUs would do", command=command,
                gain=case.slowdown, odds=0.65,
            )  # fmt: skip


def _swap(case: Case) -> Iterator[Suspect]:
    """Weights that the system swaps out, where memory is shared and has little room or none."""
    memory, slower = case.answer.memory, case.slowdown
    if case.gpu.memory_class not in ("unified", "Apple"):
        return
    if case.engine.host is not None and not reads_blocks(case):
        return
    full = memory.total_bytes > _FULL * memory.capacity_bytes
    if memory.fits and not (full and slower > _CRAWL):
        return
    # Of several memory configurations, the catalogue's may not be this machine's.
    known = all(note.kind != "card_memory" for note in case.gpu.assumptions)
    odds = 0.9 if known or slower > _CRAWL else 0.5
    why = "does not fit" if not memory.fits else "nearly fills"
    yield Suspect(
        "swap", "suspect",
        f"memory swaps: the model {why} what the GPU may hold (a lower wired limit, other"
        " programs)", command=look("memory", case.gpu), odds=odds,
    )  # fmt: skip


def _packed(case: Case) -> Iterator[Suspect]:
    """Packed weights that this engine, or this way of sharing them, has no kernel for."""
    quantization = case.answer.model.quantization
    if quantization in MIXES and unpacks(case):
        yield Suspect(
            "sixteen-bit", "suspect",
            f"weights run in 16 bit, not in {quantization}: this engine unpacks GGUF files at"
            " every step", gain=case.slowdown, odds=0.85,
        )  # fmt: skip
    elif quantization in _ACT_ORDER and case.at.model.parallel.tensor > 1:
        yield Suspect(
            "act-order", "suspect",
            "GPTQ weights with act-order (desc_act in config.json), whose fast kernels do not work"
            " under tensor parallel", gain=case.slowdown, odds=0.75,
        )  # fmt: skip


def _attention(case: Case) -> Iterator[Suspect]:
    """Attention on the CPU, or by a kernel that is not meant for the card or the length."""
    cache, option = case.answer.model.kv_cache_dtype, switch(case.engine, "flash")
    if reads_blocks(case) and cache in _SLOW_CACHE and case.gpu.vendor == "NVIDIA":
        yield Suspect(
            "flash-attention", "suspect",
            f"attention runs on the CPU: a default build has no kernels for a cache in {cache}",
            command="-ctk q8_0 -ctv q8_0", gain=case.slowdown, odds=0.85,
        )  # fmt: skip
        return
    if case.setup.flash_attention:
        option = ""
    if not case.decodes_slowly:
        return
    fall = case.falls[0]
    own = fall.part("attention") + fall.part("kv_cache")
    share = own / fall.expected_s
    times = 1 + (fall.measured_s - fall.expected_s) / own if own else 0.0
    if share < _LONG_CACHE or not _ATTENTION[0] <= times <= _ATTENTION[1]:
        return
    sentence = (
        "attention without its fused kernel"
        if option
        else ("an attention kernel that is slow at this context, or on this card")
    )
    off = case.setup.flash_attention is False
    yield Suspect(
        "flash-attention", "suspect", sentence, f"{times:.1f} times its time would do",
        command=option, gain=case.slowdown,
        odds=0.9 if off else 0.35 + 0.25 * min(1.0, share / 0.4) + 0.15 * bool(option),
    )  # fmt: skip


def _clocks(case: Case) -> Iterator[Suspect]:
    """Both phases slow alike: the card, not the software."""
    falls = case.falls
    if len(falls) < 2 or any(fall.part("queueing") > fall.expected_s / 2 for fall in falls):
        return  # who waits for others is as late as they are slow
    ratios = list(case.ratios.values())
    alike = max(ratios) / min(ratios) - 1
    main, mean = falls[0], (ratios[0] * ratios[1]) ** 0.5
    if min(ratios) >= MIN_SLOWDOWN and alike <= 2 * MATCH_TOLERANCE:
        both = ((fall.metric, ratio) for fall, ratio in zip(falls, ratios, strict=True))
        times = ", ".join(f"{_PHASE[metric]} {ratio:.2f} x expected" for metric, ratio in both)
        yield Suspect(
            "clocks", "suspect",
            "power cap, low clocks, or other work on the card: every phase is slow alike",
            times, main.expected_s * mean, main.expected_s * mean / main.measured_s - 1,
            look("clocks", case.gpu), ratios[0], 0.8 if case.slowdown < _LOWEST_CLOCKS else 0.4,
        )  # fmt: skip


_PHASE = {"tpot_s": "TPOT", "ttft_s": "TTFT"}


def _bandwidth(case: Case) -> Iterator[Suspect]:
    """The share of its bandwidth that a card would have left, where nothing is known of prompts."""
    if not case.decodes_slowly or "ttft_s" in case.ratios or case.at.model.parallel.gpus > 1:
        return
    reads = sum(op.memory_s for op in case.answer.decode.ops)
    share = reads / (reads + case.excess_s)
    if case.answer.memory.fits and _BANDWIDTH[0] <= share <= _BANDWIDTH[1]:
        mobile = case.gpu.memory_class in ("unified", "Apple")
        yield Suspect(
            "clocks", "suspect",
            "low clocks (power mode, power cap, heat), or other work on the card",
            f"{share:.0%} of its bandwidth would do", command=look("clocks", case.gpu),
            gain=case.slowdown, odds=0.55 if mobile else 0.4,
        )  # fmt: skip


def _acceptance(case: Case) -> Iterator[Suspect]:
    """Fewer accepted drafts than were taken."""
    scenario = case.at.scenario
    if scenario.speculative is None or not case.decodes_slowly:
        return
    low, high = 0.0, 1.0
    for _ in range(7):
        middle = (low + high) / 2
        there = case.predict({"acceptance": middle}, case.falls[:1])
        if there is None:
            return
        low, high = (low, middle) if there[0] < case.falls[0].measured_s else (middle, high)
    evidence = f"an acceptance of {high:.2f} would do" if high < 1.0 else ""
    yield Suspect(
        "acceptance", "suspect", "fewer drafts are accepted than was taken", evidence,
        gain=case.slowdown, odds=0.7 if 0.02 < high < 0.98 else 0.45,
    )  # fmt: skip


def _kernels(case: Case) -> Iterator[Suspect]:
    """A kernel that is not the one meant for this card: what is usual, where nothing is telling."""
    model, slower = case.answer.model, case.slowdown
    if slower < _MIN_KERNEL_SLOWDOWN:
        return
    experts, packed = case.at.model.has_experts, model.quantization not in FLOATS
    prompts = _reads_late(case)
    which = "the experts' (MoE) kernel" if experts else "a kernel"
    weights = f" for {model.quantization} weights" if packed else ""
    of = " of prompts" if prompts else ""
    sentence = f"{which}{weights}{of} untuned for this card, or the fallback of an old engine"
    if slower >= _CRAWL:
        sentence += "; or work falls back to the CPU, or memory swaps"
    usual = case.gpu.vendor in ("NVIDIA", "Apple")
    odds = 0.35 + 0.2 * experts + 0.1 * (packed and not usual) + 0.1 * (not usual) + 0.1 * prompts
    yield Suspect(
        "kernels", "suspect", sentence, command=switch(case.engine, "log"), gain=slower,
        odds=min(odds, 0.6),
    )  # fmt: skip


def _reads_late(case: Case) -> bool:
    """Whether it is prompts that are slow: more than decoding, or alone."""
    tpot = case.ratios.get("tpot_s", 1.0)
    return case.ratios.get("ttft_s", 0.0) > _TWO_PHASES * tpot


def _first_token(case: Case) -> Iterator[Suspect]:
    """A first token far later than prompts and load make it, where decoding is as expected."""
    ttft, tpot = case.ratios.get("ttft_s"), case.ratios.get("tpot_s")
    if ttft is None:
        return
    if case.at.scenario.image_tokens and ttft > _IMAGES_LATE:
        yield Suspect(
            "preprocessing", "suspect",
            "images are decoded and resized by the host's CPUs before the prompt is read",
            command="top -H", odds=0.8,
        )  # fmt: skip
    if case.at.load is not None and tpot is not None and ttft > _LATE and tpot < MIN_SLOWDOWN:
        yield Suspect(
            "cold-start", "suspect",
            "a cold start: the first burst waited while kernels compiled and caches filled; run it"
            " once before, as a warm-up", f"TTFT {ttft:.1f} x expected, TPOT {tpot:.2f} x",
            odds=0.8,
        )  # fmt: skip
