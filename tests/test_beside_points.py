"""Public figures of images, sound, caches, adapters and diffusion, from which answers may not be
further off than today.

The rows and their sources are in benchmarks/data. Not here: each row's error
(benchmarks/beside.py).
"""

from __future__ import annotations

import csv
import statistics

import pytest
from beside import DATA, predicted

MOST = {
    ("images", "ttft_s"): 0.22,
    ("images", "tower_s"): 0.36,
    ("audio", "encode_s"): 0.36,
    ("kv_cache", "ttft_s"): 0.25,
    ("diffusion", "answer_tok_s"): 0.19,
    ("diffusion", "batch_tok_s"): 0.22,
    ("lora", "share_of_plain"): 0.38,
}
"""Mean error of a file's rows of one figure."""


@pytest.mark.parametrize(("kind", "what"), MOST)
def test_figures_beside_plain_text_are_as_near_as_they_were(kind: str, what: str) -> None:
    with (DATA / f"{kind}.csv").open(encoding="utf-8") as lines:
        rows = [r for r in csv.DictReader(lines) if r["what"] == what and not r["left_out"]]
    assert len(rows) >= 3
    errors = [predicted(row) / float(row["measured"]) - 1 for row in rows]
    assert statistics.mean(map(abs, errors)) <= MOST[kind, what]
