# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced. deps_ensure GROUP... installs the Debian packages a group of commands needs.
# Groups: build, check, vm, bench, debug, here. Says nothing when nothing is missing. On a terminal it asks first,
# unless ASSUME_YES=1 or CI is set, or -y is given.

deps_packages() {
	case $1 in
	build)
		echo gcc libc6-dev make pkg-config libconfig-dev libjansson-dev libsystemd-dev \
			libnl-3-dev libnl-genl-3-dev libssl-dev libblkid-dev kmod rsync
		;;
	check)
		echo gcc libc6-dev make pkg-config libcmocka-dev sparse dwarves python3 clang
		;;
	vm)
		# libelf and libssl: the headers' tools are linked with them; pahole is in dwarves;
		# W=1 runs kernel-doc, which perl-base alone cannot.
		echo gcc libc6-dev binutils make perl rsync python3 qemu-system-x86 qemu-utils \
			cpio zstd xz-utils fio xfsprogs e2fsprogs iproute2 iputils-ping procps \
			util-linux kmod busybox-static bash coreutils diffutils findutils grep sed \
			dmsetup mdadm strace debootstrap debian-archive-keyring ca-certificates \
			dwarves libelf1 libssl3
		;;
	bench)
		# What the others that are measured are driven by.
		echo drbd-utils mdadm nvme-cli
		;;
	debug)
		# What builds a kernel from source.
		echo gcc libc6-dev make perl bc flex bison libelf-dev libssl-dev binutils xz-utils kmod \
			rsync
		;;
	here)
		# For the running kernel: its headers, and what tests/vm/here.py makes nodes of.
		echo python3 perl binutils fio dmsetup iproute2 util-linux e2fsprogs kmod procps
		[ -d "/lib/modules/$(uname -r)/build" ] || echo "linux-headers-$(uname -r)"
		;;
	*)
		echo "deps: unknown group '$1'" >&2
		return 2
		;;
	esac
}

deps_ensure() {
	local yes=${ASSUME_YES:-} group list wanted="" missing="" p answer sudo=""

	[ -z "${CI:-}" ] || yes=1
	[ -t 0 ] && [ -t 2 ] || yes=1
	for group in "$@"; do
		if [ "$group" = -y ]; then
			yes=1
			continue
		fi
		list=$(deps_packages "$group") || return 2
		wanted+=" $list"
	done
	# shellcheck disable=SC2086 # words, on purpose
	missing=$(deps_missing $wanted)
	[ -n "$missing" ] || return 0
	if ! command -v apt-get >/dev/null; then
		echo "deps: this is not Debian; please install what is in:" $missing >&2
		return 1
	fi
	echo "Missing packages:" $missing >&2
	if [ -z "$yes" ] || [ "$yes" = 0 ]; then
		read -r -p "Install them? [y/N] " answer || answer=
		case $answer in
		y|Y|yes) ;;
		*) echo "deps: cannot go on without them" >&2; return 1 ;;
		esac
	fi
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || { echo "deps: needs root or sudo" >&2; return 1; }
		sudo="sudo"
	fi
	# Lists that lack a candidate are of no use; old ones show it by a download that fails.
	if ! deps_candidates $missing; then
		deps_apt "$sudo" update || return 1
		deps_apt "$sudo" install $missing
		return
	fi
	deps_apt "$sudo" install $missing || {
		deps_apt "$sudo" update && deps_apt "$sudo" install $missing
	}
}

# One query for all; packages of another architecture or only half installed are missing.
deps_missing() {
	local have p

	have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
	       sed -n 's/^installed //p') || true
	for p in $(printf '%s\n' "$@" | sort -u); do
		case $'\n'"$have"$'\n' in
		*$'\n'"$p"$'\n'*) ;;
		*) echo "$p" ;;
		esac
	done
}

deps_candidates() {
	local n

	n=$(LC_ALL=C apt-cache policy "$@" 2>/dev/null | grep -c '^  Candidate: [^(]') || true
	[ "$n" = $# ]
}

deps_apt() {	# SUDO update|install [PACKAGE...]
	local sudo=$1 what=$2 args=(-qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0) log rc=0

	shift 2
	[ "$what" = update ] || args+=(-y --no-install-recommends)
	log=$(mktemp)
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get "${args[@]}" "$what" "$@" \
		</dev/null >"$log" 2>&1 || rc=$?
	[ "$rc" = 0 ] || tail -n 20 "$log" >&2
	rm -f "$log"
	return $rc
}
