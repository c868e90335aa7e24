# SPDX-License-Identifier: GPL-2.0-only
"""Guest memory, as a file and through the DMA engine."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from . import _errors
from ._abi import DMA_NOFAULT, MEM_NOWAIT, EngineStats, MemVec, lib
from ._descriptor import Descriptor, unsigned

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from ._guest import Guest


def _array(buffer: WriteableBuffer) -> ctypes.Array[ctypes.c_char]:
    view = memoryview(buffer)
    return (ctypes.c_char * view.nbytes).from_buffer(view)


def _call(function: Any, fd: int, gpa: int, data: Any, *flags: int) -> tuple[int, int]:
    done = ctypes.c_size_t()
    err = function(fd, unsigned(gpa, "gpa"), data, len(data), *flags, ctypes.byref(done))
    return -err, done.value


def _check(result: tuple[int, int], what: str, gpa: int) -> None:
    err, done = result
    if err:
        raise _errors.of_fault(err, what, gpa + done, done)


# Nothing but the call itself refers to the array: a buffer that was lent cannot be resized,
# and the traceback of an error would lend it on.
def _readinto(function: Any, fd: int, gpa: int, buffer: WriteableBuffer, *flags: int) -> None:
    _check(_call(function, fd, gpa, _array(buffer), *flags), "reading", gpa)


def _read(function: Any, fd: int, gpa: int, length: int, *flags: int) -> bytes:
    buffer = bytearray(unsigned(length, "length", 63))
    try:
        _readinto(function, fd, gpa, buffer, *flags)
    except _errors.Error as err:
        err.data = bytes(buffer[:err.done])
        raise
    return bytes(buffer)


def _write(function: Any, fd: int, gpa: int, data: ReadableBuffer, *flags: int) -> None:
    _check(_call(function, fd, gpa, memoryview(data).tobytes(), *flags), "writing", gpa)


class Memory(Descriptor):
    """Guest memory as a file, in which an offset is a guest physical address.

    Guest.memory() makes it; it outlives the Guest. os.pread() and the like may be used
    on fileno().
    """

    def read(self, gpa: int, length: int) -> bytes:
        """Read all of a range, of any alignment. Raises Error, Gone."""
        return _read(lib.kvm_tdp_mem_read, self.fileno(), gpa, length)

    def readinto(self, gpa: int, buffer: WriteableBuffer) -> None:
        """Read as much as there is room for in a buffer; after an Error it has Error.done."""
        _readinto(lib.kvm_tdp_mem_read, self.fileno(), gpa, buffer)

    def write(self, gpa: int, data: ReadableBuffer) -> None:
        """Write all of the bytes; takes memory(write=True). Raises Error, Gone."""
        _write(lib.kvm_tdp_mem_write, self.fileno(), gpa, data)

    def readv(self, ranges: Iterable[tuple[int, int]], nowait: bool = False) -> list[bytes]:
        """Read many ranges (gpa, length) with one system call, in order.

        nowait: fail with EAGAIN where a page is not in the table, in place of asking for
        it. After an Error Error.data has those that are complete.
        """
        wanted = [(unsigned(gpa, "gpa"), unsigned(length, "length", 63))
                  for gpa, length in ranges]
        buffer = bytearray(sum(length for _, length in wanted))
        room = (ctypes.c_char * len(buffer)).from_buffer(buffer)
        vecs = (MemVec * len(wanted))()
        starts = [0]
        for vec, (gpa, length) in zip(vecs, wanted):
            vec.gpa, vec.length = gpa, length
            vec.buf = ctypes.addressof(room) + starts[-1]
            starts.append(starts[-1] + length)

        done = ctypes.c_uint()
        err = lib.kvm_tdp_mem_readv(self.fileno(), vecs, len(wanted),
                                    MEM_NOWAIT if nowait else 0, ctypes.byref(done))
        data = [bytes(buffer[start:end])
                for start, end in zip(starts[:done.value], starts[1:])]
        if err:
            gpa = wanted[done.value][0] if done.value < len(wanted) else 0
            error = _errors.of_fault(-err, "reading", gpa, done.value)
            error.data = data
            raise error
        return data


def open_memory(guest: Guest, write: bool) -> Memory:
    fd = lib.kvm_tdp_mem_open(guest.fileno(), guest.pid, os.O_RDWR if write else os.O_RDONLY)
    if -fd == errno.ESRCH:
        raise _errors.of_process(-fd, guest.pid)
    if fd < 0:
        raise _errors.of_device(
            -fd, "kvm_tdp_mem", f"the memory of process {guest.pid}: no permission, or it only "
            "has the VM's descriptor; run as root")
    return Memory(fd)


class Engine(Descriptor):
    """A DMA engine in software, for CAP_SYS_ADMIN; Guest.engine() makes one that is attached.

    nofault: do not ask for what the table does not have, but fail there with ENXIO.
    """

    def __init__(self) -> None:
        fd = lib.kvm_tdp_dma_open()
        if fd < 0:
            raise _errors.of_device(-fd, "kvm_tdp_dma",
                                    "/dev/kvm_tdp_dma: no permission; run as root")
        super().__init__(fd)

    def attach(self, guest: Guest) -> None:
        err = lib.kvm_tdp_dma_attach(self.fileno(), guest.fileno())
        if err:
            raise _errors.of_call(-err, "attaching a DMA engine")

    def detach(self) -> None:
        err = lib.kvm_tdp_dma_detach(self.fileno())
        if err:
            raise _errors.of_call(-err, "detaching a DMA engine")

    def read(self, gpa: int, length: int, nofault: bool = False) -> bytes:
        return _read(lib.kvm_tdp_dma_read, self.fileno(), gpa, length,
                     DMA_NOFAULT if nofault else 0)

    def readinto(self, gpa: int, buffer: WriteableBuffer, nofault: bool = False) -> None:
        _readinto(lib.kvm_tdp_dma_read, self.fileno(), gpa, buffer,
                  DMA_NOFAULT if nofault else 0)

    def write(self, gpa: int, data: ReadableBuffer, nofault: bool = False) -> None:
        _write(lib.kvm_tdp_dma_write, self.fileno(), gpa, data, DMA_NOFAULT if nofault else 0)

    def copy(self, source: int, target: int, length: int, nofault: bool = False) -> None:
        """Guest memory to guest memory; what overlaps, in ascending order."""
        done = ctypes.c_size_t()
        source = unsigned(source, "source")
        err = lib.kvm_tdp_dma_copy(self.fileno(), source, unsigned(target, "target"),
                                   unsigned(length, "length"),
                                   DMA_NOFAULT if nofault else 0, ctypes.byref(done))
        if err:
            raise _errors.of_fault(-err, "copying", source + done.value, done.value)

    def stats(self) -> EngineStats:
        stats = EngineStats()
        err = lib.kvm_tdp_dma_get_stats(self.fileno(), ctypes.byref(stats))
        if err:
            raise _errors.of_call(-err, "reading the engine's counters")
        return stats
