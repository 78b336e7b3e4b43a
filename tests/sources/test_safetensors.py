"""sources/safetensors.py: headers on the disk, and what a Hub listing amounts to."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vperf.errors import InputError
from vperf.sources import safetensors
from vperf.sources.safetensors import from_listing, read_directory, read_header, weight_files


def write(path: Path, tensors: dict[str, object], data_bytes: int) -> None:
    header = json.dumps({"__metadata__": {"format": "pt"}, **tensors}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(data_bytes))


def tensor(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_a_checkpoint_in_two_shards_adds_up(tmp_path: Path) -> None:
    write(
        tmp_path / "model-00001-of-00002.safetensors",
        {"q": tensor("I32", [4, 8], 0, 128), "s": tensor("F16", [], 128, 130)},
        130,
    )
    write(tmp_path / "model-00002-of-00002.safetensors", {"e": tensor("F16", [8], 0, 16)}, 16)
    stored = read_directory(tmp_path)
    assert stored is not None
    assert stored.total_bytes == 146
    assert stored.bytes_by_dtype == {"I32": 128, "F16": 18}
    assert stored.elements_by_dtype == {"I32": 32, "F16": 9}
    assert stored.tensors["q"] == ("I32", (4, 8))
    assert stored.exact


def test_shards_with_names_of_their_own_are_found_through_the_index(tmp_path: Path) -> None:
    write(tmp_path / "layers-0.safetensors", {"a": tensor("F8_E4M3", [4], 0, 4)}, 4)
    write(tmp_path / "outside.safetensors", {"b": tensor("BF16", [1], 0, 2)}, 2)
    index = tmp_path / safetensors.INDEX_FILE
    index.write_text(json.dumps({"weight_map": {"a": "layers-0.safetensors"}}))
    stored = read_directory(tmp_path)
    assert stored is not None
    assert stored.total_bytes == 4
    index.write_text(json.dumps({"weight_map": {"a": "layers-0.safetensors", "c": "gone"}}))
    assert read_directory(tmp_path) is None
    index.write_text("{")
    with pytest.raises(InputError, match="index is not JSON"):
        read_directory(tmp_path)


def test_no_weights_or_not_all_of_them_is_none(tmp_path: Path) -> None:
    assert read_directory(tmp_path) is None
    write(tmp_path / "model-00001-of-00002.safetensors", {}, 0)
    assert read_directory(tmp_path) is None


@pytest.mark.parametrize(
    "entry",
    [
        None,
        {},
        tensor("BF16", [4], 0, 9),
        tensor("BF16", [4], 4, 12),
        tensor("BF16", [4], -8, 0),
        tensor("BF16", [-4], 0, 8),
        tensor("BF16", [10**30], 0, 8),
        tensor("NEW", [4], 0, 9),
        {"dtype": "BF16", "shape": [True], "data_offsets": [0, 2]},
        {"dtype": "BF16", "shape": [1] * 17, "data_offsets": [0, 2]},
        {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2, 4]},
        {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2.0]},
    ],
)
def test_an_entry_that_does_not_fit_names_file_and_tensor(tmp_path: Path, entry: object) -> None:
    file = tmp_path / "model.safetensors"
    write(file, {"w": entry}, 8)
    with pytest.raises(InputError) as caught:
        read_header(file)
    assert (caught.value.source, caught.value.field) == (str(file), "w")


def test_dtypes_of_the_future_are_read_by_their_offsets(tmp_path: Path) -> None:
    write(tmp_path / "model.safetensors", {"w": tensor("NEW", [4], 0, 8)}, 8)
    assert read_header(tmp_path / "model.safetensors") == {"w": ("NEW", (4,), 8)}


@given(content=st.binary(max_size=64) | st.builds(lambda b: b"\x08" + bytes(7) + b, st.binary()))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_a_header_or_an_input_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with contextlib.suppress(InputError):
        assert isinstance(read_header(file), dict)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_header(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("names", "files"),
    [
        ([], 0),
        (["model.safetensors", "model-00001-of-00001.safetensors"], 1),
        (["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], 2),
        (["model-00001-of-000002.safetensors", "model-00002-of-000002.safetensors"], 2),
        (["model.safetensors-00001-of-00002.safetensors",
          "model.safetensors-00002-of-00002.safetensors"], 2),
        (["model-00000-of-00002.safetensors", "model-00001-of-00002.safetensors"], 2),
        (["model-00001-of-00002.safetensors"], 0),
        (["model-00001-of-00001.safetensors", "consolidated-00001-of-00001.safetensors"], 1),
        (["a-00001-of-00001.safetensors", "b-00001-of-00001.safetensors"], 0),
        (["sub/model-00001-of-00001.safetensors", "adapter_model.safetensors"], 0),
    ],
)  # fmt: skip
def test_the_files_that_a_loader_reads(names: list[str], files: int) -> None:
    assert len(weight_files(names)) == files


def listing(files: dict[str, object], parameters: object = None) -> dict[str, object]:
    return {
        "siblings": [{"rfilename": name, "size": size} for name, size in files.items()],
        "safetensors": {"parameters": parameters} if parameters is not None else None,
    }


def test_counts_that_explain_the_files_are_exact_by_dtype() -> None:
    stored = from_listing(
        listing({"model.safetensors": 1_503_300_328}, {"BF16": 751_632_384})  # Qwen3-0.6B
    )
    assert stored is not None
    assert (stored.total_bytes, stored.exact) == (1_503_264_768, True)
    assert stored.elements_by_dtype == {"BF16": 751_632_384}


def test_counts_that_do_not_are_ignored_for_the_files() -> None:
    stored = from_listing(listing({"model.safetensors": 2_669_000_000}, {"I32": 4_000_000_000}))
    assert stored is not None
    assert (stored.total_bytes, stored.exact) == (2_669_000_000, False)
    assert stored.elements_by_dtype == {}


def test_a_stale_index_does_not_overrule_the_files() -> None:
    files: dict[str, object] = {"model-00001-of-00001.safetensors": 5_000_000_000}
    index: dict[str, object] = {"metadata": {"total_size": 16_000_000_000}}
    stored = from_listing(listing(files, {"I32": 16_000_000_000}), index)
    assert stored is not None
    assert stored.total_bytes == 5_000_000_000
    index = {"metadata": {"total_size": 4_999_000_000.0}}
    stored = from_listing(listing(files, {"I32": 16_000_000_000}), index)
    assert stored is not None
    assert (stored.total_bytes, stored.exact) == (4_999_000_000, True)


def test_without_sizes_only_dtypes_that_are_never_packed_are_believed() -> None:
    stored = from_listing(listing({}, {"BF16": 10, "F8_E4M3": 5}))
    assert stored is not None
    assert stored.total_bytes == 25
    assert from_listing(listing({}, {"BF16": 10, "U8": 5})) is None
    assert from_listing(listing({}, {"BF16": 10, "NEW": 5})) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "siblings",
                        "rfilename",
                        "size",
                        "safetensors",
                        "parameters",
                        "BF16",
                        "metadata",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=10,
    ).filter(lambda value: isinstance(value, dict))
)
def test_no_listing_breaks_the_reader(info: dict[str, object]) -> None:
    stored = from_listing(info, info)
    assert stored is None or stored.total_bytes > 0
