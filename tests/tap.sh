# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# For tests in bash, sourced: they print TAP. What the last command said is in $tmp/log.
# shellcheck disable=SC2154 # tmp is theirs

tests=0 failed=0

# check WHAT COMMAND...: passes where the command does.
check() {
	tests=$((tests + 1))
	if "${@:2}"; then
		echo "ok $tests - $1"
		return
	fi
	echo "not ok $tests - $1"
	[ ! -e "$tmp/log" ] || tail -n 40 "$tmp/log" | sed 's/^/# /'
	failed=1
}

run() { "$@" >"$tmp/log" 2>&1; }

# strictly COMMAND...: it ends at its first mistake. In the background, for only there does
# a function do so in a condition.
strictly() {
	(set -e; run "$@") &
	wait $!
}

# done_testing: the plan, and the end.
done_testing() {
	echo "1..$tests"
	exit $failed
}
