// SPDX-License-Identifier: GPL-2.0
/*
 * C++ exceptions and goroutines: what is in flight or being handled is the goroutine's, wherever it
 * goes on. The C++ runtime keeps it by thread.
 */
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>

#include <grt.h>

static int wrong, tests, failed;

static void check(bool ok)
{
	if (!ok)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static grt_waitgroup ended;

static void pause_here(int i)
{
	if (i % 8)
		grt_yield();
	else
		grt_sleep(10000);
}

/* ---- What goroutines do ---- */

/* Parks in the handler, while others throw on the same thread, and throws it on. */
static void rethrow(void *arg)
{
	std::string mine = "goroutine " + std::to_string(grt_self_id());

	for (int i = 0; i < 100; i++) {
		try {
			try {
				throw std::runtime_error(mine);
			} catch (const std::exception &e) {
				pause_here(i);
				check(mine == e.what());
				throw;
			}
		} catch (const std::runtime_error &e) {
			pause_here(i + 1);
			check(mine == e.what());
			std::exception_ptr p = std::current_exception();
			check(p != nullptr);
			pause_here(i + 2);
			check(std::current_exception() == p);
		}
		check(!std::current_exception());
	}
	grt_waitgroup_done(&ended);
}

struct parks {
	int i;

	~parks()
	{
		check(std::uncaught_exceptions() == 1);
		pause_here(i);
		check(std::uncaught_exceptions() == 1);
	}
};

/* Parks in a destructor that an exception runs. */
static void unwind(void *arg)
{
	for (int i = 0; i < 100; i++) {
		check(std::uncaught_exceptions() == 0);
		try {
			parks p{i};
			throw i;
		} catch (int n) {
			check(n == i);
			pause_here(i + 1);
		}
		check(std::uncaught_exceptions() == 0);
	}
	grt_waitgroup_done(&ended);
}

/* Neither throws nor should see what others throw. */
static void plain(void *arg)
{
	for (int i = 0; i < 200; i++) {
		check(!std::current_exception());
		check(std::uncaught_exceptions() == 0);
		pause_here(i);
	}
	grt_waitgroup_done(&ended);
}

/* Ends in a handler: the exception is lost, but nobody else's business. */
static void exit_in_handler(void *arg)
{
	grt_waitgroup_done(&ended);
	try {
		throw 1;
	} catch (int) {
		grt_exit();
	}
}

static void mix(void (*a)(void *), void (*b)(void *), int n)
{
	grt_waitgroup_add(&ended, 3 * n);
	for (int i = 0; i < n; i++) {
		grt_go(a, nullptr);
		grt_go(b, nullptr);
		grt_go(plain, nullptr);
	}
	grt_waitgroup_wait(&ended);
	check(!std::current_exception());
}

/* ---- Exceptions and scopes ---- */

static int deferred;

static void count(void *unused)
{
	deferred++;
}

static void throws(void *unused)
{
	grt_defer(count, nullptr);
	grt_defer(count, nullptr);
	throw std::logic_error("through");
}

static void recover(void *unused)
{
	grt_recover();
}

static void panics(void *unused)
{
	grt_defer(recover, nullptr);
	grt_panic("in a scope");
}

/* What was deferred in the scope runs when an exception passes, and the scope is left. */
static void pass_scope()
{
	for (int i = 0; i < 100; i++) {
		deferred = 0;
		try {
			grt_try(throws, nullptr);
			check(false);
		} catch (const std::logic_error &) {
			check(deferred == 2);
			check(grt_try(panics, nullptr) == 1);
		}
		check(!std::current_exception());
	}
}

static void panic_in_handler(void *unused)
{
	grt_defer(recover, nullptr);
	try {
		throw std::runtime_error("left behind");
	} catch (const std::exception &) {
		try {
			throw 2;
		} catch (int) {
			grt_panic("in two handlers");
		}
	}
}

static void skip_handlers()
{
	for (int i = 0; i < 100; i++) {
		try {
			throw i;
		} catch (int n) {
			std::exception_ptr p = std::current_exception();

			check(grt_try(panic_in_handler, nullptr) == 1);
			check(std::current_exception() == p);
			check(std::uncaught_exceptions() == 0);
			check(n == i);
		}
		check(!std::current_exception());
	}
}

/* ---- TAP ---- */

static void report(const char *name)
{
	int n = __atomic_exchange_n(&wrong, 0, __ATOMIC_RELAXED);

	tests++;
	failed += n != 0;
	std::printf("%sok %d %s\n", n ? "not " : "", tests, name);
}

static int run(void *unused)
{
	mix(rethrow, unwind, 16);
	report("parks in handlers and destructors, among others that throw");
	mix(exit_in_handler, exit_in_handler, 16);
	report("ends in a handler");
	pass_scope();
	report("passes a scope");
	skip_handlers();
	report("handlers that a panic skips");
	return failed;
}

int main()
{
	std::setvbuf(stdout, nullptr, _IOLBF, 0);
	std::puts("TAP version 13\n1..4");
	return grt_run(run, nullptr) ? 1 : 0;
}
