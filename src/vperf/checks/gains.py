"""What to try: changes that vperf predicts to be faster, with the engine's own option.

Not here: faults of a slow run (faults.py, unknowns.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vperf.checks.case import Case, Suspect
from vperf.checks.faults import Change
from vperf.errors import VperfError
from vperf.hardware.commands import switch
from vperf.speeds import speeds

_MIN_GAIN = 1.03
"""What is predicted to bring less is not worth trying."""


def tries(case: Case, changes: Iterable[Change]) -> Iterator[Suspect]:
    """Those that are worth it."""
    main = case.falls[0]
    for change in changes:
        predicted = case.predict(change.options, (main,))
        if predicted is None:
            continue
        gain = main.expected_s / predicted[0]
        if gain >= _MIN_GAIN:
            yield Suspect(
                change.id, "try", change.sentence, predicted_s=predicted[0],
                command=change.command, gain=gain,
            )  # fmt: skip


def more_at_a_time(case: Case) -> Iterator[Suspect]:
    """More sequences than a cap lets run, where others wait: the gain is of the rate."""
    cap, load, engine = case.at.scenario.max_num_seqs, case.at.load, case.engine
    if cap is None or load is None or (load.users or 0) <= cap:
        return
    try:
        now, then = (speeds(case.resolver.what_if(case.steady, max_num_seqs=most)).serving
                     for most in (cap, None))  # fmt: skip
    except VperfError:
        return
    if now is None or then is None:
        return
    gain = then.requests_per_s / now.requests_per_s
    if gain >= _MIN_GAIN:
        most = min(load.users or then.slots, then.slots)
        command = switch(engine, "", max_sequences=str(most))
        yield Suspect(
            "max-num-seqs", "try", f"{most:,} sequences at a time, not {cap:,} (of the rate)",
            command=command, gain=gain,
        )  # fmt: skip


def possible_gains(case: Case) -> Iterator[Change]:
    """Changes that the engine and the card allow."""
    answer, engine = case.answer, case.engine
    if not case.at.scenario.cuda_graphs:
        yield Change("graphs", "CUDA graphs", {"cuda_graphs": True}, switch(engine, "graphs"))
    if answer.model.kv_cache_dtype in ("bf16", "fp16"):
        cache = engine.formats.get("cache", "fp8")
        if command := switch(engine, "kv-fp8", kv_cache="fp8"):
            options = {"kv_cache_dtype": cache}
            yield Change("kv-fp8", f"the KV cache in {cache}", options, command)
    if answer.model.quantization in ("bf16", "fp16"):
        if "fp8" in answer.gpu.peak_flop_per_s and (
            command := switch(engine, "fp8", quantization="fp8")
        ):
            yield Change("fp8", "weights in fp8", {"quantization": "fp8"}, command)
        four = engine.formats.get("four_bit", "awq")
        yield Change("four-bit", f"a checkpoint in {four}", {"quantization": four})
    count = 2 * case.at.model.parallel.tensor
    gpus = 2 * answer.gpu.count
    alone = case.gpu.memory_class in ("unified", "Apple")  # no board takes two
    if (
        gpus <= case.gpu.node_size
        and not alone
        and (command := switch(engine, "tp", tp=str(count), stage=str(count)))
    ):
        yield Change("tp", f"{gpus} GPUs", {"tp": count}, command)
    if case.at.load is not None:
        for factor in (4, 0.25):
            tokens = round(engine.max_batched_tokens * factor)
            if command := switch(engine, "budget", max_batched_tokens=str(tokens)):
                yield Change(
                    "budget", f"steps of {tokens:,} tokens, so that prefill disturbs "
                    f"{'fewer steps' if factor > 1 else 'each step less'}",
                    {"max_num_batched_tokens": tokens},
                    command,
                )  # fmt: skip
