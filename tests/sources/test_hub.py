"""sources/hub against a Hub on the loopback: nothing here leaves the machine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.loopback_hub import COMMIT, Answer, LoopbackHub
from vperf.errors import HubError, InputError
from vperf.sources import hub
from vperf.sources.hub import cache, client, reach

ID = "Qwen/Qwen3-4B-Instruct-2507"
CONFIG = {"model_type": "qwen3", "hidden_size": 2560}
CONFIG_PATH = f"/{ID}/resolve/main/config.json"
INFO_PATH = f"/api/models/{ID}"
PARAMETERS = {"BF16": 4_022_468_096}
SHARDS = {
    "model-00001-of-00003.safetensors": 3_957_900_840,
    "model-00002-of-00003.safetensors": 3_987_450_520,
    "model-00003-of-00003.safetensors": 99_630_640,
}
INDEX = "model.safetensors.index.json"
WEIGHT_BYTES = 8_044_936_192
FOREIGN = (
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_OIDC_RESOURCE"),
    *("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_ENDPOINT"),
    *("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"),
)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No token, proxy, cache or switch of the machine that runs the tests."""
    for name in FOREIGN:
        monkeypatch.delenv(name, raising=False)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    with LoopbackHub() as loopback:
        monkeypatch.setenv("HF_ENDPOINT", loopback.endpoint)
        yield loopback


@pytest.fixture
def model(server: LoopbackHub) -> LoopbackHub:
    """A Hub that holds one ordinary model."""
    server.add_model(ID, {"config.json": CONFIG, INDEX: {}}, sizes=SHARDS, parameters=PARAMETERS)
    return server


def refusal(model_id: str = ID, revision: str | None = None) -> str:
    """The message and hint of the HubError that a fetch ends in: one line of plain text."""
    with pytest.raises(HubError) as caught:
        hub.fetch(model_id, revision=revision)
    assert caught.value.exit_code == 3
    text = f"{caught.value.message} | {caught.value.hint}"
    assert "\n" not in text
    assert caught.value.hint
    return text


# ------------------------------------------------------------------ answers


def test_config_and_stored_bytes_come_from_the_hub(
    model: LoopbackHub, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = hub.fetch(ID)
    assert answer.id == ID
    assert answer.commit == COMMIT
    assert answer.config == CONFIG
    assert answer.hf_quant_config is None
    assert answer.stored is not None
    assert answer.stored.total_bytes == WEIGHT_BYTES
    assert answer.stored.exact
    assert answer.stored.elements_by_dtype == PARAMETERS
    assert answer.stored.bytes_by_dtype == {"BF16": WEIGHT_BYTES}
    assert not answer.from_cache
    assert answer.warnings == ()
    assert capfd.readouterr() == ("", "")


def test_only_small_json_is_ever_asked_for(model: LoopbackHub) -> None:
    hub.fetch(ID)
    assert model.paths() == [CONFIG_PATH, INFO_PATH]


def test_a_quantized_model_brings_its_quantization_file(server: LoopbackHub) -> None:
    quantization = {"quantization": {"quant_algo": "NVFP4"}}
    server.add_model(ID, {"config.json": CONFIG, "hf_quant_config.json": quantization})
    assert hub.fetch(ID).hf_quant_config == quantization
    asked = len(server.paths("GET"))
    assert hub.fetch(ID).hf_quant_config == quantization
    assert server.paths("GET")[asked:] == [INFO_PATH]


def test_logical_counts_of_packed_weights_are_not_taken_for_bytes(server: LoopbackHub) -> None:
    """The Hub counts eight weights for an I32 that packs eight; the index knows the bytes."""
    server.add_model(
        ID,
        {"config.json": CONFIG, INDEX: {"metadata": {"total_size": 5_730_000_000}}},
        sizes={
            "model-00001-of-00002.safetensors": 4_000_000_000,
            "model-00002-of-00002.safetensors": 1_730_200_000,
        },
        parameters={"I32": 6_979_321_856, "F16": 1_051_000_000},
    )
    stored = hub.fetch(ID).stored
    assert stored is not None
    assert stored.total_bytes == 5_730_000_000
    assert stored.bytes_by_dtype == {}


def test_an_endpoint_without_listing_still_answers_from_the_index(server: LoopbackHub) -> None:
    index = {"metadata": {"total_size": WEIGHT_BYTES}, "weight_map": {}}
    server.add_model(ID, {"config.json": CONFIG, INDEX: index})
    server.refuse(INFO_PATH, 404)
    stored = hub.fetch(ID).stored
    assert stored is not None
    assert stored.total_bytes == WEIGHT_BYTES


def test_no_sizes_anywhere_is_a_warning_not_an_error(server: LoopbackHub) -> None:
    server.add_model(ID, {"config.json": CONFIG})
    answer = hub.fetch(ID)
    assert answer.config == CONFIG
    assert answer.stored is None
    assert "does not say" in answer.warnings[0]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"<html>"),
        Answer(b"[]"),
        Answer(b"", 500),
        Answer(b'{"siblings": [null, {"rfilename": []}], "safetensors": 3}'),
    ],
)
def test_a_broken_listing_costs_only_the_sizes(model: LoopbackHub, answer: Answer) -> None:
    model.answers[INFO_PATH] = answer
    fetched = hub.fetch(ID)
    assert fetched.config == CONFIG
    assert fetched.stored is None
    assert len(fetched.warnings) == 1


def test_a_broken_quantization_file_is_reported(server: LoopbackHub) -> None:
    server.add_model(ID, {"config.json": CONFIG, "hf_quant_config.json": b"{"})
    answer = hub.fetch(ID)
    assert answer.hf_quant_config is None
    assert "hf_quant_config.json" in answer.warnings[0]


def test_a_revision_is_asked_for_and_cached_apart(model: LoopbackHub) -> None:
    other = "b" * 40
    model.add_model(ID, {"config.json": {"model_type": "x"}}, revision="refs/pr/1", commit=other)
    assert hub.fetch(ID, revision="refs/pr/1").commit == other
    assert hub.fetch(ID).config == CONFIG
    again = hub.fetch(ID, revision="refs/pr/1")
    assert (again.config, again.from_cache) == ({"model_type": "x"}, True)


def test_a_legacy_id_without_owner_works(server: LoopbackHub) -> None:
    server.add_model("gpt2", {"config.json": CONFIG})
    assert hub.fetch("gpt2").config == CONFIG


def test_a_renamed_repository_is_followed(model: LoopbackHub) -> None:
    model.answers["/old/name/resolve/main/config.json"] = Answer(
        status=307, headers={"Location": CONFIG_PATH}
    )
    assert hub.fetch("old/name").config == CONFIG


def test_a_plain_file_server_is_enough(server: LoopbackHub) -> None:
    server.answers[CONFIG_PATH] = Answer(json.dumps(CONFIG).encode())
    answer = hub.fetch(ID)
    assert (answer.config, answer.commit, answer.stored) == (CONFIG, None, None)


# ------------------------------------------------------------------ the token


def test_the_token_is_sent_when_set(model: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.fetch(ID)
    assert {asked.headers.get("authorization") for asked in model.asked} == {"Bearer hf_secret"}


def test_no_token_is_sent_when_none_is_set_or_it_is_forbidden(
    model: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fetch(ID)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    hub.fetch(ID)
    assert not any("authorization" in asked.headers for asked in model.asked)


def test_the_token_does_not_follow_a_redirect_to_another_host(
    model: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with LoopbackHub() as elsewhere:
        elsewhere.answers["/signed"] = Answer(json.dumps(CONFIG).encode())
        target = elsewhere.endpoint.replace("127.0.0.1", "localhost") + "/signed"
        model.answers[CONFIG_PATH] = Answer(
            status=302, headers={"Location": target, "X-Repo-Commit": COMMIT}
        )
        answer = hub.fetch(ID)
        assert (answer.config, answer.commit) == (CONFIG, COMMIT)
        assert [asked.headers.get("authorization") for asked in elsewhere.asked] == [None]


def test_a_token_that_http_cannot_carry_is_not_shown(
    model: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret\x01é")
    text = refusal()
    assert "characters that no token has" in text
    assert "secret" not in text


# ------------------------------------------------------------------ the cache


def test_the_second_call_transfers_nothing_but_the_listing(model: LoopbackHub) -> None:
    hub.fetch(ID)
    before = len(model.asked)
    again = hub.fetch(ID)
    assert [(asked.method, asked.path) for asked in model.asked[before:]] == [
        ("HEAD", CONFIG_PATH),
        ("GET", INFO_PATH),
    ]
    assert (again.config, again.commit, again.from_cache) == (CONFIG, COMMIT, True)
    assert again.warnings == ()


def test_a_new_commit_is_noticed(model: LoopbackHub) -> None:
    hub.fetch(ID)
    model.add_model(ID, {"config.json": {"model_type": "new"}}, commit="c" * 40)
    answer = hub.fetch(ID)
    assert (answer.config, answer.commit) == ({"model_type": "new"}, "c" * 40)
    assert not answer.from_cache


def test_without_network_the_cached_copy_answers_and_says_so(model: LoopbackHub) -> None:
    hub.fetch(ID)
    model.close()
    answer = hub.fetch(ID)
    assert (answer.config, answer.commit, answer.from_cache) == (CONFIG, COMMIT, True)
    assert re.search(r"cannot reach .* using the cached copy of \d{4}-", answer.warnings[0])


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_hub_that_refuses_does_not_hide_the_cached_copy(model: LoopbackHub, status: int) -> None:
    hub.fetch(ID)
    model.everything = Answer(b"", status)
    answer = hub.fetch(ID)
    assert answer.config == CONFIG
    assert "using the cached copy" in answer.warnings[0]


def test_a_file_that_is_gone_is_not_answered_from_the_cache(model: LoopbackHub) -> None:
    hub.fetch(ID)
    model.refuse(CONFIG_PATH, 404, "EntryNotFound")
    assert "has no config.json" in refusal()


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_mode_asks_nobody(
    model: LoopbackHub, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    hub.fetch(ID)
    before = len(model.asked)
    monkeypatch.setenv(variable, "1")
    answer = hub.fetch(ID)
    assert (answer.config, answer.from_cache) == (CONFIG, True)
    assert len(answer.warnings) == 1
    assert "stored size" in answer.warnings[0]
    text = refusal("Qwen/Not-Cached")
    assert f"{variable} is set and Qwen/Not-Cached is not in the cache" in text
    assert len(model.asked) == before


def test_offline_mode_set_when_huggingface_hub_was_imported_is_honoured(
    model: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub.errors import OfflineModeIsEnabled  # noqa: PLC0415

    class Session:
        def request(self, *arguments: object, **options: object) -> None:
            raise OfflineModeIsEnabled("offline")

    monkeypatch.setattr(client, "open_session", lambda: (Session(), None, "0"))
    assert "HF_HUB_OFFLINE is set" in refusal()


def test_huggingface_hub_finds_what_vperf_cached(model: LoopbackHub, tmp_path: Path) -> None:
    from huggingface_hub import scan_cache_dir, try_to_load_from_cache  # noqa: PLC0415

    hub.fetch(ID)
    cache = tmp_path / "hf" / "hub"
    found = try_to_load_from_cache(ID, "config.json", cache_dir=cache)
    assert isinstance(found, str)
    assert json.loads(Path(found).read_text()) == CONFIG
    scan = scan_cache_dir(cache)
    assert [repository.repo_id for repository in scan.repos] == [ID]
    assert not scan.warnings


def test_vperf_finds_what_huggingface_hub_cached(
    model: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import hf_hub_download  # noqa: PLC0415

    hf_hub_download(
        ID, "config.json", endpoint=model.endpoint, cache_dir=tmp_path / "hf" / "hub", token=False
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    answer = hub.fetch(ID)
    assert (answer.config, answer.commit) == (CONFIG, COMMIT)
    assert "hf_quant_config.json is not in the cache" in answer.warnings[1]


def test_downloaded_weights_tell_their_size_offline(
    model: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fetch(ID)
    header = b'{"w":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}'
    snapshot = tmp_path / "hf" / "hub" / "models--Qwen--Qwen3-4B-Instruct-2507" / "snapshots"
    file = snapshot / COMMIT / "model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(12))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    answer = hub.fetch(ID)
    assert answer.stored is not None
    assert answer.stored.total_bytes == 12
    assert answer.stored.tensors == {"w": ("BF16", (2, 3))}
    assert answer.warnings == ()


def test_a_broken_cached_copy_is_replaced_online_and_reported_offline(
    model: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.fetch(ID)
    (cached,) = (tmp_path / "hf").rglob("config.json")
    cached.write_text('{"model_ty')
    assert hub.fetch(ID).config == CONFIG
    cached.write_text('{"model_ty')
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    text = refusal()
    assert str(cached) in text
    assert "delete that file" in text


def test_a_cache_that_cannot_be_written_costs_only_a_warning(
    model: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("HF_HOME", str(tmp_path / "a-file"))
    answer = hub.fetch(ID)
    assert answer.config == CONFIG
    assert "could not be cached" in answer.warnings[0]


def test_a_cache_that_cannot_be_looked_into_is_empty(
    model: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name too long for a folder is refused as a folder of another user is, to root too."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / ("x" * 300)))
    answer = hub.fetch(ID)
    assert answer.config == CONFIG
    assert "could not be cached" in answer.warnings[0]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert f"{ID} is not in the cache" in refusal()
    with pytest.raises(HubError, match="is not in the cache"):
        hub.fetch_any(ID)


def test_a_commit_that_is_a_path_stays_out_of_the_cache(model: LoopbackHub, tmp_path: Path) -> None:
    model.answers[CONFIG_PATH].headers["X-Repo-Commit"] = "../../../../outside"
    assert hub.fetch(ID).commit is None
    assert not list(tmp_path.rglob("config.json"))


@pytest.mark.parametrize(
    ("variables", "root"),
    [
        ({"HF_HOME": "/h"}, "/h/hub"),
        ({"HF_HOME": "/h", "HF_HUB_CACHE": "/c"}, "/c"),
        ({"HF_HOME": "", "XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"),
        ({"HF_HOME": "", "XDG_CACHE_HOME": "", "HOME": "/u"}, "/u/.cache/huggingface/hub"),
    ],
)
def test_the_cache_is_where_huggingface_hub_has_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], root: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache.cache_root() == Path(root)


# ------------------------------------------------------------------ refusals


def test_a_gated_model_says_how_to_get_in(
    server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.refuse(CONFIG_PATH, 401, "GatedRepo", X_Error_Message="Access is restricted.")
    text = refusal()
    assert "is gated, and no token is set" in text
    assert f"https://huggingface.co/{ID}" in text
    assert "HF_TOKEN" in text
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    server.refuse(CONFIG_PATH, 403, "GatedRepo")
    text = refusal()
    assert "the token in use has no access" in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("status", "code", "headers", "message", "hint"),
    [
        (404, "RepoNotFound", {}, "has no model", "spelling"),
        (401, "", {}, "has no model", "HF_TOKEN"),
        (404, "EntryNotFound", {}, "has no config.json", "GGUF"),
        (404, "RevisionNotFound", {}, "has no revision", "branches"),
        (401, "", {"X_Error_Message": "Invalid credentials in Authorization header"},
         "does not accept the token", "settings/tokens"),
        (403, "", {"X_Error_Message": "Access to this resource is disabled."},
         "disabled", "--model"),
        (403, "", {}, "refuses access", "HF_TOKEN"),
        (407, "", {}, "proxy", "HTTPS_PROXY"),
        (429, "", {}, "rate of requests", "HF_TOKEN"),
        (429, "", {"Retry_After": "55"}, "another 55 s", "wait"),
        (429, "", {"RateLimit": '"api";r=0;t=42'}, "another 42 s", "wait"),
        (500, "", {}, "HTTP 500", "later"),
        (503, "", {"Retry_After": "3600"}, "HTTP 503", "later"),
        (418, "", {}, "HTTP 418", "HF_ENDPOINT"),
        (304, "", {}, "HTTP 304", "HF_ENDPOINT"),
    ],
)  # fmt: skip
def test_every_refusal_has_its_sentence_and_a_next_step(  # noqa: PLR0917
    server: LoopbackHub,
    status: int,
    code: str,
    headers: dict[str, str],
    message: str,
    hint: str,
) -> None:
    server.refuse(CONFIG_PATH, status, code, **headers)
    said, _, step = refusal().partition(" | ")
    assert message in said
    assert hint in step
    assert server.paths() == [CONFIG_PATH], "asked once: no retries, no waiting"


def test_an_unknown_revision_is_named(model: LoopbackHub) -> None:
    model.refuse(f"/{ID}/resolve/v9/config.json", 404, "RevisionNotFound")
    assert "has no revision 'v9'" in refusal(revision="v9")


# ------------------------------------------------------------------ broken answers


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<!DOCTYPE html><title>Log in</title>", "HTML page"),
        (b'{"model_type": "qwe', "cut short"),
        (b"", "empty"),
        (b"[1, 2]", "JSON list, not an object"),
        (b"null", "not an object"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"),
    ],
)
def test_a_body_that_is_no_json_object_is_named_and_not_cached(
    model: LoopbackHub, tmp_path: Path, body: bytes, message: str
) -> None:
    model.answers[CONFIG_PATH].body = body
    assert message in refusal()
    assert not list(tmp_path.rglob("config.json"))


@pytest.mark.parametrize("endless", [False, True])
def test_a_huge_body_is_refused(
    model: LoopbackHub, monkeypatch: pytest.MonkeyPatch, endless: bool
) -> None:
    monkeypatch.setattr(client, "MAX_BODY_BYTES", 10**6)
    model.answers[CONFIG_PATH] = Answer(b" " * (10**6 + 1), endless=endless)
    assert "larger than 1 MB" in refusal()


def test_a_body_cut_short_is_refused(model: LoopbackHub) -> None:
    model.answers[CONFIG_PATH].cut = True
    assert re.search("broke off|cut short", refusal())


def test_a_body_that_is_not_the_gzip_it_claims_is_refused(model: LoopbackHub) -> None:
    model.answers[CONFIG_PATH].headers["Content-Encoding"] = "gzip"
    assert "broke off" in refusal()


def test_redirects_end(model: LoopbackHub) -> None:
    model.answers[CONFIG_PATH] = Answer(status=302, headers={"Location": CONFIG_PATH})
    assert "TooManyRedirects" in refusal()


def test_a_silent_server_is_not_waited_for(
    model: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "REQUEST_TIMEOUT_S", 0.05)
    model.answers[CONFIG_PATH] = Answer(hang=True)
    assert "too slow" in refusal()


def test_a_server_that_drips_forever_meets_the_deadline(
    model: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "TOTAL_TIMEOUT_S", 0.3)
    monkeypatch.setattr(client, "MAX_BODY_BYTES", 10**12)
    model.answers[CONFIG_PATH] = Answer(b" ", endless=True)
    assert "too slow" in refusal()


# ------------------------------------------------------------------ nobody there


def test_a_closed_port_is_named(server: LoopbackHub) -> None:
    server.close()
    text = refusal()
    assert f"cannot reach {server.endpoint}: connection refused" in text
    assert "--model ./config.json" in text
    assert "HF_ENDPOINT" in text


def test_a_name_service_that_hangs_is_left_behind(
    server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def resolve(*arguments: object, **options: object) -> None:
        release.wait()
        raise OSError

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    monkeypatch.setattr(reach, "PROBE_TIMEOUT_S", 0.05)
    try:
        assert "no answer within 0.05 s" in refusal()
    finally:
        release.set()


def test_with_no_network_everything_ends_within_the_promised_two_seconds() -> None:
    assert reach.PROBE_TIMEOUT_S <= 1.5


def test_an_unreachable_hub_is_found_out_without_importing_huggingface_hub(
    server: LoopbackHub,
) -> None:
    server.close()
    program = (
        "import sys\n"
        "from vperf.sources import hub\n"
        "try: hub.fetch('a/b')\n"
        "except hub.HubError: pass\n"
        "else: sys.exit('reached')\n"
        "sys.exit(any(m.split('.')[0] in ('huggingface_hub', 'requests') for m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_proxy_is_what_has_to_be_reachable(
    server: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    monkeypatch.setenv("HTTP_PROXY", server.endpoint.replace("//", "//user:password@"))
    monkeypatch.setenv("http_proxy", server.endpoint.replace("//", "//user:password@"))
    server.close()
    text = refusal()
    assert f"the proxy {server.endpoint} for http://hub.invalid" in text
    assert "password" not in text


def test_through_a_proxy_and_nothing_else_is_asked(
    model: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own: huggingface_hub reads the proxy once."""
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    monkeypatch.setenv("http_proxy", model.endpoint)
    program = f"from vperf.sources import hub; print(hub.fetch({ID!r}).config)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{CONFIG}\n", "")
    assert model.paths() == [CONFIG_PATH, INFO_PATH]
    assert model.asked[0].headers["host"] == "hub.invalid"


@pytest.mark.parametrize(
    "endpoint", ["huggingface.co", "ftp://host", "http://", "http://host:port", "http://[::1"]
)
def test_an_endpoint_that_is_no_url_is_named(
    monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    assert "HF_ENDPOINT is not a URL" in refusal()


# ------------------------------------------------------------------ names


@pytest.mark.parametrize(
    "model_id",
    ["", "a/b/c", "../x", "a/../b", "-a", "a/-b", "a.", "a--b/c", "ä/b", "a b", "a/b\n", "a?b",
     "https://huggingface.co/a/b", "/etc/passwd", "a" * 97, "./config.json", "a/"],
)  # fmt: skip
def test_what_cannot_be_an_id_is_refused_before_any_request(
    server: LoopbackHub, model_id: str
) -> None:
    with pytest.raises(InputError) as caught:
        hub.fetch(model_id)
    assert caught.value.exit_code == 2
    assert not server.asked


@pytest.mark.parametrize(
    "revision", ["", "../main", "a b", "/main", "a..b", "-x", "a\n", "x" * 256]
)
def test_what_cannot_be_a_revision_is_refused_before_any_request(
    server: LoopbackHub, revision: str
) -> None:
    with pytest.raises(InputError):
        hub.fetch(ID, revision=revision)
    assert not server.asked


@given(st.text("aZ0._-/~\\", min_size=1, max_size=12))
def test_an_id_never_leaves_the_cache_directory(model_id: str) -> None:
    try:
        hub.check_names(model_id, model_id)
    except InputError:
        return
    cached = cache.Cache(model_id, model_id)
    for path in (cached.folder, cached.folder / "refs" / model_id):
        assert path.resolve().is_relative_to(cached.root.resolve())


def test_importing_the_module_is_cheap() -> None:
    program = (
        "import sys, vperf.sources.hub\n"
        "sys.exit(any(name in sys.modules for name in "
        "('huggingface_hub', 'requests', 'httpx', 'httpx2', 'urllib.request')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../../outside.json", "a/../../b", "C:\\x", "a\nb"]
)
def test_a_listing_that_leaves_its_repository_is_refused(model: LoopbackHub, name: str) -> None:
    for url in [each for each in model.answers if each.startswith("/api/models/")]:
        listing = json.loads(model.answers[url].body)
        listing["siblings"].append({"rfilename": name, "size": 1})
        model.answers[url].body = json.dumps(listing).encode()
    with pytest.raises(HubError, match="outside of it"):
        hub.fetch_gguf(ID)
    assert hub.fetch(ID).config == CONFIG  # of fixed names alone
    assert not any("outside" in each.path or "passwd" in each.path for each in model.asked)
