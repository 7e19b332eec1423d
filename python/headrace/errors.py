"""What the package raises. Every text says what, where, why, and gives a hint where there is one."""

from __future__ import annotations


class JobError(Exception):
    """A job that cannot be built; the text names the operator and the user's file and line. Never raised by a running job."""


class JobTypeError(JobError, TypeError):
    """An argument of the wrong type, or a function that cannot be pickled."""


class JobValueError(JobError, ValueError):
    """An argument out of range, an unknown choice, a name or uid used twice."""


class JobFailed(Exception):
    """The engine ran the job and the job failed; the text is the engine's."""


class SubmitError(Exception):
    """A JobManager refused the job or could not be reached; status is its HTTP status, 0 if there was no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class EngineNotFound(Exception):
    """The headrace binary is not on this machine; the text says where it was looked for."""
