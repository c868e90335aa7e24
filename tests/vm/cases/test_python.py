# SPDX-License-Identifier: GPL-2.0-only
"""The package against the VMM of test_python.c, whose child this is. Prints TAP.

The guest has filled SIZE bytes at GPA with words of their address ^ GEN, and goes on so
in the first half of them.
"""

import errno
import os
import signal
import struct
import sys
import time

import kvm_tdp
from kvm_tdp import Access, Backing, Error, Gone
from tap import done_testing, ok, same

PATIENCE = 300      # seconds


def fails(kind, number, text, what, call, *args):
    """The call has to fail so; its error."""
    try:
        got = call(*args)
    except kind as err:
        ok(type(err) is kind and getattr(err, "errno", 0) == number and text in str(err), what,
           err)
        return err
    ok(False, what, got)
    return None


def words(gpa, length):
    return struct.pack(f"<{length // 8}Q", *((at ^ GEN) for at in range(gpa, gpa + length, 8)))


def discard():
    """The VMM gives the second half back."""
    os.write(SOCK, b"d")
    os.read(SOCK, 1)


def test_attach():
    fails(Error, errno.ESRCH, f"process {1 << 29}: no such process", "no such process",
          kvm_tdp.attach, 1 << 29)
    fails(Error, errno.ENOENT, "process 1: has no VM", "a process without a VM",
          kvm_tdp.attach, 1)
    fails(Error, errno.ENOENT, "has no VM 1, only 0 to 0", "a VM that it does not have",
          kvm_tdp.attach, PID, 1)
    fails(Error, errno.EINVAL, "has no such address space", "no such address space",
          kvm_tdp.attach, PID, None, 7)
    same(kvm_tdp.list_vms(PID), [VM_FD], "its VMs")
    guest = kvm_tdp.attach(PID, vm=0)
    same(guest.pid, PID, "attached")
    guest.close()
    fails(ValueError, 0, "Guest is closed", "closed", guest.info)
    vm_fd = kvm_tdp.open_vm(PID)
    with kvm_tdp.create(vm_fd) as guest:
        same(guest.info().as_id, 0, "by a VM fd")
    os.close(vm_fd)
    ok(guest.closed, "closed by its with statement")


def test_look(guest):
    info = guest.info()
    same(info.type.name, "NPT", "format")
    ok(info.level in (4, 5) and info.root_hpa and info.max_huge_page_level in (2, 3), "levels, root",
       info)
    ok("type=<Format.NPT: 2>" in repr(info) and "root_hpa=0x" in repr(info), "as text", info)
    slots = guest.slots()
    same([(slot.gpa, slot.length) for slot in slots][1:], [(GPA, SIZE)], "slots")
    same((slots[1].backing, slots[1].flags), (Backing.ANON, 0), "what is behind one")
    same(guest.slots(GPA + SIZE), [], "no slot behind the last")
    same(guest.importers(), [], "no importer")
    with guest.memory():
        same([(importer.name, importer.pid) for importer in guest.importers()],
             [("kvm_tdp_mem", os.getpid())], "an importer")


def test_fill(guest):
    guest.prefault(GPA, SIZE, Access.WRITE)
    runs = guest.runs()
    same(sum(run.length for run in guest.runs(GPA, SIZE)), SIZE, "all is mapped")
    ok(all(run.access & Access.WRITE and run.hpa for run in guest.runs(GPA, SIZE)), "for writing",
       runs)
    same(guest.stats().mapped, sum(run.length for run in runs), "counters")
    ok(guest.stats().faults > 0, "a fault is counted")
    verify = guest.verify()
    ok(verify.wrong == 0 and verify.pages >= SIZE // 4096, "verify", verify)
    same(len(guest.runs(GPA, 4096)), 1, "one page")
    err = fails(Error, errno.EFAULT, f"mapping at {GPA + SIZE:#x}: no guest RAM there",
                "prefault into a hole", guest.prefault, GPA + SIZE - 4096, 8192)
    same((err.gpa, err.done), (GPA + SIZE, 4096), "where it ended")
    fails(Error, errno.EINVAL, "", "no page", guest.prefault, GPA + 1, 4096)
    fails(Error, errno.EINVAL, "", "no access", guest.prefault, GPA, 4096, 0)
    fails(Error, errno.EINVAL, "reading the map: ", "map of no page", guest.runs, 1, 4096)


def test_memory(guest):
    half, last = GPA + SIZE // 2, GPA + SIZE - 16
    with guest.memory() as memory:
        same(memory.read(GPA, SIZE), words(GPA, SIZE), "what the guest has written")
        same(memory.read(half + 3, 9), words(half, 16)[3:12], "at any address")
        same(memory.read(half, 0), b"", "nothing")
        same(os.pread(memory.fileno(), 8, half), words(half, 8), "as a file")
        err = fails(Error, errno.ENXIO, f"reading at {GPA + SIZE:#x}: no guest RAM there",
                    "read into a hole", memory.read, last, 32)
        same((err.gpa, err.done, err.data), (GPA + SIZE, 16, words(last, 16)), "what was read")
        buffer = bytearray(b"x" * 32)
        fails(Error, errno.ENXIO, "no guest RAM there", "the same into a buffer",
              memory.readinto, last, buffer)
        same(bytes(buffer), words(last, 16) + b"x" * 16, "what it has")
        buffer.clear()
        fails(TypeError, 0, "", "into what cannot be written", memory.readinto, GPA, b"x")
        fails(Error, errno.EACCES, "", "write, opened for reading", memory.write, half, b"x")
        same(memory.readv([(half, 8), (GPA, 3), (half + 4090, 16)]),
             [words(half, 8), words(GPA, 8)[:3], words(half + 4088, 24)[2:18]], "readv")
        same(memory.readv([]), [], "readv of nothing")
        err = fails(Error, errno.ENXIO, f"reading at {last:#x}: ", "readv into a hole",
                    memory.readv, [(half, 8), (last, 32), (half, 8)])
        same((err.done, err.data), (1, [words(half, 8)]), "what is complete")
    with guest.memory(write=True) as memory:
        memory.write(half + 4090, memoryview(b"hello guest"))
        same(memory.read(half + 4088, 16), words(half + 4088, 8)[:2] + b"hello guest"
             + words(half + 4096, 8)[5:], "write, across pages")
        fails(TypeError, 0, "", "a number is no bytes", memory.write, half, 5)
    fails(ValueError, 0, "Memory is closed", "closed", memory.read, GPA, 1)


def test_engine(guest):
    half = GPA + SIZE // 2
    with guest.engine() as engine:
        engine.write(half, b"from here")
        engine.copy(half, half + 100, 9)
        same(engine.read(half + 100, 9), b"from here", "an engine writes, copies, reads")
        same(engine.stats().bytes_read, 18, "it counts")
        err = fails(Error, errno.EFAULT, "no guest RAM there", "it reads into a hole", engine.read,
                    GPA + SIZE - 1, 2)
        same(err.done, 1, "so far")
        discard()
        fails(Error, errno.ENXIO, "", "it asks for nothing", engine.read, half, 1, True)
        engine.detach()
        fails(Error, errno.ENOTCONN, "", "detached", engine.detach)
        engine.attach(guest)
        fails(Error, errno.EBUSY, "attaching a DMA engine: ", "attached twice", engine.attach,
              guest)


def test_watch(guest):
    half = GPA + SIZE // 2
    guest.prefault(half, SIZE // 2, Access.WRITE)
    with guest.memory() as memory, guest.watch(0.01) as watch:
        discard()
        seen = next(watch)
        ok(seen.nr >= 1 and seen.length >= SIZE // 2 and not seen.full, "memory that goes is told of",
           seen)
        ok(half <= seen.last_gpa < GPA + SIZE, "where", seen)
        same(memory.read(half, 8), bytes(8), "and reads as what came in its place")
    same(list(guest.watch(0.01, timeout=0.05)), [], "a watch that sees nothing ends")


def was_told_of_all(before, now):
    return (now.full_invalidations > before.full_invalidations or
            now.invalidated_bytes - before.invalidated_bytes >= SIZE)


def test_gone(guest):
    with (guest.memory(write=True) as memory, guest.engine() as engine,
          guest.watch(0.01, PATIENCE) as watch):
        guest.prefault(GPA, SIZE)
        before = engine.stats()
        start = time.monotonic()
        os.kill(PID, signal.SIGKILL)
        list(watch)
        ok(time.monotonic() - start < PATIENCE, "a watch ends with the VM")
        same(list(watch), [], "for good")
        os.waitpid(PID, 0)
        while not (told := was_told_of_all(before, engine.stats())) and \
                time.monotonic() - start < PATIENCE:
            time.sleep(0.01)
        ok(told, "an engine is told of all that went")
        sentence = "the VM's process is exiting"
        fails(Gone, errno.EPERM, sentence, "read", memory.read, GPA, 8)
        fails(Gone, errno.EPERM, sentence, "write", memory.write, GPA, b"x")
        fails(Gone, errno.EPERM, sentence, "readv", memory.readv, [(GPA, 8)])
        fails(Gone, errno.EPERM, sentence, "prefault", guest.prefault, GPA, 4096)
        fails(Error, errno.EPERM, sentence, "verify", guest.verify)
        same(list(guest.watch()), [], "a watch from now on")
        same(guest.runs(), [], "nothing is mapped")
    fails(Error, errno.ESRCH, "no such process", "attach", kvm_tdp.attach, PID)
    fails(Error, errno.ESRCH, "no such process", "memory", guest.memory)


PID, VM_FD, SOCK, GPA, SIZE, GEN = map(int, sys.argv[1:])
test_attach()
with kvm_tdp.attach(PID) as the_guest:
    for test in test_look, test_fill, test_memory, test_engine, test_watch, test_gone:
        print(f"# {test.__name__}", flush=True)
        test(the_guest)
done_testing()
