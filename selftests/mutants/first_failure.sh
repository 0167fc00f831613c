#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# first_failure.sh "PROGRAM TEST"...
#
# Runs tests of the device one by one, in this order, in a guest, and stops at the first that fails.

set -u
n=0
echo 'TAP version 13'
echo "1..$#"
for test; do
	n=$((n + 1))
	read -r program name <<<"$test"
	echo "# test: $test"
	said=$(timeout 60 "/kselftest/gsched/$program" -t "${name##*.}" 2>&1)
	status=$?
	if [ "$status" != 0 ] || ! grep -q '^ok 1 ' <<<"$said"; then
		echo "not ok $n $test"
		exit 1
	fi
	echo "ok $n $test"
done
