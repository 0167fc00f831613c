#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# requirements_test.sh: the table of Go's rules against what it points to. Writes TAP.
#
# Description: Documentation/requirements.rst has a row for each rule, says of each where it is kept
# and what shows it, and names only what exists; and what looks for faults in it finds them.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/tap.sh"

table=$top/Documentation/requirements.rst
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

# finds CHECK EXPRESSION: the check fails for the table once sed has put a fault into it.
finds()
{
	sed "$2" "$table" >"$temp/table.rst"
	! cmp -s "$table" "$temp/table.rst" || return 1
	! "$here/requirements_check.py" "$1" "$temp/table.rst" >/dev/null
}

"$here/requirements_check.py" open | sed 's/^/# /'
plan 9

check "each rule has a row" "$here/requirements_check.py" numbers
check "each row has a status, and what goes with it" "$here/requirements_check.py" status
check "the functions named exist" "$here/requirements_check.py" functions
check "the tests named exist" "$here/requirements_check.py" tests
check "a row that is missing is found" finds numbers 's/^   \* - C7$/   * - C77/'
check "a row without a test is found" finds status 's/``runq_test:chain_ends``.*//'
check "a rule put off that may not be is found" finds status 's/^     - later: I\/O$/     - later: sync/'
check "a function that is not there is found" finds functions 's/``runq.c:runqget``/``runq.c:runqgot``/'
check "a test that is not there is found" finds tests 's/``runq_test:fifo``/``runq_test:lifo``/'

finish
