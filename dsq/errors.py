"""What dsq raises on bad input: what happened, where, and what to do about it."""

from __future__ import annotations

EXIT_CLEAN = 0
EXIT_FINDINGS = 1
EXIT_USAGE = 2
EXIT_BUG = 3
EXIT_INTERRUPTED = 130


class DsqError(Exception):
    """Bad input, told in one paragraph.

    `what` happened (a sentence), `where` (file and place, when known), `hint` (the next step).
    """

    exit_code = EXIT_USAGE

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what, self.where, self.hint = what, where, hint
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} {self.hint}" if self.hint else text


class ReadError(DsqError):
    """An input that cannot be read at all."""


class ConfigError(DsqError):
    """A setting, rule or threshold that does not exist or does not fit."""


class WriteError(DsqError):
    """An output that cannot be written, or would replace something unasked."""
