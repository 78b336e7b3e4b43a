"""All-reduce among several cards of this machine: one process a card, torch.distributed.

Not here: what is made of the times (card.py).
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

_WARM_UP = 5
_RUNS = 20
_TIMEOUT_S = 90.0


def all_reduce_seconds(ranks: int, sizes_bytes: Sequence[int], kind: str) -> tuple[float, ...]:
    """Median seconds of an all-reduce of each message size; empty if it cannot be run.

    `kind` "cuda" takes NCCL (RCCL on ROCm), "cpu" Gloo.
    """
    import torch  # noqa: PLC0415  (optional, slow to import)

    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "seconds.json"
        meeting = (Path(folder) / "meeting").as_uri()
        arguments = (ranks, (list(sizes_bytes), kind, meeting, str(answer)))
        workers = torch.multiprocessing.spawn(_rank, arguments, nprocs=ranks, join=False)
        until = time.monotonic() + _TIMEOUT_S
        try:
            while not workers.join(timeout=1.0):
                if time.monotonic() > until:
                    return ()
        except Exception:  # a worker failed: no NCCL, no memory, no peer access
            return ()
        finally:
            for process in workers.processes:
                if process.is_alive():
                    process.terminate()
        if not answer.is_file():
            return ()
        return tuple(json.loads(answer.read_text(encoding="utf-8")))


def _rank(rank: int, ranks: int, task: tuple[list[int], str, str, str]) -> None:
    """One process: all sizes in turn; the first rank writes the medians."""
    sizes, kind, meeting, answer = task
    import torch  # noqa: PLC0415  (optional, slow to import)

    on_gpu = kind == "cuda"
    if on_gpu:
        torch.cuda.set_device(rank)
    torch.distributed.init_process_group(
        "nccl" if on_gpu else "gloo", init_method=meeting, rank=rank, world_size=ranks
    )
    try:
        medians = []
        for size in sizes:
            data = torch.zeros(
                max(1, size // 2), dtype=torch.bfloat16, device="cuda" if on_gpu else "cpu"
            )
            samples = []
            for _ in range(_WARM_UP + _RUNS):
                torch.distributed.barrier()
                if on_gpu:
                    torch.cuda.synchronize()
                start = time.perf_counter()
                torch.distributed.all_reduce(data)
                if on_gpu:
                    torch.cuda.synchronize()
                samples.append(time.perf_counter() - start)
            medians.append(statistics.median(samples[_WARM_UP:]))
        if rank == 0:
            Path(answer).write_text(json.dumps(medians), encoding="utf-8")
    finally:
        torch.distributed.destroy_process_group()
