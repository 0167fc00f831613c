#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# ksft.sh
#
# Prints the folder of a kernel's kselftest framework (lib.mk, kselftest_harness.h, runner.sh):
# $KSFTDIR where that is set, else the one of Debian's linux-source-6.12, which is unpacked into the
# cache once, and downloaded for it unless that package is installed. Only what the tests and gates
# use is unpacked; the scripts (checkpatch.pl, kernel-doc, coccinelle/) are in ../../../scripts seen
# from there.

set -euo pipefail
. "$(dirname "$0")/apt.sh"
. "$(dirname "$0")/source.sh"

package=$source_package

# The members to unpack, as patterns for tar; lib.mk wants the headers beside it.
members="scripts/checkpatch.pl scripts/spelling.txt scripts/const_structs.checkpatch
	 scripts/kernel-doc scripts/coccinelle scripts/coccicheck scripts/extract-vmlinux
	 scripts/subarch.include tools/include/uapi tools/scripts
	 tools/testing/selftests/Makefile tools/testing/selftests/*.h
	 tools/testing/selftests/*.sh tools/testing/selftests/lib.mk
	 tools/testing/selftests/kselftest tools/testing/selftests/rseq"

is_ksft()
{
	[ -f "$1/lib.mk" ] && [ -f "$1/kselftest_harness.h" ]
}

# Unpacks under another name and renames, so that a folder of the right name is complete.
unpack_source()
{
	local target=$1 temp member patterns=()

	temp=$(mktemp -d "$target.XXXXXX")
	trap 'rm -rf "$temp"' EXIT
	set -f
	for member in $members; do
		patterns+=("$package/$member")
	done
	set +f
	mkdir "$temp/tree"
	say "of $package 14 MB are kept; this is done once (or set KSFTDIR)"
	source_text "$temp" |
		tar -xJ -C "$temp/tree" --strip-components=1 --wildcards "${patterns[@]}"
	is_ksft "$temp/tree/tools/testing/selftests" || die "$package holds no kselftest framework"
	mv "$temp/tree" "$target"
	rm -rf "$temp"
	trap - EXIT
}

main()
{
	local cache target

	if [ -n "${KSFTDIR:-}" ]; then
		is_ksft "$KSFTDIR" || die "KSFTDIR=$KSFTDIR holds no lib.mk and kselftest_harness.h"
		printf '%s\n' "$KSFTDIR"
		return
	fi

	cache=$(cache_dir)
	target=$cache/$package
	if [ ! -d "$target" ]; then
		need_apt "Or set KSFTDIR to the tools/testing/selftests of a kernel source."
		exec 9>"$cache/$package.lock"
		flock 9
		[ -d "$target" ] || unpack_source "$target"
	fi
	printf '%s\n' "$target/tools/testing/selftests"
}

main "$@"
