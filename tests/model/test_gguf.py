"""GGUF headers become the models they hold: to the parameter, to the byte, or with a reason."""

from __future__ import annotations

import pytest

from tests.gguf_writer import F32, Q4_K, Q6_K, Q8_0
from tests.model import gguf_files
from tests.model.gguf_files import KNOWN, File
from vperf.api import load_model
from vperf.errors import InputError, UnsupportedModelError
from vperf.formats import GGML_TYPES, MIXES, format_named
from vperf.model.families import all_families
from vperf.model.gguf import build_gguf
from vperf.model.gguf.architectures import ARCHITECTURES
from vperf.model.ops import Step


@pytest.mark.parametrize("name", KNOWN)
def test_the_parameters_are_those_of_the_checkpoint(name: str) -> None:
    make, parameters, kv_bytes = KNOWN[name]
    model = build_gguf(make().header)
    assert model.parameters == parameters
    assert model.kv_bytes_per_token == kv_bytes
    assert not any("file holds" in line for line in model.assumptions)


@pytest.mark.parametrize("name", KNOWN)
def test_the_bytes_are_those_of_the_file(name: str) -> None:
    header = KNOWN[name][0]().header
    # The rest: tables that converters write beside the parameters.
    assert build_gguf(header).weight_bytes == pytest.approx(header.stored_bytes, rel=2e-5)


def test_a_mix_is_exact_tensor_by_tensor() -> None:
    header = gguf_files.llama_q4_k_m().header
    model = build_gguf(header)
    assert model.quantization == "q4_k_m"
    # llama-bench reports 4,912,898,304 for such a file, 256 of them rope_freqs.
    assert header.stored_bytes == 4_912_898_304
    assert model.weight_bytes == 4_912_898_048
    assert {count for count, _ in model.kinds} == {16}
    assert any("q4_k 7" in line for line in model.assumptions), model.assumptions


def test_a_token_streams_all_but_the_embedding() -> None:
    model = build_gguf(gguf_files.llama_q4_k_m().header)
    embedding = 128256 * 4096 * 4.5 / 8
    assert model.streamed_bytes == model.weight_bytes - embedding


def test_a_tied_embedding_is_streamed_as_the_head_in_its_own_type() -> None:
    file = gguf_files.llama(tied=True)
    file.tensors["token_embd.weight"] = ((4096, 128256), Q6_K)
    model = build_gguf(file.header)
    assert model.tied
    head = next(op for op in model.ops(Step(1, 1, 1)) if op.name == "lm_head")
    assert head.format.name == "q6_k"
    assert head.weight_bytes == 128256 * 4096 * 210 / 256


def test_a_module_of_two_tensors_is_in_a_mixture_of_their_types() -> None:
    file = gguf_files.deepseek()
    for i in range(27):
        file.tensors[f"blk.{i}.attn_v_b.weight"] = ((512, 128, 16), Q4_K)
    model = build_gguf(file.header)
    assert "q4_k+q8_0" in {fmt.name for fmt in model.formats}
    assert model.weight_bytes == pytest.approx(file.header.stored_bytes, rel=1e-6)


def test_an_older_kv_b_beside_its_halves_is_not_counted() -> None:
    file = gguf_files.deepseek()
    file.layers(range(27), {"attn_kv_b": (512, 4096)})
    model = build_gguf(file.header)
    assert model.parameters == KNOWN["DeepSeek-V2-Lite"][1]
    assert any("do not use" in line for line in model.assumptions)


def test_older_files_have_mla_widths_as_plain_key_and_value_lengths() -> None:
    file = gguf_files.deepseek()
    for key in ("key", "value"):
        file.metadata[f"attention.{key}_length"] = file.metadata.pop(f"attention.{key}_length_mla")
    assert build_gguf(file.header).parameters == KNOWN["DeepSeek-V2-Lite"][1]


def test_mixtral_is_a_llama_with_experts_also_one_tensor_an_expert() -> None:
    shape = {"embedding_length": 4096, "block_count": 2, "attention.head_count": 32,
             "attention.head_count_kv": 8, "expert_count": 8, "expert_used_count": 2}  # fmt: skip
    attention = gguf_files.attention(4096, 32, 8, 128)
    new = File("llama", shape).add("", {"token_embd": (4096, 32000), "output_norm": (4096,)})
    new.layers(range(2), attention | gguf_files.experts(4096, 14336, 8))
    old = File("llama", shape).add("", {"token_embd": (4096, 32000), "output_norm": (4096,)})
    old.layers(range(2), attention | {"ffn_gate_inp": (4096, 8), "ffn_norm": (4096,)})
    for e in range(8):
        old.layers(range(2), {f"ffn_gate.{e}": (4096, 14336), f"ffn_up.{e}": (4096, 14336),
                              f"ffn_down.{e}": (14336, 4096)})  # fmt: skip
    models = [build_gguf(file.header) for file in (new, old)]
    assert models[0].model_type == "mixtral"
    assert models[0].parameters == models[1].parameters
    assert models[0].weight_bytes == models[1].weight_bytes


def test_windows_follow_the_architecture_unless_the_file_lists_them() -> None:
    assert build_gguf(gguf_files.gemma2().header).windows == (4096,)
    assert build_gguf(gguf_files.phi3().header).windows == ()  # llama.cpp uses none for Phi-3
    file = gguf_files.gemma2()
    file.metadata["attention.sliding_window_pattern"] = [False] * 26
    assert build_gguf(file.header).windows == ()


def test_prediction_layers_are_left_out_and_said() -> None:
    file = gguf_files.qwen3_moe()
    file.architecture = "glm4moe"
    file.metadata["block_count"], file.metadata["nextn_predict_layers"] = 49, 1
    whole = file.header.stored_bytes
    file.layers([48], gguf_files.attention(2048, 32, 4, 128) | {"nextn.eh_proj": (4096, 2048)})
    model = build_gguf(file.header)
    assert model.layer_count == 48
    assert file.header.stored_bytes == whole
    assert any("multi-token-prediction" in line for line in model.assumptions)


def test_a_small_difference_is_said_and_a_large_one_refused() -> None:
    file = gguf_files.llama()
    file.add("", {"surprise": (1024, 1024)})
    (line,) = (note for note in build_gguf(file.header).assumptions if "file holds" in note)
    assert "holds 8,031,309,824 parameters, its architecture implies 8,030,261,248" in line
    file.add("", {"surprise": (10240, 10240)})
    with pytest.raises(UnsupportedModelError, match="does not understand it"):
        build_gguf(file.header)


def test_a_block_beyond_those_that_the_file_says_it_has_is_refused() -> None:
    file = gguf_files.qwen3_moe()
    file.metadata["block_count"] = 47
    said = r"holds blk\.47\..*, but says that it has 47 blocks"
    with pytest.raises(UnsupportedModelError, match=said):
        build_gguf(file.header)


def test_a_missing_tensor_is_named() -> None:
    file = gguf_files.llama()
    del file.tensors["blk.7.attn_v.weight"]
    with pytest.raises(UnsupportedModelError, match=r"model\.layers\.7\.self_attn\.v_proj"):
        build_gguf(file.header)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [("clip", "projector"), ("plan9", "'plan9' is not supported"), ("t5", "not supported")],
)
def test_what_is_no_known_language_model_is_refused_by_name(
    architecture: str, message: str
) -> None:
    file = gguf_files.llama()
    file.architecture = architecture
    with pytest.raises(UnsupportedModelError, match=message):
        build_gguf(file.header)


@pytest.mark.parametrize(
    ("key", "value"),
    [("block_count", 0), ("block_count", 10**9), ("block_count", "32"), ("embedding_length", -1.5),
     ("attention.head_count", "32"), ("attention.head_count_kv", True),
     ("nextn_predict_layers", 32), ("embedding_length", 0)],
)  # fmt: skip
def test_metadata_that_cannot_be_is_an_error_that_names_it(key: str, value: object) -> None:
    file = gguf_files.llama()
    file.metadata[key] = value
    with pytest.raises(InputError) as error:
        build_gguf(file.header)
    assert error.value.source == file.header.source
    assert key.rpartition(".")[2] in f"{error.value.field} {error.value.message}"


def test_every_row_is_a_family_that_exists() -> None:
    named = {row.model_type for row in ARCHITECTURES.values() if isinstance(row.model_type, str)}
    assert named <= all_families().keys()
    assert len(ARCHITECTURES) >= 65


def test_a_what_if_over_a_file_replaces_its_types() -> None:
    mix = format_named("q8_0")
    model = build_gguf(gguf_files.llama_q4_k_m().header, quantization=mix)
    assert model.quantization == "q8_0"
    assert (
        model.weight_bytes
        == load_model("meta-llama/Llama-3.1-8B-Instruct", quantization="q8_0").weight_bytes
    )


# --- Mixes as what-if: bytes of published files, tensors alone --------------------------------

LLAMA_2_7B = {
    "q3_k_s": 2_947_563_520, "q3_k_m": 3_297_263_616, "q3_k_l": 3_596_369_920,
    "q4_0": 3_825_065_984, "q4_k_s": 3_855_998_976, "q4_k_m": 4_080_263_168,
    "q5_0": 4_650_950_656, "q5_k_s": 4_650_950_656, "q5_k_m": 4_782_415_872,
    "q6_k": 5_528_453_120, "q8_0": 7_160_348_672,
}  # fmt: skip
"""Sizes of TheBloke/Llama-2-7B-GGUF less their 741,056 bytes of header (3,825,065,984 and
4,080,263,168 as llama-bench prints them). Its Q2_K is of an older recipe."""


@pytest.mark.parametrize("name", LLAMA_2_7B)
def test_a_mix_weighs_what_published_files_do(name: str) -> None:
    model = load_model("meta-llama/Llama-2-7b-hf", quantization=name)
    assert model.weight_bytes == LLAMA_2_7B[name]
    assert model.quantization == name


@pytest.mark.parametrize(
    ("model", "name", "size"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "q4_k_m", 4_912_898_048),
        ("meta-llama/Llama-3.3-70B-Instruct", "q4_k_m", 42_512_531_456),
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", "Q4_K_M", 667_083_079),
        ("Qwen/Qwen3-32B", "q8_0", 34_811_744_256),
        ("openai/gpt-oss-20b", "mxfp4_moe", 12_101_070_356),
        # 12.83 GiB and 60.87 GiB, as llama-bench prints them.
        ("openai/gpt-oss-20b", "mxfp4_f16", 13_776_000_000),
        ("openai/gpt-oss-120b", "mxfp4_f16", 65_359_000_000),
        ("Qwen/Qwen3-30B-A3B", "q4_k_m", 18_550_800_000),
    ],
)
def test_mixes_of_other_models_are_within_a_third_of_a_percent(
    model: str, name: str, size: int
) -> None:
    assert load_model(model, quantization=name).weight_bytes == pytest.approx(size, rel=0.003)


@pytest.mark.parametrize(
    "model", ["Qwen/Qwen3-30B-A3B", "openai/gpt-oss-20b", "deepseek-ai/DeepSeek-V3"]
)
def test_every_mix_has_an_answer_for_every_kind_of_weight(model: str) -> None:
    wide = load_model(model, quantization="bf16")
    for name, mix in MIXES.items():
        mixed = load_model(model, quantization=name)
        assert mixed.parameters == wide.parameters
        # Rows that are not whole blocks of 256 (gpt-oss: 2880) fall back to wider types.
        bits = 8 * mixed.weight_bytes / wide.parameters
        assert 0.9 * mix.base.bits < bits < max(9, 1.7 * mix.base.bits), name


def test_rows_that_are_not_whole_blocks_fall_back_as_llama_quantize_does() -> None:
    model = load_model("openai/gpt-oss-20b", quantization="q4_k_m")
    names = {fmt.name for fmt in model.formats}
    assert "q5_0" in names  # q4_k over rows of 2880
    assert "q4_k" in names  # attn_output, over rows of 4096


def test_routers_and_norms_stay_wide() -> None:
    model = load_model("Qwen/Qwen3-30B-A3B", quantization="q2_k")
    router = next(op for op in model.ops(Step(1, 1, 1)) if op.name == "router")
    assert router.format.name == "fp32"
    assert model.vector_bytes == 4


def test_llama_cpp_takes_the_faster_of_int8_and_16_bit() -> None:
    q4_k = GGML_TYPES[Q4_K]
    assert q4_k.path({"bf16": 165e12, "int8": 661e12}).pipe == "int8"
    assert q4_k.path({"bf16": 2500e12, "int8": 154e12}).pipe == "bf16"  # B300
    assert q4_k.path({"fp16": 112e12}).pipe == "fp16"


def test_types_by_number_have_their_layouts() -> None:
    assert GGML_TYPES[F32].bits == 32
    assert {n: GGML_TYPES[n].bits for n in (Q8_0, Q4_K, Q6_K)} == {
        Q8_0: 8.5, Q4_K: 4.5, Q6_K: 6.5625
    }  # fmt: skip
