#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# deps.sh [--check] [build|demo|check|full|bench]
#
# Installs with apt what is missing for a group (default: check) and says what. Each group
# holds the one before it. Does nothing, quickly, when all is there.
#
#   build    the library, the examples, the module
#   demo     and the virtual machine
#   check    and what the tests and the gates use
#   full     and what the debug kernel is built with
#   bench    and the runtimes that libgrt is compared with
#
#   --check  install nothing; exit status 1 and the names when something is missing

set -euo pipefail
. "$(dirname "$0")/apt.sh"

# gcc-12 by its own name: the kernel headers call it so. They call pahole too, and their objtool is
# linked with libelf1.
build=(gcc gcc-12 libc6-dev libssl-dev make pahole pkgconf)
demo=("${build[@]}" busybox-static cpio libelf1 qemu-system-x86 xz-utils)
check=("${demo[@]}" bpftrace clang clang-tidy-14 codespell coccinelle g++ gcc-multilib gdb libdw-dev
       liburing-dev libunwind-dev linux-perf perl python3 rsync shellcheck sparse spin trace-cmd valgrind)
# shellcheck disable=SC2034 # by name, in main()
full=("${check[@]}" bc bison flex libelf-dev)
# shellcheck disable=SC2034
bench=("${check[@]}" golang-go libboost-fiber-dev)

is_group()
{
	case $1 in
	build | demo | check | full | bench) return 0 ;;
	*) return 1 ;;
	esac
}

# Sets missing to those of the given packages that are not installed.
find_missing()
{
	local -A have=()
	local name state

	missing=()
	while read -r name state; do
		[ "$state" = installed ] && have[$name]=1
	done < <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null)
	for name in "$@"; do
		[ -n "${have[$name]:-}" ] || missing+=("$name")
	done
}

main()
{
	local only_check='' group missing

	if [ "${1:-}" = --check ]; then
		only_check=1
		shift
	fi
	[ $# -le 1 ] || die "usage: deps.sh [--check] [build|demo|check|full|bench]"
	group=${1:-check}
	is_group "$group" || die "no group '$group'; there are build, demo, check, full and bench"

	local -n packages=$group
	need_apt "Install yourself what these Debian packages hold: ${packages[*]}"
	find_missing "${packages[@]}"
	[ ${#missing[@]} -gt 0 ] || return 0

	[ -z "$only_check" ] || die "missing for '$group': ${missing[*]}"
	say "installing with apt-get: ${missing[*]}"
	apt_update || say "not all package lists could be refreshed; trying with what is there"
	apt_get install -y --no-install-recommends "${missing[@]}" ||
		die "apt-get could not install: ${missing[*]}"
	say "installed: ${missing[*]}"
}

main "$@"
