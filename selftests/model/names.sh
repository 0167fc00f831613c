#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# names.sh: the functions that the models name as their steps ("= function()") exist in the source.
# Prints those that do not; exit status 1 then.

set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../..

# A definition begins a line and its parameters are not followed by a semicolon.
defined()
{
	grep -hE '^[a-z].*[ *][a-z0-9_]+\(' "$top"/kmod/*.c "$top"/libgrt/src/*.c |
		grep -v ';$' | grep -oE '[a-z0-9_]+\(' | tr -d '(' | sort -u
}

named() { grep -ohE "= [a-z0-9_]+\(\)" "$here"/*.pml | tr -d "=() " | sort -u; }

missing=$(comm -13 <(defined) <(named))
[ -z "$missing" ] || { echo "$missing"; exit 1; }
