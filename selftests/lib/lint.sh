#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lint.sh: what tools say about the sources. Writes TAP.
#
# Description: each gate is clean, and each gate finds what was planted for it: one that looked at
# nothing would be clean as well. What is not asked of a file is said where it is left out.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/tap.sh"

kernels=(6.1 6.12)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ---- The gates: each is given files, or the folder of a module and a kernel ----

# checkpatch IGNORED FILE...: the kernel's style, by its own judge, on its strictest.
checkpatch()
{
	local ignored=$1

	shift
	perl "$scripts/checkpatch.pl" --root "$work" --no-tree --strict --terse --show-types \
		--max-line-length=100 --ignore "$ignored" -f "$@" >"$work/said" 2>/dev/null && return
	grep -v '^total:' "$work/said"
	return 1
}

# In the module all of it holds, but: the versions of kernels are asked for in one file, tracepoints
# are declared with macros that take code, and a header for user space has no BIT(). Macros that
# loop use an argument twice, and some take the name of a member. A static_assert compares constants.
checkpatch_module()
{
	local macros=MACRO_ARG_REUSE,MACRO_ARG_PRECEDENCE,CONSTANT_COMPARISON bad=0

	checkpatch "LINUX_VERSION_CODE,$macros" kmod/compat.h || bad=1
	checkpatch "OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT,$macros" kmod/trace.h || bad=1
	checkpatch BIT_MACRO uapi/linux/gsched.h || bad=1
	# shellcheck disable=SC2046 # words
	checkpatch "$macros" $(git ls-files 'kmod/*.[ch]' | grep -v -e /compat.h -e /trace.h) || bad=1
	return "$bad"
}

# Programs have the C library's types and names, and no macros of the kernel's headers; the fatal
# errors of libgrt are worded as Go has them.
not_for_programs=ARRAY_SIZE,BIT_MACRO,CAMELCASE,EMBEDDED_FUNCTION_NAME,ENOSYS,NEW_TYPEDEFS
not_for_programs+=,PREFER_DEFINED_ATTRIBUTE_MACRO,PREFER_KERNEL_TYPES,STATIC_CONST_CHAR_ARRAY,STRCPY
not_for_programs+=,NAKED_SSCANF,AVOID_EXTERNS,FUNCTION_ARGUMENTS,LONG_LINE_STRING
# volatile is for what a handler or another process changes; a barrier is explained where it stands.
not_for_programs+=,MEMORY_BARRIER,VOLATILE
# Macros of the harness and of tests are statements, and take them.
not_for_programs+=,BRACES,COMPLEX_MACRO,MACRO_ARG_PRECEDENCE,MACRO_ARG_REUSE,MACRO_ARG_UNUSED,SPACING
not_for_programs+=,TRAILING_STATEMENTS
# Matters of taste; and "mount -t debugfs debugfs" is no slip.
not_for_programs+=,COMPARISON_TO_NULL,MULTIPLE_ASSIGNMENTS,REPEATED_WORD,SPLIT_STRING
not_for_programs+=,UNNECESSARY_PARENTHESES

checkpatch_programs()
{
	# shellcheck disable=SC2046 # words
	checkpatch "$not_for_programs" $(git ls-files 'selftests/*.[ch]' 'libgrt/*.[ch]')
}

# The module's build folder for a kernel; what the compiler has to say has been said by then.
module_build()
{
	dirname "$("$top/selftests/vm/build.sh" "$1")"
}

# use_kernel SERIES: sets KDIR.
use_kernel()
{
	local assignments

	assignments=$("$top/selftests/vm/kernels.sh" "$1")
	eval "$assignments"
}

# kbuild FOLDER KERNEL WORD...
kbuild()
{
	local folder=$1 KDIR

	use_kernel "$2"
	shift 2
	make -s -C "$KDIR" M="$folder" KCFLAGS=-Werror W=1 "$@" modules
}

# What the kernel's strictest warnings say is an error.
warnings()
{
	kbuild "$1" "$2"
}

# Address spaces, endianness, context.
run_sparse()
{
	kbuild "$1" "$2" C=2 CHECK=sparse CF="-D__CHECK_ENDIAN__ -Wsparse-error" &&
		[ "$(find "$1" -name '*.o.cmd' | wc -l)" -gt 0 ]
}

# coccinelle RULES FILE...: rules of the kernel that can report. What they say, they say on stdout.
coccinelle()
{
	local rule options rules=$1

	shift
	for rule in $rules; do
		options=$(sed -n 's|^// Options: *||p' "$rule")
		# shellcheck disable=SC2086 # words
		spatch -D report --very-quiet --no-show-diff --cocci-file "$rule" $options "$@"
	done >"$work/said" 2>"$work/errors"
	! grep . "$work/said"
}

kernel_doc()
{
	perl "$scripts/kernel-doc" -none -Wall -Werror "$@"
}

# Of the compiler's words those that say what the source means; gcc's others are not clang's.
flags_of()
{
	local words=() word

	eval "words=($(sed -n '1s/.*:= *//p' "$1" | sed 's/ ; .*//'))"
	while [ ${#words[@]} -gt 0 ]; do
		word=${words[0]}
		words=("${words[@]:1}")
		case $word in
		-include | -isystem)	printf '%s\n' "$word" "${words[0]}" ;;
		-I* | -D* | -U* | -std=* | -nostdinc | -fshort-wchar | -mcmodel=*) printf '%s\n' "$word" ;;
		esac
	done
}

# What happens along each path, by clang's own analyzer. FOLDER is one that was built.
clang_analyzer()
{
	local folder=$1 KDIR command flags bad=0 seen=0 source

	use_kernel "$2"
	for command in "$folder"/.*.o.cmd; do
		source=${command##*/.}
		source=$folder/${source%.o.cmd}.c
		[[ -f $source && $source != *.mod.c ]] || continue
		seen=$((seen + 1))
		mapfile -t flags < <(flags_of "$command")
		(cd "$KDIR" && clang-tidy-14 --quiet --warnings-as-errors='*' --checks="$checks" \
			"$source" -- "${flags[@]}" -Wno-everything) >"$work/said" 2>&1 ||
			{ bad=1; cat "$work/said"; }
	done
	[ "$bad" = 0 ] && [ "$seen" -gt 0 ]
}

# Without the one that wants functions of C11's optional part.
checks='-*,clang-analyzer-*,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling'

spelling()
{
	codespell --ignore-words-list "$names" "$@"
}

# Names, which are no words
names=ans,whats

# What is sourced, and names set for it, are in other files.
shell()
{
	shellcheck --severity warning --exclude SC1090,SC1091,SC2034,SC2154 "$@"
}

# ---- What is planted ----

plant()
{
	mkdir "$work/w1" "$work/seed"
	echo 'obj-m := w1.o' >"$work/w1/Kbuild"
	cat >"$work/w1/w1.c" <<-'EOT'
		#include <linux/module.h>
		int nobody_declared_this(void);
		static const int unused = 1;
		int undeclared(int x)
		{
			return x;
		}
		MODULE_DESCRIPTION("planted");
		MODULE_LICENSE("GPL");
	EOT
	echo 'obj-m := seed.o' >"$work/seed/Kbuild"
	cat >"$work/seed/seed.c" <<-'EOT'
		#include <linux/module.h>
		#include <linux/slab.h>
		#include <linux/uaccess.h>
		#include <linux/init.h>
		static noinline void twice(int x)
		{
			int *p = kmalloc(8, GFP_KERNEL);
			int *q = NULL;

			kfree(p);
			if (x)
				kfree(p);
			if (x == 7)
				*q = x;
		}

		static char __user *address;

		static int __init seed(void)
		{
			int a=*(char __force *)&address;

			twice(a + *(char *)address);
			return 0;
		}
		module_init(seed);
		MODULE_DESCRIPTION("planted");
		MODULE_LICENSE("GPL");
	EOT
	# the slip is none in this file
	cat >"$work/seed/doc.c" <<-EOT
		/**
		 * twice() - $(rev <<<het) argument is not described
		 */
		void twice(int x);
	EOT
	# shellcheck disable=SC2016 # planted
	printf '#!/bin/bash\ncd $1\nrm -rf $2/*\n' >"$work/seed/seed.sh"
}

# finds WHAT COMMAND...: the gate fails, and for that reason.
finds()
{
	local what=$1 said

	shift
	! said=$("$@" 2>&1) && grep -qE -e "$what" <<<"$said" || { echo "$said"; return 1; }
}

# ---- All of it ----

main()
{
	local scripts rules kernel seed=$work/seed sources scripts_here

	cd "$top"
	scripts=$(cd "$("$here/ksft.sh")/../../../scripts" && pwd)
	rules=$(find "$scripts/coccinelle" -name '*.cocci')
	plant
	sources=$(git ls-files 'kmod/*.c')
	scripts_here=$(git ls-files '*.sh' .ci/run selftests/vm/guest/init)
	plan 21

	check "checkpatch: the module and its header" checkpatch_module
	check "checkpatch: the tests and the library" checkpatch_programs
	check "checkpatch finds" finds 'SPACING' checkpatch NONE "$seed/seed.c"

	for kernel in "${kernels[@]}"; do
		check "W=1 on $kernel" warnings "$(module_build "$kernel")" "$kernel"
		check "sparse on $kernel" run_sparse "$(module_build "$kernel")" "$kernel"
	done
	check "W=1 finds" finds 'missing-prototypes|no previous prototype' warnings "$work/w1" 6.12
	check "sparse finds" finds 'address space' run_sparse "$seed" 6.12

	# shellcheck disable=SC2086 # words
	check "coccinelle" coccinelle "$rules" $sources
	check "coccinelle finds" finds 'preceded by free' \
		coccinelle "$(grep /free/kfree.cocci <<<"$rules")" "$seed/seed.c"

	check "kernel-doc of the header" kernel_doc uapi/linux/gsched.h
	# shellcheck disable=SC2086 # words
	check "kernel-doc of the module" kernel_doc $sources
	check "kernel-doc of the library's headers" kernel_doc libgrt/include/*.h libgrt/include/grt/*.h
	check "kernel-doc finds" finds "'x' not described" kernel_doc "$seed/doc.c"

	check "clang-analyzer" clang_analyzer "$(module_build 6.12)" 6.12
	check "clang-analyzer finds" finds 'unix.Malloc|NullDereference' clang_analyzer "$seed" 6.12

	# shellcheck disable=SC2046 # words
	check "codespell" spelling $(git ls-files)
	check "codespell finds" finds '==> the' spelling "$seed/doc.c"

	# shellcheck disable=SC2086 # words
	check "shellcheck" shell $scripts_here
	check "shellcheck finds" finds 'SC2115' shell "$seed/seed.sh"

	finish
}

main "$@"
