"""The errors a person sees. Each message says what was found, where, and what to do.

- CtxError
  - BadInput          an argument, a file or a URL that can't be used (exit code 2)
    - UnknownName     a look-up that failed; the message lists what exists
  - Unavailable       data or a model that could not be fetched or is damaged
  - StoreError        the store can't be read or written
  - RunFailed         training started and ended without a result (exit code 1)
"""


class CtxError(Exception):
    """A problem said in one sentence."""


class BadInput(CtxError):
    """An argument, a file or a URL that can't be used."""


class UnknownName(BadInput):
    """A name that isn't there. ``what`` is the kind of thing, ``known`` lists what exists."""

    def __init__(self, what: str, name: str, known: list[str] | tuple[str, ...]) -> None:
        super().__init__(f"There is no {what} called “{name}”. There are: {', '.join(sorted(known)) or 'none yet'}.")


class Unavailable(CtxError):
    """Data or a model that could not be fetched or is damaged."""


class StoreError(CtxError):
    """The store can't be read or written."""


class RunFailed(CtxError):
    """Training started and ended without a result."""
