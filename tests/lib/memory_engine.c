/* SPDX-License-Identifier: GPL-2.0-only
 *
 * An engine of another world, as those of SPDK are: its files are names that
 * no kernel knows (Mem0, "type=mem ns=1"), it runs in threads only, says much
 * when it starts, and needs a configuration file, of which memory_size=N (MiB)
 * is how large each of them is.  Options of several words, as SPDK's
 * env_context, and lists, as its log_flags, have to arrive whole.  With
 * memory_helper=1 it has a thread of its own on whatever CPU.  What is written
 * is kept in the process.  Built against fio's headers.
 */
#include <sched.h>
#include <sys/prctl.h>
#include <fio.h>
#include <optgroup.h>

struct options {
	struct thread_data *td;
	char *conf;
	char *context;
	char *flags;
	unsigned int helper;
};

struct memory {
	char *data;
	unsigned int count, taken;
	struct io_u **done, **events;
};

static struct fio_option table[] = {
	{
		.name = "memory_conf",
		.lname = "configuration",
		.type = FIO_OPT_STR_STORE,
		.off1 = offsetof(struct options, conf),
		.help = "A file with memory_size=N, in MiB",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{
		.name = "memory_context",
		.lname = "context",
		.type = FIO_OPT_STR_STORE,
		.off1 = offsetof(struct options, context),
		.help = "--small -m N, in MiB, in place of memory_size",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{
		.name = "memory_flags",
		.lname = "flags",
		.type = FIO_OPT_STR_STORE,
		.off1 = offsetof(struct options, flags),
		.help = "mem,io and nothing else",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{
		.name = "memory_helper",
		.lname = "helper",
		.type = FIO_OPT_BOOL,
		.off1 = offsetof(struct options, helper),
		.help = "Have a thread of its own",
		.category = FIO_OPT_C_ENGINE,
		.group = FIO_OPT_G_INVALID,
	},
	{.name = NULL},
};

/* What DPDK says, in length, before SPDK says why it cannot go on. */
static void say_much(void)
{
	int i;

	for (i = 0; i < 12; i++)
		log_info("memory: note %d of many on how all of it begins\n",
			 i);
}

static void *help(void *unused)
{
	cpu_set_t any;

	memset(&any, 0xff, sizeof(any));
	prctl(PR_SET_NAME, "mem-helper");
	sched_setaffinity(0, sizeof(any), &any);
	pause();
	return unused;
}

/* Bytes of each name; 0 without a configuration. */
static unsigned long long size_of(struct thread_data *td)
{
	struct options *o = td->eo;
	unsigned long long mib = 0;
	FILE *file = o->conf ? fopen(o->conf, "r") : NULL;

	if (!file)
		return 0;
	if (fscanf(file, "memory_size=%llu", &mib) != 1)
		mib = 0;
	fclose(file);
	if (o->context && sscanf(o->context, "--small -m %llu", &mib) != 1)
		mib = 0;
	return mib << 20;
}

static int memory_setup(struct thread_data *td)
{
	unsigned long long size = size_of(td);
	struct options *o = td->eo;
	struct fio_file *f;
	pthread_t helper;
	unsigned int i;

	say_much();
	if (o->flags && strcmp(o->flags, "mem,io")) {
		log_err("memory: no flags %s\n", o->flags);
		return 1;
	}
	if (!td->o.use_thread || !size) {
		log_err("memory: %s\n",
			size ? "needs thread=1"
			     : "needs memory_conf=FILE with memory_size=N");
		return 1;
	}
	if (o->helper && pthread_create(&helper, NULL, help, NULL))
		return 1;
	for_each_file(td, f, i)
	{
		if (strncmp(f->file_name, "Mem", 3) &&
		    strcmp(f->file_name, "type=mem ns=1")) {
			log_err("memory: no name %s\n", f->file_name);
			return 1;
		}
		f->filetype = FIO_TYPE_BLOCK;
		f->real_file_size = size;
		fio_file_set_size_known(f);
	}
	return 0;
}

static int memory_init(struct thread_data *td)
{
	struct memory *m = calloc(1, sizeof(*m));

	if (!m)
		return 1;
	m->data = calloc(1, size_of(td));
	m->done = calloc(td->o.iodepth, sizeof(*m->done));
	m->events = calloc(td->o.iodepth, sizeof(*m->events));
	td->io_ops_data = m;
	return !m->data || !m->done || !m->events;
}

static void memory_cleanup(struct thread_data *td)
{
	struct memory *m = td->io_ops_data;

	if (!m)
		return;
	free(m->data);
	free(m->done);
	free(m->events);
	free(m);
}

static enum fio_q_status memory_queue(struct thread_data *td, struct io_u *io_u)
{
	struct memory *m = td->io_ops_data;
	char *at = m->data + io_u->offset;

	if (m->count == td->o.iodepth)
		return FIO_Q_BUSY;
	if (io_u->ddir == DDIR_READ)
		memcpy(io_u->xfer_buf, at, io_u->xfer_buflen);
	else if (io_u->ddir == DDIR_WRITE)
		memcpy(at, io_u->xfer_buf, io_u->xfer_buflen);
	else
		return FIO_Q_COMPLETED;
	m->done[m->count++] = io_u;
	return FIO_Q_QUEUED;
}

static int memory_getevents(struct thread_data *td, unsigned int min,
			    unsigned int max, const struct timespec *t)
{
	struct memory *m = td->io_ops_data;

	(void)min;
	(void)t;
	m->taken = m->count < max ? m->count : max;
	memcpy(m->events, m->done, m->taken * sizeof(*m->done));
	m->count -= m->taken;
	memmove(m->done, m->done + m->taken, m->count * sizeof(*m->done));
	return (int)m->taken;
}

static struct io_u *memory_event(struct thread_data *td, int event)
{
	struct memory *m = td->io_ops_data;

	return m->events[event];
}

static int memory_open(struct thread_data *td, struct fio_file *f)
{
	(void)td;
	(void)f;
	return 0;
}

struct ioengine_ops ioengine = {
	.name = "memory",
	.version = FIO_IOOPS_VERSION,
	.flags = FIO_RAWIO | FIO_NOEXTEND | FIO_NODISKUTIL | FIO_MEMALIGN,
	.setup = memory_setup,
	.init = memory_init,
	.cleanup = memory_cleanup,
	.queue = memory_queue,
	.getevents = memory_getevents,
	.event = memory_event,
	.open_file = memory_open,
	.close_file = memory_open,
	.options = table,
	.option_struct_size = sizeof(struct options),
};
