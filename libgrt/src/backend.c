// SPDX-License-Identifier: MIT
/* Choosing the backend. */
#include <stdlib.h>
#include <string.h>

#include "backend.h"

static bool setup(const struct backend *b, int32_t nprocs, const char **what, int *err)
{
	*err = b->setup(nprocs, what);
	if (*err)
		return false;
	store_release(&sched.backend, b);
	return true;
}

/* gsched if it can be set up, else futex; or what GRT_BACKEND says. */
void backendinit(int32_t nprocs)
{
	const char *env = getenv("GRT_BACKEND");
	const struct backend *b = NULL;
	const char *what = "";
	int err;

	if (!env || !*env) {
		if (setup(&backend_gsched, nprocs, &what, &err))
			return;
		b = &backend_futex;
	} else if (!strcmp(env, "gsched")) {
		b = &backend_gsched;
	} else if (!strcmp(env, "futex")) {
		b = &backend_futex;
	} else {
		fatal_setup("GRT_BACKEND=%s: unknown, must be gsched or futex", env);
	}
	if (!setup(b, nprocs, &what, &err))
		fatal_setup("GRT_BACKEND=%s: %s: %s%s", b->name, what, strerror(-err),
			    b == &backend_gsched && (err == -ENOENT || err == -ENODEV) ?
			    " (is the module loaded?)" : "");
}
