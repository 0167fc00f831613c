/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gsched.pml - protocol 2 to 6 composed: 2 or 3 Ps, 3 or 4 Ms, the irq_work of each P, the reaper,
 * the template thread, the poller, the monitor.
 *
 * A step is one access to a word that somebody reaches without the domain's lock: P words, counts
 * of the header, hints. What only lock holders touch (lists, grants, states of Ms) moves together
 * with such an access; taking and dropping the lock are merged into the first and last step under
 * it. Memory is sequentially consistent: the full barriers that the protocol asks for are taken as
 * given (fence.pml shows what happens without them).
 *
 * A name with an equals sign before it, in a comment, is that of the function of kmod or libgrt
 * whose steps these are; names.sh looks each of them up in the source.
 *
 * Check runs when nothing else can: first with the long sleepers asleep and the long runners
 * running, then with all let go.
 *
 * Budgets, how often each may happen: ENQ goroutines made, BLK sleeps, LONG of them (or of runs)
 * that end only when Check lets go, SIG signals in a wait, DIE deaths, STOPS, SWS switches, UNP
 * unparks, IO poll events, SLICE asks of the monitor, NEW Ms not made at the start, FGN a foreign
 * thread. BOTH: two Ms hold a P at the start, not one.
 *
 * LIT_* each turn one sentence of the protocol into its careless reading; ALT_* choose another way
 * that is as good. The table says which.
 */
#ifndef NM
#define NM 3
#endif
#ifndef NP
#define NP 2
#endif
#ifndef NEW
#define NEW 0
#endif
#ifndef ENQ
#define ENQ 1
#endif
#ifndef BLK
#define BLK 1
#endif
#ifndef LONG
#define LONG 0
#endif
#ifndef SIG
#define SIG 0
#endif
#ifndef DIE
#define DIE 0
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef SWS
#define SWS 0
#endif
#ifndef UNP
#define UNP 0
#endif
#ifndef IO
#define IO 0
#endif
#ifndef SLICE
#define SLICE 0
#endif
#ifndef FGN
#define FGN 0
#endif
#ifndef SPARE
#define SPARE 0
#endif

#define NONE 9
/* P word */
#define IDLE 0
#define STOPPED 1
#define RUNNING(m) (10 + (m))
#define BLOCKED(m) (20 + (m))
#define isrun(v) ((v) >= 10 && (v) < 20)
#define isblk(v) ((v) >= 20)
/* states of an M, under the lock. ON: holds a P, or lost it and is on its way to the border */
#define UNMADE 0
#define FREE 1
#define PARKED 2
#define WAITING 3
#define ON 4
#define DEAD 5

byte w[NP];				/* P words */
bool lk;				/* the domain's lock */
byte st[NM], grant[NM];			/* grant: p + 1 */
bool permit[NM], preempt[NM], reap[NM];
byte nidle, nwaiting, nparked, making;
#if NEW && SIG
bool lent[NM];				/* a signal let it out of PARK, and it comes back there */
byte nlent;
#else
#define nlent 0
#endif
bool someb, stw, irqp[NP];
bool starved;				/* a P had use and there was no M for it */
byte stopper = NONE;
chan wq = [NM] of { byte };		/* WAITING Ms, oldest first */
/* hints */
byte ring[NP], gq, nspin, npoll;
#ifdef LIT_WORD
byte word;
#endif
bool evt;				/* the library's sticky break of a poll */
bool pri;				/* the edge of EPOLLPRI, not yet seen by the poller */
byte waiters, io;			/* I/O asked for; of that, ready */
/* the world */
byte left = 1;				/* goroutines not yet finished */
byte b_enq = ENQ, b_blk = BLK, b_long = LONG, b_sig = SIG, b_die = DIE, b_stop = STOPS;
byte b_sw = SWS, b_unp = UNP, b_io = IO, b_slice = SLICE;
bool go, late;
byte user[NP];				/* who runs user code with this P: m + 1 */
bool owed[NM];				/* UNPARK was called and its M has not come out since */

#if NP > 2
#define SUMR (ring[0] + ring[1] + ring[2])
#define USERS (user[0] + user[1] + user[2])
#define NSTOPPED ((w[0] == STOPPED) + (w[1] == STOPPED) + (w[2] == STOPPED))
#define NIDLE ((w[0] == IDLE) + (w[1] == IDLE) + (w[2] == IDLE))
#define NFREE (NIDLE + isblk(w[0]) + isblk(w[1]) + isblk(w[2]))
#define IDLEP(x) if :: w[0] == IDLE -> x = 0 :: w[1] == IDLE -> x = 1 :: w[2] == IDLE -> x = 2 fi
#else
#define SUMR (ring[0] + ring[1])
#define USERS (user[0] + user[1])
#define NSTOPPED ((w[0] == STOPPED) + (w[1] == STOPPED))
#define NIDLE ((w[0] == IDLE) + (w[1] == IDLE))
#define NFREE (NIDLE + isblk(w[0]) + isblk(w[1]))
#define IDLEP(x) if :: w[0] == IDLE -> x = 0 :: w[1] == IDLE -> x = 1 fi
#endif

#ifdef LIT_WANTED	/* "IDLE Ps with work" read as: work in their own ring */
#define NEED ((w[0] == IDLE && ring[0] > 0) + (w[1] == IDLE && ring[1] > 0))
#else
#define NEED (starved -> (nidle > 0 -> nidle : 1) : 0)
#endif
#define WANTED (NEED + SPARE > nparked + making + nlent)	/* = slot_wanted() */

/* ---- slot.c: under the lock, inside one step ---- */

/* = slot_grant(): a PARKED M gets pp; there is one. They are alike: the first stands for any */
inline pool_turn(pp)
{
	y = 0; do :: st[y] == PARKED -> break :: else -> y++ od;
	nparked--; st[y] = ON; grant[y] = pp + 1; w[pp] = RUNNING(y); y = 0
}

/* = slot_turn(): is it the pool's turn? How long the WAITING Ms had the P is left open */
#ifdef TURN
#define MAY_TURN (!stw && nwaiting > 0 && nparked > 0 && SUMR + gq > 0)
#else
#define MAY_TURN false
#endif

/* = slot_grant(): likewise, but WAITING before PARKED */
inline pool_to(pp)
{
	assert(nwaiting == 0);
	pool_turn(pp)
}

/* = slot_grant(): the longest WAITING one gets it */
inline wait_to(pp)
{
	wq?y; nwaiting--; st[y] = ON; grant[y] = pp + 1; w[pp] = RUNNING(y); y = 0
}

/* = slot_starve(): poll() reports EPOLLPRI from now on, and its edge breaks the poll */
inline starve()
{
#if IO
	pri = 1;
#endif
	starved = 1
}

#define POLLUSE (npoll == 0 && waiters > 0)

/* = slot_has_use(): has somebody use for pp, which is BLOCKED? The words are read one by one */
inline slot_has_use(pp)
{
	if
	:: nwaiting > 0 || stw -> c = 1
	:: else ->
		if
		:: ring[pp] + gq > 0 -> c = 1
		:: else ->
			if
			:: nspin == 0 ->
#ifdef ALT_NIDLE
				if :: SUMR > ring[pp] -> c = 1 :: else fi
#else
				if :: nidle == 0 && SUMR > ring[pp] -> c = 1 :: else fi
#endif
			:: else
			fi;
#if IO
			if :: POLLUSE -> c = 1 :: else fi
#endif
		fi
	fi
}

/* = slot_hand(): the P of a dead M, or one that was stopped. IDLE first, the hints afterwards */
inline slot_hand(pp)
{
#ifdef LIT_HAND
	c = (SUMR + gq > 0 || POLLUSE);
#endif
	atomic {
		if
		:: stw -> w[pp] = STOPPED; c = 0
		:: !stw && nwaiting > 0 -> wait_to(pp); c = 0
		:: MAY_TURN -> pool_turn(pp); c = 0
		:: else ->
#ifdef LIT_HAND
			if
			:: c && nparked > 0 -> pool_to(pp)
			:: c && nparked == 0 -> w[pp] = IDLE; nidle++; starve()
			:: !c -> w[pp] = IDLE; nidle++
			fi;
			c = 0
#else
			w[pp] = IDLE; nidle++;
#ifndef LIT_IDLE
			c = 1
#endif
#endif
		fi
	};
	/* = slot_offer(): smp_mb(), then the hints */
	if
	:: c ->
		atomic {
			c = 0;
			if
			:: (SUMR + gq > 0 || POLLUSE) && nparked > 0 -> nidle--; pool_to(pp)
			:: (SUMR + gq > 0 || POLLUSE) && nparked == 0 -> starve()
			:: else
			fi
		}
	:: !c
	fi
}

#if STOPS
/* = machine_restart(): each STOPPED P is given up; the lock is dropped in between, for wake-ups */
inline machine_restart(pp)
{
	do
	:: atomic { pp < NP && !lk -> lk = 1 };
		if
		:: !stw && w[pp] == STOPPED -> slot_hand(pp)	/* = slot_restart() */
		:: else
		fi;
		atomic { lk = 0; pp++ }
	:: pp == NP -> break
	od
}
#endif

/* = slot_hand_blocked(): BLOCKED(any) to somebody, one cmpxchg.
   done: a PARKED M got it, or there is none to get it */
inline slot_hand_blocked(pp)
{
	if
	:: !isblk(w[pp])
	:: isblk(w[pp]) && stw ->
		done = 1;
#ifndef LIT_STOPPER
		if :: w[pp] == BLOCKED(stopper) :: else -> w[pp] = STOPPED fi
#else
		w[pp] = STOPPED
#endif
	:: isblk(w[pp]) && !stw && nwaiting > 0 -> wait_to(pp)
	:: isblk(w[pp]) && MAY_TURN -> pool_turn(pp); done = 1
	:: isblk(w[pp]) && !stw && nwaiting == 0 && nparked > 0 -> pool_to(pp); done = 1
	:: isblk(w[pp]) && !stw && nwaiting == 0 && nparked == 0 ->
#ifdef ALT_IDLE
		w[pp] = IDLE; nidle++;
#endif
		starve(); done = 1
	fi
}

/* = slot_serve(): a wish is published, smp_mb(); each IDLE or BLOCKED P goes to the longest
   WAITING M, which may be the caller. Drops the lock */
inline slot_serve()
{
	do
	:: atomic { x < NP ->
		if
		:: nwaiting > 0 && !stw && w[x] == IDLE -> nidle--; wait_to(x)
		:: nwaiting > 0 && !stw && isblk(w[x]) -> wait_to(x)
		:: MAY_TURN && isblk(w[x]) -> pool_turn(x)
		:: MAY_TURN && w[x] == IDLE -> nidle--; pool_turn(x)
		:: else
		fi;
		x++ }
	:: atomic { x == NP -> x = 0; lk = 0; break }
	od
}

/* = slot_find_blocked(): a BLOCKED P into x, or NP; then some_blocked is cleared, and they are
   looked at once more */
inline slot_find_blocked()
{
	do :: x < NP && !isblk(w[x]) -> x++ :: x == NP || isblk(w[x]) -> break od;
	if
	:: x == NP ->
		atomic { someb = 0; x = 0 };	/* smp_mb() */
		do :: x < NP && !isblk(w[x]) -> x++ :: x == NP || isblk(w[x]) -> break od;
		if :: x == NP :: else -> someb = 1 fi
	:: else
	fi
}

/* = slot_wake(): takes the lock */
inline slot_wake()
{
	atomic { !lk -> lk = 1; done = 0 };
	do
	:: done || stw -> break
	:: atomic { !done && !stw && nidle > 0 ->
		if
		:: nparked > 0 -> IDLEP(x); nidle--; pool_to(x); x = 0
		:: else ->			/* EAGAIN: the caller breaks the poll, too */
			starve();
			if :: npoll > 0 -> evt = 1 :: else fi
		fi;
		done = 1 }
	:: atomic { !done && !stw && nidle == 0 -> x = 0 };
		slot_find_blocked();
		if :: x == NP -> break :: else fi;
		atomic {
			if
			:: isblk(w[x]) && nwaiting + nparked == 0 && npoll > 0 -> evt = 1
			:: else
			fi;
			slot_hand_blocked(x); x = 0
		}
	od;
	atomic { x = 0; done = 0; lk = 0 }
}

/* ---- libgrt, the enqueuer's side ---- */

/* = wakep(): after the store and the fence */
inline wakep()
{
	if
	:: nspin == 0 ->
#ifdef ALT_CASSPIN
		atomic { if :: nspin == 0 -> nspin++; z = 1 :: else -> z = 0 fi };
		if :: !z -> skip :: z ->
#endif
		if :: nidle > 0 -> slot_wake() :: else ->
		if :: someb -> slot_wake() :: else ->
		if :: npoll > 0 -> evt = 1 :: else fi fi fi
#ifdef ALT_CASSPIN
		; atomic { nspin--; z = 0 }
#ifndef LIT_NSPIN
		; if :: nidle > 0 && (SUMR + gq > 0 || POLLUSE) -> slot_wake() :: else fi
#endif
		fi
#endif
	:: else
	fi
}

/* ---- hooks.c ---- */

/* = hooks_sched_out(): BLOCKED already; some_blocked, then the hints */
inline hooks_sched_out(pp)
{
	if :: someb :: else -> someb = 1 fi;
	slot_has_use(pp);
	if :: atomic { c -> c = 0; irqp[pp] = 1 } :: !c fi
}

inline take() { p = grant[id] - 1; grant[id] = 0 }
/* = slot_wait() */
inline to_waiting() { st[id] = WAITING; nwaiting++; wq!id }
/* = slot_unlist() */
inline off_waiting() { wq??eval(id); nwaiting--; st[id] = ON }
inline off_parked() { nparked--; st[id] = ON }
/* = machine_settle(): wanted does not count on its coming back to PARK */
inline settle()
{
#if NEW && SIG
	if :: lent[id] -> lent[id] = 0; nlent-- :: else fi
#else
	skip
#endif
}

proctype M(byte id; byte p)
{
	byte x, y, t;
	byte sp;			/* 0, 1: shall spin, 2: counted in nspin */
	bool g, done, c, f, z, pl;	/* pl: the poller */
#ifdef LIT_WORD
	byte s;
#endif

	if
	:: p != NONE -> g = 1; goto user_
	:: p == NONE && st[id] > FREE -> sp = 1; goto park_wait
	:: p == NONE && st[id] == FREE ->	/* = mstart(): REGISTER_MADE, then PARK: one step */
		sp = 1; atomic { !lk -> lk = 1; making-- }; goto park_locked
	:: atomic { p == NONE && go && st[id] == UNMADE && !WANTED -> st[id] = DEAD }; goto out
	fi;

sched: /* = schedule(): id holds p, nopreempt != 0 */
#ifdef LIT_WORD
	s = word;
#endif
#if STOPS + SLICE
	preempt[id] = 0;
#endif
#ifndef LIT_RESPIN
	/* out of PARK, or work in the last look: spinning */
	if :: sp == 1 -> atomic { nspin++; sp = 2 } :: else fi;
#endif
	atomic {
		if
		:: stw && stopper != id ->
			if :: sp == 2 -> nspin--; sp = 0 :: else fi;
			goto park
		:: else
		fi;
		if
		:: b_sw > 0 && nwaiting > 0 ->
			b_sw--;
			if :: sp == 2 -> nspin-- :: else fi;
			sp = 0; goto switch
		:: true
		fi;
		x = 0;				/* = runqget() */
		if
		:: ring[p] > 0 -> ring[p]--; x = 1
		:: ring[p] == 0 && gq > 0 -> gq--; x = 1
		:: else
		fi;
		if :: x == 1 && sp == 2 -> nspin--; x = 2 :: else fi
	};
	if
	:: x == 1 -> x = 0; goto exec
	:: x == 2 -> x = 0; sp = 0; wakep(); goto exec		/* = resetspinning() */
	:: x == 0
	fi;
	/* = findrunnable(): spin, steal */
	if
	:: nspin == 0 || sp == 2 ->
		atomic {
			if :: sp != 2 -> nspin++ :: else fi;
			sp = 0; x = 0;
			do
			:: x < NP && ring[x] > 0 -> ring[x]--; nspin--; f = 1; break
			:: x < NP && ring[x] == 0 -> x++
			:: x == NP -> break
			od;
			x = 0
		};
		if :: f -> f = 0; wakep(); goto exec :: else fi;
#if IO
		atomic { if :: npoll == 0 -> npoll = 1; z = 1 :: else fi };
#endif
		atomic { nspin--; sp = 1 }
	:: nspin > 0 && sp != 2
#if IO
		-> atomic { if :: npoll == 0 -> npoll = 1; z = 1 :: else fi }
#endif
	fi;
	/* fence; the last look: = anywork() */
	if :: ring[0] > 0 -> f = 1 :: else fi;
#if NP > 2
	if :: ring[2] > 0 -> f = 1 :: else fi;
#endif
	if :: ring[1] > 0 || gq > 0 -> f = 1 :: else fi;
	if
#if IO
	:: f && z ->
		atomic { f = 0; z = 0; npoll = 0 };
#ifndef LIT_POLLER
		wakep();
#endif
		goto sched
	:: !f && z -> z = 0; sp = 0; pl = 1; goto poll
#endif
	:: f && !z -> f = 0; goto sched
	:: !f && !z
	fi;

park: /* = stopm(), = machine_park() */
	sp = 1;
	atomic { !lk -> lk = 1 };
park_locked:
	atomic {
		if
		:: permit[id] && p != NONE -> permit[id] = 0; owed[id] = 0; lk = 0; goto sched
		:: permit[id] && p == NONE -> permit[id] = 0; to_waiting(); goto serve
		:: else
		fi;
		settle();
		/* = slot_park() */
		st[id] = PARKED; nparked++; x = NONE;
		if
		:: p == NONE
		:: p != NONE && stw -> w[p] = STOPPED
#ifndef LIT_PARK
		:: p != NONE && !stw && nwaiting > 0 -> wait_to(p)
#endif
		:: else -> w[p] = IDLE; nidle++; x = p
		fi;
		p = NONE
	};
	/* smp_mb(); = slot_pool_has_use() */
#ifdef LIT_WORD
	if :: x != NONE && word != s -> f = 1 :: else fi;
#else
#ifdef LIT_NEWM
	if :: x == NONE -> goto parked :: else fi;
#endif
	/* the hints: for its own P, for any IDLE one, and after starvation for a BLOCKED one */
	if
#ifdef LIT_STARVED
	:: nidle > 0 ->
#else
	:: nidle > 0 || (starved && !stw) ->
#endif
#if IO + FGN
		if :: gq > 0 -> f = 1 :: else fi;
#endif
		if :: nspin == 0 -> if :: SUMR > 0 -> f = 1 :: else fi :: else fi;
#if IO
		if :: POLLUSE -> f = 1 :: else fi;
#endif
		skip
	:: else
	fi;
#endif
parked:
	if
	/* = slot_take_any() */
	:: atomic { f && nidle == 0 -> f = 0; x = 0 };		/* starved: a BLOCKED one */
		do
		:: atomic { x < NP && p == NONE ->
			if
			:: isblk(w[x]) -> w[x] = RUNNING(id); p = x; off_parked()
			:: else -> x++
			fi }
		:: x == NP || p != NONE -> break
		od;
		atomic { x = 0; lk = 0; starved = 0; if :: p != NONE -> goto sched :: else fi }
	:: atomic { f && nidle > 0 ->
			f = 0; off_parked();
			if :: x != NONE -> p = x :: else -> IDLEP(p) fi;
			nidle--; w[p] = RUNNING(id); x = 0; lk = 0 };
		goto sched					/* EAGAIN, with a P */
	:: atomic { !f -> x = 0; lk = 0; starved = 0 }
	fi;
park_wait: /* = machine_sleep_parked(); = machine_leave_wait() is the way out */
	atomic {
		if
		:: grant[id] > 0 && !lk -> take(); owed[id] = 0; goto sched
		:: b_sig > 0 && !lk ->
			b_sig--;
			if
			:: grant[id] > 0 -> take(); owed[id] = 0; goto sched
			:: else ->
				if
				:: st[id] == PARKED ->
					off_parked();
#if NEW && SIG
					lent[id] = 1; nlent++
#endif
				:: else ->
					off_waiting();
#ifndef LIT_RESTART
					permit[id] = 1	/* what UNPARK asked for is not forgotten */
#endif
				fi;
				if
				:: goto park		/* without a handler: restarts */
				:: goto border		/* with one: its border is armed */
				fi
			fi
		:: b_die > 0 && !lk ->
			b_die--;
			if
			:: grant[id] > 0 -> take()
			:: else ->
				if :: st[id] == PARKED -> off_parked() :: else -> off_waiting() fi
			fi;
			goto die
		fi
	};

switch: /* = machine_switch(), = slot_switch(): to the oldest WAITING M; the caller is PARKED */
	atomic {
		if
#ifdef LIT_SWITCHSTW
		:: nwaiting > 0 && !lk ->
#else
		:: nwaiting > 0 && !stw && !lk ->
#endif
			wait_to(p); p = NONE; st[id] = PARKED; nparked++;
#ifndef LIT_PERMIT
			if
			:: permit[id] -> permit[id] = 0; nparked--; to_waiting(); lk = 1; goto serve
			:: else
			fi;
#endif
			sp = 1; goto park_wait
		:: (nwaiting == 0 || stw) && !lk -> goto sched	/* EAGAIN */
		fi
	};

#if IO
poll: /* = pollm(): cooperative; npolling is mine */
	if
	:: p != NONE ->
		atomic { assert(w[p] == RUNNING(id)); w[p] = BLOCKED(id) };
		hooks_sched_out(p)
	:: else
	fi;
	atomic { evt || (pri && starved) -> evt = 0; pri = 0 };		/* = netpoll() */
	/* = hooks_sched_in() */
	atomic {
		if
		:: p != NONE && w[p] == BLOCKED(id) -> w[p] = RUNNING(id)
		:: else -> p = NONE
		fi
	};
	if
	:: p == NONE ->					/* it was taken */
#ifdef LIT_INJECT	/* puts what came on the global queue without a P */
		atomic {
			assert(!(stw && NSTOPPED == NP - 1));
			gq = gq + io; waiters = waiters - io; io = 0
		};
#endif
		if
		:: io > 0 -> goto border	/* = machine_acquire(): npolling stays mine */
		:: io == 0 ->				/* a break alone: deadline 0 */
			atomic { !lk -> lk = 1; to_waiting(); x = 0 };
			slot_serve();
			atomic { !lk ->
				if :: grant[id] > 0 -> take() :: else -> off_waiting() fi };
			if
			:: p == NONE ->			/* ETIMEDOUT: polls on */
				if :: gq + SUMR > 0 -> wakep() :: else fi;
				if
				:: go && waiters == 0 -> npoll = 0; pl = 0; goto park
				:: else -> goto poll
				fi
			:: else
			fi
		fi
	:: else
	fi;
polled:
	atomic { ring[p] = ring[p] + io; waiters = waiters - io; io = 0; npoll = 0; pl = 0 };
#ifdef LIT_POLLER	/* as Go: runs the one it got, wakes for the others */
	if :: ring[p] > 1 -> wakep() :: else fi;
#else			/* nobody polls now: that is work, too */
	if :: waiters > 0 || ring[p] + gq > 0 -> wakep() :: else fi;
#endif
	goto sched;
#endif

exec: /* = execute() */
	atomic { g = 1; sp = 0 };
user_:
	atomic { assert(user[p] == 0 && w[p] == RUNNING(id)); user[p] = id + 1 };
	do
	:: atomic { b_enq > 0 -> b_enq--; left++; ring[p]++	/* = runqput() */
#ifdef ALT_BUMP
		; word++
#endif
		};
		wakep(); assert(w[p] == RUNNING(id))
	:: atomic { b_blk > 0 -> b_blk-- }; goto block
	:: atomic { b_long > 0 -> b_long-- }; (go || preempt[id])
	:: atomic { preempt[id] -> preempt[id] = 0; user[p] = 0 }; goto retake
	:: atomic { b_unp > 0 ->
		b_unp--; t = (id + 1) % NM; if :: true :: t = (id + NM - 1) % NM fi };
		goto unpark
#if IO
	:: atomic { b_io > 0 -> b_io--; waiters++ };	/* parks: somebody must poll */
#ifndef LIT_POLLER
		if :: npoll == 0 -> wakep() :: else fi;
#endif
		atomic { user[p] = 0; g = 0 }; goto sched
#endif
	:: atomic { b_stop > 0 && !stw -> b_stop-- }; goto stop
	:: atomic { b_die > 0 -> b_die--; user[p] = 0; left-- }; goto die
	:: atomic { left--; user[p] = 0; g = 0 }; goto sched
	od;

block: /* = slot_block() */
	atomic { user[p] = 0; assert(w[p] == RUNNING(id)); w[p] = BLOCKED(id) };
	hooks_sched_out(p);
	if :: atomic { b_long > 0 -> b_long-- }; go :: true fi;	/* a long sleep, or any other */
	/* = slot_return() */
	atomic {
		if
		:: w[p] == BLOCKED(id) -> w[p] = RUNNING(id); goto user_
		:: else -> p = NONE
		fi
	};

border: /* = border_work(), = machine_join() */
	atomic { !lk ->
		lk = 1;
#ifndef LIT_LENT
		settle();
#endif
		to_waiting()
	};
serve:
	slot_serve();
border_wait: /* = border_wait() */
	atomic {
		if
		:: grant[id] > 0 && !lk -> take()
		:: b_sig > 0 && !lk ->			/* let out; armed again before user code */
			b_sig--;
			if :: grant[id] > 0 -> take() :: else -> off_waiting(); goto border fi
		:: b_die > 0 && !lk ->
			b_die--;
			if :: g -> left-- :: else fi;
			if :: grant[id] > 0 -> take() :: else -> off_waiting() fi;
			goto die
		fi;
		owed[id] = 0
	};
#if IO
	if :: pl -> goto polled :: else fi;
#endif
	if :: g -> goto user_ :: else -> goto sched fi;

retake: /* = border_give_up(), = slot_retake(): asked by the monitor or STOP; nopreempt == 0 */
	atomic { !lk ->
		if
		:: stw && stopper != id -> w[p] = STOPPED
		:: !stw && nwaiting > 0 -> wait_to(p)
		:: !stw && nparked > 0 && SUMR + gq > 0 -> pool_turn(p)
		:: else -> goto user_
		fi;
		p = NONE; to_waiting(); lk = 1; goto serve
	};

#if UNP
unpark: /* = machine_unpark() */
	atomic { !lk ->
		lk = 1;
		if
		:: st[t] == PARKED ->			/* its wish; smp_mb() */
			owed[t] = 1; nparked--; st[t] = WAITING; nwaiting++; wq!t
		:: st[t] != PARKED && st[t] != DEAD && st[t] != UNMADE -> owed[t] = 1; permit[t] = 1
		:: else
		fi;
		t = 0; x = 0 };
	slot_serve();
	user[p] = 0; goto user_;
#else
unpark:	skip;
#endif

stop: /* = monitor_stop(), = slot_stop() */
#if STOPS
	atomic { !lk ->
		if
		:: stw -> user[p] = 0; goto user_	/* EBUSY */
		:: else -> lk = 1; stw = 1; stopper = id; x = 0
		fi };
	/* smp_mb() */
	do
	:: atomic { x < NP ->
		if
		:: x == p
		/* = slot_halt() */
		:: x != p && w[x] == IDLE -> w[x] = STOPPED; nidle--
		:: x != p && isblk(w[x]) -> w[x] = STOPPED
		/* = monitor_ask(), = monitor_insist() */
		:: x != p && isrun(w[x]) -> preempt[w[x] - 10] = 1
		:: else
		fi;
		x++ }
	:: atomic { x == NP -> x = 0; lk = 0; break }
	od;
#ifdef LIT_STOPPER	/* STOP sleeps like any other call */
	atomic { user[p] = 0; w[p] = BLOCKED(id) }; hooks_sched_out(p);
#endif
	NSTOPPED == NP - 1;		/* = monitor_wait() */
#ifdef LIT_STOPPER
	atomic {
		if
		:: w[p] == BLOCKED(id) -> w[p] = RUNNING(id); user[p] = id + 1
		:: else -> p = NONE; x = 0; goto border
		fi };
#endif
	assert(USERS == id + 1 && nidle == 0);
	if				/* the stopper itself sleeps: a page fault */
	:: atomic { b_blk > 0 -> b_blk--; user[p] = 0; w[p] = BLOCKED(id) };
		hooks_sched_out(p);
		atomic {
			if
			:: w[p] == BLOCKED(id) -> w[p] = RUNNING(id); user[p] = id + 1
			:: else -> p = NONE; x = 0; goto border
			fi }
	:: atomic { b_die > 0 -> b_die--; user[p] = 0; left--; x = 0 }; goto die
	:: true
	fi;
	assert(USERS == id + 1 && NSTOPPED == NP - 1);
	atomic { !lk -> stw = 0; stopper = NONE; x = 0 };	/* = slot_start() */
	machine_restart(x);
	atomic { x = 0; user[p] = 0; goto user_ };
#endif

die:	reap[id] = 1;
out:	skip
}

/* = hooks_handoff(): the P's irq_work. The job is read after it starts */
proctype Irq(byte pp)
{
	byte x, y;
	bool done, c;
end:
	do
	:: atomic { irqp[pp] -> irqp[pp] = 0 };
		atomic { !lk -> lk = 1 };
		slot_has_use(pp);
		if
		:: atomic { c -> c = 0; slot_hand_blocked(pp); done = isblk(w[pp]) };
			if
			:: !done -> slot_find_blocked()
			:: done
			fi
		:: !c
		fi;
		atomic { x = 0; done = 0; lk = 0 }
	od
}

#if DIE
/* = machine_reap(), = machine_retire() */
proctype Reaper()
{
	byte x, y, z;
	bool c, t;
end:
	do
	:: atomic { reap[0] && !lk -> reap[0] = 0; x = 0; break }
	:: atomic { reap[1] && !lk -> reap[1] = 0; x = 1; break }
	:: atomic { reap[NM-1] && !lk -> reap[NM-1] = 0; x = NM - 1; break }
	od;
	atomic { !lk ->
		lk = 1; st[x] = DEAD; z = 0; t = 0;
#if NEW && SIG
		if :: lent[x] -> lent[x] = 0; nlent-- :: else fi
#endif
	};
#if STOPS
	if :: atomic { stopper == x -> stw = 0; stopper = NONE; t = 1 } :: stopper != x fi;
#endif
	do
	:: z < NP ->
		if
		:: w[z] == RUNNING(x) || w[z] == BLOCKED(x) -> slot_hand(z)
		:: else
		fi;
		z++
	:: atomic { z == NP -> z = 0; x = 0; lk = 0; break }
	od;
#if STOPS
	if :: t -> machine_restart(z); z = 0 :: else fi;
#endif
	goto end
}
#endif

#if FGN
/* a thread that is no M makes two goroutines at once */
proctype Foreign()
{
	byte x, y, z;
	bool done;

	atomic { gq = gq + 2; left = left + 2 };
	wakep()
}
#endif

#if NEW
/* = templatethread(), which makes as many as wanted says */
proctype Template()
{
end:
	do
	:: atomic { WANTED && st[NM-1] == UNMADE -> making++; st[NM-1] = FREE }	/* = newm() */
#if NEW > 1
	:: atomic { WANTED && st[NM-2] == UNMADE -> making++; st[NM-2] = FREE }
#endif
	od
}
#endif

#if IO
/* what was asked for becomes ready: soon, or late */
proctype Env()
{
end:
	do
	:: atomic { waiters > io && b_io < IO -> io++; evt = 1 }
	:: atomic { waiters > io && !late && b_long > 0 -> b_long--; late = 1 }; go
	od
}
#endif

#if SLICE
#define SOMETHING (!stw && (nwaiting > 0 || SUMR + gq > 0))
proctype Monitor()
{
end:
	do
	:: atomic { b_slice > 0 && SOMETHING && isrun(w[0]) -> b_slice--; preempt[w[0] - 10] = 1 }
	:: atomic { b_slice > 0 && SOMETHING && isrun(w[1]) -> b_slice--; preempt[w[1] - 10] = 1 }
	od
}
#endif

#define CANMAKE (NEW > 0 && (st[NM-1] == UNMADE || (NEW > 1 && st[NM-2] == UNMADE)))
#define PARKEDWITH(flag) \
	((flag[0] && st[0] == PARKED) || (flag[1] && st[1] == PARKED) || \
	 (flag[NM-1] && st[NM-1] == PARKED))
inline quiet()
{
	assert(!stw && NSTOPPED == 0);
	assert(!lk && grant[0] == 0 && grant[1] == 0 && grant[NM-1] == 0);
	assert(nidle == NIDLE);
	assert(nspin == 0 && making == 0);
	assert(!PARKEDWITH(permit));
	assert(!PARKEDWITH(owed));
	assert(!(nwaiting > 0 && NFREE > 0));
	assert(!(NFREE > 0 && SUMR + gq > 0 && (nparked > 0 || npoll > 0 || CANMAKE)));
	assert(!(NFREE > 0 && POLLUSE && (nparked > 0 || CANMAKE)))
}

proctype Check()
{
	atomic { timeout -> quiet(); go = 1 };
	atomic { timeout -> quiet(); assert(left == 0 || DIE) }
}

init {
	atomic {
		w[0] = RUNNING(0); st[0] = ON;
#ifdef BOTH
		w[1] = RUNNING(1); st[1] = ON; left++;
#else
		w[1] = IDLE; nidle = 1; st[1] = PARKED; nparked++;
#endif
#if NP > 2
		w[2] = IDLE; nidle++;
#endif
#if NM - NEW > 2
		st[2] = PARKED; nparked++;
#endif
#if NM - NEW > 3
		st[3] = PARKED; nparked++;
#endif
		run M(0, 0);
#ifdef BOTH
		run M(1, 1);
#else
		run M(1, NONE);
#endif
#if NM > 2
		run M(2, NONE);
#endif
#if NM > 3
		run M(3, NONE);
#endif
		run Irq(0); run Irq(1);
#if NP > 2
		run Irq(2);
#endif
#if DIE
		run Reaper();
#endif
#if FGN
		run Foreign();
#endif
#if NEW
		run Template();
#endif
#if IO
		run Env();
#endif
#if SLICE
		run Monitor();
#endif
		run Check()
	}
}
