/* SPDX-License-Identifier: GPL-2.0 */
/*
 * trace.h - the tracepoints; Documentation/tracing.rst says what each means and shows them in use
 *
 * An event names the domain by its number (that of its folder in debugfs), Ps and Ms by their ids,
 * threads by their id in the initial pid namespace, and times in nanoseconds. It holds no address.
 * Those in sched_out run under the run-queue lock, as sched_switch does.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM gsched

#if !defined(GSCHED_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define GSCHED_TRACE_H

#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/tracepoint.h>

#include "gsched.h"

/* Parsers of the format in user space know no names of ours. */
TRACE_DEFINE_ENUM(GSCHED_P_IDLE);
TRACE_DEFINE_ENUM(GSCHED_P_RUNNING);
TRACE_DEFINE_ENUM(GSCHED_P_BLOCKED);
TRACE_DEFINE_ENUM(GSCHED_P_STOPPED);
TRACE_DEFINE_ENUM(GSCHED_P_DEAD);
TRACE_DEFINE_ENUM(GSCHED_M_FREE);
TRACE_DEFINE_ENUM(GSCHED_M_ON);
TRACE_DEFINE_ENUM(GSCHED_M_PARKED);
TRACE_DEFINE_ENUM(GSCHED_M_WAITING);
TRACE_DEFINE_ENUM(GSCHED_M_DEAD);
TRACE_DEFINE_ENUM(BORDER_PASS_EXIT);
TRACE_DEFINE_ENUM(BORDER_PASS_COOPERATIVE);
TRACE_DEFINE_ENUM(BORDER_PASS_STEP);
TRACE_DEFINE_ENUM(BORDER_PASS_TRACED);
TRACE_DEFINE_ENUM(BORDER_PASS_SIGNAL);
TRACE_DEFINE_ENUM(RETAKE_TAKEN);
TRACE_DEFINE_ENUM(RETAKE_UNWANTED);
TRACE_DEFINE_ENUM(RETAKE_PASSES);
TRACE_DEFINE_ENUM(RETAKE_NOPREEMPT);

#define gsched_show_p_state(state)			\
	__print_symbolic(state,				\
			 { GSCHED_P_IDLE, "IDLE" },	\
			 { GSCHED_P_RUNNING, "RUNNING" }, \
			 { GSCHED_P_BLOCKED, "BLOCKED" }, \
			 { GSCHED_P_STOPPED, "STOPPED" }, \
			 { GSCHED_P_DEAD, "DEAD" })

#define gsched_show_m_state(state)			\
	__print_symbolic(state,				\
			 { GSCHED_M_FREE, "FREE" },	\
			 { GSCHED_M_ON, "ON" },		\
			 { GSCHED_M_PARKED, "PARKED" },	\
			 { GSCHED_M_WAITING, "WAITING" }, \
			 { GSCHED_M_DEAD, "DEAD" })

#define gsched_show_pass(why)				\
	__print_symbolic(why,				\
			 { BORDER_PASS_EXIT, "exit" },	\
			 { BORDER_PASS_COOPERATIVE, "cooperative" }, \
			 { BORDER_PASS_STEP, "step" },	\
			 { BORDER_PASS_TRACED, "traced" }, \
			 { BORDER_PASS_SIGNAL, "signal" })

#define gsched_show_retake(what)			\
	__print_symbolic(what,				\
			 { RETAKE_TAKEN, "taken" },	\
			 { RETAKE_UNWANTED, "unwanted" }, \
			 { RETAKE_PASSES, "passes" },	\
			 { RETAKE_NOPREEMPT, "nopreempt" })

/* What the thread sleeps as: the bits of its __state that say more than "not running" */
#define gsched_show_sleep(state)			\
	__print_flags(state, "|",			\
		      { TASK_INTERRUPTIBLE, "S" },	\
		      { TASK_UNINTERRUPTIBLE, "D" },	\
		      { __TASK_STOPPED, "T" },		\
		      { __TASK_TRACED, "t" })

#define GSCHED_SHOWN_SLEEPS \
	(TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE | __TASK_STOPPED | __TASK_TRACED)

/* An M that holds a P falls asleep: the P becomes BLOCKED. */
TRACE_EVENT(gsched_block,
	TP_PROTO(const struct gsched_m *m, const struct gsched_p *p, unsigned int state),
	TP_ARGS(m, p, state),
	TP_STRUCT__entry(
		__field(u32, domain)
		__field(u32, m)
		__field(pid_t, tid)
		__field(u32, p)
		__field(u64, goid)
		__field(u32, state)
	),
	TP_fast_assign(
		__entry->domain = m->domain->id;
		__entry->m = m->id;
		__entry->tid = m->task->pid;
		__entry->p = p->id;
		__entry->goid = READ_ONCE(m->hint->goid);
		__entry->state = state & GSCHED_SHOWN_SLEEPS;
	),
	TP_printk("domain=%u m=%u tid=%d p=%u goid=%llu state=%s",
		  __entry->domain, __entry->m, __entry->tid, __entry->p, __entry->goid,
		  gsched_show_sleep(__entry->state))
);

DECLARE_EVENT_CLASS(gsched_wakes,
	TP_PROTO(const struct gsched_m *m, const struct gsched_p *p),
	TP_ARGS(m, p),
	TP_STRUCT__entry(
		__field(u32, domain)
		__field(u32, m)
		__field(pid_t, tid)
		__field(u32, p)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->domain = m->domain->id;
		__entry->m = m->id;
		__entry->tid = m->task->pid;
		__entry->p = p->id;
		__entry->ns = ktime_get_mono_fast_ns() - READ_ONCE(m->status->blocked_ns);
	),
	TP_printk("domain=%u m=%u tid=%d p=%u slept_ns=%llu",
		  __entry->domain, __entry->m, __entry->tid, __entry->p, __entry->ns)
);

/* It runs again, and nobody had wanted its P: it has it back. */
DEFINE_EVENT(gsched_wakes, gsched_return,
	TP_PROTO(const struct gsched_m *m, const struct gsched_p *p),
	TP_ARGS(m, p)
);

/* It runs again, in the kernel, and its P is gone. */
DEFINE_EVENT(gsched_wakes, gsched_lost,
	TP_PROTO(const struct gsched_m *m, const struct gsched_p *p),
	TP_ARGS(m, p)
);

/* The P of a sleeper goes to another M; a grant follows. */
TRACE_EVENT(gsched_handoff,
	TP_PROTO(const struct gsched_p *p, u32 from, const struct gsched_m *to, u64 ns),
	TP_ARGS(p, from, to, ns),
	TP_STRUCT__entry(
		__field(u32, domain)
		__field(u32, p)
		__field(u32, from)
		__field(u32, m)
		__field(pid_t, tid)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->domain = to->domain->id;
		__entry->p = p->id;
		__entry->from = from;
		__entry->m = to->id;
		__entry->tid = to->task->pid;
		__entry->ns = ns;
	),
	TP_printk("domain=%u p=%u from=%u m=%u tid=%d blocked_ns=%llu",
		  __entry->domain, __entry->p, __entry->from, __entry->m, __entry->tid,
		  __entry->ns)
);

/* A P gets a new owner: what the P was, and what the M. */
TRACE_EVENT(gsched_grant,
	TP_PROTO(const struct gsched_p *p, u32 p_state, const struct gsched_m *m),
	TP_ARGS(p, p_state, m),
	TP_STRUCT__entry(
		__field(u32, domain)
		__field(u32, p)
		__field(u32, p_state)
		__field(u32, m)
		__field(pid_t, tid)
		__field(u32, m_state)
	),
	TP_fast_assign(
		__entry->domain = m->domain->id;
		__entry->p = p->id;
		__entry->p_state = p_state;
		__entry->m = m->id;
		__entry->tid = m->task->pid;
		__entry->m_state = m->state;
	),
	TP_printk("domain=%u p=%u p_state=%s m=%u tid=%d m_state=%s",
		  __entry->domain, __entry->p, gsched_show_p_state(__entry->p_state),
		  __entry->m, __entry->tid, gsched_show_m_state(__entry->m_state))
);

/* PARK or SWITCH: the M gives its P up and is about to sleep. */
TRACE_EVENT(gsched_park,
	TP_PROTO(const struct gsched_m *m, bool private),
	TP_ARGS(m, private),
	TP_STRUCT__entry(
		__field(u32, domain)
		__field(u32, m)
		__field(pid_t, tid)
		__field(bool, private)
	),
	TP_fast_assign(
		__entry->domain = m->domain->id;
		__entry->m = m->id;
		__entry->tid = m->task->pid;
		__entry->private = private;
	),
	TP_printk("domain=%u m=%u tid=%d private=%d",
		  __entry->domain, __entry->m, __entry->tid, __entry->private)
);

/* UNPARK of that M. It was not PARKED: then it has a permit now. */
TRACE_EVENT(gsched_unpark,
	TP_PROTO(const struct gsched_m *m, bool permit),
	TP_ARGS(m, permit),
	TP_STRUCT__entry(
		__field(u32, domain)
		__field(u32, m)
		__field(pid_t, tid)
		__field(bool, permit)
	),
	TP_fast_assign(
		__entry->domain = m->domain->id;
		__entry->m = m->id;
		__entry->tid = m->task->pid;
		__entry->permit = permit;
	),
	TP_printk("domain=%u m=%u tid=%d permit=%d",
		  __entry->domain, __entry->m, __entry->tid, __entry->permit)
);

/* An M without a P stops at the border of user mode, behind others that are WAITING. */
TRACE_EVENT(gsched_border_enter,
	TP_PROTO(const struct gsched_m *m, u32 waiting),
	TP_ARGS(m, waiting),
	TP_STRUCT__entry(
		__field(u32, domain)
		__field(u32, m)
		__field(pid_t, tid)
		__field(u32, waiting)
	),
	TP_fast_assign(
		__entry->domain = m->domain->id;
		__entry->m = m->id;
		__entry->tid = m->task->pid;
		__entry->waiting = waiting;
	),
	TP_printk("domain=%u m=%u tid=%d waiting=%u",
		  __entry->domain, __entry->m, __entry->tid, __entry->waiting)
);

/* An M passes the border without a P, and why. */
TRACE_EVENT(gsched_border_pass,
	TP_PROTO(const struct gsched_m *m, u32 why),
	TP_ARGS(m, why),
	TP_STRUCT__entry(
		__field(u32, domain)
		__field(u32, m)
		__field(pid_t, tid)
		__field(u32, why)
	),
	TP_fast_assign(
		__entry->domain = m->domain->id;
		__entry->m = m->id;
		__entry->tid = m->task->pid;
		__entry->why = why;
	),
	TP_printk("domain=%u m=%u tid=%d why=%s",
		  __entry->domain, __entry->m, __entry->tid, gsched_show_pass(__entry->why))
);

/* An M that was asked for its P is at the border, and gives it up or keeps it. */
TRACE_EVENT(gsched_retake,
	TP_PROTO(const struct gsched_m *m, const struct gsched_p *p, u32 what),
	TP_ARGS(m, p, what),
	TP_STRUCT__entry(
		__field(u32, domain)
		__field(u32, m)
		__field(pid_t, tid)
		__field(u32, p)
		__field(u32, what)
	),
	TP_fast_assign(
		__entry->domain = m->domain->id;
		__entry->m = m->id;
		__entry->tid = m->task->pid;
		__entry->p = p->id;
		__entry->what = what;
	),
	TP_printk("domain=%u m=%u tid=%d p=%u what=%s",
		  __entry->domain, __entry->m, __entry->tid, __entry->p,
		  gsched_show_retake(__entry->what))
);

/* It goes on from the border: with a P, or, p=-1, because something else let it out. */
TRACE_EVENT(gsched_border_leave,
	TP_PROTO(const struct gsched_m *m, u64 ns),
	TP_ARGS(m, ns),
	TP_STRUCT__entry(
		__field(u32, domain)
		__field(u32, m)
		__field(pid_t, tid)
		__field(s32, p)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->domain = m->domain->id;
		__entry->m = m->id;
		__entry->tid = m->task->pid;
		__entry->p = m->p ? (s32)m->p->id : -1;
		__entry->ns = ns;
	),
	TP_printk("domain=%u m=%u tid=%d p=%d waited_ns=%llu",
		  __entry->domain, __entry->m, __entry->tid, __entry->p, __entry->ns)
);

/* A stop of the world begins. */
TRACE_EVENT(gsched_stop,
	TP_PROTO(const struct gsched_m *m),
	TP_ARGS(m),
	TP_STRUCT__entry(
		__field(u32, domain)
		__field(u32, m)
		__field(pid_t, tid)
	),
	TP_fast_assign(
		__entry->domain = m->domain->id;
		__entry->m = m->id;
		__entry->tid = m->task->pid;
	),
	TP_printk("domain=%u m=%u tid=%d", __entry->domain, __entry->m, __entry->tid)
);

DECLARE_EVENT_CLASS(gsched_stop_ns,
	TP_PROTO(const struct gsched_m *m, u64 ns),
	TP_ARGS(m, ns),
	TP_STRUCT__entry(
		__field(u32, domain)
		__field(u32, m)
		__field(pid_t, tid)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->domain = m->domain->id;
		__entry->m = m->id;
		__entry->tid = m->task->pid;
		__entry->ns = ns;
	),
	TP_printk("domain=%u m=%u tid=%d since_stop_ns=%llu",
		  __entry->domain, __entry->m, __entry->tid, __entry->ns)
);

/* The last P has stopped. */
DEFINE_EVENT(gsched_stop_ns, gsched_stopped,
	TP_PROTO(const struct gsched_m *m, u64 ns),
	TP_ARGS(m, ns)
);

/* The stop ends, complete or not. */
DEFINE_EVENT(gsched_stop_ns, gsched_start,
	TP_PROTO(const struct gsched_m *m, u64 ns),
	TP_ARGS(m, ns)
);

/* The number of Ps changes. */
TRACE_EVENT(gsched_resize,
	TP_PROTO(const struct gsched_m *m, u32 from, u32 nr_p),
	TP_ARGS(m, from, nr_p),
	TP_STRUCT__entry(
		__field(u32, domain)
		__field(u32, m)
		__field(pid_t, tid)
		__field(u32, from)
		__field(u32, nr_p)
	),
	TP_fast_assign(
		__entry->domain = m->domain->id;
		__entry->m = m->id;
		__entry->tid = m->task->pid;
		__entry->from = from;
		__entry->nr_p = nr_p;
	),
	TP_printk("domain=%u m=%u tid=%d from=%u nr_p=%u",
		  __entry->domain, __entry->m, __entry->tid, __entry->from, __entry->nr_p)
);

#endif /* GSCHED_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
