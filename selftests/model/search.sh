#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# search.sh NUMBER NAME SET ERRORS MODEL DEFINES...: searches one line of the table and
# prints one line of TAP. Leaves its files in $OUT/NAME, where trail.sh finds a failing run.
#
# TIMEOUT: seconds for one search; MEM: MiB that it may use.

set -u
number=$1 name=$2 set=$3 errors=$4 model=$5
shift 5
here=$(cd "$(dirname "$0")" && pwd)
dir=$OUT/$name

# not_ok REASON [FILE]: ends the test; what the tool said follows as diagnostics. One write, for
# other searches write to the same pipe.
not_ok()
{
	local said=

	[ $# -lt 2 ] || said=$(echo && tail -5 "$2" | sed 's/^/# /')
	cat <<< "not ok $number - $name: $1$said"
	exit 0
}

{ mkdir -p "$dir" && cd "$dir" && cp "$here/$model.pml" .; } || not_ok "cannot write to $dir"
spin -a "$@" "$model.pml" > spin.log 2>&1 || not_ok "spin failed" spin.log
# a short search is over before an optimised pan would be compiled
optimise=-O1
[ "$set" != short ] || optimise=-O0
gcc "$optimise" -w -DSAFETY -DNOFAIR -DVECTORSZ=2048 -DCOLLAPSE -DMEMLIM="${MEM:-9000}" \
	-o pan pan.c 2> gcc.log || not_ok "gcc failed" gcc.log

begin=$EPOCHREALTIME
# -E: a process that waits for ever is judged by the model's own Check, not by pan
timeout "${TIMEOUT:-240}" ./pan -E -m200000 -w24 > pan.log 2>&1
rc=$?
end=$EPOCHREALTIME

us=$((${end/./} - ${begin/./}))
took="$((us / 1000000)).$((us / 100000 % 10)) s"
states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log)
found=$(sed -n 's/.*errors: \([0-9]*\)$/\1/p' pan.log)
[ "$rc" -ne 124 ] || not_ok "no result in ${TIMEOUT:-240} s"
[ -n "$found" ] || not_ok "pan failed with status $rc" pan.log
figures="$found errors, $states states, $took"

if grep -q 'max search depth too small' pan.log; then
	not_ok "search incomplete: depth; $figures"
elif [ "$errors" -ne 0 ]; then
	[ "$found" -ne 0 ] || not_ok "a careless reading goes unnoticed: $figures"
	grep -q '^pan:1: assertion violated' pan.log || not_ok "not the error expected" pan.log
elif [ "$found" -ne 0 ]; then
	grep '^pan:1' pan.log > why.log
	not_ok "$figures (trail.sh $name shows the run)" why.log
elif grep -q 'Search not completed' pan.log; then
	grep '^pan: reached' pan.log > why.log
	not_ok "search incomplete: $figures" why.log
fi
echo "ok $number - $name: $figures"
