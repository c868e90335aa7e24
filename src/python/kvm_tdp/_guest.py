# SPDX-License-Identifier: GPL-2.0-only
"""A VM, its table, and the watch on that."""

from __future__ import annotations

import ctypes
import errno
import os
import time
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

from . import _errors
from ._abi import (RUN_FN, SLOT_FN, Access, Importer, Info, Run, Slot, Stats, Struct, Verify,
                   Vms, lib)
from ._descriptor import Descriptor, unsigned
from ._memory import Engine, Memory, open_memory

_PAGE = 4096
_GPA_END = 1 << 57
_IMPORTERS_MAX = 256

_S = TypeVar("_S", bound=Struct)


def _collect(kind: type[_S], fn: Any, walk: Any) -> tuple[int, list[_S]]:
    """Call walk(fn) for a list of what it tells of. ctypes loses what a callback raises."""
    found: list[_S] = []
    raised: list[BaseException] = []

    def take(item: Any, _data: object) -> int:
        try:
            found.append(kind.from_buffer_copy(item.contents))
        except BaseException as err:
            raised.append(err)
        return len(raised)

    err = walk(fn(take))
    if raised:
        raise raised[0]
    return err, found


class Guest(Descriptor):
    """A VM whose memory is exported: a TDP fd. attach() and create() make it.

    Addresses are guest physical, and lengths in bytes; of what is called here both are
    multiples of 4096. A length that is left out reaches to the end.
    """

    pid: int

    def __init__(self, fd: int, pid: int) -> None:
        super().__init__(fd)
        self.pid = pid

    def info(self) -> Info:
        """Format, levels and root of the table; constant."""
        info = Info()
        err = lib.kvm_tdp_get_info(self.fileno(), ctypes.byref(info))
        if err:
            raise _errors.of_call(-err, "reading the metadata")
        return info

    def stats(self) -> Stats:
        """The table's counters."""
        stats = Stats()
        err = lib.kvm_tdp_get_stats(self.fileno(), ctypes.byref(stats))
        if err:
            raise _errors.of_call(-err, "reading the counters")
        return stats

    def slots(self, gpa: int = 0) -> list[Slot]:
        """Where the guest has memory, ascending: slots that end behind gpa."""
        fd, gpa = self.fileno(), unsigned(gpa, "gpa")
        err, slots = _collect(Slot, SLOT_FN,
                              lambda fn: lib.kvm_tdp_read_slots(fd, gpa, fn, None))
        if err:
            raise _errors.of_call(-err, "reading the memory slots")
        return slots

    def importers(self) -> list[Importer]:
        """The drivers that use the table."""
        importers = (Importer * _IMPORTERS_MAX)()
        nr = lib.kvm_tdp_get_importers(self.fileno(), importers, len(importers))
        if nr < 0:
            raise _errors.of_call(-nr, "reading the importers")
        return list(importers[:nr])

    def runs(self, gpa: int = 0, length: int | None = None) -> list[Run]:
        """What the table maps now, ascending; each run was true at some instant."""
        fd, (gpa, length) = self.fileno(), _range(gpa, length)
        err, runs = _collect(Run, RUN_FN,
                             lambda fn: lib.kvm_tdp_read_runs(fd, gpa, length, fn, None))
        if err:
            raise _errors.of_call(-err, "reading the map")
        return runs

    def prefault(self, gpa: int, length: int, access: Access = Access.READ) -> None:
        """Have a range of guest memory mapped; Error.gpa is the first page that cannot be.

        All of a guest's memory:

            for slot in guest.slots():
                guest.prefault(slot.gpa, slot.length)
        """
        at = ctypes.c_uint64(unsigned(gpa, "gpa"))
        left = ctypes.c_uint64(unsigned(length, "length"))
        err = lib.kvm_tdp_map_range(self.fileno(), ctypes.byref(at), ctypes.byref(left),
                                    unsigned(access, "access", 32))
        if err:
            raise _errors.of_fault(-err, "mapping", at.value, at.value - gpa)

    def verify(self, gpa: int = 0, length: int | None = None) -> Verify:
        """Hold the table against the host: Verify.wrong has to be 0. Takes CAP_SYS_ADMIN."""
        gpa, length = _range(gpa, length)
        verify = Verify()
        err = lib.kvm_tdp_verify_range(self.fileno(), gpa, length, ctypes.byref(verify))
        if err:
            sentence = ("no permission (takes CAP_SYS_ADMIN), or the VM's process is exiting"
                        if err == -errno.EPERM else os.strerror(-err))
            raise _errors.Error(-err, f"verifying at {verify.gpa:#x}: {sentence}")
        return verify

    def memory(self, write: bool = False) -> Memory:
        """Open guest memory as a file; takes the right to ptrace the VM's process."""
        return open_memory(self, write)

    def engine(self) -> Engine:
        """A DMA engine in software, attached; takes CAP_SYS_ADMIN."""
        engine = Engine()
        engine.attach(self)
        return engine

    def watch(self, interval: float = 0.1, timeout: float | None = None) -> Watch:
        """Iterate over the invalidations from now on; takes CAP_SYS_ADMIN."""
        return Watch(self, interval, timeout)


class Invalidations(NamedTuple):
    """What the host took back since the watch looked last.

    nr: callbacks; length: the sum of their bytes, in which those of everything are not;
    full: how many of everything there were; last_gpa, last_length: of the last one, which
    is (0, 2**64 - 1) if that was of everything.
    """

    nr: int
    length: int
    full: int
    last_gpa: int
    last_length: int


class Watch(Iterator[Invalidations]):
    """Looks every interval seconds at the counters of an engine that is told of each
    invalidation of what the table maps, from when it is made. It ends when the VM has
    gone, and all with it, whether or not that was told yet; and when for timeout seconds
    there was none. The Guest has to stay open.
    """

    def __init__(self, guest: Guest, interval: float, timeout: float | None) -> None:
        self._guest = guest
        self._interval = interval
        self._timeout = timeout
        self._engine = guest.engine()
        self._seen = self._engine.stats()
        self._over = False

    def _is_there(self) -> bool:
        # The engine may be had, so it is no permission that lacks.
        try:
            self._guest.verify(0, _PAGE)
        except _errors.Error as err:
            if err.errno != errno.EPERM:
                raise
            return False
        return True

    def close(self) -> None:
        self._over = True
        self._engine.close()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_args: object) -> None:
        self.close()

    def __next__(self) -> Invalidations:
        end = None if self._timeout is None else time.monotonic() + self._timeout
        while not self._over:
            self._over = not self._is_there()
            seen, now = self._seen, self._engine.stats()
            if now.invalidations != seen.invalidations:
                self._seen = now
                return Invalidations(now.invalidations - seen.invalidations,
                                     now.invalidated_bytes - seen.invalidated_bytes,
                                     now.full_invalidations - seen.full_invalidations,
                                     now.last_start, now.last_length)
            if self._over or (end is not None and time.monotonic() >= end):
                break
            time.sleep(self._interval)
        self.close()
        raise StopIteration


def _range(gpa: int, length: int | None) -> tuple[int, int]:
    gpa = unsigned(gpa, "gpa")
    return gpa, max(_GPA_END - gpa, 0) if length is None else unsigned(length, "length")


def _pid(pid: int) -> int:
    return unsigned(pid, "pid", 31)


def list_vms(pid: int) -> list[int]:
    """The VMs of a process: of each a VM fd, in the table of that process."""
    vms = Vms()
    err = lib.kvm_tdp_list_vms(_pid(pid), ctypes.byref(vms))
    if err:
        raise _errors.of_process(-err, pid)
    return list(vms.fds[:vms.nr])


def open_vm(pid: int, vm: int | None = None) -> int:
    """Take a VM fd of another process, for os.close(); vm: which, as list_vms() has them."""
    index = -1 if vm is None else unsigned(vm, "vm", 31)
    fd: int = lib.kvm_tdp_open_vm(_pid(pid), index)
    if fd >= 0:
        return fd
    what = ""
    if -fd in (errno.ENOENT, errno.ENOTUNIQ):
        nr = len(list_vms(pid))
        if not nr:
            what = "has no VM"
        elif vm is not None:
            what = f"has no VM {vm}, only 0 to {nr - 1}"
        else:
            what = f"has {nr} VMs; choose one with vm=0 to vm={nr - 1}"
    raise _errors.of_process(-fd, pid, what)


def _create(vm_fd: int, as_id: int, pid: int, whose: str) -> Guest:
    fd = lib.kvm_tdp_create(vm_fd, unsigned(as_id, "as_id", 32))
    if fd < 0:
        raise _errors.of_create(-fd, whose)
    return Guest(fd, pid)


def create(vm_fd: int, as_id: int = 0) -> Guest:
    """Export the memory of a VM of this process; as_id 1: that of SMM."""
    return _create(vm_fd, as_id, os.getpid(), f"VM fd {vm_fd}")


def attach(pid: int, vm: int | None = None, as_id: int = 0) -> Guest:
    """Export the memory of a process's VM; vm: which of several, as list_vms() has them."""
    vm_fd = open_vm(pid, vm)
    try:
        return _create(vm_fd, as_id, pid, f"VM of process {pid}")
    finally:
        os.close(vm_fd)
