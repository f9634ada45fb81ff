"""Fresh workspaces of one tree, made ready and taken down beside whatever else is going on.

Writing some thousand files and removing them again takes a while; a run has time for it while tests run in a
process of their own, or while a model thinks.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from gitagent.ports import Workspace


class Workspaces:
    """Hands out fresh workspaces; close it, or its threads' workspaces stay."""

    def __init__(self, make: Callable[[], AbstractContextManager[Workspace]]) -> None:
        self._make = make
        self._spare: _Spare | None = None
        self._endings: list[threading.Thread] = []

    def prepare(self) -> None:
        """Begin to make the next workspace ready, unless one is."""
        if self._spare is None:
            self._spare = _Spare(self._make())

    @contextmanager
    def fresh(self) -> Iterator[Workspace]:
        """A workspace nobody has used. Raises what making it raised; its taking down is not waited for."""
        spare, self._spare = self._spare or _Spare(self._make()), None
        try:
            yield spare.ready()
        finally:
            self._endings.append(spare.end())

    def renew(self) -> None:
        """Let go of what was made ready: from now on they hold another tree."""
        if self._spare is not None:
            self._endings.append(self._spare.end())
            self._spare = None

    def close(self) -> None:
        """Take down what was made ready in vain, and wait until all are gone."""
        self.renew()
        for ending in self._endings:
            ending.join()
        self._endings = []


class _Spare:
    """One workspace being entered on a thread of its own."""

    def __init__(self, manager: AbstractContextManager[Workspace]) -> None:
        self._manager = manager
        self._workspace: Workspace | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._enter, name="gitagent-workspace")
        self._thread.start()

    def ready(self) -> Workspace:
        self._thread.join()
        if self._workspace is None:
            assert self._error is not None
            raise self._error
        return self._workspace

    def end(self) -> threading.Thread:
        """Leave the workspace once it is there, on a thread."""
        thread = threading.Thread(target=self._leave, name="gitagent-workspace-end")
        thread.start()
        return thread

    def _enter(self) -> None:
        try:
            self._workspace = self._manager.__enter__()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            self._error = error

    def _leave(self) -> None:
        self._thread.join()
        if self._workspace is not None:
            self._manager.__exit__(None, None, None)
