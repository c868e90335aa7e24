// SPDX-License-Identifier: GPL-2.0-only
/* kvm-tdp doctor: the module, or why it is not there. */
#include "doctor.h"

#include <stdio.h>
#include <string.h>

#define SECURE_BOOT	\
	"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

/* Four bytes of attributes, then the value. */
static const char *secure_boot(void)
{
	char path[PATH_MAX], value[5];
	FILE *file;
	size_t n;

	machine_path(path, SECURE_BOOT);
	file = fopen(path, "re");
	if (!file)
		return "unknown";
	n = fread(value, 1, sizeof(value), file);
	fclose(file);
	return n == sizeof(value) && value[4] == 1 ? "on" : "off";
}

/* "none [integrity] confidentiality" */
void check_lockdown(struct doctor *d)
{
	char line[FILE_LINE], enforce[FILE_LINE], *state, *end;

	machine_line("/sys/kernel/security/lockdown", line);
	state = strchr(line, '[');
	end = state ? strchr(state, ']') : NULL;
	if (end)
		*end = 0;
	state = end ? state + 1 : "none";
	machine_module_param("module", "sig_enforce", enforce);

	d->signed_only = strcmp(state, "none") || *enforce == 'Y';
	found(d, d->signed_only ? NOTE : GOOD,
	      "lockdown %s, module.sig_enforce %s, Secure Boot %s: %s", state,
	      *enforce ? enforce : "N", secure_boot(),
	      d->signed_only ? "only modules signed with a key that the kernel knows are loaded" :
			       "modules need no signature");
}

static void not_built(struct doctor *d)
{
	char build[PATH_MAX];

	if (follows(d, "not built", "kernel") || follows(d, "not built", "config"))
		return;
	snprintf(build, sizeof(build), "%.*s/build", PATH_MAX - 10, d->modules);
	if (!machine_has(build))
		found(d, WRONG, "not built for this kernel, whose headers are not there\napt install linux-headers-%s; with DKMS that builds it, too",
		      d->release);
	else if (machine_has("/var/lib/dkms/kvm_tdp"))
		found(d, WRONG, "not built for this kernel\ndkms autoinstall -k %s; if it fails, see make.log below /var/lib/dkms/kvm_tdp",
		      d->release);
	else
		found(d, WRONG, "not built for this kernel\nin its source: make && make install && depmod");
}

/* Of another kernel, or of another build of it, going by its own modules. */
static bool wrong_vermagic(struct doctor *d)
{
	char magic[FILE_LINE], want[FILE_LINE], kvm[PATH_MAX];
	size_t n = strlen(d->release);

	if (!module_field(d->file, "vermagic", magic)) {
		found(d, WRONG, "%s: modinfo cannot read it\nbuild it again, or install the package kmod",
		      d->file);
		return true;
	}
	if (!machine_find_module(d->modules, "kvm", kvm) ||
	    !module_field(kvm, "vermagic", want))
		snprintf(want, sizeof(want), "%s%s", d->release,
			 strlen(magic) > n ? magic + n : "");
	if (!strcmp(magic, want))
		return false;
	found(d, WRONG, "%s is for '%s', this kernel is '%s'\nbuild it again",
	      d->file, magic, want);
	return true;
}

static void not_loaded(struct doctor *d)
{
	char dep[PATH_MAX], line[FILE_LINE], signer[FILE_LINE];

	if (wrong_vermagic(d))
		return;
	module_field(d->file, "signer", signer);
	snprintf(dep, sizeof(dep), "%.*s/modules.dep", PATH_MAX - 20,
		 d->modules);
	if (!machine_find(dep, "kvm_tdp.ko", line))
		found(d, WRONG, "built, but unknown to modprobe\ndepmod && modprobe kvm_tdp");
	else if (d->signed_only && !*signer)
		found(d, SKIPPED, "built, but not loaded: see signature");
	else
		found(d, WRONG, "built, but not loaded\nmodprobe kvm_tdp; dmesg tells if it fails");
}

void check_module(struct doctor *d)
{
	char state[FILE_LINE], ours[FILE_LINE], theirs[FILE_LINE];

	if (!d->loaded && *d->file) {
		not_loaded(d);
		return;
	}
	if (!d->loaded) {
		not_built(d);
		return;
	}
	machine_line("/sys/module/kvm_tdp/initstate", state);
	machine_line("/sys/module/kvm_tdp/srcversion", ours);
	if (strcmp(state, "live"))
		found(d, WRONG, "being loaded or unloaded ('%s')\nwait; if it stays so, dmesg tells",
		      state);
	else if (*d->file && module_field(d->file, "srcversion", theirs) &&
		 strcmp(ours, theirs))
		found(d, NOTE, "loaded, but another has been installed since\nmodprobe -r kvm_tdp_mem kvm_tdp_dma kvm_tdp && modprobe kvm_tdp");
	else
		found(d, GOOD, "kvm_tdp is loaded");
}

static void signature_of_loaded(struct doctor *d)
{
	char taint[FILE_LINE];

	machine_line("/sys/module/kvm_tdp/taint", taint);
	if (!strchr(taint, 'E'))
		found(d, GOOD, "the kernel did not complain (taint '%s')",
		      taint);
	else if (d->signed_only)
		found(d, NOTE, "loaded without a signature that the kernel knows; it will not be loaded again\nsign it, see docs/SECURE-BOOT.md");
	else
		found(d, GOOD, "none that the kernel knows, nor does it need one");
}

void check_signature(struct doctor *d)
{
	char signer[FILE_LINE];

	if (d->loaded) {
		signature_of_loaded(d);
		return;
	}
	if (!*d->file) {
		found(d, SKIPPED, "there is no module");
		return;
	}
	module_field(d->file, "signer", signer);
	if (!d->signed_only)
		found(d, GOOD, "%s, nor does the kernel need one",
		      *signer ? signer : "none");
	else if (!*signer)
		found(d, WRONG, "%s has none, so it will not be loaded\nsign it, see docs/SECURE-BOOT.md",
		      d->file);
	else
		found(d, NOTE, "by '%s', which the kernel has to know\nmokutil --test-key, for DKMS's key /var/lib/dkms/mok.pub, tells whether it does",
		      signer);
}

/* A TDP fd does not need it. */
void check_mem(struct doctor *d)
{
	char file[PATH_MAX];

	if (!d->loaded)
		found(d, SKIPPED, "kvm_tdp comes first");
	else if (machine_module_loaded("kvm_tdp_mem"))
		found(d, GOOD, "kvm_tdp_mem is loaded, for read, write, find and dump");
	else if (machine_find_module(d->modules, "kvm_tdp_mem", file))
		found(d, NOTE, "kvm_tdp_mem is not loaded: no read, write, find or dump\nmodprobe kvm_tdp_mem; dmesg tells if it fails");
	else
		found(d, NOTE, "kvm_tdp_mem is not built for this kernel: no read, write, find or dump\nbuild it as kvm_tdp was, then: modprobe kvm_tdp_mem");
}
