// SPDX-License-Identifier: GPL-2.0-only
/*
 * The metadata as user space wants it, and a hand in the table itself, for
 * tests of what an importer does with entries that must not be there.
 */

#include <linux/bits.h>
#include <linux/err.h>
#include <linux/io.h>
#include <linux/mem_encrypt.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include <asm/kvm_exported_tdp.h>

#include "helper.h"

#define ENTRY_LEAF	BIT_ULL(7)
#define ENTRY_HPA	GENMASK_ULL(51, 12)

int test_metadata(struct test_file *tf, struct ktdp_test_metadata *md)
{
	struct kvm_tdp_fd *tdp_fd = test_handle(tf, md->handle);
	const struct kvm_exported_tdp_meta_svm *svm;
	const struct kvm_exported_tdp_meta_vmx *vmx;
	const void *found;

	if (!tdp_fd)
		return -ENOENT;

	found = tdp_fd->ops->get_metadata(test_object(tdp_fd, md->flags));
	md->cookie = (unsigned long)found;
	md->ret = found ? PTR_ERR_OR_ZERO(found) : -EPROTO;
	if (md->ret)
		return 0;

	svm = found;
	vmx = found;
	md->type = *(const enum kvm_exported_tdp_type *)found;
	if (md->type == KVM_TDP_TYPE_NPT) {
		md->level = svm->level;
		md->root_hpa = svm->root_hpa;
		md->max_huge_page_level = svm->max_huge_page_level;
		memcpy(md->rsvd_bits_mask, svm->rsvd_bits_mask,
		       sizeof(md->rsvd_bits_mask));
	} else {
		md->level = vmx->level;
		md->root_hpa = vmx->root_hpa;
		md->max_huge_page_level = vmx->max_huge_page_level;
		memcpy(md->rsvd_bits_mask, vmx->rsvd_bits_mask,
		       sizeof(md->rsvd_bits_mask));
	}
	return 0;
}

static u64 *poke_entry(u64 hpa, u64 gfn, int level)
{
	u64 *entries = phys_to_virt(__sme_clr(hpa) & ENTRY_HPA);

	return &entries[(gfn >> (9 * (level - 1))) % 512];
}

/* Down to the leaf, by what both formats have in common. */
static void poke_leaf(struct ktdp_test_poke *poke, u64 hpa, int level)
{
	u64 *entry;

	for (; level; level--) {
		entry = poke_entry(hpa, poke->gfn, level);
		hpa = READ_ONCE(*entry);
		if (!hpa && level > 1)
			return;
		if (level == 1 || hpa & ENTRY_LEAF) {
			poke->entry = hpa ^ poke->flip;
			poke->level = level;
			WRITE_ONCE(*entry, poke->entry);
			return;
		}
	}
}

int test_poke(struct test_file *tf, struct ktdp_test_poke *poke)
{
	struct ktdp_test_metadata md = { .handle = poke->handle };
	int ret;

	poke->level = 0;
	ret = test_metadata(tf, &md);
	if (ret)
		return ret;
	if (md.ret)
		return md.ret;

	rcu_read_lock();
	poke_leaf(poke, md.root_hpa, md.level);
	rcu_read_unlock();
	return 0;
}
