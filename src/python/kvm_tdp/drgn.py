# SPDX-License-Identifier: GPL-2.0-only
"""The Linux in a running KVM guest, as a program of drgn(1).

    import kvm_tdp.drgn
    from drgn.helpers.linux.pid import for_each_task

    prog = kvm_tdp.drgn.program(pid)
    for task in for_each_task(prog):
        print(task.pid.value_(), task.comm.string_())

It takes python3-drgn and the vmlinux of the guest's kernel, with debugging information.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterable, Iterator
from typing import Callable

from . import _errors
from ._abi import Backing, SlotFlag
from ._guest import Guest, attach
from ._memory import Memory

try:
    import drgn
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f"{error}; it is in the package python3-drgn",
                              name=error.name) from None

__all__ = ["program"]

_PAGE = 4096
_PIECE = 1 << 20
_KERNEL_MAP = 0xffffffff80000000    # virtual address of phys_base
_NOTE = struct.Struct("<III12s")
_NOTE_NAME = b"VMCOREINFO\0\0"
_NOTE_TEXT_MAX = 4096
_UTS = 512                          # bytes of init_uts_ns, with the release in them

_Read = Callable[[int, int], bytes]


class _Kernel:
    """What Linux tells of itself: VMCOREINFO."""

    def __init__(self, note: bytes) -> None:
        self.note = note
        lines = note[_NOTE.size:].decode("ascii", "replace").splitlines()
        self._values = dict(line.split("=", 1) for line in lines if "=" in line)
        self.release = self._values["OSRELEASE"]
        self._phys_base = int(self._values["NUMBER(phys_base)"])

    def address(self, symbol: str) -> int:
        address = int(self._values[f"SYMBOL({symbol})"], 16)
        if address >> 63 != 1:
            raise ValueError(symbol)
        return address

    def gpa(self, symbol: str) -> int:
        return self.address(symbol) - _KERNEL_MAP + self._phys_base


def _kernel_at(read: _Read, gpa: int) -> _Kernel | None:
    """The note at the beginning of a page, if it is the guest's own: no copy, nor that of a
    guest in it."""
    try:
        head = read(gpa, _NOTE.size)
        length, kind, name = _NOTE.unpack(head)[1:]
        if kind or name != _NOTE_NAME or length > _NOTE_TEXT_MAX:
            return None
        kernel = _Kernel(head + read(gpa + _NOTE.size, length))
        kernel.gpa("swapper_pg_dir")
        uts = read(kernel.gpa("init_uts_ns"), _UTS)
        return kernel if kernel.release.encode() + b"\0" in uts else None
    except _errors.Gone:
        raise
    except (KeyError, ValueError, _errors.Error):
        return None


def _pieces(read: _Read, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, bytes]]:
    """Ranges (gpa, length) of whole pages, piece by piece, without what cannot be read."""
    for at, length in ranges:
        end = at + length
        while at < end:
            wanted = min(end - at, _PIECE)
            try:
                data = read(at, wanted)
            except _errors.Gone:
                raise
            except _errors.Error as err:
                data = err.data if isinstance(err.data, bytes) else b""
                wanted = len(data) // _PAGE * _PAGE + _PAGE
            yield at, data
            at += wanted


def _find_kernel(read: _Read, ranges: Iterable[tuple[int, int]]) -> _Kernel | None:
    for gpa, data in _pieces(read, ranges):
        name = data.find(_NOTE_NAME)
        while name >= 0:
            at = name - _NOTE.size + len(_NOTE_NAME)
            kernel = _kernel_at(read, gpa + at) if at >= 0 and at % _PAGE == 0 else None
            if kernel:
                return kernel
            name = data.find(_NOTE_NAME, name + 1)
    return None


def _core(note: bytes) -> bytes:
    """A core of no memory: that is how drgn is told that a program is a kernel."""
    note += bytes(-len(note) % 4)
    head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 4, 62, 1, 0, 64, 0, 0, 64, 56, 1,
                       0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 4, 0, len(head) + 56, 0, 0, len(note), 0, 4) + note


def _set_core(prog: drgn.Program, core: bytes) -> None:
    with os.fdopen(os.memfd_create("vmcoreinfo"), "wb", 0) as file:
        file.write(core)
        prog.set_core_dump(f"/proc/self/fd/{file.fileno()}")


def _program(read: _Read, ram: Iterable[tuple[int, int]], kernel: _Kernel,
             vmlinux: str | os.PathLike[str] | None) -> drgn.Program:
    def physical(address: int, count: int, _offset: int, _physical: bool) -> bytes:
        try:
            return read(address, count)
        except _errors.Gone:
            raise
        except _errors.Error as err:
            raise drgn.FaultError(err.strerror, address) from None

    # By this page drgn finds all others: it would look for its address in itself.
    table = kernel.gpa("swapper_pg_dir")

    def of_table(_address: int, count: int, offset: int, _physical: bool) -> bytes:
        return physical(table + offset, count, offset, True)

    prog = drgn.Program()
    _set_core(prog, _core(kernel.note))
    for gpa, length in ram:
        prog.add_memory_segment(gpa, length, physical, True)
    prog.add_memory_segment(kernel.address("swapper_pg_dir"), _PAGE, of_table)
    if vmlinux is None:
        prog.load_debug_info(main=True)
    else:
        prog.load_debug_info([vmlinux])
    return prog


def _ram(guest: Guest) -> list[tuple[int, int]]:
    return [(slot.gpa, slot.length) for slot in guest.slots()
            if slot.backing != Backing.DEVICE and not slot.flags & SlotFlag.NOT_MAPPED]


def _touched(guest: Guest) -> Iterator[tuple[int, int]]:
    at = length = 0
    for run in guest.runs():
        if run.gpa == at + length:
            length += run.length
            continue
        yield at, length
        at, length = run.gpa, run.length
    yield at, length


def program(pid: int, vmlinux: str | os.PathLike[str] | None = None,
            vm: int | None = None) -> drgn.Program:
    """A live program of the Linux guest of a process.

    Physical addresses are guest physical; virtual ones are the kernel's, which drgn finds
    by the kernel's page table. All is read when it is asked for, while the guest runs: what
    changes meanwhile may be seen half changed, unless the guest is paused. Nothing is
    written. RAM that the guest gets later is not in it. The program holds the memory open;
    once the VM's process has ended a read raises Gone, or an Exception with its text where
    drgn reads on behalf of an object.

    vmlinux: of the guest's kernel; left out, drgn looks for it by the guest's release where
    packages have it, and raises drgn.MissingDebugInfoError if there is none. vm: which of
    several, as for attach(). It takes the right to ptrace the process.

    Raises Error as attach() and Guest.memory() do, and with ENOEXEC if no VMCOREINFO is
    found in guest memory, by which Linux tells where it is.
    """
    with attach(pid, vm) as guest:
        memory: Memory = guest.memory()
        ram = _ram(guest)
        # To read what the guest has not touched may allocate it.
        kernel = (_find_kernel(memory.read, _touched(guest)) or
                  _find_kernel(memory.read, ram))
    if kernel is None:
        raise _errors.Error(errno.ENOEXEC, f"VM of process {pid}: no VMCOREINFO found; "
                            "its guest is no Linux for x86-64, or has not booted yet")
    return _program(memory.read, ram, kernel, vmlinux)
