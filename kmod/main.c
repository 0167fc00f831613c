// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - the device: file operations, arguments of the calls, module init and exit
 */

#include <linux/fdtable.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "gsched.h"

#define GSCHED_NAME	"gsched"

struct workqueue_struct *gsched_wq;

union gsched_arg {
	struct {
		u32 size;
		u32 flags;
	};
	struct gsched_setup setup;
	struct gsched_register reg;
	struct gsched_park park;
	struct gsched_unpark unpark;
	struct gsched_switch swtch;
	struct gsched_acquire acquire;
	struct gsched_make make;
	struct gsched_resize resize;
	struct gsched_stop stop;
	struct gsched_preempt preempt;
	struct gsched_tune tune;
	struct gsched_info info;
};

/* ---- Calls: @m is NULL where the caller need not be an M ---- */

static int ioc_setup(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg)
{
	return domain_setup(d, &arg->setup);
}

static int ioc_register(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg)
{
	return domain_register(d, &arg->reg);
}

static int ioc_unregister(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg)
{
	machine_detach(m);
	return 0;
}

static int ioc_park(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg)
{
	struct gsched_park *park = &arg->park;

	if (!(park->flags & GSCHED_PARK_COMPARE) ? park->word || park->expected :
						   park->word >= GSCHED_PARK_WORDS)
		return -EINVAL;
	return machine_park(m, park);
}

static int ioc_unpark(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg)
{
	return machine_unpark(d, arg->unpark.m);
}

static int ioc_wake(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg)
{
	return machine_wake(d);
}

static int ioc_switch(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg)
{
	return machine_switch(m, arg->swtch.m);
}

static int ioc_release(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg)
{
	return machine_release(m);
}

static int ioc_acquire(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg)
{
	return machine_acquire(m, arg->acquire.deadline_ns);
}

static int ioc_make(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg)
{
	return machine_make(d, arg->make.n);
}

static int ioc_resize(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg)
{
	return monitor_resize(m, arg->resize.nr_p);
}

static int ioc_stop(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg)
{
	return monitor_stop(m, &arg->stop);
}

static int ioc_start(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg)
{
	return monitor_start(m);
}

static int ioc_preempt(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg)
{
	return machine_preempt(d, arg->preempt.m);
}

static int ioc_tune(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg)
{
	return domain_tune(d, &arg->tune);
}

static int ioc_info(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg)
{
	return stats_info(d, &arg->info);
}

enum {
	CALL_SELF = 1,	/* acts on the calling M */
	CALL_OUT = 2,	/* has results in its structure */
};

#define SIZE(type)	sizeof(struct gsched_##type)
#define RESERVED(type)	offsetof(struct gsched_##type, __reserved)

/*
 * By number, from 0x80. A call without a structure has size 0, one without a reserved word at its
 * end 0 there. The first version's size is the least that is accepted.
 */
static const struct gsched_call {
	int (*fn)(struct gsched_domain *d, struct gsched_m *m, union gsched_arg *arg);
	u16 size;
	u16 reserved;
	u32 how;
	u32 flags;
} gsched_calls[] = {
	{ ioc_setup, SIZE(setup), 0, CALL_OUT, 0 },
	{ ioc_register, SIZE(register), RESERVED(register), CALL_OUT, GSCHED_REGISTER_MADE },
	{ ioc_unregister, 0, 0, CALL_SELF, 0 },
	{ ioc_park, SIZE(park), 0, CALL_SELF, GSCHED_PARK_PRIVATE | GSCHED_PARK_COMPARE },
	{ ioc_unpark, SIZE(unpark), RESERVED(unpark), 0, 0 },
	{ ioc_wake, 0, 0, 0, 0 },
	{ ioc_switch, SIZE(switch), RESERVED(switch), CALL_SELF, 0 },
	{ ioc_release, 0, 0, CALL_SELF, 0 },
	{ ioc_acquire, SIZE(acquire), 0, CALL_SELF, 0 },
	{ ioc_make, SIZE(make), RESERVED(make), 0, 0 },
	{ ioc_resize, SIZE(resize), RESERVED(resize), CALL_SELF, 0 },
	{ ioc_stop, SIZE(stop), 0, CALL_SELF | CALL_OUT, 0 },
	{ ioc_start, 0, 0, CALL_SELF, 0 },
	{ ioc_preempt, SIZE(preempt), RESERVED(preempt), 0, 0 },
	{ ioc_tune, SIZE(tune), 0, 0, GSCHED_TUNE_SLICE | GSCHED_TUNE_GRACE | GSCHED_TUNE_POLICY |
				      GSCHED_TUNE_CPU | GSCHED_TUNE_SPARE },
	{ ioc_info, SIZE(info), RESERVED(info), CALL_OUT, 0 },
};

static_assert(ARRAY_SIZE(gsched_calls) == _IOC_NR(GSCHED_IOC_INFO) - _IOC_NR(GSCHED_IOC_SETUP) + 1);

/*
 * Results are first written where they will go, as they came: a call whose answer cannot be
 * delivered must change nothing.
 */
static int gsched_copy_in(const struct gsched_call *call, union gsched_arg *arg,
			  unsigned long user, u32 *usize)
{
	void __user *uarg = (void __user *)user;
	int err;

	memset(arg, 0, sizeof(*arg));
	if (!call->size)
		return user ? -EINVAL : 0;
	if (get_user(*usize, (u32 __user *)uarg))
		return -EFAULT;
	if (*usize < call->size)
		return -EINVAL;
	if (*usize > PAGE_SIZE)
		return -E2BIG;
	err = copy_struct_from_user(arg, call->size, uarg, *usize);
	if (err)
		return err;
	if (arg->flags & ~call->flags ||
	    (call->reserved && *(u32 *)((void *)arg + call->reserved)))
		return -EINVAL;
	if (call->how & CALL_OUT && copy_to_user(uarg, arg, call->size))
		return -EFAULT;
	return 0;
}

/*
 * Is this a descriptor of the file @p that an exec would keep? The new program would have old Ms.
 * O_CLOEXEC is a property of descriptors: the flags of the file do not tell.
 */
static int gsched_survives_exec(const void *p, struct file *file, unsigned int fd)
{
	return file == p && !test_bit(fd, files_fdtable(current->files)->close_on_exec);
}

static long gsched_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	struct gsched_domain *d = file->private_data;
	const struct gsched_call *call;
	struct gsched_m *m = NULL;
	union gsched_arg arg;
	u32 usize = 0;
	long ret;

	if (_IOC_TYPE(cmd) != GSCHED_IOC_TYPE || cmd != _IO(GSCHED_IOC_TYPE, _IOC_NR(cmd)) ||
	    _IOC_NR(cmd) < _IOC_NR(GSCHED_IOC_SETUP) || _IOC_NR(cmd) > _IOC_NR(GSCHED_IOC_INFO))
		return -ENOTTY;
	call = &gsched_calls[_IOC_NR(cmd) - _IOC_NR(GSCHED_IOC_SETUP)];
	if (!domain_is_mine(d))
		return -EXDEV;
	ret = gsched_copy_in(call, &arg, user, &usize);
	if (ret)
		return ret;
	if (cmd == GSCHED_IOC_SETUP) {
		if (iterate_fd(current->files, 0, gsched_survives_exec, file))
			return -EINVAL;
	} else if (!gsched_is_ready(d)) {
		return -ENXIO;
	}
	if (READ_ONCE(d->closed))
		return -ECANCELED;
	if (call->how & CALL_SELF) {
		m = gsched_current();
		if (!m || m->domain != d)
			return -ESRCH;
	}
	ret = call->fn(d, m, &arg);
	/* a STOP that runs out of time says who has not stopped */
	if ((!ret || ret == -ETIMEDOUT) && call->how & CALL_OUT &&
	    copy_to_user((void __user *)user, &arg, call->size))
		ret = -EFAULT;
	if (m && cmd != GSCHED_IOC_UNREGISTER) {
		if (ret == -ECANCELED)
			machine_detach(m);
		else
			border_leave_call(m);
	}
	return ret;
}

static __poll_t gsched_poll(struct file *file, poll_table *wait)
{
	struct gsched_domain *d = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &d->poll_wq, wait);
	if (!domain_is_mine(d) || READ_ONCE(d->closed) || !gsched_is_ready(d))
		return EPOLLERR;
	if (READ_ONCE(d->status->wanted) > 0)
		mask |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(d->status->starved))
		mask |= EPOLLPRI;
	return mask;
}

static int gsched_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct gsched_domain *d = file->private_data;

	if (!domain_is_mine(d))
		return -EXDEV;
	if (vma->vm_pgoff >= GSCHED_MMAP_STACKS >> PAGE_SHIFT)
		return stackmap_mmap(vma);
	if (!gsched_is_ready(d))
		return -ENXIO;
	if (READ_ONCE(d->closed))
		return -ECANCELED;
	return domain_mmap(d, vma);
}

static int gsched_open(struct inode *inode, struct file *file)
{
	struct gsched_domain *d;

	if (!current->mm)
		return -EINVAL;
	d = domain_open();
	if (IS_ERR(d))
		return PTR_ERR(d);
	file->private_data = d;
	return nonseekable_open(inode, file);
}

/*
 * A close by the process itself closes the domain, whichever descriptor it was; one by a child or
 * by whoever was passed the file does not. After exec the memory is another already, so only the
 * thread group tells; the one thread that is left then is detached here and now.
 */
static int gsched_flush(struct file *file, fl_owner_t id)
{
	struct gsched_domain *d = file->private_data;
	struct gsched_m *m = gsched_current();

	if (task_tgid(current) != d->pid)
		return 0;
	domain_close(d);
	if (m && m->domain == d)
		machine_detach(m);
	return 0;
}

static int gsched_release(struct inode *inode, struct file *file)
{
	struct gsched_domain *d = file->private_data;

	domain_close(d);
	domain_put(d);
	return 0;
}

static const struct file_operations gsched_fops = {
	.owner = THIS_MODULE,
	.open = gsched_open,
	.flush = gsched_flush,
	.release = gsched_release,
	.unlocked_ioctl = gsched_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.poll = gsched_poll,
	.mmap = gsched_mmap,
};

static struct miscdevice gsched_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = GSCHED_NAME,
	.fops = &gsched_fops,
	.mode = 0660,
};

/*
 * The hooks are switched on once, here: that patches the scheduler's code, which stops every CPU of
 * the machine for a moment, too much for each program that starts.
 */
static int __init gsched_init(void)
{
	int err;

	gsched_wq = alloc_workqueue(GSCHED_NAME, 0, 0);
	if (!gsched_wq)
		return -ENOMEM;
	err = stackmap_module_init();
	if (err)
		goto err_wq;
	err = border_module_init();
	if (err)
		goto err_stackmap;
	debugfs_module_init();
	preempt_notifier_inc();
	err = misc_register(&gsched_misc);
	if (err)
		goto err_notifier;
	return 0;

err_notifier:
	preempt_notifier_dec();
	debugfs_module_exit();
	border_module_exit();
err_stackmap:
	stackmap_module_exit();
err_wq:
	destroy_workqueue(gsched_wq);
	return err;
}

/* Every domain and M held the module, so only work that is on its way out can be left. */
static void __exit gsched_exit(void)
{
	misc_deregister(&gsched_misc);
	border_module_exit();
	rcu_barrier();
	destroy_workqueue(gsched_wq);
	rcu_barrier();
	stackmap_module_exit();
	preempt_notifier_dec();
	debugfs_module_exit();
}

module_init(gsched_init);
module_exit(gsched_exit);

MODULE_AUTHOR("The gsched developers");
MODULE_DESCRIPTION("Goroutine-style scheduling: the kernel owns the Ps");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
