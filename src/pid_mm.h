/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KTDP_PID_MM_H
#define _KTDP_PID_MM_H

#include <linux/err.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>

/*
 * The mm of a process, for mmdrop(); 0: of the caller.  It only names a VM to fault():
 * a reference on mm_count keeps the name from being reused, and lets the VMM's memory
 * go when the VMM exits.
 */
static inline struct mm_struct *ktdp_grab_mm_of_pid(pid_t nr)
{
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *pid;

	if (!nr) {
		mmgrab(current->mm);
		return current->mm;
	}
	pid = find_get_pid(nr);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return ERR_PTR(-ESRCH);
	mm = get_task_mm(task);
	put_task_struct(task);
	if (!mm)
		return ERR_PTR(-ESRCH);
	mmgrab(mm);
	mmput(mm);
	return mm;
}

#endif /* _KTDP_PID_MM_H */
