"""What goes wrong between here and the Hub, each as a sentence and the next step.

Not here: asking (client.py), and which of these a cached copy may stand in for (__init__.py).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from vperf.errors import HubError
from vperf.spelling import flag


def instead() -> str:
    """What needs no Hub."""
    return (
        f"or pass {flag('model')} ./config.json (a file or a directory), or a model that ships "
        "with vperf"
    )


class RefusedError(HubError):
    """An answer other than 200."""

    def __init__(self, message: str, *, hint: str, status: int, code: str) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.lacks_file = code == "EntryNotFound"
        self.is_final = code in {"EntryNotFound", "RevisionNotFound"}
        """The Hub knows the repository and is sure: no cached copy should hide that."""


def refusal(
    status: int,
    headers: Mapping[str, str],
    what: str,
    *,
    model_id: str,
    revision: str | None,
    endpoint: str,
    with_token: bool,
) -> RefusedError:
    """The sentence and the next step for an answer other than 200."""
    code = str(headers.get("x-error-code", ""))
    reason = str(headers.get("x-error-message", ""))[:200]
    model, page = model_id, f"https://huggingface.co/{model_id}"
    own = "the token in use" if with_token else "no token is set"
    if code == "GatedRepo":
        message = f"{model} is gated, and {own}{' has no access' if with_token else ''}"
        hint = f"accept the licence at {page} and set HF_TOKEN to a token of that account"
    elif "Invalid credentials" in reason:
        message = "the Hub does not accept the token in use"
        hint = "set HF_TOKEN to a valid token from https://huggingface.co/settings/tokens"
    elif code == "RevisionNotFound":
        message = f"{model} has no revision {revision!r}"
        hint = f"see {page}/tree/main for its branches and tags"
    elif code == "EntryNotFound":
        message = f"{model} is on the Hub but has no {what}"
        hint = (
            f"for a GGUF repository pass the .gguf file, for an adapter its base model, {instead()}"
        )
    elif "disabled" in reason:
        message, hint = f"the Hub has disabled {model}", f"see {page}, {instead()}"
    elif status in (401, 404) or code == "RepoNotFound":
        message = f"{endpoint} has no model {model}, or it is private and {own}" + (
            " cannot see it" if with_token else ""
        )
        hint = (
            f"check the spelling{and_endpoint()}; a private model needs HF_TOKEN set to a "
            "token that can read it"
        )
    elif status == 403:
        message = f"{endpoint} refuses access to {model} (HTTP 403)"
        hint = f"{own}: set HF_TOKEN to a token that may read {page}"
    elif status == 407:
        message = "the proxy asks for a password (HTTP 407)"
        hint = "set HTTPS_PROXY=http://user:password@host:port"
    elif status == 429:
        message = f"{endpoint} limits the rate of requests (HTTP 429){_retry(headers)}"
        hint = (f"wait, {instead()}") if with_token else f"set HF_TOKEN, wait, {instead()}"
    elif status >= 500:
        message = f"{endpoint} fails at the moment (HTTP {status})"
        hint = f"try again later, {instead()}"
    else:
        message = f"{endpoint} gave HTTP {status} for {what} of {model}"
        hint = f"check HF_ENDPOINT and the proxy settings, {instead()}"
    return RefusedError(message, hint=hint, status=status, code=code)


def _retry(headers: Mapping[str, str]) -> str:
    seconds = re.search(r";\s*t=(\d{1,6})", str(headers.get("ratelimit", "")))
    after = re.fullmatch(r"\s*(\d{1,6})\s*", str(headers.get("retry-after", "")))
    found = after or seconds
    return f", for another {found[1]} s" if found else ""


def and_endpoint() -> str:
    """What to check as well, where the user has set it."""
    return " and HF_ENDPOINT" if os.environ.get("HF_ENDPOINT") else ""


def explained(error: Exception, endpoint: str, token: str | None) -> HubError:
    """The sentence for whatever httpx, requests, huggingface_hub or the system raised."""
    kinds = " ".join(kind.__name__ for kind in type(error).__mro__)
    first_line = (str(error).strip().splitlines() or [""])[0][:200]
    if token:
        first_line = first_line.replace(token, "***")
    if "Proxy" in kinds:
        return HubError(
            f"the proxy does not let the request through: {first_line}",
            hint=f"check HTTPS_PROXY and NO_PROXY, {instead()}",
        )
    if "SSL" in kinds or "SSL" in first_line or "CERTIFICATE" in first_line:
        return HubError(
            f"no secure connection to {endpoint}: {first_line}",
            hint=f"check the clock and the certificates (SSL_CERT_FILE), {instead()}",
        )
    if "Timeout" in kinds:
        return HubError(
            f"{endpoint} is too slow: no full answer in time",
            hint=f"try again, {instead()}",
        )
    if "Protocol" in kinds or "ChunkedEncoding" in kinds or "Decod" in kinds:
        return HubError(
            f"{endpoint} broke off its answer or does not speak HTTP: {first_line}",
            hint=f"try again, check HF_ENDPOINT, {instead()}",
        )
    return HubError(
        f"the request to {endpoint} failed: {type(error).__name__}: {first_line}",
        hint=f"check the network, HF_ENDPOINT and HF_TOKEN, {instead()}",
    )


def offline(variable: str, model_id: str, cache_root: Path) -> HubError:
    """The network is forbidden, and the cache lacks the model."""
    return HubError(
        f"{variable} is set and {model_id} is not in the cache ({cache_root})",
        hint=f"unset {variable}, {instead()}",
    )


def too_large(what: str, where: str, limit: int) -> HubError:
    """More than `limit` bytes."""
    return HubError(
        f"{what} from {where} is larger than {limit // 10**6} MB: not a model's config",
        hint=f"check the model id and HF_ENDPOINT, {instead()}",
    )


def json_object(body: bytes, what: str, where: str) -> dict[str, object]:
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
        hint = f"delete that file so that it is fetched again, {instead()}"
    else:
        hint = f"try again, check HF_ENDPOINT and the network, {instead()}"
    return HubError(f"{what} from {where} is {found}", hint=hint)
