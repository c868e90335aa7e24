# SPDX-License-Identifier: GPL-2.0-only
"""usage: core.py VMLINUX CORE

Print the banner and the tasks that drgn finds in a core.
"""

import sys

import drgn
from drgn.helpers.linux.pid import for_each_task

prog = drgn.program_from_core_dump(sys.argv[2])
prog.load_debug_info([sys.argv[1]])
print("banner", prog["linux_banner"].string_().decode().strip())
for task in for_each_task(prog):
    print("task", task.pid.value_(), task.comm.string_().decode())
