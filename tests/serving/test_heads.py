"""What drafts with the model's own states: Medusa's heads and Gemma 4's assistants."""

from __future__ import annotations

from typing import Any

import pytest

import vperf
from vperf.errors import InputError
from vperf.model.config import ModelConfig
from vperf.resolve import deploy
from vperf.scenario import Scenario
from vperf.timing.passes import decode_passes, prefill_passes

LLAMA, GEMMA = "meta-llama/Llama-3.1-8B-Instruct", "google/gemma-4-31B-it"
VOCABULARY = 128256

MEDUSA: dict[str, Any] = {
    "model_type": "medusa", "hidden_size": 4096, "vocab_size": VOCABULARY, "num_heads": 4,
    "num_hidden_layers": 1,
}  # fmt: skip
ORIGINAL: dict[str, Any] = {
    "base_model_name_or_path": "lmsys/vicuna-7b-v1.3", "medusa_num_heads": 4,
    "medusa_num_layers": 1,
}  # fmt: skip
ASSISTANT: dict[str, Any] = {  # google/gemma-4-31B-it-assistant
    "architectures": ["Gemma4AssistantForCausalLM"], "model_type": "gemma4_assistant",
    "backbone_hidden_size": 5376, "use_ordered_embeddings": False, "num_centroids": 2048,
    "centroid_intermediate_top_k": 32, "tie_word_embeddings": True,
    "text_config": {
        "model_type": "gemma4_text", "hidden_size": 1024, "num_hidden_layers": 4,
        "intermediate_size": 8192, "num_attention_heads": 32, "head_dim": 256,
        "global_head_dim": 512, "num_key_value_heads": 16, "num_global_key_value_heads": 4,
        "num_kv_shared_layers": 4, "hidden_size_per_layer_input": 0, "attention_k_eq_v": True,
        "vocab_size": 262144, "sliding_window": 1024,
        "layer_types": [*["sliding_attention"] * 3, "full_attention"],
    },
}  # fmt: skip


def head(config: dict[str, Any]) -> ModelConfig:
    return ModelConfig("a/head", "local", "head.json", config)


def drafts(method: str, config: dict[str, Any], **more: Any) -> dict[str, Any]:
    found = {"speculative": method, "draft_model": head(config), "draft_tokens": 3}
    return {**found, "acceptance": 0.7, **more}


def deployed(model: str = LLAMA, gpu: str = "h200", **options: Any) -> Any:
    return deploy(Scenario(model, gpu, **options))


def test_medusa_heads_are_a_layer_and_an_output_layer_each() -> None:
    drafter = deployed(**drafts("medusa", MEDUSA)).model.drafter
    assert drafter
    assert drafter.rank_weight_bytes == 2 * 4 * (4096 * 4096 + 4096 * VOCABULARY)
    assert drafter.rank_cache_bytes_per_token == 0
    # Those of FasterDecoding have biases, and say neither width nor vocabulary.
    original = deployed(**drafts("medusa", ORIGINAL)).model.drafter
    assert original.rank_weight_bytes - drafter.rank_weight_bytes == 2 * 4 * 4096


def test_medusa_heads_may_share_the_models_output_layer_or_know_fewer_tokens() -> None:
    shared = deployed(**drafts("medusa", {**MEDUSA, "original_lm_head": True}))
    assert shared.model.drafter.rank_weight_bytes == 2 * 4 * 4096 * 4096
    (draft,) = [each for each in decode_passes(shared.model, 8, 1000) if each.role]
    ops = {op.name: op for op in shared.compiled.ops(draft)}
    assert ops["lm_head"].flops == 2 * 8 * 4 * 4096 * VOCABULARY  # four times a sequence, read once
    assert ops["lm_head"].weight_bytes == 2 * 4096 * VOCABULARY
    fewer = deployed(**drafts("medusa", {**MEDUSA, "truncated_vocab_size": 32000}))
    assert fewer.model.drafter.rank_weight_bytes == 2 * 4 * (4096 * 4096 + 4096 * 32000)


def test_one_pass_makes_all_drafts_and_reads_no_prompt() -> None:
    model = deployed(**drafts("medusa", MEDUSA)).model
    verify, draft = decode_passes(model, 8, 1000)
    assert (verify.step.new, draft.count, draft.step.new, draft.step.outputs) == (4, 1, 1, 1)
    prompt, behind = prefill_passes(model, 1, 2000)
    assert (prompt.step.new, behind.step.new) == (2000, 1)


def test_an_assistant_has_the_parameters_of_its_file() -> None:
    drafter = deployed(GEMMA, **drafts("mtp", ASSISTANT)).model.drafter
    assert drafter
    mlp = 3 * 1024 * 8192
    sliding, full = 2 * 1024 * 32 * 256 + mlp, 2 * 1024 * 32 * 512 + mlp
    ends = 2 * 5376 * 1024 + 1024 * 5376
    matrices = 3 * sliding + full + ends + 262144 * 1024
    norms = drafter.rank_weight_bytes / 2 - matrices
    assert 0 < norms < 100_000
    # Its 16-bit GGUF file has 945 MB.
    assert drafter.rank_weight_bytes == pytest.approx(945e6, rel=0.01)


def test_an_assistant_attends_to_the_models_cache_and_keeps_none() -> None:
    plain, drafting = deployed(GEMMA), deployed(GEMMA, **drafts("mtp", ASSISTANT))
    assert drafting.model.rank_cache_bytes(5000) == plain.model.rank_cache_bytes(5000)
    (draft,) = [each for each in decode_passes(drafting.model, 2, 5000) if each.role]
    assert draft.count == 3
    ops = {op.name: op for op in drafting.compiled.ops(draft)}
    assert ops["attention"].cache_bytes == 2 * 5000 * 4 * 2 * 512 * 2  # 4 KV heads of 512
    assert ops["attention[window]"].cache_bytes == 2 * 1023 * 16 * 2 * 256 * 2
    assert "k_proj" not in ops
    assert {p.step.new for p in prefill_passes(drafting.model, 1, 900) if p.role} == {1}


def test_an_assistant_with_centroids_looks_at_a_few_tokens() -> None:
    small = {**ASSISTANT, "use_ordered_embeddings": True}
    few, every = (deployed(GEMMA, **drafts("mtp", c)).model.drafter for c in (small, ASSISTANT))
    assert few.model.head.out_features == 2048 + 32 * 262144 // 2048
    assert few.rank_weight_bytes == every.rank_weight_bytes


def test_either_word_names_an_assistant() -> None:
    one, other = (
        vperf.estimate(GEMMA, "h200", **drafts(method, ASSISTANT)).expected
        for method in ("mtp", "draft_model")
    )
    assert one == other


@pytest.mark.parametrize(
    ("model", "method", "config"),
    [(LLAMA, "medusa", MEDUSA), (GEMMA, "mtp", ASSISTANT)],
)
@pytest.mark.parametrize("load", [{}, {"max_concurrency": 8}, {"tp": 2}])
def test_laws_of_drafts(
    model: str, method: str, config: dict[str, Any], load: dict[str, Any]
) -> None:
    def ask(**more: Any) -> vperf.Estimate:
        return vperf.estimate(model, "h200", **{**load, **more})

    plain = ask()
    found = {share: ask(**drafts(method, config, acceptance=share)) for share in (0.0, 1.0)}
    never, always = found[0.0], found[1.0]
    assert never.expected.tpot_s >= plain.expected.tpot_s
    assert never.limit.tpot_s >= plain.limit.tpot_s * (1 - 1e-9)
    assert never.limit.tpot_s <= never.expected.tpot_s
    assert always.speculative is not None
    assert always.speculative.tokens_per_step == 4
    assert always.expected.tpot_s < plain.expected.tpot_s


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (drafts("medusa", MEDUSA, draft_tokens=5), "5 are more than its 4 heads"),
        (drafts("medusa", {**MEDUSA, "hidden_size": 5120}), "made for another one"),
        (drafts("medusa", {"model_type": "llama"}), "has no Medusa heads"),
        (drafts("mtp", ASSISTANT), "made for another one"),
    ],
)
def test_what_cannot_draft_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        deployed(**options)
