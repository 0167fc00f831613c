// SPDX-License-Identifier: MIT
/*
 * Init tasks (R66, R92): what GRT_INIT() of the program and its libraries registered, run by the
 * main goroutine before its function.
 *
 * They register by constructors, before there is a runtime, so those of a library come before those
 * of what uses it. A library that is loaded later has its tasks run at once, by whoever loads it.
 */
#include "runtime.h"

static struct {
	struct grt_lock lock;
	struct grt_init_task *first;
	struct grt_init_task *last;
	bool done;
} tasks = { .lock = LOCK_INIT(LOCKRANK_INITTASKS) };

static struct grt_init_task *taketask(void)
{
	struct grt_init_task *task;

	lock(&tasks.lock);
	task = tasks.first;
	if (task)
		tasks.first = task->next;
	else
		tasks.done = true;
	unlock(&tasks.lock);
	return task;
}

/* Runs the tasks, those too that they register. By the main goroutine, locked to m0. */
void runinittasks(void)
{
	struct grt_init_task *task;

	while ((task = taketask()))
		task->fn();
}

/* The goroutine must not change threads: the dynamic linker, which calls this, holds its lock. */
static void runlate(const struct grt_init_task *task)
{
	bool user = grt_self();

	if (user)
		lockosthread();
	task->fn();
	if (user)
		unlockosthread();
}

void grt_init_add(struct grt_init_task *task)
{
	bool late;

	lock(&tasks.lock);
	late = tasks.done;
	if (!late) {
		if (tasks.first)
			tasks.last->next = task;
		else
			tasks.first = task;
		tasks.last = task;
	}
	unlock(&tasks.lock);
	if (late)
		runlate(task);
}
