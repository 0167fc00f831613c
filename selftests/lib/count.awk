# SPDX-License-Identifier: GPL-2.0
#
# Counts the tests of a TAP or KTAP stream: prints "PASSED FAILED SKIPPED".
#
# A test that holds others, as the kselftest runner and KTAP nest them, is not counted itself but
# for the case that it failed and none of those it holds did.

function drop_below(d,	i)
{
	for (i in inner)
		if (i + 0 > d) {
			delete inner[i]
			delete inner_failed[i]
		}
}

{
	sub(/\r$/, "")
	line = $0
	depth = 0
	while (match(line, /^(# |  )/)) {
		line = substr(line, 3)
		depth++
	}
}

line ~ /^(not )?ok([ \t]|$)/ {
	failed = line ~ /^not/
	holds = ((depth + 1) in inner)
	explained = inner_failed[depth + 1]
	drop_below(depth)
	inner[depth] = 1
	if (failed)
		inner_failed[depth] = 1
	if (holds && (!failed || explained))
		next
	if (failed)
		nfailed++
	else if (toupper(line) ~ /# *SKIP/)
		nskipped++
	else
		npassed++
}

END {
	print npassed + 0, nfailed + 0, nskipped + 0
}
