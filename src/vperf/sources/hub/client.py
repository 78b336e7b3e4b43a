"""Requests to the Hub about one model: every wait, body and redirect has a bound.

Session and token are huggingface_hub's, but not `hf_hub_download`: offline it retries for 24 s, it
sleeps through 429 and 5xx, and a body that is cut short on every try is fetched forever.
Not here: the sentences of errors (refusals.py), what is kept on the disk (cache.py).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, TypeVar
from urllib.parse import quote

from vperf.errors import HubError, VperfError
from vperf.files import is_inside
from vperf.sources.hub.cache import COMMIT, MAX_BODY_BYTES, cache_root
from vperf.sources.hub.reach import endpoint_url, is_true, probe, within, without_password
from vperf.sources.hub.refusals import (
    RefusedError,
    explained,
    instead,
    json_object,
    offline,
    refusal,
    too_large,
)
from vperf.values import dataclass

T = TypeVar("T")

REQUEST_TIMEOUT_S = 5.0
"""Silence of the server that is waited out, per request."""

TOTAL_TIMEOUT_S = 12.0
"""All requests for one model together, however slowly the server drips."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the Hub gave, and the commit it gave it from; None where it does not say."""

    commit: str | None
    body: bytes = field(repr=False)


class Client:
    """Requests about one model, all within one deadline."""

    def __init__(self, model_id: str, revision: str | None) -> None:
        self.model_id = model_id
        self.revision = revision
        self._endpoint = endpoint_url()
        self.endpoint = without_password(self._endpoint)
        """Fit to print: without the user and password it may hold."""
        self._deadline = time.monotonic() + TOTAL_TIMEOUT_S
        self._token: str | None = None
        probe(self._endpoint)
        self._session, self._token, version = self._guarded(open_session)
        self._headers = {"user-agent": f"vperf; hf_hub/{version}", "accept-encoding": "identity"}
        if self._token:
            self._headers["authorization"] = f"Bearer {self._token}"

    def commit_now(self, name: str) -> str | None:
        """The commit the endpoint serves a file from; None where it does not say."""
        try:
            return self._request("HEAD", self._file_url(name), name).commit
        except HubError:
            return None  # the GET that follows says what is wrong

    def file(self, name: str) -> Answer:
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
        info = json_object(body, "the model's listing", self.endpoint)
        siblings = info.get("siblings")
        for entry in siblings if isinstance(siblings, list) else ():
            name = entry.get("rfilename") if isinstance(entry, dict) else None
            if isinstance(name, str) and not is_inside(name):
                raise HubError(
                    f"{self.endpoint} lists {name[:120]!r} as a file of {self.model_id}, which is "
                    "outside of it",
                    hint=f"do not trust that server, {instead()}",
                )
        return info

    def _file_url(self, name: str) -> str:
        revision = quote(self.revision or "main", safe="")
        return f"{self._endpoint}/{self.model_id}/resolve/{revision}/{quote(name)}"

    def _request(self, method: str, url: str, what: str) -> Answer:
        return self._guarded(lambda: self._exchange(method, url, what))

    def _guarded(self, action: Callable[[], T]) -> T:
        """Run an action within the deadline; whatever the libraries raise becomes a HubError."""
        try:
            return within(max(0.0, self._deadline - time.monotonic()), action)
        except VperfError:
            raise
        except Exception as error:
            raise self._explained(error) from error

    def _exchange(
        self, method: str, url: str, what: str, span: tuple[int, int] | None = None
    ) -> Answer:
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
                if length.isdecimal() and float(length) > MAX_BODY_BYTES:
                    raise too_large(what, self.endpoint, MAX_BODY_BYTES)
                body = self._beginning(response, MAX_BODY_BYTES + 1)
                if len(body) > MAX_BODY_BYTES:
                    raise too_large(what, self.endpoint, MAX_BODY_BYTES)
            return Answer(_commit_of(response), body)

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

    def _refusal(self, status: int, headers: Mapping[str, str], what: str) -> RefusedError:
        return refusal(
            status, headers, what, model_id=self.model_id, revision=self.revision,
            endpoint=self.endpoint, with_token=bool(self._token),
        )  # fmt: skip

    def _explained(self, error: Exception) -> HubError:
        if any("OfflineMode" in kind.__name__ for kind in type(error).__mro__):
            return offline("HF_HUB_OFFLINE", self.model_id, cache_root())
        return explained(error, self.endpoint, self._token)


def open_session() -> tuple[Any, str | None, str]:
    """huggingface_hub's session and token, and its version. Imported only now: it takes 0.2 s."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns on import about old HF_ variables
        import huggingface_hub  # noqa: PLC0415
        import huggingface_hub.utils  # noqa: PLC0415

        implicit = not is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN")
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
        if COMMIT.fullmatch(commit):  # it becomes a directory's name
            return commit
    return None
