"""Where the Hub is, whether it may be asked, and whether anybody answers there in time.

From the environment (HF_ENDPOINT, HF_HUB_OFFLINE, the proxy variables) and one TCP connection,
before huggingface_hub is imported. Not here: what is asked (client.py).
"""

from __future__ import annotations

import os
import queue
import re
import socket
import threading
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from vperf.errors import HubError
from vperf.sources.hub.refusals import and_endpoint, instead

T = TypeVar("T")

PROBE_TIMEOUT_S = 1.0
"""DNS and TCP to the Hub (or the proxy) together: with no network an answer within 2 s."""

DEFAULT_ENDPOINT = "https://huggingface.co"


def offline_variable() -> str:
    """The variable that forbids the network, "" if none does."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return next((variable for variable in names if is_true(variable)), "")


def is_true(variable: str) -> bool:
    """As huggingface_hub reads a switch."""
    return os.environ.get(variable, "").upper() in {"1", "ON", "YES", "TRUE"}


def endpoint_url() -> str:
    """HF_ENDPOINT, or the Hub. Raises HubError where that is no URL."""
    endpoint = (os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")
    try:
        parts = urlsplit(endpoint)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise HubError(
            f"HF_ENDPOINT is not a URL: {without_password(endpoint)!r}",
            hint="give it as https://host or http://host:port, or unset it",
        )
    return endpoint


def without_password(url: str) -> str:
    """A URL without the user and password in it."""
    return re.sub(r"//[^/@]*@", "//", url)


def probe(endpoint: str) -> None:
    """Raise HubError where neither the endpoint nor the proxy on the way accepts a connection."""
    proxy = _proxy_for(endpoint)
    target = proxy or endpoint
    via = f"the proxy {without_password(proxy)} for " if proxy else ""
    try:
        within(PROBE_TIMEOUT_S, lambda: _connect(target))
        return
    except socket.gaierror:
        why = "the host name does not resolve"
    except TimeoutError:
        why = f"no answer within {PROBE_TIMEOUT_S:g} s"
    except ConnectionRefusedError:
        why = "connection refused"
    except (OSError, ValueError) as error:  # UnicodeError of an odd host name is a ValueError
        why = getattr(error, "strerror", None) or "not a usable address"
    check = " and HTTPS_PROXY" if proxy else and_endpoint()
    raise HubError(
        f"cannot reach {via}{without_password(endpoint)}: {why}",
        hint=f"check the network{check}, {instead()}",
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


def within(seconds: float, action: Callable[[], T]) -> T:
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
