#!/bin/bash
# SPDX-License-Identifier: MIT
#
# demo_stall.sh: runs grt-stall on both backends and shows the results side by side. Fails when the
# module is not at least 10 times better.

set -euo pipefail
cd "$(dirname "$0")"
ms=200
rounds=5
least_ratio=10

declare -A futex_read futex_fault gsched_read gsched_fault

# stall BACKEND WAY: runs it, and sets the array BACKEND_WAY to what it says.
stall()
{
	local -n values=$1_$2
	local output word

	output=$(GRT_BACKEND=$1 ./grt-stall "$2" $ms $rounds)
	for word in $output; do
		values[${word%%=*}]=${word#*=}
	done
	# A round that was not stuck for about its time shows nothing.
	if [ "${values[shortest_stuck_us]}" -lt $((ms * 900)) ]; then
		echo "demo: FAIL: stuck for only ${values[shortest_stuck_us]} us" >&2
		exit 1
	fi
}

in_ms()
{
	printf '%d.%03d ms' $(($1 / 1000)) $(($1 % 1000))
}

line()
{
	printf '  %-14s %15s %15s %12s\n' "$@"
}

# row WHAT WAY
row()
{
	local -n futex=futex_$2 gsched=gsched_$2
	local ratio=$((futex[held_up_us] / (gsched[held_up_us] ? gsched[held_up_us] : 1)))

	line "$1" "$(in_ms "${futex[held_up_us]}")" "$(in_ms "${gsched[held_up_us]}")" \
		"$ratio times"
	[ "$ratio" -ge $least_ratio ] || failed=1
}

counts()
{
	local -n gsched=gsched_$2

	printf '  %-14s %15s %15s %12s\n' "$1" "${gsched[blocks]}" "${gsched[handoffs]}" \
		"${gsched[borders]}"
}

for way in read fault; do
	for backend in futex gsched; do
		stall $backend $way
	done
done

cat <<EOT

== Part 2: what the kernel module is for ==

There is one P: one goroutine computes at a time. One goroutine gets stuck for $ms ms in plain C
code of which the library is told nothing: in read() from a pipe in which nothing arrives, or in
a page fault whose page is not there yet. Another goroutine is ready to run. How long does the
stuck one hold it up? (Medians of $rounds rounds each, one boot of one virtual machine.)

EOT
failed=
line "stuck in" "without module" "with module" "better by"
row "read()" read
row "page fault" fault

cat <<EOT

Without the module (futex backend) the library cannot see that the thread sleeps: everybody waits
until it wakes. With it (gsched backend) the kernel sees the thread fall asleep and gives its P
to another thread at once. What the device counted in those runs:

EOT
line "stuck in" "blocks" "handoffs" "borders"
counts "read()" read
counts "page fault" fault

cat <<EOT

  blocks    a thread that held a P fell asleep in the kernel
  handoffs  its P was given to another thread
  borders   a thread woke up without its P and was stopped, before it could run any code of the
            program, until it was given one again

EOT
if [ -n "$failed" ]; then
	echo "demo: FAIL: the module must be at least $least_ratio times better" >&2
	exit 1
fi
