/* SPDX-License-Identifier: GPL-2.0 */
/*
 * resize.pml - may the number of Ps change under Ms that run, sleep, wait, park and die?
 *
 * Of NP Ps two are there at the start, M0 has one and M1 the other; the other Ms are PARKED.
 * Whoever stops the world makes the number of Ps anything from 1 to NP, or leaves it. What is done
 * under the domain's lock is one step where nobody else reaches the words (gsched.pml takes that
 * apart); what the hooks read without the lock, and what STOP, RESIZE and START do P by P, are
 * steps of their own. An M that a stop asks for its P gives it up at any time. Who makes work
 * always calls WAKE.
 *
 * Check runs when nothing else can: first with the long sleepers asleep and the long runners
 * running, then with all let go.
 *
 * Budgets: ENQ goroutines made, BLK sleeps, LONG of them (or of runs) that end only when Check lets
 * go, STOPS, DIE deaths. LIT_* each turn one rule into its careless reading; the table says which.
 */
#ifndef NM
#define NM 3
#endif
#ifndef LONG
#define LONG 0
#endif
#ifndef DIE
#define DIE 0
#endif

#define NONE 9
/* P word */
#define IDLE 0
#define STOPPED 1
#define CUT 2				/* DEAD: beyond the number of Ps */
#define RUNNING(m) (10 + (m))
#define BLOCKED(m) (20 + (m))
#define isblk(v) ((v) >= 20)
/* = slot_is_free() */
#ifdef LIT_FREE
#define isfree(v) ((v) < 10 || isblk(v))
#else
#define isfree(v) ((v) == IDLE || isblk(v))
#endif
/* states of an M */
#define PARKED 1
#define WAITING 2
#define ON 3
#define DEAD 4

byte w[NP], nr = 2;			/* words of Ps; how many there are */
bool lk;				/* the domain's lock, held for more than a step */
byte st[NM], grant[NM];			/* grant: p + 1 */
byte line[NM];				/* an M's status line: p + 1 */
byte last[NM];				/* the P it had last */
byte nidle, nstopped, nparked, nwaiting;
byte stopper = NONE, exempt = NONE;
bool irqp[NP];
byte reap[NM];				/* a dead M: its p + 1, or NONE without one */
chan wq = [NM] of { byte };		/* WAITING Ms, oldest first */
byte ring[NP], gq;
/* the world */
byte left = 2;				/* goroutines not yet finished */
byte b_enq = ENQ, b_blk = BLK, b_long = LONG, b_stop = STOPS, b_die = DIE;
bool go;
byte user[NP];				/* who runs user code with this P: m + 1 */

#if NP > 2
#define OTHERS(n) ((n > 1 -> ring[1] : 0) + (n > 2 -> ring[2] : 0))
#define USERS (user[0] + user[1] + user[2])
#define COUNT(v) ((w[0] == v) + (w[1] == v) + (w[2] == v))
#define NBLOCKED (isblk(w[0]) + isblk(w[1]) + isblk(w[2]))
#else
#define OTHERS(n) (n > 1 -> ring[1] : 0)
#define USERS (user[0] + user[1])
#define COUNT(v) ((w[0] == v) + (w[1] == v))
#define NBLOCKED (isblk(w[0]) + isblk(w[1]))
#endif
#define WORK (gq + ring[0] + OTHERS(nr))

/* = slot_change(): the counts follow */
inline set(pp, v)
{
	nidle = nidle - (w[pp] == IDLE) + ((v) == IDLE);
#ifdef LIT_COUNT
	nstopped = nstopped - (w[pp] == STOPPED && (v) != CUT) + ((v) == STOPPED);
#else
	nstopped = nstopped - (w[pp] == STOPPED) + ((v) == STOPPED);
#endif
	w[pp] = v
}

/* = slot_grant() */
inline give(pp, m) { st[m] = ON; grant[m] = pp + 1; last[m] = pp; set(pp, RUNNING(m)) }
inline to_waiting(pp) { wq?y; nwaiting--; give(pp, y); y = 0 }
inline to_parked(pp)
{
	y = 0; do :: st[y] == PARKED -> break :: else -> y++ od;
	nparked--; give(pp, y); y = 0
}

/* = slot_hand(), = slot_offer(); look: at what there is to do */
inline hand(pp, look)
{
	if
	:: stopper != NONE -> set(pp, STOPPED)
	:: stopper == NONE ->
		set(pp, IDLE);
		if
		:: nwaiting > 0 -> to_waiting(pp)
		:: nwaiting == 0 && look && WORK > 0 && nparked > 0 -> to_parked(pp)
		:: else
		fi
	fi
}

/* = slot_hand_blocked(), = slot_halt() */
inline hand_blocked(pp)
{
	if
	:: stopper != NONE -> set(pp, STOPPED)
	:: stopper == NONE && nwaiting > 0 -> to_waiting(pp)
	:: stopper == NONE && nwaiting == 0 && nparked > 0 -> to_parked(pp)
	:: else
	fi
}

/* = slot_find(): the first P of which cond holds, into x; NP: none */
inline find(cond)
{
	x = 0;
	do
	:: x < nr && cond -> break
	:: x < nr && !(cond) -> x++
	:: x == nr -> x = NP; break
	od
}

/* = slot_serve(): an IDLE P, else the one that the M had last, else any */
inline serve()
{
	do
	:: nwaiting > 0 && stopper == NONE ->
		wq?<y>; z = last[y]; y = 0;
		find(w[x] == IDLE);
		if :: x == NP && isfree(w[z]) -> x = z :: else fi;
		if :: x == NP -> find(isfree(w[x])) :: else fi;
		if :: x < NP -> to_waiting(x) :: else -> break fi
	:: else -> break
	od;
	x = 0; z = 0
}

/* = slot_wake(): WAITING Ms first, on until a PARKED one has got a P */
inline wake()
{
	do
	:: stopper == NONE && nwaiting + nparked > 0 ->
		find(w[x] == IDLE);
		if :: x == NP -> find(isfree(w[x])) :: else fi;
		if
		:: x < NP && nwaiting > 0 -> to_waiting(x)
		:: x < NP && nwaiting == 0 -> to_parked(x); break
		:: x == NP -> break
		fi
	:: else -> break
	od;
	x = 0
}

/* = slot_block(), = slot_has_use(), = hint_others(): the number of Ps may be an old one by then */
inline block()
{
	atomic { assert(w[p] == RUNNING(id)); user[p] = 0; w[p] = BLOCKED(id) };
	if
	:: stopper != NONE -> f = (p != exempt)
	:: stopper == NONE ->
		if
		:: nwaiting > 0 || ring[p] + gq > 0 -> f = 1
		:: else -> n = nr; f = (nidle == 0 && ring[0] + OTHERS(n) > 0); n = 0
		fi
	fi;
	atomic { irqp[p] = irqp[p] || f; f = 0 }
}

/* = machine_leave_wait(): takes up what was granted */
inline take() { p = grant[id] - 1; grant[id] = 0; line[id] = p + 1 }

/* = machine_restart(): the lock is dropped after each P */
inline restart(limit)
{
	x = 0;
	do
	:: atomic { x < limit && !lk ->
		if
		:: stopper == NONE && w[x] == STOPPED ->	/* = slot_restart() */
#ifdef LIT_LOOK
			hand(x, false)
#else
			hand(x, true)
#endif
		:: else
		fi;
		x++ }
	:: x >= limit -> x = 0; break
	od
}

proctype M(byte id; byte p)
{
	byte x, y, z, n;
	bool f;

	if :: p == NONE -> goto parked :: else -> line[id] = p + 1 fi;

user_:
	atomic { assert(user[p] == 0 && w[p] == RUNNING(id)); user[p] = id + 1 };
	do
	:: atomic { b_enq > 0 -> b_enq--; left++; ring[line[id] - 1]++ };	/* = runqput() */
		atomic { !lk -> wake() }
	:: atomic { b_blk > 0 -> b_blk-- }; goto asleep
	:: atomic { b_long > 0 -> b_long-- }; (go || (stopper != NONE && stopper != id))
	:: atomic { stopper != NONE && stopper != id && !lk ->		/* = slot_retake() */
		user[p] = 0; hand(p, true); p = NONE };
		goto border
	:: atomic { b_stop > 0 && stopper == NONE && !lk ->		/* = slot_stop() */
		b_stop--; lk = 1; stopper = id; exempt = p; z = nr };
		goto stop
	:: atomic { b_die > 0 -> b_die--; left--; user[p] = 0; reap[id] = p + 1 }; goto out
	:: atomic { left--; user[p] = 0 }; goto sched
	od;

asleep:
	block();
	if :: atomic { b_long > 0 -> b_long-- }; go :: true fi;
	/* = slot_return() */
	atomic {
		if
		:: w[p] == BLOCKED(id) -> w[p] = RUNNING(id); goto user_
		:: else -> p = NONE
		fi
	};

border: /* = machine_join() */
	atomic { !lk -> line[id] = 0; st[id] = WAITING; nwaiting++; wq!id; serve() };
	atomic {
		if
		:: grant[id] > 0 && !lk -> take(); goto user_
		:: b_die > 0 && !lk ->
			b_die--; left--; reap[id] = NONE;
			if
			:: grant[id] > 0 -> reap[id] = grant[id]; grant[id] = 0
			:: else -> wq??eval(id); nwaiting--
			fi;
			goto out
		fi
	};

sched: /* = schedule(), with nopreempt set */
	atomic {
		if :: stopper != NONE && stopper != id -> goto park :: else fi;
		x = line[id] - 1;
		if
		:: ring[x] > 0 -> ring[x]--
		:: ring[x] == 0 && gq > 0 -> gq--
		:: else ->
			find(ring[x] > 0);			/* = stealwork() */
			if :: x < NP -> ring[x]-- :: else -> x = 0; goto park fi
		fi;
		x = 0; goto user_
	};

park: /* = slot_park(); that there was no M for a P is not remembered, but taken as given */
	atomic { !lk ->
		line[id] = 0; st[id] = PARKED; nparked++;
		hand(p, false);
		p = NONE;
		if
		:: stopper == NONE && WORK > 0 && st[id] == PARKED ->	/* = slot_take_any() */
			find(w[x] == IDLE);
			if :: x == NP -> find(isfree(w[x])) :: else fi;
			if :: x < NP -> nparked--; give(x, id) :: else fi;
			x = 0
		:: else
		fi
	};
parked:
	atomic { grant[id] > 0 && !lk -> take(); goto sched };

stop:
	do
	:: atomic { x < nr ->
		if
		:: isfree(w[x]) && x != exempt -> set(x, STOPPED)	/* = slot_halt() */
		:: else
		fi;
		x++ }
	:: x == nr -> x = 0; lk = 0; break
	od;
#ifndef LIT_EARLY
	nstopped == nr - 1;					/* = slot_world_stopped() */
	assert(USERS == id + 1)
#endif
	;
stopped:
	if
	:: atomic { b_blk > 0 -> b_blk-- }; block();		/* the stopper itself sleeps */
		atomic {
			if
			:: w[p] == BLOCKED(id) -> w[p] = RUNNING(id); user[p] = id + 1
			:: else -> p = NONE; goto border
			fi
		};
		goto start
	:: atomic { b_die > 0 -> b_die--; left--; user[p] = 0; reap[id] = p + 1 }; goto out
	:: n = 1
	:: n = 2
#if NP > 2
	:: n = 3
#endif
	:: goto start
	fi;
#ifndef LIT_RING
	atomic {						/* = movework() */
		x = n;
		do
		:: x < nr -> gq = gq + ring[x]; ring[x] = 0; x++
		:: else -> break
		od;
		x = 0
	};
#endif
	/* = slot_resize() */
	atomic { !lk -> lk = 1;
#ifndef LIT_STAY
		if
		:: p >= n ->					/* = slot_move_stopper() */
			user[p] = 0; assert(user[0] == 0); user[0] = id + 1;
			set(0, RUNNING(id)); p = 0; last[id] = 0;
#ifndef LIT_EXEMPT
			exempt = 0
#endif
		:: else
		fi;
#endif
		x = (n < nr -> n : nr)
	};
	do
#ifdef LIT_IDLE
	:: atomic { x < n && x >= nr -> set(x, IDLE); x++ }
#else
	:: atomic { x < n && x >= nr -> set(x, STOPPED); x++ }
#endif
	:: atomic { x >= n && x < nr -> set(x, CUT); x++ }
	:: x >= n && x >= nr -> break
	od;
	nr = n;
	atomic {
#ifndef LIT_LINE
		line[id] = p + 1;				/* = machine_publish() */
#endif
		x = 0; n = 0; lk = 0
	};
	goto stopped;

start: /* = slot_start() */
	atomic { !lk -> stopper = NONE; exempt = NONE };
#ifdef LIT_START
	restart(z);
#else
	restart(nr);
#endif
	atomic { z = 0; user[p] = 0; goto user_ };

out:	skip
}

/* = hooks_handoff(): the job of a P may come when that is something else by now */
proctype Irq()
{
	byte x, y;
end:
	do
	:: atomic { !lk && (irqp[0] || irqp[1] || irqp[NP - 1]) ->
		if :: irqp[0] -> x = 0 :: irqp[1] -> x = 1 :: irqp[NP - 1] -> x = NP - 1 fi;
		irqp[x] = 0;
		if
#ifdef LIT_FREE
		:: isfree(w[x]) &&
#else
		:: isblk(w[x]) &&
#endif
		   (stopper != NONE -> x != exempt :
		    nwaiting > 0 || ring[x] + gq > 0 || (nidle == 0 && WORK > 0)) ->
			hand_blocked(x)
		:: else
		fi;
		x = 0 }
	od
}

#if DIE
/* = machine_bury(), = machine_retire() */
proctype Reaper()
{
	byte x, y, m;
	bool f;
end:
	do
	:: atomic { !lk && (reap[0] || reap[1] || reap[NM - 1]) ->
		if :: reap[0] -> m = 0 :: reap[1] -> m = 1 :: reap[NM - 1] -> m = NM - 1 fi;
		f = (stopper == m);
		if :: f -> stopper = NONE; exempt = NONE :: else fi;
		st[m] = DEAD; line[m] = 0;
		if
		:: reap[m] != NONE && w[reap[m] - 1] == RUNNING(m) -> hand(reap[m] - 1, true)
		:: else
		fi;
		reap[m] = 0; m = 0
	};
#ifndef LIT_BURY
		if :: f -> f = 0; restart(nr) :: else fi
#else
		f = 0
#endif
	od
}
#endif

inline quiet()
{
	assert(!lk && stopper == NONE && COUNT(STOPPED) == 0 && nstopped == 0);
	assert(COUNT(CUT) == NP - nr && w[0] != CUT && w[nr - 1] != CUT);
	assert(nidle == COUNT(IDLE));
	assert(grant[0] == 0 && grant[1] == 0 && grant[NM - 1] == 0);
	assert(!(nwaiting > 0 && nidle + NBLOCKED > 0));
	assert(!(nparked > 0 && nidle + NBLOCKED > 0 && WORK > 0))
}

proctype Check()
{
	atomic { timeout -> quiet(); go = 1 };
	atomic { timeout -> quiet(); assert(left == 0) }
}

init {
	atomic {
		w[0] = RUNNING(0); st[0] = ON; last[0] = 0;
		w[1] = RUNNING(1); st[1] = ON; last[1] = 1;
#if NP > 2
		w[2] = CUT;
#endif
		run M(0, 0); run M(1, 1);
#if NM > 2
		st[2] = PARKED; nparked++; run M(2, NONE);
#endif
#if NM > 3
		st[3] = PARKED; nparked++; run M(3, NONE);
#endif
		run Irq();
#if DIE
		run Reaper();
#endif
		run Check()
	}
}
