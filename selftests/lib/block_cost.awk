# SPDX-License-Identifier: GPL-2.0
#
# UNIT bench=block who=WHO value=N: a table of medians, without the first value of each.

function median(unit, who,    i, j, t, n, v)
{
	n = count[unit, who] - 1
	for (i = 1; i <= n; i++)
		v[i] = value[unit, who, i + 1]
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && v[j - 1] > v[j]; j--) {
			t = v[j]
			v[j] = v[j - 1]
			v[j - 1] = t
		}
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}

$2 == "bench=block" {
	who = substr($3, 5)
	value[$1, who, ++count[$1, who]] = substr($4, 7)
}

END {
	n = split("unloaded plain free p wanted", order)
	printf "%-10s %13s %7s %9s %7s\n", "", "instructions", "added", "ns", "added"
	for (i = 1; i <= n; i++) {
		who = order[i]
		if (count["instructions", who] < 2 || count["ns", who] < 2) {
			print "nothing was measured for " who
			exit 1
		}
		# To a thread that is no M the hooks add nothing; to others, what it costs more than that.
		ins = median("instructions", who)
		ns = median("ns", who)
		base = i == 2 ? "unloaded" : "plain"
		printf "%-10s %13d", who, ins
		if (i > 1)
			printf " %+7d %9d %+7d\n", ins - median("instructions", base), ns,
			       ns - median("ns", base)
		else
			printf " %7s %9d\n", "", ns
	}
}
