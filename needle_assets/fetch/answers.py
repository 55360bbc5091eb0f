"""What the answer of a service means: its status, when to ask again, where it leads; and how it is quoted, without the token."""

import contextlib
import email.utils
import re
from dataclasses import dataclass, field

import httpx

from needle_assets.fetch.around import AnswerError, Around, BusyError, NotThereError, ServiceStoppedError
from needle_assets.landing.values import shown

_BUSY = (429, 500, 502, 503, 504)
_ABSENT = (404, 410)
IDEMPOTENCY_KEY = "Idempotency-Key"


@dataclass(frozen=True)
class Answers:
    """Reads the answers of the service ``name``, which was sent ``token``, if any."""

    name: str
    token: str | None = field(repr=False)
    around: Around

    def check_status(self, response: httpx.Response) -> None:
        """Raise what a status means, with how long the service asks to wait."""
        status = response.status_code
        said = f"it answered {status} {self.quoted(response.reason_phrase, 30)}"
        if status in _BUSY:
            raise BusyError(self.says(said + "."), status=status, retry_after=self._retry_after(response))
        if status in _ABSENT:
            raise NotThereError(self.says(said + "."))
        if status in (401, 403):
            remedy = "check the token" if self.token else "it may not be public any more"
            raise ServiceStoppedError(self.says(f"{said}; {remedy}."))
        asked = response.request.headers
        if status != 200 and not (status == 206 and "Range" in asked) and not (status < 300 and IDEMPOTENCY_KEY in asked):
            # With a token in use the body is not quoted: it may hold the token in pieces.
            beginning = "" if self.token else ": " + excerpt(next(response.iter_bytes(), b""))
            raise AnswerError(self.says(f"{said}{beginning}."))

    def _retry_after(self, response: httpx.Response) -> float | None:
        """What the header says [s], given as seconds or as a date."""
        value = response.headers.get("Retry-After", "").strip()
        if value.isdecimal() and value.isascii():
            return float(value[:9])
        with contextlib.suppress(ValueError):
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - self.around.clock())
        return None

    def new_place(self, response: httpx.Response, method: str) -> str:
        """Where a redirect leads, if it stays with this service; credentials and trust do not travel."""
        place = httpx.URL(str(response.request.url)).join(response.headers.get("Location", ""))
        if _origin(place) != _origin(response.request.url):
            raise AnswerError(
                self.says(
                    f"it redirects to another place ({self.quoted(place.host)}); if it moved, set its new address in settings.toml."
                )
            )
        if method != "GET" and response.status_code not in (307, 308):
            raise AnswerError(
                self.says(f"it redirects a question with {response.status_code}; set its new address in settings.toml.")
            )
        return str(place)

    def says(self, sentence: str) -> str:
        """A sentence about this service."""
        return f"{self.name}: {sentence}"

    def quoted(self, text: str, n_characters: int = 60) -> str:
        """What a service wrote, without the token and without characters that a terminal obeys."""
        without = re.sub(re.escape(self.token), "[token]", text, flags=re.IGNORECASE) if self.token else text
        return shown(without, n_characters)

    def scrubbed(self, content: bytes) -> bytes:
        """Bytes without the token."""
        return content.replace(self.token.encode(), b"[token]") if self.token else content


def excerpt(content: bytes) -> str:
    """The beginning of an answer, for a message."""
    return shown(content[:240].decode("utf-8", "replace"))


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)
