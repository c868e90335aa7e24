# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# For tests/dkms/suite: what happens to a machine, step by step. $old and $new are its
# kernels, $version is that of the modules.

mok=/var/lib/dkms/mok.pub

# As README has it; $tree/debs says where they are. Those for programs are with them.
build_packages() {
	local dir
	in_src make -s deb >"$tree/debs"
	dir=$(dirname "$(head -n 1 "$tree/debs")")
	(cd "$tree" && ls ."$dir"/{libkvm-tdp{0.2,-dev},python3-kvm-tdp}_*.deb | sed 's/^\.//') >"$tree/lib-debs"
}
# shellcheck disable=SC2046 # paths
install_packages() { in_apt install $(<"$tree/debs") $(<"$tree/lib-debs"); }

# Which version of Debian's policy it is held against, is that of one release.
packages_build() {
	check "the packages are built" build_packages
	check "lintian has nothing to say" \
		in_tree sh -c 'lintian -I --allow-root --fail-on error,warning,info \
			--suppress-tags out-of-date-standards-version,newer-standards-version \
			"$(dirname "$(head -n 1 /debs)")"/*.changes'
}

has_files() {
	local file
	for file in bin/kvm-tdp lib/udev/rules.d/60-kvm_tdp.rules \
		share/man/man8/kvm-tdp.8.gz share/bash-completion/completions/kvm-tdp; do
		[ -f "$tree/usr/$file" ]
	done
	is "$(grep -c '^[^#]' "$tree/etc/modules-load.d/kvm_tdp.conf")" 0
}

# signed_with CERTIFICATE RELEASE: with the key of which docs/SECURE-BOOT.md wants that enrolled.
signed_with() {
	local path key
	key=$(in_tree openssl x509 -inform DER -in "$1" -noout -serial)
	is "$(modules_of "$2" | wc -l)" 5
	for path in $(modules_of "$2"); do
		is "serial=$(field sig_key "$path" | tr -d :)" "$key"
		[ -n "$(field signer "$path")" ]
	done
}

# As README has it.
build_importer() {
	local installed=/var/lib/dkms/kvm_tdp/kernel-$1-x86_64
	rm -rf "$tree/importer"
	cp -r "$tree/src/examples/importer" "$tree/"
	in_tree make -C "/lib/modules/$1/build" M=/importer \
		KBUILD_EXTRA_SYMBOLS="$installed/module/Module.symvers"
	is "$(in_tree modinfo -F depends /importer/ktdp_peek.ko)" kvm_tdp
}
has_changes() {
	in_tree zcat /usr/share/doc/kvm-tdp/changelog.gz >"$tree/changelog"
	grep -qF "$(sed -n '/^## /{n;n;s/^- //p;q}' "$tree/src/CHANGELOG.md" | cut -c 1-40 | tr -d '`')" "$tree/changelog"
}
# As Debian's machines do it.
package_tests() {
	in_tree sh -c 'cd "$(dirname "$(head -n 1 /debs)")" &&
		autopkgtest --no-built-binaries --output-dir=/root/cache/autopkgtest ./*.deb ./*.dsc -- null'
	is "$(sed 's/ .*//' "$tree/root/cache/autopkgtest/summary" | LC_ALL=C sort | tr '\n' ' ')" "dkms library program python "
	is_empty "$(grep -v ' PASS$' "$tree/root/cache/autopkgtest/summary")"
}
build_with_library() { in_tree cc -Wall -Werror -o /importer/peek /importer/main.c -lkvm_tdp; }

# By its own dkms.conf.
dkms_builds_importer() {
	cp -r "$tree/src/examples/importer" "$tree/usr/src/ktdp_peek-1.0"
	in_tree dkms build ktdp_peek/1.0 -k "$1"
	in_tree dkms remove ktdp_peek/1.0 --all
	rm -rf "$tree/usr/src/ktdp_peek-1.0"
}

packages_install() {
	check "apt installs the packages" install_packages
	check "the modules are there" has_modules "$old" "$version"
	check "they are signed with the key of DKMS" signed_with $mok "$old"
	check "what else belongs to the packages is there" has_files
	check "an importer is built with what is installed" build_importer "$old"
	check "a program is built with the library" build_with_library
	check "the changelog has what changed" has_changes
	check "autopkgtest passes" package_tests
	check "DKMS builds it after the modules" dkms_builds_importer "$old"
	check_error "make dkms-install leaves the package's files alone" \
		"apt remove kvm-tdp-dkms" in_src make dkms-install
}

kernel_upgrade() {
	# shellcheck disable=SC2046 # arguments
	check "apt upgrades the kernel" in_apt install $(<"$tree/ktdp/new")
	check "the modules are there for the new kernel" has_modules "$new" "$version"
	check "they are signed with the key of DKMS" signed_with $mok "$new"
	check "those of the old kernel still are" has_modules "$old" "$version"
	check "an importer is built for the new kernel" build_importer "$new" "$version"
}

# Modules as they are installed: mkinitramfs would strip the signature.
unpack_modules() {
	local path
	mkdir -p "$tree/vm"
	for path in $(modules_of "$new"); do
		cp "$tree/usr/lib/modules/$path" "$tree/vm/"
	done
	[ ! -e "$tree/vm/kvm_tdp.ko.xz" ] || xz -d "$tree"/vm/*.xz
	in_tree modinfo -F srcversion /vm/kvm_tdp.ko >"$tree/vm/srcversion"
}

make_image() {
	local modules=/lib/modules/$new
	unpack_modules
	ln -s ../usr/lib "$tree/vm/lib"
	echo "$new" >"$tree/vm/release"
	cp "$tree/boot/vmlinuz-$new" "$tree/vm/vmlinuz" ||
		cp "$tree/usr$modules/vmlinuz" "$tree/vm/vmlinuz"
	ln -s "../usr/src/linux-headers-$new" "$tree/vm/build"
	in_src make -s -C tests/vm O=/vm/tests /vm/tests/test_guest /vm/tests/test_example
	in_src make -s -C tests/heart O=/vm/heart
	in_src scripts/mkinitramfs -o /vm/initramfs -k /vm -i tests/vm/init \
		-f scripts/kernel-log-bad:etc/kernel-log-bad \
		-f scripts/kernel-log.awk:etc/kernel-log.awk \
		-f /vm/srcversion:etc/srcversion -f tests/dkms/in-vm:tests/in-vm \
		-f "/vm/kvm_tdp.ko:$modules/kvm_tdp.ko" \
		-f "/vm/kvm_tdp_mem.ko:$modules/kvm_tdp_mem.ko" \
		-f "/vm/kvm_tdp_dma.ko:$modules/kvm_tdp_dma.ko" \
		-m kvm-amd -m kvm_tdp -m kvm_tdp_mem -m kvm_tdp_dma -m /importer/ktdp_peek.ko \
		-b /usr/bin/kvm-tdp -b /vm/tests/test_guest:tests/test_guest -b /vm/heart/heart \
		-b /vm/tests/test_example:tests/test_example
}

# Its own tests are too many to be told here.
boot() {
	scripts/vm-test --kernel "$tree/vm" --initrd "$tree/vm/initramfs" --name "dkms-$suite" \
		--append ktdp.mod=ktdp_peek in-vm test_guest test_example
}

kernel_boot() {
	echo "$new" >"$tree/ktdp/booted"
	check "there is something to boot" make_image
	check "modules, doctor, importer and a guest work in a VM" boot
	sed -n 's/^note: started again: /# &/p' "$log"
}

# kernel_package RELEASE: a package with nothing but what the modules would be built
# against, which does what those of Debian do when they come and go.
kernel_package() {
	local release=$1 dir=$tree/fake/$1
	rm -rf "$dir"
	mkdir -p "$dir"/{DEBIAN,usr/src,usr/lib/modules/"$release"}
	cp -a "$tree/usr/src/linux-headers-$new" "$dir/usr/src/linux-headers-$release"
	grep -rlIF -- "$new" "$dir/usr/src" | xargs sed -i "s/${new//./[.]}/$release/g"
	ln -s "/usr/src/linux-headers-$release" "$dir/usr/lib/modules/$release/build"
	cat >"$dir/DEBIAN/control" <<-END
		Package: linux-image-$release
		Version: 1
		Architecture: amd64
		Maintainer: nobody
		Description: pretends to be a kernel
	END
	local hook
	for hook in postinst prerm; do
		cat >"$dir/DEBIAN/$hook" <<-END
			#!/bin/sh
			exec run-parts --report --exit-on-error --arg=$release \\
				--arg=/boot/vmlinuz-$release /etc/kernel/$hook.d
		END
		chmod 755 "$dir/DEBIAN/$hook"
	done
}

install_kernel_package() {
	in_tree dpkg-deb -b "/fake/$1" "/fake/$1.deb"
	in_apt install "/fake/$1.deb"
}

# try_kernel RELEASE [CONFIG]: a kernel of that release, without CONFIG.
try_kernel() {
	kernel_package "$1"
	[ -z "${2:-}" ] || sed -i "/^$2=/d" \
		"$tree/fake/$1/usr/src/linux-headers-$1"/{.config,include/config/auto.conf}
	install_kernel_package "$1"
}

kernels_not_for_us() {
	local good=${new%%-*}-ktdp
	check "apt installs a kernel that is too new" try_kernel 99.1.0-ktdp
	check "there are no modules for it" has_no_modules 99.1.0-ktdp
	check "apt installs a kernel without CONFIG_HMM_MIRROR" \
		try_kernel "${good}1" CONFIG_HMM_MIRROR
	check "there are no modules for it" has_no_modules "${good}1"
	check "apt installs the same kernel with it" try_kernel "${good}2"
	check "the modules are there for that" has_modules "${good}2" "$version"
	check "apt removes the kernels" in_apt purge linux-image-{99.1.0-ktdp,"${good}1","${good}2"}
	check "their modules are gone" has_no_modules "${good}2"
}

remove_old() { in_apt purge "linux-image-$old" "linux-headers-$old"; }

kernel_removal() {
	check "apt removes the old kernel" remove_old
	check "its modules are gone" has_no_modules "$old"
	check "those of the new kernel are there" has_modules "$new" "$version"
}

set_conf() { sed -i "s/^$1=.*/$1=\"$2\"/" "$tree/src/dkms.conf"; }

# upgrade_to VERSION
upgrade_to() {
	set_conf PACKAGE_VERSION "$1"
	build_packages
	install_packages
}
is_only_version() {
	is "$(cd "$tree" && echo usr/src/kvm_tdp-*)" "usr/src/kvm_tdp-$1"
	is "$(cd "$tree/var/lib/dkms/kvm_tdp" && echo [0-9]*)" "$1"
}

package_upgrade() {
	set_conf BUILD_EXCLUSIVE_KERNEL '^5[.]'
	check "apt upgrades the packages to what is for other kernels" upgrade_to "$version.1"
	check "there are no modules" has_no_modules "$new"
	check "nothing is left of the old version" is_only_version "$version.1"
	cp "$KTDP_TOP/dkms.conf" "$tree/src/"
	check "apt upgrades the packages" upgrade_to "$version.2"
	check "the modules are of the new version" has_modules "$new" "$version.2"
	check "nothing is left of the old version" is_only_version "$version.2"
}

package_purge() {
	check "apt removes the packages" in_apt remove {,python3-}kvm-tdp kvm-tdp-dkms libkvm-tdp{0.2,-dev}
	check "there are no modules" has_no_modules "$new"
	check "apt purges the packages" in_apt purge kvm-tdp kvm-tdp-dkms
	check "nothing is left of them" has_no_traces
}

# Without dkms, and without headers.
sources_refuse() {
	check_error "make dkms-install without dkms says so" "apt install dkms" \
		in_src make dkms-install
}

sources_install() {
	check_error "make dkms-install for a kernel without headers says so" \
		"apt install linux-headers-6.1.0-none" in_src make dkms-install KERNELVER=6.1.0-none
	check "nothing is left of that" has_no_traces
	check "make dkms-install" in_src make dkms-install
	check "the modules are there" has_modules "$new" "$version.2"
	check "an importer is built with what is installed" build_importer "$new"
	set_conf PACKAGE_VERSION "$version"
	check "make dkms-install of another version" in_src make dkms-install KERNELVER="$new"
	check "the modules are of that version" has_modules "$new" "$version"
	check "nothing is left of the first version" is_only_version "$version"
	check "make dkms-install again" in_src make dkms-install
	check "the modules are there" has_modules "$new" "$version"
	check "make dkms-uninstall for a kernel" in_src make dkms-uninstall KERNELVER="$new"
	check "there are no modules" has_no_modules "$new"
	check "make dkms-uninstall" in_src make dkms-uninstall
	check "nothing is left" has_no_traces
	check "make dkms-uninstall again" in_src make dkms-uninstall
}

# documented N: the Nth piece of code in what the docs have on Secure Boot.
documented() {
	awk -v n="$1" '
		/^    / && !code { block++ }
		{ code = /^    / || (code && /^$/) }
		code && block == n { print substr($0, 5) }' "$KTDP_TOP/docs/SECURE-BOOT.md"
}

# What is said there, where there is no firmware to ask for a password; tools that ask
# the kernel for its release are told.
by_hand() {
	{
		cat <<-'END'
			set -ex
			mokutil() { [ "$1" = --import ] && openssl x509 -inform DER -in "$2" -noout; }
			depmod() { command depmod "$(uname -r)"; }
			modinfo() { command modinfo -k "$(uname -r)" "$@"; }
			cd /src
		END
		documented 2
	} >"$tree/by-hand"
	is "$(in_tree bash /by-hand | tail -n 1)" kvm_tdp
}

le32() {
	local byte
	for byte in 0 8 16 24; do
		printf "\\x$(printf %02x $(($1 >> byte & 255)))"
	done
}

# is_enrolled CERTIFICATE: so mokutil says, if firmware has it: here, a file with
# attributes, and a list of one signature of type X.509, the owner of which is nobody.
is_enrolled() {
	local size
	size=$(stat -c %s "$tree$1")
	mkdir -p "$tree/efi"
	{
		le32 6
		printf '\xa1\x59\xc0\xa5\xe4\x94\xa7\x4a\x87\xb5\xab\x15\x5c\x2b\xf0\x72'
		le32 $((28 + 16 + size))
		le32 0
		le32 $((16 + size))
		head -c 16 /dev/zero
		cat "$tree$1"
	} >"$tree/efi/MokListRT-605dab50-e046-4300-abb6-3dd810dd8b23"
	is "$(in_tree env EFIVARFS_PATH=/efi/ mokutil --test-key "$1")" "$1 is already enrolled"
}

undo_by_hand() {
	in_src make uninstall
	has_no_traces
}

secure_boot() {
	check "the documented way to sign by hand" by_hand
	check "the modules are signed with that key" signed_with /root/mok.pub "$new"
	check "mokutil finds that of DKMS enrolled" is_enrolled $mok
	check "mokutil finds that key enrolled" is_enrolled /root/mok.pub
	check "make uninstall leaves nothing" undo_by_hand
}
