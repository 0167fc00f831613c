/* SPDX-License-Identifier: GPL-2.0 */
/*
 * close.pml - does the end of a domain wake an M that is about to sleep in it?
 *
 * STATE=1: the M says that it sleeps, and then looks whether the domain is closed. STATE=0: it looks
 * first. The wake-up of one that runs is nothing.
 */
bool closed = false;
bool sleeping = false, asleep = false, out = false, closer_done = false;

active proctype M()						/* = machine_sleep() */
{
#if STATE
	sleeping = true;
	if :: closed -> sleeping = false; out = true :: else -> asleep = true fi
#else
	if :: closed -> out = true :: else -> sleeping = true; asleep = true fi
#endif
}

active proctype Closer()					/* = domain_close() */
{
	closed = true;
	sleeping = false;			/* wake_up_process() */
	closer_done = true
}

active proctype Check()
{
	closer_done && (asleep || out);
	assert(out || !sleeping)
}
