#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh [options] -- CMD...	runs CMD in a virtual machine and judges how it went
# run.sh [options] --shell	a shell in the virtual machine, on this terminal
#
# CMD's stdout, which is TAP, comes out of stdout as it arrives; its stderr out of stderr. Exit
# status 0 when everything went as it must (judge.sh says what that is), else 1, with a line
# "vm: FAIL: reason" for each reason on stderr.
#
#   --kernel 6.1|6.12|debug
#                       Debian's cloud kernel of that series (6.12), or the debug kernel
#   --cpus N            virtual processors (2)
#   --mem SIZE          memory, as QEMU takes it (2G)
#   --timeout S         seconds from start to end after which it counts as hung (120)
#   --boot-timeout S    seconds until the guest's init must run; else once more (30)
#                       (the debug kernel has ten times as long for both)
#   --module FILE|none  the module to load (what build.sh builds for the kernel)
#   --module-args STR   parameters for it, as insmod takes them
#   --root DIR          the tree DIR goes into the guest's /; repeatable
#   --bin FILE[:DEST]   a program, to DEST (/usr/local/bin/NAME); repeatable
#   --out DIR           what CMD leaves in /out comes back into DIR
#   --tap FILE          a copy of the TAP
#   --append STR        more words for the kernel's command line
#   --icount            time is what the processors execute: 1 ns an instruction
#   --one-thread        the emulator has one thread for all processors, so that the kernel may
#                       rewrite its own code while they run; up to 0.1 s from one to the next
#   --plan N            there must be N tests at top level; 0: CMD does not write TAP
#   --taint N           what the kernel must be tainted with (12288, debug: 4096; without a module 0)
#
# The shared libraries that programs need come along. The guest is busybox, bash, GNU timeout and
# perl; there is the group gsched and the user nobody.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../lib/apt.sh"
. "$here/pack.sh"

top=$(cd "$here/../.." && pwd)

kernel=6.12
cpus=2
mem=2G
timeout=120
boot_timeout=60
module=
module_args=
roots=()
bins=()
out=
tap=
append=
plan=
taint=
shell=
icount=
one_thread=
command=()

usage()
{
	die "$1; the options stand at the top of $0"
}

parse()
{
	while [ $# -gt 0 ]; do
		case $1 in
		--)		shift; command=("$@"); break ;;
		--shell)	shell=1; shift; continue ;;
		--icount)	icount=1; shift; continue ;;
		--one-thread)	one_thread=1; shift; continue ;;
		--*)		[ $# -ge 2 ] || usage "$1 needs a value" ;;&
		--kernel)	kernel=$2 ;;
		--cpus)		cpus=$2 ;;
		--mem)		mem=$2 ;;
		--timeout)	timeout=$2 ;;
		--boot-timeout)	boot_timeout=$2 ;;
		--module)	module=$2 ;;
		--module-args)	module_args=$2 ;;
		--root)		roots+=("$2") ;;
		--bin)		bins+=("$2") ;;
		--out)		out=$2 ;;
		--tap)		tap=$2 ;;
		--append)	append=$2 ;;
		--plan)		plan=$2 ;;
		--taint)	taint=$2 ;;
		*)		usage "unknown: $1" ;;
		esac
		shift 2
	done
}

check_number()
{
	[[ $2 =~ ^[0-9]+$ ]] || usage "$1 takes a number, not '$2'"
}

check_options()
{
	local dir file

	check_number --cpus "$cpus"
	check_number --timeout "$timeout"
	check_number --boot-timeout "$boot_timeout"
	check_number --plan "${plan:-0}"
	check_number --taint "${taint:-0}"
	for dir in "${roots[@]}"; do
		[ -d "$dir" ] || usage "--root $dir: no such folder"
	done
	for file in "${bins[@]}"; do
		[ -f "${file%%:*}" ] || usage "--bin ${file%%:*}: no such file"
		[[ $file != *:* || $file == *:/* ]] || usage "--bin $file: DEST is an absolute path"
	done
	[ -n "$shell" ] || [ ${#command[@]} -gt 0 ] ||
		usage "no command; give one after --, or --shell"
	[ -z "$shell" ] || [ -t 0 ] || usage "--shell needs a terminal"
}

# Sets what kernels.sh says; builds the module when none was given; '' stands for none then. A
# slow kernel is given longer.
find_kernel()
{
	local assignments

	assignments=$("$here/kernels.sh" "$kernel")
	eval "$assignments"
	case $module in
	'')	module=$("$here/build.sh" "$kernel") ;;
	none)	module= ;;
	*)	[ -f "$module" ] || usage "--module $module: no such file" ;;
	esac
	if [ -z "$taint" ]; then
		taint=$([ -n "$module" ] && echo "$TAINT" || echo 0)
	fi
	timeout=$((timeout * FACTOR))
	boot_timeout=$((boot_timeout * FACTOR))
}

# What the guest's init reads.
write_conf()
{
	local VM_MODULE=${module:+/lib/vm/${module##*/}} VM_MODULE_ARGS=$module_args
	local VM_OUT=$out VM_CONSOLE='' VM_FACTOR=$FACTOR
	local VM_CMD=("${command[@]}") VM_ALARM=$((timeout * 9 / 10))

	[ -z "$shell" ] || VM_CONSOLE=$(stty size)
	declare -p VM_MODULE VM_MODULE_ARGS VM_OUT VM_CONSOLE VM_CMD VM_ALARM VM_FACTOR
}

# What only this run has in its guest.
fill_root()
{
	local root=$1 tree bin file target elf

	mkdir -p "$root/etc" "$root/usr/lib/vm"
	for tree in "${roots[@]}"; do
		copy_tree "$root" "$tree"
	done
	for bin in "${bins[@]}"; do
		file=${bin%%:*}
		target=${bin#"$file"}
		target=${target#:}
		target=${target:-/usr/local/bin/${file##*/}}
		install -D -m 755 "$file" "$root$(merged "$target")"
	done
	mapfile -t elf < <(elf_files "$root")
	copy_libraries "$root" "${elf[@]}"

	[ -z "$module" ] || cp "$module" "$root/usr/lib/vm/"
	write_conf >"$root/etc/vm.conf"
}

# The archive that all runs have in common, and this one's.
pack_initramfs()
{
	local base

	base=$("$here/initramfs.sh" "$MODDIR" "$top/build/vm")
	fill_root "$work/root"
	cat "$base"
	archive "$work/root"
}

# KVM only where the processor shows it: a /dev/kvm without it starts no guest.
has_kvm()
{
	grep -qwE 'svm|vmx' /proc/cpuinfo && [ -w /dev/kvm ]
}

# The rate of the counter that the emulated processors show: this machine's.
tsc_khz()
{
	local program=$work/tsc_khz

	gcc -O2 -o "$program" "$here/tsc_khz.c"
	"$program"
}

# Sets accel, and words for the kernel. The emulator walks four levels of page tables faster than
# five. All its processors read one time stamp counter, but the kernel cannot know that; without
# being told it may fall back to the hpet, which costs a microsecond a look, or give up the
# counter in the middle of a test. Nor may it measure its rate itself: on a busy host it was once
# wrong by a factor of ten, and all its seconds as short; or find its timer broken when ten ticks
# do not come in the time for ten.
#
# When the kernel rewrites its own code, by way of an int3, a processor that is just translating
# that code may keep the int3 (a fault of the emulator in Debian 12): 6.12 panics with
# "Oops: int3", 6.1 stands still. Nearly all of that is done while the machine comes up, so the
# guest starts the other processors after it; and with no_ipi_broadcast the last one of them is no
# reason to do it again. A test that has the kernel do it needs a guest with one processor, or all
# processors in one thread: while that translates, nobody runs.
choose_accelerator()
{
	local threads=multi

	[ -z "$one_thread" ] || threads=single
	if [ -n "$icount" ]; then
		accel=(-accel 'tcg,thread=single,tb-size=256' -icount 'shift=0,sleep=off'
		       -cpu 'max,la57=off')
		append="tsc=reliable maxcpus=1 $append"
	elif has_kvm; then
		accel=(-accel kvm -cpu host)
	else
		accel=(-accel "tcg,thread=$threads,tb-size=256" -cpu 'max,la57=off')
		append="tsc_early_khz=$(tsc_khz) maxcpus=1 no_ipi_broadcast=1 $append"
		append="tsc=reliable no_timer_check $append"
	fi
}

# A panic reboots, and that ends QEMU, as does switching off. The descriptors 3 and 4 are where
# the guest's stdout and stderr go.
machine()
{
	local serial=$1

	shift
	timeout --foreground -k 2 "$timeout" \
		qemu-system-x86_64 "${accel[@]}" -smp "$cpus" -m "$mem" \
		-nodefaults -no-user-config -display none -no-reboot -rtc base=utc \
		-pidfile "$work/pid" \
		-kernel "$VMLINUZ" -initrd "$work/initrd" \
		-append "console=ttyS0 loglevel=5 panic=-1 oops=panic $append" \
		-serial "$serial" "$@"
}

run_machine()
{
	machine "file:$work/serial.log" -monitor none \
		-device virtio-serial-pci \
		-chardev file,id=result,path=/dev/fd/3 \
		-device virtserialport,chardev=result,name=result \
		-chardev file,id=errors,path=/dev/fd/4 \
		-device virtserialport,chardev=errors,name=errors \
		-chardev "file,id=files,path=$work/files.tar" \
		-device virtserialport,chardev=files,name=files \
		</dev/null >"$work/qemu.log" 2>&1 && status=0 || status=$?
	echo "$status" >"$work/status"
}

# The guest's stdout passes through the tee, its stderr through the cat. Pipes rather than the
# terminal or file itself, because QEMU sets what it writes to to non-blocking; and whoever reads
# our stdout may stop early, the judge may not.
stream_machine()
{
	{
		run_machine 3>&1 4>&5 | tee -p "$work/tap" >&6
	} 5>&1 | cat >&2
}

stop_machine()
{
	[ ! -f "$work/pid" ] || kill "$(<"$work/pid")" 2>/dev/null || true
}

clean_up()
{
	stop_machine
	wait
	[ -n "${keep:-}" ] || rm -rf "$work"
}

# Ends a machine whose guest does not come as far as its init, and leaves the file stuck.
watch_boot()
{
	local end=$((SECONDS + boot_timeout))

	while [ "$SECONDS" -lt "$end" ]; do
		[ ! -f "$work/status" ] || return 0
		! grep -qs '^vm: up' "$work/serial.log" || return 0
		sleep 0.2
	done
	touch "$work/stuck"
	stop_machine
}

# All in the background, so that a signal to this script is acted on at once.
run_once()
{
	rm -f "$work"/{tap,serial.log,files.tar,status,stuck,pid}
	stream_machine 6>&1 &
	watch_boot &
	wait
	[ ! -f "$work/stuck" ]
}

# A machine that does not come up has not loaded the module yet: that is no fault of what is tested
# here, and a second try hides none.
run_patiently()
{
	run_once && return
	say "the guest did not come up in $boot_timeout s; trying once more"
	run_once && return
	timeout=$boot_timeout
	echo 124 >"$work/status"
}

bring_back()
{
	[ -z "$tap" ] || cp "$work/tap" "$tap"
	if [ -n "$out" ] && [ -s "$work/files.tar" ]; then
		mkdir -p "$out"
		tar -xf "$work/files.tar" -C "$out"
	fi
}

run_and_judge()
{
	local started=$SECONDS

	run_patiently
	bring_back
	if ! "$here/judge.sh" --status "$(<"$work/status")" --timeout "$timeout" --taint "$taint" \
			${plan:+--plan "$plan"} --qemu-log "$work/qemu.log" \
			"$work/tap" "$work/serial.log" >&2; then
		keep=1
		rm -rf "$work/root" "$work/initrd"
		echo "vm: the serial log is $work/serial.log" >&2
		exit 1
	fi
	echo "vm: ok: Linux $KRELEASE, $cpus CPUs, $((SECONDS - started)) s" >&2
}

main()
{
	parse "$@"
	check_options
	find_kernel
	mkdir -p "$top/build/vm"
	work=$(mktemp -d "$top/build/vm/run.XXXXXX")
	trap clean_up EXIT
	trap 'exit 130' INT TERM HUP
	choose_accelerator
	pack_initramfs >"$work/initrd"

	if [ -n "$shell" ]; then
		timeout=0
		machine mon:stdio
	else
		run_and_judge
	fi
}

main "$@"
