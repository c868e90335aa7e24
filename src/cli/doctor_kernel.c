// SPDX-License-Identifier: GPL-2.0-only
/* kvm-tdp doctor: is this a kernel with which it can work? */
#include "doctor.h"

#include <stdio.h>
#include <string.h>

#include <linux/version.h>

#include "range.h"
#include "text.h"

static const struct vendor vendors[] = {
	{ "kvm_amd", "npt", "svm", "npt" },
	{ "kvm_intel", "ept", "vmx", "ept" },
};

#define VENDORS_END	(vendors + sizeof(vendors) / sizeof(vendors[0]))

static bool cpu_has(const char *flag)
{
	char flags[FILE_LINE];

	return machine_find("/proc/cpuinfo", "flags", flags) &&
	       line_has_word(flags, flag);
}

static const char *range(void)
{
	static char text[40];

	snprintf(text, sizeof(text), "%u.%u to %u.%u", KTDP_LINUX_MIN >> 16,
		 KTDP_LINUX_MIN >> 8 & 0xff, KTDP_LINUX_MAX >> 16,
		 KTDP_LINUX_MAX >> 8 & 0xff);
	return text;
}

void check_kernel(struct doctor *d)
{
	unsigned int version;

	if (!release_parse(d->release, &version))
		found(d, WRONG, "'%s' is no kernel release\nboot Linux %s",
		      d->release, range());
	else if (version < KTDP_LINUX_MIN)
		found(d, WRONG, "%s is too old\nboot Linux %s", d->release,
		      range());
	else if (version > KTDP_LINUX_MAX)
		found(d, NOTE, "%s is newer than what kvm_tdp was tested with, and DKMS does not build it\nbuild it by hand, or boot Linux %s",
		      d->release, range());
	else
		found(d, GOOD, "%s, of %s", d->release, range());
}

void check_config(struct doctor *d)
{
	char name[PATH_MAX], line[FILE_LINE], all[] = KTDP_CONFIG, want[80];
	char *option;

	snprintf(name, sizeof(name), "/boot/config-%.255s", d->release);
	if (!machine_line(name, line)) {
		found(d, SKIPPED, "%s cannot be read", name);
		return;
	}
	for (option = strtok(all, " "); option; option = strtok(NULL, " ")) {
		snprintf(want, sizeof(want), "%s=", option);
		if (machine_find(name, want, line))
			continue;
		found(d, WRONG, "the kernel was built without %s\nboot another, such as Debian's",
		      option);
		return;
	}
	found(d, GOOD, "has " KTDP_CONFIG);
}

const struct vendor *find_vendor(void)
{
	const struct vendor *vendor;

	for (vendor = vendors; vendor < VENDORS_END; vendor++)
		if (machine_module_loaded(vendor->module))
			return vendor;
	for (vendor = vendors; vendor < VENDORS_END; vendor++)
		if (cpu_has(vendor->cpu))
			return vendor;
	return NULL;
}

void check_kvm(struct doctor *d)
{
	bool loaded = machine_module_loaded("kvm");

	/* A module that is built in has no state of loading. */
	if (loaded && !machine_has("/sys/module/kvm/initstate"))
		found(d, WRONG, "KVM is built into the kernel\nboot one that has it as modules (CONFIG_KVM=m)");
	else if (!d->vendor)
		found(d, WRONG, "the CPU has neither SVM nor VMX\nswitch it on in the firmware; in a VM, have its hypervisor pass it on");
	else if (loaded && machine_module_loaded(d->vendor->module))
		found(d, GOOD, "the modules kvm and %s are loaded",
		      d->vendor->module);
	else if (!follows(d, "not loaded", "config"))
		found(d, WRONG, "%s is not loaded\nmodprobe %s; dmesg tells if it fails",
		      d->vendor->module, d->vendor->module);
}

void check_tdp(struct doctor *d)
{
	char value[FILE_LINE];

	*value = 0;
	if (d->vendor)
		machine_module_param(d->vendor->module, d->vendor->param, value);
	if (!*value)
		found(d, SKIPPED, "KVM's module does not say");
	else if (*value == 'Y' || *value == '1')
		found(d, GOOD, "%s.%s=%s", d->vendor->module, d->vendor->param,
		      value);
	else if (!cpu_has(d->vendor->cpu_tdp))
		found(d, WRONG, "%s.%s=%s, as the CPU has none\nin a VM, have its hypervisor pass it on",
		      d->vendor->module, d->vendor->param, value);
	else
		found(d, WRONG, "%s.%s=%s\nremove that from the kernel command line and /etc/modprobe.d, then: modprobe -r %s && modprobe %s %s=1",
		      d->vendor->module, d->vendor->param, value,
		      d->vendor->module, d->vendor->module, d->vendor->param);
}

void check_hooks(struct doctor *d)
{
	char enabled[FILE_LINE], line[FILE_LINE];

	if (!machine_line("/proc/sys/kernel/ftrace_enabled", enabled)) {
		if (!follows(d, "no ftrace", "config"))
			found(d, WRONG, "the kernel has no ftrace to hook KVM with\nboot one with CONFIG_FUNCTION_TRACER");
		return;
	}
	if (!strcmp(enabled, "0"))
		found(d, WRONG, "kernel.ftrace_enabled=0\nsysctl kernel.ftrace_enabled=1, and look for it in /etc/sysctl.d");
	else if (machine_find("/sys/kernel/tracing/enabled_functions",
			      "ktdp_hook_", line))
		found(d, GOOD, "kernel.ftrace_enabled=%s, armed: there is a TDP fd, or was some seconds ago",
		      enabled);
	else
		found(d, GOOD, "kernel.ftrace_enabled=%s", enabled);
}
