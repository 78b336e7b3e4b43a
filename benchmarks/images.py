"""How near the times of requests with an image are: python benchmarks/images.py

Each row of data/images.csv is a published time to the first token, time of the tower alone, or
rate of requests. Nothing is fitted to them.
"""

from __future__ import annotations

from pathlib import Path

from scoring import print_published

import vperf

DATA = Path(__file__).parent / "data" / "images.csv"


def predicted(row: dict[str, str]) -> float:
    """What the row measured, as expected."""
    batch_size, output_len = int(row["batch_size"]), int(row["output_len"])
    answer = vperf.estimate(
        row["model"], row["gpu"], engine=row["engine"], tp=int(row["tensor_parallel"]),
        quantization=row["quantization"] or None, image=row["image"], images=1,
        input_len=int(row["input_len"]), output_len=max(output_len, 2), batch_size=batch_size,
    )  # fmt: skip
    assert answer.expected
    if row["what"] == "ttft_s":
        return answer.expected.ttft_s
    if row["what"] == "tower_s":
        assert answer.workload.expected_encode_s
        return answer.workload.expected_encode_s
    tpot_s = answer.expected.tpot_s or 0
    return batch_size / (answer.expected.ttft_s + (output_len - 1) * tpot_s)


def line(row: dict[str, str]) -> tuple[str, float, str]:
    """What it measured, the error, and the row in words."""
    measured, found = float(row["measured"]), predicted(row)
    error = found / measured - 1
    return (
        row["what"],
        error,
        (
            f"{row['source']:30} {row['model']:26} {row['image']:10} {row['gpu']:9} "
            f"{row['what']:15} measured {measured:6.3g}, expected {found:6.3g} ({error:+.0%})"
        ),
    )


if __name__ == "__main__":
    print_published(DATA, line)
