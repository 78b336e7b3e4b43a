"""How near the rates of embedding models are: python benchmarks/embeddings.py

Each row of data/embeddings.csv is a published rate of texts read by a BERT. Nothing is fitted to
them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scoring import print_published

import vperf

DATA = Path(__file__).parent / "data" / "embeddings.csv"
_BERT: dict[str, Any] = {
    "model_type": "bert", "architectures": ["BertModel"], "vocab_size": 30522,
    "max_position_embeddings": 512, "type_vocab_size": 2, "torch_dtype": "float16",
}  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "bert-base": {
        **_BERT, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12,
    },
    "bert-large": {
        **_BERT, "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
        "num_attention_heads": 16,
    },
}  # fmt: skip


def predicted(row: dict[str, str]) -> float:
    """Texts a second, as expected."""
    answer = vperf.estimate(
        MODELS[row["model"]], row["gpu"], engine=row["engine"], input_len=int(row["input_len"]),
        batch_size=int(row["batch_size"]),
    )  # fmt: skip
    assert answer.texts
    return answer.texts.expected_texts_per_s


def line(row: dict[str, str]) -> tuple[str, float, str]:
    """Its card and engine, the error, and the row in words."""
    measured, found = float(row["texts_per_s"]), predicted(row)
    error = found / measured - 1
    what = f"{row['model']} {row['input_len']} x {row['batch_size']}"
    return (
        f"{row['gpu']}, {row['engine']}",
        error,
        (
            f"{row['gpu']:14} {what:24} measured {measured:7,.0f} texts/s, expected {found:7,.0f} "
            f"({error:+.0%})"
        ),
    )


if __name__ == "__main__":
    print_published(DATA, line)
