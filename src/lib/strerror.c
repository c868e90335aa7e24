// SPDX-License-Identifier: GPL-2.0-only
#include "libkvm_tdp.h"

#include <errno.h>
#include <string.h>

const char *kvm_tdp_create_strerror(int err)
{
	switch (err) {
	case ENXIO:
		return "the module is not loaded: modprobe kvm_tdp";
	case EACCES:
		return "no permission to open /dev/kvm_tdp; run as root";
	case EIO:
		return "the VM belongs to another process, which takes CAP_SYS_PTRACE; run as root";
	case EOPNOTSUPP:
		return "KVM runs without EPT/NPT, or the VM's memory is not the host's to share";
	case ENODEV:
		return "the VM is going away";
	case EBUSY:
		return "the hooks into KVM cannot be armed: is kernel.ftrace_enabled 0?";
	case ENOTRECOVERABLE:
		return "the kernel's ftrace has shut itself down, see dmesg; reboot";
	case EINVAL:
		return "the VM has no such address space, or the module is older than this program";
	}
	return strerror(err);
}

const char *kvm_tdp_fault_strerror(int err)
{
	switch (err) {
	case EFAULT:
	case ENXIO:
		return "no guest RAM there";
	case EACCES:
		return "the memory is read-only";
	case EHWPOISON:
		return "the page is poisoned";
	case EPERM:
		return "the VM's process is exiting";
	case ENOTRECOVERABLE:
		return "the kernel's ftrace has shut itself down, see dmesg; reboot";
	case EAGAIN:
		return "the host keeps changing the range; try again";
	}
	return strerror(err);
}
