#!/bin/bash
# SPDX-License-Identifier: MIT
#
# bench-vm.sh [--kernel 6.1|6.12] [--rounds N] [--divisor N]
#
# What a block costs, in a virtual machine: libgrt on gsched and on futex, Go, raw threads. Prints
# every round's result lines, then a table of medians. Exit status 0 when all was measured,
# whatever the figures are.
#
#   --kernel    which kernel (6.12)
#   --rounds    how often everything is measured (5)
#   --divisor   numbers of repetitions are divided by it: an emulated machine is slow (4)

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../selftests/lib/apt.sh"

kernel=6.12
rounds=5
divisor=4

# Some three times what it takes on two cores without KVM.
timeout=1500

parse()
{
	while [ $# -gt 0 ]; do
		[ $# -ge 2 ] || die "$1 needs a value"
		case $1 in
		--kernel)	kernel=$2 ;;
		--rounds)	rounds=$2 ;;
		--divisor)	divisor=$2 ;;
		*)		die "no option '$1'" ;;
		esac
		shift 2
	done
}

main()
{
	local bin=$here/build

	parse "$@"
	make -s -C "$here"
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT

	echo "# $rounds rounds; numbers of repetitions divided by $divisor"
	"$here/../../selftests/vm/run.sh" --kernel "$kernel" --cpus 2 --timeout "$timeout" --plan 0 \
		--tap "$work/lines" --bin "$here/rounds.sh" --bin "$bin/bench_grt" \
		--bin "$bin/bench_pthread" --bin "$bin/bench_go" --bin "$bin/uffd_helper" -- \
		rounds.sh "$rounds" "$divisor" pthread go libgrt-futex libgrt-gsched
	echo
	echo "Medians of $rounds rounds, in the virtual machine, Linux $kernel, one P:"
	awk -v judged=libgrt-gsched -v limit=2 -f "$here/summary.awk" "$work/lines"
}

main "$@"
