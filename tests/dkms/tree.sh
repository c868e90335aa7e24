# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# For tests/dkms/suite: the tree, and what can be asked of it. $tree is where it is,
# $log where everything goes that is said in it.

tests=0 failed=0
# check WHAT COMMAND...: a command that ends at its first mistake. In the background,
# for only there does a function do so in a condition.
check() {
	local what=$1 start
	shift
	tests=$((tests + 1))
	start=$(wc -c <"$log")
	echo "== $tests $what" >>"$log"
	(set -e; "$@") >>"$log" 2>&1 &
	if wait $!; then
		echo "ok $tests - $what"
		return
	fi
	failed=1
	echo "not ok $tests - $what"
	tail -c "+$((start + 1))" "$log" | tail -n 40 | sed 's/^/# /'
}

# check_error WHAT TEXT COMMAND...: one that has to fail, and to say TEXT.
check_error() { check "$1" says_error "${@:2}"; }
says_error() {
	local said status=0
	said=$("${@:2}" 2>&1) || status=$?
	echo "$said"
	[ $status != 0 ] || { echo "no error"; return 1; }
	grep -qF -- "$1" <<<"$said" || { echo "not said: $1"; return 1; }
}

is() { [ "$1" = "$2" ] || { printf 'is: %s\nis not: %s\n' "$1" "$2"; return 1; }; }
is_empty() { is "$1" ""; }

in_tree() {
	run_in "$tree" env KTDP_CACHE=/root/cache HOME=/root LC_ALL=C \
		DEBIAN_FRONTEND=noninteractive "$@"
}

# What is installed in this test is in apt's cache; its initramfs is made by us.
in_apt() { in_tree env INITRD=No apt-get -q -y -o Dpkg::Use-Pty=0 --no-install-recommends "$@"; }

# make_tree BASE: an overlay, or a copy where there can be none.
make_tree() {
	mkdir -p "$tree" "$tree.upper" "$tree.work"
	mount -t overlay ktdp "$tree" \
		-o "lowerdir=$1,upperdir=$tree.upper,workdir=$tree.work" ||
		cp -a "$1/." "$tree/"
}
remove_tree() {
	! mountpoint -q "$tree" || umount "$tree"
	rm -rf "$tree" "$tree.upper" "$tree.work"
}

# The tree of these sources, without products, as /src.
copy_in() { copy_tree "$tree/src" --exclude=.git .; }
in_src() { in_tree env -C /src "$@"; }

# Kernel modules of ours there are for a kernel.
modules_of() {
	(cd "$tree/usr/lib/modules" && find "$1" -name 'kvm_tdp*.ko*' | LC_ALL=C sort)
}
dkms_status() { in_tree dkms status -m kvm_tdp "$@"; }

field() { in_tree modinfo -F "$1" "/lib/modules/$2"; }

# has_modules RELEASE VERSION: all, built for the kernel, by DKMS, which knows of no
# other version.
has_modules() {
	local release=$1 version=$2 path
	is "$(dkms_status -k "$release")" "kvm_tdp/$version, $release, x86_64: installed"
	is "$(modules_of "$release" | sed 's/\.xz$//' | tr '\n' ' ')" \
		"$(printf "$release/updates/dkms/%s.ko " kvm_tdp kvm_tdp_dma kvm_tdp_iommu kvm_tdp_mem kvm_tdp_vfio)"
	for path in $(modules_of "$release"); do
		[[ $(field vermagic "$path") = "$release "* ]]
	done
	path=$(modules_of "$release" | grep '/kvm_tdp\.ko')
	is "$(field version "$path")" "$version"
}
has_no_modules() {
	is_empty "$(modules_of "$1")"
	is_empty "$(dkms_status -k "$1" | sed '/: added$/d')"
}


# No file has a name of ours, but for those of this test.
has_no_traces() {
	is_empty "$(cd "$tree" && find . -xdev \( -path ./src -o -path ./root/cache \
		-o -path ./debs -o -path ./vm -o -path ./importer \) -prune \
		-o -iname '*kvm[-_]tdp*' -print)"
}
