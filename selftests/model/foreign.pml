/* SPDX-License-Identifier: GPL-2.0 */
/*
 * foreign.pml - may what threads that are no Ms make ready be left lying?
 *
 * The futex backend, where the library owns the Ps. FGN threads put one goroutine each on the
 * global queue and wake an M, while the Ms run out of work and go to park or, with POLL, for there
 * is a timer far away, to poll. NP Ps, NM Ms. M0 runs a goroutine, the others are parked; NEW of
 * them are not made yet, and beyond NM no thread can be. What is done under sched.lock is one step,
 * but for startm(), which others see half-way. On gsched the Ps are the kernel's: gsched.pml, FGN.
 *
 * Check runs when nothing else can: first with the long runners running (LONG of them), then with
 * all let go. LIT_* each turn one rule into its careless reading; the table says which.
 */
#ifndef NEW
#define NEW 0
#endif
#ifndef POLL
#define POLL 0
#endif
#ifndef LONG
#define LONG 0
#endif

#define NONE 9

bool lk;				/* sched.lock, held for more than a step */
byte nidle;
bool idle[2];				/* the list of idle Ps */
byte gq, ring[2];
byte nspin;
bool npoll, evt;			/* evt: what breaks the poll, an eventfd */
bool parked[NM], note[NM], nextspin[NM];
byte nextp[NM];
byte mcount = NM - NEW;
byte left = 1 + FGN, b_long = LONG;	/* goroutines not yet finished */
bool go;

#define RINGS (ring[0] + ring[1])
#if NM > 2
#define NPARKED (parked[0] + parked[1] + parked[2])
#elif NM > 1
#define NPARKED (parked[0] + parked[1])
#else
#define NPARKED parked[0]
#endif

/* = pidleput(), = pidleget() */
inline putidle() { idle[p] = 1; nidle++; p = NONE }
inline getidle(pp)
{
	if
	:: idle[0] -> pp = 0
	:: idle[1] -> pp = 1
	:: else -> pp = NONE
	fi;
	if :: pp != NONE -> idle[pp] = 0; nidle-- :: else fi
}

/* = startm(), for an M that spins: some is to run an idle P; f: there was one */
inline startm()
{
	atomic { !lk -> lk = 1; getidle(q) };
	atomic {
		lk = 0; y = 0; f = (q != NONE);
		if
		:: q == NONE -> y = NONE
		:: q != NONE && NPARKED > 0 ->			/* = mget() */
			do :: parked[y] -> break :: else -> y++ od;
			parked[y] = 0; nextp[y] = q; nextspin[y] = 1
		:: q != NONE && NPARKED == 0 && mcount < NM ->	/* = newm() */
			y = mcount; mcount++; nextp[y] = q; nextspin[y] = 1
		:: else -> idle[q] = 1; nidle++; y = NONE
		fi;
		q = 0;
#ifndef LIT_LOWER
		if :: y == NONE -> nspin-- :: else fi
#endif
	};
	if
	:: atomic { y != NONE -> note[y] = 1; y = 0 }
	:: atomic { y == NONE -> y = 0 };
#ifdef LIT_LOWER
		nspin--;
#endif
#ifndef LIT_LIMIT
		if :: f && npoll -> evt = 1 :: else fi
#endif
	fi
}

/* = wakep(), = futex_wake(); lone: the caller holds the only P there is */
inline wakep(lone)
{
	do
	:: nspin > 0 || (lone) || nidle == 0 -> break
	:: else ->
		atomic { if :: nspin == 0 -> nspin++ :: else -> break fi };
		startm();
		atomic { if :: f || gq + RINGS == 0 -> f = 0; break :: else fi }
	od
}

proctype M(byte id; byte p)
{
	byte q, y;
	bool sp, respin, pl, f;		/* sp: counted in nspin; pl: the poller */

	if :: p == NONE -> goto asleep :: else fi;

runs:	if :: atomic { b_long > 0 -> b_long-- }; go :: true fi;

	atomic { left--; goto sched };
look:
	atomic { nspin++; sp = 1 };
sched: /* = schedule(), = findrunnable() */
	atomic {
		if
		:: ring[p] > 0 -> ring[p]--; goto found		/* = runqget() */
		:: ring[p] == 0 && gq > 0 ->			/* = globrunqget() */
			q = (gq / NP + 1 < gq -> gq / NP : gq - 1);
			gq = gq - q - 1; ring[p] = q; q = 0; goto found
		:: else
		fi
	};
#if NP > 1
	atomic {						/* = stealwork() */
		if
		:: sp
		:: !sp && 2 * nspin < NP - nidle -> nspin++; sp = 1
		:: else
		fi
	};
	atomic { if :: sp && ring[1 - p] > 0 -> ring[1 - p]--; goto found :: else fi };
#endif
#if POLL
	atomic { if :: !npoll -> npoll = 1; pl = 1 :: else fi };
#endif
	if :: atomic { sp -> nspin--; sp = 0 } :: !sp fi;	/* = stopspinning() */
	/* fence; the last look: = anywork() */
	if
	:: atomic { gq + RINGS > 0 && pl -> npoll = 0; pl = 0 }; wakep(NP == 1); goto look
	:: atomic { gq + RINGS > 0 && !pl -> goto look }
	:: atomic { gq + RINGS == 0 && pl -> goto poll }
	:: atomic { gq + RINGS == 0 && !pl }
	fi;

	/* = futex_park() */
	atomic { !lk -> putidle(); parked[id] = 1 };
#ifndef LIT_LOOK
	/* fence; = parkwork() */
	f = (nidle > 0 && gq > 0);
	if :: !f -> f = (nidle > 0 && nspin == 0 && RINGS > 0) :: f fi;
#if POLL
	if :: !f -> f = (nidle > 0 && !npoll) :: f fi;
#endif
	if
	:: atomic { f && !lk ->
		f = 0;
		if
		:: parked[id] && nidle > 0 -> parked[id] = 0; getidle(p); goto look
		:: else
		fi }
	:: !f
	fi;
#endif
asleep: /* = takenextp() */
	atomic { note[id] ->
		note[id] = 0; p = nextp[id]; sp = nextspin[id]; nextspin[id] = 0; goto sched };

found:								/* = resetspinning() */
	if :: atomic { sp -> nspin--; sp = 0 }; wakep(NP == 1) :: !sp fi;
	goto runs;

poll: /* = pollm() */
	atomic { !lk -> putidle() };				/* = futex_pollbegin() */
#ifndef LIT_POLL
	/* fence */
	if :: gq + RINGS > 0 -> evt = 1 :: else fi;
#endif
#ifdef LIT_STICKY
	evt = 0;
#endif
	do
	:: atomic { evt -> evt = 0 };				/* = netpoll() */
		atomic { !lk -> getidle(p) };			/* = futex_pollend() */
		if
		:: p != NONE -> break
		:: p == NONE && gq + RINGS > 0 -> wakep(false)
		:: p == NONE && gq + RINGS == 0
		fi
	od;
	atomic { nspin++; sp = 1 };
	atomic { npoll = 0; pl = 0; goto sched }
}

/* = newproc(), = goready(), = putrunnable() */
proctype Foreign()
{
	byte q, y;
	bool f;

#ifdef LIT_ORDER
	if :: nidle > 0 -> f = 1 :: else fi;
	gq++;
	if :: f -> wakep(false) :: else fi
#else
	gq++;
	/* fence */
#ifdef LIT_LONE
	wakep(NP == 1)
#else
	wakep(false)
#endif
#endif
}

inline quiet()
{
	assert(!lk && nspin == 0 && nidle == idle[0] + idle[1]);
	assert(!(nidle > 0 && gq + RINGS > 0 && (NPARKED > 0 || npoll || mcount < NM)));
	assert(!(POLL && nidle > 0 && !npoll && NPARKED > 0))
}

proctype Check()
{
	atomic { timeout -> quiet(); go = 1 };
	atomic { timeout -> quiet(); assert(left == 0) }
}

init {
	atomic {
#if NP > 1
		idle[1] = 1; nidle = 1;
#endif
		run M(0, 0);
#if NM > 1
		parked[1] = (NEW < NM - 1);
		run M(1, NONE);
#endif
#if NM > 2
		parked[2] = (NEW == 0);
		run M(2, NONE);
#endif
		run Foreign();
#if FGN > 1
		run Foreign();
#endif
#if FGN > 2
		run Foreign();
#endif
		run Check()
	}
}
