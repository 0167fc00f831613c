/* SPDX-License-Identifier: MIT */
/* What every public header of libgrt needs. */
#ifndef GRT_BASE_H
#define GRT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define GRT_BEGIN_DECLS	extern "C" {
#define GRT_END_DECLS	}
#else
#define GRT_BEGIN_DECLS
#define GRT_END_DECLS
#endif

/** GRT_API: a function of the public interface */
#define GRT_API		__attribute__((visibility("default")))

/** GRT_FOREVER: a deadline that never comes */
#define GRT_FOREVER	INT64_MAX

/**
 * struct grt_lock - the runtime's own lock, private part of the objects that embed it
 *
 * All zeroes is unlocked.
 */
struct grt_lock {
	/* private: */
	uint32_t key;
};

/**
 * struct grt_waitq - who waits for an object, private part of the objects that embed it
 *
 * All zeroes is empty.
 */
struct grt_waitq {
	/* private: */
	struct grt_sudog *first;
	struct grt_sudog *last;
};

#endif /* GRT_BASE_H */
