// SPDX-License-Identifier: GPL-2.0-only
#include "kvm-tdp.h"

#include <stdio.h>

#include "text.h"

static const struct argp_child children[] = { { &vm_argp, 0, NULL, 0 }, { 0 } };

static const struct argp argp = {
	NULL, pass_input, NULL,
	"Print what importers are told about the exported table of a VM.\n"
	"\vThe root's host physical address is shown with CAP_SYS_ADMIN only. "
	"Reserved bits are never set in a present entry; the first mask of a "
	"level is for entries with bit 7 clear, the second for those with bit 7 "
	"set (huge leaves).",
	children, NULL, NULL
};

static const char *eager_name(__u32 eager)
{
	switch (eager) {
	case KVM_TDP_EAGER_ON:
		return "on";
	case KVM_TDP_EAGER_OFF:
		return "off";
	case KVM_TDP_EAGER_NONE:
		return "not possible on this kernel";
	}
	return "unknown";
}

static void print_json(const struct kvm_tdp_info *info)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *masks = json_object_new_array();
	unsigned int level;

	json_add_str(obj, "format", format_name(info->type));
	json_add_num(obj, "levels", info->level);
	json_add_str(obj, "largest_leaf", level_name(info->max_huge_page_level));
	json_add_num(obj, "as_id", info->as_id);
	json_add_str(obj, "eager_fill", eager_name(info->eager));
	if (info->root_hpa)
		json_add_hex(obj, "root_hpa", info->root_hpa);
	else
		json_object_object_add(obj, "root_hpa", NULL);

	for (level = 1; level <= info->level && level <= 5; level++) {
		struct json_object *mask = json_object_new_object();

		json_add_num(mask, "level", level);
		json_add_hex(mask, "bit7_clear",
			     info->rsvd_bits_mask[0][level - 1]);
		json_add_hex(mask, "bit7_set",
			     info->rsvd_bits_mask[1][level - 1]);
		json_object_array_add(masks, mask);
	}
	json_object_object_add(obj, "rsvd_bits", masks);
	json_out(obj);
}

static void print_text(const struct kvm_tdp_info *info)
{
	unsigned int level;

	printf("format        %s\n", format_name(info->type));
	printf("levels        %u\n", info->level);
	printf("largest leaf  %s\n", level_name(info->max_huge_page_level));
	printf("as_id         %u\n", info->as_id);
	printf("eager fill    %s\n", eager_name(info->eager));
	if (info->root_hpa)
		printf("root_hpa      0x%llx\n",
		       (unsigned long long)info->root_hpa);
	else
		printf("root_hpa      hidden (needs CAP_SYS_ADMIN)\n");

	printf("reserved bits      bit 7 clear         bit 7 set\n");
	for (level = 1; level <= info->level && level <= 5; level++)
		printf("  level %u      0x%016llx  0x%016llx\n", level,
		       (unsigned long long)info->rsvd_bits_mask[0][level - 1],
		       (unsigned long long)info->rsvd_bits_mask[1][level - 1]);
}

int cmd_info(int argc, char **argv)
{
	struct kvm_tdp_info info;
	struct vm_opts vm;

	argp_parse(&argp, argc, argv, 0, NULL, &vm);

	tdp_get_info(vm_create_tdp_fd(&vm), &info);
	if (vm.json)
		print_json(&info);
	else
		print_text(&info);
	return 0;
}
