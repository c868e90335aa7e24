# SPDX-License-Identifier: GPL-2.0-only
#
# A kernel log as it is to be searched for the words in kernel-log-bad, without
# the line "Call Trace:" of what is no mistake. One for each OOM kill, between the
# first line of its report and the last; and the next one after it is said that
# a victim is busy and cannot be reaped, that a node has no page for a migration
# to it (nothing of ours asks for a node), that KVM found no page without waiting for
# the split of a leaf, or VT-d's driver for a table (nothing of ours is of these modes),
# or that our slab cache could not be created. Any other, and all else, stays; but for
# the "corruption" of memory that a test has declared broken, and that is touched then,
# the warning of a hook that a test has said to call wrongly, the one with which later
# kernels meet the topology of Bochs' CPUs, at their first instant, and those of 6.1.192,
# with lockdep, when a mapping of hugetlb is split: its __vma_adjust() does that before it
# takes the lock.

/ invoked oom-killer: / { oom++ }
/(Out of memory|Memory cgroup out of memory).*: Killed process / { oom = 0 }
/\] oom_reaper: unable to reap pid:/ { other++ }
/: page allocation failure: order:0, mode:.*__GFP_THISNODE/ { other++ }
/: page allocation failure: order:0, mode:0x[0-9a-f]+\(GFP_NOWAIT\|__GFP_ZERO\|__GFP_ACCOUNT\)/ { other++ }
/: page allocation failure: order:0, mode:0x[0-9a-f]+\(GFP_ATOMIC\|__GFP_ZERO\)/ { other++ }
/\] kmem_cache_create[a-z_]*\(ktdp_table\) failed with error -(12|22)$/ { other++ }
/Call Trace:$/ && oom { oom--; $0 = "" }
/Call Trace:$/ && other { other--; $0 = "" }
/\] ktdp_test: calls a hook of kvm_tdp for nothing$/ { hook++ }
hook && /\] WARNING: .* (ktdp_hook|unknown)_called\+/ { hook--; other++; sub(/WARNING: /, "") }
/^\[    0\.000000\] WARNING: .* parse_legacy\+/ { other++; sub(/WARNING: /, "") }
/\] WARNING: .* at include\/linux\/fs\.h:[0-9]+ (hugetlb_split|hugetlb_unshare_pmds|__huge_pmd_unshare|huge_pmd_unshare_flush)\+/ {
	other++
	sub(/WARNING: /, "")
}
/\] Memory failure: 0x[0-9a-f]+: Sending SIGBUS to [^ ]+ due to hardware memory corruption$/ ||
/\] MCE: Killing [^ ]+ due to hardware memory corruption fault at [0-9a-f]+$/ {
	sub(/ due to .*/, "")
}
{ print }
