"""Where a model comes from: standard input, a file or directory, what ships, or the Hub.

One rule, in this order: "-" is standard input; a path that exists, or that looks like one (./,
../, /, ~, .json, .gguf), is a local config.json, a GGUF file or a directory with one; a name that
ships, in any case, or any unique last part of one, is bundled; any other owner/name is asked of the
Hub, owner/name:Q4_K_M and owner/name/file.gguf for a GGUF file there. What is none of these, or
whose Hub cannot be asked, is read by its words (model_named.py): an Ollama tag, the name of a GGUF
file that is not here, a repository of quantized weights.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vperf.errors import HubError, InputError, UnknownNameError
from vperf.files import STDIN, open_regular, read_bytes, read_stdin
from vperf.model.config import Adapter, ModelConfig
from vperf.sources.catalog import data_dir
from vperf.units import format_bytes
from vperf.values import dataclass

if TYPE_CHECKING:
    from vperf.model.gguf.header import GgufHeader

MAX_CONFIG_BYTES = 16 << 20
"""The largest real config.json (22,422 quantized layers listed) is under 4 MB."""


@dataclass(frozen=True, slots=True)
class ShippedModel:
    """A model of configs/models, without deriving anything."""

    id: str
    model_type: str
    parameters: int
    parameters_source: str
    source: str
    checked: str


def load_model_config(
    name: str | Path | Mapping[str, Any], *, revision: str | None = None
) -> ModelConfig:
    """Find a model's config by the rule above. Raises InputError, UnknownNameError, HubError."""
    if isinstance(name, Mapping):
        return ModelConfig(str(name.get("_name_or_path") or "config"), "local", "config", name)
    text = str(name)
    if not text.strip():
        raise InputError("the model's name is empty", hint="'vperf models' lists those that ship")
    if text == "-":
        return ModelConfig(
            "stdin", "stdin", STDIN, _parse(read_stdin(limit=MAX_CONFIG_BYTES), STDIN)
        )
    path = Path(text).expanduser()
    looks_local = text.startswith((".", "/", "~")) or text.endswith((".json", "\\", "/"))
    if isinstance(name, Path) or looks_local or _exists(path):
        return _local(path, text)
    if text.lower().endswith((".gguf", ".safetensors")) and not re.fullmatch(
        _HUB_FILE, text, re.ASCII
    ):
        alone = revision is None and os.path.basename(text) == text
        return (_by_words(text, "no such file here") if alone else None) or _local(path, text)
    text = _HUB_PLACE.sub("", text)
    bundled = _bundled_id(text)
    if bundled is not None and revision is None:
        tag = "/" not in text and ":" in text
        return (_by_words(text) if tag else None) or _bundled(bundled)
    return _from_hub(text, revision)


def _by_words(typed: str, why: str = "") -> ModelConfig | None:
    """The bundled model that the words of a name mean, with what they say of its weights."""
    from vperf.sources.model_named import read_spelling  # noqa: PLC0415  (it reads every config)

    found = read_spelling(typed, why)
    return replace(_bundled(found[0]), spelled=found[1]) if found else None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name no file can have: too long, a null byte
        return False


def _local(path: Path, shown: str) -> ModelConfig:
    try:
        if path.suffix == ".safetensors" and (path.parent / "config.json").is_file():
            path = path.parent  # its header names no architecture: the config beside it does
        directory = path.is_dir()
        file = _config_file(path) if directory else _of_index(path, shown)
        if _is_gguf(file):
            return _gguf(file)
        if not file.exists():
            if directory and any(path.glob("*.gguf")):
                return _gguf_directory(path, shown)
            if directory:
                raise InputError(
                    "has no config.json", source=shown,
                    hint="give a model directory, a config.json, a .gguf file, or a Hub id",
                )  # fmt: skip
            raise InputError("no such file", source=shown)
        if file.suffix == ".safetensors":
            raise InputError(
                "holds weights alone: what they compute, the config.json beside them says",
                source=shown, hint="download that too and give the directory",
            )  # fmt: skip
        config = _parse(_read(file), str(file))
        if file.name == ADAPTER or _is_adapter(config):
            return _adapted(config, file, shown)
        if "dim" in config and "n_layers" in config:
            from vperf.sources import mistral  # noqa: PLC0415  (seldom on the way to an answer)

            if mistral.is_params(config):
                config = mistral.config_of(config, str(file))
        beside = file.parent / "hf_quant_config.json"
        quant = _parse(_read(beside), str(beside)) if beside.is_file() else None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot be read: {reason}", source=shown) from error
    if file.suffix == ".json" and "config" in config and "parameters_source" in config:
        # One of our own files, straight from configs/models.
        inner, quant = config["config"], config.get("hf_quant_config")
        return ModelConfig(file.stem, "local", str(file), inner, quant)
    name = path.name if directory else (path.parent.name or path.stem)
    stored, warnings = _stored(file.parent)
    return ModelConfig(
        name or path.resolve().name, "local", str(file), config, quant, stored, warnings
    )


ADAPTER = "adapter_config.json"


def _config_file(directory: Path) -> Path:
    """What says the most of the model in a directory."""
    names = ("config.json", "params.json", ADAPTER)
    found = (directory / name for name in names if (directory / name).is_file())
    return next(found, directory / names[0])


def _of_index(file: Path, shown: str) -> Path:
    """The config beside a shard index, which lists tensors by name alone; any other file itself."""
    if not file.name.endswith(".safetensors.index.json"):
        return file
    config = _config_file(file.parent)
    if config.is_file():
        return config
    raise InputError(
        "lists tensors by name: what they compute, the config.json beside it says", source=shown,
        hint="download that too and give the directory",
    )  # fmt: skip


def _is_adapter(config: Mapping[str, Any]) -> bool:
    return "peft_type" in config and "base_model_name_or_path" in config


def _adapted(config: Mapping[str, Any], file: Path, shown: str) -> ModelConfig:
    """The base model of a LoRA adapter, with the adapter. Raises InputError, HubError."""
    kind, base, rank = (config.get(k) for k in ("peft_type", "base_model_name_or_path", "r"))
    if kind != "LORA":
        raise InputError(f"is {kind!r:.40}: only LORA is understood", source=shown,
                         field="peft_type")  # fmt: skip
    if not isinstance(base, str) or not base.strip():
        raise InputError("must name the base model", source=shown, field="base_model_name_or_path")
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise InputError(
            f"must be a whole number from 1, not {rank!r:.40}", source=shown, field="r"
        )
    if config.get("rank_pattern"):
        raise InputError("ranks that differ by module are not understood", source=shown,
                         field="rank_pattern")  # fmt: skip
    listed = config.get("target_modules")
    targets = tuple(str(name) for name in listed) if isinstance(listed, list) else ()
    found = load_model_config(base)
    if found.adapter is not None:
        raise InputError("is an adapter of an adapter", source=shown)
    whole = config.get("modules_to_save")
    more = f"; {', '.join(map(str, whole))[:80]} replaced whole" if isinstance(whole, list) else ""
    line = f"{file.parent.name or shown} is a LoRA adapter of rank {rank} of {found.id}{more}"
    return replace(found, adapter=Adapter(rank, targets), warnings=(*found.warnings, line))


def _stored(directory: Path) -> tuple[int | None, tuple[str, ...]]:
    """Bytes of the tensors beside a config.json, from their headers; why not, as a warning."""
    try:
        if next(directory.glob("*.safetensors"), None) is None:
            return None, ()
    except OSError:
        return None, ()
    from vperf.sources import safetensors  # noqa: PLC0415  (seldom on the way to an answer)

    try:
        stored = safetensors.read_directory(directory)
    except InputError as error:
        return None, (f"{error.message}: weight bytes come from the config alone",)
    return (stored.total_bytes if stored else None), ()


def _is_gguf(file: Path) -> bool:
    """By its name or its first bytes: Ollama's files are named after their hash."""
    if file.suffix.lower() == ".gguf":
        return file.is_file()
    if file.suffix == ".json" or not file.is_file():
        return False
    with suppress(InputError), open_regular(file) as (stream, _):
        return stream.read(4) == b"GGUF"
    return False


def _gguf(file: Path) -> ModelConfig:
    from vperf.sources.gguf import read_gguf  # noqa: PLC0415  (seldom on the way to an answer)

    return _of_header(file.stem, read_gguf(file))


def _gguf_directory(directory: Path, shown: str) -> ModelConfig:
    from vperf.sources import gguf  # noqa: PLC0415  (seldom on the way to an answer)

    files = gguf.model_files(file.name for file in directory.glob("*.gguf"))
    return _gguf(directory / gguf.choose(files, "", shown))


def _of_header(model_id: str, header: GgufHeader, warnings: tuple[str, ...] = ()) -> ModelConfig:
    from vperf.model.gguf import config_of  # noqa: PLC0415

    if header.missing_bytes:
        warnings = (
            *warnings,
            f"{header.source} is cut short: {format_bytes(header.missing_bytes)} of its weights "
            "are missing",
        )
    return ModelConfig(
        model_id, "gguf", header.source, config_of(header), stored_bytes=header.stored_bytes,
        warnings=warnings, gguf=header,
    )  # fmt: skip


def _read(file: Path) -> bytes:
    return read_bytes(file, limit=MAX_CONFIG_BYTES)


def _parse(data: bytes, label: str) -> dict[str, Any]:
    """A JSON object, or one line that says why not."""
    if not data.strip():
        raise InputError("is empty, not a config.json", source=label)

    def checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        for key, value in pairs:
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"is {value}, which is not a number", source=label, field=key)
        return dict(pairs)

    try:
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=checked)
    except UnicodeDecodeError:
        raise InputError("is not text, so not a config.json", source=label) from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}", source=label
        ) from None
    except RecursionError:
        raise InputError("is nested too deeply for a config.json", source=label) from None
    except ValueError:  # an integer of more digits than Python converts
        raise InputError("holds a number of absurd length", source=label) from None
    if not isinstance(value, dict):
        raise InputError(f"holds a JSON {_kind(value)}, not an object", source=label)
    return value


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "list"
    return "string" if isinstance(value, str) else "number" if value is not None else "null"


# --- what ships --------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def model_ids() -> tuple[str, ...]:
    """Ids of every shipped model, from file names alone."""
    root = data_dir() / "models"  # a glob would make a Path of each
    return tuple(
        sorted(
            f"{owner}/{name.removesuffix('.json')}"
            for owner in os.listdir(root)
            if os.path.isdir(os.path.join(root, owner))
            for name in os.listdir(os.path.join(root, owner))
            if name.endswith(".json")
        )
    )


_PARTED = re.compile(r"[ :_]+")
"""Between the parts of a short name: "qwen3:8b", "Qwen3 8B"."""


@lru_cache(maxsize=1024)
def _bundled_id(name: str) -> str | None:
    """The shipped id that `name` means, None if none; an ambiguous short name is an error."""
    root = data_dir() / "models"
    owner, _, short = name.partition("/")
    # Names are compared as listed: a case-folding file system would find any spelling.
    if owner in os.listdir(root) and f"{short}.json" in os.listdir(root / owner):
        return name
    wanted = name.lower()
    if short:
        return next((known for known in model_ids() if known.lower() == wanted), None)
    wanted = _PARTED.sub("-", wanted.strip())  # as Ollama has them, or as people say them
    same = [known for known in model_ids() if known.split("/", 1)[1].lower() == wanted]
    if len(same) > 1:
        raise InputError(f"{name!r} could be {' or '.join(same)}", field="model")
    return same[0] if same else None


def _shipped_file(model_id: str) -> dict[str, Any]:
    file = data_dir() / "models" / f"{model_id}.json"
    return _parse(_read(file), model_id)


@lru_cache(maxsize=256)
def _bundled(model_id: str) -> ModelConfig:
    data = _shipped_file(model_id)
    return ModelConfig(
        model_id, "bundled", model_id, data["config"], data.get("hf_quant_config"),
        warnings=tuple(data.get("warnings", ())), task=data.get("task", ""),
    )  # fmt: skip


def shipped_model(model_id: str) -> ShippedModel:
    """Facts of one shipped model, by its exact id."""
    data = _shipped_file(model_id)
    return ShippedModel(
        model_id,
        str(data["config"].get("model_type", "")),
        int(data["parameters"]),
        str(data.get("parameters_source", "")),
        str(data.get("source", "")),
        str(data.get("checked", "")),
    )


def shipped() -> tuple[ShippedModel, ...]:
    """Every shipped model."""
    return tuple(shipped_model(model_id) for model_id in model_ids())


# --- the Hub -----------------------------------------------------------------------------------


_HUB_PLACE = re.compile(r"^(?:https?://)?(?:www\.)?(?:hf\.co|huggingface\.co)/", re.IGNORECASE)
_HUB_FILE, _HUB_TAG = r"(?i)([\w.-]+/[\w.-]+)/(.+\.gguf)", r"([\w.-]+/[\w.-]+):([\w.-]+)"


def _from_hub(name: str, revision: str | None) -> ModelConfig:
    if "/" not in name:
        if (found := _by_words(name)) is not None and revision is None:
            return found
        raise _unknown(name)
    try:
        return _fetched(name, revision)
    except HubError as error:
        absent = getattr(error, "status", None) in (401, 404)  # perhaps misspelt
        if revision is None and not absent and (known := _by_words(name, error.message)):
            return known
        near = _near(name.partition(":")[0].split("/")[1])
        if near:  # that the Hub cannot be asked hides no name that is here
            error.hint = f"bundled: {', '.join(near)}; {error.hint}"
        raise


def _fetched(name: str, revision: str | None) -> ModelConfig:
    from vperf.sources import hub  # noqa: PLC0415  (huggingface_hub takes 0.3 s to import)

    found: hub.HubModel | hub.HubGguf
    if match := re.fullmatch(_HUB_FILE, name, re.ASCII):
        found = hub.fetch_gguf(match[1], file=match[2], revision=revision)
    elif match := re.fullmatch(_HUB_TAG, name, re.ASCII):
        found = hub.fetch_gguf(match[1], quantization=match[2], revision=revision)
    else:
        found = hub.fetch_any(name, revision=revision)
    if isinstance(found, hub.HubGguf):
        return _of_header(f"{found.id}/{found.file}", found.header, found.warnings)
    return ModelConfig(
        found.id,
        "hub",
        found.id,
        found.config,
        found.hf_quant_config,
        found.stored.total_bytes if found.stored else None,
        found.warnings,
    )


def _unknown(name: str) -> UnknownNameError:
    return UnknownNameError(
        "model", name, _near(name),
        hint="give owner/name for a model on the Hub, or a path to a config.json",
    )  # fmt: skip


def _near(name: str) -> list[str]:
    """Names that start with it first, then those that have its words, then those spelled alike."""
    import difflib  # noqa: PLC0415  (only on the way to an error)

    typed = name.lower()
    short = {known.split("/", 1)[1].lower(): known for known in model_ids()}
    starting = sorted((key for key in short if key.startswith(typed)), key=len)
    wanted = _words(typed)
    having = sorted((key for key in short if wanted and wanted <= _words(key)), key=len)
    alike = difflib.get_close_matches(typed, short, 4, 0.5)
    return list(dict.fromkeys(short[key] for key in (*starting, *having, *alike)))[:4]


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z]+|[\d.]+[a-z]?", name))
