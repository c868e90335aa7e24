#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Seed each bug of mutants.list in a copy of the sources: the test named there,
# which passes without, has to fail.  TAP on stdout.  Arguments: names of mutants, default all.
#
# Environment: SRC, O (both as in the Makefile), OPS, SEED; DIR: where list and Makefile are.

set -euo pipefail
cd "${DIR:-$(dirname "$0")}"

SRC=$(realpath "${SRC:-../../src/table}")
O=${O:?where to build}
export SRC
export OPS=${OPS:-200000}

ran=0
failed=0

report() {
	local good=$1 name=$2 why=$3

	ran=$((ran + 1))
	if [ "$good" = yes ]; then
		echo "ok $ran - $name: $why"
	else
		failed=$((failed + 1))
		echo "not ok $ran - $name: $why"
	fi
}

# Without sanitizers: what the tests check themselves has to do.
build() {
	make -s --no-print-directory CC="${CC:-gcc}" SANITIZE= "$@"
}

# Print the first complaint of a test that failed, or what it died of.
complaint() {
	local log=$1 status=$2

	# Of timeout(1), of SIGXCPU.
	if [ "$status" = 124 ] || [ "$status" = 152 ]; then
		echo "endless"
	else
		{ grep -m1 '^not ok' "$log" || echo "status $status"; } |
			sed 's/^not ok [0-9]* - //' | cut -c1-100
	fi
}

# The shell's word about a crash goes to the log as well. A minute of CPU time is endless,
# or an hour without.
run_test() {
	{ (ulimit -t 60 && exec timeout 3600 "$1"); } >"$2" 2>&1
}

# A test that fails as it is would notice every mutant.
unchanged() {
	local test=$1 dir=$O/unchanged

	if build O="$dir" "$dir/$test" && run_test "$dir/$test" "$dir/log"; then
		report yes "unchanged" "$test passes"
	else
		report no "unchanged" "$test fails, see $dir/log"
	fi
}

mutant() {
	local name=$1 test=$2 file=$3 program=$4
	local dir=$O/$name status=0

	rm -rf "$dir"
	mkdir -p "$dir/src"
	cp "$SRC"/*.[ch] "$dir/src"
	sed -i -e "$program" "$dir/src/$file"
	if cmp -s "$SRC/$file" "$dir/src/$file"; then
		report no "$name" "the line changes nothing"
		return
	fi
	if ! build SRC="$dir/src" O="$dir" WARN=-w "$dir/$test" >"$dir/log" 2>&1; then
		report no "$name" "does not build, see $dir/log"
		return
	fi
	run_test "$dir/$test" "$dir/log" || status=$?
	if [ "$status" = 0 ]; then
		report no "$name" "not noticed by $test"
		return
	fi
	if [ "$status" = 126 ] || [ "$status" = 127 ]; then
		report no "$name" "$test cannot be run"
		return
	fi
	report yes "$name" "$(complaint "$dir/log" "$status")"
	rm -rf "$dir"
}

trim() {
	sed 's/^[[:space:]]*//; s/[[:space:]]*$//' <<<"$1"
}

wanted() {
	local name=$1 word

	shift
	[ $# -eq 0 ] && return
	for word; do
		[ "$word" = "$name" ] && return
	done
	return 1
}

while read -r test; do
	unchanged "$test"
done < <(sed -n 's/^[a-z].*| \(test_[a-z]*\) .*/\1/p' mutants.list | sort -u)
while IFS='|' read -r name test file program; do
	name=$(trim "$name")
	case $name in ''|'#'*) continue ;; esac
	wanted "$name" "$@" || continue
	mutant "$name" "$(trim "$test")" "$(trim "$file")" "$(trim "$program")"
done <mutants.list

echo "1..$ran"
[ "$ran" -gt 0 ] && [ "$failed" -eq 0 ]
