/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lockedm.pml - is the wake-up of a locked M lost, or taken twice?
 *
 * An M whose goroutine waits hands its P on and sleeps on its note; whoever finds the goroutine gives
 * it its own P and wakes it, maybe before it sleeps. CLEAR=1: the note is cleared after the sleep.
 * CLEAR=0: before it. CLEAR=2: never.
 */
byte p = 1;				/* who holds the one P: 1, 2 */
bool note = false, nextp = false;
bool runnable = false, asleep = false, gave = false, over = false;

active proctype Locked()					/* = stoplockedm() */
{
	byte round = 0;

	do
	:: round < 2 ->
		round++;
		p = 2;			/* handed on; its goroutine is made ready over there */
		runnable = true;
#if CLEAR == 0
		note = false;
#endif
		asleep = true;
		note;
		asleep = false;
#if CLEAR == 1
		note = false;
#endif
		assert(nextp);
		nextp = false; gave = false; p = 1
	:: else -> break
	od;
	over = true
}

active proctype Other()						/* = startlockedm() */
{
	do
	:: p == 2 && runnable ->
		runnable = false;
		nextp = true;
		atomic { note = true; gave = true }
	:: over -> break
	od
}

active proctype Check()
{
	do
	:: atomic { gave && asleep && !note -> assert(false) }
	:: over -> break
	od
}
