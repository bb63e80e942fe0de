"""HTTP download into a partial file: resumed, retried, never glued from two versions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import requests

from samplebench.download import answers, cache, patience, session
from samplebench.download.address import by_hand, shown
from samplebench.download.artefact import Artefact
from samplebench.download.bar import Bar
from samplebench.download.kinds import HEAD, wrong_head
from samplebench.download.partial import PartialFile
from samplebench.download.patience import Cut, Patience
from samplebench.download.verify import wrong_size
from samplebench.errors import EnvironmentError_, InputError

# What a broken connection may cost; large enough to keep the loop cheap.
_CHUNK = 1 << 14
# Bytes between two looks at the disk, where nobody says how many will come.
_LOOK = 1 << 24
# Answers of a server that may do better a little later.
_BUSY = {408, 425, 429, 500, 502, 503, 504}
# Of one that may still send the whole file.
_NO_PART = {400, 405, 412, 416, 417, 431, 501}


def transfer(
    artefact: Artefact,
    url: str,
    partial: PartialFile,
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
                    none = session.unreachable(error)
                    what = f"no connection to {shown(url)}" if none else f"no file at {shown(url)}"
                    raise EnvironmentError_(f"{what} ({why}); {by_hand(artefact)}") from error
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
    said = answer.ok and not answers.is_page(answer) and not answers.unclear(answer)
    return answers.length(answer) if said else None


def _attempt(
    client: requests.Session, artefact: Artefact, url: str, partial: PartialFile, bar: Bar
) -> None:
    headers = {}
    if partial.resumable:
        headers["Range"] = f"bytes={partial.size}-"
        if partial.whole.validator:
            headers["If-Range"] = partial.whole.validator
    with client.get(url, headers=headers, stream=True, timeout=patience.TIMEOUTS) as answer:
        end = _begin(artefact, url, partial, answer)
        total = partial.whole.size
        expected = total or artefact.size
        cache.need(partial.path, (expected or 0) - partial.size)
        bar.reach(partial.size, expected)
        looked_at = 0
        for size in partial.append(_blocks(artefact, url, partial, answer)):
            bar.reach(size, expected)
            if artefact.size is not None and size > artefact.size:
                partial.discard()
                raise _wrong(artefact, url, wrong_size(artefact, size))
            if end is not None and size > end:
                partial.discard()
                raise Cut("the server sends more bytes than it announces")
            if too_long := _beyond(artefact, size):
                partial.discard()
                raise _wrong(artefact, url, too_long)
            if expected is None and size - looked_at >= _LOOK:
                looked_at = size
                _leave_room(partial)
        if end is not None and partial.size < end and answers.length(answer) is None:
            # Neither cut nor whole: what came may be an error's text.
            partial.discard()
            raise Cut("the server sends fewer bytes than it announces")
    # A server may also hand out less than the range that was asked for.
    if total is not None and partial.size < total:
        raise Cut("the connection was cut")


def _blocks(
    artefact: Artefact, url: str, partial: PartialFile, answer: requests.Response
) -> Iterator[bytes]:
    """The body in pieces; one that begins as another kind of file is refused there."""
    head, new = b"", partial.size == 0
    with session.failures():
        for block in answer.iter_content(_CHUNK):
            head += block
            if new and len(head) < HEAD:
                continue
            if new:
                _look(artefact, url, partial, head)
            new = False
            yield head
            head = b""
    if head:
        _look(artefact, url, partial, head)
        yield head


def _look(artefact: Artefact, url: str, partial: PartialFile, head: bytes) -> None:
    """Refuses another kind of file by its first bytes."""
    if wrong := wrong_head(head[:HEAD], artefact.container):
        partial.discard()
        raise _wrong(artefact, url, wrong)


def _leave_room(partial: PartialFile) -> None:
    try:
        cache.keep(partial.path, partial.size)
    except EnvironmentError_:
        partial.discard()
        raise


def _beyond(artefact: Artefact, size: int) -> str | None:
    """What is wrong with a file of so many bytes, or more."""
    if artefact.most is None or size <= artefact.most:
        return None
    return (
        f"goes beyond {cache.megabytes(artefact.most)}, more than a file of its parameters can "
        "hold: it is another file"
    )


def _begin(
    artefact: Artefact, url: str, partial: PartialFile, answer: requests.Response
) -> int | None:
    """Makes `partial` ready for the bytes of this answer, or raises.

    Returns:
        The size that the partial file has once they are all here; None where nobody says.
    """
    status = answer.status_code
    if status in _BUSY:
        raise Cut(f"the server answers {answers.words(answer)}", answers.retry_after(answer))
    if status in _NO_PART and partial.resumable:
        partial.discard()
        raise Cut(f"the server sends no part of it ({answers.words(answer)})")
    if status not in (200, 206):
        raise EnvironmentError_(
            f"{shown(url)} answers {answers.words(answer)}; {by_hand(artefact)}"
        )
    if answers.is_page(answer):
        raise _wrong(artefact, url, "is a web page (HTML), not the file")
    if unclear := answers.unclear(answer):
        if status == 206:
            partial.discard()
            raise Cut(f"the rest of it {unclear}")
        raise _wrong(artefact, url, unclear)
    whole = answers.whole(answer, partial.whole.url)
    if whole.size is not None and (
        wrong := wrong_size(artefact, whole.size) or _beyond(artefact, whole.size)
    ):
        if status == 206:
            partial.discard()
            raise Cut("the file at its source has changed")
        # What it is says more than how long it is.
        with session.failures():
            head = next(answer.iter_content(HEAD), b"")
        raise _wrong(artefact, url, (head and wrong_head(head, artefact.container)) or wrong)
    if status == 200:
        partial.restart(whole)
        return whole.size
    stretch = answers.stretch(answer)
    if not partial.resumable or stretch is None or stretch.start != partial.size:
        partial.discard()
        raise Cut("the server sends another part than was requested")
    # Without a total nobody could tell when the file is whole.
    if not whole.continues(partial.whole, checked=partial.checked) or not (
        whole.size or partial.whole.size
    ):
        partial.discard()
        raise Cut("the file at its source has changed")
    if partial.whole.size is None:
        partial.learn(replace(partial.whole, size=whole.size))
    return stretch.end


def _wrong(artefact: Artefact, url: str, what: str | None) -> InputError:
    return InputError(f"what {shown(url)} sends {what}; {by_hand(artefact)}")


def _so_far(partial: PartialFile) -> str:
    total = f" of {partial.whole.size:,}" if partial.whole.size else ""
    return f" ({partial.size:,}{total} bytes are here)" if partial.size else ""


def _given_up(artefact: Artefact, url: str, partial: PartialFile, cut: Cut) -> str:
    asks = f" and asks to wait {cut.retry_after:.0f} s" if cut.retry_after else ""
    times = "" if asks else f", {patience.ATTEMPTS} times in a row"
    kept = " and resumes" if partial.resumable else ""
    return (
        f"{shown(url)}: {cut}{asks}{times}{_so_far(partial)}; "
        f"the same command later tries again{kept}, or {by_hand(artefact)}"
    )
