#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The demonstration: make demo.
#
#  1. grt-sha256sum digests a tree of thousands of files on this machine, on the futex backend, and
#     every output is compared with that of coreutils' sha256sum.
#  2. The same in a virtual machine with the kernel module, on the gsched backend.
#  3. In the same virtual machine, grt-stall shows what the module is for.
#
# Every figure is measured in this run. Exit status 0 when all is as it must be.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
kernel=6.12
least_files=2000

die()
{
	echo "demo: FAIL: $*" >&2
	exit 1
}

# Sets tree: the headers of the kernel that the module is built for, which every machine that can
# build the module has.
find_tree()
{
	local assignments trees KDIR=

	assignments=$("$top/selftests/vm/kernels.sh" "$kernel")
	eval "$assignments"
	trees=("${KDIR%/*}"/linux-headers-*-common/include)
	tree=${trees[0]}
	[ -d "$tree" ] || die "no header files beside $KDIR"
	nfiles=$(find "$tree" -type f | wc -l)
	[ "$nfiles" -ge "$least_files" ] || die "$tree has only $nfiles files, not $least_files"
}

# What the virtual machine gets: /demo with the programs, the tree and what sha256sum says of it.
fill_stage()
{
	mkdir -p "$stage/demo"
	cp -a "$tree" "$stage/demo/tree"
	cp "$here/demo_sums.sh" "$here/demo_stall.sh" "$here/build/grt-sha256sum" \
		"$here/build/grt-stall" "$stage/demo/"
	(cd "$stage/demo/tree" && find . -type f -print0 | LC_ALL=C sort -z |
		xargs -0 sha256sum) > "$stage/demo/expected"
}

main()
{
	"$top/selftests/lib/deps.sh" demo
	make --no-print-directory -s -C "$top/libgrt"
	make --no-print-directory -s -C "$here"
	find_tree

	stage=$(mktemp -d)
	trap 'rm -rf "$stage"' EXIT
	fill_stage
	cat <<-EOT

		== Part 1: many files at once ==

		grt-sha256sum is sha256sum with a goroutine for every file, each making plain
		blocking calls: open, read, close. With --mmap it reads through page faults.
		The tree is that of the kernel's header files: $nfiles files, $(du -sh --apparent-size "$tree" | cut -f1).
		N Ps means that N goroutines can compute at once.

		On this machine, without the kernel module (futex backend):

	EOT
	"$stage/demo/demo_sums.sh" futex

	cat <<-EOT

		Now in a virtual machine with Linux $kernel, where the kernel module hands out the
		Ps (gsched backend). It has 2 emulated processors and is slow; what counts is
		that every output is right.

	EOT
	"$top/selftests/vm/run.sh" --kernel "$kernel" --timeout 540 --plan 0 --root "$stage" -- \
		/bin/bash -c '/demo/demo_sums.sh gsched && /demo/demo_stall.sh' ||
		die "see above"
	echo "demo: all as it must be"
}

main "$@"
