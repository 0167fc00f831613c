// SPDX-License-Identifier: GPL-2.0
/* What gdb_test.sh looks at: one goroutine parked, another running. */
#include <grt.h>

grt_g *parked;

static bool publish(grt_g *g, void *arg)
{
	(void)arg;
	__atomic_store_n(&parked, g, __ATOMIC_SEQ_CST);
	return true;
}

static void parked_goroutine(void *arg)
{
	grt_park(publish, arg, GRT_WAIT_USER, GRT_FOREVER);
	__asm__ volatile("");
}

__attribute__((noinline)) void stop_here(void)
{
	__asm__ volatile("");
}

static int running_goroutine(void *arg)
{
	(void)arg;
	grt_go(parked_goroutine, NULL);
	while (!__atomic_load_n(&parked, __ATOMIC_SEQ_CST))
		grt_yield();
	stop_here();
	return 0;
}

int main(void)
{
	struct grt_config config = { .size = sizeof(config), .maxprocs = 1 };

	return grt_run_with(&config, running_goroutine, NULL);
}
