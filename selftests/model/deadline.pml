/* SPDX-License-Identifier: GPL-2.0 */
/*
 * deadline.pml - may an M give up waiting just as it is started?
 *
 * An M parks with a deadline; after that it ends. LOOK=1: under the lock it looks whether it is still
 * on the list of parked ones, and if not waits for the P that is on its way. LOOK=0: it just goes.
 */
bool locked = false;
bool parked = false, note = false;
bool nextp = false;			/* the P is on its way to the M */
bool left = false, took = false, done = false;

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

active proctype M()						/* = futex_park() */
{
	lock();
	parked = true;
	unlock();
	if
	:: note -> took = true
	:: true ->			/* the deadline has passed */
#if LOOK
		lock();
		if
		:: parked -> parked = false; unlock(); left = true
		:: else -> unlock(); note; took = true
		fi
#else
		lock();
		parked = false;
		unlock();
		left = true
#endif
	fi
}

active proctype Starter()					/* = startm() */
{
	parked;
	lock();
	if
	:: parked ->
		parked = false; nextp = true;
		unlock();
		note = true
	:: else -> unlock()
	fi;
	done = true
}

active proctype Check()
{
	done && (left || took);
	assert(!(left && nextp))
}
