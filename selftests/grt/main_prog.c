// SPDX-License-Identifier: GPL-2.0
/* What main_test.sh runs: a program whose main() is the library's. Says what it was called with. */
#include <stdio.h>

#include <grt.h>

int grt_main(int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++)
		printf("%s\n", argv[i]);
	if (argv[argc] || grt_self_id() != 1)
		return 99;
	return argc;
}
