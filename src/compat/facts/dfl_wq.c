// SPDX-License-Identifier: GPL-2.0-only
/* The workqueue for any CPU is system_dfl_wq (6.17), or system_unbound_wq. */
#include <linux/workqueue.h>

#ifndef KTDP_OTHERWISE
bool fact(struct work_struct *work)
{
	return queue_work(system_dfl_wq, work);
}
#else
bool fact(struct work_struct *work)
{
	return queue_work(system_unbound_wq, work);
}
#endif
