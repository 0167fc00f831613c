# SPDX-License-Identifier: MIT
#
# Sums the result lines of several rounds up: for each benchmark and runtime the median and the
# range of the rounds, and the median's ratio to raw threads', to Go's and to a wake-up's.
#
#   -v judged=RUNTIME -v limit=N	also say of which medians RUNTIME needs at most N times what raw
#				threads need

# Sorts v[1..n]; there are few.
function sort(v, n,	i, j, t)
{
	for (i = 2; i <= n; i++) {
		t = v[i]
		for (j = i - 1; j > 0 && v[j] > t; j--)
			v[j + 1] = v[j]
		v[j + 1] = t
	}
}

# Sets median, least and most of one benchmark on one runtime.
function sum_up(bench, runtime,	v, n, i)
{
	n = count[bench, runtime]
	for (i = 1; i <= n; i++)
		v[i] = sample[bench, runtime, i]
	sort(v, n)
	median[bench, runtime] = n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
	least[bench, runtime] = v[1]
	most[bench, runtime] = v[n]
}

function number(x)
{
	return sprintf(x < 100 ? "%.2f" : "%.0f", x)
}

function ratio(x, base)
{
	return base > 0 ? sprintf(x < 100 * base ? "%.2f" : "%.0f", x / base) : "-"
}

# p90 and max stay in the raw lines.
function shown(bench)
{
	return bench !~ /_(p90|max)$/
}

function row(bench, runtime,	x, u)
{
	x = median[bench, runtime]
	u = unit[bench]
	printf "%-30s %-14s %9s %9s %9s %-4s %9s %9s %9s\n", bench, runtime, number(x),
		number(least[bench, runtime]), number(most[bench, runtime]), u,
		ratio(x, median[bench, "pthread"]), ratio(x, median[bench, go]),
		u == "us" ? ratio(x, wakeup) : u == "ns" ? ratio(x / 1000, wakeup) : "-"
}

function table(want_ref,	i, j)
{
	printf "%-30s %-14s %9s %9s %9s %-4s %9s %9s %9s\n", "benchmark", "runtime", "median",
		"least", "most", "unit", "/pthread", "/" (go ? go : "go"), "/wake-up"
	for (i = 1; i <= benches; i++) {
		if ((bench[i] ~ /^ref_/) != want_ref || !shown(bench[i]))
			continue
		for (j = 1; j <= runtimes; j++) {
			if ((bench[i], runtime[j]) in count)
				row(bench[i], runtime[j])
		}
	}
}

function judge(	i, b, r)
{
	printf "\nTime until another goroutine runs, %s to raw threads, median; at most %g wanted:\n",
		judged, limit
	for (i = 1; i <= benches; i++) {
		b = bench[i]
		if (b ~ /^ref_/ || b ~ /_return_p50$/ || b !~ /_p50$/ || !((b, judged) in count) ||
		    !((b, "pthread") in count))
			continue
		r = median[b, judged] / median[b, "pthread"]
		printf "  %-30s %6.2f  %s\n", b, r, r <= limit ? "yes" : "NO"
	}
}

/^bench=/ {
	b = r = v = u = ""
	for (i = 1; i <= NF; i++) {
		split($i, word, "=")
		if (word[1] == "bench")
			b = word[2]
		else if (word[1] == "runtime")
			r = word[2]
		else if (word[1] == "value")
			v = word[2]
		else if (word[1] == "unit")
			u = word[2]
	}
	if (!(b in unit)) {
		unit[b] = u
		bench[++benches] = b
	}
	if (!(r in known)) {
		known[r] = 1
		runtime[++runtimes] = r
		if (r ~ /^go[0-9]/)
			go = r
	}
	sample[b, r, ++count[b, r]] = v + 0
}

END {
	for (i = 1; i <= benches; i++) {
		for (j = 1; j <= runtimes; j++) {
			if ((bench[i], runtime[j]) in count)
				sum_up(bench[i], runtime[j])
		}
	}
	wakeup = median["ref_futex_wake_same_p50", "pthread"]
	table(1)
	print ""
	table(0)
	if (judged != "")
		judge()
}
