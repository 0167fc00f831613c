// SPDX-License-Identifier: MIT

// The same work in Go: the stall benchmarks as ../stall.h says. GOMAXPROCS in the environment is
// the number of workers.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

const (
	warmup   = 10
	beforeMs = 20
)

var base = time.Now()

func now() int64 { return int64(time.Since(base)) }

func out(bench string, value float64, unit string) {
	fmt.Printf("bench=%s runtime=%s workers=%d value=%.3f unit=%s\n",
		bench, runtime.Version(), runtime.GOMAXPROCS(0), value, unit)
}

func outQuantile(bench string, v []int64, index int) {
	out(bench, float64(v[index])/1e3, "us")
}

func sortSamples(v []int64) {
	sort.Slice(v, func(i, j int) bool { return v[i] < v[j] })
}

func dist(bench string, v []int64) {
	n := len(v)
	sortSamples(v)
	outQuantile(bench+"_p50", v, n/2)
	outQuantile(bench+"_p90", v, n*9/10)
	outQuantile(bench+"_p99", v, n*99/100)
	outQuantile(bench+"_max", v, n-1)
}

func die(what string, err error) {
	fmt.Fprintf(os.Stderr, "bench_go: %s: %v\n", what, err)
	os.Exit(1)
}

// call makes a system call as package syscall does for all: the runtime knows of it. The signals by
// which the runtime preempts interrupt some calls.
//
//go:uintptrescapes
func call(what string, trap, a1, a2, a3, a4 uintptr) uintptr {
	for {
		r, _, e := syscall.Syscall6(trap, a1, a2, a3, a4, 0, 0)
		if e == 0 {
			return r
		}
		if e != syscall.EINTR {
			die(what, e)
		}
	}
}

func spin(ms int) {
	end := now() + int64(ms)*1e6
	for t := now(); t < end; t = now() {
	}
}

// A way to block that the runtime cannot turn into a park; arm is called just before B is made
// ready.
type way struct {
	arm   func()
	block func()
}

func nanosleep(ms int) way {
	var left syscall.Timespec
	return way{func() {}, func() {
		left = syscall.NsecToTimespec(int64(ms) * 1e6)
		call("nanosleep", syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&left)),
			uintptr(unsafe.Pointer(&left)), 0, 0)
	}}
}

func readTimer(ms int) way {
	const clockMonotonic = 1
	var expired uint64
	spec := [2]syscall.Timespec{1: syscall.NsecToTimespec(int64(ms) * 1e6)}
	fd := call("timerfd_create", syscall.SYS_TIMERFD_CREATE, clockMonotonic, 0, 0, 0)
	return way{func() {
		call("timerfd_settime", syscall.SYS_TIMERFD_SETTIME, fd, 0,
			uintptr(unsafe.Pointer(&spec)), 0)
	}, func() {
		call("read of a timer", syscall.SYS_READ, fd,
			uintptr(unsafe.Pointer(&expired)), 8, 0)
	}}
}

// As in <linux/userfaultfd.h>.
const (
	sysUserfaultfd   = 323
	uffdUserModeOnly = 1
	uffdioAPI        = 0xc018aa3f
	uffdioRegister   = 0xc020aa00
	uffdAPI          = 0xaa
	registerMissing  = 1
)

type uffdioAPIArg struct{ api, features, ioctls uint64 }
type uffdioRegisterArg struct{ start, length, mode, ioctls uint64 }

// Faults are served by another process.
func touch(ms, rounds int) way {
	page := os.Getpagesize()
	fd := call("userfaultfd", sysUserfaultfd, uffdUserModeOnly, 0, 0, 0)
	api := uffdioAPIArg{api: uffdAPI}
	call("UFFDIO_API", syscall.SYS_IOCTL, fd, uffdioAPI, uintptr(unsafe.Pointer(&api)), 0)
	area, err := syscall.Mmap(-1, 0, page*(rounds+warmup),
		syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		die("mmap", err)
	}
	start := uint64(uintptr(unsafe.Pointer(&area[0])))
	reg := uffdioRegisterArg{start, uint64(len(area)), registerMissing, 0}
	call("UFFDIO_REGISTER", syscall.SYS_IOCTL, fd, uffdioRegister,
		uintptr(unsafe.Pointer(&reg)), 0)

	helper := exec.Command("uffd_helper", strconv.Itoa(ms), strconv.Itoa(os.Getpid()))
	helper.Stderr = os.Stderr
	helper.ExtraFiles = []*os.File{os.NewFile(fd, "userfaultfd")}
	if err := helper.Start(); err != nil {
		die("uffd_helper", err)
	}

	next := 0
	return way{func() {}, func() {
		if area[next] != 1 {
			die("content of a page", syscall.EIO)
		}
		next += page
	}}
}

func before(mode string) {
	switch mode {
	case "idle":
		time.Sleep(beforeMs * time.Millisecond)
	case "cpu":
		spin(beforeMs)
	}
}

// Time runs from the moment before A blocks: B is ready by then, but cannot run before it.
func stall(name, mode string, w way, rounds int) {
	// A collection would stop the world, which a goroutine in a page fault holds up.
	debug.SetGCPercent(-1)
	wake := make(chan struct{}, 1)
	ack := make(chan int64, 1)
	go func() {
		for range wake {
			ack <- now()
		}
	}()
	var untilB, untilA []int64
	for i := 0; i < rounds+warmup; i++ {
		before(mode)
		w.arm()
		wake <- struct{}{}
		t0 := now()
		w.block()
		back := now()
		ran := <-ack
		if i >= warmup {
			untilB = append(untilB, ran-t0)
			untilA = append(untilA, back-t0)
		}
	}
	dist(name, untilB)
	sortSamples(untilA)
	outQuantile(name+"_return_p50", untilA, len(untilA)/2)
}

func usage() {
	fmt.Fprint(os.Stderr, "usage: bench_go blockstall|blockread hot|idle|cpu MS ROUNDS\n"+
		"       bench_go pfstall MS ROUNDS\n")
	os.Exit(2)
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		fmt.Fprintf(os.Stderr, "bench_go: not a positive number: %s\n", text)
		os.Exit(2)
	}
	return n
}

func main() {
	a := os.Args[1:]
	switch {
	case len(a) == 4 && (a[1] == "hot" || a[1] == "idle" || a[1] == "cpu"):
		ms, rounds := number(a[2]), number(a[3])
		name := fmt.Sprintf("%s_%s_%dms", a[0], a[1], ms)
		switch a[0] {
		case "blockstall":
			stall(name, a[1], nanosleep(ms), rounds)
		case "blockread":
			stall(name, a[1], readTimer(ms), rounds)
		default:
			usage()
		}
	case len(a) == 3 && a[0] == "pfstall":
		ms, rounds := number(a[1]), number(a[2])
		stall(fmt.Sprintf("pfstall_%dms", ms), "hot", touch(ms, rounds), rounds)
	default:
		usage()
	}
}
