# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # what the scripts use
# What vm and bochs have in common: their options, and how a run is judged. Sourced
# after lib.sh by a script that has boot(), which leaves console.log and out.log in
# $logs, and returns what timeout(1) does.

kernel='' initrd='' name=vm logs='' smp=1 mem=2G append='' timeout=300

usage() { sed -n '3,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }

# boot_option OPTION VALUE: is it one of both?
boot_option() {
	case $1 in
	--kernel) kernel=$2 ;;
	--initrd) initrd=$2 ;;
	--name) name=$2 ;;
	--logs) logs=$2 ;;
	--smp) smp=$2 ;;
	--mem) mem=$2 ;;
	--append) append=$2 ;;
	--timeout) timeout=$2 ;;
	*) return 1 ;;
	esac
}

# All options are read: complete them.
boot_prepare() {
	[ -f "$initrd" ] || usage
	kernel=${kernel:-$("$KTDP_TOP/scripts/kernel")}
	logs=${logs:-$(mktemp -d "${TMPDIR:-/tmp}/kvm_tdp-$name.XXXXXX")}
	mkdir -p "$logs"
	nonce=$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')
	args="loglevel=5 panic=-1 oops=panic mitigations=off slab_nomerge"
	# On a busy machine no tick may come in the moment in which the kernel waits
	# for one.
	args+=" rcupdate.rcu_cpu_stall_timeout=60 no_timer_check ktdp.nonce=$nonce $append"
}

reached_init() { grep -q 'KTDP-INIT' "$logs/console.log"; }

boot_once() {
	local status=0
	: >"$logs/console.log"
	: >"$logs/out.log"
	boot "$@" </dev/null >"$logs/emulator.log" 2>&1 || status=$?
	sed -i 's/\r*$//' "$logs/console.log" "$logs/out.log"
	return $status
}

# boot_judged ARGUMENT-OF-BOOT...: print the directory with the logs, and end with
# the verdict as exit status.
boot_judged() {
	local status=0
	boot_once "$@" || status=$?
	if ! reached_init; then
		log "RETRY: $name did not get as far as init (exit $status); its end was:"
		tail -n 5 "$logs/console.log" "$logs/emulator.log" >&2
		status=0
		boot_once "$@" || status=$?
	fi

	echo "$logs"
	reached_init || { log "$name: no kernel log"; exit 1; }
	if [ $status = 124 ] || [ $status = 137 ]; then
		log "$name: no end after $timeout s"
		exit 124
	fi
	if awk -f "$KTDP_TOP/scripts/kernel-log.awk" "$logs/console.log" |
		grep -n -F -f "$KTDP_TOP/scripts/kernel-log-bad" >"$logs/bad.log"; then
		log "$name: the kernel log has:"
		head -n 20 "$logs/bad.log" >&2
		exit 1
	fi
	if ! grep -qx "KTDP-VM-DONE $nonce" "$logs/out.log"; then
		log "$name: ended without its token (emulator exit $status)"
		exit 1
	fi
}
