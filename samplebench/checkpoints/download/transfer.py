"""HTTP download into a partial file: resumed, retried, never glued from two versions."""

from __future__ import annotations

import time
from collections.abc import Callable

import requests

from samplebench.checkpoints.download import answers, cache, patience, session
from samplebench.checkpoints.download.address import by_hand, shown
from samplebench.checkpoints.download.artefact import Artefact
from samplebench.checkpoints.download.bar import Bar
from samplebench.checkpoints.download.partial import Partial
from samplebench.checkpoints.download.patience import Cut, Patience
from samplebench.checkpoints.download.verify import PAGE, looks_like_page, wrong_size
from samplebench.errors import EnvironmentError_, InputError

# What a broken connection may cost; large enough to keep the loop cheap.
_CHUNK = 1 << 14
# Answers of a server that may do better a little later.
_BUSY = {408, 425, 429, 500, 502, 503, 504}


def transfer(
    artefact: Artefact,
    url: str,
    partial: Partial,
    *,
    progress: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Completes `partial` from `url`.

    Raises:
        InputError: the server answers with something else than the file.
        EnvironmentError_: no network, no such file, no space, or too many failures in a row.
    """
    patient, reached = Patience(partial.size), False
    with session.Session() as client, Bar(artefact.file_name, progress) as bar:
        while not partial.complete:
            try:
                _attempt(client, artefact, url, partial, bar)
                return
            except Cut as failure:
                cut = failure
            except requests.RequestException as error:
                why = session.reason(error)
                lasting = not session.transient(error)
                # Without a network nobody wants to wait; one that was there may come back.
                if lasting or (session.unreachable(error) and not reached):
                    raise EnvironmentError_(
                        f"no connection to {shown(url)} ({why}); {by_hand(artefact)}"
                    ) from error
                cut = Cut(why)
            reached = True
            seconds = patient.pause(cut, partial.size)
            if seconds is None:
                raise EnvironmentError_(_given_up(artefact, url, partial, cut)) from cut
            bar.say(
                f"{artefact.file_name}: {cut}{_so_far(partial)}; trying again in {seconds:.0f} s "
                f"({patient.failures + 1} of {patience.ATTEMPTS})"
            )
            sleep(seconds)


def size_at(url: str) -> int | None:
    """Bytes of the file at `url`, by a HEAD request; None where the server does not say."""
    try:
        with session.Session() as client:
            answer = client.head(url, allow_redirects=True, timeout=patience.TIMEOUTS)
    except (requests.RequestException, InputError):
        return None
    return answers.length(answer) if answer.ok and not answers.is_page(answer) else None


def _attempt(
    client: requests.Session, artefact: Artefact, url: str, partial: Partial, bar: Bar
) -> None:
    headers = {}
    if partial.resumable:
        headers["Range"] = f"bytes={partial.size}-"
        if partial.whole.validator:
            headers["If-Range"] = partial.whole.validator
    with client.get(url, headers=headers, stream=True, timeout=patience.TIMEOUTS) as answer:
        _begin(artefact, url, partial, answer)
        total = partial.whole.size
        expected = total or artefact.size
        cache.need(partial.path, (expected or 0) - partial.size)
        bar.reach(partial.size, expected)
        for size in partial.append(answer.iter_content(_CHUNK)):
            bar.reach(size, expected)
            if artefact.size is not None and size > artefact.size:
                partial.discard()
                raise _wrong(artefact, url, wrong_size(artefact, size))
    # A server may also hand out less than the range that was asked for.
    if total is not None and partial.size < total:
        raise Cut("the connection was cut")


def _begin(artefact: Artefact, url: str, partial: Partial, answer: requests.Response) -> None:
    """Makes `partial` ready for the bytes of this answer, or raises."""
    status = answer.status_code
    if status in _BUSY:
        raise Cut(f"the server answers {answers.words(answer)}", answers.retry_after(answer))
    if status == 416:
        partial.discard()
        raise Cut("the file at its source has become shorter")
    if status not in (200, 206):
        raise EnvironmentError_(
            f"{shown(url)} answers {answers.words(answer)}; {by_hand(artefact)}"
        )
    if answers.is_page(answer):
        raise _wrong(artefact, url, PAGE)
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _wrong(artefact, url, "is compressed on its way, which was not asked for")
    whole = answers.whole(answer, partial.whole.url)
    if whole.size is not None and (wrong := wrong_size(artefact, whole.size)):
        page = status == 200 and looks_like_page(next(answer.iter_content(4096), b""))
        raise _wrong(artefact, url, PAGE if page else wrong)
    if status == 200:
        partial.restart(whole)
    elif (
        not partial.resumable
        or answers.offset(answer) != partial.size
        or not whole.continues(partial.whole)
    ):
        partial.discard()
        raise Cut("the file at its source has changed")


def _wrong(artefact: Artefact, url: str, what: str | None) -> InputError:
    return InputError(f"what {shown(url)} sends {what}; {by_hand(artefact)}")


def _so_far(partial: Partial) -> str:
    total = f" of {partial.whole.size:,}" if partial.whole.size else ""
    return f" ({partial.size:,}{total} bytes are here)" if partial.size else ""


def _given_up(artefact: Artefact, url: str, partial: Partial, cut: Cut) -> str:
    asks = f" and asks to wait {cut.retry_after:.0f} s" if cut.retry_after else ""
    times = "" if asks else f", {patience.ATTEMPTS} times in a row"
    kept = " and goes on where it stopped" if partial.resumable else ""
    return (
        f"{shown(url)}: {cut}{asks}{times}{_so_far(partial)}; "
        f"the same command later tries again{kept}, or {by_hand(artefact)}"
    )
