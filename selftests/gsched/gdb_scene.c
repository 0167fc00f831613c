// SPDX-License-Identifier: GPL-2.0
/*
 * gdb_scene kept|slices: a scene for a debugger to attach to (gdb_test.sh). A stopped thread
 * sleeps, and its P goes to the WAITING one; unless it is kept, as the runner's is here without
 * slices, by nopreempt: then every P is held by threads that are stopped.
 *
 * Says "pid TIDS", the process's id and those of main() and of the Ms in the order of enum
 * scene_role; waits for the end of its standard input; then says what has become of the scene.
 * Exit status 0 if all of it is well.
 */
#include "scene.h"

/* In the scene's process; a debugger calls it, in whichever thread. */
__attribute__((noinline, used)) int gdb_calls(int n)
{
	static int calls;

	calls += n;
	return calls;
}

static long keep(struct gs *gs, __u64 id)
{
	GS_STORE(gs->mh[id].nopreempt, 1);
	return 0;
}

static long calls_so_far(struct gs *gs, __u64 arg)
{
	return gdb_calls(0);
}

static void wait_for_eof(void)
{
	char c;

	while (read(STDIN_FILENO, &c, 1) > 0)
		;
}

static bool says(const char *what, bool is)
{
	printf("%s: %s\n", what, is ? "yes" : "no");
	return is;
}

int main(int argc, char **argv)
{
	struct scene_opts opts = { .slices = argc > 1 && !strcmp(argv[1], "slices") };
	struct scene s;
	bool well;
	int role;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!scene_start(&s, &opts))
		return 1;
	if (!opts.slices && scene_do(&s, SCENE_RUNNER, keep, s.show->id[SCENE_RUNNER]))
		return 1;
	printf("pid %d", s.pid);
	for (role = 0; role < SCENE_MS; role++)
		printf(" %d", s.show->tid[role]);
	printf("\n");
	wait_for_eof();
	printf("called %ld\n", scene_do(&s, SCENE_MS, calls_so_far, 0));
	well = says("runs", scene_runs(&s));
	well = says("stands", scene_stands(&s)) && well;
	printf("passed the border: %llu stepping, %llu traced\n",
	       s.show->info.excess_step, s.show->info.excess_traced);
	return !says("ends well", scene_ends_well(&s)) || !well;
}
