/* SPDX-License-Identifier: GPL-2.0 */
/*
 * haswork.pml - may a stale has_work bit hide work?
 *
 * The owner of a P clears the P's bit when it finds its ring empty, and sets it, after a look whether
 * it is set, when it puts something in. The M may sleep anywhere, for a page fault or so, and another
 * get its P. NOPREEMPT=1: not while it is in such code. NOPREEMPT=0: there, too.
 */
bool has = true;			/* in has_work */
bool ring = false;			/* something is in it */
byte owner = 1;
bool nopreempt = false, idle_done = false, put_done = false;

active proctype Idler()						/* = runqidle() */
{
#if NOPREEMPT
	nopreempt = true;
#endif
	if
	:: owner == 1 && !ring ->
		if :: has -> has = false :: else fi
	:: else
	fi;
	nopreempt = false;
	idle_done = true
}

active proctype Kernel()					/* = slot_hand_blocked() */
{
	atomic { !nopreempt -> owner = 2 }
}

active proctype Putter()					/* = runqput() */
{
	owner == 2;
	ring = true;
	if :: !has -> has = true :: else fi;
	put_done = true
}

active proctype Check()
{
	idle_done && put_done;
	assert(has || !ring)
}
