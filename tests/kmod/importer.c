// SPDX-License-Identifier: GPL-2.0-only
/*
 * Importers for tests: several ops tables, a log of what is called through
 * them, and callbacks that take their time.
 */

#include <linux/kallsyms.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

#include "helper.h"

#define UNREGISTER_NS	(100 * NSEC_PER_MSEC)

static struct kvm_tdp_importer_ops no_callback;

/* Number of the last callback of all. */
static atomic64_t last_order = ATOMIC64_INIT(0);

static u32 current_context(void)
{
	return (in_task() ? KTDP_TEST_IN_TASK : 0) |
	       (preempt_count() ? KTDP_TEST_ATOMIC : 0) |
	       (irqs_disabled() ? KTDP_TEST_IRQS_OFF : 0);
}

/* What the last put of an fd tells of the end of a registration, and no other. */
static bool importer_is_final(const struct ktdp_test_record *record,
			      unsigned long caller)
{
	char name[KSYM_SYMBOL_LEN];

	if (record->start || record->size != ULONG_MAX)
		return false;
	sprint_symbol_no_offset(name, caller);
	return str_has_prefix(name, "ktdp_importers_drop");
}

static void importer_record(struct test_importer *imp,
			    struct ktdp_test_record *record, bool final)
{
	raw_spin_lock(&imp->lock);
	imp->finals += final && imp->leaked;
	if (imp->total < KTDP_TEST_RECORDS)
		imp->records[imp->total] = *record;
	imp->total++;
	raw_spin_unlock(&imp->lock);
}

static void importer_hold(struct test_importer *imp)
{
	atomic64_set(&imp->release_ns, S64_MAX);
	atomic_set(&imp->hold, 1);
}

static void importer_release(struct test_importer *imp, u64 delay_ns)
{
	atomic64_set(&imp->release_ns, ktime_get_ns() + delay_ns);
}

static void importer_spin(struct test_importer *imp)
{
	unsigned int steps = TEST_HOLD_STEPS;

	while (steps-- && ktime_get_ns() < atomic64_read(&imp->release_ns))
		test_hold_step();
}

static void importer_called(struct test_importer *imp, unsigned long start,
			    unsigned long size, u32 flags, unsigned long caller)
{
	struct ktdp_test_record record = {
		.start = start,
		.size = size,
		.flags = flags | current_context(),
		.importer = imp->index,
		.tid = current->pid,
		.begin_ns = ktime_get_ns(),
	};

	atomic_inc(&imp->running);
	record.order = atomic64_inc_return(&last_order);

	if (atomic_xchg(&imp->hold, 0))
		importer_spin(imp);

	record.end_ns = ktime_get_ns();
	importer_record(imp, &record, importer_is_final(&record, caller));
	atomic_dec(&imp->running);
}

static void importer_invalidate(void *data, unsigned long start, unsigned long size)
{
	importer_called(data, start, size, 0, _RET_IP_);
}

static void importer_revoke(void *data, unsigned long start, unsigned long size)
{
	might_sleep();
	importer_called(data, start, size, KTDP_TEST_REVOKE, _RET_IP_);
}

static void importer_gone(void *data)
{
	struct test_importer *imp = data;
	u32 flags = current_context();

	might_sleep();
	raw_spin_lock(&imp->lock);
	imp->gone++;
	imp->gone_flags = flags;
	raw_spin_unlock(&imp->lock);
}

static struct test_importer *importer_get(struct test_file *tf, s32 index)
{
	if (index < 0 || index >= KTDP_TEST_IMPORTERS)
		return NULL;
	return &tf->importers[index];
}

/* The tables that cannot be registered. */
static int importer_bad_ops(s32 index, struct kvm_tdp_importer_ops **ops)
{
	*ops = index == KTDP_TEST_NO_CALLBACK ? &no_callback : NULL;
	return *ops || index == KTDP_TEST_NULL_OPS ? 0 : -ENOENT;
}

int test_register(struct test_file *tf, struct ktdp_test_call *call)
{
	struct test_importer *imp = importer_get(tf, call->importer);
	struct kvm_tdp_fd *tdp_fd = test_handle(tf, call->handle);
	struct kvm_tdp_importer_ops *ops = NULL;

	lockdep_assert_held(&tf->lock);

	if (!tdp_fd)
		return -ENOENT;
	if (imp)
		ops = &imp->ops;
	else if (importer_bad_ops(call->importer, &ops))
		return -ENOENT;

	call->ret = tdp_fd->ops->register_importer(test_object(tdp_fd, call->flags),
						   ops, imp);
	if (imp && !call->ret)
		__set_bit(call->handle, &imp->registered);
	return 0;
}

/* Nothing is unregistered, and nothing comes of it. */
static int test_unregister_bad(struct kvm_tdp_fd *tdp_fd,
			       struct ktdp_test_call *call,
			       struct test_importer *imp)
{
	struct kvm_tdp_importer_ops *ops = imp ? &imp->ops : NULL;

	if (!imp && importer_bad_ops(call->importer, &ops))
		return -ENOENT;
	tdp_fd->ops->unregister_importer(test_object(tdp_fd, call->flags), ops);
	call->ret = 0;
	return 0;
}

int test_unregister(struct test_file *tf, struct ktdp_test_call *call)
{
	struct test_importer *imp = importer_get(tf, call->importer);
	struct kvm_tdp_fd *tdp_fd = test_handle(tf, call->handle);

	lockdep_assert_held(&tf->lock);

	if (!tdp_fd)
		return -ENOENT;
	if (!imp || call->flags)
		return test_unregister_bad(tdp_fd, call, imp);

	call->running_before = atomic_read(&imp->running);
	importer_release(imp, UNREGISTER_NS);
	tdp_fd->ops->unregister_importer(tdp_fd, &imp->ops);
	call->running_after = atomic_read(&imp->running);
	call->ret = 0;
	__clear_bit(call->handle, &imp->registered);
	return 0;
}

/* The handle is about to be put with whatever is registered through it. */
void test_importers_put(struct test_file *tf, u32 handle)
{
	unsigned int i;

	for (i = 0; i < KTDP_TEST_IMPORTERS; i++) {
		struct test_importer *imp = &tf->importers[i];

		if (__test_and_clear_bit(handle, &imp->registered)) {
			raw_spin_lock(&imp->lock);
			imp->leaked++;
			raw_spin_unlock(&imp->lock);
		}
	}
}

int test_log(struct test_file *tf, struct ktdp_test_log *log)
{
	struct test_importer *imp = importer_get(tf, log->importer);
	struct ktdp_test_record *records;
	size_t nr;
	int ret = 0;

	if (!imp)
		return -ENOENT;

	records = kvcalloc(KTDP_TEST_RECORDS, sizeof(*records), GFP_KERNEL);
	if (!records)
		return -ENOMEM;

	raw_spin_lock(&imp->lock);
	log->total = imp->total;
	log->gone = imp->gone;
	log->gone_flags = imp->gone_flags;
	nr = min_t(u64, imp->total, KTDP_TEST_RECORDS);
	memcpy(records, imp->records, nr * sizeof(*records));
	imp->total = 0;
	raw_spin_unlock(&imp->lock);

	log->nr = min_t(size_t, nr, log->nr);
	if (copy_to_user(u64_to_user_ptr(log->records), records,
			 log->nr * sizeof(*records)))
		ret = -EFAULT;
	kvfree(records);
	return ret;
}

int test_control(struct test_file *tf, struct ktdp_test_control *control)
{
	struct test_importer *imp = importer_get(tf, control->importer);

	if (!imp)
		return -ENOENT;

	if (control->action == KTDP_TEST_HOLD)
		importer_hold(imp);
	else if (control->action == KTDP_TEST_RELEASE)
		importer_release(imp, 0);
	control->running = atomic_read(&imp->running);
	return 0;
}

int test_importers_init(struct test_file *tf)
{
	unsigned int i;

	for (i = 0; i < KTDP_TEST_IMPORTERS; i++) {
		struct test_importer *imp = &tf->importers[i];

		imp->index = i;
		snprintf(imp->name, sizeof(imp->name), "ktdp_test/%u", i);
		imp->ops.invalidate = importer_invalidate;
		imp->ops.gone = importer_gone;
		if (i == KTDP_TEST_IMPORTERS - 1)
			imp->ops.revoke = importer_revoke;
		/* One of them has none. */
		imp->ops.name = i ? imp->name : NULL;
		raw_spin_lock_init(&imp->lock);
		imp->records = kvcalloc(KTDP_TEST_RECORDS,
					sizeof(*imp->records), GFP_KERNEL);
		if (!imp->records)
			goto err_free;
	}
	return 0;

err_free:
	while (i--)
		kvfree(tf->importers[i].records);
	return -ENOMEM;
}

/*
 * False if a registration was leaked and the exporter has not ended it: then
 * neither the importers nor this module may go away.
 */
bool test_importers_exit(struct test_file *tf)
{
	unsigned int i;

	for (i = 0; i < KTDP_TEST_IMPORTERS; i++) {
		if (tf->importers[i].finals < tf->importers[i].leaked)
			return false;
	}
	for (i = 0; i < KTDP_TEST_IMPORTERS; i++)
		kvfree(tf->importers[i].records);
	return true;
}
