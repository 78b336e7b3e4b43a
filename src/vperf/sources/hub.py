"""A model id -> its config.json and what its checkpoint stores, from the Hugging Face Hub.

The only module that touches the network. It asks for small JSON files and the model's listing:
never for weights, never for code to run. Session, token and cache are huggingface_hub's (HF_TOKEN,
HF_ENDPOINT, HF_HOME, HF_HUB_OFFLINE and the proxy variables mean what they mean there), but not
`hf_hub_download`: offline it retries for 24 s, it sleeps through 429 and 5xx, and a body that is
cut short on every try is fetched forever. Here every wait, body and redirect has a bound.

Not here: what a config means (model/), files given by path (resolve.py).
"""

from __future__ import annotations

import json
import os
import queue
import re
import socket
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

from vperf.errors import HubError, InputError, VperfError
from vperf.sources import safetensors
from vperf.sources.safetensors import StoredTensors

if TYPE_CHECKING:
    from vperf.model.gguf.header import GgufHeader

__all__ = ["HubGguf", "HubModel", "StoredTensors", "fetch", "fetch_any", "fetch_gguf"]

T = TypeVar("T")

PROBE_TIMEOUT_S = 1.0
"""DNS and TCP to the Hub (or the proxy) together: with no network an answer within 2 s."""

REQUEST_TIMEOUT_S = 5.0
"""Silence of the server that is waited out, per request."""

TOTAL_TIMEOUT_S = 12.0
"""All requests for one model together, however slowly the server drips."""

HEADER_TIMEOUT_S = 40.0
"""For the header of a GGUF file on top of that: 8 MB and more, its vocabulary."""

MAX_BODY_BYTES = 64 * 10**6
"""The largest real config.json is under 1 MB, the largest shard index about 10 MB."""

DEFAULT_ENDPOINT = "https://huggingface.co"
CONFIG = "config.json"
QUANT_CONFIG = "hf_quant_config.json"

_INSTEAD = "or pass --model ./config.json (a file or a directory), or a model that ships with vperf"
_ID = re.compile(r"(?:[A-Za-z0-9_][\w.-]*/)?[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
_COMMIT = re.compile(r"[0-9A-Za-z]{7,64}")
_BAD_REVISION = re.compile(r"\.\.|//|^[/.-]|[/.]$|[\s~^:?*\[\]\\\x00-\x1f\x7f]|@\{")


@dataclass(frozen=True, slots=True)
class HubModel:
    """What the Hub (or the cache of it) says of one model."""

    id: str
    commit: str | None
    """None where the endpoint does not name one."""
    config: dict[str, object]
    hf_quant_config: dict[str, object] | None
    stored: StoredTensors | None
    from_cache: bool
    """config.json came from the disk; a warning says so where the Hub did not confirm it."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HubGguf:
    """The header of a GGUF file on the Hub, of all its parts if it is split."""

    id: str
    file: str
    """Path within the repository; of a split one, its first part."""
    header: GgufHeader
    warnings: tuple[str, ...] = ()


class _RefusedError(HubError):
    """An answer other than 200."""

    def __init__(self, message: str, *, hint: str, status: int, code: str) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.lacks_file = code == "EntryNotFound"
        self.is_final = code in {"EntryNotFound", "RevisionNotFound"}
        """The Hub knows the repository and is sure: no cached copy should hide that."""


def fetch_any(model_id: str, *, revision: str | None = None) -> HubModel | HubGguf:
    """As `fetch`; of a repository that holds no config.json, its only GGUF file.

    Raises InputError also for a choice of several.
    """
    try:
        return fetch(model_id, revision=revision)
    except HubError as error:
        cache = _Cache(model_id, revision or "main")
        found: HubGguf | None = None
        if _offline_variable():
            found = _gguf_from_cache(cache, "", "")
        elif isinstance(error, _RefusedError) and error.lacks_file:
            client = _Client(model_id, revision)
            sizes: dict[str, int] = {}
            with _Suppressed():  # what is wrong has been said: there is no config.json
                sizes = _gguf_sizes(client)
            if sizes:
                found = _gguf_from_hub(client, cache, sizes, "", "")
        if found is None:
            raise
        return found


def fetch(model_id: str, *, revision: str | None = None) -> HubModel:
    """The config and the stored size of a model on the Hub; from the cache where it must be.

    Raises InputError for an id or revision that cannot be one, HubError for everything else.
    """
    _check_names(model_id, revision)
    cache = _Cache(model_id, revision or "main")
    if variable := _offline_variable():
        if cache.path(CONFIG) is None:
            raise _offline(variable, cache)
        return _from_cache(cache, ())
    try:
        return _from_hub(_Client(model_id, revision), cache)
    except HubError as error:
        if (isinstance(error, _RefusedError) and error.is_final) or cache.path(CONFIG) is None:
            raise
        return _from_cache(cache, (f"{error.message}: using {cache.age()}",))


def fetch_gguf(
    model_id: str, *, quantization: str = "", file: str = "", revision: str | None = None
) -> HubGguf:
    """The header of a repository's GGUF file: the one in this quantization, or of this name.

    By range requests; files that are in the cache are read there. Raises as `fetch` does.
    """
    _check_names(model_id, revision)
    cache = _Cache(model_id, revision or "main")
    if variable := _offline_variable():
        if cached := _gguf_from_cache(cache, quantization, file):
            return cached
        raise _offline(variable, cache)
    client = _Client(model_id, revision)
    return _gguf_from_hub(client, cache, _gguf_sizes(client), quantization, file)


def _offline_variable() -> str:
    """The variable that forbids the network, "" if none does."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return next((variable for variable in names if _is_true(variable)), "")


def _check_names(model_id: str, revision: str | None) -> None:
    """Refuse what cannot be a Hub id or a git revision before anything is asked or opened."""
    if not _ID.fullmatch(model_id) or model_id[-1] in ".-" or re.search(r"--|\.\.", model_id):
        raise InputError(
            f"{model_id[:120]!r} is not a Hub model id",
            hint="an id is owner/name, for example Qwen/Qwen3-4B-Instruct-2507",
        )
    if revision is not None and (not 0 < len(revision) <= 255 or _BAD_REVISION.search(revision)):
        raise InputError(
            f"{revision[:120]!r} is not a revision", hint="give a branch, a tag or a commit"
        )


def _is_true(variable: str) -> bool:
    return os.environ.get(variable, "").upper() in {"1", "ON", "YES", "TRUE"}


def _offline(variable: str, cache: _Cache) -> HubError:
    return HubError(
        f"{variable} is set and {cache.model_id} is not in the cache ({cache.root})",
        hint=f"unset {variable}, {_INSTEAD}",
    )


# ---------------------------------------------------------------- the two ways to an answer


def _from_hub(client: _Client, cache: _Cache) -> HubModel:
    notes: list[str] = []
    commit: str | None = cache.commit
    config: dict[str, object] | None = None
    if cache.path(CONFIG) and client.commit_now(CONFIG) == commit:
        with _Suppressed():  # a broken copy is fetched again and written over
            config = cache.load(CONFIG)
    from_cache = config is not None
    if config is None:
        answer = client.file(CONFIG)
        commit, config = answer.commit, _json_object(answer.body, CONFIG, client.endpoint)
        notes += cache.save(CONFIG, answer.body, commit)

    info: Mapping[str, object] = {}
    listed: set[str] | None = None
    stored = cache.stored() if commit == cache.commit else None
    with _Suppressed() as listing:
        info = client.model_info()
        siblings = info.get("siblings")
        if isinstance(siblings, list):
            listed = {str(entry.get("rfilename")) for entry in siblings if isinstance(entry, dict)}

    quant_config: dict[str, object] | None = None
    if listed is not None and QUANT_CONFIG not in listed:
        cache.mark_absent(QUANT_CONFIG, commit)
    else:
        try:
            quant_config = _optional_file(client, cache, QUANT_CONFIG, commit)
        except HubError as error:
            notes.append(f"{QUANT_CONFIG} could not be read, so it is not used: {error.message}")
    if stored is None:
        stored = safetensors.from_listing(info)
    if (stored is None or not stored.exact) and (
        listed is None or safetensors.INDEX_FILE in listed
    ):
        with _Suppressed() as listing:
            answer = client.file(safetensors.INDEX_FILE)
            index = _json_object(answer.body, safetensors.INDEX_FILE, client.endpoint)
            stored = safetensors.from_listing(info, index) or stored
    if stored is None:
        why = f" ({listing.error.message})" if listing.error else ""
        notes.append(
            f"the Hub does not say what {client.model_id} stores{why}: "
            "weight bytes come from the config alone"
        )
    return HubModel(client.model_id, commit, config, quant_config, stored, from_cache, tuple(notes))


def _optional_file(
    client: _Client, cache: _Cache, name: str, commit: str | None
) -> dict[str, object] | None:
    """A JSON file that most repositories do not have; None where it is absent."""
    if commit is not None and cache.commit == commit:
        if cache.is_known_absent(name):
            return None
        if cache.path(name):
            return cache.load(name)
    try:
        answer = client.file(name)
    except _RefusedError as error:
        if error.status != 404:
            raise
        cache.mark_absent(name, commit)
        return None
    content = _json_object(answer.body, name, client.endpoint)
    cache.save(name, answer.body, commit)
    return content


def _from_cache(cache: _Cache, notes: tuple[str, ...]) -> HubModel:
    stored = cache.stored()
    config = cache.load(CONFIG)
    if stored is None:
        notes += (
            f"the stored size of {cache.model_id} is not in the cache: "
            "weight bytes come from the config alone",
        )
    asked = cache.path(QUANT_CONFIG) or cache.is_known_absent(QUANT_CONFIG)
    if not asked and "quantization_config" not in config:
        notes += (f"{QUANT_CONFIG} is not in the cache: taken to be absent, so not quantized",)
    return HubModel(
        id=cache.model_id,
        commit=cache.commit,
        config=config,
        hf_quant_config=cache.load(QUANT_CONFIG) if cache.path(QUANT_CONFIG) else None,
        stored=stored,
        from_cache=True,
        warnings=notes,
    )


# ---------------------------------------------------------------- GGUF files


def _gguf_sizes(client: _Client) -> dict[str, int]:
    """Name -> size of the repository's GGUF files, by its listing."""
    found: dict[str, int] = {}
    siblings = client.model_info().get("siblings")
    for entry in siblings if isinstance(siblings, list) else ():
        if isinstance(entry, dict) and isinstance(name := entry.get("rfilename"), str):
            size = entry.get("size")
            if name.lower().endswith(".gguf"):
                # Of unknown size: nothing but the bounds of a header limits what it may claim.
                found[name] = size if type(size) is int and size > 0 else 1 << 62
    return found


def _gguf_from_hub(
    client: _Client, cache: _Cache, sizes: Mapping[str, int], quantization: str, file: str
) -> HubGguf:
    from vperf.sources import gguf  # noqa: PLC0415  (most models are no GGUF files)

    where = client.model_id
    if not file:
        file = gguf.choose(gguf.model_files(sizes), quantization, where)
    client.extend(HEADER_TIMEOUT_S)
    headers: list[GgufHeader] = []
    for name in gguf.split_parts(file):
        if name not in sizes:
            near = ", ".join(gguf.model_files(sizes)[:12]) or "no GGUF file"
            raise InputError(f"has no {name[:120]}; it has {near}", source=where)
        headers.append(_gguf_header(client, cache, name, sizes[name], first=not headers))
    notes: tuple[str, ...] = ()
    if any("mmproj" in name.lower() for name in sizes):
        notes = ("its vision or audio projector (mmproj) is another file: not counted",)
    return HubGguf(where, file, gguf.joined(f"{where}/{file}", headers), notes)


def _gguf_header(
    client: _Client, cache: _Cache, name: str, size: int, *, first: bool
) -> GgufHeader:
    from vperf.sources import gguf  # noqa: PLC0415

    path = cache.path(name)
    if path is not None:
        return gguf.read_part(path)
    # The vocabulary stands in the first part alone.
    begin = gguf.FIRST_BYTES if first else gguf.FIRST_BYTES_OF_PART
    return gguf.read_growing(
        lambda start, end: client.range_of(name, start, end), size, f"{client.model_id}/{name}",
        begin,
    )  # fmt: skip


def _gguf_from_cache(cache: _Cache, quantization: str, file: str) -> HubGguf | None:
    """From files that huggingface_hub downloaded whole."""
    from vperf.sources import gguf  # noqa: PLC0415

    root = cache.snapshot
    names = [path.relative_to(root).as_posix() for path in root.rglob("*.gguf")]
    if not names or (file and file not in names):
        return None
    file = file or gguf.choose(gguf.model_files(names), quantization, cache.model_id)
    return HubGguf(cache.model_id, file, gguf.read_gguf(root / file))


class _Suppressed:
    """A step whose failure costs detail, not the answer: keeps the error for the warning."""

    error: VperfError | None = None

    def __enter__(self) -> _Suppressed:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if isinstance(error, VperfError):
            self.error = error
            return True
        return False


# ---------------------------------------------------------------- the cache on the disk


class _Cache:
    """One model in huggingface_hub's cache, in its documented layout.

    Read and written by hand, because importing huggingface_hub takes longer than an answer from
    the cache should; the tests hold the layout against huggingface_hub's own.
    """

    def __init__(self, model_id: str, revision: str) -> None:
        self.model_id = model_id
        self.revision = revision
        self.root = _cache_root()
        self.folder = self.root / f"models--{model_id.replace('/', '--')}"

    @property
    def commit(self) -> str:
        """The commit the revision last pointed at; the revision itself if it is a commit."""
        try:
            commit = (self.folder / "refs" / self.revision).read_text("utf-8").strip()
        except (OSError, ValueError):
            return self.revision
        return commit if _COMMIT.fullmatch(commit) else self.revision

    @property
    def snapshot(self) -> Path:
        return self.folder / "snapshots" / self.commit

    def path(self, name: str) -> Path | None:
        """Where a cached file is, None where it is not cached."""
        path = self.snapshot / name
        return path if path.is_file() else None

    def is_known_absent(self, name: str) -> bool:
        return (self.folder / ".no_exist" / self.commit / name).is_file()

    def load(self, name: str) -> dict[str, object]:
        """A cached JSON file."""
        path = self.snapshot / name
        try:
            if path.stat().st_size > MAX_BODY_BYTES:
                raise _too_large(name, "the cache")
            return _json_object(path.read_bytes(), str(path), "the cache")
        except OSError as error:
            raise HubError(
                f"cannot read {path}: {error.strerror or error}", hint="check its permissions"
            ) from error

    def age(self) -> str:
        """ "the cached copy of 2026-02-03 (commit 531c80e)"."""
        day = time.strftime("%Y-%m-%d", time.gmtime((self.snapshot / CONFIG).stat().st_mtime))
        return f"the cached copy of {day} (commit {self.commit[:7]})"

    def stored(self) -> StoredTensors | None:
        """From the headers of the weights, where they have been downloaded."""
        if not self.snapshot.is_dir():
            return None
        with _Suppressed():
            return safetensors.read_directory(self.snapshot)
        return None

    def save(self, name: str, body: bytes, commit: str | None) -> tuple[str, ...]:
        """Keep a file; returns a warning where the disk does not want it."""
        if commit is None:
            return ()
        try:
            _write(self.folder / "snapshots" / commit / name, body)
            if self.revision != commit:
                _write(self.folder / "refs" / self.revision, commit.encode())
        except OSError as error:
            return (f"the answer could not be cached in {self.root}: {error.strerror or error}",)
        return ()

    def mark_absent(self, name: str, commit: str | None) -> None:
        """Remember that this commit lacks a file, so that it is asked for once."""
        if commit is not None:
            try:
                _write(self.folder / ".no_exist" / commit / name, b"")
            except OSError:
                return  # it is asked for again


def _cache_root() -> Path:
    """huggingface_hub's cache, from the environment as it is now."""
    environment = os.environ
    home = environment.get("HF_HOME") or os.path.join(
        environment.get("XDG_CACHE_HOME") or os.path.join("~", ".cache"), "huggingface"
    )
    root = (
        environment.get("HF_HUB_CACHE")
        or environment.get("HUGGINGFACE_HUB_CACHE")
        or os.path.join(home, "hub")
    )
    return Path(os.path.expandvars(os.path.expanduser(root)))


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: others may read the cache at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        scratch.write_bytes(content)
        scratch.replace(path)
    except OSError:
        scratch.unlink(missing_ok=True)
        raise


# ---------------------------------------------------------------- the wire


@dataclass(frozen=True, slots=True)
class _Answer:
    commit: str | None
    body: bytes = field(repr=False)


class _Client:
    """Requests about one model, all within one deadline."""

    def __init__(self, model_id: str, revision: str | None) -> None:
        self.model_id = model_id
        self.revision = revision
        self._endpoint = _endpoint()
        self.endpoint = _shown(self._endpoint)
        """Fit to print: without the user and password it may hold."""
        self._deadline = time.monotonic() + TOTAL_TIMEOUT_S
        _probe(self._endpoint)
        self._session, self._token, version = self._guarded(_open_session)
        self._headers = {"user-agent": f"vperf; hf_hub/{version}", "accept-encoding": "identity"}
        if self._token:
            self._headers["authorization"] = f"Bearer {self._token}"

    def commit_now(self, name: str) -> str | None:
        """The commit the endpoint serves a file from; None where it does not say."""
        try:
            return self._request("HEAD", self._file_url(name), name).commit
        except HubError:
            return None  # the GET that follows says what is wrong

    def file(self, name: str) -> _Answer:
        """One small file of the repository."""
        return self._request("GET", self._file_url(name), name)

    def range_of(self, name: str, start: int, end: int) -> bytes:
        """Bytes `start` to `end` of a file, fewer where it ends before."""
        url = self._file_url(name)
        return self._guarded(lambda: self._exchange("GET", url, name, (start, end))).body

    def extend(self, seconds: float) -> None:
        """Allow so much longer from now on."""
        self._deadline = time.monotonic() + seconds

    def model_info(self) -> dict[str, object]:
        """The listing: file names and sizes, tensor counts."""
        url = f"{self._endpoint}/api/models/{self.model_id}"
        if self.revision is not None:
            url += f"/revision/{quote(self.revision, safe='')}"
        body = self._request("GET", f"{url}?blobs=true", "the model's listing").body
        return _json_object(body, "the model's listing", self.endpoint)

    def _file_url(self, name: str) -> str:
        revision = quote(self.revision or "main", safe="")
        return f"{self._endpoint}/{self.model_id}/resolve/{revision}/{quote(name)}"

    def _request(self, method: str, url: str, what: str) -> _Answer:
        return self._guarded(lambda: self._exchange(method, url, what))

    def _guarded(self, action: Callable[[], T]) -> T:
        """Run an action within the deadline; whatever the libraries raise becomes a HubError."""
        try:
            return _within(max(0.0, self._deadline - time.monotonic()), action)
        except VperfError:
            raise
        except Exception as error:
            raise self._explained(error) from error

    def _exchange(
        self, method: str, url: str, what: str, span: tuple[int, int] | None = None
    ) -> _Answer:
        remaining = max(0.001, self._deadline - time.monotonic())
        headers = self._headers
        if span is not None:
            headers = {**headers, "range": f"bytes={span[0]}-{span[1] - 1}"}
        options = {"headers": headers, "timeout": min(REQUEST_TIMEOUT_S, remaining)}
        if callable(getattr(self._session, "stream", None)):  # httpx: huggingface_hub >= 1.0
            opening = self._session.stream(method, url, follow_redirects=True, **options)
        else:
            opening = self._session.request(
                method, url, allow_redirects=True, stream=True, **options
            )
        with opening as response:
            status = response.status_code
            if status != 200 and (span is None or status != 206):
                raise self._refusal(status, response.headers, what)
            body = b""
            if span is not None:
                # A mirror that knows no ranges answers 200 with the whole file.
                skipped = span[0] if status == 200 else 0
                wanted = span[1] - span[0] + skipped
                body = self._beginning(response, wanted)[skipped:wanted]
            elif method == "GET":
                length = str(response.headers.get("content-length", ""))
                if length.isdigit() and int(length) > MAX_BODY_BYTES:
                    raise _too_large(what, self.endpoint)
                body = self._beginning(response, MAX_BODY_BYTES + 1)
                if len(body) > MAX_BODY_BYTES:
                    raise _too_large(what, self.endpoint)
            return _Answer(_commit_of(response), body)

    def _beginning(self, response: Any, enough: int) -> bytes:
        """The body, read until there is enough of it."""
        chunks = response.iter_bytes() if hasattr(response, "iter_bytes") else None
        body = bytearray()
        for chunk in chunks or response.iter_content(65536):
            body += chunk
            if len(body) >= enough:
                break
            if time.monotonic() > self._deadline:
                raise TimeoutError
        return bytes(body)

    def _refusal(self, status: int, headers: Mapping[str, str], what: str) -> _RefusedError:
        """The sentence and the next step for an answer other than 200."""
        code = str(headers.get("x-error-code", ""))
        reason = str(headers.get("x-error-message", ""))[:200]
        model, page = self.model_id, f"{DEFAULT_ENDPOINT}/{self.model_id}"
        own = "the token in use" if self._token else "no token is set"
        if code == "GatedRepo":
            message = f"{model} is gated, and {own}{' has no access' if self._token else ''}"
            hint = f"accept the licence at {page} and set HF_TOKEN to a token of that account"
        elif "Invalid credentials" in reason:
            message = "the Hub does not accept the token in use"
            hint = "set HF_TOKEN to a valid token from https://huggingface.co/settings/tokens"
        elif code == "RevisionNotFound":
            message = f"{model} has no revision {self.revision!r}"
            hint = f"see {page}/tree/main for its branches and tags"
        elif code == "EntryNotFound":
            message = f"{model} is on the Hub but has no {what}"
            hint = (
                "for a GGUF repository pass the .gguf file, for an adapter its base model, "
                f"{_INSTEAD}"
            )
        elif "disabled" in reason:
            message, hint = f"the Hub has disabled {model}", f"see {page}, {_INSTEAD}"
        elif status in (401, 404) or code == "RepoNotFound":
            message = f"{self.endpoint} has no model {model}, or it is private and {own}" + (
                " cannot see it" if self._token else ""
            )
            hint = (
                f"check the spelling{_and_endpoint()}; a private model needs HF_TOKEN set to a "
                "token that can read it"
            )
        elif status == 403:
            message = f"{self.endpoint} refuses access to {model} (HTTP 403)"
            hint = f"{own}: set HF_TOKEN to a token that may read {page}"
        elif status == 407:
            message = "the proxy asks for a password (HTTP 407)"
            hint = "set HTTPS_PROXY=http://user:password@host:port"
        elif status == 429:
            message = f"{self.endpoint} limits the rate of requests (HTTP 429){_retry(headers)}"
            hint = (f"wait, {_INSTEAD}") if self._token else f"set HF_TOKEN, wait, {_INSTEAD}"
        elif status >= 500:
            message = f"{self.endpoint} fails at the moment (HTTP {status})"
            hint = f"try again later, {_INSTEAD}"
        else:
            message = f"{self.endpoint} gave HTTP {status} for {what} of {model}"
            hint = f"check HF_ENDPOINT and the proxy settings, {_INSTEAD}"
        return _RefusedError(message, hint=hint, status=status, code=code)

    def _explained(self, error: Exception) -> HubError:
        """The sentence for whatever httpx, requests, huggingface_hub or the system raised."""
        kinds = " ".join(kind.__name__ for kind in type(error).__mro__)
        first_line = (str(error).strip().splitlines() or [""])[0][:200]
        if getattr(self, "_token", None):
            first_line = first_line.replace(str(self._token), "***")
        if "OfflineMode" in kinds:
            return _offline("HF_HUB_OFFLINE", _Cache(self.model_id, self.revision or "main"))
        if "Proxy" in kinds:
            return HubError(
                f"the proxy does not let the request through: {first_line}",
                hint=f"check HTTPS_PROXY and NO_PROXY, {_INSTEAD}",
            )
        if "SSL" in kinds or "SSL" in first_line or "CERTIFICATE" in first_line:
            return HubError(
                f"no secure connection to {self.endpoint}: {first_line}",
                hint=f"check the clock and the certificates (SSL_CERT_FILE), {_INSTEAD}",
            )
        if "Timeout" in kinds:
            return HubError(
                f"{self.endpoint} is too slow: no full answer in time",
                hint=f"try again, {_INSTEAD}",
            )
        if "Protocol" in kinds or "ChunkedEncoding" in kinds or "Decod" in kinds:
            return HubError(
                f"{self.endpoint} broke off its answer or does not speak HTTP: {first_line}",
                hint=f"try again, check HF_ENDPOINT, {_INSTEAD}",
            )
        return HubError(
            f"the request to {self.endpoint} failed: {type(error).__name__}: {first_line}",
            hint=f"check the network, HF_ENDPOINT and HF_TOKEN, {_INSTEAD}",
        )


def _open_session() -> tuple[Any, str | None, str]:
    """huggingface_hub's session and token, and its version. Imported only now: it takes 0.2 s."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns on import about old HF_ variables
        import huggingface_hub  # noqa: PLC0415
        import huggingface_hub.utils  # noqa: PLC0415

        implicit = not _is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN")
        token = huggingface_hub.get_token() if implicit else None
        if token and not (token.isascii() and token.isprintable()):
            raise HubError(
                "the token in use holds characters that no token has",
                hint="set HF_TOKEN to a token as https://huggingface.co/settings/tokens shows it",
            )
        utils: Any = huggingface_hub.utils  # does not say that it exports get_session
        return utils.get_session(), token, huggingface_hub.__version__


def _commit_of(response: Any) -> str | None:
    """The commit that an answer, or a redirect on the way to it, names."""
    for step in (response, *response.history):
        commit = str(step.headers.get("x-repo-commit", ""))
        if _COMMIT.fullmatch(commit):  # it becomes a directory's name
            return commit
    return None


def _retry(headers: Mapping[str, str]) -> str:
    seconds = re.search(r";\s*t=(\d{1,6})", str(headers.get("ratelimit", "")))
    after = re.fullmatch(r"\s*(\d{1,6})\s*", str(headers.get("retry-after", "")))
    found = after or seconds
    return f", for another {found[1]} s" if found else ""


def _too_large(what: str, where: str) -> HubError:
    return HubError(
        f"{what} from {where} is larger than {MAX_BODY_BYTES // 10**6} MB: not a model's config",
        hint=f"check the model id and HF_ENDPOINT, {_INSTEAD}",
    )


def _json_object(body: bytes, what: str, where: str) -> dict[str, object]:
    """A JSON object, or the error that says what came instead."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        if body.lstrip()[:1] == b"<":
            found = "an HTML page, not JSON: a login page or a proxy answers in its place"
        elif not body.strip():
            found = "empty"
        else:
            found = "not valid JSON, perhaps cut short"
        raise _broken(what, where, found) from error
    if not isinstance(content, dict):
        raise _broken(what, where, f"a JSON {type(content).__name__}, not an object")
    return content


def _broken(what: str, where: str, found: str) -> HubError:
    if where == "the cache":
        hint = f"delete that file so that it is fetched again, {_INSTEAD}"
    else:
        hint = f"try again, check HF_ENDPOINT and the network, {_INSTEAD}"
    return HubError(f"{what} from {where} is {found}", hint=hint)


# ---------------------------------------------------------------- is anybody there?


def _endpoint() -> str:
    endpoint = (os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
    try:
        parts = urlsplit(endpoint)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise HubError(
            f"HF_ENDPOINT is not a URL: {_shown(endpoint)!r}",
            hint="give it as https://host or http://host:port, or unset it",
        )
    return endpoint


def _and_endpoint() -> str:
    """What to check as well, where the user has set it."""
    return " and HF_ENDPOINT" if os.environ.get("HF_ENDPOINT") else ""


def _shown(url: str) -> str:
    """A URL without the user and password in it."""
    return re.sub(r"//[^/@]*@", "//", url)


def _probe(endpoint: str) -> None:
    """Raise HubError where neither the endpoint nor the proxy on the way accepts a connection."""
    proxy = _proxy_for(endpoint)
    target = proxy or endpoint
    via = f"the proxy {_shown(proxy)} for " if proxy else ""
    try:
        _within(PROBE_TIMEOUT_S, lambda: _connect(target))
        return
    except socket.gaierror:
        why = "the host name does not resolve"
    except TimeoutError:
        why = f"no answer within {PROBE_TIMEOUT_S:g} s"
    except ConnectionRefusedError:
        why = "connection refused"
    except (OSError, ValueError) as error:  # UnicodeError of an odd host name is a ValueError
        why = getattr(error, "strerror", None) or "not a usable address"
    check = " and HTTPS_PROXY" if proxy else _and_endpoint()
    raise HubError(
        f"cannot reach {via}{_shown(endpoint)}: {why}",
        hint=f"check the network{check}, {_INSTEAD}",
    )


def _proxy_for(endpoint: str) -> str | None:
    """The proxy that requests to the endpoint take, if any."""
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 (15 ms)

    parts = urlsplit(endpoint)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _connect(url: str) -> None:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 1080)
    socket.create_connection((parts.hostname or "", port), timeout=PROBE_TIMEOUT_S).close()


def _within(seconds: float, action: Callable[[], T]) -> T:
    """Run in a thread that is left behind where it takes longer: DNS knows no deadline."""
    outcome: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put((action(), None))
        except BaseException as error:
            outcome.put((None, error))

    threading.Thread(target=run, daemon=True, name="vperf-hub").start()
    try:
        result, error = outcome.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # T itself where there is no error
