# SPDX-License-Identifier: GPL-2.0-only
"""usage: live.py PID VMLINUX

Print the banner and the tasks of a guest's Linux; VMLINUX has no more than that takes
(small.c).
"""

import sys

import drgn
import kvm_tdp.drgn

prog = kvm_tdp.drgn.program(int(sys.argv[1]), sys.argv[2])
print("live: banner", prog["linux_banner"].string_().decode().strip())
init = prog["init_task"]
task = init.tasks.next
while task.value_() != init.tasks.address_:
    it = drgn.container_of(task, "struct task_struct", "tasks")
    print("live: task", it.pid.value_(), it.comm.string_().decode())
    task = task.next
