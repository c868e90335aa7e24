# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# For check-headers and check-record: what the headers in $include have.

headers=(linux/kvm_tdp.h linux/kvm_tdp_dma.h linux/kvm_tdp_vfio.h linux/kvm_tdp_mem.h)
CC=${CC:-gcc}
CXX=${CXX:-g++}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# A 64-bit compiler knows no directory of its own for the headers of -m32, but
# those of the kernel are the same for both. No C library is needed.
m32=(-m32 -ffreestanding -isystem "/usr/include/$($CC -print-multiarch)")

ran=0 failed=0

# try WHAT COMMAND...: one test; the command's output is a diagnostic.
try() {
	local what=$1
	shift
	ran=$((ran + 1))
	if "$@" >"$tmp/log" 2>&1; then
		echo "ok $ran - $what"
	else
		failed=$((failed + 1))
		echo "not ok $ran - $what"
		sed 's/^/# /' "$tmp/log"
	fi
}

includes() { printf '#include <%s>\n' "$@"; }

# compile LANGUAGE FLAG... <SOURCE
compile() {
	local language=$1
	shift
	if [ "$language" = c++ ]; then
		"$CXX" -x c++ -Wall -Wextra -Werror -I "$include" "$@" -
	else
		"$CC" -x c -Wall -Wextra -Werror -I "$include" "$@" -
	fi
}

struct_names() {
	(cd "$include" && sed -n 's/^struct \([a-z0-9_]*\) {$/\1/p' "${headers[@]}")
}

# members FLAG...: "struct member offset size type" of all structs, from the debug
# information; the line of the struct itself has the member "-", and no type.
members() {
	{
		includes "${headers[@]}"
		struct_names | sed 's/.*/struct & var_&;/'
	} | compile c -g -c -o "$tmp/object.o" "$@" || return
	pahole -C "$(struct_names | paste -sd ,)" "$tmp/object.o" | awk '
		/^struct .* \{$/ { name = $2 }
		/;.*\/\* +[0-9]+ +[0-9]+ \*\/$/ {
			offset = $(NF - 2); bytes = $(NF - 1); type = $1
			sub(/ *(__attribute__.*)?;.*/, "")
			member = $NF
			if (match(member, /\[/)) {
				type = type substr(member, RSTART)
				member = substr(member, 1, RSTART - 1)
			}
			print name, member, offset, bytes, type
		}
		/\/\* size: / { sub(/,/, "", $3); print name, "-", 0, $3 }'
}

# Names that the headers define, without their guards.
defined_names() {
	(cd "$include" && sed -n 's/^#define[ \t]\{1,\}\([A-Z0-9_]\{1,\}\)[ \t]..*/\1/p' "${headers[@]}") | sort
}
