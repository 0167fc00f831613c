/* SPDX-License-Identifier: MIT */
/*
 * What the ABI keeps for each thread although it is the goroutine's: it goes along when a goroutine
 * leaves one thread and goes on on another.
 *
 *	carryout()	the goroutine @gp leaves its thread; what it has there is kept in @c
 *	carryin()	it is back, maybe on another thread
 *	carries()	whether there may be anything: neither need be called if not
 *
 * The exceptions that are being handled, or are in flight while destructors run, in a program with
 * C++: one that has no __cxa_get_globals() pays for looking at its address. And the control words
 * of SSE and x87, for goroutines that have their own (grt_go_with()).
 */
#ifndef GRT_SRC_CARRY_H
#define GRT_SRC_CARRY_H

#include "gextra.h"

/* Not there if no C++ is linked or was loaded with the program. */
struct cxxglobals *__cxa_get_globals(void) __attribute__((weak));
struct cxxglobals *__cxa_get_globals_fast(void) __attribute__((weak));
void __cxa_end_catch(void) __attribute__((weak));

/* False: there is nothing to carry. */
static inline bool carries(const struct g *gp)
{
	return __cxa_get_globals_fast || (gp->extra && gp->extra->ownfp);
}

struct carried {
	struct cxxglobals cxx;
};

static inline void carryout(struct g *gp, struct carried *c)
{
	struct cxxglobals *cxx;

	if (__cxa_get_globals_fast) {
		c->cxx = (struct cxxglobals){ 0 };
		cxx = __cxa_get_globals_fast();
		if (cxx) {
			c->cxx = *cxx;
			*cxx = (struct cxxglobals){ 0 };
		}
	}
	if (gp->extra && gp->extra->ownfp)
		fpunload(gp->extra);
}

static inline void carryin(struct g *gp, const struct carried *c)
{
	if (__cxa_get_globals_fast && (c->cxx.caught || c->cxx.uncaught))
		*__cxa_get_globals() = c->cxx;
	if (gp->extra && gp->extra->ownfp)
		fpload(gp->extra);
}

/* The exceptions of this moment, for cxxreturn(). */
static inline struct cxxglobals cxxnow(void)
{
	struct cxxglobals *cxx = __cxa_get_globals_fast ? __cxa_get_globals_fast() : NULL;

	return cxx ? *cxx : (struct cxxglobals){ 0 };
}

/*
 * Handlers that have begun since @then are left without their end: ends them, which frees their
 * exceptions. A destructor may park, so this may go on on another thread.
 */
static inline void cxxreturn(struct cxxglobals then)
{
	if (!__cxa_get_globals_fast)
		return;
	while (cxxnow().caught != then.caught)
		__cxa_end_catch();
	if (cxxnow().uncaught != then.uncaught)
		__cxa_get_globals_fast()->uncaught = then.uncaught;
}

#endif /* GRT_SRC_CARRY_H */
