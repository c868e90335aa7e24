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

# take_lock NAME [DIR]: one process at a time until this shell exits; of those that
# share the cache, or DIR.
take_lock() {
	exec {KTDP_LOCK_FD}>"${2:-$KTDP_CACHE}/$1.lock"
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

# What apt is to take packages from: apt_use; by default what this machine does.
KTDP_APT=()

apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 \
		-o APT::Sandbox::User=root ${KTDP_APT[@]+"${KTDP_APT[@]}"} "$@" </dev/null
}

# Images for containers have apt keep no index, which then takes a second each time.
apt_cache() {
	local keep=()
	if [ ${#KTDP_APT[@]} = 0 ]; then
		mkdir -p "$KTDP_CACHE/apt"
		keep=(-o "Dir::Cache::pkgcache=$KTDP_CACHE/apt/pkgcache.bin"
			-o "Dir::Cache::srcpkgcache=$KTDP_CACHE/apt/srcpkgcache.bin")
	fi
	apt-cache ${KTDP_APT[@]+"${KTDP_APT[@]}"} ${keep[@]+"${keep[@]}"} "$@"
}

apt_update() {
	[ "$(id -u)" = 0 ] || [ ${#KTDP_APT[@]} -gt 0 ] ||
		die "the apt lists are missing or stale, and only root can update them"
	log "updating the apt lists"
	(take_lock apt-lists && quietly apt_get update)
}

# What this machine takes packages from: asked for once, for that takes a second.
apt_targets() {
	[ -n "${KTDP_APT_TARGETS:-}" ] || KTDP_APT_TARGETS=$(
		apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages')
	export KTDP_APT_TARGETS
}

# apt_repo RELEASE: the address from which this machine takes RELEASE.
apt_repo() {
	apt_targets
	sed -n "s/^$1 //p" <<<"$KTDP_APT_TARGETS" | sort -u | head -n 1
}

# The suite of this machine.
apt_own() { (. /etc/os-release && echo "$VERSION_CODENAME"); }

# apt_sources SUITE: a sources.list for it, from the archive that this machine uses.
# Its own has no backports: they may have been closed.
apt_sources() {
	local signed own main security
	own=$(apt_own)
	main=$(apt_repo "$own")
	security=$(apt_repo "$own-security")
	[ -n "$main" ] && [ -n "$security" ] || die "apt has no sources for $own, $own-security"
	signed='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
	echo "deb $signed $main $1 main"
	[ "$1" = "$own" ] || echo "deb $signed $main $1-backports main"
	echo "deb $signed $security $1-security main"
}

# apt_use SUITE: packages of SUITE, its updates and backports from now on. If it is
# not this machine's: from the same archive, with lists in the cache.
apt_use() {
	local suite=$1 dir=$KTDP_CACHE/apt/$1
	apt_targets
	KTDP_REPO=$(apt_repo "$(apt_own)")
	KTDP_APT=()
	[ "$suite" != "$(apt_own)" ] || return 0
	mkdir -p "$dir"/{lists/partial,cache/archives/partial}
	apt_sources "$suite" >"$dir/sources.list"
	KTDP_APT=(-o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=-
		-o "Dir::State::Lists=$dir/lists" -o "Dir::Cache=$dir/cache"
		-o Dir::Cache::pkgcache=pkgcache.bin -o Dir::Cache::srcpkgcache=srcpkgcache.bin
		-o Dir::State::Status=/dev/null)
}

# Not what is only a name that others depend on.
apt_knows() { apt_cache show --no-all-versions "$1" 2>/dev/null | grep '^Filename:' >/dev/null; }

# Another may be at the lists: what it has made by then is looked at.
apt_knows_at_last() { apt_knows "$1" || (take_lock apt-lists && apt_knows "$1"); }

# apt_lists PKG: the apt lists are there and know PKG. An update that has failed for some
# is none to apt.
apt_lists() { with_fresh_lists apt_knows_at_last "$1" || die "apt knows no package $1"; }

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
	# While another updates them there is nothing in them.
	(take_lock apt-lists && apt_cache show --no-all-versions "$1") |
		sed -n "s/^$2: //p;" | head -n 1
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

# What tests/kernels says: its labels; the line of one; has one a flavour?
kernels_labels() { sed 's/[[:space:]].*//; /^\(#\|$\)/d' "$KTDP_TOP/tests/kernels"; }
kernels_first() { kernels_labels | head -n 1; }
kernels_line() { awk -v label="$1" '$1 == label' "$KTDP_TOP/tests/kernels"; }
kernels_flavours() { kernels_line "$1" | tr -s '\t ' '\n' | tail -n +4; }
kernels_has() { kernels_flavours "$1" | grep -qxF "$2"; }

# The oldest and the newest of them, MAJOR.MINOR, as the sources have it.
range_min() { sed -n 's/.*_MIN.*(\([0-9]*\), \([0-9]*\), 0)$/\1.\2/p' "$KTDP_TOP/src/compat/range.h"; }
range_max() { sed -n 's/.*_MAX.*(\([0-9]*\), \([0-9]*\), 255)$/\1.\2/p' "$KTDP_TOP/src/compat/range.h"; }

# dkms_conf NAME: what dkms.conf says.
dkms_conf() { sed -n "s/^$1=\"\(.*\)\"/\1/p" "$KTDP_TOP/dkms.conf"; }

# copy_tree DIR TAR-ARGUMENT...: of the tree what is named, but products; files keep their
# times. Status 1 of tar is that something changes meanwhile, as directories do in which
# others build.
copy_tree() {
	mkdir -p "$1"
	{ tar -C "$KTDP_TOP" -c -X "$KTDP_TOP/.gitignore" --warning=no-file-changed \
		--warning=no-file-removed "${@:2}" || [ $? = 1 ]; } | tar -x --no-same-owner -C "$1"
}

# For packages of the tree. stage_sources DIR: what they are made from.
stage_sources() {
	copy_tree "$1" .gitignore COPYING Kbuild Makefile README.md CHANGELOG.md CONTRIBUTING.md \
		dkms.conf docs include scripts src
}

# Of the newest file, so that the same sources make the same packages.
date_of_sources() { find "$1" -type f -printf '%Ts\n' | sort -n | tail -n 1; }

# changes FIRST NEXT: the newest part of CHANGELOG.md, in lines of 74 columns, before the first
# of each item FIRST, before the others NEXT.
changes() {
	local item
	awk '
		/^## / { if (inside++) exit; next }
		/^- / { if (item) print item; item = substr($0, 3); next }
		inside && NF { sub(/^ +/, ""); item = item " " $0 }
		END { print item }' "$KTDP_TOP/CHANGELOG.md" |
		tr -d '`' | while read -r item; do
			fold -s -w 74 <<<"$item" | sed "1s/^/$1/; 1!s/^/$2/; s/ *\$//"
		done
}

random_seed() { od -An -N4 -tu4 /dev/urandom | tr -d ' '; }

# vm_figures NAME VM-TEST-ARGUMENT...: run scripts/vm-test; of what the program NAME
# said print its figures and remarks, and then the result, with whether the emulator
# was started again. The status is that of vm-test.
vm_figures() {
	local name=$1 status=0 logs
	shift
	logs=$(mktemp -d "${TMPDIR:-/tmp}/kvm_tdp-$name.XXXXXX")
	"$KTDP_TOP/scripts/vm-test" --name "$name" --logs "$logs" "$@" >"$logs/result" ||
		status=$?
	sed -n "s/^$name: //p" "$logs/out.log"
	grep '^#' "$logs/out.log" || true
	cat "$logs/result"
	[ $status != 0 ] || rm -rf "$logs"
	return $status
}

# toolchain_of KERNEL-DIR: the tree in which modules for it are built, or nothing.
toolchain_of() {
	[ ! -e "$1/suite" ] || "$KTDP_TOP/scripts/toolchain" "$(<"$1/suite")"
}

# run_in TREE COMMAND...: in the tree, or here if there is none; paths are those
# of the tree. objtool reads /proc.
run_in() {
	local tree=$1
	[ -n "$tree" ] || { "${@:2}"; return; }
	unshare -m sh -ec 'mount --bind /proc "$1/proc"; exec env -u TMPDIR chroot "$@"' - "$@"
}

# copy_sources DIR: what the modules are built from. Building in DIR again does only what is
# needed.
copy_sources() {
	copy_tree "$1" Makefile Kbuild dkms.conf include src tests/kmod examples/edu examples/importer
}

# unpacked FILE: its contents, whatever the kernel or module is packed with.
unpacked() {
	case $(od -An -tx1 -N4 "$1" | tr -d ' ') in
	fd377a58) xz -dc "$1" ;;
	28b52ffd) zstd -dqc "$1" ;;
	02214c18) lz4 -dqc "$1" ;;
	1f8b*) gzip -dc "$1" ;;
	*) cat "$1" ;;
	esac
}

# module_name FILE KERNEL-DIR: the name of a module that is built elsewhere, if it is for
# that kernel.
module_name() {
	local release built
	[ -f "$1" ] || die "no module $1"
	release=$(<"$2/release")
	built=$(modinfo -F vermagic "$1" 2>/dev/null | cut -d ' ' -f 1) || true
	[ -n "$built" ] || die "$1 is no kernel module"
	[ "$built" = "$release" ] ||
		die "$1 is built for Linux $built, and the VM has $release: build it in $2/build"
	basename "$1" .ko | tr - _
}

# For mkinitramfs: stock QEMU, with what -M microvm -kernel needs.
KTDP_QEMU_FILES=(
	-b /usr/bin/qemu-system-x86_64:usr/bin/qemu-system-x86_64
	-f /usr/share/seabios/bios-microvm.bin
	-f /usr/share/qemu/linuxboot_dma.bin
)
