"""GET from a server: bounded in time and size, and never with credentials to another host.

A token is taken from VPERF_SERVER_TOKEN and sent as a bearer. Not here: what the answers mean.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import IO, Any
from urllib.parse import urlsplit

from vperf.errors import InputError
from vperf.values import dataclass

_TIMEOUT_S = 5.0
_MAX_BYTES = 16 << 20
TOKEN = "VPERF_SERVER_TOKEN"


class _SameOrigin(urllib.request.HTTPRedirectHandler):
    """Follows a redirect within the server alone: a token must not leave it."""

    def redirect_request(  # noqa: PLR0917  (urllib's signature)
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        before, after = urlsplit(req.full_url), urlsplit(newurl)
        if (before.scheme, before.netloc) != (after.scheme, after.netloc):
            raise urllib.error.HTTPError(
                req.full_url, code, f"sends elsewhere, to {after.netloc}", headers, fp
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@dataclass(frozen=True, slots=True)
class Server:
    """`url` without a path."""

    url: str

    def text(self, path: str) -> str | None:
        """The body of a page; None where there is none (404 and the like).

        Raises InputError where the server cannot be reached, or answers too slowly or too much.
        """
        request = urllib.request.Request(self.url + path, headers=_headers())
        # Without the proxies of the environment: a server is on this machine or named.
        opener = urllib.request.build_opener(_SameOrigin, urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_TIMEOUT_S) as answer:
                body: bytes = answer.read(_MAX_BYTES + 1)
        except urllib.error.HTTPError as error:
            if error.code in {401, 403}:
                raise InputError(
                    f"asks for credentials at {path}", source=self.url, hint=f"set {TOKEN}"
                ) from None
            if 300 <= error.code < 400:
                raise InputError(str(error.reason), source=self.url) from None
            return None
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise InputError(
                f"cannot be reached: {reason}", source=self.url,
                hint="is the server running, and is this its address and port?",
            ) from None  # fmt: skip
        if len(body) > _MAX_BYTES:
            raise InputError(f"{path} is larger than {_MAX_BYTES >> 20} MiB", source=self.url)
        return body.decode("utf-8", "replace")

    def json(self, path: str) -> Any:
        """The JSON of a page; None where there is none, or it is no JSON."""
        text = self.text(path)
        try:
            return None if text is None else json.loads(text)
        except (ValueError, RecursionError):
            return None


def _headers() -> dict[str, str]:
    token = os.environ.get(TOKEN)
    return {"Authorization": f"Bearer {token}"} if token else {}
