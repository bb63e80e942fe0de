"""The HTTP client: where redirects may lead, and what its failures mean."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import BadStatusLine, HTTPException, IncompleteRead, RemoteDisconnected
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError, NewConnectionError

from samplebench.download import wire
from samplebench.download.address import shown
from samplebench.download.artefact import on_web
from samplebench.download.words import harmless
from samplebench.errors import InputError, SamplebenchError

# What the libraries below say of a connection that ended too early.
_CUT = ("IncompleteRead", "Connection aborted", "broken", "prematurely")


class Session(requests.Session):
    """Follows redirects to the web only, and from https to https only."""

    def __init__(self) -> None:
        super().__init__()
        # Offsets and sizes are to be the file's own.
        self.headers["Accept-Encoding"] = "identity"
        self.max_redirects = 10
        for scheme in ("https://", "http://"):
            self.mount(scheme, wire.Adapter())

    def request(self, *words: Any, **how: Any) -> requests.Response:
        """Sends a request and follows redirects.

        Raises:
            InputError: a redirect leads where none is followed.
            requests.RequestException: whatever else goes wrong.
        """
        with failures():
            return super().request(*words, **how)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where an answer leads.

        Raises:
            InputError: to a file of this machine, to an unprotected address, from the web into
                this network, or to no address at all.
        """
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        # Else the client reads its body, however long, before it goes on.
        if resp.raw is not None:
            resp.close()
        scheme = urlsplit(resp.url).scheme
        try:
            to = urljoin(resp.url, target)
            leads, usable = urlsplit(to).scheme, on_web(to)
        except ValueError:
            to, leads, usable = target, scheme, False
        if leads not in {"https", scheme}:
            why = f"only {' and '.join(sorted({'https', scheme}))} addresses are"
        elif not usable:
            why = "it is not an address"
        elif _inside(to) and not _inside(resp.url):
            why = "it is an address of this machine or its network"
        else:
            return target
        raise InputError(
            f"{shown(resp.url)} redirects to {harmless(to)}, which is not followed: {why}"
        )


@contextmanager
def failures() -> Iterator[None]:
    """Around what a client does with an answer: all its ways to fail are one kind.

    Raises:
        requests.RequestException: for what the libraries below let through, too.
    """
    try:
        yield
    except (requests.RequestException, SamplebenchError):
        raise
    # Numbers, names and addresses that a server made up.
    except (ValueError, HTTPError, HTTPException, OSError) as error:
        raise requests.RequestException(error) from error


def _inside(url: str) -> bool:
    """Whether its host is this machine, or an address that the web does not lead to."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    for read in (str, socket.inet_aton):  # the latter knows "127.1", too
        try:
            return not ipaddress.ip_address(read(host)).is_global
        except (ValueError, OSError):
            continue
    return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))


def unreachable(error: requests.RequestException) -> bool:
    """Whether no connection was made at all: no name, no route, refused, a wrong certificate."""
    if isinstance(
        error,
        (
            requests.exceptions.SSLError,
            requests.exceptions.ProxyError,
            requests.exceptions.ConnectTimeout,
        ),
    ):
        return True
    return isinstance(_cause(error), NewConnectionError)


def transient(error: requests.RequestException) -> bool:
    """Whether the same request may succeed a little later."""
    passing = (
        requests.exceptions.ConnectionError,
        requests.exceptions.Timeout,
        requests.exceptions.ChunkedEncodingError,
    )
    lasting = (requests.exceptions.SSLError, requests.exceptions.ProxyError)
    return isinstance(error, passing) and not isinstance(error, lasting)


def reason(error: requests.RequestException) -> str:
    """A failure in a few words, without the client's own wrapping."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, wire.Slow):
            return f"the server is too slow: {below}"
        cut = isinstance(below, IncompleteRead | RemoteDisconnected)
        if isinstance(below, BadStatusLine) and not cut:
            return "the server does not answer in HTTP"
        if isinstance(below, HTTPException) and not cut:
            return f"the server's answer breaks the rules of HTTP: {harmless(below, 80)}"
        below = below.__cause__ or below.__context__
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.exceptions.Timeout) or "timed out" in str(error):
        return "no byte in time"
    cause = _cause(error) or error
    text = str(cause).rpartition(": ")[2] if isinstance(cause, NewConnectionError) else str(cause)
    if any(word in text for word in _CUT):
        return "the connection was cut"
    return harmless(text)


def _cause(error: requests.RequestException) -> BaseException | None:
    """What urllib3 says of it."""
    inner = error.args[0] if error.args else None
    found = getattr(inner, "reason", inner)
    return found if isinstance(found, (HTTPError, OSError)) else None
