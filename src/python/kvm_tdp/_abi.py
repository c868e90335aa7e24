# SPDX-License-Identifier: GPL-2.0-only
"""libkvm_tdp.h as ctypes has it; tests/check-python holds the two against each other.

A struct has the members that its class annotates, in that order. A member with an
underscore before its name is not for users as it is: there is a property instead, or
nothing.
"""

import ctypes
import enum
from ctypes import POINTER, c_char, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from typing import TYPE_CHECKING, Any, Callable, TypeVar

SONAME = "libkvm_tdp.so.0.2"

if TYPE_CHECKING:
    # As a member reads.
    S32 = int
    U32 = int
    U64 = int
    Name = bytes
    Leaves = ctypes.Array[c_uint64]
    Masks = ctypes.Array[ctypes.Array[c_uint64]]
    Fds = ctypes.Array[c_int]
else:
    S32 = ctypes.c_int32
    U32 = ctypes.c_uint32
    U64 = ctypes.c_uint64
    Name = c_char * 32
    Leaves = c_uint64 * 3
    Masks = c_uint64 * 5 * 2
    Fds = c_int * 64

VMS_MAX = 64
DMA_NOFAULT = 1
MEM_NOWAIT = 1


class _Open(enum.IntEnum):
    """A kernel may know more values than this."""

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = str(value)
        member._value_ = value
        return member


class Access(enum.IntFlag):
    """Access to ask for, or found; READ is implied by the others."""

    READ = 1
    WRITE = 2
    EXEC = 4


class Format(_Open):
    """Format of a table."""

    EPT = 1
    NPT = 2


class Eager(_Open):
    """Do vCPUs' faults fill the table?"""

    ON = 1
    OFF = 2
    NONE = 3


class SlotFlag(enum.IntFlag):
    """READONLY, for importers too; LOGGED: KVM logs writes; NOT_MAPPED: by no fault."""

    READONLY = 1
    LOGGED = 2
    NOT_MAPPED = 4


class Backing(_Open):
    """Host memory behind a slot, by its first page."""

    NONE = 0
    ANON = 1
    SHMEM = 2
    HUGETLB = 3
    FILE = 4
    DEVICE = 5
    GUEST_MEMFD = 6


_ADDRESSES = {"gpa", "hpa", "hva", "root_hpa", "first_bad", "last_start"}


class Struct(ctypes.Structure):
    """Members are in this object, not in the kernel."""

    def __repr__(self) -> str:
        text = []
        for name, *_ in self._fields_:
            name = name.lstrip("_")
            value = getattr(self, name, None)
            if isinstance(value, ctypes.Array):
                value = [list(v) if isinstance(v, ctypes.Array) else v for v in value]
            if value is not None:
                text.append(f"{name}={value:#x}" if name in _ADDRESSES else f"{name}={value!r}")
        return f"{type(self).__name__}({', '.join(text)})"


STRUCTS: dict[str, type[Struct]] = {}

_S = TypeVar("_S", bound=Struct)


def _struct(name: str) -> Callable[[type[_S]], type[_S]]:
    def declare(cls: type[_S]) -> type[_S]:
        cls._fields_ = list(cls.__annotations__.items())
        STRUCTS[name] = cls
        return cls

    return declare


@_struct("kvm_tdp_vms")
class Vms(Struct):
    nr: S32
    fds: Fds


@_struct("kvm_tdp_info")
class Info(Struct):
    """Format, levels and root of a table: struct kvm_tdp_info of linux/kvm_tdp.h."""

    _size: U32
    _flags: U32
    _type: U32
    level: U32
    max_huge_page_level: U32
    as_id: U32
    root_hpa: U64
    rsvd_bits_mask: Masks
    _eager: U32
    _pad: U32

    @property
    def type(self) -> Format:
        return Format(self._type)

    @property
    def eager(self) -> Eager:
        return Eager(self._eager)


@_struct("kvm_tdp_stats")
class Stats(Struct):
    """Counters of a table: struct kvm_tdp_stats of linux/kvm_tdp.h."""

    _size: U32
    _flags: U32
    leaves: Leaves
    table_pages: U64
    pool_pages: U64
    importers: U64
    faults: U64
    faults_spurious: U64
    faults_failed: U64
    retries: U64
    entries_set: U64
    entries_zapped: U64
    replaced: U64
    invalidations: U64
    invalidations_sent: U64
    slot_zaps: U64
    seeded: U64
    eager_filled: U64
    eager_present: U64
    eager_busy: U64
    eager_contended: U64
    eager_no_pool: U64
    eager_no_room: U64
    eager_no_slot: U64
    eager_not_ram: U64
    eager_foreign: U64

    @property
    def mapped(self) -> int:
        """Bytes that the table maps."""
        return sum(n << 12 + 9 * i for i, n in enumerate(self.leaves))


@_struct("kvm_tdp_slot")
class Slot(Struct):
    """A memslot: guest memory that is contiguous in the VMM."""

    gpa: U64
    length: U64
    hva: U64
    _flags: U32
    _backing: U32

    @property
    def flags(self) -> SlotFlag:
        return SlotFlag(self._flags)

    @property
    def backing(self) -> Backing:
        return Backing(self._backing)


@_struct("kvm_tdp_importer")
class Importer(Struct):
    """A driver that uses the table; pid is 0 if its process has gone, or is not to be seen."""

    _name: Name
    invalidations: U64
    pid: S32
    _pad: U32

    @property
    def name(self) -> str:
        return self._name.decode("ascii", "backslashreplace")


@_struct("kvm_tdp_run")
class Run(Struct):
    """A run of like leaves; hpa is 0 without CAP_SYS_ADMIN."""

    gpa: U64
    length: U64
    hpa: U64
    _access: U32
    level: U32

    @property
    def access(self) -> Access:
        return Access(self._access)


@_struct("kvm_tdp_verify")
class Verify(Struct):
    """The table held against the host: struct kvm_tdp_verify of linux/kvm_tdp.h."""

    _size: U32
    _flags: U32
    gpa: U64
    length: U64
    leaves: U64
    pages: U64
    retries: U64
    undecided: U64
    stale: U64
    excess: U64
    no_slot: U64
    reserved: U64
    kvm: U64
    counters: U64
    first_bad: U64

    @property
    def wrong(self) -> int:
        """How much is wrong; anything is a bug in kvm_tdp."""
        return (self.stale + self.excess + self.no_slot + self.reserved + self.kvm
                + self.counters)


@_struct("kvm_tdp_mem_vec")
class MemVec(Struct):
    gpa: U64
    buf: U64
    length: U64


@_struct("kvm_tdp_dma_stats")
class EngineStats(Struct):
    """Counters of an engine: struct kvm_tdp_dma_stats of linux/kvm_tdp_dma.h."""

    _size: U32
    _flags: U32
    iotlb_hits: U64
    iotlb_misses: U64
    faults: U64
    faults_failed: U64
    invalidations: U64
    invalidated_bytes: U64
    full_invalidations: U64
    last_start: U64
    last_length: U64
    bytes_read: U64
    bytes_written: U64


SLOT_FN = ctypes.CFUNCTYPE(c_int, POINTER(Slot), c_void_p)
RUN_FN = ctypes.CFUNCTYPE(c_int, POINTER(Run), c_void_p)

# What a function returns, and its arguments.
PROTOTYPES: dict[str, list[Any]] = {
    "kvm_tdp_list_vms": [c_int, c_int, POINTER(Vms)],
    "kvm_tdp_open_vm": [c_int, c_int, c_int],
    "kvm_tdp_create": [c_int, c_int, c_uint],
    "kvm_tdp_attach": [c_int, c_int, c_int, c_uint],
    "kvm_tdp_read_slots": [c_int, c_int, c_uint64, SLOT_FN, c_void_p],
    "kvm_tdp_get_importers": [c_int, c_int, POINTER(Importer), c_uint],
    "kvm_tdp_get_info": [c_int, c_int, POINTER(Info)],
    "kvm_tdp_get_stats": [c_int, c_int, POINTER(Stats)],
    "kvm_tdp_map_range": [c_int, c_int, POINTER(c_uint64), POINTER(c_uint64), c_uint],
    "kvm_tdp_read_runs": [c_int, c_int, c_uint64, c_uint64, RUN_FN, c_void_p],
    "kvm_tdp_verify_range": [c_int, c_int, c_uint64, c_uint64, POINTER(Verify)],
    "kvm_tdp_mem_open": [c_int, c_int, c_int, c_int],
    "kvm_tdp_mem_read": [c_int, c_int, c_uint64, c_void_p, c_size_t, POINTER(c_size_t)],
    "kvm_tdp_mem_write": [c_int, c_int, c_uint64, c_void_p, c_size_t, POINTER(c_size_t)],
    "kvm_tdp_mem_readv": [c_int, c_int, POINTER(MemVec), c_uint, c_uint, POINTER(c_uint)],
    "kvm_tdp_dma_open": [c_int],
    "kvm_tdp_dma_attach": [c_int, c_int, c_int],
    "kvm_tdp_dma_detach": [c_int, c_int],
    "kvm_tdp_dma_read": [
        c_int, c_int, c_uint64, c_void_p, c_size_t, c_uint, POINTER(c_size_t)],
    "kvm_tdp_dma_write": [
        c_int, c_int, c_uint64, c_void_p, c_size_t, c_uint, POINTER(c_size_t)],
    "kvm_tdp_dma_copy": [
        c_int, c_int, c_uint64, c_uint64, c_size_t, c_uint, POINTER(c_size_t)],
    "kvm_tdp_dma_get_stats": [c_int, c_int, POINTER(EngineStats)],
    "kvm_tdp_create_strerror": [c_char_p, c_int],
    "kvm_tdp_fault_strerror": [c_char_p, c_int],
}


def _load() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(SONAME)
    except OSError as err:
        raise ImportError(f"{err}; it is in the package libkvm-tdp0.2") from err
    for name, (restype, *argtypes) in PROTOTYPES.items():
        function = getattr(library, name)
        function.restype = restype
        function.argtypes = argtypes
    return library


lib = _load()
