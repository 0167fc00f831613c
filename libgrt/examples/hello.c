// SPDX-License-Identifier: MIT
/*
 * Three goroutines sleep for different times and say so over a channel. -lgrt_main has the main()
 * that boots the runtime and runs grt_main() in it.
 *
 *	cc hello.c $(pkg-config --cflags --libs libgrt) -lgrt_main -o hello
 */
#include <stdio.h>

#include <grt.h>

static grt_chan *awake;

static void sleeper(void *arg)
{
	int ms = *(int *)arg;

	grt_sleep(ms * 1000000LL);
	grt_chan_send(awake, &ms);
}

int grt_main(int argc, char **argv)
{
	int ms[] = { 30, 10, 20 }, slept;

	(void)argc;
	(void)argv;
	awake = grt_chan_new(sizeof(int), 0);
	for (int i = 0; i < 3; i++)
		grt_go(sleeper, &ms[i]);
	for (int i = 0; i < 3; i++) {
		grt_chan_recv(awake, &slept);
		printf("slept %d ms\n", slept);
	}
	grt_chan_free(awake);
	return 0;
}
