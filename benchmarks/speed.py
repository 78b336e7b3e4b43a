"""How fast is vperf itself: cold commands, and estimates, steps and settings per second in one
process, each beside its target. No answer is asked for twice.

    python benchmarks/speed.py [RUNS]

Run it with the python of an environment that vperf is installed in. A cold run is compared, in
turn, with a bare import of the libraries that every command needs.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODEL, GPU = "Qwen/Qwen3-4B-Instruct-2507", "rtx-pro-6000"
SPARSE = "deepseek-ai/DeepSeek-V3"
STEP_TARGET, LOAD_TARGET = 80_000, 2000
ESTIMATE_TARGETS = {MODEL: (5000, 1500), SPARSE: (2500, 0)}
"""(vperf.estimate a second, with `to_dict()`)."""
COLD_TARGET, WARM_TARGET = 1.6, 500
COMPARE_TARGET_S, SWEEP_TARGET = 1.0, 2500
PLAN_TARGET_S = 5.0
SWEPT = 100_000


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def cold(runs: int) -> float:
    """Median ratio of a whole `vperf estimate` to the bare imports, in alternating pairs."""
    command = str(Path(sys.executable).parent / "vperf")
    ours = [command, "estimate", "--model", MODEL, "--gpu", GPU]
    bare = [sys.executable, "-c", "import typer, pydantic, rich.table"]
    _seconds(ours), _seconds(bare)
    pairs = [(_seconds(ours), _seconds(bare)) for _ in range(runs)]
    ratio = statistics.median(a / b for a, b in pairs)
    print(
        f"cold run: {statistics.median(a for a, _ in pairs):.3f} s, bare imports "
        f"{statistics.median(b for _, b in pairs):.3f} s; ratio {ratio:.2f} "
        f"(target {COLD_TARGET})"
    )
    return ratio


def warm(runs: int = 1000) -> float:
    """Estimates per second of processor time."""
    import vperf  # noqa: PLC0415  (after the cold runs, which it must not warm)

    vperf.estimate(MODEL, GPU)
    start = time.process_time()
    for _ in range(runs):
        vperf.estimate(MODEL, GPU)
    rate = runs / (time.process_time() - start)
    print(f"in one process: {rate:.0f} estimates per second (target {WARM_TARGET})")
    return rate


def _rate(ask: Callable[[int], object], runs: int) -> float:
    """Different questions a second of processor time."""
    ask(0)
    start = time.process_time()
    for number in range(1, runs + 1):
        ask(number)
    return runs / (time.process_time() - start)


def _say(what: str, rate: float, target: float) -> None:
    ratio = f", {rate / target:.2f} of the target {target:,}" if target else ""
    print(f"{what}: {rate:,.0f} per second{ratio}")


def _read(answer: Any) -> float:
    """Limit, expected and memory of an answer."""
    return float(answer.limit.ttft_s + answer.expected.tpot_s + answer.memory.total_bytes)


def questions(runs: int = 1000) -> None:
    """Estimates of different loads of one deployment: by name, and from where it is resolved."""
    import vperf  # noqa: PLC0415  (after the cold runs, which it must not warm)
    from vperf.estimate import estimate  # noqa: PLC0415
    from vperf.resolve import Resolver  # noqa: PLC0415
    from vperf.scenario import Scenario  # noqa: PLC0415

    resolver = Resolver()
    for model, tp in ((MODEL, 1), (SPARSE, 8)):
        target, dict_target = ESTIMATE_TARGETS[model]
        at = resolver.deployment(Scenario(model, "h100-sxm", tp=tp))

        def scenario(number: int, model: str = model, tp: int = tp) -> dict[str, Any]:
            lengths = {"input_len": 500 + number, "output_len": 100 + number % 50}
            return {"model": model, "gpu": "h100-sxm", "tp": tp, "batch_size": 1 + number % 64,
                    **lengths}  # fmt: skip

        def by_name(number: int, scenario: Any = scenario) -> float:
            return _read(vperf.estimate(**scenario(number)))

        def resolved(number: int, scenario: Any = scenario) -> float:
            return _read(estimate(resolver.deployment(Scenario(**scenario(number)))))

        def as_dict(number: int, scenario: Any = scenario) -> object:
            return estimate(resolver.deployment(Scenario(**scenario(number)))).to_dict()

        _say(f"vperf.estimate, {model} tp {tp}", _rate(by_name, runs), target)
        _say("  by a resolver", _rate(resolved, runs), target)
        _say("  with to_dict()", _rate(as_dict, runs), dict_target)

        def decode_step(number: int, at: Any = at) -> object:
            return at.compiled.decode(1 + number % 256, 500 + number)

        def prefill_step(number: int, at: Any = at) -> object:
            return at.compiled.prefill(1 + number % 8, 500 + number)

        decode, prefill = _rate(decode_step, 20 * runs), _rate(prefill_step, 20 * runs)
        _say("  decode steps", decode, STEP_TARGET if tp == 1 else 0)
        _say("  prefill steps", prefill, STEP_TARGET if tp == 1 else 0)


def loads(runs: int = 1000) -> None:
    """Served loads of different lengths by the closed form."""
    from vperf.estimate import estimate  # noqa: PLC0415  (after the cold runs)
    from vperf.resolve import Resolver  # noqa: PLC0415
    from vperf.scenario import Scenario  # noqa: PLC0415

    options: dict[str, Any] = {"quantization": "fp8", "tp": 2, "max_concurrency": 64}
    resolver = Resolver()

    def served(number: int) -> float:
        lengths: dict[str, Any] = {"input_len": 1000 + number, "output_len": 200 + number % 100}
        asked = Scenario("Qwen/Qwen3-32B", "h100-sxm", **options, **lengths)
        return _read(estimate(resolver.deployment(asked)))

    _say("served load, Qwen3-32B fp8 tp 2, 64 users", _rate(served, runs), LOAD_TARGET)


def compare_all(runs: int) -> float:
    """Median seconds of a cold `vperf compare --gpu all`."""
    command = str(Path(sys.executable).parent / "vperf")
    ours = [command, "compare", "--model", "Qwen/Qwen3-32B", "--gpu", "all"]
    _seconds(ours)
    median = statistics.median(_seconds(ours) for _ in range(runs))
    print(f"cold compare --gpu all: {median:.3f} s (target {COMPARE_TARGET_S})")
    return median


def swept(points: int = SWEPT) -> float:
    """Settings per second of processor time of a sweep, and how much memory it grew by."""
    from vperf.explore.sweep import Sweeping  # noqa: PLC0415  (after the cold runs)

    inputs = range(1000, 1000 + points // 100)
    sweep = Sweeping({"model": MODEL, "gpu": GPU, "batch_size": range(1, 101), "input_len": inputs})
    rows = sweep.rows()
    next(rows)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    count = sum(1 for _ in rows)
    took = time.process_time() - start
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"sweep: {count:,} settings in {took:.1f} s, {count / took:,.0f} per second "
        f"(target {SWEEP_TARGET:,}); peak memory grew by {grown / 1024:.1f} MiB"
    )
    return count / took


def planned() -> float:
    """Seconds of processor time of a plan over some 2,000 candidates."""
    from vperf.explore.plan import plan  # noqa: PLC0415  (after the cold runs)

    start = time.process_time()
    answer = plan(
        "Qwen/Qwen3-32B",
        ["h100-sxm", "h200", "b200", "l40s", "rtx-pro-6000"],
        quantization=["auto", "fp8"],
        engine=["vllm", "sglang", "trtllm"],
        ttft="500ms",
        tpot="30ms",
        request_rate=5.0,
        input_len=4000,
        output_len=500,
        max_gpus=24,
    )
    took = time.process_time() - start
    print(f"plan: {answer.asked:,} candidates in {took:.2f} s (target {PLAN_TARGET_S})")
    return took


if __name__ == "__main__":
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    cold(times)
    compare_all(max(1, times // 3))
    warm()
    questions()
    loads()
    swept()
    planned()
