#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# usage: facts.sh OUT.h FACT.c... -- COMPILER ARGUMENT...
#
# Find out about a kernel by compiling. A FACT.c that compiles becomes a macro
# KTDP_HAS_FACT; one that does not has to compile with -DKTDP_OTHERWISE. What its
# second line says is told to whom that fails.
set -e

out=$1
shift
facts=''
while [ "$1" != -- ]; do
	facts="$facts $1"
	shift
done
shift
trap 'rm -f "$out.tmp" "$out.log"' EXIT

: >"$out.tmp"
for fact in $facts; do
	name=$(basename "$fact" .c | tr '[:lower:]' '[:upper:]')
	if "$@" -S -o /dev/null "$fact" 2>"$out.log"; then
		echo "#define KTDP_HAS_$name 1" >>"$out.tmp"
	elif ! "$@" -DKTDP_OTHERWISE -S -o /dev/null "$fact" 2>>"$out.log"; then
		grep error "$out.log" >&2 || cat "$out.log" >&2
		echo "kvm_tdp cannot be built for this kernel, of which has to be true:" \
			"$(sed -n '2s/^\/\* \(.*\) \*\/$/\1/p' "$fact")" >&2
		exit 1
	fi
done
mv "$out.tmp" "$out"
