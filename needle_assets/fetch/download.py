"""A large file read from a service as a stream: nothing is stored, and a broken connection goes on where it broke."""

import contextlib
import re
from collections.abc import Callable, Iterator

import httpx

from needle_assets.fetch.around import AnswerError, BusyError
from needle_assets.fetch.service import Service

CHUNK_BYTES = 2**16
PROGRESS_BYTES = 2**20


class Download:
    """
    The bytes of one file, readable once from start to end; close it when done.

    Parameters
    ----------
    service : Service
        Where it lies.
    path : str
        Appended to the service's address.
    told : callable, optional
        Called with (bytes so far, bytes in all or 0) at every mebibyte.

    Notes
    -----
    After a fault the rest is asked for (HTTP range), as often as the manners allow without a mebibyte in between. Where the
    service cannot continue or the file has changed meanwhile, reading raises AnswerError. A connection slower than the slowest
    allowed counts as broken.
    """

    def __init__(self, service: Service, path: str, told: Callable[[int, int], None] = lambda _done, _total: None) -> None:
        self._service, self._url, self._told = service, service.url + path, told
        self._stack = contextlib.ExitStack()
        self._parts: Iterator[bytes] = iter(())
        self._buffer, self._start = bytearray(), bytearray()
        self._is_open = self._is_ended = False
        self._n_received = self._n_read = self._n_total = self._told_at = 0
        self._version = ""
        self._n_faults = 0
        self._waited = self._waited_bytes = 0.0

    def read(self, n_bytes: int = -1) -> bytes:
        """The next ``n_bytes``; fewer only at the end. Raises AnswerError where the rest cannot be had."""
        while not self._is_ended and (n_bytes < 0 or len(self._buffer) < n_bytes):
            self._receive()
        end = len(self._buffer) if n_bytes < 0 else n_bytes
        data = bytes(self._buffer[:end])
        del self._buffer[:end]
        if self._n_read + len(data) <= CHUNK_BYTES:
            self._start += data
        self._n_read += len(data)
        return data

    def seek(self, position: int) -> int:
        """Back to the start, as long as no more than a chunk was read."""
        if position != 0 or self._n_read > len(self._start):
            raise OSError("a download can be read once only.")
        self._buffer[:0] = self._start
        self._start.clear()
        self._n_read = 0
        return 0

    def tell(self) -> int:
        """Bytes read so far."""
        return self._n_read

    def close(self) -> None:
        """Let go of the connection."""
        self._stack.close()

    def _receive(self) -> None:
        if not self._is_open:
            self._service.take_turn()
        started = self._service.around.clock()
        try:
            if not self._is_open:
                self._open()
            part = self._next_part()
        except BusyError as why:
            self._after_fault(why)
            return
        self._waited += self._service.around.clock() - started
        self._waited_bytes += len(part or b"")
        if part is None:
            self._is_ended = True
        else:
            self._buffer += part
            self._n_received += len(part)
            self._service.count(len(part))
            self._check_pace()
        self._tell()

    def _next_part(self) -> bytes | None:
        try:
            return next(self._parts, None)
        except httpx.HTTPError as error:
            raise BusyError(f"the connection broke ({type(error).__name__}).") from None

    def _open(self) -> None:
        headers = {"Accept-Encoding": "identity"}
        if self._n_received:
            headers |= {"Range": f"bytes={self._n_received}-"} | ({"If-Range": self._version} if self._version else {})
        self._stack.close()
        response = self._stack.enter_context(self._service.opened("GET", self._url, {"headers": headers}))
        if self._n_received:
            self._check_continues(response)
        else:
            self._n_total = int(response.headers.get("Content-Length") or 0)
            self._version = _version(response)
        self._parts = response.iter_raw()  # as it arrives: the pace is looked at after every part
        self._is_open = True

    def _check_continues(self, response: httpx.Response) -> None:
        place = re.match(r"bytes ([0-9]+)-", response.headers.get("Content-Range", ""))
        if response.status_code != 206 or place is None or int(place[1]) != self._n_received:
            raise AnswerError(
                f"{self._service.name}: the connection broke after {self._n_received} bytes and cannot go on from there."
            )

    def _check_pace(self) -> None:
        manners = self._service.manners
        if self._waited < manners.timeout_seconds:
            return
        pace = self._waited_bytes / self._waited
        self._waited = self._waited_bytes = 0.0
        if pace < manners.slowest_bytes_per_second:
            self._after_fault(BusyError(f"only {pace:.0f} bytes a second came."))

    def _after_fault(self, why: BusyError) -> None:
        self._is_open = False
        self._stack.close()
        self._n_faults += 1
        if self._n_faults >= self._service.manners.tries:
            raise AnswerError(f"{self._service.name}: {why} ({self._n_faults} tries, {self._n_received} bytes came)") from None
        self._service.pause(self._n_faults, why)

    def _tell(self) -> None:
        if self._n_received - self._told_at >= PROGRESS_BYTES or self._is_ended:
            self._told_at, self._n_faults = self._n_received, 0
            self._told(self._n_received, self._n_total)


def _version(response: httpx.Response) -> str:
    """What tells this state of the file from another: a strong ETag, else the date of its last change."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
