// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of fault: from the caller's thread, or from a kernel thread, in the
 * name of an mm of one's choice.
 */

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>

#include "helper.h"

/**
 * struct fault_work - what a kernel thread is to do
 * @tdp_fd: passed to fault
 * @ops: the exporter's
 * @mm: passed to fault
 * @use_mm: run in @mm
 * @call: the rest of the arguments, and the result
 * @done: the thread has done it
 */
struct fault_work {
	struct kvm_tdp_fd *tdp_fd;
	const struct kvm_exported_tdp_ops *ops;
	struct mm_struct *mm;
	bool use_mm;
	struct ktdp_test_call *call;
	struct completion done;
};

static void fault_work_do(struct fault_work *work)
{
	struct kvm_tdp_fault_type type = test_access(work->call->access);
	struct ktdp_test_call *call = work->call;
	unsigned long gfn = call->gfn, nr = call->nr;

	if (!nr) {
		call->ret = work->ops->fault(work->tdp_fd, work->mm, gfn, type);
		return;
	}
	call->ret = work->ops->fault_range(work->tdp_fd, work->mm, &gfn, &nr, type);
	call->gfn = gfn;
	call->nr = nr;
}

static int fault_thread(void *data)
{
	struct fault_work *work = data;

	if (work->use_mm)
		kthread_use_mm(work->mm);
	fault_work_do(work);
	if (work->use_mm)
		kthread_unuse_mm(work->mm);
	complete(&work->done);

	set_current_state(TASK_IDLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_IDLE);
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

static int fault_work_in_thread(struct fault_work *work)
{
	struct task_struct *task;
	int ret = 0;

	if (work->use_mm && (!work->mm || !mmget_not_zero(work->mm)))
		return -ESRCH;

	init_completion(&work->done);
	task = kthread_run(fault_thread, work, "ktdp_test_fault");
	if (IS_ERR(task)) {
		ret = PTR_ERR(task);
	} else {
		wait_for_completion(&work->done);
		kthread_stop(task);
	}
	if (work->use_mm)
		mmput(work->mm);
	return ret;
}

static struct mm_struct *mm_grab_of_pid(pid_t nr)
{
	struct pid *pid = find_get_pid(nr);
	struct task_struct *task = get_pid_task(pid, PIDTYPE_PID);
	struct mm_struct *mm = NULL;

	put_pid(pid);
	if (task) {
		mm = get_task_mm(task);
		put_task_struct(task);
	}
	if (!mm)
		return ERR_PTR(-ESRCH);
	mmgrab(mm);
	mmput(mm);
	return mm;
}

/* NULL, or an mm with a reference on its mm_count. */
static struct mm_struct *mm_grab(struct test_file *tf, s32 which)
{
	struct mm_struct *mm = current->mm;

	if (which > 0)
		return mm_grab_of_pid(which);

	switch (which) {
	case 0:
		break;
	case KTDP_TEST_MM_NULL:
		return NULL;
	case KTDP_TEST_MM_HELD:
		mm = tf->held_mm;
		break;
	default:
		return ERR_PTR(-ESRCH);
	}
	if (!mm)
		return ERR_PTR(-ESRCH);
	mmgrab(mm);
	return mm;
}

int test_fault(struct test_file *tf, struct ktdp_test_call *call)
{
	struct kvm_tdp_fd *tdp_fd = test_handle(tf, call->handle);
	struct fault_work work = {
		.tdp_fd = test_object(tdp_fd, call->flags),
		.call = call,
		.use_mm = call->context == KTDP_TEST_KTHREAD_MM,
	};
	int ret = 0;

	if (!tdp_fd)
		return -ENOENT;
	work.ops = tdp_fd->ops;
	work.mm = mm_grab(tf, call->mm);
	if (IS_ERR(work.mm))
		return PTR_ERR(work.mm);

	if (call->context == KTDP_TEST_CALLER)
		fault_work_do(&work);
	else
		ret = fault_work_in_thread(&work);

	if (work.mm)
		mmdrop(work.mm);
	return ret;
}

int test_hold_mm(struct test_file *tf, struct ktdp_test_call *call)
{
	struct mm_struct *mm = mm_grab(tf, call->mm);

	lockdep_assert_held(&tf->lock);

	if (IS_ERR(mm))
		return PTR_ERR(mm);
	if (tf->held_mm)
		mmdrop(tf->held_mm);
	tf->held_mm = mm;
	call->ret = 0;
	return 0;
}
