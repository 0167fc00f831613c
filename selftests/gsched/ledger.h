/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who owned each P under which of its hand-over counts: what Ms enter while they run user code
 * shows whether a P ever had two owners.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include "gsched_util.h"

/* How many Ps, unless the includer has more */
#ifndef LEDGER_PS
#define LEDGER_PS	8
#endif
/*
 * How many counts of a P are remembered, unless the includer says; two owners of one count are
 * never that far apart.
 */
#ifndef REMEMBERED
#define REMEMBERED	65536
#endif

struct ledger {
	__u64 entry[LEDGER_PS][REMEMBERED];	/* count << 16 | m + 1 */
};

/* Enters @m; false if another M owned the same P under the same count. */
static inline bool publish(struct ledger *ledger, __u32 p, __u64 count, __u32 m)
{
	__u64 *entry = &ledger->entry[p][count % REMEMBERED];
	__u64 mine = count << 16 | (m + 1), old = GS_LOAD(*entry);

	while (old >> 16 < count || !old)
		if (__atomic_compare_exchange_n(entry, &old, mine, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			return true;
	return old >> 16 != count || old == mine;
}

#endif /* LEDGER_H */
