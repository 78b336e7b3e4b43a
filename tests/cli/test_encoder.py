"""Every command has an answer for a model that generates no tokens, or one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Run, one_line


@pytest.fixture
def bge(tmp_path: Path) -> str:
    config = {
        "model_type": "bert", "architectures": ["BertModel"], "hidden_size": 384,
        "intermediate_size": 1536, "num_hidden_layers": 12, "num_attention_heads": 12,
        "max_position_embeddings": 512, "type_vocab_size": 2, "vocab_size": 30522,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    return str(tmp_path)


@pytest.mark.parametrize(
    "words",
    [
        ("estimate", "--ops"),
        ("estimate", "--tp", "2", "--pp", "2"),
        ("estimate", "--max-concurrency", "8"),
        ("estimate", "--request-rate", "20", "--texts-per-request", "16"),
        ("sweep", "--request-rate", "1,100"),
        ("plan", "--ttft", "1s", "--request-rate", "300"),
        ("fit",),
        ("compare", "-g", "a100-sxm"),
        ("sweep", "--batch-size", "1,8"),
        ("sweep", "--tp", "1,2"),
        ("roofline",),
        ("check", "--ttft", "3ms"),
    ],
)
def test_it_is_answered(vperf: Run, bge: str, words: tuple[str, ...]) -> None:
    ran = vperf(words[0], "-m", bge, "-g", "h100-sxm", *words[1:])
    assert ran.code == 0, ran.err
    assert not ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("estimate", "--task", "generate"),
        ("estimate", "--sessions", "8"),
        ("check", "--tpot", "3ms"),
        ("check", "--decode-tok-s", "30"),
        ("napkin",),
    ],
)
def test_it_is_refused_by_name(vperf: Run, bge: str, words: tuple[str, ...]) -> None:
    ran = vperf(words[0], "-m", bge, "-g", "h100-sxm", *words[1:])
    assert "generates no tokens" in one_line(ran)


@pytest.mark.parametrize(
    "words",
    [
        ("sweep", "-g", "l4", "--batch-size", "1,64"),
        ("sweep", "-g", "l4", "--max-concurrency", "1,64"),
        ("compare", "-g", "l4,h100"),
    ],
)
def test_rows_of_texts_say_requests_and_no_tokens_out(words: tuple[str, ...], vperf: Run) -> None:
    text = vperf(words[0], "-m", "Qwen3-Embedding-0.6B", *words[1:]).out
    assert "requests/s" in text
    assert not [word for word in (" out", "TPOT", "KV cache has room") if word in text]
