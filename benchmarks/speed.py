"""How fast is vperf itself: a cold command, and estimates per second in one process.

    python benchmarks/speed.py [RUNS]

Run it with the python of an environment that vperf is installed in. A cold run is compared, in
turn, with a bare import of the libraries that every command needs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

MODEL, GPU = "Qwen/Qwen3-4B-Instruct-2507", "rtx-pro-6000"
COLD_TARGET, WARM_TARGET = 1.6, 500


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


if __name__ == "__main__":
    cold(int(sys.argv[1]) if len(sys.argv) > 1 else 21)
    warm()
