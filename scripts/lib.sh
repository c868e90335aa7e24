# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Shared by the scripts in this directory; sourced, never run.

KTDP_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
KTDP_CACHE=${KTDP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kvm_tdp}
# Products of one tree; several trees may share the cache.
KTDP_BUILD=$KTDP_CACHE/build/$(printf %s "$KTDP_TOP" | cksum | cut -d ' ' -f 1)
export KTDP_TOP KTDP_CACHE KTDP_BUILD
mkdir -p "$KTDP_BUILD"

log() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { log "$*"; exit 1; }

# take_lock NAME: one process at a time until this shell exits.
take_lock() {
	exec {KTDP_LOCK_FD}>"$KTDP_CACHE/$1.lock"
	flock "$KTDP_LOCK_FD"
}

# quietly COMMAND...: its output only if it fails.
quietly() {
	local out
	out=$(mktemp)
	if "$@" >"$out" 2>&1; then
		rm -f "$out"
		return 0
	fi
	cat "$out" >&2
	rm -f "$out"
	return 1
}

apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 \
		-o APT::Sandbox::User=root "$@" </dev/null
}

apt_update() {
	[ "$(id -u)" = 0 ] || die "the apt lists are missing or stale, and only root can update them"
	log "updating the apt lists"
	quietly apt_get update
}

apt_knows() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

# apt_lists PKG: the apt lists are there and know PKG.
apt_lists() { apt_knows "$1" || { apt_update && apt_knows "$1"; } || die "apt knows no package $1"; }

# with_fresh_lists COMMAND...: a mirror drops superseded packages, so a failure
# is first blamed on stale lists.
with_fresh_lists() {
	quietly "$@" && return
	apt_update && quietly "$@" && return
	sleep 10
	apt_update && quietly "$@"
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# apt_install PKG...: install what is missing.
apt_install() {
	local missing=() pkg
	for pkg; do
		is_installed "$pkg" || missing+=("$pkg")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" = 0 ] || die "please install, as root: ${missing[*]}"
	log "installing ${missing[*]}"
	apt_lists "${missing[0]}"
	with_fresh_lists apt_get install --no-install-recommends "${missing[@]}" ||
		die "cannot install ${missing[*]}"
}

apt_download() (cd "$1" && shift && apt_get download "$@")

# deb_field PKG FIELD: a field of the version apt would install.
deb_field() {
	apt_lists "$1"
	apt-cache show --no-all-versions "$1" | sed -n "s/^$2: //p;" | head -n 1
}

# deb_depends PKG REGEX: the first dependency of PKG whose name matches.
deb_depends() {
	deb_field "$1" Depends | tr , '\n' | sed 's/^ *//; s/ .*//' | grep -Ex -m 1 "$2" ||
		die "package $1 depends on nothing like $2"
}

# deb_fetch DIR PKG...: the .deb files of the packages, into an empty directory.
deb_fetch() {
	local dir=$1
	shift
	log "fetching $*"
	with_fresh_lists apt_download "$dir" "$@" || die "cannot download $*"
}

# copy_sources DIR: what the modules are built from, without products; files
# keep their times, so that building in DIR again does only what is needed.
copy_sources() {
	mkdir -p "$1"
	tar -C "$KTDP_TOP" -c --exclude='*.o' --exclude='*.ko' --exclude='*.mod' \
		--exclude='*.mod.c' --exclude='.*.cmd' --exclude='.*.d' \
		Makefile Kbuild dkms.conf include src tests/kmod | tar -C "$1" -x
}

# For mkinitramfs: stock QEMU, with what -M microvm -kernel needs.
KTDP_QEMU_FILES=(
	-b /usr/bin/qemu-system-x86_64:usr/bin/qemu-system-x86_64
	-f /usr/share/seabios/bios-microvm.bin
	-f /usr/share/qemu/linuxboot_dma.bin
)
