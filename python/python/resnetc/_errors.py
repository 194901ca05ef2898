"""The exception of the library's errors."""

from __future__ import annotations


class Error(Exception):
    """An error of the library.

    `code` is a stable name, such as "unknown-model", on which programs can rely; docs/ERRORS.md of
    resnetc lists all of them. `message` says what is wrong, and `help` what to do, or is None; both
    are for people and may change.
    """

    code: str
    message: str
    help: str | None

    def __init__(self, message: str, code: str, help: str | None = None) -> None:
        super().__init__(message, code, help)
        self.message = message
        self.code = code
        self.help = help

    def __str__(self) -> str:
        text = f"{self.message} [{self.code}]"
        return text if self.help is None else f"{text}\nhelp: {self.help}"
