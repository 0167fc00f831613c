/* SPDX-License-Identifier: GPL-2.0 */
/*
 * acquire.pml - ACQUIRE with a deadline against RELEASE
 *
 * The M that waits gives up at any moment, the other gives its P up at any moment. LOOK=1: the one way
 * out of a wait takes up a P that was granted, whatever else happened. LOOK=0: after the deadline it
 * does not look. TURN=0: the released P is made IDLE without a look for one that waits.
 */
bool locked = false;
bool waiting = false, grant = false, awake = false;
byte p = 2;				/* who holds the one P: 0 nobody, IDLE */
bool out = false, released = false;

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

active proctype Acquirer()					/* = machine_join(), = machine_leave_wait() */
{
	bool late = false;

	lock();
	waiting = true;
	if :: p == 0 -> grant = true; waiting = false; p = 1 :: else fi;	/* = slot_serve() */
	unlock();
	if
	:: grant
	:: awake
	:: late = true
	fi;
	lock();
#if LOOK
	if :: grant -> skip :: else -> waiting = false fi;
#else
	if :: grant && !late -> skip :: else -> waiting = false; grant = false fi;
#endif
	out = true;
	unlock()
}

active proctype Releaser()					/* = slot_hand(), = slot_offer() */
{
	lock();
#if TURN
	if :: waiting -> waiting = false; grant = true; p = 1 :: else -> p = 0 fi;
#else
	p = 0;
#endif
	unlock();
	awake = grant;
	released = true
}

active proctype Check()
{
	released && (out || waiting);
	lock();
	assert(!(out && p == 1 && !grant));	/* the P of an M that does not know of it */
	assert(!(waiting && p == 0));
	unlock()
}
