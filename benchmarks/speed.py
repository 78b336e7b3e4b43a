"""How fast is vperf itself: cold commands, and estimates and settings per second in one process.

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
from pathlib import Path

MODEL, GPU = "Qwen/Qwen3-4B-Instruct-2507", "rtx-pro-6000"
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
    swept()
    planned()
