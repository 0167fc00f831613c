#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Writing TAP from shell scripts. Sourced, not run.

tap_number=0
tap_failed=0

# plan N: there will be N tests.
plan()
{
	tap_planned=$1
	echo "TAP version 13"
	echo "1..$tap_planned"
}

# check NAME COMMAND...: passes if the command does; what it says is shown only when it does not.
check()
{
	local name=$1 said

	shift
	tap_number=$((tap_number + 1))
	if said=$("$@" 2>&1); then
		echo "ok $tap_number $name"
	else
		tap_failed=1
		echo "not ok $tap_number $name"
		[ -z "$said" ] || sed 's/^/# /' <<<"$said"
	fi
}

# The last line of a test: a plan that was not fulfilled is a failure, too.
finish()
{
	[ "$tap_number" = "$tap_planned" ] || tap_failed=1
	exit "$tap_failed"
}
