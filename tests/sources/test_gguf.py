"""sources/gguf.py: headers read to the end, or refused with a reason; nothing a file says is
believed."""

from __future__ import annotations

import contextlib
import struct
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import vperf
from tests.gguf_writer import F16, F32, Q4_K, gguf_bytes, text, typed
from tests.loopback_hub import Answer, LoopbackHub
from tests.model import gguf_files
from vperf.errors import HubError, InputError, VperfError
from vperf.model.gguf import build_gguf
from vperf.sources import gguf, hub
from vperf.sources.gguf import choose, model_files, parse, quantization_tag, read_gguf, split_parts
from vperf.sources.models import load_model_config

SMALL = {"general.architecture": "llama", "llama.block_count": 1, "llama.embedding_length": 64,
         "llama.attention.head_count": 4, "llama.context_length": 512}  # fmt: skip
TENSORS = {
    "token_embd.weight": ((64, 100), F16), "output_norm.weight": ((64,), F32),
    **{f"blk.0.{name}.weight": ((64, 64), F16)
       for name in ("attn_q", "attn_k", "attn_v", "attn_output")},
    "blk.0.attn_norm.weight": ((64,), F32), "blk.0.ffn_norm.weight": ((64,), F32),
    **{f"blk.0.{name}.weight": ((64, 128), F16) for name in ("ffn_gate", "ffn_up")},
    "blk.0.ffn_down.weight": ((128, 64), F16),
}  # fmt: skip
FILE = gguf_bytes(SMALL, TENSORS)
PARAMETERS = 100 * 64 + 4 * 64 * 64 + 3 * 64 * 128 + 3 * 64


def refused(data: bytes, size: int | None = None) -> str:
    """Why a header is refused."""
    with pytest.raises(InputError) as error:
        parse(data, len(data) if size is None else size, "bad.gguf")
    assert "bad.gguf" in str(error.value)
    return str(error.value)


# --- what a header holds -----------------------------------------------------------------------


def test_a_header_gives_metadata_and_tensors_of_versions_2_and_3() -> None:
    for version in (2, 3):
        header = parse(gguf_bytes(SMALL, TENSORS, version=version), 1 << 20, "x")
        assert header.architecture == "llama"
        assert header.tensors["blk.0.ffn_down.weight"].shape == (128, 64)
        assert build_gguf(header).parameters == PARAMETERS


def test_values_of_every_type_are_read() -> None:
    fixed = b"".join(
        text(f"k{kind}") + struct.pack("<I", kind) + struct.pack(f"<{code}", 1)
        for kind, code in enumerate("BbHhIif?")
    ) + b"".join(
        text(f"k{kind}") + struct.pack("<I", kind) + struct.pack(f"<{code}", 1)
        for kind, code in ((10, "Q"), (11, "q"), (12, "d"))
    )  # fmt: skip
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, 11) + fixed
    assert all(value == 1 for value in parse(data, len(data), "x").metadata.values())


def test_lists_are_kept_where_short_and_counted_where_long_or_of_texts() -> None:
    metadata = {"short": [1, 2, 3], "texts": ["a", "bc"], "long": [7] * 9000, "nested": [[1], [2]]}
    found = parse(gguf_bytes(metadata, {}), 1 << 20, "x").metadata
    assert found == {"short": [1, 2, 3], "texts": 2, "long": 9000, "nested": 2}


def test_of_a_vocabulary_of_a_hundred_thousand_texts_none_is_kept() -> None:
    tokens = 50_000
    body = b"".join(text(f"tok{i}") for i in range(tokens))
    lists = b"".join(
        text(key) + struct.pack("<IIQ", 9, 8, tokens) + body
        for key in ("tokenizer.ggml.tokens", "tokenizer.ggml.merges")
    )
    data = b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + lists
    tracemalloc.start()
    parse(data, len(data), "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


# --- local files -------------------------------------------------------------------------------


def test_a_local_file_is_a_model(tmp_path: Path) -> None:
    file = tmp_path / "Llama-3.1-8B-Instruct-Q4_K_M.gguf"
    file.write_bytes(gguf_files.llama_q4_k_m().bytes)
    answer = vperf.estimate(str(file), "rtx-4090")
    assert answer.model.source == "gguf"
    assert answer.model.id == "Llama-3.1-8B-Instruct-Q4_K_M"
    assert answer.model.quantization == "q4_k_m"
    assert answer.model.parameters == 8_030_261_248
    assert answer.model.weight_bytes == 4_912_898_048
    assert any(
        "cut short: 4.91 GB" in line for line in answer.warnings
    )  # the weights are not there
    # 4.62 GB a token at 1008 GB/s, less what the L2 keeps.
    assert 210 < answer.limit.decode_tokens_per_s < 235


def test_a_whole_file_is_not_called_cut_short(tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    with file.open("wb") as stream:
        stream.write(FILE)
        stream.truncate(len(FILE) + 32 + 4 * PARAMETERS)
    assert load_model_config(str(file)).warnings == ()


def test_a_file_without_the_name_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    file = tmp_path / "sha256-0123"
    file.write_bytes(FILE)
    assert load_model_config(str(file)).source == "gguf"


def test_a_directory_with_one_model_in_gguf_is_that_model(tmp_path: Path) -> None:
    (tmp_path / "tiny-F16.gguf").write_bytes(FILE)
    (tmp_path / "mmproj-tiny.gguf").write_bytes(FILE)
    assert load_model_config(str(tmp_path)).id == "tiny-F16"
    (tmp_path / "tiny-Q8_0.gguf").write_bytes(FILE)
    with pytest.raises(InputError, match=r"2 GGUF models: tiny-F16\.gguf, tiny-Q8_0\.gguf"):
        load_model_config(str(tmp_path))


def test_all_parts_of_a_split_model_are_read_whichever_is_given(tmp_path: Path) -> None:
    names = [f"tiny-0000{i}-of-00002.gguf" for i in (1, 2)]
    items = list(TENSORS.items())
    parts = {"split.count": 2, "split.tensors.count": len(items)}
    (tmp_path / names[0]).write_bytes(gguf_bytes(SMALL | parts, dict(items[:5])))
    (tmp_path / names[1]).write_bytes(gguf_bytes(parts, dict(items[5:])))
    for name in names:
        assert vperf.load_model(tmp_path / name).parameters == PARAMETERS
    (tmp_path / names[1]).unlink()
    with pytest.raises(InputError, match=r"tiny-00002-of-00002\.gguf is not beside it"):
        read_gguf(tmp_path / names[0])


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (gguf_bytes({}, dict(list(TENSORS.items())[4:])), "is in two parts"),
        (gguf_bytes({}, dict(list(TENSORS.items())[6:])), "hold 10 of 11 tensors"),
    ],
)
def test_parts_that_do_not_make_one_model_are_refused(
    tmp_path: Path, second: bytes, message: str
) -> None:
    parts = {"split.count": 2, "split.tensors.count": len(TENSORS)}
    first = tmp_path / "tiny-00001-of-00002.gguf"
    first.write_bytes(gguf_bytes(SMALL | parts, dict(list(TENSORS.items())[:5])))
    (tmp_path / "tiny-00002-of-00002.gguf").write_bytes(second)
    with pytest.raises(InputError, match=message):
        read_gguf(first)


def test_a_part_under_another_name_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    file = tmp_path / "renamed.gguf"
    file.write_bytes(gguf_bytes(SMALL | {"split.count": 2}, TENSORS))
    with pytest.raises(InputError, match="one of 2 files"):
        read_gguf(file)


def test_a_missing_file_is_never_asked_of_the_hub(tmp_path: Path) -> None:
    for name in ("nowhere.gguf", str(tmp_path / "nowhere.gguf"), "./a/b.gguf"):
        with pytest.raises(InputError, match="no such file"):
            load_model_config(name)


# --- lies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "too short"),
        (b"GGUF", "too short"),
        (b"PK\x03\x04" + bytes(64), "is not a GGUF file"),
        (b"tjgg" + bytes(64), "before GGUF"),
        (gguf_bytes(SMALL, TENSORS, version=1), "version 1"),
        (gguf_bytes(SMALL, TENSORS, version=4), "version 4"),
        (gguf_bytes(SMALL, TENSORS, version=3 << 24), "big-endian"),
        (gguf_bytes(SMALL, TENSORS, tensor_count=2**63), "claims 9223372036854775808 tensors"),
        (gguf_bytes(SMALL, TENSORS, key_count=2**40), "metadata keys"),
        (gguf_bytes(SMALL, TENSORS, key_count=40), ""),
        (gguf_bytes({"general.alignment": 3}, TENSORS), "power of two"),
        (gguf_bytes({}, {"x": ((64,), 99)}), "ggml type 99"),
        (gguf_bytes({}, {"x": ((100, 2), Q4_K)}), "rows of 100 in q4_k blocks of 256"),
        (gguf_bytes({}, {"x": ((0, 4), F32)}), "of shape 0 x 4"),
        (gguf_bytes({}, {"x": ((2**63, 4), F32)}), "of shape"),
        (gguf_bytes({}, {"x": ((1, 1, 1, 1, 1), F32)}), "5 dimensions"),
        (gguf_bytes({}, {"x": ((1 << 20,) * 4, F32)}), "of shape"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**60) + bytes(32), "a key of"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + (text("a") + typed(1)) * 2 + bytes(8), "twice"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<I", 77) + bytes(32),
         "unknown type 77"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IIQ", 9, 8, 2**50)
         + bytes(32), "lengths are not true"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IIQ", 9, 4, 2**61)
         + bytes(32), "lengths are not true"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<I", 9)
         + struct.pack("<IQ", 9, 1) * 1000, "nested too deeply"),
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_is_refused_with_the_reason(data: bytes, message: str) -> None:
    assert message in refused(data)


def test_lengths_beyond_the_limit_are_refused_in_a_file_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sparse terabyte whose vocabulary claims all of it."""
    monkeypatch.setattr(gguf, "MAX_HEADER_BYTES", 2 << 20)
    file = tmp_path / "huge.gguf"
    with file.open("wb") as stream:
        stream.write(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a"))
        stream.write(struct.pack("<IIQ", 9, 8, 2**36))
        stream.truncate(1 << 40)
    with pytest.raises(InputError, match="does not end within 2 MiB"):
        read_gguf(file)


def test_a_header_may_take_64_mib() -> None:
    assert gguf.MAX_HEADER_BYTES == 64 << 20


@given(st.integers(0, len(FILE) - 1))
def test_a_header_cut_anywhere_is_an_input_error(length: int) -> None:
    refused(FILE[:length])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real header with bytes flipped, lengths replaced, parts cut out or doubled."""
    data = bytearray(FILE)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(("flip", "length", "cut", "double", "noise"))):
            case "flip":
                data[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case "length":
                lie = draw(st.sampled_from((0, 1, 2**31, 2**32 - 1, 2**40, 2**63, 2**64 - 1)))
                data[at : at + 8] = struct.pack("<Q", lie)
            case "cut":
                del data[at : at + draw(st.integers(1, 64))]
            case "double":
                end = at + draw(st.integers(1, 64))
                data[at:at] = data[at:end]
            case _:
                data[at:at] = draw(st.binary(max_size=32))
    return bytes(data)


@settings(deadline=None, max_examples=300)
@given(mutated())
@example(FILE)
def test_a_mutated_header_is_a_model_or_an_error_of_ours(data: bytes) -> None:
    start = time.perf_counter()
    try:
        header = gguf.joined("x", [parse(data, len(data), "x")])
        model = build_gguf(header)
        assert 0 < model.weight_bytes < 1e30
        assert model.parameters > 0
    except VperfError:
        pass
    except gguf.MoreNeeded:
        pytest.fail("asks for more than the file has")
    assert time.perf_counter() - start < 5


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_behind_the_magic_are_a_header_or_an_error_of_ours(noise: bytes) -> None:
    with contextlib.suppress(InputError):
        parse(b"GGUF" + struct.pack("<I", 3) + noise, 8 + len(noise), "x")


# --- which file of a repository ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "Q4_K_M"),
        ("llama-2-7b.Q4_0.gguf", "Q4_0"),
        ("qwen2.5-7b-instruct-q5_k_m-00001-of-00002.gguf", "Q5_K_M"),
        ("UD-Q4_K_XL/GLM-4.5-UD-Q4_K_XL-00001-of-00004.gguf", "UD-Q4_K_XL"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("model-IQ4_NL.gguf", "IQ4_NL"),
        ("tiny-BF16.gguf", "BF16"),
        ("ggml-model-f16.gguf", "F16"),
        ("model.gguf", ""),
    ],
)
def test_the_quantization_is_read_from_the_name(name: str, tag: str) -> None:
    assert quantization_tag(name) == tag


def test_models_are_told_from_projectors_and_further_parts() -> None:
    names = ["a-Q8_0.gguf", "mmproj-a-F16.gguf", "b-00001-of-00002.gguf", "b-00002-of-00002.gguf",
             "imatrix.gguf", "README.md"]  # fmt: skip
    assert model_files(names) == ["a-Q8_0.gguf", "b-00001-of-00002.gguf"]
    assert split_parts("b-00002-of-00002.gguf") == names[2:4]
    with pytest.raises(InputError, match="cannot be"):
        split_parts("b-00003-of-00002.gguf")


def test_a_tag_means_its_own_file_before_a_variant_of_it() -> None:
    files = ["m-Q4_K_M.gguf", "m-UD-Q4_K_M.gguf", "m-UD-Q2_K_XL.gguf"]
    assert choose(files, "q4_k_m", "o/m") == "m-Q4_K_M.gguf"
    assert choose(files, "UD-Q4_K_M", "o/m") == "m-UD-Q4_K_M.gguf"
    assert choose(files, "q2_k_xl", "o/m") == "m-UD-Q2_K_XL.gguf"
    with pytest.raises(InputError, match="has no GGUF file in Q9"):
        choose(files, "Q9", "o/m")
    with pytest.raises(InputError, match="has 3 GGUF models") as error:
        choose(files, "", "o/m")
    assert "o/m:Q4_K_M" in error.value.hint


# --- the Hub -----------------------------------------------------------------------------------

ID = "bartowski/Llama-GGUF"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LoopbackHub]:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN", "HF_HUB_CACHE",
                 "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy",
                 "all_proxy"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with LoopbackHub() as loopback:
        monkeypatch.setenv("HF_ENDPOINT", loopback.endpoint)
        yield loopback


def add(server: LoopbackHub, files: dict[str, bytes], *, ranges: bool = True) -> None:
    """A repository of GGUF files and nothing else."""
    server.add_model(ID, files)
    for name in files:
        answer = server.answers[f"/{ID}/resolve/main/{name}"]
        server.answers[f"/{ID}/resolve/main/{name}"] = Answer(answer.body, ranges=ranges)


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "a mirror without ranges"])
def test_a_header_is_read_from_the_hub_and_never_the_weights(
    server: LoopbackHub, monkeypatch: pytest.MonkeyPatch, ranges: bool
) -> None:
    monkeypatch.setattr(gguf, "FIRST_BYTES", 256)
    add(server, {"m-F16.gguf": FILE + bytes(4 * PARAMETERS)}, ranges=ranges)
    found = load_model_config(ID)
    assert (found.id, found.source) == (f"{ID}/m-F16.gguf", "gguf")
    assert found.warnings == ()
    assert vperf.load_model(ID).parameters == PARAMETERS
    spans = [asked.headers["range"] for asked in server.asked if "range" in asked.headers]
    assert spans[:2] == ["bytes=0-255", "bytes=256-767"]
    assert int(spans[-1].partition("-")[2]) < 3 * len(FILE)


def test_a_tag_or_a_file_picks_one_of_several(server: LoopbackHub) -> None:
    other = gguf_bytes(SMALL | {"general.file_type": 7}, TENSORS)
    add(server, {"m-F16.gguf": FILE, "q8/m-Q8_0.gguf": other, "mmproj-m.gguf": b"x"})
    with pytest.raises(InputError, match=r"has 2 GGUF models: m-F16\.gguf, q8/m-Q8_0\.gguf"):
        load_model_config(ID)
    for name in (f"{ID}:q8_0", f"{ID}/q8/m-Q8_0.gguf"):
        found = load_model_config(name)
        assert found.id == f"{ID}/q8/m-Q8_0.gguf"
        assert any("mmproj" in line for line in found.warnings)
    with pytest.raises(InputError, match="has no GGUF file in Q3_K_M"):
        load_model_config(f"{ID}:Q3_K_M")
    with pytest.raises(InputError, match="has no absent"):
        load_model_config(f"{ID}/absent.gguf")


def test_parts_on_the_hub_are_read_together_and_a_missing_one_is_named(
    server: LoopbackHub,
) -> None:
    items = list(TENSORS.items())
    names = [f"Q/m-Q-0000{i}-of-00002.gguf" for i in (1, 2)]
    files = {
        names[0]: gguf_bytes(SMALL, dict(items[:5])),
        names[1]: gguf_bytes({}, dict(items[5:])),
    }
    add(server, files)
    assert vperf.load_model(f"{ID}/{names[1]}").parameters == PARAMETERS
    add(server, {names[0]: files[names[0]]})
    with pytest.raises(InputError, match="m-Q-00002-of-00002"):
        load_model_config(f"{ID}/{names[0]}")


def test_a_file_that_was_downloaded_is_read_where_it_lies_also_offline(
    server: LoopbackHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commit = "a" * 40
    folder = tmp_path / "hf" / "hub" / f"models--{ID.replace('/', '--')}"
    (folder / "snapshots" / commit).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    (folder / "snapshots" / commit / "m-F16.gguf").write_bytes(FILE)
    add(server, {"m-F16.gguf": FILE})
    load_model_config(f"{ID}:F16")
    assert not any("range" in asked.headers for asked in server.asked)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    server.close()
    assert load_model_config(ID).id == f"{ID}/m-F16.gguf"
    with pytest.raises(HubError, match="not in the cache"):
        hub.fetch_gguf("nobody/nothing", quantization="F16")


def test_what_is_no_gguf_file_on_the_hub_is_an_input_error(server: LoopbackHub) -> None:
    add(server, {"m-F16.gguf": b"<html>" + bytes(200)})
    with pytest.raises(InputError, match="is not a GGUF file"):
        load_model_config(ID)
    add(server, {"m-F16.gguf": FILE[:500]})
    with pytest.raises(InputError, match="cut short"):
        load_model_config(ID)
