"""The errors gitagent raises on purpose, split off by whose move is next.

GitagentError                 1  ours, not further told apart
├── RequestError              2  the asker's: the request, an option or the configuration is unclear
├── RepositoryError           3  the repository's owner: it is missing, bare of commits, moved or locked
├── ModelError                4  whoever runs the model: it is absent, refuses, or answers nothing
├── DiffError                 5  the worker's: its reply is no usable diff
├── SandboxError              6  whoever runs the machine: no engine, no image, or it broke
└── ForgeError                7  the hosting site or its token

Exit code 0 is a proven pull request, 1 also a run that ended without one, 130 an interrupt.
Anything that is not a GitagentError is a bug and keeps its traceback.
"""

from typing import ClassVar


class GitagentError(Exception):
    """A user's or a machine's fault, told in one line, with the command that mends it in `hint`."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class RequestError(GitagentError):
    """The request, an option or the configuration cannot be understood."""

    exit_code = 2


class RepositoryError(GitagentError):
    """The repository cannot be read, or does not take what we write."""

    exit_code = 3


class ModelError(GitagentError):
    """A model is not there, does not answer, or answers nothing usable."""

    exit_code = 4


class ModelDownError(ModelError):
    """A model is out of reach or over its limit for now; another might answer in its place.

    `wait_seconds` is how long its endpoint asks to wait, 0 if it does not say; `passes` is false where waiting is of
    no use, as when no credit is left.
    """

    def __init__(self, message: str, *, hint: str = "", wait_seconds: float = 0.0, passes: bool = True) -> None:
        super().__init__(message, hint=hint)
        self.wait_seconds, self.passes = wait_seconds, passes


class DiffError(GitagentError):
    """A reply holds no diff that can be applied, or one that may not be."""

    exit_code = 5


class SandboxError(GitagentError):
    """Nothing is there to run the tests in, or it failed."""

    exit_code = 6


class ForgeError(GitagentError):
    """The hosting site refused, or could not be reached."""

    exit_code = 7
