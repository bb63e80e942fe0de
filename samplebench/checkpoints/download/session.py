"""The HTTP client: where redirects may lead, and what its failures mean."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError, NewConnectionError

from samplebench.checkpoints.download.address import shown
from samplebench.errors import InputError


class Session(requests.Session):
    """Follows redirects to the web only, and from https to https only."""

    def __init__(self) -> None:
        super().__init__()
        # Offsets and sizes are to be the file's own.
        self.headers["Accept-Encoding"] = "identity"
        self.max_redirects = 10

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where an answer leads.

        Raises:
            InputError: to a file of this machine or to an unprotected address.
        """
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        scheme = urlsplit(resp.url).scheme
        to = urljoin(resp.url, target)
        if urlsplit(to).scheme not in {"https", scheme}:
            raise InputError(
                f"{shown(resp.url)} redirects to {shown(to)}, which is not followed: only "
                f"{' and '.join(sorted({'https', scheme}))} addresses are"
            )
        return target


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
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, requests.exceptions.Timeout) or "timed out" in str(error):
        return "no byte in time"
    cause = _cause(error) or error
    text = str(cause).rpartition(": ")[2] if isinstance(cause, NewConnectionError) else str(cause)
    if "IncompleteRead" in text or "Connection aborted" in text or "broken" in text:
        return "the connection was cut"
    return " ".join(text.split())


def _cause(error: requests.RequestException) -> BaseException | None:
    """What urllib3 says of it."""
    inner = error.args[0] if error.args else None
    found = getattr(inner, "reason", inner)
    return found if isinstance(found, (HTTPError, OSError)) else None
