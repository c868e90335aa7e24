# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
# Shared by the demos' inits, PID 1 of the machine that they take place in. Everything
# there is done from outside the VM: to the programs it is a process with a /dev/kvm fd.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
echo KTDP-INIT >/dev/console
exec </dev/null >/dev/ttyS1 2>&1
stty -F /dev/ttyS1 raw

# Of the guest, for pageout.
# shellcheck disable=SC2034
ram=$((256 << 20))

finish() {
	usleep 200000
	poweroff -f
}

fail() {
	echo "demo: $*"
	[ ! -s /tmp/guest.log ] || { echo "the guest's console:"; tail -n 20 /tmp/guest.log; }
	[ ! -s /tmp/qemu.log ] || { echo "its QEMU:"; tail -n 20 /tmp/qemu.log; }
	echo "the kernel log:"
	dmesg | tail -n 20
	finish
}

step() { printf '\n== %s\n' "$*"; }

# Show what is run, and stop where it fails.
do_it() {
	echo "\$ $*" >&2
	"$@" || fail "'$*' failed"
}

# wait_guest PATTERN: the guest has printed a line like that. What it waits for in vain
# is ended from outside (scripts/boot.sh): the clock in here runs on while the emulator
# does not.
wait_guest() {
	while ! grep -q "$1" /tmp/guest.log 2>/dev/null; do
		kill -0 "$qemu" 2>/dev/null || fail "QEMU has ended"
		usleep 200000
	done
	echo "guest> $(grep "$1" /tmp/guest.log | tail -n 1 | tr -d '\r')"
}

begin() {
	step "the host: $(uname -sr), $(grep -c ^processor /proc/cpuinfo) CPU, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)"
	do_it heart >/dev/null
	do_it modprobe kvm-amd
	do_it modprobe kvm_tdp
	do_it modprobe kvm_tdp_mem
	do_it modprobe kvm_tdp_dma
	echo "nested paging: $(cat /sys/module/kvm_amd/parameters/npt)"

	step "swap, for the host to page guest memory out to"
	do_it modprobe lzo-rle
	do_it modprobe zram
	echo 64M >/sys/block/zram0/disksize || fail "no zram"
	mkswap /dev/zram0 >/dev/null || fail "mkswap failed"
	do_it swapon /dev/zram0
}

# start_guest TAG: a Linux whose mailbox has that tag; the guest is handed it back to
# front, so that it is nowhere else in its memory.
start_guest() {
	step "stock QEMU starts a Linux guest with KVM"
	qemu-system-x86_64 --version | head -n 1
	qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none \
		-M microvm -accel kvm -cpu host -m 256 \
		-kernel /guest/vmlinuz -initrd /guest/initrd \
		-append "console=ttyS0 quiet panic=-1 mitigations=off demo.tag=$(echo "$1" | rev)" \
		-serial file:/tmp/guest.log >/tmp/qemu.log 2>&1 &
	qemu=$!
	wait_guest '^Linux version'
	wait_guest '^mailbox: waiting'
}

# find_mailbox TAG: $page is its guest physical address.
find_mailbox() {
	do_it kvm-tdp find --pid "$qemu" --length 256M "$1" | tee /tmp/find
	page=$(grep -c '^0x' /tmp/find)
	[ "$page" = 1 ] || fail "the tag is in $page places instead of one"
	page=$(grep '^0x' /tmp/find)
	[ $((page & 4095)) = 0 ] || fail "the mailbox at $page is not a page"
}

# end MODULE...: to unload.
end() {
	step "kill the VM, unload the modules"
	kill -9 "$qemu"
	wait "$qemu" 2>/dev/null
	kill "$keeper"
	wait "$keeper" 2>/dev/null
	do_it rmmod "$@"
	if dmesg | awk -f /etc/kernel-log.awk | grep -F -f /etc/kernel-log-bad; then
		fail "the kernel log is not clean"
	fi
	echo
	echo "KTDP-VM-DONE $(tr ' ' '\n' </proc/cmdline | sed -n 's/^ktdp\.nonce=//p')"
	finish
}
