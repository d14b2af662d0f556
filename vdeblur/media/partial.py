"""Partial: an output under a temporary name, renamed when it is complete."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ..errors import OutputError, UsageError, reason_of
from ..files import flush


class Partial:
    """A file or folder under a temporary name next to its target, renamed when it is complete."""

    def __init__(
        self,
        target: str,
        overwrite: bool,
        inputs: tuple[str, ...] = (),
        folder: bool = False,
        within: str | None = None,
    ) -> None:
        """Create the temporary file, in the folder `within` if given (see `SinkOptions.partial_folder`).

        Raises OutputError if the target already exists or its folder cannot be written.
        """
        self.target = Path(target)
        if any(given and os.path.exists(given) and _is_same_file(given, target) for given in inputs):
            raise UsageError(f"{target}: the output is the input itself; name another output", settings=("output",))
        try:
            if self.target.is_symlink():  # keep the link and write its target, which may be on another disk
                self.target, within = self.target.resolve(), None
            taken = any(self.target.iterdir()) if folder and self.target.is_dir() else self.target.exists()
        except OSError as error:  # an invalid file name
            raise OutputError(f"{target}: cannot be written: {reason_of(error)}") from error
        if self.target.exists() and not self.target.is_dir() and not self.target.is_file():
            raise OutputError(f"{target}: is a pipe or a device, not a file; write to `-` and send that there")
        if taken and not overwrite:
            message = f"{target}: already exists; replace it or name another output"
            raise OutputError(message, settings=("overwrite", "output"))
        if not folder and self.target.is_dir():
            raise OutputError(f"{target}: a folder; name a file in it")
        parent = self.target.parent
        self.path = (Path(within) if within else parent) / f".vdeblur-{secrets.token_hex(6)}.part"
        try:
            if within:
                self.path.parent.mkdir(exist_ok=True)
            if folder:
                self.path.mkdir()
            else:
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OSError as error:
            self.discard()  # a full network folder may fail only when the file is closed
            reason = f"no such folder: {parent}" if not parent.is_dir() else reason_of(error)
            raise OutputError(f"{target}: cannot be written: {reason}") from error

    def commit(self) -> None:
        """Flush to disk and rename into place.

        Raises OutputError. What is whole but may not take its name stays where it is, and the error says where.
        """
        try:
            for file in sorted(self.path.iterdir()) if self.path.is_dir() else [self.path]:
                flush(file)
        except OSError as error:
            self.discard()
            raise OutputError(f"{self.target}: cannot be written: {reason_of(error)}") from error
        try:
            if self.path.is_dir():
                self._move_folder()
            else:
                os.replace(self.path, self.target)
            flush(self.target.parent)
        except OSError as error:
            kept = f"; all of it is in {self.path}" if self.path.exists() else ""
            raise OutputError(f"{self.target}: cannot take its name: {reason_of(error)}{kept}") from error

    def _move_folder(self) -> None:
        written = sorted(self.path.iterdir())
        if self.target.exists() and not any(self.target.iterdir()):
            self.target.rmdir()
        if not self.target.exists():
            os.replace(self.path, self.target)
            return
        for file in written:  # into an existing folder, whose other files stay
            os.replace(file, self.target / file.name)
        self.path.rmdir()

    def discard(self) -> None:
        """Remove the temporary file or folder."""
        try:
            if self.path.is_dir():
                for file in self.path.iterdir():
                    file.unlink()
                self.path.rmdir()
            else:
                self.path.unlink(missing_ok=True)
        except OSError:  # removed by another process, or the disk is gone
            pass


def _is_same_file(a: str, b: str) -> bool:
    return os.path.exists(b) and os.path.samefile(a, b)
