"""A model id -> its config.json and what its checkpoint stores, from the Hugging Face Hub.

The only package that touches the network. It asks for small JSON files and the model's listing:
never for weights, never for code to run. Session, token and cache are huggingface_hub's (HF_TOKEN,
HF_ENDPOINT, HF_HOME, HF_HUB_OFFLINE and the proxy variables mean what they mean there). Here: which
files an answer takes, and whether the Hub (client.py, reach.py) or the disk (cache.py) gives them.

Not here: what a config means (model/), files given by path (sources/models.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from vperf.errors import HubError, InputError, VperfError
from vperf.files import is_there
from vperf.sources import safetensors
from vperf.sources.hub.cache import CONFIG, Cache
from vperf.sources.hub.client import Client
from vperf.sources.hub.reach import offline_variable
from vperf.sources.hub.refusals import RefusedError, json_object, offline
from vperf.sources.safetensors import StoredTensors
from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.model.gguf.header import GgufHeader

__all__ = [
    "HubGguf", "HubModel", "StoredTensors", "check_names", "fetch", "fetch_any", "fetch_gguf",
]  # fmt: skip

HEADER_TIMEOUT_S = 40.0
"""For the header of a GGUF file on top of the client's: 8 MB and more, its vocabulary."""

QUANT_CONFIG = "hf_quant_config.json"

_ID = re.compile(r"(?:[A-Za-z0-9_][\w.-]*/)?[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
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


def fetch_any(model_id: str, *, revision: str | None = None) -> HubModel | HubGguf:
    """As `fetch`; of a repository that holds no config.json, its only GGUF file.

    Raises InputError also for a choice of several.
    """
    try:
        return fetch(model_id, revision=revision)
    except HubError as error:
        cache = Cache(model_id, revision or "main")
        found: HubGguf | None = None
        if offline_variable():
            found = _gguf_from_cache(cache, "", "")
        elif isinstance(error, RefusedError) and error.lacks_file:
            client = Client(model_id, revision)
            sizes: dict[str, int] = {}
            with suppress(VperfError):  # what is wrong has been said: there is no config.json
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
    check_names(model_id, revision)
    cache = Cache(model_id, revision or "main")
    if variable := offline_variable():
        if cache.path(CONFIG) is None:
            raise offline(variable, cache.model_id, cache.root)
        return _from_cache(cache, ())
    try:
        return _from_hub(Client(model_id, revision), cache)
    except HubError as error:
        if (isinstance(error, RefusedError) and error.is_final) or cache.path(CONFIG) is None:
            raise
        return _from_cache(cache, (f"{error.message}: using {cache.age()}",))


def fetch_gguf(
    model_id: str, *, quantization: str = "", file: str = "", revision: str | None = None
) -> HubGguf:
    """The header of a repository's GGUF file: the one in this quantization, or of this name.

    By range requests; files that are in the cache are read there. Raises as `fetch` does.
    """
    check_names(model_id, revision)
    cache = Cache(model_id, revision or "main")
    if variable := offline_variable():
        if cached := _gguf_from_cache(cache, quantization, file):
            return cached
        raise offline(variable, cache.model_id, cache.root)
    client = Client(model_id, revision)
    return _gguf_from_hub(client, cache, _gguf_sizes(client), quantization, file)


def check_names(model_id: str, revision: str | None) -> None:
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


def _from_hub(client: Client, cache: Cache) -> HubModel:
    notes: list[str] = []
    commit: str | None = cache.commit
    config: dict[str, object] | None = None
    if cache.path(CONFIG) and client.commit_now(CONFIG) == commit:
        with suppress(VperfError):  # a broken copy is fetched again and written over
            config = cache.load(CONFIG)
    from_cache = config is not None
    if config is None:
        answer = client.file(CONFIG)
        commit, config = answer.commit, json_object(answer.body, CONFIG, client.endpoint)
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
            index = json_object(answer.body, safetensors.INDEX_FILE, client.endpoint)
            stored = safetensors.from_listing(info, index) or stored
    if stored is None:
        why = f" ({listing.error.message})" if listing.error else ""
        notes.append(
            f"the Hub does not say what {client.model_id} stores{why}: "
            "weight bytes come from the config alone"
        )
    return HubModel(client.model_id, commit, config, quant_config, stored, from_cache, tuple(notes))


def _optional_file(
    client: Client, cache: Cache, name: str, commit: str | None
) -> dict[str, object] | None:
    """A JSON file that most repositories do not have; None where it is absent."""
    if commit is not None and cache.commit == commit:
        if cache.is_known_absent(name):
            return None
        if cache.path(name):
            return cache.load(name)
    try:
        answer = client.file(name)
    except RefusedError as error:
        if error.status != 404:
            raise
        cache.mark_absent(name, commit)
        return None
    content = json_object(answer.body, name, client.endpoint)
    cache.save(name, answer.body, commit)
    return content


def _from_cache(cache: Cache, notes: tuple[str, ...]) -> HubModel:
    stored = cache.stored()
    config = cache.load(CONFIG)
    if stored is None:
        notes += (
            f"the stored size of {cache.model_id} is not in the cache: "
            "weight bytes come from the config alone",
        )
    known = cache.path(QUANT_CONFIG) or cache.is_known_absent(QUANT_CONFIG)
    if not known and "quantization_config" not in config:
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


def _gguf_sizes(client: Client) -> dict[str, int]:
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
    client: Client, cache: Cache, sizes: Mapping[str, int], quantization: str, file: str
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


def _gguf_header(client: Client, cache: Cache, name: str, size: int, *, first: bool) -> GgufHeader:
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


def _gguf_from_cache(cache: Cache, quantization: str, file: str) -> HubGguf | None:
    """From files that huggingface_hub downloaded whole."""
    from vperf.sources import gguf  # noqa: PLC0415

    root = cache.snapshot
    files = root.rglob("*.gguf") if is_there(root) else ()
    names = [path.relative_to(root).as_posix() for path in files]
    if not names or (file and file not in names):
        return None
    file = file or gguf.choose(gguf.model_files(names), quantization, cache.model_id)
    return HubGguf(cache.model_id, file, gguf.read_gguf(root / file))


class _Suppressed:
    """A step whose failure costs detail, not the answer: keeps the error for the warning."""

    error: VperfError | None = None

    def __enter__(self) -> _Suppressed:
        return self

    def __exit__(self, kind: object, error: BaseException | None, *trace: object) -> bool:
        if isinstance(error, VperfError):
            self.error = error
            return True
        return False
