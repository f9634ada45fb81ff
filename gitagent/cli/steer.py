"""`gitagent steer`, and the line typed under the live view: a correction while a run is under way."""

import os
import select
import threading
from collections.abc import Callable

import click

from gitagent.errors import RequestError

_MOST = 4_096


@click.command("steer")
@click.argument("run")
@click.argument("text", nargs=-1, required=True)
@click.option("--repo", default=".", type=click.Path(), show_default=True, help="The repository.")
def steer_command(run: str, text: tuple[str, ...], repo: str) -> None:
    """Correct a run that is under way: TEXT is told to whoever is asked from its next task on.

    RUN may be the beginning of its id.
    """
    from gitagent.adapters.git import GitRepository
    from gitagent.adapters.git_running import Running
    from gitagent.adapters.git_runs import GitRuns
    from gitagent.core.intake import clean
    from gitagent.core.secrets import redacted
    from gitagent.steering import LONGEST

    said = " ".join(redacted(clean(" ".join(text))).split())
    if not said or len(said) > LONGEST:
        raise RequestError(
            f"the correction has {len(said)} characters, expected 1 to {LONGEST}. Nothing was changed.",
            hint=f'gitagent steer {run} "leave the API as it is"',
        )
    repository = GitRepository(repo)
    run = GitRuns(repository).full_id(run)
    if not Running(repository).steer(run, said):
        raise RequestError(f"run {run} is not under way. Nothing was changed.", hint="gitagent status")
    click.echo(f"run {run} takes it up at its next task", err=True)


class Typed:
    """Lines typed at the terminal while a run goes on; the terminal is only read while we are in its foreground.

    `heard` is told each line at once, on a thread of its own.
    """

    def __init__(self, descriptor: int = 0, heard: Callable[[str], None] = lambda line: None) -> None:
        self._descriptor, self._heard = descriptor, heard
        self._lines: list[str] = []
        self._lock, self._ending = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._listen, name="gitagent-typed", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._ending.set()
        self._thread.join()

    def taken(self) -> list[str]:
        """The lines since the last time, cleaned."""
        with self._lock:
            lines, self._lines = self._lines, []
        return lines

    def _listen(self) -> None:
        from gitagent.core.intake import clean

        waiting = b""
        while not self._ending.is_set():
            try:
                ready, _, _ = select.select([self._descriptor], [], [], 0.2)
                if not ready:
                    continue
                if os.tcgetpgrp(self._descriptor) != os.getpgrp():
                    self._ending.wait(0.2)
                    continue
                read = os.read(self._descriptor, _MOST)
            except OSError:
                return  # the terminal is gone
            if not read:
                return
            *whole, waiting = (waiting + read)[-4 * _MOST :].split(b"\n")
            said = [" ".join(clean(line.decode("utf-8", "replace")).split()) for line in whole]
            for line in filter(None, said):
                with self._lock:
                    self._lines.append(line)
                self._heard(line)
