#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# OUT=DIR trail.sh NAME [LINES]: searches one configuration of the table, leaving its files in
# DIR/NAME, and prints the failing run: a line a step, and what became of each variable.

set -eu
: "${OUT:?is not set: a folder for the search}"
export OUT
here=$(cd "$(dirname "$0")" && pwd)
line=$(sed -n "s/^\($1 .*[^ ]\) *|.*/\1/p" "$here/table")
[ -n "$line" ] || { echo "trail.sh: $1 is not in the table" >&2; exit 1; }
read -r name _ _ model defines <<< "$line"
# shellcheck disable=SC2086 # the line's words are the arguments
"$here/search.sh" 1 $line
cd "$OUT/$name"
# shellcheck disable=SC2086 # as above
spin -t -p -g $defines "$model.pml" 2> /dev/null |
	grep -v '\[goto\|\[(1)\]' | cut -c1-140 | tail -"${2:-120}"
