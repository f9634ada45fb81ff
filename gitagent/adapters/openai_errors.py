"""What can go wrong with an OpenAI-compatible endpoint, each in one line with what mends it.

The key is in no message, nor is anything that looks like a secret in the server's own words.
"""

from __future__ import annotations

import contextlib
import email.utils
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitagent.core.microtasks import redact
from gitagent.errors import ModelDownError, ModelError

if TYPE_CHECKING:
    import openai


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Which model is asked where, for the words of an error."""

    name: str
    host: str
    base_url: str
    key: str = field(repr=False)
    key_name: str
    timeout_seconds: float
    tries: int

    def half_read(self, read: int, counted: int) -> ModelError:
        """The endpoint cut the prompt in silence; half a question's answer is worth nothing."""
        return ModelError(
            f"{self.host} read only {read} tokens of a prompt of about {counted}: its window is smaller than set, "
            "and it cut the prompt in silence. The answer was thrown away.",
            hint=f"raise the server's context length (num_ctx, -c), or set the window to {read}",
        )

    def told(self, error: openai.APIError, wait: float | None) -> ModelError:
        """What an error answer of the endpoint means. `wait` are the seconds it asks to wait."""
        status = getattr(error, "status_code", 0)
        said = self.clean(message_of(error))
        about = f" ({status}: {said})" if status else f": {said}"
        if status in (401, 403):
            lacks = "refuses the key" if self.key else "wants a key"
            return ModelError(
                f"{self.host} {lacks}{about}. Nothing was changed.", hint=f"export {self.key_name}=…"
            )
        if status == 404:
            return ModelError(
                f'{self.host} has no model "{self.name}", or the base URL has the wrong path{about}.',
                hint=f"curl {self.base_url}/models lists its models; the base URL mostly ends in /v1",
            )
        if status == 429:
            asks = f", and asks to wait {wait:.0f} s" if wait else ""
            spent = out_of_money(error)
            return ModelDownError(
                f"{self.host} {'has no credit left' if spent else 'is over its limit'}{asks}{about}.",
                hint="look at the account's billing" if spent else "run again later, or set another model",
                wait_seconds=wait or 0.0,
                passes=not spent,
            )
        if status >= 500 or not status:
            return ModelDownError(
                f"{self.host} failed{about}. Nothing was changed.",
                hint="run again later",
                wait_seconds=wait or 0.0,
            )
        return ModelError(
            f"{self.host} does not accept the request{about}.", hint="set another model, or a smaller window"
        )

    def unreachable(self, error: Exception) -> ModelError:
        """Nobody answers, or the connection broke again and again."""
        if never_connected(error):
            why = self.clean(str(error.__cause__ or error))
            return ModelDownError(
                f"nothing answers at {self.base_url}: {why}. Nothing was sent.",
                hint="start the model server, or set its base URL",
            )
        return self.broke_off()

    def broke_off(self) -> ModelError:
        """Answers began, and none came to its end."""
        return ModelDownError(
            f"{self.host} broke off in the middle of its answer, {self.tries} times.",
            hint="look at the server's log; it may be out of memory",
        )

    def out_of_time(self) -> ModelError:
        """There was no whole answer in time."""
        return ModelDownError(
            f"{self.name} at {self.host} gave no whole answer in {self.timeout_seconds:g} s.",
            hint="set a longer timeout, or a smaller model",
        )

    def nonsense(self, error: Exception) -> ModelError:
        """Something answered that is no chat completion."""
        return ModelError(
            f"{self.host} answers something that is no chat completion: {self.clean(str(error))}.",
            hint=f"is {self.base_url} the right base URL? It mostly ends in /v1",
        )

    def clean(self, text: str) -> str:
        """A server's words in one line, bounded, without the key or anything that looks like one."""
        return clean(text, self.key)


def clean(text: str, key: str) -> str:
    """A server's words in one line, bounded, without the key or anything that looks like one."""
    line = " ".join(text.split())
    if len(key) >= 4:
        line = line.replace(key, "[key]")
    line = redact(line).text.rstrip(".")
    return line if len(line) <= 300 else line[:299] + "…"


def message_of(error: openai.APIError) -> str:
    body: object = error.body
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        if isinstance(inner, Mapping):
            inner = inner.get("message") or inner.get("detail") or inner
        return inner if isinstance(inner, str) else json.dumps(inner, default=str)
    return body if isinstance(body, str) and body.strip() else error.message


def out_of_money(error: openai.APIError) -> bool:
    return "insufficient_quota" in f"{error.code} {error.type} {error.body}"


def never_connected(error: BaseException) -> bool:
    # Named, not imported: the HTTP library under `openai` has changed its name before.
    return type(error.__cause__).__name__ in ("ConnectError", "UnsupportedProtocol", "ProxyError", "InvalidURL")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the server asks to wait: `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3)."""
    said = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", said):
        return float(said)
    if said:
        with contextlib.suppress(ValueError, TypeError):
            return max(email.utils.parsedate_to_datetime(said).timestamp() - time.time(), 0.0)
    return None
