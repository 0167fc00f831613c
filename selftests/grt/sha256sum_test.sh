#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# grt-sha256sum against coreutils' sha256sum: for each case, standard output, standard error and exit
# status are the same, byte for byte. Both are run under one name, so that messages compare.
#
#   GRT_SHA256SUM  the program (default: beside this script, else in PATH)
#   SHA256SUM      coreutils' (likewise)

set -u
export LC_ALL=C

# Root reads what it may not, unless it gives up CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: out of the
# bounding set they are gone with the next exec.
if [ -z "${BOUNDED:-}" ]; then
	export BOUNDED=1
	exec perl -e 'my $prctl = {x86_64 => 157, aarch64 => 167}->{shift()};
		      syscall($prctl, 24, $_, 0, 0, 0) for 1, 2;
		      exec @ARGV or die' "$(uname -m)" "$BASH" "$0"
fi

here=$(cd "$(dirname "$0")" && pwd)
name=grt-sha256sum

# find_program GIVEN NAME
find_program()
{
	local p

	for p in "$1" "$here/$2" "$(command -v "$2")"; do
		[ -n "$p" ] && [ -x "$p" ] && realpath "$p" && return
	done
	bail "there is no $2"
}

bail()
{
	echo "Bail out! $1" >&2
	exit 1
}

ours=$(find_program "${GRT_SHA256SUM:-}" $name) || exit 1
ref=$(find_program "${SHA256SUM:-}" sha256sum) || exit 1
"$ref" --version | grep -q 'GNU coreutils' || bail "$ref is not coreutils'"

work=$(mktemp -d)
trap 'chmod -R u+rwX "$work"; rm -rf "$work"' EXIT
mkdir "$work/files" "$work/out"
cd "$work/files" || exit 1

ntests=0
nfailed=0
stdin=/dev/null
modes="read mmap"	# how same() has the files read

# The result of one test: DESCRIPTION, and whether it failed.
report()
{
	ntests=$((ntests + 1))
	if [ "$2" = 0 ]; then
		echo "ok $ntests $1"
	else
		nfailed=$((nfailed + 1))
		echo "not ok $ntests $1"
	fi
}

# run PREFIX PROGRAM ARG...: leaves PREFIX.out, .err and .status.
run()
{
	local prefix=$work/out/$1

	(exec -a $name "${@:2}" < "$stdin" > "$prefix.out" 2> "$prefix.err")
	echo $? > "$prefix.status"
}

# equal FILE FILE: as cmp, without a process: in an emulated machine those are dear.
equal()
{
	local a b

	mapfile -d '' a < "$1"
	mapfile -d '' b < "$2"
	[ "${a[*]@Q}" = "${b[*]@Q}" ]
}

differ()
{
	local part

	for part in out err status; do
		equal "$work/out/ref.$part" "$work/out/$1.$part" && continue
		diff -a "$work/out/ref.$part" "$work/out/$1.$part" | head -n 10 | cat -v |
			sed "s/^/# $part /"
		return 0
	done
	return 1
}

# same DESCRIPTION ARG...: as coreutils.
same()
{
	local what=$1 failed=0 mode

	shift
	run ref "$ref" "$@"
	for mode in $modes; do
		case $mode in
		read) run read "$ours" "$@" ;;
		mmap) run mmap "$ours" --mmap -j 2 "$@" ;;
		esac
		differ "$mode" && failed=1
	done
	report "$what" $failed
}

# like DESCRIPTION FILE ARG...: standard output is FILE's bytes, nothing else is said.
like()
{
	local what=$1

	cp "$2" "$work/out/ref.out"
	: > "$work/out/ref.err"
	echo 0 > "$work/out/ref.status"
	run read "$ours" "${@:3}"
	differ read
	report "$what" $((! $?))
}

make_files()
{
	echo hello > plain
	: > empty
	head -c 1000000 /dev/zero > large
	head -c 65536 /dev/zero > chunk
	echo 1 > ./-dash
	echo 2 > .hidden
	echo 3 > 'with blank'
	echo 4 > $'new\nline'
	echo 5 > 'back\slash'
	echo 6 > $'carriage\rreturn'
	echo 7 > $'all\n\\\rthree'
	echo 8 > "apo'strophe"
	echo 9 > $'\303\251\377'
	echo 10 > ' leading'
	echo 11 > '*asterisk'
	echo 12 > 'a:b=c'
	echo 13 > unreadable
	chmod 0 unreadable
	ln -s plain link
	ln -s loop loop
	mkdir folder
	mkfifo fifo
}

odd_names=(plain empty large chunk ./-dash .hidden 'with blank' $'new\nline' 'back\slash'
	   $'carriage\rreturn' $'all\n\\\rthree' "apo'strophe" $'\303\251\377' ' leading' '*asterisk'
	   'a:b=c' link)

test_names()
{
	same "odd names" -- "${odd_names[@]}"
	same "odd names, --tag" --tag -- "${odd_names[@]}"
	same "odd names, --zero" -z -- "${odd_names[@]}"
	same "odd names, --zero --tag" -z --tag -- "${odd_names[@]}"
	same "odd names, --binary" -b -- "${odd_names[@]}"
	same "options after names" plain -b empty
	same "the same file many times" plain plain plain large large plain
	same "a file of /proc, whose size says nothing" /proc/self/uid_map
}

test_errors()
{
	same "missing" missing
	same "missing between others" plain missing empty
	same "unreadable" unreadable plain
	same "a link to itself" loop
	same "not a folder" plain/below
	same "an empty name" ''
	same "a read that fails" /proc/self/mem
	same "messages quote names" 'a b' "it's" 'x:y' '$x' '{' 'a{' '#' 'a#' '~' $'tab\there' \
		$'\303\251' $'\001\002x' 'a"b' '*' '?' 'b\s' "it's \$x" '!' 'a=b' '[' ']'
	same "name too long" "$(head -c 300 /dev/zero | tr '\0' n)"
	report_full
}

# What standard output does not take is an error.
report_full()
{
	local status

	"$ours" plain > /dev/full 2> "$work/out/read.err"
	status=$?
	(exec -a $name "$ref" plain > /dev/full 2> "$work/out/ref.err")
	[ $status = 1 ] && cmp -s "$work/out/ref.err" "$work/out/read.err"
	report "standard output is full" $?
}

test_stdin()
{
	stdin=plain
	same "standard input, no operand"
	same "standard input, as -" -
	same "standard input, amid others" empty - large
	same "standard input, twice" - -
	same "standard input, --tag" --tag -
	stdin=folder
	same "standard input is a folder" -
	stdin=/dev/null
}

test_usage()
{
	same "unknown option" --nonsense
	same "ambiguous option" --st
	same "unknown letter" -q
	same "abbreviated option" --bin plain
	same "--tag then --text" --tag -t plain
	same "--text then --tag" -t --tag plain
	same "--check --zero" -c -z list
	same "--check --tag" -c --tag list
	same "--check --binary" -c -b list
	same "--check --text" -c -t list
	same "--quiet without --check" --quiet plain
	same "--status without --check" --status plain
	same "--strict without --check" --strict plain
	same "--warn without --check" -w plain
	same "--ignore-missing without --check" --ignore-missing plain
	same "an argument for --tag" --tag=x plain
}

test_check()
{
	local option sum

	"$ref" -- "${odd_names[@]}" > list
	"$ref" --tag -- "${odd_names[@]}" > list.tag
	"$ref" -b -- "${odd_names[@]}" > list.binary
	sed 's/  / /' list > list.bsd
	sum=$("$ref" < plain | head -c 64)
	{
		echo "$sum  plain"
		echo "${sum//[0-9]/0}  plain"
		echo "$sum  missing"
		echo "$sum  missing2"
		echo "$sum  unreadable"
		echo "$sum  folder"
		echo "# a comment"
		echo
		echo "nonsense"
		echo "${sum:1}  plain"
		echo "${sum}0  plain"
		echo "g${sum:1}  plain"
		echo "$sum plain"
		echo "$sum"
		echo "$sum  "
		echo "  $sum  plain"
		echo "${sum^^} *plain"
		printf '%s  plain\r\n' "$sum"
		echo "\\$sum  bad\\escape"
		echo "\\$sum  ends\\"
		echo "\\$sum  back\\\\slash"
		echo "$sum  back\\slash"
		echo "SHA256 (plain) = $sum"
		echo "SHA256(plain)=$sum"
		echo "SHA256 (plain) = ${sum}0"
		echo "SHA256 (plain = $sum"
		echo "SHA256 plain = $sum"
		echo "SHA1 (plain) = $sum"
		echo "\\SHA256 (back\\\\slash) = $sum"
		printf '%s  plain' "$sum"
	} > list.broken
	echo nonsense > list.nonsense
	echo "$sum  missing" > list.missing
	echo "$sum  plain" > list.good
	: > list.empty

	same "check" -c list
	same "check --tag's form" -c list.tag
	same "check --binary's form" -c list.binary
	same "check BSD's form" -c list.bsd
	same "check forms mixed" -c list list.bsd
	for option in "" --quiet --status --strict --warn --ignore-missing "--strict --status" \
		      "--warn --strict" "--quiet --warn" "--warn --quiet" "--status --warn" \
		      "--quiet --ignore-missing" "--status --ignore-missing --strict"; do
		# shellcheck disable=SC2086 # the options are words
		same "check a broken list${option:+, $option}" -c $option list.broken
		# shellcheck disable=SC2086
		same "check lists of all sorts${option:+, $option}" -c $option list.good \
			list.missing list.nonsense list.empty list.gone list
	done
	same "check a folder as a list" -c folder
	same "check an unreadable list" -c unreadable
	stdin=list.good
	same "check from standard input" -c
	same "check from standard input, as -" -c -
	same "check from standard input, amid others" -c list.good - list.missing -
	stdin=list.nonsense
	same "check nonsense from standard input" -c -w
	echo "$sum  -" > list.stdin
	stdin=plain
	same "check standard input itself" -c list.stdin
	same "check standard input itself, then a list from it" -c list.stdin -
	stdin=list.stdin
	same "check a list on standard input that names it" -c -w -
	stdin=/dev/null
}

# 300 names of random bytes, and a list of them of which every third line is damaged.
test_random()
{
	perl -e 'srand 1;
		my @c = (("a" .. "e"), " ", "\n", "\\", "\r", "\t", "*", "(", ")", ":", "\"", "\x80");
		for (1 .. 300) {
			my $n = join "", map { $c[rand @c] } 0 .. rand 12;
			open my $f, ">", $n or die;
			print $f $n x 100;
		}'
	local names
	mapfile -d '' -t names < <(find . -type f -print0 | LC_ALL=C sort -z)
	same "random names" -- "${names[@]}"
	same "random names, --tag" --tag -- "${names[@]}"
	same "random names that are missing" -- "${names[@]/%/?}"
	{
		"$ref" -- "${names[@]}"
		"$ref" --tag -- "${names[@]}"
	} | perl -e 'srand 2;
		while (<>) {
			substr($_, rand length, 1) = ("0", "\\", " ", "(", "\0", "\t")[rand 6] if $. % 3 == 0;
			print;
		}' > "$work/list.random"
	same "a damaged list" -c --warn "$work/list.random"
}

test_folders()
{
	mkdir -p tree/a/b tree/a-b tree/empty 'tree/blank name' tree/.dot
	local f
	for f in tree/z tree/a/1 tree/a/b/2 tree/a-b/3 tree/a.c 'tree/blank name/4' tree/.dot/5 \
		 $'tree/a/new\nline' tree/a/b/back\\slash; do
		echo "$f" > "$f"
	done
	ln -s ../plain tree/link
	mkfifo tree/fifo
	find tree -type f -print0 | sort -z | xargs -0 "$ref" > "$work/expected"
	like "a folder, sorted by whole names" "$work/expected" tree
	like "a folder, by page faults, on 8 Ps" "$work/expected" --mmap -j 8 tree
	ln -s tree treelink
	sed 's, tree/, treelink/,' "$work/expected" > "$work/expected.link"
	like "a link to a folder" "$work/expected.link" treelink
	(cd tree && find . -type f -print0 | sort -z | xargs -0 "$ref") > "$work/expected"
	cd tree || exit 1
	like "the folder we are in" "$work/expected" .
	cd .. || exit 1
	{ "$ref" plain; find tree -type f -print0 | sort -z | xargs -0 "$ref"; "$ref" empty; } \
		> "$work/expected"
	like "a folder amid files" "$work/expected" plain tree empty
	like "an empty folder" /dev/null tree/empty
	test_closed_folder
}

# What cannot be listed is an error in its place; the rest goes on.
test_closed_folder()
{
	chmod 0 tree/a/b
	run read "$ours" tree
	chmod 755 tree/a/b
	echo "$name: tree/a/b: Permission denied" | cmp -s - "$work/out/read.err" &&
		[ "$(cat "$work/out/read.status")" = 1 ] &&
		[ "$(wc -l < "$work/out/read.out")" = 7 ]
	report "a folder that may not be listed" $?
}

# The number of Ps is checked at once.
test_procs()
{
	local n

	for n in 0 -1 x 1025 ''; do
		run read "$ours" -j "$n" plain
		[ "$(cat "$work/out/read.status")" = 1 ] && [ ! -s "$work/out/read.out" ] &&
			grep -q "^$name: invalid number of Ps: '$n'" "$work/out/read.err"
		report "-j '$n' is refused" $?
	done
	for n in 1 2 8 64; do
		same "-j $n" "${odd_names[@]/#/./}"
	done
}

echo "TAP version 13"
make_files
test_names
test_errors
test_stdin
modes='read'
test_usage
test_check
test_folders
test_procs
modes="read mmap"
mkdir random
cd random || exit 1
test_random
echo "1..$ntests"
echo "# Totals: pass:$((ntests - nfailed)) fail:$nfailed xfail:0 xpass:0 skip:0 error:0"
[ $nfailed = 0 ]
