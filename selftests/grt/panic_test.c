// SPDX-License-Identifier: GPL-2.0
/*
 * Deferred functions, panics and recovery, as Go has them: in which order things are called, where
 * the goroutine goes on, and the exact words when it does not (go-semantics section 4, items 62 and
 * 67).
 */
#include <pthread.h>

#include "grt_harness.h"

#define PROCS any_procs(4)

FIXTURE(panic) { char unused; };
FIXTURE_SETUP(panic) { self->unused = 0; }
FIXTURE_TEARDOWN(panic) { }

/* What happened, a letter a thing. */
static char trail[64];

static void mark(char c)
{
	trail[strlen(trail)] = c;
}

static void mark_arg(void *c)
{
	mark(*(const char *)c);
}

static void defer_mark(const char *c)
{
	grt_defer(mark_arg, (void *)c);
}

/* What grt_recover() returned last. */
static char recovered[64];

static void recover_mark(void *c)
{
	const char *why = grt_recover();

	if (why) {
		snprintf(recovered, sizeof(recovered), "%s", why);
		mark(*(const char *)c);
	} else {
		mark('-');
	}
}

static void defer_recover(const char *c)
{
	grt_defer(recover_mark, (void *)c);
}

/* ---- The order of deferred functions ---- */

static grt_waitgroup ended;

static void done(void *unused)
{
	(void)unused;
	grt_waitgroup_done(&ended);
}

static void (*in_goroutine)(void *arg);

static void goroutine(void *unused)
{
	(void)unused;
	grt_defer(done, NULL);
	in_goroutine(NULL);
	mark('|');
}

static int goroutine_main(void *unused)
{
	(void)unused;
	grt_waitgroup_add(&ended, 1);
	grt_go(goroutine, NULL);
	grt_waitgroup_wait(&ended);
	mark('.');
	return 0;
}

/* Runs @fn in a goroutine of its own and waits for the end of that. */
#define EXPECT_TRAIL(fn, text) do {						\
	in_goroutine = fn;							\
	EXPECT_EQ(0, run_procs(1, goroutine_main, NULL));			\
	EXPECT_STREQ(text, trail);						\
} while (0)

static void three(void *unused)
{
	defer_mark("a");
	defer_mark("b");
	defer_mark("c");
	mark('1');
}

/* At the goroutine's end, last first. */
TEST(end_of_goroutine)
{
	EXPECT_TRAIL(three, "1|cba.");
}

static void many(void *unused)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
	int i;

	for (i = 0; i < 26; i++)
		defer_mark(&letters[i]);
}

/* As many as one likes. */
TEST(many_deferred)
{
	EXPECT_TRAIL(many, "|zyxwvutsrqponmlkjihgfedcba.");
}

static void try_three(void *unused)
{
	defer_mark("z");
	if (grt_try(three, NULL))
		mark('!');
	mark('2');
}

/* grt_try() is a scope: what its function defers is called before it returns. */
TEST(end_of_scope)
{
	EXPECT_TRAIL(try_three, "1cba2|z.");
}

static void defers_more(void *unused)
{
	defer_mark("x");
	mark('D');
}

static void deferred_defers(void *unused)
{
	defer_mark("a");
	grt_defer(defers_more, NULL);
	defer_mark("b");
}

/* A deferred function is a scope, too. */
TEST(deferred_is_scope)
{
	EXPECT_TRAIL(deferred_defers, "|bDxa.");
}

static void exits_deep(void *unused)
{
	defer_mark("d");
	grt_exit();
}

static void exits(void *unused)
{
	defer_mark("a");
	grt_try(exits_deep, NULL);
	mark('!');
}

/* grt_exit() calls what all scopes have deferred. */
TEST(exit_runs_deferred)
{
	EXPECT_TRAIL(exits, "da.");
}

static void yields(void *c)
{
	grt_yield();
	grt_sleep(1000);
	mark_arg(c);
}

static void deferred_parks(void *unused)
{
	grt_defer(yields, "a");
	grt_defer(yields, "b");
	grt_panic("x");
}

static void try_parks(void *unused)
{
	defer_recover("R");
	deferred_parks(NULL);
}

static void parks(void *unused)
{
	EXPECT_EQ(1, grt_try(try_parks, NULL));
}

/* Deferred functions may park. */
TEST(deferred_may_park)
{
	EXPECT_TRAIL(parks, "baR|.");
}

/* ---- Recovery ---- */

static void panics(void *unused)
{
	mark('p');
	grt_panic("no %s: %d", "luck", 7);
}

static void recovers(void *unused)
{
	defer_mark("a");
	defer_recover("R");
	defer_mark("b");
	panics(NULL);
}

static void try_recovers(void *unused)
{
	EXPECT_EQ(1, grt_try(recovers, NULL));
	EXPECT_STREQ("no luck: 7", recovered);
	EXPECT_EQ(NULL, grt_recover());
	EXPECT_EQ(0, grt_try(three, NULL));
}

/* The scope that recovered ends as if its function had returned. */
TEST(recover)
{
	EXPECT_TRAIL(try_recovers, "pbRa1cba|.");
}

/* Without a scope, the goroutine ends; what it deferred before is still called. */
TEST(recover_in_goroutine)
{
	EXPECT_TRAIL(recovers, "pbRa.");
}

static void inner(void *unused)
{
	defer_mark("i");
	panics(NULL);
}

static void middle(void *unused)
{
	defer_mark("m");
	grt_try(inner, NULL);
	mark('!');
}

static void outer(void *unused)
{
	defer_recover("R");
	grt_try(middle, NULL);
	mark('!');
}

static void go_recover_far(void *unused)
{
	EXPECT_EQ(1, grt_try(outer, NULL));
	mark('2');
}

/* Scopes that do not recover are left, the outermost first to go on is the one that does. */
TEST(recover_far)
{
	EXPECT_TRAIL(go_recover_far, "pimR2|.");
}

static void recover_twice(void *c)
{
	const char *why = grt_recover();

	EXPECT_STREQ("no luck: 7", why);
	EXPECT_EQ(NULL, grt_recover());
	mark_arg(c);
}

static void twice(void *unused)
{
	defer_recover("R");	/* returns NULL: it is called by the end of the scope */
	grt_defer(recover_twice, "T");
	panics(NULL);
}

static void try_twice(void *unused)
{
	EXPECT_EQ(1, grt_try(twice, NULL));
}

/* The second grt_recover() finds nothing, in the same function or in the next. */
TEST(recover_once)
{
	EXPECT_TRAIL(try_twice, "pT-|.");
}

static void recover_in_scope(void *unused)
{
	mark(grt_recover() ? '!' : 'n');
}

static void recover_in_deferred(void *unused)
{
	grt_defer(recover_in_scope, NULL);
}

static void not_the_one(void *unused)
{
	/* Neither a scope in the deferred function nor what that defers is called by the panic. */
	grt_try(recover_in_scope, NULL);
	grt_try(recover_in_deferred, NULL);
	grt_defer(recover_in_scope, NULL);
}

static void wrong_place(void *unused)
{
	defer_recover("R");
	grt_defer(not_the_one, NULL);
	panics(NULL);
}

static void try_wrong_place(void *unused)
{
	mark(grt_recover() ? '!' : 'n');
	EXPECT_EQ(1, grt_try(wrong_place, NULL));
}

/* Only the function that the panic calls can recover, not what that function defers or tries. */
TEST(recover_in_wrong_place)
{
	EXPECT_TRAIL(try_wrong_place, "npnnnR|.");
}

/* ---- Panics while others run ---- */

static void panics_again(void *unused)
{
	mark('q');
	grt_panic("again");
}

static void again(void *unused)
{
	defer_recover("R");
	defer_mark("a");
	grt_defer(panics_again, NULL);
	panics(NULL);
}

static void try_again(void *unused)
{
	EXPECT_EQ(1, grt_try(again, NULL));
	EXPECT_STREQ("again", recovered);
}

/* A panic in a deferred function takes over, and recovering from it ends both. */
TEST(panic_in_deferred)
{
	EXPECT_TRAIL(try_again, "pqaR|.");
}

static void inner_panic(void *unused)
{
	EXPECT_EQ(1, grt_try(again, NULL));
	mark('3');
}

static void outer_goes_on(void *unused)
{
	defer_recover("S");
	grt_defer(inner_panic, NULL);
	panics(NULL);
}

static void try_outer_goes_on(void *unused)
{
	EXPECT_EQ(1, grt_try(outer_goes_on, NULL));
	EXPECT_STREQ("no luck: 7", recovered);
}

/* A panic that began and was recovered inside a deferred function leaves the first as it was. */
TEST(panic_and_recovery_in_deferred)
{
	EXPECT_TRAIL(try_outer_goes_on, "ppqaR3S|.");
}

static void recover_then_panic(void *unused)
{
	recover_mark("r");
	grt_panic("after %s", recovered);
}

static void repanic(void *unused)
{
	defer_recover("R");
	grt_defer(recover_then_panic, NULL);
	panics(NULL);
}

static void try_repanic(void *unused)
{
	EXPECT_EQ(1, grt_try(repanic, NULL));
	EXPECT_STREQ("after no luck: 7", recovered);
}

/* Who recovers may panic anew. */
TEST(panic_after_recover)
{
	EXPECT_TRAIL(try_repanic, "prR|.");
}

static void at_return(void *unused)
{
	defer_recover("R");
	grt_defer(panics_again, NULL);
}

static void try_at_return(void *unused)
{
	EXPECT_EQ(1, grt_try(at_return, NULL));
}

/* A panic in a function that the end of the scope calls is recovered by one deferred before it. */
TEST(panic_at_return)
{
	EXPECT_TRAIL(try_at_return, "qR|.");
}

/* ---- grt_exit() and panics ---- */

static void exit_deferred(void *unused)
{
	mark('x');
	grt_exit();
}

static void go_exit_in_panic(void *unused)
{
	defer_recover("!");
	defer_mark("a");
	grt_defer(exit_deferred, NULL);
	panics(NULL);
}

static void try_exit_in_panic(void *unused)
{
	defer_mark("z");
	grt_try(go_exit_in_panic, NULL);
	mark('!');
}

/* grt_exit() ends the panic, and nobody can recover from it. */
TEST(exit_in_panic)
{
	EXPECT_TRAIL(try_exit_in_panic, "pxa-z.");
}

static void go_panic_in_exit(void *unused)
{
	defer_recover("R");
	grt_defer(panics, NULL);
	grt_exit();
}

static void try_panic_in_exit(void *unused)
{
	defer_mark("z");
	grt_try(go_panic_in_exit, NULL);
	mark('!');
}

/* A panic in a function that grt_exit() calls can be recovered from; grt_exit() goes on then. */
TEST(panic_in_exit)
{
	EXPECT_TRAIL(try_panic_in_exit, "pRz.");
}

static void tries_in_exit(void *unused)
{
	EXPECT_EQ(1, grt_try(recovers, NULL));
	mark('t');
}

static void exit_tries(void *unused)
{
	defer_mark("z");
	grt_defer(tries_in_exit, NULL);
	grt_exit();
}

/* And what such a function does by itself is its own affair. */
TEST(try_in_exit)
{
	EXPECT_TRAIL(exit_tries, "pbRatz.");
}

/* ---- The runtime's own panics ---- */

static void closes_twice(void *unused)
{
	grt_chan c;

	grt_chan_init(&c, 0, 0, NULL);
	defer_recover("R");
	grt_chan_close(&c);
	grt_chan_close(&c);
}

static void sends_to_closed(void *c)
{
	defer_recover("S");
	grt_chan_send(c, NULL);
}

static void negative_counter(void *wg)
{
	defer_recover("W");
	grt_waitgroup_done(wg);
}

static void misuses(void *unused)
{
	grt_waitgroup wg = { 0 };
	grt_chan c;

	EXPECT_EQ(1, grt_try(closes_twice, NULL));
	EXPECT_STREQ("close of closed channel", recovered);
	grt_chan_init(&c, 0, 0, NULL);
	grt_chan_close(&c);
	EXPECT_EQ(1, grt_try(sends_to_closed, &c));
	EXPECT_STREQ("send on closed channel", recovered);
	EXPECT_EQ(1, grt_try(negative_counter, &wg));
	EXPECT_STREQ("sync: negative WaitGroup counter", recovered);
}

/* Misuse of channels and waitgroups can be recovered from, and leaves no lock held. */
TEST(misuse)
{
	EXPECT_TRAIL(misuses, "RSW|.");
}

static grt_chan closing;

static void wait_sending(void *unused)
{
	defer_recover("S");
	grt_chan_send(&closing, NULL);
}

static void sender(void *unused)
{
	EXPECT_EQ(1, grt_try(wait_sending, NULL));
	grt_waitgroup_done(&ended);
}

static int close_main(void *unused)
{
	grt_waitgroup_add(&ended, 1);
	grt_go(sender, NULL);
	yield_until(__atomic_load_n(&closing.sendq.first, __ATOMIC_ACQUIRE));
	grt_chan_close(&closing);
	grt_waitgroup_wait(&ended);
	return 0;
}

/* So can a send that was waiting when the channel was closed. */
TEST(misuse_while_waiting)
{
	EXPECT_EQ(0, run_procs(PROCS, close_main, NULL));
	EXPECT_STREQ("S", trail);
}

static int main_recovers(void *unused)
{
	recovers(NULL);
	return 5;
}

/* The main goroutine that recovers is done, with the result 0. */
TEST(recover_in_main)
{
	EXPECT_EQ(0, run_procs(1, main_recovers, NULL));
	EXPECT_STREQ("pbRa", trail);
}

static int main_defers(void *unused)
{
	three(NULL);
	return 5;
}

/* What the main goroutine deferred is called before grt_run() returns. */
TEST(deferred_in_main)
{
	EXPECT_EQ(5, run_procs(1, main_defers, NULL));
	EXPECT_STREQ("1cba", trail);
}

/* ---- Load ---- */

#define STORM		64
#define STORM_ROUNDS	500

static int storm_recovered;

static void storm_recover(void *text)
{
	const char *why = grt_recover();

	if (why && !strcmp(why, text))
		__atomic_fetch_add(&storm_recovered, 1, __ATOMIC_RELAXED);
}

static void storm_panics(void *text)
{
	grt_defer(storm_recover, text);
	grt_yield();
	grt_panic("%s", (const char *)text);
}

static void storm_go(void *unused)
{
	char text[32];
	int i;

	for (i = 0; i < STORM_ROUNDS; i++) {
		snprintf(text, sizeof(text), "%d of goroutine %d", i, (int)grt_self_id());
		grt_try(storm_panics, text);
	}
	grt_waitgroup_done(&ended);
}

static int storm_main(void *unused)
{
	int i;

	grt_waitgroup_add(&ended, STORM);
	for (i = 0; i < STORM; i++)
		grt_go(storm_go, NULL);
	grt_waitgroup_wait(&ended);
	return 0;
}

/* Many goroutines panic and recover while they move from thread to thread: none loses its own. */
TEST_F_TIMEOUT(panic, storm, 120)
{
	EXPECT_EQ(0, run_procs(PROCS, storm_main, NULL));
	EXPECT_EQ(STORM * STORM_ROUNDS, storm_recovered);
}

/* ---- Nobody recovers ---- */

/* @fn ends the process with status 2, and what it says contains each of the texts, in order. */
#define EXPECT_WORDS(fn, ...) do {						\
	const char *__words[] = { __VA_ARGS__ };				\
	struct death __d;							\
	const char *__at = __d.text;						\
										\
	run_to_death(&__d, fn);							\
	EXPECT_TRUE(WIFEXITED(__d.status));					\
	EXPECT_EQ(2, WEXITSTATUS(__d.status));					\
	for (size_t __i = 0; __at && __i < sizeof(__words) / sizeof(*__words); __i++) { \
		__at = strstr(__at, __words[__i]);				\
		EXPECT_NE(NULL, __at)						\
			TH_LOG("'%s' is not in: %s", __words[__i], __d.text);	\
	}									\
} while (0)

static int unhandled_main(void *unused)
{
	defer_mark("a");
	panics(NULL);
	return 0;
}

/* The words, an empty line, the goroutine, which is number 1, and where it was. */
TEST(unhandled)
{
	EXPECT_PANIC(unhandled_main, "no luck: 7");
	EXPECT_WORDS(unhandled_main, "panic: no luck: 7\n\ngoroutine 1 [running]:\n",
		     "(...)\n\t", "panic_test+0x", "created by ");
}

static int nested_main(void *unused)
{
	grt_defer(panics_again, NULL);
	panics(NULL);
	return 0;
}

/* A panic in a deferred function is told behind the first. */
TEST(unhandled_nested)
{
	EXPECT_PANIC(nested_main, "no luck: 7\n\tpanic: again");
}

static int recovered_main(void *unused)
{
	grt_defer(recover_then_panic, NULL);
	panics(NULL);
	return 0;
}

/* And so is one of who had recovered. */
TEST(unhandled_after_recover)
{
	EXPECT_PANIC(recovered_main, "no luck: 7 [recovered]\n\tpanic: after no luck: 7");
}

static int panic_in_exit_main(void *unused)
{
	grt_defer(panics, NULL);
	grt_exit();
}

/* A panic in a function that grt_exit() calls is a panic as any other. */
TEST(unhandled_in_exit)
{
	EXPECT_PANIC(panic_in_exit_main, "no luck: 7");
}

static char long_text[8192];

static int long_main(void *unused)
{
	memset(long_text, 'x', 3000);
	grt_panic("%s", long_text);
}

/* However long the text is. */
TEST(unhandled_long)
{
	struct death d;

	run_to_death(&d, long_main);
	EXPECT_EQ(strlen("panic: ") + 3000, strcspn(d.text, "\n"));
}

static void *panic_thread(void *unused)
{
	(void)unused;
	grt_panic("in a thread");
}

static int foreign_main(void *unused)
{
	pthread_t t;

	pthread_create(&t, NULL, panic_thread, NULL);
	grt_chan_recv(NULL, NULL);
	return 0;
}

/* A thread that is no goroutine has nothing to be recovered by. */
TEST(unhandled_foreign)
{
	EXPECT_DEATH(foreign_main, "panic: in a thread\n");
}

static bool panicking_commit(grt_g *g, void *arg)
{
	grt_panic("on the scheduler's stack");
}

static int commit_main(void *unused)
{
	defer_recover("!");
	grt_park(panicking_commit, NULL, GRT_WAIT_USER, GRT_FOREVER);
	return 0;
}

/* Nor has what runs on the scheduler's stack. */
TEST(unhandled_on_g0)
{
	EXPECT_DEATH(commit_main, "panic: on the scheduler's stack\n");
}

static int crash_main(void *unused)
{
	setenv("GRTTRACEBACK", "crash", 1);
	grt_panic("crash");
}

/* GRTTRACEBACK=crash: the process aborts. */
TEST(crash)
{
	struct death d;

	run_to_death(&d, crash_main);
	EXPECT_TRUE(WIFSIGNALED(d.status));
	EXPECT_EQ(SIGABRT, WTERMSIG(d.status));
}

/* ---- Item 67: TestPanicRace ---- */

static void race_panic(void *unused)
{
	grt_panic("crash");
}

static int race_main(void *unused)
{
	int i;

	/* Each has the chance to be the last word, and main ends meanwhile. */
	for (i = 0; i < 8; i++)
		grt_go(race_panic, NULL);
	grt_yield();
	return 0;
}

/*
 * The text is whole, though other goroutines panic and the main one returns. As in Go the main
 * goroutine may be faster than all of them, so there are ten tries.
 */
TEST(panic_race)
{
	struct death d = { .text = "" };
	int i;

	for (i = 0; i < 10; i++) {
		run_to_death(&d, race_main);
		if (d.status)
			break;
	}
	EXPECT_EQ(2, WEXITSTATUS(d.status));
	EXPECT_NE(NULL, strstr(d.text, "panic: crash\n\ngoroutine "));
	EXPECT_NE(NULL, strstr(d.text, " [running]:\n"));
	EXPECT_NE(NULL, strstr(d.text, "created by "));
	EXPECT_NE(NULL, strstr(d.text, " in goroutine 1\n"));
}

TEST_HARNESS_MAIN
