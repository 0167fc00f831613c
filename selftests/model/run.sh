#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh [--short | --long] [-j JOBS]: searches the configurations of the table with spin, prints
# TAP. --short (default): those of every check. --long: all.

set -u
here=$(cd "$(dirname "$0")" && pwd)
sets='short' jobs=2

usage() { echo "usage: run.sh [--short | --long] [-j JOBS]" >&2; exit 2; }

while [ $# -gt 0 ]; do
	case $1 in
	--short) sets='short' ;;
	--long) sets='short long'; : "${TIMEOUT:=900}" ;;
	-j) jobs=${2:?$(usage)}; shift ;;
	*) usage ;;
	esac
	shift
done
for tool in spin gcc; do
	command -v $tool > /dev/null || { echo "Bail out! $tool is missing: make deps"; exit 1; }
done

OUT=$(mktemp -d "${TMPDIR:-/tmp}/gsched-model.XXXXXX") || exit 1
TIMEOUT=${TIMEOUT:-240}
export OUT TIMEOUT
trap 'rm -rf "$OUT"' EXIT
trap 'exit 1' INT TERM

# The lines to search, without the words at their end.
chosen()
{
	awk -v sets=" $sets " '/^[^#]/ && index(sets, " " $2 " ") { sub(/ *\|.*/, ""); print }' \
		"$here/table"
}

# Each careless reading has the same budgets without it beside it, or its failing shows nothing.
counterparts()
{
	awk '/^[^#]/ {
		sub(/\|.*/, ""); has_lit = 0; key = $4
		for (i = 5; i <= NF; i++)
			if ($i ~ /^-DLIT_/ && $3 == 1) has_lit = 1; else key = key " " $i
		if (has_lit) need[key] = $1; else if ($3 == 0) have[key] = 1
	} END {
		for (k in need)
			if (!(k in have)) { print need[k]; bad = 1 }
		exit bad
	}' "$here/table"
}

# once NUMBER WHAT COMMAND...: a test that passes when the command succeeds and prints nothing.
once()
{
	local number=$1 what=$2 said

	shift 2
	said=$("$@" 2>&1 | tr '\n' ' '; exit "${PIPESTATUS[0]}") || said=${said:-failed}
	[ -z "$said" ] && echo "ok $number - $what" && return
	echo "not ok $number - $what: $said"
	failed=1
}

# kmod/slot.c itself: as it is, under TSan, and with a cmpxchg that is none.
slot_plain()
{
	"$here/slot_test.sh" "$OUT/slot" && tell "$OUT/slot" "$1"
}

slot_tsan()
{
	"$here/slot_test.sh" "$OUT/slot_tsan" -fsanitize=thread -Wno-tsan &&
		tell "$OUT/slot_tsan" threads
}

slot_broken()
{
	"$here/slot_test.sh" "$OUT/slot_broken" -DBREAK_CMPXCHG || return
	timeout "$TIMEOUT" "$OUT/slot_broken" threads |
		grep -qE '^not ok .* (a P has two owners|user code in a stopped world)' ||
		echo "it went unnoticed"
}

# tell PROGRAM WHAT: says nothing if it passes
tell() { timeout "$TIMEOUT" "$@" > "$OUT/said" 2>&1 || { tail -3 "$OUT/said"; return 1; }; }

failed=0 fixed=6
echo "TAP version 13"
echo "1..$(($(chosen | wc -l) + fixed))"
once 1 "table: each careless reading has its sound counterpart" counterparts
once 2 "names: the functions that the model names are in the source" "$here/names.sh"
once 3 "slot.c: random calls keep owners, counts, order and grants right" slot_plain sequences
once 4 "slot.c: no P has two owners, falling asleep without the lock" slot_plain threads
once 5 "slot.c: nor under TSan, which finds no race" slot_tsan
once 6 "slot.c: a check and a store in place of cmpxchg is noticed" slot_broken
# Tests come as the searches end, diagnostics right behind; each is shown once those before it are.
in_order()
{
	local next=$1 line n=0
	local -a tests=()

	while :; do
		IFS= read -r line || line=
		if [ "${line:0:1}" = '#' ]; then
			tests[n]+=$'\n'$line
			continue
		fi
		while [ -n "${tests[next]:-}" ]; do
			echo "${tests[next]}"
			unset "tests[next]"
			next=$((next + 1))
		done
		[ -n "$line" ] || break
		n=${line#not }
		n=${n#ok }
		n=${n%% *}
		tests[n]=$line
	done
	[ ${#tests[@]} -eq 0 ] || printf '%s\n' "${tests[@]}"
}

chosen | awk -v fixed=$fixed '{ print NR + fixed, $0 }' |
	xargs -P "$jobs" -L 1 "$here/search.sh" |
	in_order $((fixed + 1)) |
	tee "$OUT/tap"
! grep -q '^not ok' "$OUT/tap" && [ "$failed" = 0 ] &&
	[ "$(grep -c '^ok' "$OUT/tap")" -eq "$(chosen | wc -l)" ]
