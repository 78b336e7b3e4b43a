"""Models that emit no tokens: texts a second, by hand; loads of them; what they are run for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vperf
from vperf.errors import InputError
from vperf.serving.texts import most_texts
from vperf.sources.engines import load_engine
from vperf.sources.gpus import load_gpu
from vperf.timing.step import Card

EMBEDDING = "Qwen/Qwen3-Embedding-0.6B"
BERT: dict[str, Any] = {
    "model_type": "bert", "architectures": ["BertModel"], "vocab_size": 30522,
    "max_position_embeddings": 512, "type_vocab_size": 2, "hidden_size": 768,
    "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
}  # fmt: skip


def texts(model: Any = BERT, gpu: str = "a100-sxm-40gb", **options: Any) -> Any:
    """The part of the answer that is of texts."""
    answer = vperf.estimate(model, gpu, **options)
    assert answer.texts
    return answer.texts


def test_the_limit_of_a_batch_is_its_flops() -> None:
    # 12 layers of 12 x 768^2 weights, and scores of 128 x 128 with values: all read both ways.
    weights = 12 * 12 * 768 * 768
    flops = 2 * weights * 128 + 12 * 4 * 768 * 128 * 128
    peak = 311.9e12
    found = texts(input_len=128, batch_size=128)
    assert found.limit_texts_per_s == pytest.approx(peak / flops, rel=0.01)
    assert found.expected_texts_per_s_low < found.expected_texts_per_s
    assert found.expected_texts_per_s < found.expected_texts_per_s_high <= found.limit_texts_per_s


def test_a_published_rate_is_within_a_tenth() -> None:
    # NVIDIA/TensorRT demo/BERT: 128 texts of 384 tokens in 51.26 ms (benchmarks/embeddings.py).
    found = texts(input_len=384, batch_size=128, engine="ideal")
    assert found.expected_texts_per_s == pytest.approx(128 / 51.26e-3, rel=0.1)


EMBEDDING_GEMMA: dict[str, Any] = {
    "model_type": "gemma3_text", "architectures": ["Gemma3TextModel"], "hidden_size": 768,
    "intermediate_size": 1152, "num_hidden_layers": 24, "num_attention_heads": 3,
    "num_key_value_heads": 1, "head_dim": 256, "vocab_size": 262144, "sliding_window": 512,
    "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 4,
    "max_position_embeddings": 2048, "use_bidirectional_attention": True,
}  # fmt: skip
LLAMA_EMBED: dict[str, Any] = {
    "model_type": "llama_bidirec", "architectures": ["LlamaBidirectionalModel"],
    "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
}  # fmt: skip


def test_a_decoder_whose_config_says_so_reads_both_ways() -> None:
    # EmbeddingGemma: every sixth layer over all pairs, the others 256 positions to either side.
    answer = vperf.estimate(EMBEDDING_GEMMA, "h100", input_len=2000)
    flops = {op.name: op.flops for op in answer.prefill.ops}
    each = 4 * 256 * 3
    assert flops["attention"] == 4 * each * 2000**2
    assert flops["attention[window]"] == 20 * each * (2000 * 513 - 256 * 257)
    answer = vperf.estimate(LLAMA_EMBED, "h100", input_len=2000)
    assert answer.texts
    (attention,) = (op for op in answer.prefill.ops if op.name == "attention")
    assert attention.flops == 32 * 4 * 128 * 32 * 2000**2
    plain = LLAMA_EMBED | {"model_type": "llama", "architectures": ["LlamaModel"]}
    (causal,) = (op for op in vperf.estimate(plain, "h100", input_len=2000).prefill.ops
                 if op.name == "attention")  # fmt: skip
    assert causal.flops == 32 * 4 * 128 * 32 * 2000 * 2001 / 2
    uncausal = vperf.estimate(plain | {"is_causal": False}, "h100", input_len=2000)
    assert uncausal.prefill.flops == answer.prefill.flops


def test_a_decoder_made_for_embeddings_decodes_nothing() -> None:
    answer = vperf.estimate(EMBEDDING, "a100-sxm", batch_size=32, input_len=32)
    assert answer.texts
    assert answer.texts.task == "embed"
    assert answer.decode.ops == ()
    assert answer.texts.expected_texts_per_s == pytest.approx(32 / answer.expected.ttft_s)
    assert not any(op.name == "lm_head" for op in answer.prefill.ops)
    assert any("run for embed" in line for line in answer.assumptions)
    assert vperf.estimate(EMBEDDING, "a100-sxm", task="generate").texts is None
    assert answer.to_dict()["texts"]["task"] == "embed"


def test_a_reranker_has_one_score_and_a_classifier_its_labels() -> None:
    answer = vperf.estimate("Qwen/Qwen3-8B", "h100", task="rerank", input_len=64)
    (head,) = (op for op in answer.prefill.ops if op.name == "lm_head")
    assert head.shape.endswith("x[4096,1]")
    plain = vperf.load_model("Qwen/Qwen3-8B")
    assert plain.head
    embedded = vperf.estimate("Qwen/Qwen3-8B", "h100", task="embed")
    assert embedded.model.weight_bytes == plain.weight_bytes - plain.head.stored_bytes
    labels = {**BERT, "architectures": ["BertForSequenceClassification"], "num_labels": 5}
    assert texts(labels).task == "classify"


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("Qwen/Qwen3-8B", {"task": "classify"}, "does not say how many labels"),
        ("Qwen/Qwen3-8B", {"task": "sing"}, "must be generate, embed, rerank or classify"),
        ("google-t5/t5-small", {"task": "embed"}, "encoder-decoder"),
        (BERT, {"task": "generate"}, "generates no tokens"),
        (BERT, {"max_concurrency": 4, "prefix_cache_hit": 0.5}, "prefix-cache-hit"),
        (BERT, {"sessions": 4}, "sessions"),
        (BERT, {"texts_per_request": 4}, "needs a load"),
        ("Qwen/Qwen3-8B", {"texts_per_request": 4, "max_concurrency": 1}, "generates no tokens"),
        (EMBEDDING, {"speculative": "ngram", "draft_tokens": 2, "acceptance": 0.5}, "to draft"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(model: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        vperf.estimate(model, "h100", **options)


def test_one_user_waits_for_his_request_and_the_server() -> None:
    answer = vperf.estimate(BERT, "h100", input_len=256, max_concurrency=1, texts_per_request=16)
    alone = vperf.estimate(BERT, "h100", input_len=256, batch_size=16)
    server_s = 0.5e-3 + 4e-6 * 256 * 16 + 2e-3  # vLLM's front end, and the way through it
    assert answer.expected.ttft_s == pytest.approx(alone.expected.ttft_s + server_s)
    assert answer.serving
    assert answer.serving.requests_per_s == pytest.approx(1 / answer.expected.ttft_s)


def test_a_rate_beyond_the_budget_of_steps_is_said() -> None:
    answer = vperf.estimate(BERT, "h100", input_len=256, request_rate=1e6)
    assert answer.serving
    assert answer.serving.saturated
    # 32 texts of 256 tokens are the 8,192 tokens of a step.
    full = vperf.estimate(BERT, "h100", input_len=256, batch_size=32)
    assert answer.serving.requests_per_s == pytest.approx(32 / full.expected.ttft_s)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 512), st.integers(1, 64), st.integers(1, 256), st.floats(0.01, 1e4))
def test_laws_of_loads(tokens: int, count: int, users: int, rate: float) -> None:
    of: dict[str, Any] = {"input_len": tokens, "texts_per_request": count}
    closed = vperf.estimate(BERT, "h100", **of, max_concurrency=users)
    opened = vperf.estimate(BERT, "h100", **of, request_rate=rate)
    for answer in (closed, opened):
        assert answer.texts
        assert answer.limit.ttft_s <= answer.expected.ttft_s * (1 + 1e-12)
        assert answer.texts.expected_texts_per_s <= answer.texts.limit_texts_per_s * (1 + 1e-12)
    assert closed.serving
    # Little: those who are out are the rate times how long they are.
    out = closed.serving.requests_per_s * closed.expected.ttft_s
    assert out == pytest.approx(users, rel=1e-6)
    more = vperf.estimate(BERT, "h100", **of, request_rate=2 * rate)
    assert more.expected.ttft_s >= opened.expected.ttft_s * 0.8


def test_of_requests_all_sent_at_once_the_mean_waits_half_the_run() -> None:
    once = vperf.estimate(EMBEDDING, "l4", input_len=512, max_concurrency=1000, num_prompts=1000)
    over = vperf.estimate(EMBEDDING, "l4", input_len=512, max_concurrency=1000)
    assert once.expected
    assert over.expected
    assert once.texts
    assert over.texts
    assert once.texts.expected_texts_per_s == pytest.approx(
        over.texts.expected_texts_per_s, rel=0.02
    )
    run_s = 1000 / once.texts.expected_texts_per_s
    assert once.expected.ttft_s == pytest.approx(run_s / 2, rel=0.02)
    assert over.expected.ttft_s == pytest.approx(run_s, rel=0.02)


def test_a_step_takes_the_texts_that_its_budget_of_tokens_holds_and_one_at_least() -> None:
    card = Card(load_gpu("h100"), load_engine("vllm"))
    budget = card.engine.max_batched_tokens
    assert most_texts(card, budget // 4) == 4
    assert most_texts(card, budget + 1) == 1
    assert most_texts(card, 10 * budget, groups=3) == 3
    assert most_texts(card, 1) == card.engine.scheduler.max_sequences


def step_s(count: int, gpu: str = "h100") -> float:
    """Of BERT over texts of 256 tokens, of which a step of vLLM holds 32."""
    return vperf.estimate(BERT, gpu, input_len=256, batch_size=count).expected.ttft_s


WAITS_S = 0.5e-3 + 4e-6 * 256 + 2e-3
"""vLLM's front end of one text, and the way through it."""


def test_texts_sent_at_once_take_whole_steps_one_after_another() -> None:
    once = vperf.estimate(BERT, "h100", input_len=256, max_concurrency=64, num_prompts=64)
    # Half are answered after one step, half after two.
    assert once.expected.ttft_s == pytest.approx(1.5 * step_s(32) + WAITS_S)
    assert once.serving
    assert once.serving.requests_per_s == pytest.approx(64 / (2 * step_s(32) + WAITS_S))


@pytest.mark.parametrize("gpu", ["h100", "t4"])
def test_half_of_a_closed_loops_users_are_in_a_step(gpu: str) -> None:
    answer = vperf.estimate(BERT, gpu, input_len=256, max_concurrency=16)
    step = step_s(8, gpu)
    assert (step > WAITS_S) == (gpu == "t4")
    # A user waits for the step that runs and for his own, or for the server, where that is longer.
    assert answer.expected.ttft_s == pytest.approx(step + max(step, WAITS_S))
    assert answer.serving
    assert answer.serving.requests_per_s == pytest.approx(16 / answer.expected.ttft_s)


def test_a_text_that_comes_by_itself_waits_for_half_of_the_step_that_it_meets() -> None:
    rate = 20.0
    seldom = vperf.estimate(BERT, "h100", input_len=256, request_rate=rate).expected.ttft_s
    alone = step_s(1)
    assert seldom == pytest.approx(alone * (1 + rate * alone / 2) + WAITS_S, rel=1e-6)
    # Where texts come faster than one at a time, a step holds those that came during the last.
    often = 0.5 * 32 / step_s(32)
    answer = vperf.estimate(BERT, "h100", input_len=256, request_rate=often)
    together = next(n for n in range(1, 33) if often * step_s(n) <= n + 0.5)
    assert together > 1
    assert answer.expected.ttft_s == pytest.approx(1.5 * step_s(together) + WAITS_S, rel=0.03)
