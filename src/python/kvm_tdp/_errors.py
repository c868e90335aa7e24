# SPDX-License-Identifier: GPL-2.0-only
"""Errors of the library, in its words where it has any."""

from __future__ import annotations

import errno
import os

from ._abi import lib


class Error(OSError):
    """A call that failed: errno, and strerror, a sentence that says where.

    Of a transfer, or of prefault(): gpa is the address of the first byte that was not
    done, done how many bytes were before that. Of readv() done is how many reads are
    complete. data is what was read before: bytes, or a list of bytes.
    """

    gpa: int | None = None
    done: int = 0
    data: bytes | list[bytes] = b""


class Gone(Error):
    """The VM's process has ended, or is about to: its memory is gone for good."""


def of_process(err: int, pid: int, what: str = "") -> Error:
    """An error of looking for the VM of a process; what: in place of the usual sentence."""
    sentences = {
        errno.ESRCH: "no such process",
        errno.EINVAL: "is a thread; give the PID of the process",
        errno.EACCES: "no permission to look into it; run as root",
        errno.EPERM: "no permission to look into it; run as root",
    }
    return Error(err, f"process {pid}: {what or sentences.get(err) or os.strerror(err)}")


def of_create(err: int, whose: str) -> Error:
    sentence = lib.kvm_tdp_create_strerror(err).decode()
    if err in (errno.ENXIO, errno.EACCES):
        return Error(err, f"/dev/kvm_tdp: {sentence}")
    kind = Gone if err == errno.ENODEV else Error
    return kind(err, f"{whose}: cannot export its memory: {sentence}")


def of_fault(err: int, what: str, gpa: int, done: int) -> Error:
    """An error at a byte of guest memory, before which done bytes were good."""
    sentence = lib.kvm_tdp_fault_strerror(err).decode()
    kind = Gone if err == errno.EPERM else Error
    error = kind(err, f"{what} at {gpa:#x}: {sentence}")
    error.gpa = gpa
    error.done = done
    return error


def of_device(err: int, device: str, denied: str) -> Error:
    """An error of opening one of the importers."""
    if err == errno.ENXIO:
        what = f"/dev/{device}: no such device; load the module: modprobe {device}"
    elif err in (errno.EACCES, errno.EPERM):
        what = denied
    else:
        what = f"/dev/{device}: {os.strerror(err)}"
    return Error(err, what)


def of_call(err: int, what: str) -> Error:
    return Error(err, f"{what}: {os.strerror(err)}")
