// SPDX-License-Identifier: MIT
/* Goroutines with attributes. */
#include <stdio.h>
#include <string.h>

#include "gextra.h"

#define MXCSR_BITS	0xffff	/* others are reserved: loading them is a fault */

/* ---- Control words ------------------------------------------------------------------------- */

static void fpget(struct fpwords *w)
{
	__asm__ volatile("stmxcsr %0" : "=m"(w->mxcsr));
	__asm__ volatile("fnstcw %0" : "=m"(w->x87));
}

static void fpset(const struct fpwords *w)
{
	__asm__ volatile("ldmxcsr %0" : : "m"(w->mxcsr));
	__asm__ volatile("fldcw %0" : : "m"(w->x87));
}

void fpload(struct gextra *x)
{
	fpget(&x->threadfp);
	fpset(&x->fp);
}

void fpunload(struct gextra *x)
{
	fpget(&x->fp);
	fpset(&x->threadfp);
}

/* ---- grt_go_with() ------------------------------------------------------------------------- */

static bool valid(const struct grt_attr *a)
{
	if (a->flags & ~GRT_ATTR_FP)
		return false;
	if (a->reserved[0] || a->reserved[1] || a->reserved[2])
		return false;
	if (!(a->flags & GRT_ATTR_FP))
		return !a->mxcsr && !a->x87cw;
	return !(a->mxcsr & ~MXCSR_BITS);
}

/* What @a asks for; NULL: nothing. Before acquirem(): malloc() may have to wait for its lock. */
static struct gextra *newextra(const struct grt_attr *a)
{
	struct gextra *x;

	if (!a->name && !a->flags)
		return NULL;
	x = gextraalloc();
	if (a->name)
		snprintf(x->name, sizeof(x->name), "%s", a->name);
	x->ownfp = a->flags & GRT_ATTR_FP;
	x->fp = (struct fpwords){ .mxcsr = a->mxcsr, .x87 = a->x87cw };
	return x;
}

int grt_go_with(const struct grt_attr *attr, void (*fn)(void *arg), void *arg)
{
	struct grt_attr a = { 0 };
	struct gextra *x;
	struct m *mp;
	struct g *gp;

	if (!load_acquire(&sched.begun))
		return -ESRCH;
	if (attr) {
		if (attr->size < sizeof(attr->size) || attr->size > sizeof(a))
			return -EINVAL;
		memcpy(&a, attr, attr->size);
	}
	if (!valid(&a))
		return -EINVAL;
	if (!fn)
		fatal("go of nil func value");
	x = newextra(&a);
	mp = acquirem();
	gp = newproc1(mp, fn, arg, (uintptr_t)__builtin_return_address(0));
	gp->extra = x;
	if (a.parked) {
		startparked(gp);
		*a.parked = (grt_g *)gp;
	} else {
		putrunnable(mp, gp);
	}
	releasem(mp);
	if (!mp)
		foreigncall();
	return 0;
}
