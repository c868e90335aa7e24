// SPDX-License-Identifier: GPL-2.0-only
/*
 * The TDP fd: what importers get hold of, and its ioctls.
 */

#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/file.h>
#include <linux/kvm_tdp.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "export.h"
#include "fault.h"
#include "hooks.h"
#include "importer.h"
#include "ioctl.h"
#include "look/map.h"
#include "look/slots.h"
#include "look/verify.h"
#include "seed.h"
#include "tdp_fd.h"

static int ktdp_op_register(struct kvm_tdp_fd *tdp_fd,
			    struct kvm_tdp_importer_ops *ops, void *data)
{
	int ret;

	if (!tdp_fd || !tdp_fd->priv || !ops || !ops->invalidate)
		return -EINVAL;
	ret = ktdp_importer_register(tdp_fd, ops, data);
	/* Bring back what the shrinker took while there was no importer. */
	if (!ret && xchg(&tdp_fd->priv->shrunk, false))
		ktdp_seed(tdp_fd->priv);
	return ret;
}

static void ktdp_op_unregister(struct kvm_tdp_fd *tdp_fd,
			       struct kvm_tdp_importer_ops *ops)
{
	if (tdp_fd && tdp_fd->priv && ops)
		ktdp_importer_unregister(tdp_fd, ops);
}

/* Checks common to @fault and @fault_range. */
static int ktdp_op_fault_check(const struct kvm_tdp_fd *tdp_fd,
			       const struct mm_struct *mm,
			       struct kvm_tdp_fault_type type)
{
	const struct kvm_exported_tdp *tdp = tdp_fd ? tdp_fd->priv : NULL;

	if (!tdp || !(type.read || type.write || type.exec))
		return -EINVAL;
	/* Only compared: the importer's pointer may be stale. */
	if (mm && mm != ktdp_mm(tdp))
		return -EINVAL;
	return READ_ONCE(ktdp_hooks_lost) ? -ENOTRECOVERABLE : 0;
}

static int ktdp_op_fault(struct kvm_tdp_fd *tdp_fd, struct mm_struct *mm,
			 unsigned long gfn, struct kvm_tdp_fault_type type)
{
	int ret = ktdp_op_fault_check(tdp_fd, mm, type);

	return ret ?: ktdp_fault(tdp_fd->priv, gfn, type.write);
}

static int ktdp_op_fault_range(struct kvm_tdp_fd *tdp_fd, struct mm_struct *mm,
			       unsigned long *gfn, unsigned long *nr,
			       struct kvm_tdp_fault_type type)
{
	int ret = ktdp_op_fault_check(tdp_fd, mm, type);

	return ret ?: ktdp_fault_range(tdp_fd->priv, gfn, nr, type.write);
}

static void *ktdp_op_get_metadata(struct kvm_tdp_fd *tdp_fd)
{
	if (!tdp_fd || !tdp_fd->priv)
		return ERR_PTR(-EINVAL);
	return &tdp_fd->priv->meta;
}

static const struct kvm_exported_tdp_ops ktdp_ops = {
	.register_importer = ktdp_op_register,
	.unregister_importer = ktdp_op_unregister,
	.fault = ktdp_op_fault,
	.get_metadata = ktdp_op_get_metadata,
	.fault_range = ktdp_op_fault_range,
};

static struct kvm_exported_tdp *ktdp_call_tdp(const struct ktdp_ioctl_call *call)
{
	struct kvm_tdp_fd *tdp_fd = call->data;

	return tdp_fd->priv;
}

static int ktdp_fd_info(struct ktdp_ioctl_call *call)
{
	struct kvm_exported_tdp *tdp = ktdp_call_tdp(call);
	const struct ktdp_fmt *fmt = &tdp->table.fmt;
	struct kvm_tdp_info *info = call->arg;

	if (info->flags)
		return -EINVAL;
	info->type = fmt->type;
	info->level = fmt->level;
	info->max_huge_page_level = fmt->max_leaf_level;
	info->as_id = tdp->as_id;
	info->root_hpa = ktdp_shows_host() ? ktdp_entries_to_hpa(tdp->table.root) : 0;
	memcpy(info->rsvd_bits_mask, fmt->rsvd, sizeof(info->rsvd_bits_mask));
	info->eager = tdp->eager_state;
	info->pad = 0;
	return ktdp_ioctl_reply(call);
}

static bool ktdp_range_ok(u64 gpa, u64 length)
{
	return PAGE_ALIGNED(gpa | length) && gpa + length >= gpa;
}

static int ktdp_fd_prefault(struct ktdp_ioctl_call *call)
{
	const u32 known = KVM_TDP_ACCESS_READ | KVM_TDP_ACCESS_WRITE |
			  KVM_TDP_ACCESS_EXEC;
	struct kvm_tdp_prefault *arg = call->arg;
	unsigned long gfn = arg->gpa >> PAGE_SHIFT, nr = arg->length >> PAGE_SHIFT;
	int ret;

	if (arg->flags || arg->pad || !arg->access || (arg->access & ~known) ||
	    !ktdp_range_ok(arg->gpa, arg->length))
		return -EINVAL;
	if (READ_ONCE(ktdp_hooks_lost))
		return -ENOTRECOVERABLE;
	ret = ktdp_fault_range(ktdp_call_tdp(call), &gfn, &nr,
			       arg->access & KVM_TDP_ACCESS_WRITE);
	arg->gpa = (u64)gfn << PAGE_SHIFT;
	arg->length = (u64)nr << PAGE_SHIFT;
	return ktdp_ioctl_reply(call) ?: ret;
}

static int ktdp_fd_map(struct ktdp_ioctl_call *call)
{
	struct kvm_tdp_map *map = call->arg;
	int ret;

	if (map->flags || map->pad || !map->nr_runs ||
	    !ktdp_range_ok(map->gpa, map->length))
		return -EINVAL;
	ret = ktdp_map_read(ktdp_call_tdp(call), map);
	return ret ?: ktdp_ioctl_reply(call);
}

static int ktdp_fd_slots(struct ktdp_ioctl_call *call)
{
	struct kvm_tdp_slots *slots = call->arg;
	int ret;

	if (slots->flags || slots->pad || !slots->nr_slots || !PAGE_ALIGNED(slots->gpa))
		return -EINVAL;
	ret = ktdp_slots_read(ktdp_call_tdp(call), slots);
	return ret ?: ktdp_ioctl_reply(call);
}

static int ktdp_fd_importers(struct ktdp_ioctl_call *call)
{
	struct kvm_tdp_importers *arg = call->arg;
	struct kvm_tdp_importer *importers;
	u32 room, nr;
	int ret;

	if (arg->flags || arg->pad || !arg->nr_importers)
		return -EINVAL;
	room = min_t(u32, arg->nr_importers, PAGE_SIZE / sizeof(*importers));
	importers = kcalloc(room, sizeof(*importers), GFP_KERNEL);
	if (!importers)
		return -ENOMEM;
	nr = ktdp_importers_read(ktdp_call_tdp(call), importers, room);
	ret = copy_to_user(u64_to_user_ptr(arg->importers), importers,
			   min(nr, room) * sizeof(*importers)) ? -EFAULT : 0;
	kfree(importers);
	arg->nr_importers = min(nr, room);
	arg->nr_all = nr;
	return ret ?: ktdp_ioctl_reply(call);
}

/* eager_foreign counts the faults of other VMs, so it takes CAP_SYS_ADMIN. */
static void ktdp_fd_read_stats(struct kvm_exported_tdp *tdp, struct kvm_tdp_stats *stats)
{
	ktdp_export_stats(tdp, stats);
	if (!ktdp_shows_host())
		stats->eager_foreign = 0;
}

static int ktdp_fd_stats(struct ktdp_ioctl_call *call)
{
	struct kvm_tdp_stats *stats = call->arg;

	if (stats->flags)
		return -EINVAL;
	ktdp_fd_read_stats(ktdp_call_tdp(call), stats);
	return ktdp_ioctl_reply(call);
}

static int ktdp_fd_verify(struct ktdp_ioctl_call *call)
{
	struct kvm_tdp_verify *verify = call->arg;
	int ret;

	if (verify->flags || !ktdp_range_ok(verify->gpa, verify->length))
		return -EINVAL;
	/* It takes locks of KVM's and of the VMM that vCPUs wait for. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	ret = ktdp_verify(ktdp_call_tdp(call), verify);
	return ret ?: ktdp_ioctl_reply(call);
}

static const struct ktdp_ioctl ktdp_fd_ioctls[] = {
	KTDP_IOCTL(KVM_TDP_GET_INFO, struct kvm_tdp_info, rsvd_bits_mask,
		   ktdp_fd_info),
	KTDP_IOCTL(KVM_TDP_PREFAULT, struct kvm_tdp_prefault, pad,
		   ktdp_fd_prefault),
	KTDP_IOCTL(KVM_TDP_READ_MAP, struct kvm_tdp_map, pad, ktdp_fd_map),
	KTDP_IOCTL(KVM_TDP_GET_STATS, struct kvm_tdp_stats, slot_zaps,
		   ktdp_fd_stats),
	KTDP_IOCTL(KVM_TDP_VERIFY, struct kvm_tdp_verify, first_bad,
		   ktdp_fd_verify),
	KTDP_IOCTL(KVM_TDP_READ_SLOTS, struct kvm_tdp_slots, pad, ktdp_fd_slots),
	KTDP_IOCTL(KVM_TDP_READ_IMPORTERS, struct kvm_tdp_importers, pad,
		   ktdp_fd_importers),
};

static long ktdp_fd_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	return ktdp_ioctl(ktdp_fd_ioctls, ARRAY_SIZE(ktdp_fd_ioctls),
			  file->private_data, cmd, arg);
}

/* As many as there is room for here; KVM_TDP_READ_IMPORTERS has all. */
static void ktdp_fd_show_importers(struct seq_file *m, struct kvm_exported_tdp *tdp)
{
	struct kvm_tdp_importer importers[8];
	unsigned int nr, i;

	nr = ktdp_importers_read(tdp, importers, ARRAY_SIZE(importers));
	for (i = 0; i < min_t(unsigned int, nr, ARRAY_SIZE(importers)); i++)
		seq_printf(m, "kvm_tdp_importer:\t%s %d %llu\n", importers[i].name,
			   importers[i].pid, importers[i].invalidations);
}

static void ktdp_fd_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct kvm_tdp_fd *tdp_fd = file->private_data;
	struct kvm_tdp_stats st;

	ktdp_fd_read_stats(tdp_fd->priv, &st);
	seq_printf(m, "kvm_tdp_id:\t%llu\n", tdp_fd->priv->id);
	seq_printf(m, "kvm_tdp_as_id:\t%u\n", tdp_fd->priv->as_id);
	seq_printf(m, "kvm_tdp_vm_pid:\t%d\n", tdp_fd->priv->kvm->userspace_pid);
	seq_printf(m, "kvm_tdp_ram:\t%llu\n", ktdp_slots_size(tdp_fd->priv));
	seq_printf(m, "kvm_tdp_leaves_4k:\t%llu\n", st.leaves[0]);
	seq_printf(m, "kvm_tdp_leaves_2m:\t%llu\n", st.leaves[1]);
	seq_printf(m, "kvm_tdp_leaves_1g:\t%llu\n", st.leaves[2]);
#define SHOW(name) seq_printf(m, "kvm_tdp_" #name ":\t%llu\n", st.name)
	SHOW(table_pages);
	SHOW(pool_pages);
	SHOW(importers);
	SHOW(faults);
	SHOW(faults_spurious);
	SHOW(faults_failed);
	SHOW(retries);
	SHOW(entries_set);
	SHOW(entries_zapped);
	SHOW(replaced);
	SHOW(invalidations);
	SHOW(invalidations_sent);
	SHOW(slot_zaps);
	SHOW(seeded);
	SHOW(eager_filled);
	SHOW(eager_present);
	SHOW(eager_busy);
	SHOW(eager_contended);
	SHOW(eager_no_pool);
	SHOW(eager_no_room);
	SHOW(eager_no_slot);
	SHOW(eager_not_ram);
	SHOW(eager_foreign);
#undef SHOW
	/* No more than a figure for people: the next moment it is another. */
	seq_printf(m, "kvm_tdp_fds:\t%u\n", data_race(tdp_fd->priv->users));
	ktdp_fd_show_importers(m, tdp_fd->priv);
}

static int ktdp_fd_release(struct inode *inode, struct file *file)
{
	struct kvm_tdp_fd *tdp_fd = file->private_data;

	ktdp_importers_drop(tdp_fd);
	ktdp_export_put(tdp_fd->priv);
	kfree(tdp_fd);
	return 0;
}

static const struct file_operations ktdp_fd_fops = {
	.owner = THIS_MODULE,
	.release = ktdp_fd_release,
	.unlocked_ioctl = ktdp_fd_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = ktdp_fd_show_fdinfo,
	.llseek = noop_llseek,
};

/**
 * ktdp_fd_create() - make the file of a new TDP fd
 * @tdp: the exported TDP; one user of it becomes the file's on success
 * @filep: is set to the file
 *
 * Return: 0, -ENOMEM or -ENFILE.
 */
int ktdp_fd_create(struct kvm_exported_tdp *tdp, struct file **filep)
{
	struct kvm_tdp_fd *tdp_fd;
	struct file *file;

	tdp_fd = kzalloc(sizeof(*tdp_fd), GFP_KERNEL_ACCOUNT);
	if (!tdp_fd)
		return -ENOMEM;
	tdp_fd->ops = &ktdp_ops;
	tdp_fd->priv = tdp;
	file = anon_inode_getfile("[kvm_tdp]", &ktdp_fd_fops, tdp_fd,
				  O_RDWR | O_CLOEXEC);
	if (IS_ERR(file)) {
		kfree(tdp_fd);
		return PTR_ERR(file);
	}
	tdp_fd->file = file;
	*filep = file;
	return 0;
}

struct kvm_tdp_fd *kvm_tdp_fd_get(int fd)
{
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op != &ktdp_fd_fops) {
		fput(file);
		return ERR_PTR(-EINVAL);
	}
	return file->private_data;
}
EXPORT_SYMBOL_GPL(kvm_tdp_fd_get);

void kvm_tdp_fd_put(struct kvm_tdp_fd *tdp_fd)
{
	fput(tdp_fd->file);
}
EXPORT_SYMBOL_GPL(kvm_tdp_fd_put);
