# SPDX-License-Identifier: GPL-2.0-only
#
# A kernel log as it is to be searched for the words in kernel-log-bad, without
# the line "Call Trace:" of what is no mistake: one for each OOM kill, between the
# first line of its report and the last, and the next one after the report that
# our slab cache could not be created. Any other, and all else, stays.

/ invoked oom-killer: / { spare++ }
/(Out of memory|Memory cgroup out of memory).*: Killed process / { spare = 0 }
/\] kmem_cache_create[a-z_]*\(ktdp_table\) failed with error -12$/ { spare++ }
/Call Trace:$/ && spare { spare--; $0 = "" }
{ print }
