# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034 # what the scripts use
# What vm and bochs have in common: their options, and how a run is watched and
# judged. Sourced after lib.sh by a script that has boot(), which becomes the
# emulator by exec, and leaves console.log and out.log in $logs.

kernel='' initrd='' name=vm logs='' smp=1 mem=2G append='' timeout=300

# Seconds: how often watch() looks, until an emulator that does nothing has hung, and
# until a VM that waits and says nothing is given up. (tests/watch has no patience.)
read -r watch_step watch_hung watch_quiet <<<"${KTDP_WATCH:-5 30 120}"

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
	# The kernel takes time for progress, and on a busy machine may not have a tick in
	# the moment in which it waits for one.
	args+=" rcupdate.rcu_cpu_stall_timeout=300 watchdog_thresh=60"
	args+=" sysctl.kernel.hung_task_timeout_secs=600 no_timer_check"
	args+=" ktdp.nonce=$nonce $append"
}

reached_init() { grep -q 'KTDP-INIT' "$logs/console.log"; }

# Of the emulator, in milliseconds: how long it has run, and how long it has run or
# waited for a CPU of this machine; and whether it does either now.
spent() {
	cat /proc/"$emulator"/task/*/{schedstat,stat} | awk '
		NF == 3 { ran += $1; wanted += $1 + $2; next }
		{ sub(/.*\) /, ""); now = now || $1 == "R" }
		END { printf "%d %d %d\n", ran / 1e6, wanted / 1e6, now }'
}

said() { cat "$logs/console.log" "$logs/out.log" | wc -c; }
beats() { wc -c <"$logs/heart.log"; }

# Look after the emulator, and kill it if it has hung, if the VM waits in vain, or at
# the end of its time, which is CPU time: how much of that it gets in a second is up
# to the machine. Leave the reason in $logs/killed.
watch() {
	local hung=0 quiet=0 why=''
	local ran wanted now said beats was_wanted=0 was_said=0 was_beats=0
	while [ -z "$why" ]; do
		sleep $watch_step
		[ -d "/proc/$emulator" ] || return 0
		read -r ran wanted now < <(spent)
		said=$(said)
		beats=$(beats)
		hung=$((hung + watch_step))
		quiet=$((quiet + watch_step))
		# A VM with nothing to do takes 1 % of a CPU, and on a busy machine waits
		# ten times as long for it.
		[ "$said" = "$was_said" ] && [ "$now" = 0 ] &&
			[ $((wanted - was_wanted)) -lt $((watch_step * 200)) ] || hung=0 quiet=0
		[ "$beats" = "$was_beats" ] || hung=0
		was_wanted=$wanted was_said=$said was_beats=$beats
		if [ $hung -ge $watch_hung ]; then
			why=hung
		elif [ $quiet -ge $watch_quiet ]; then
			why=quiet
		elif [ "$ran" -ge $((timeout * 1000)) ]; then
			why=late
		fi
	done
	echo $why >"$logs/killed"
	kill -KILL "$emulator" || rm "$logs/killed"	# it has just ended
}

emulator='' watcher=''
stop_emulator() {
	[ -z "$emulator$watcher" ] || kill -KILL $emulator $watcher || true
	wait || true
	emulator='' watcher=''
} 2>/dev/null
trap stop_emulator EXIT
trap 'exit 130' INT TERM

boot_once() {
	local status=0
	: >"$logs/console.log"
	: >"$logs/out.log"
	: >"$logs/heart.log"
	rm -f "$logs/killed"
	boot "$@" </dev/null >"$logs/emulator.log" 2>&1 &
	emulator=$!
	watch </dev/null >/dev/null 2>&1 &
	watcher=$!
	disown	# its end is nothing to be told of
	wait $emulator 2>/dev/null || status=$?
	emulator=''	# its number may be another's now
	stop_emulator
	sed -i 's/\r*$//' "$logs/console.log" "$logs/out.log"
	return $status
}

# boot_attended ARGUMENT-OF-BOOT...: boot() has put ttyS1 on this terminal, too, and
# somebody sits there. End with the verdict as exit status.
boot_attended() {
	local status=0
	: >"$logs/console.log"
	: >"$logs/out.log"
	(boot "$@") 2>"$logs/emulator.log" || status=$?
	sed -i 's/\r*$//' "$logs/console.log" "$logs/out.log"
	judge $status
}

killed_as() { [ "$(cat "$logs/killed" 2>/dev/null)" = "$1" ]; }

# boot_judged ARGUMENT-OF-BOOT...: print the directory with the logs, and end with
# the verdict as exit status. An emulator that hangs is started again, once; the file
# $logs/restarted says so.
boot_judged() {
	local status=0
	rm -f "$logs/restarted"
	boot_once "$@" || status=$?
	if killed_as hung; then
		log "$name: the emulator hung, and is started again; the VM's last lines:"
		tail -qn 5 "$logs/console.log" "$logs/out.log" >&2
		echo "$name: the emulator hung" >"$logs/restarted"
		status=0
		boot_once "$@" || status=$?
	fi

	echo "$logs"
	reached_init || log "$name: no kernel log"
	case $(cat "$logs/killed" 2>/dev/null) in
	hung) log "$name: the emulator hung, twice" ;;
	quiet) log "$name: the VM waits and says nothing, for $watch_quiet s" ;;
	late) log "$name: no end after $timeout s of CPU time" ;;
	esac
	[ ! -e "$logs/killed" ] || exit 124
	judge $status
}

# judge STATUS-OF-EMULATOR: the kernel log, and the token.
judge() {
	reached_init || exit 1
	if awk -f "$KTDP_TOP/scripts/kernel-log.awk" "$logs/console.log" |
		grep -n -F -f "$KTDP_TOP/scripts/kernel-log-bad" >"$logs/bad.log"; then
		log "$name: the kernel log has:"
		head -n 20 "$logs/bad.log" >&2
		exit 1
	fi
	if ! grep -qx "KTDP-VM-DONE $nonce" "$logs/out.log"; then
		log "$name: ended without its token (emulator exit $1)"
		exit 1
	fi
}
