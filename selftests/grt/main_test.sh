#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A program with the library's main(): its arguments come to grt_main() as they were (R3, R8), and
# what that returns is the exit status.

set -u
prog=$(dirname "$0")/main_prog

# said STATUS ARGUMENT...: the program says these arguments, one a line, and ends with STATUS.
said()
{
	local status=$1 said want

	shift
	want=$(printf '%s\n' "$prog" "$@")
	said=$("$prog" "$@")
	[ $? = "$status" ] && [ "$said" = "$want" ]
}

failed=0
count=0
check()
{
	local name=$1

	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count $name"
	else
		echo "not ok $count $name"
		failed=1
	fi
}

echo "TAP version 13"
echo "1..3"
check no_arguments said 1
check arguments said 4 one 'two words' --three
check empty_argument said 3 '' last
exit $failed
