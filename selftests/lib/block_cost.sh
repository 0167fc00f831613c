#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# block_cost.sh [--kernel 6.1|6.12] [--rounds N]
#
# What a block and a wake-up cost, and what of that the hooks add (selftests/gsched/block_bench.c),
# in a virtual machine with one processor: in instructions, which an emulator can count for time,
# and in nanoseconds. Those are the emulator's where there is no KVM. All cases are interleaved in
# one run, but for the module not loaded, which takes a guest of its own. Prints a table of medians;
# the first round, in which the guest is still busy with itself, is left out.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/apt.sh"

kernel=6.12
rounds=5

parse()
{
	while [ $# -gt 0 ]; do
		[ $# -ge 2 ] || die "$1 needs a value"
		case $1 in
		--kernel)	kernel=$2 ;;
		--rounds)	rounds=$2 ;;
		*)		die "no option '$1'" ;;
		esac
		shift 2
	done
	[[ $rounds =~ ^[1-9][0-9]*$ ]] || die "--rounds takes a number from 1 on, not '$rounds'"
}

# measure UNIT OPTION...: lines of UNIT and what the program says
measure()
{
	local unit=$1

	shift
	"$top/selftests/vm/run.sh" --kernel "$kernel" --cpus 1 --plan 0 --timeout 300 \
		--bin "$top/build/selftests/gsched/block_bench" "$@" -- \
		block_bench $((rounds + 1)) | sed "s/^/$unit /"
}

main()
{
	parse "$@"
	[ -x "$top/build/selftests/gsched/block_bench" ] || die "first: make -C selftests"
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT

	{
		measure instructions --icount --module none
		measure instructions --icount
		measure ns --module none
		measure ns
	} >"$work/lines"
	echo "Medians of $rounds rounds, Linux $kernel, one processor; a pair of block and wake-up:"
	awk -f "$here/block_cost.awk" "$work/lines"
}

main "$@"
