# SPDX-License-Identifier: GPL-2.0-only
"""usage: test_drgn.py VMLINUX CORE GPA

kvm_tdp.drgn and the core that rawcore makes, on the memory that fake.py makes at GPA, which
is written to CORE.raw first if there is no CORE. Prints TAP.
"""

import os
import sys

import drgn
import kvm_tdp
import kvm_tdp.drgn
from fake import DIRECT, LARGE, LENGTH, RELEASE, TASKS, Fake
from tap import done_testing, ok, same


def raises(kind, text, what, call, *args):
    try:
        got = call(*args)
    except kind as err:
        ok(text in str(err), what, err)
    else:
        ok(False, what, got)


def tasks(prog):
    """Along the ring, as for_each_task() cannot go without a real kernel."""
    task = first = prog["init_task"]
    while True:
        yield task.pid.value_(), task.comm.string_().decode()
        task = drgn.container_of(task.tasks.next, "struct task_struct", "tasks")[0]
        if task.address_ == first.address_:
            return


def test_program(prog, fake, what):
    same(list(tasks(prog)), TASKS, f"{what}: tasks")
    same(prog["linux_banner"].address_, fake.address("linux_banner"), f"{what}: where KASLR has it")
    ok(RELEASE in prog["linux_banner"].string_().decode(), f"{what}: a string")
    same(prog["first"].comm.string_(), TASKS[1][1].encode(), f"{what}: a pointer")
    same(prog.read(fake.gpa, 64, True), fake.read(fake.gpa, 64), f"{what}: by physical address")
    same(prog.read(DIRECT + fake.gpa + LARGE - 8, 16), fake.read(fake.gpa + LARGE - 8, 16),
         f"{what}: by virtual address, across leaves")
    for address, physical in (fake.gpa - 1, True), (fake.gpa + LENGTH, True), (1 << 45, False):
        raises(drgn.FaultError, "", f"{what}: {address:#x} is no RAM", prog.read, address, 1,
               physical)


class Source:
    """Reads as Memory does; gone: as of a VM that is."""

    def __init__(self, fake):
        self.fake, self.gone = fake, False

    def read(self, gpa, length):
        if self.gone:
            raise kvm_tdp.Gone(1, "the VM's process is exiting")
        at = gpa - self.fake.gpa
        have = max(0, min(length, LENGTH - at)) if at >= 0 else 0
        if have == length:
            return self.fake.read(gpa, length)
        error = kvm_tdp.Error(6, "no guest RAM there")
        error.data = self.fake.read(gpa, have) if have else b""
        raise error


def find(source, ranges):
    return kvm_tdp.drgn._find_kernel(source.read, ranges)


def test_find(fake):
    source = Source(fake)
    note = fake.at("vmcoreinfo_note")
    ok(find(source, [(fake.gpa - (1 << 20), LENGTH + (2 << 20))]), "found beyond a hole")
    ok(not find(source, [(fake.gpa, note)]), "not before it")
    ok(find(source, [(0, 4096), (fake.gpa + note, 4096)]), "found in the last page of all")
    kernel = find(source, [(fake.gpa, LENGTH)])
    same((kernel.release, kernel.note), (RELEASE, fake.note), "the note")

    def with_memory(what, change, good=False):
        memory = bytes(fake.memory)
        change()
        same(bool(find(source, [(fake.gpa, LENGTH)])), good, what)
        fake.memory[:] = memory

    def put(at, data):
        fake.memory[at:at + len(data)] = data

    moved = fake.note.replace(f"NUMBER(phys_base)={fake.phys_base}".encode(),
                              f"NUMBER(phys_base)={fake.phys_base + 4096}".encode())
    with_memory("the note of another kernel", lambda: put(note, moved))
    with_memory("a copy before it", lambda: put(0, moved), True)
    with_memory("a note that is no note's length", lambda: put(note + 4, b"\xff\xff"))
    with_memory("one that is no text", lambda: put(note + 24, b"OSRELEASE=\xff"))
    with_memory("one without a page table",
                lambda: put(note, fake.note.replace(b"swapper_pg_dir", b"swapper_pg_drr")))
    with_memory("one whose page table is no kernel's",
                lambda: put(note, fake.note.replace(b"swapper_pg_dir)=ffff", b"swapper_pg_dir)=7fff")))
    with_memory("a name that is not in a page's beginning", lambda: put(note, b"\0" * 4 + fake.note))
    source.gone = True
    raises(kvm_tdp.Gone, "", "a VM that is gone", find, source, [(fake.gpa, LENGTH)])


def test_live(fake, vmlinux):
    source = Source(fake)
    ram = [(fake.gpa, LENGTH)]
    kernel = find(source, ram)
    prog = kvm_tdp.drgn._program(source.read, ram, kernel, vmlinux)
    ok(prog.flags & drgn.ProgramFlags.IS_LINUX_KERNEL, "live: is a kernel")
    test_program(prog, fake, "live")
    at = fake.at("init_task") + 20
    fake.memory[at:at + 3] = b"XYZ"
    same(prog["init_task"].comm.string_(), b"XYZpper/0", "live: what changes is seen")
    hole = drgn.Object(prog, "int", address=DIRECT + fake.gpa + LENGTH)
    raises(drgn.FaultError, "", "live: what is mapped and no RAM", hole.read_)
    source.gone = True
    raises(kvm_tdp.Gone, "is exiting", "live: a VM that is gone", prog.read, fake.gpa, 1, True)
    # drgn lets no other than its own errors through here.
    raises(Exception, "is exiting", "live: an object of it", prog["init_task"].pid.value_)
    source.gone = False
    raises(drgn.MissingDebugInfoError, "vmlinux", "no vmlinux to be found",
           kvm_tdp.drgn._program, source.read, ram, kernel, None)


def test_core(fake, vmlinux, core):
    prog = drgn.program_from_core_dump(core)
    prog.load_debug_info([vmlinux])
    test_program(prog, fake, "core")


VMLINUX, CORE, GPA = sys.argv[1], sys.argv[2], int(sys.argv[3], 0)
with open(VMLINUX, "rb") as file:
    FAKE = Fake(file.read(), 0x1a000000, GPA)
if not os.path.exists(CORE):
    with open(CORE + ".raw", "wb") as file:
        file.write(FAKE.memory)
    sys.exit()
test_core(FAKE, VMLINUX, CORE)
test_find(FAKE)
test_live(FAKE, VMLINUX)
done_testing()
