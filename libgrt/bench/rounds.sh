#!/bin/bash
# SPDX-License-Identifier: MIT
#
# rounds.sh ROUNDS DIVISOR RUNTIME...
#
# Runs the stall benchmarks with one P, and the machine's own costs, ROUNDS times over; in each
# round every benchmark runs on all the runtimes in turn, so that what disturbs the machine for a
# while disturbs them all. Numbers of repetitions are divided by DIVISOR, for slow machines.
# A runtime is pthread, go, libgrt-futex or libgrt-gsched. The programs are found by PATH.

set -euo pipefail

# Name, its words, and how often.
stalls=("blockread hot 1 1000"
	"blockread idle 1 1000"
	"blockstall hot 1 1000"
	"blockstall idle 1 1000"
	"blockstall cpu 20 200"
	"pfstall 5 200")

run()
{
	local runtime=$1

	shift
	case $runtime in
	pthread)	bench_pthread "$@" ;;
	go)		GOMAXPROCS=1 bench_go "$@" ;;
	libgrt-*)	GRT_BACKEND=${runtime#libgrt-} bench_grt "$@" ;;
	*)		echo "rounds.sh: no runtime '$runtime'" >&2; exit 2 ;;
	esac
}

machine()
{
	bench_pthread machine "$1"
	bench_pthread wake same "$1"
	bench_pthread wake xcore "$1"
}

main()
{
	local rounds=$1 divisor=$2 round stall runtime count

	shift 2
	for ((round = 1; round <= rounds; round++)); do
		echo "# round $round of $rounds"
		machine "$divisor"
		for stall in "${stalls[@]}"; do
			count=$((${stall##* } / divisor))
			for runtime; do
				# shellcheck disable=SC2086 # words
				run "$runtime" ${stall% *} "$count"
			done
		done
	done
}

if [ $# -lt 3 ]; then
	sed -n '/^# rounds.sh/,/^$/s/^# \{0,1\}//p' "$0" >&2
	exit 2
fi
main "$@"
