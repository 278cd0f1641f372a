// SPDX-License-Identifier: GPL-2.0
/* The commands of the family, one function each: plain structs -> attributes. */
#include "nl-talk.h"

#include <linux/lockstep.h>

/* ---- resources and volumes */

static int fill_res(struct nl_msg *msg, const void *arg)
{
	const struct nl_resource *r = arg;

	if (nla_put_u32(msg, LOCKSTEP_ATTR_NODE_ID, r->node_id) < 0 ||
	    nla_put_string(msg, LOCKSTEP_ATTR_NODE_NAME, r->node) < 0 ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_PEER_NODE_ID, r->peer_node_id) < 0 ||
	    nla_put_string(msg, LOCKSTEP_ATTR_PEER_NAME, r->peer) < 0)
		return -1;
	if (r->timeout_ms && nla_put_u32(msg, LOCKSTEP_ATTR_TIMEOUT_MS, r->timeout_ms) < 0)
		return -1;
	if (r->ping_ms && nla_put_u32(msg, LOCKSTEP_ATTR_PING_MS, r->ping_ms) < 0)
		return -1;
	if (r->disk_timeout_ms != LOCKSTEP_DEF_DISK_TIMEOUT_MS &&
	    nla_put_u32(msg, LOCKSTEP_ATTR_DISK_TIMEOUT_MS, r->disk_timeout_ms) < 0)
		return -1;
	/* A module that knows of no fencing refuses it: then it must not be asked for. */
	if (r->fencing && nla_put_u32(msg, LOCKSTEP_ATTR_FENCING, r->fencing) < 0)
		return -1;
	if (r->auto_promote && nla_put_u32(msg, LOCKSTEP_ATTR_AUTO_PROMOTE, 1) < 0)
		return -1;
	return 0;
}

/* Was it the newest attribute that an older module stumbled over? Its own words say nothing. */
static int name_unknown(struct nl *nl, bool asked, int r, struct err *e)
{
	if (!asked || r != -EINVAL || !strstr(nl->text, "nknown attribute"))
		return r;
	err_set(e, -EOPNOTSUPP, "kernel-lacks",
		"the kernel module that is loaded knows no auto_promote");
	err_means(e, "It is older than the tools");
	err_mend(e, "modinfo lockstep; install module and tools of one release");
	return -EOPNOTSUPP;
}

int nl_res_add(struct nl *nl, const struct nl_resource *r, struct err *e)
{
	int ret = nl_command(nl, LOCKSTEP_CMD_RES_ADD, r->name, fill_res, r, 0,
			     "add the resource", e);

	return name_unknown(nl, r->auto_promote, ret, e);
}

static int fill_policies(struct nl_msg *msg, const void *arg)
{
	const struct nl_policies *p = arg;

	if (p->fencing && nla_put_u32(msg, LOCKSTEP_ATTR_FENCING, *p->fencing) < 0)
		return -1;
	if (p->auto_promote && nla_put_u32(msg, LOCKSTEP_ATTR_AUTO_PROMOTE, *p->auto_promote) < 0)
		return -1;
	return 0;
}

int nl_res_set(struct nl *nl, const char *name, const struct nl_policies *p, struct err *e)
{
	int ret = nl_command(nl, LOCKSTEP_CMD_RES_SET, name, fill_policies, p, 0,
			     "change a policy", e);

	return name_unknown(nl, p->auto_promote, ret, e);
}

int nl_res_del(struct nl *nl, const char *name, struct err *e)
{
	return nl_command(nl, LOCKSTEP_CMD_RES_DEL, name, NULL, NULL, 0, "remove the resource", e);
}

/* The shape of a command about one volume with nothing else to say. */
static int fill_number(struct nl_msg *msg, const void *arg)
{
	const u32 *volume = arg;

	return nla_put_u32(msg, LOCKSTEP_ATTR_VOLUME, *volume);
}

static int fill_disk(struct nl_msg *msg, const void *arg)
{
	const struct nl_disk *d = arg;

	if (nla_put_u32(msg, LOCKSTEP_ATTR_VOLUME, d->volume) < 0 ||
	    nla_put_string(msg, LOCKSTEP_ATTR_BACKING, d->backing) < 0)
		return -1;
	if (d->meta && d->meta[0] && nla_put_string(msg, LOCKSTEP_ATTR_META, d->meta) < 0)
		return -1;
	if (d->device_sect && nla_put_u64(msg, LOCKSTEP_ATTR_DEVICE_SECT, d->device_sect) < 0)
		return -1;
	return 0;
}

static int fill_vol_add(struct nl_msg *msg, const void *arg)
{
	const struct nl_disk *d = arg;

	if (nla_put_u32(msg, LOCKSTEP_ATTR_MINOR, d->minor) < 0)
		return -1;
	return fill_disk(msg, d);
}

int nl_vol_add(struct nl *nl, const char *name, const struct nl_disk *d, struct err *e)
{
	return nl_command(nl, LOCKSTEP_CMD_VOL_ADD, name, fill_vol_add, d, 0, "add the volume", e);
}

int nl_vol_del(struct nl *nl, const char *name, u32 volume, struct err *e)
{
	return nl_command(nl, LOCKSTEP_CMD_VOL_DEL, name, fill_number, &volume, 0,
			  "remove the volume", e);
}

int nl_vol_attach(struct nl *nl, const char *name, const struct nl_disk *d, struct err *e)
{
	return nl_command(nl, LOCKSTEP_CMD_VOL_ATTACH, name, fill_disk, d, 0, "attach the disk", e);
}

int nl_vol_detach(struct nl *nl, const char *name, u32 volume, struct err *e)
{
	return nl_command(nl, LOCKSTEP_CMD_VOL_DETACH, name, fill_number, &volume, 0,
			  "give up the disk", e);
}

struct resize {
	u32 volume;
	u64 data_sect;
	bool force;
};

static int fill_resize(struct nl_msg *msg, const void *arg)
{
	const struct resize *r = arg;

	if (nla_put_u32(msg, LOCKSTEP_ATTR_VOLUME, r->volume) < 0)
		return -1;
	if (r->data_sect && nla_put_u64(msg, LOCKSTEP_ATTR_DATA_SECT, r->data_sect) < 0)
		return -1;
	return r->force ? nla_put_flag(msg, LOCKSTEP_ATTR_FORCE) : 0;
}

int nl_resize(struct nl *nl, const char *name, u32 volume, u64 data_sect, bool force,
	      struct err *e)
{
	struct resize r = { volume, data_sect, force };

	return nl_command(nl, LOCKSTEP_CMD_RESIZE, name, fill_resize, &r, 0,
			  "take up the disk's size", e);
}

static int fill_promote(struct nl_msg *msg, const void *arg)
{
	const struct nl_promotion *p = arg;

	if (p->force && nla_put_flag(msg, LOCKSTEP_ATTR_FORCE) < 0)
		return -1;
	return p->fenced ? nla_put_u32(msg, LOCKSTEP_ATTR_FENCE_ROUND, p->fence_round) : 0;
}

int nl_promote(struct nl *nl, const char *name, const struct nl_promotion *p, struct err *e)
{
	return nl_command(nl, LOCKSTEP_CMD_PROMOTE, name, fill_promote, p, 0, "promote", e);
}

int nl_demote(struct nl *nl, const char *name, struct err *e)
{
	return nl_command(nl, LOCKSTEP_CMD_DEMOTE, name, NULL, NULL, 0, "demote", e);
}

/* ---- fencing */

static int fill_round(struct nl_msg *msg, const void *arg)
{
	return arg ? nla_put_u32(msg, LOCKSTEP_ATTR_FENCE_ROUND, *(const u32 *)arg) : 0;
}

int nl_fenced(struct nl *nl, const char *name, const u32 *round, struct err *e)
{
	return nl_command(nl, LOCKSTEP_CMD_FENCED, name, fill_round, round, 0, "go on alone", e);
}

int nl_outdate(struct nl *nl, const char *name, struct err *e)
{
	return nl_command(nl, LOCKSTEP_CMD_OUTDATE, name, NULL, NULL, 0, "outdate its copy", e);
}

/* ---- sessions */

static int fill_session_volume(struct nl_msg *msg, const struct nl_session_volume *v)
{
	struct nlattr *nest = nla_nest_start(msg, LOCKSTEP_ATTR_PEER_VOLUME | NLA_F_NESTED);

	if (!nest ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_VOLUME, v->volume) < 0 ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_VERDICT, v->verdict) < 0 ||
	    nla_put_u64(msg, LOCKSTEP_ATTR_GEN_CURRENT, v->gen_current) < 0 ||
	    nla_put_u64(msg, LOCKSTEP_ATTR_GEN_SINCE, v->gen_since) < 0 ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_FLAGS, v->flags) < 0 ||
	    nla_put_u64(msg, LOCKSTEP_ATTR_PEER_GEN_CURRENT, v->peer_gen_current) < 0 ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_PEER_FLAGS, v->peer_flags) < 0 ||
	    nla_put_u64(msg, LOCKSTEP_ATTR_DATA_SECT, v->data_sect) < 0 ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_LOGICAL_BYTES, v->logical_bytes) < 0 ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_PHYSICAL_BYTES, v->physical_bytes) < 0 ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_MAX_IO_BYTES, v->max_io_bytes) < 0 ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_CAPS, v->caps) < 0 ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_DISK, v->disk) < 0)
		return -1;
	nla_nest_end(msg, nest);
	return 0;
}

static int fill_session(struct nl_msg *msg, const void *arg)
{
	const struct nl_session *s = arg;

	if (nla_put_u64(msg, LOCKSTEP_ATTR_SESSION_ID, s->session_id) < 0 ||
	    nla_put_u64(msg, LOCKSTEP_ATTR_EPOCH, s->epoch) < 0 ||
	    nla_put_u64(msg, LOCKSTEP_ATTR_PEER_BOOT_ID, s->peer_boot_id) < 0 ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_PEER_ROLE, s->peer_role) < 0 ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_STREAMS, s->streams) < 0 ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_TIMEOUT_MS, s->timeout_ms) < 0)
		return -1;
	for (u32 i = 0; i < s->nr_volumes; i++)
		if (fill_session_volume(msg, &s->volume[i]) < 0)
			return -1;
	return 0;
}

int nl_session_open(struct nl *nl, const struct nl_session *s, struct err *e)
{
	return nl_command(nl, LOCKSTEP_CMD_SESSION_OPEN, s->name, fill_session, s,
			  s->nr_volumes * 256u, "open a session", e);
}

struct stream {
	u64 session_id;
	u32 stream;
	int fd;			/* negative: none, session only */
};

static int fill_stream(struct nl_msg *msg, const void *arg)
{
	const struct stream *s = arg;

	if (s->session_id && nla_put_u64(msg, LOCKSTEP_ATTR_SESSION_ID, s->session_id) < 0)
		return -1;
	if (s->fd < 0)
		return 0;
	if (nla_put_u32(msg, LOCKSTEP_ATTR_STREAM, s->stream) < 0)
		return -1;
	return nla_put_u32(msg, LOCKSTEP_ATTR_FD, (u32)s->fd);
}

int nl_stream_add(struct nl *nl, const char *name, u64 session_id, u32 stream, int fd,
		  struct err *e)
{
	struct stream s = { session_id, stream, fd };

	return nl_command(nl, LOCKSTEP_CMD_STREAM_ADD, name, fill_stream, &s, 0,
			  "take a stream", e);
}

int nl_session_start(struct nl *nl, const char *name, u64 session_id, struct err *e)
{
	struct stream s = { .session_id = session_id, .fd = -1 };

	return nl_command(nl, LOCKSTEP_CMD_SESSION_START, name, fill_stream, &s, 0,
			  "start the session", e);
}

int nl_session_close(struct nl *nl, const char *name, u64 session_id, struct err *e)
{
	struct stream s = { .session_id = session_id, .fd = -1 };

	return nl_command(nl, LOCKSTEP_CMD_SESSION_CLOSE, name, fill_stream, &s, 0,
			  "close the session", e);
}

/* ---- split brain */

struct surrender {
	const struct nl_surrender_volume *v;
	u32 nr;
};

static int fill_surrender(struct nl_msg *msg, const void *arg)
{
	const struct surrender *s = arg;

	for (u32 i = 0; i < s->nr; i++) {
		struct nlattr *nest = nla_nest_start(msg, LOCKSTEP_ATTR_PEER_VOLUME | NLA_F_NESTED);

		if (!nest || nla_put_u32(msg, LOCKSTEP_ATTR_VOLUME, s->v[i].volume) < 0 ||
		    nla_put_u64(msg, LOCKSTEP_ATTR_GEN_CURRENT, s->v[i].gen_current) < 0 ||
		    nla_put_u64(msg, LOCKSTEP_ATTR_GEN_SINCE, s->v[i].gen_since) < 0 ||
		    nla_put_u64(msg, LOCKSTEP_ATTR_META_SEQ, s->v[i].meta_seq) < 0)
			return -1;
		nla_nest_end(msg, nest);
	}
	return 0;
}

/* A module that does not say how often it wrote its metadata would look at the generations only. */
static int check_sequences(const struct nl_surrender_volume *v, u32 nr, struct err *e)
{
	for (u32 i = 0; i < nr; i++) {
		if (v[i].meta_seq)
			continue;
		err_set(e, -EOPNOTSUPP, "kernel-lacks", "the kernel module that is loaded cannot "
			"tell whether volume %u was written meanwhile", v[i].volume);
		err_means(e, "It is older than the tools");
		err_mend(e, "modinfo lockstep; install module and tools of one release");
		return -EOPNOTSUPP;
	}
	return 0;
}

int nl_surrender(struct nl *nl, const char *name, const struct nl_surrender_volume *v, u32 nr,
		 struct err *e)
{
	struct surrender s = { v, nr };
	int err = check_sequences(v, nr, e);

	return err ? err : nl_command(nl, LOCKSTEP_CMD_SURRENDER, name, fill_surrender, &s,
				      nr * 64u, "give up what was written here", e);
}

/* ---- marks */

static int on_marks(struct nl *nl, struct nlattr **a)
{
	struct nl_marks *m = nl->reply_arg;
	const struct nlattr *runs = a[LOCKSTEP_ATTR_RUNS];

	if (!a[LOCKSTEP_ATTR_FIRST_BIT])
		return -EBADMSG;
	m->first_bit = nla_get_u64(a[LOCKSTEP_ATTR_FIRST_BIT]);
	m->has_next = a[LOCKSTEP_ATTR_NEXT_BIT] != NULL;
	m->next_bit = m->has_next ? nla_get_u64(a[LOCKSTEP_ATTR_NEXT_BIT]) : 0;
	/* A chunk that leads nowhere would be asked for for ever. */
	if (m->has_next && m->next_bit <= m->first_bit)
		return -EBADMSG;
	m->run_bytes = runs ? (u32)nla_len(runs) : 0;
	if (runs)
		memcpy(m->runs, nla_data(runs), m->run_bytes);
	return 0;
}

static int get_chunk(struct nl *nl, u8 cmd, const char *name, u32 volume, u64 first_bit,
		     struct nl_marks *ret, const char *what, struct err *e)
{
	struct nl_msg *msg = nl_request(nl, cmd, NLM_F_ACK, 0);

	if (!msg)
		return err_set(e, -ENOMEM, "no-memory", "no memory for a netlink request");
	if (nla_put_string(msg, LOCKSTEP_ATTR_RES_NAME, name) < 0 ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_VOLUME, volume) < 0 ||
	    nla_put_u64(msg, LOCKSTEP_ATTR_FIRST_BIT, first_bit) < 0)
		return nl_too_long(msg, e);
	nl->on_reply = on_marks;
	nl->reply_arg = ret;
	return nl_talk(nl, msg, what, e);
}

int nl_marks_get(struct nl *nl, const char *name, u32 volume, u64 first_bit,
		 struct nl_marks *ret, struct err *e)
{
	return get_chunk(nl, LOCKSTEP_CMD_MARKS_GET, name, volume, first_bit, ret,
			 "read the marks", e);
}

struct merge {
	u64 session_id;
	u32 volume, run_bytes;
	u64 first_bit;
	const void *runs;		/* NULL: they are united */
};

static int fill_merge(struct nl_msg *msg, const void *arg)
{
	const struct merge *m = arg;

	if (nla_put_u64(msg, LOCKSTEP_ATTR_SESSION_ID, m->session_id) < 0 ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_VOLUME, m->volume) < 0)
		return -1;
	if (!m->runs)
		return 0;
	if (nla_put_u64(msg, LOCKSTEP_ATTR_FIRST_BIT, m->first_bit) < 0)
		return -1;
	return nla_put(msg, LOCKSTEP_ATTR_RUNS, (int)m->run_bytes, m->runs);
}

int nl_marks_merge(struct nl *nl, const char *name, u64 session_id, u32 volume, u64 first_bit,
		   const void *runs, u32 run_bytes, struct err *e)
{
	struct merge m = { session_id, volume, run_bytes, first_bit, runs };

	if (run_bytes > NL_RUNS_BYTES)
		return err_set(e, -EMSGSIZE, "netlink", "a chunk of marks is too long");
	return nl_command(nl, LOCKSTEP_CMD_MARKS_MERGE, name, fill_merge, &m, run_bytes,
			  "take the peer's marks", e);
}

int nl_sync_start(struct nl *nl, const char *name, u64 session_id, u32 volume, struct err *e)
{
	struct merge m = { .session_id = session_id, .volume = volume };

	return nl_command(nl, LOCKSTEP_CMD_SYNC_START, name, fill_merge, &m, 0,
			  "start the resync", e);
}

/* ---- verify */

static int fill_verify(struct nl_msg *msg, const void *arg)
{
	const struct nl_verify *v = arg;

	if (nla_put_u32(msg, LOCKSTEP_ATTR_VOLUME, v->volume) < 0)
		return -1;
	if (v->first_bit && nla_put_u64(msg, LOCKSTEP_ATTR_FIRST_BIT, v->first_bit) < 0)
		return -1;
	if (v->nr_bits && nla_put_u64(msg, LOCKSTEP_ATTR_NR_BITS, v->nr_bits) < 0)
		return -1;
	if (v->repair && nla_put_flag(msg, LOCKSTEP_ATTR_REPAIR) < 0)
		return -1;
	return v->resume ? nla_put_flag(msg, LOCKSTEP_ATTR_RESUME) : 0;
}

int nl_verify_start(struct nl *nl, const char *name, const struct nl_verify *v, struct err *e)
{
	return nl_command(nl, LOCKSTEP_CMD_VERIFY_START, name, fill_verify, v, 0,
			  "compare the copies", e);
}

int nl_verify_stop(struct nl *nl, const char *name, u32 volume, struct err *e)
{
	return nl_command(nl, LOCKSTEP_CMD_VERIFY_STOP, name, fill_number, &volume, 0,
			  "stop comparing", e);
}

int nl_verify_get(struct nl *nl, const char *name, u32 volume, u64 first_bit,
		  struct nl_marks *ret, struct err *e)
{
	return get_chunk(nl, LOCKSTEP_CMD_VERIFY_GET, name, volume, first_bit, ret,
			 "tell what differs", e);
}
