# SPDX-License-Identifier: GPL-2.0-only
"""What all that has a file descriptor has in common, and the check of numbers."""

from __future__ import annotations

import operator
import os
from types import TracebackType
from typing import SupportsIndex, TypeVar

_D = TypeVar("_D", bound="Descriptor")


class Descriptor:
    """An open file, until close() or the end of its with statement."""

    _fd = -1

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        if self._fd < 0:
            raise ValueError(f"{type(self).__name__} is closed")
        return self._fd

    @property
    def closed(self) -> bool:
        return self._fd < 0

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self: _D) -> _D:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def unsigned(value: SupportsIndex, name: str, bits: int = 64) -> int:
    """An integer that fits, or ValueError: ctypes would cut it."""
    number = operator.index(value)
    if not 0 <= number < 1 << bits:
        raise ValueError(f"{name}: {number} is not in 0 to {(1 << bits) - 1:#x}")
    return number
