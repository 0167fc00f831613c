#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# build.sh 6.1|6.12|debug
#
# Builds the module for that kernel and prints the path of gsched.ko. Each kernel
# has a folder of its own below build/, with links to the sources, so that they are built side
# by side and only what changed is built again. Every warning is an error (W=1 -Werror).

set -euo pipefail
. "$(dirname "$0")/../lib/apt.sh"

top=$(cd "$(dirname "$0")/../.." && pwd)

# Links to the sources, and nothing else that lies beside them: kbuild also builds in place.
link_sources()
{
	local tree=$1 source

	find "$tree" -xtype l -delete
	(cd "$top" && find Kbuild kmod uapi -name Kbuild -o -name '*.[chS]') |
		while read -r source; do
			[ -L "$tree/$source" ] && continue
			mkdir -p "$tree/$(dirname "$source")"
			ln -s "$top/$source" "$tree/$source"
		done
}

compile()
{
	local tree=$1 log=$1/build.log

	if ! make -C "$KDIR" M="$tree" W=1 KCFLAGS=-Werror "${instrument[@]}" -j "$(nproc)" modules \
			>"$log" 2>&1; then
		cat "$log" >&2
		die "the module does not build for $KRELEASE"
	fi
	# modpost's warnings are not the compiler's.
	if grep -E '(^|[ :])(WARNING|warning):' "$log" >&2; then
		die "warnings while building the module for $KRELEASE"
	fi
}

main()
{
	local assignments tree KRELEASE KDIR instrument=()

	[ $# = 1 ] || die "usage: build.sh 6.1|6.12|debug"
	[ -f "$top/Kbuild" ] || die "$top has no Kbuild"
	assignments=$("$top/selftests/vm/kernels.sh" "$1")
	eval "$assignments"
	# The debug kernel counts what is executed, of the module alone.
	[ "$1" != debug ] || instrument=(GCOV_PROFILE=y KCOV_INSTRUMENT=y)

	tree=$top/build/kmod-$KRELEASE
	mkdir -p "$tree"
	exec 9>"$tree/lock"
	flock 9
	link_sources "$tree"
	compile "$tree"
	printf '%s\n' "$tree/kmod/gsched.ko"
}

main "$@"
