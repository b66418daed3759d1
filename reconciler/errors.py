"""
What can go wrong, as values and as exceptions. Imports no other module of the package.

What a user can fix is a `Problem`, and comes in lists. What stops a stage is an exception:

    ReconcilerError            exit 1
    ├── Invalid                exit 1   what the user wrote: one or more Problems
    ├── Incomplete             exit 1   a listing cannot be trusted; nothing was sent
    ├── PlanFaulty             exit 1   the plan failed its trial: our bug; nothing was sent
    ├── LedgerFailed           exit 1   the ledger cannot be read or written
    │   ├── LedgerTooNew       exit 1   it was written by a newer version
    │   └── TakenOver          exit 1   another writing run has begun: this one writes no more
    ├── Refused                exit 3   over a limit, protected, stale, locked, no consent
    │   └── Locked             exit 3   another writing run holds the lock
    ├── Interrupted            exit 130 Ctrl-C
    └── ApiFailed              exit 1
        ├── Unanswered         no answer came, or a 5xx, 408 or a proxy's page: it may have happened
        ├── Unreachable        no connection was made: it did not happen
        ├── NotTheApi          what answered is not this API (HTML, a redirect, no page shape)
        └── Rejected           a 4xx: it did not happen
            ├── Unauthorized   401
            ├── Forbidden      403: wrong credentials, or a missing scope
            ├── NotFound       404
            └── Throttled      429
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from reconciler.many import one_of_many


class Severity(StrEnum):
    """How bad a `Problem` is; `--strict` makes each warning an error."""

    ERROR = "error"
    WARNING = "warning"


@one_of_many(order=True)
class Source:
    """
    Where something was written: a file's name as the user gave it, and a place in it.

    `line` and `column` count from 1; 0 means that the place within the file is unknown.

    >>> str(Source("customers.yaml", 7, 12)), str(Source("customers.yaml"))
    ('customers.yaml:7:12', 'customers.yaml')
    """

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return `file:line:column`, as editors and terminals make it a link."""
        if not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"

    def as_json(self) -> dict[str, str | int]:
        """
        Return the place as JSON has it; a line or column that is unknown is left out.

        >>> Source("customers.yaml", 7, 12).as_json(), Source("customers.yaml").as_json()
        ({'file': 'customers.yaml', 'line': 7, 'column': 12}, {'file': 'customers.yaml'})
        """
        places = {"line": self.line, "column": self.column}
        return {"file": self.file, **{name: place for name, place in places.items() if place}}


@dataclass(frozen=True, slots=True)
class Problem:
    """
    One thing that the user can fix: where, what is wrong, what to do.

    `path` is the place in the document (`customers.acme.ein`), empty for a whole file; `hint`
    is empty where the message says all.

    >>> print(Problem(Source("c.yaml", 7, 12), "customers.acme.ein", "'1' is not an EIN", "write nine digits"))
    c.yaml:7:12: customers.acme.ein: '1' is not an EIN; write nine digits
    """

    source: Source
    path: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        """Return `file:line:column: path: what is wrong; what to do`."""
        where = f"{self.source}: {self.path}" if self.path else str(self.source)
        kind = "warning: " if self.severity is Severity.WARNING else ""
        return f"{where}: {kind}{self.message}" + (f"; {self.hint}" if self.hint else "")


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a stage stops, apart from the sentence: a closed code of `model.reasons`, and the typed parts it carries."""

    reason: StrEnum
    parts: Mapping[str, object]


class ReconcilerError(Exception):
    """
    The root: a message that says where, what and what now; `exit_code` is the process's.

    What the pure core raises carries a `stop` instead of sentences: `report.messages.plan.word` gives it its message
    and hint, at the edges.
    """

    exit_code = 1

    def __init__(self, message: str | Stop, hint: str = "") -> None:
        super().__init__(message)
        self.stop = message if isinstance(message, Stop) else None
        self.message = str(message.reason) if isinstance(message, Stop) else message
        self.hint = hint

    def __str__(self) -> str:
        """Return the message and, where there is one, what to do."""
        return f"{self.message}; {self.hint}" if self.hint else self.message


class Invalid(ReconcilerError):
    """
    What the user wrote cannot be used; `problems` holds every one that was found.

    `shown` is how they are shown, each with its line of the file, where whoever raises this has the files.
    """

    def __init__(self, problems: Sequence[Problem], *, shown: str = "") -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
        self.shown = shown


class Incomplete(ReconcilerError):
    """A listing cannot be trusted to be complete; nothing was sent."""


class PlanFaulty(ReconcilerError):
    """A plan failed its trial in memory: a bug of ours; `report` is what helps to fix it, as JSON, values masked."""

    def __init__(self, message: str, hint: str = "", *, report: str) -> None:
        super().__init__(message, hint)
        self.report = report


class LedgerFailed(ReconcilerError):
    """The ledger cannot be read or written."""


class LedgerTooNew(LedgerFailed):
    """The ledger was written by a newer version of this program."""


class TakenOver(LedgerFailed):
    """Another writing run has begun, or the lock was ended by hand: this run writes no more."""


class Refused(ReconcilerError):
    """Nothing was sent: over a limit, protected, a stale plan, a held lock, no consent."""

    exit_code = 3


class Locked(Refused):
    """Another writing run holds the lock of this ledger, or of this base URL and client id."""


class Interrupted(ReconcilerError):
    """The user stopped the run."""

    exit_code = 130


class ApiFailed(ReconcilerError):
    """
    The root of what a request can end in.

    `lost` counts the earlier sendings of the same request that had no answer which settles them: where
    it is not 0, even a 4xx leaves open whether one of those happened. `request` is its method and path, "" where it was
    not a request of the caller that failed, but what it needed first.
    """

    lost = 0
    request = ""


class Unanswered(ApiFailed):
    """
    No answer that settles it came: it may have happened.

    A cut connection, a read timeout, a 5xx, a 408, or a page of a proxy. `status` is 0 where
    nothing came at all. `code`, `detail` and `fields` are as those of `Rejected`.
    """

    def __init__(
        self,
        message: str | Stop,
        *,
        status: int = 0,
        code: str = "",
        detail: str = "",
        fields: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.detail = detail
        self.fields = tuple(fields)


class OverBudget(ApiFailed):
    """The request would exceed what the run may send (`--max-requests`, `--max-duration`): it did not leave."""

    exit_code = 2


class Stopped(ApiFailed):
    """The user stopped the run before the request left."""


class Unreachable(ApiFailed):
    """No connection was made, so nothing happened."""


class NotTheApi(ApiFailed):
    """What answered is not this API: HTML, a redirect, a reply of no documented shape."""


class Rejected(ApiFailed):
    """
    The API answered with a 4xx: it did not happen.

    `code`, `detail` and `fields` are those of the API's error body (`HttpError`: code, message,
    validation_errors), empty where it had none. All are the server's text: never print them raw. `shape` is what the
    body is: `http_error`, `other` JSON, `empty`, `html` or another `text`; "" where nobody looked.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str = "",
        detail: str = "",
        fields: Sequence[tuple[str, str]] = (),
        shape: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.detail = detail
        self.fields = tuple(fields)
        self.shape = shape


class Unauthorized(Rejected):
    """401: the token is missing or has expired, also after a new one was asked for."""


class Forbidden(Rejected):
    """403: the credentials are wrong, or they lack a scope."""


class NotFound(Rejected):
    """404: the API does not know the id in this environment, or no longer."""


class Throttled(Rejected):
    """429, also after the waits that the API asked for."""
