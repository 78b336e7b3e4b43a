"""Finding a model's config: the one rule, in its order."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

import vperf
from vperf.errors import InputError, UnknownNameError
from vperf.sources.catalog import data_dir
from vperf.sources.models import load_model_config, model_ids, shipped, shipped_model

CONFIG = {
    "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 128, "vocab_size": 100, "torch_dtype": "bfloat16",
    "max_position_embeddings": 512,
}  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def test_a_shipped_id_needs_no_network_and_says_that_it_is_bundled() -> None:
    found = load_model_config("Qwen/Qwen3-4B-Instruct-2507")
    assert (found.id, found.source) == ("Qwen/Qwen3-4B-Instruct-2507", "bundled")


@pytest.mark.parametrize(
    "name", ["qwen/qwen3-4b-instruct-2507", "qwen3-4b-instruct-2507", "QWEN3-4B-Instruct-2507"]
)
def test_upper_and_lower_case_and_unique_short_names_resolve(name: str) -> None:
    assert load_model_config(name).id == "Qwen/Qwen3-4B-Instruct-2507"


def test_a_directory_its_config_and_standard_input_give_the_same_model(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (directory / "config.json").read_bytes()
    stdin = io.TextIOWrapper(io.BytesIO(text))
    monkeypatch.setattr(sys, "stdin", stdin)
    found = [load_model_config(n) for n in (str(directory), str(directory / "config.json"), "-")]
    assert [f.source for f in found] == ["local", "local", "stdin"]
    assert [f.id for f in found] == ["my-model", "my-model", "stdin"]
    assert found[0].config == found[1].config == found[2].config == CONFIG


def test_hf_quant_config_beside_a_local_config_is_read(directory: Path) -> None:
    quant = {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}}
    (directory / "hf_quant_config.json").write_text(json.dumps(quant))
    answer = vperf.estimate(directory, "h100-sxm")
    assert answer.model.quantization.startswith("fp8")
    assert answer.model.kv_cache_dtype == "fp8"


def _weights(directory: Path, elements: int) -> None:
    header = {"w": {"dtype": "BF16", "shape": [elements], "data_offsets": [0, 2 * elements]}}
    text = json.dumps(header).encode()
    with (directory / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + 2 * elements)


def test_safetensors_beside_a_config_say_what_is_truly_stored(directory: Path) -> None:
    parameters = vperf.load_model(directory).parameters
    _weights(directory, parameters)
    assert load_model_config(str(directory)).stored_bytes == 2 * parameters
    assert vperf.estimate(directory, "h100-sxm", input_len=64).warnings == ()
    _weights(directory, 2 * parameters)
    (warning,) = vperf.estimate(directory, "h100-sxm", input_len=64).warnings
    assert "the checkpoint stores" in warning


def test_safetensors_that_cannot_be_read_are_a_warning(directory: Path) -> None:
    (directory / "model.safetensors").write_bytes(b"\xff" * 20)
    (warning,) = load_model_config(str(directory)).warnings
    assert "not a safetensors file" in warning


def test_a_safetensors_file_means_the_directory_with_its_config(
    directory: Path, tmp_path: Path
) -> None:
    _weights(directory, 4)
    found = load_model_config(str(directory / "model.safetensors"))
    assert (found.id, found.stored_bytes) == ("my-model", 8)
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(b"x")
    with pytest.raises(InputError, match="holds weights alone"):
        load_model_config(str(alone))


def test_a_config_as_a_dict_is_a_model() -> None:
    # 100 x 64 twice, 2 layers of 4 x 64^2 + 3 x 64 x 128 + 2 x 64, a final norm.
    expected = 2 * 100 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 128 + 2 * 64) + 64
    assert vperf.load_model(CONFIG).parameters == expected


def test_a_relative_path_is_never_asked_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        load_model_config("./Qwen/Qwen3-4B")


def test_an_unknown_short_name_offers_the_nearest_and_both_ways_on() -> None:
    with pytest.raises(UnknownNameError) as caught:
        load_model_config("qwen3-4b-instruct-2508")
    assert "Qwen/Qwen3-4B-Instruct-2507" in caught.value.nearest
    assert "owner/name" in caught.value.hint


@pytest.mark.parametrize("name", ["..", "../..", "a/../b", "\x00", "x" * 5000, "", "   "])
def test_an_odd_name_is_an_error_of_ours(name: str) -> None:
    with pytest.raises(vperf.VperfError):
        load_model_config(name)


def test_at_least_150_models_ship_each_with_source_and_date() -> None:
    models = shipped()
    assert len(models) == len(model_ids()) >= 150
    assert all(m.source.startswith("https://") and m.checked and m.parameters > 0 for m in models)


def test_one_of_our_own_files_can_be_given_by_path() -> None:
    file = data_dir() / "models" / "Qwen" / "Qwen3-4B.json"
    assert load_model_config(str(file)).config == load_model_config("Qwen/Qwen3-4B").config
    assert shipped_model("Qwen/Qwen3-4B").parameters == 4_022_468_096


@pytest.mark.parametrize(
    ("typed", "model", "quantization"),
    [
        ("llama3.3:70b", "meta-llama/Llama-3.3-70B-Instruct", "q4_k_m"),
        ("mistral", "mistralai/Mistral-7B-Instruct-v0.3", "q4_k_m"),
        ("llama3.1:8b-instruct-q8_0", "meta-llama/Llama-3.1-8B-Instruct", "q8_0"),
        ("Qwen3-235B-A22B-UD-Q2_K_XL.gguf", "Qwen/Qwen3-235B-A22B", "q2_k"),
        ("hf.co/unsloth/Qwen3-14B-GGUF:Q5_K_M", "Qwen/Qwen3-14B", "q5_k_m"),
        ("unsloth/gemma-3-27b-it-GGUF", "google/gemma-3-27b-it", "q4_k_m"),
        ("mlx-community/Qwen3-30B-A3B-4bit", "Qwen/Qwen3-30B-A3B", "mlx_q4"),
        ("nvidia/DeepSeek-R1-0528-FP4", "deepseek-ai/DeepSeek-R1-0528", "nvfp4"),
        ("gemma3:27b-it-qat", "google/gemma-3-27b-it", "q4_0"),
        ("Mixtral 8x7B", "mistralai/Mixtral-8x7B-v0.1", None),
    ],
)
def test_a_name_that_is_no_id_is_read_by_its_words_and_its_format_too(
    typed: str, model: str, quantization: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = load_model_config(typed)
    assert found.spelled is not None
    assert (found.id, found.spelled.quantization) == (model, quantization)


@pytest.mark.parametrize("typed", ["Qwen3 8B", "qwen3_8b"])
def test_the_parts_of_a_short_name_may_be_parted_otherwise(typed: str) -> None:
    assert load_model_config(typed).id == "Qwen/Qwen3-8B"
