# SPDX-License-Identifier: GPL-2.0-only
"""Guest memory with the kernel of kernel.c in it, moved as KASLR moves one."""

import struct

LINKED = 0xffffffff81000000     # where vmlinux is
MAP = 0xffffffff80000000
DIRECT = 0xffff9a4040000000     # virtual address of GPA 0
LARGE = 1 << 21
LENGTH = 4 * LARGE              # of the memory: three pieces of the image, and the tasks
RELEASE = "6.1.0-fake"
TASKS = [(0, "swapper/0"), (1, "init"), (77, "of the guest")]


class Fake:
    """vmlinux: its bytes, linked at LINKED; offset: what KASLR adds to that; gpa: where the
    memory begins, a multiple of 2 MiB. elsewhere: addresses that are in memory, too."""

    def __init__(self, vmlinux, offset, gpa):
        self.symbols = dict(_symbols(vmlinux))
        self.offset, self.gpa = offset, gpa
        self.phys_base = gpa - (LINKED + offset - MAP)
        self.memory = bytearray(LENGTH)
        for at, data in _segments(vmlinux):
            self.memory[at - LINKED:at - LINKED + len(data)] = data
        self._map()
        self._add_tasks()
        self._add_note()

    def at(self, symbol):
        """The offset in memory."""
        return self.symbols[symbol] - LINKED

    def address(self, symbol):
        return self.symbols[symbol] + self.offset

    def read(self, gpa, length):
        if not self.gpa <= gpa <= self.gpa + LENGTH - length:
            raise OSError(6, "no guest RAM there")
        return bytes(self.memory[gpa - self.gpa:gpa - self.gpa + length])

    def _set(self, table, va, level, entry):
        struct.pack_into("<Q", self.memory, self.at(table) + (va >> 12 + 9 * level & 511) * 8,
                         entry)

    def _link(self, table, va, level, below):
        self._set(table, va, level, self.gpa + self.at(below) | 0x63)

    def _map(self):
        image = LINKED + self.offset
        self._link("swapper_pg_dir", image, 3, "level3_kernel_pgt")
        self._link("level3_kernel_pgt", image, 2, "level2_kernel_pgt")
        self._link("swapper_pg_dir", DIRECT + self.gpa, 3, "level3_direct_pgt")
        self._link("level3_direct_pgt", DIRECT + self.gpa, 2, "level2_direct_pgt")
        # The last of them is mapped, and no RAM.
        for at in range(0, LENGTH + LARGE, LARGE):
            self._set("level2_direct_pgt", DIRECT + self.gpa + at, 1, self.gpa + at | 0xe3)
        for at in range(0, LENGTH - LARGE, LARGE):
            self._set("level2_kernel_pgt", image + at, 1, self.gpa + at | 0xe3)

    def _add_tasks(self):
        """A ring; all but the first are in the last 2 MiB, which are no part of the image."""
        heads = [self.address("init_task")]
        heads += [DIRECT + self.gpa + LENGTH - 4096 * nr for nr in range(1, len(TASKS))]
        for nr, (pid, comm) in enumerate(TASKS):
            at = self.at("init_task") if not nr else LENGTH - 4096 * nr
            struct.pack_into("<QQi16s", self.memory, at, heads[(nr + 1) % len(heads)],
                             heads[nr - 1], pid, comm.encode())
        struct.pack_into("<Q", self.memory, self.at("first"), heads[1])

    def _add_note(self):
        text = "".join(f"{line}\n" for line in (
            f"OSRELEASE={RELEASE}", "PAGESIZE=4096",
            f"SYMBOL(init_uts_ns)={self.address('init_uts_ns'):x}",
            f"SYMBOL(swapper_pg_dir)={self.address('swapper_pg_dir'):x}",
            f"SYMBOL(_stext)={self.address('_stext'):x}",
            f"NUMBER(phys_base)={self.phys_base}", "NUMBER(pgtable_l5_enabled)=0",
            f"KERNELOFFSET={self.offset:x}")).encode()
        # Not a multiple of 4, as that of Linux may be.
        text += b"PAD=" + b"x" * (-len(text) % 4) + b"\n"
        self.note = struct.pack("<III12s", 11, len(text), 0, b"VMCOREINFO") + text
        at = self.at("vmcoreinfo_note")
        self.memory[at:at + len(self.note)] = self.note


def _segments(elf):
    """(address, bytes) of what belongs to the image."""
    offset, size, number = struct.unpack_from("<Q", elf, 32) + struct.unpack_from("<HH", elf, 54)
    for at in range(offset, offset + number * size, size):
        kind, _, start, address, _, length = struct.unpack_from("<IIQQQQ", elf, at)
        if kind == 1 and address >= LINKED:
            yield address, elf[start:start + length]


def _symbols(elf):
    offset, = struct.unpack_from("<Q", elf, 40)
    size, number = struct.unpack_from("<HH", elf, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", elf, at)
                for at in range(offset, offset + number * size, size)]
    for _, kind, _, _, start, length, link, _, _, entry in sections:
        if kind != 2:
            continue
        names = sections[link][4]
        for at in range(start, start + length, entry):
            name, = struct.unpack_from("<I", elf, at)
            end = elf.index(b"\0", names + name)
            yield elf[names + name:end].decode(), struct.unpack_from("<Q", elf, at + 8)[0]
