# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# examples/importer as the author of a driver has it, outside of the tree. Sourced after
# lib.sh.

# build_outside KERNEL-DIR DIR: DIR/ktdp_own.ko, as scripts/README.md says.
build_outside() {
	local tree
	tree=$("$KTDP_TOP/scripts/modules" "$1")
	mkdir -p "$2"
	cp "$KTDP_TOP"/examples/importer/peek.[ch] "$2/"
	sed 's/ktdp_peek/ktdp_own/' "$KTDP_TOP/examples/importer/Kbuild" >"$2/Kbuild"
	(
		take_lock "modules-$(<"$1/release")" "$KTDP_BUILD"
		make -C "$1/build" M="$2" KTDP="$tree" KBUILD_EXTRA_SYMBOLS="$tree/Module.symvers" modules
	)
}
