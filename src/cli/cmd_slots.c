// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

static const struct argp_child children[] = { { &vm_argp, 0, NULL, 0 }, { 0 } };

static const struct argp argp = {
	NULL, pass_input, NULL,
	"Print where a VM has memory: its memory slots.\n"
	"\vBACKING is what the first page is in the VMM. HVA is where the VMM has the "
	"memory, which takes CAP_SYS_ADMIN to see. Flags: ro the guest cannot write there, log "
	"KVM logs which pages are written, unmapped the table does not have it (private memory).",
	children, NULL, NULL
};

static const char *backing_name(uint32_t backing)
{
	static const char *const names[] = {
		[KVM_TDP_BACKING_NONE] = "none",
		[KVM_TDP_BACKING_ANON] = "anon",
		[KVM_TDP_BACKING_SHMEM] = "shmem",
		[KVM_TDP_BACKING_HUGETLB] = "hugetlb",
		[KVM_TDP_BACKING_FILE] = "file",
		[KVM_TDP_BACKING_DEVICE] = "device",
		[KVM_TDP_BACKING_GUEST_MEMFD] = "guest_memfd",
	};

	return backing < sizeof(names) / sizeof(names[0]) ? names[backing] : "other";
}

static const struct {
	uint32_t flag;
	const char *name;
} flags[] = {
	{ KVM_TDP_SLOT_READONLY, "ro" },
	{ KVM_TDP_SLOT_LOGGED, "log" },
	{ KVM_TDP_SLOT_NOT_MAPPED, "unmapped" },
};

#define NR_FLAGS	(sizeof(flags) / sizeof(flags[0]))

struct json_slots {
	struct json_array array;
	bool hva;
};

static int print_json(const struct kvm_tdp_slot *slot, void *data)
{
	struct json_slots *slots = data;
	struct json_object *obj = json_object_new_object();
	struct json_object *names = json_object_new_array();
	size_t i;

	json_add_hex(obj, "gpa", slot->gpa);
	json_add_num(obj, "length", slot->length);
	for (i = 0; i < NR_FLAGS; i++) {
		if (slot->flags & flags[i].flag)
			json_object_array_add(names, json_object_new_string(flags[i].name));
	}
	json_object_object_add(obj, "flags", names);
	json_add_str(obj, "backing", backing_name(slot->backing));
	if (slot->hva && slots->hva)
		json_add_hex(obj, "hva", slot->hva);
	else
		json_object_object_add(obj, "hva", NULL);
	json_array_add(&slots->array, obj);
	return 0;
}

int slots_print_json(int tdp, bool hva, FILE *to)
{
	struct json_slots slots = { .array = { .json = true, .to = to }, .hva = hva };
	int err;

	json_array_begin(&slots.array);
	err = kvm_tdp_read_slots(tdp, 0, print_json, &slots);
	json_array_end(&slots.array);
	return err;
}

static void print_text(const struct kvm_tdp_slot *slot, bool first)
{
	char size[SIZE_TEXT], names[32] = "";
	size_t i;

	if (first)
		printf("%-29s %9s  %-12s  %-7s  %s\n", "GPA", "SIZE", "FLAGS",
		       "BACKING", "HVA");
	for (i = 0; i < NR_FLAGS; i++) {
		if (!(slot->flags & flags[i].flag))
			continue;
		if (*names)
			strcat(names, ",");
		strcat(names, flags[i].name);
	}
	printf("0x%012llx-0x%012llx %9s  %-12s  %-7s  ",
	       (unsigned long long)slot->gpa,
	       (unsigned long long)(slot->gpa + slot->length - 1),
	       size_format(slot->length, size), *names ? names : "-",
	       backing_name(slot->backing));
	if (slot->hva)
		printf("0x%llx\n", (unsigned long long)slot->hva);
	else
		puts("-");
}

static int print_slot(const struct kvm_tdp_slot *slot, void *data)
{
	bool *any = data;

	print_text(slot, !*any);
	*any = true;
	return 0;
}

int cmd_slots(int argc, char **argv)
{
	struct vm_opts opts;
	bool any = false;
	int tdp, err;

	argp_parse(&argp, argc, argv, 0, NULL, &opts);
	tdp = vm_create_tdp_fd(&opts);
	if (opts.json) {
		err = slots_print_json(tdp, true, stdout);
		if (err)
			die("reading the memory slots: %s", tdp_strerror(-err));
		return 0;
	}
	tdp_read_slots(tdp, 0, print_slot, &any);
	if (!any)
		puts("the VM has no memory");
	return 0;
}
