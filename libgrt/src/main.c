// SPDX-License-Identifier: MIT
/* libgrt_main: main() for programs that define grt_main(). */
#include <grt.h>
#include <stdlib.h>

static struct {
	int argc;
	char **argv;
} args;

static int run(void *unused)
{
	(void)unused;
	return grt_main(args.argc, args.argv);
}

int main(int argc, char **argv)
{
	args.argc = argc;
	args.argv = argv;
	exit(grt_run(run, NULL));
}
