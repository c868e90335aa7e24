# SPDX-License-Identifier: GPL-2.0-only
"""The memory of running KVM guests: libkvm_tdp for Python.

    import kvm_tdp

    with kvm_tdp.attach(pid) as guest, guest.memory() as memory:
        for slot in guest.slots():
            print(slot)
        page = memory.read(0x1000, 4096)

All numbers have the meaning that libkvm_tdp(3) and linux/kvm_tdp.h give them; bytes are
bytes of guest physical memory.

A call that fails raises Error, an OSError whose strerror says what is wrong and where:

    ESRCH   attach(): no such process
    ENOENT  attach(): the process has no VM, or not that one
    EACCES  no permission; or a write to memory that is read-only
    ENXIO   no guest RAM there (memory, engine); prefault() has EFAULT for that; a module
            that is not loaded
    EAGAIN  the host is busy with the page; it may be tried again

and Gone, which is an Error, once the VM's process has ended. A number that is none of
the arguments' is a ValueError, as is anything that is asked of what is closed.

kvm_tdp.drgn, which has to be imported by itself, makes a program of drgn(1) of a guest.
"""

from ._abi import (Access, Backing, Eager, EngineStats, Format, Importer, Info, Run, Slot,
                   SlotFlag, Stats, Verify)
from ._errors import Error, Gone
from ._guest import Guest, Invalidations, Watch, attach, create, list_vms, open_vm
from ._memory import Engine, Memory

__all__ = [
    "Access", "Backing", "Eager", "Engine", "EngineStats", "Error", "Format", "Gone", "Guest",
    "Importer", "Info", "Invalidations", "Memory", "Run", "Slot", "SlotFlag", "Stats",
    "Verify", "Watch", "attach", "create", "list_vms", "open_vm",
]
