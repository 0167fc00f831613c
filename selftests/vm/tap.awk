# SPDX-License-Identifier: GPL-2.0
#
# Prints what is wrong with a TAP or KTAP stream, a line each; nothing when all is well.
#
#   -v whole=1   the stream is complete: plans must be fulfilled
#   -v plan=N    there must be N tests at top level; 0 allows a stream without TAP
#
# Tests nest: by "# " as the kselftest runner does it, or by two spaces as KTAP has it. A block,
# at any depth, begins with its version line or its plan and ends with the next, or with the
# result of the test around it. A plan may also stand at the end of its block.

function problem(text)
{
	print text
}

function where(d)
{
	return d ? " (nested " d " deep)" : ""
}

# Closes the blocks at depth d and below.
function close_blocks(d,	i)
{
	for (i = deepest; i >= d; i--) {
		if (!(i in open))
			continue
		if (planned[i] == "") {
			if (whole)
				problem("tests without a plan, the last: " last[i] where(i))
		} else if (count[i] < planned[i] && whole) {
			problem("plan not fulfilled: " count[i] " of " planned[i] " tests" where(i) \
				(last[i] == "" ? "" : ", the last: " last[i]))
		} else if (count[i] > planned[i]) {
			problem("more tests than planned: " count[i] ", planned " planned[i] where(i))
		}
		delete open[i]
	}
	deepest = d - 1
}

function open_block(d)
{
	close_blocks(d)
	open[d] = 1
	planned[d] = last[d] = ""
	count[d] = 0
	deepest = d
}

function take_plan(d, n, rest)
{
	if (rest ~ /SKIP/)
		problem("skipped: all" where(d) ": " rest)
	# At the beginning of a block, or at its end; else it begins the next.
	if (!(d in open) || planned[d] != "")
		open_block(d)
	planned[d] = n
}

function take_result(d, line,	text)
{
	if (line ~ /^not ok/)
		problem("not ok: " line)
	if (!(d in open)) {
		# A comment may look like a result; without a block around it, it is none.
		if (d)
			return
		open_block(d)
	}
	close_blocks(d + 1)
	deepest = d
	count[d]++
	last[d] = line
	if (d == 0)
		top++

	text = line
	sub(/^(not )?ok */, "", text)
	if (text ~ /^[0-9]+/ && text + 0 != count[d])
		problem("test " (text + 0) " where " count[d] " is due" where(d) ": " line)
	if (toupper(text) ~ /# *SKIP/)
		problem("skipped: " line)
}

BEGIN {
	deepest = -1
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

line ~ /^K?TAP version [0-9]+$/ {
	open_block(depth)
	next
}

line ~ /^1\.\.[0-9]+([ \t]*#.*)?$/ {
	rest = line
	sub(/^1\.\.[0-9]+[ \t]*/, "", rest)
	take_plan(depth, substr(line, 4) + 0, toupper(rest))
	next
}

line ~ /^(not )?ok([ \t]|$)/ {
	take_result(depth, line)
	next
}

depth == 0 && /^Bail out!/ {
	problem($0)
}

END {
	close_blocks(0)
	if (whole && plan == "" && top == 0)
		problem("no tests at all")
	if (whole && plan != "" && top + 0 != plan + 0)
		problem("tests at top level: " top + 0 ", expected " plan)
}
