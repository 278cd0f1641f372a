// SPDX-License-Identifier: GPL-2.0
/*
 * libnl gives sockets, message building and bounded parsing. What it does not give is the
 * kernel's own sentence: extended acknowledgements are switched on by hand and taken apart in
 * on_error(), because its default handler drops the text and folds errnos together (EAGAIN and
 * EBUSY must stay apart here).
 *
 * Every attribute that is read has a row in `policy`; nla_parse() refuses the message when one
 * does not fit, so nothing below looks at a length again. Attributes newer than we are have no
 * row and are skipped: an older tool keeps working.
 */
#include "nl.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <linux/lockstep.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#ifndef SOL_NETLINK
#define SOL_NETLINK	270
#endif

#define TEXT_BYTES	512
#define EVENT_BYTES	(64u << 10)
/* The answer is queued before the request returns: longer than a moment is a bug. */
#define ANSWER_S	30
#define DUMP_TRIES	5

struct nl {
	struct nl_sock *sk;
	int family;
	unsigned char *event_buf;	/* of an event socket, else NULL */
	/* Of the request under way. */
	bool done;
	int error;			/* negative errno of the kernel, or 0 */
	char text[TEXT_BYTES];		/* its sentence, or empty */
	int (*on_reply)(struct nl *nl, struct nlattr **attr);
	void *reply_arg;
	int reply_error;
};

#define U32	{ .type = NLA_U32 }
#define U64	{ .type = NLA_U64 }
#define STR(n)	{ .type = NLA_STRING, .maxlen = (n) }
#define BIN(n)	{ .type = NLA_UNSPEC, .maxlen = (n) }

static struct nla_policy policy[LOCKSTEP_ATTR_MAX + 1] = {
	[LOCKSTEP_ATTR_RES_NAME]	= STR(LOCKSTEP_NAME_BYTES),
	[LOCKSTEP_ATTR_NODE_ID]		= U32,
	[LOCKSTEP_ATTR_NODE_NAME]	= STR(LOCKSTEP_NAME_BYTES),
	[LOCKSTEP_ATTR_PEER_NODE_ID]	= U32,
	[LOCKSTEP_ATTR_PEER_NAME]	= STR(LOCKSTEP_NAME_BYTES),
	[LOCKSTEP_ATTR_TIMEOUT_MS]	= U32,
	[LOCKSTEP_ATTR_PING_MS]		= U32,
	[LOCKSTEP_ATTR_ROLE]		= U32,
	[LOCKSTEP_ATTR_PEER_ROLE]	= U32,
	[LOCKSTEP_ATTR_LINK]		= U32,
	[LOCKSTEP_ATTR_IO_MODE]		= U32,
	[LOCKSTEP_ATTR_SESSION_ID]	= U64,
	[LOCKSTEP_ATTR_EPOCH]		= U64,
	[LOCKSTEP_ATTR_BOOT_ID]		= U64,
	[LOCKSTEP_ATTR_PEER_BOOT_ID]	= U64,
	[LOCKSTEP_ATTR_STREAMS]		= U32,
	[LOCKSTEP_ATTR_NR_VOLUMES]	= U32,
	[LOCKSTEP_ATTR_WAIT]		= STR(MODEL_TEXT_BYTES),
	[LOCKSTEP_ATTR_HELD]		= U32,
	[LOCKSTEP_ATTR_LINK_LOST]	= STR(MODEL_TEXT_BYTES),
	[LOCKSTEP_ATTR_VOLUME]		= U32,
	[LOCKSTEP_ATTR_MINOR]		= U32,
	[LOCKSTEP_ATTR_BACKING]		= STR(MODEL_PATH_BYTES),
	[LOCKSTEP_ATTR_META]		= STR(MODEL_PATH_BYTES),
	[LOCKSTEP_ATTR_DISK]		= U32,
	[LOCKSTEP_ATTR_PEER_DISK]	= U32,
	[LOCKSTEP_ATTR_SYNC]		= U32,
	[LOCKSTEP_ATTR_DATA_SECT]	= U64,
	[LOCKSTEP_ATTR_DATA_MAX_SECT]	= U64,
	[LOCKSTEP_ATTR_OOS_BITS]	= U64,
	[LOCKSTEP_ATTR_SYNC_TOTAL_BITS]	= U64,
	[LOCKSTEP_ATTR_SYNC_MS]		= U64,
	[LOCKSTEP_ATTR_GEN_CURRENT]	= U64,
	[LOCKSTEP_ATTR_GEN_NR]		= U64,
	[LOCKSTEP_ATTR_GEN_SINCE]	= U64,
	[LOCKSTEP_ATTR_GEN_HISTORY]	= BIN(LOCKSTEP_HISTORY * sizeof(u64)),
	[LOCKSTEP_ATTR_FLAGS]		= U32,
	[LOCKSTEP_ATTR_LAST_BOOT_ID]	= U64,
	[LOCKSTEP_ATTR_WRITTEN_S]	= U64,
	[LOCKSTEP_ATTR_LOGICAL_BYTES]	= U32,
	[LOCKSTEP_ATTR_PHYSICAL_BYTES]	= U32,
	[LOCKSTEP_ATTR_MAX_IO_BYTES]	= U32,
	[LOCKSTEP_ATTR_CAPS]		= U32,
	[LOCKSTEP_ATTR_OPENERS]		= U32,
	[LOCKSTEP_ATTR_OPENER]		= STR(MODEL_OPENER_BYTES),
	[LOCKSTEP_ATTR_IN_FLIGHT]	= U32,
	[LOCKSTEP_ATTR_READS]		= U64,
	[LOCKSTEP_ATTR_READ_SECT]	= U64,
	[LOCKSTEP_ATTR_WRITES]		= U64,
	[LOCKSTEP_ATTR_WRITE_SECT]	= U64,
	[LOCKSTEP_ATTR_PEER_WRITES]	= U64,
	[LOCKSTEP_ATTR_PEER_WRITE_SECT]	= U64,
	[LOCKSTEP_ATTR_RESYNC_SECT]	= U64,
	[LOCKSTEP_ATTR_FIRST_BIT]	= U64,
	[LOCKSTEP_ATTR_NEXT_BIT]	= U64,
	[LOCKSTEP_ATTR_RUNS]		= BIN(NL_RUNS_BYTES),
	[LOCKSTEP_ATTR_EVENT]		= U32,
	[LOCKSTEP_ATTR_SEQ]		= U64,
};

/* ---- one request and its answer */

static int on_valid(struct nl_msg *msg, void *arg)
{
	struct nlattr *attr[LOCKSTEP_ATTR_MAX + 1];
	struct nl *nl = arg;
	int r = -EBADMSG;

	if (!nl->on_reply)
		return NL_OK;
	if (genlmsg_parse(nlmsg_hdr(msg), 0, attr, LOCKSTEP_ATTR_MAX, policy) == 0)
		r = nl->on_reply(nl, attr);
	if (r < 0 && nl->reply_error == 0)
		nl->reply_error = r;
	return NL_OK;
}

static int on_done(struct nl_msg *msg, void *arg)
{
	struct nl *nl = arg;

	(void)msg;
	nl->done = true;
	return NL_STOP;
}

/*
 * The attributes of an extended acknowledgement follow the request it echoes, or its header
 * alone.
 */
static void copy_ext_ack(struct nl *nl, const struct nlmsgerr *ne)
{
	const struct nlmsghdr *nlh = (const void *)((const char *)ne - NLMSG_HDRLEN);
	struct nlattr *attr[NLMSGERR_ATTR_MAX + 1];
	size_t skip = sizeof(*ne), have = nlh->nlmsg_len - NLMSG_HDRLEN;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) || nlh->nlmsg_len < NLMSG_HDRLEN + sizeof(*ne))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED)) {
		if (ne->msg.nlmsg_len < sizeof(ne->msg))
			return;
		skip += ne->msg.nlmsg_len - sizeof(ne->msg);
	}
	skip = NLMSG_ALIGN(skip);
	if (skip >= have)
		return;
	if (nla_parse(attr, NLMSGERR_ATTR_MAX, (struct nlattr *)((char *)ne + skip),
		      (int)(have - skip), NULL) != 0)
		return;
	if (attr[NLMSGERR_ATTR_MSG])
		nla_strlcpy(nl->text, attr[NLMSGERR_ATTR_MSG], sizeof(nl->text));
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *ne, void *arg)
{
	struct nl *nl = arg;

	(void)from;
	nl->done = true;
	nl->error = ne->error < 0 ? ne->error : -EPROTO;
	copy_ext_ack(nl, ne);
	return NL_STOP;
}

static const char *error_code(int error)
{
	switch (error) {
	case -EBUSY:	return "kernel-busy";
	case -EEXIST:	return "kernel-exists";
	case -ENODEV:
	case -ENOENT:	return "kernel-unknown";
	case -EAGAIN:	return "kernel-again";
	case -EPERM:
	case -EACCES:	return "no-permission";
	default:	return "kernel-refused";
	}
}

static int refused(struct nl *nl, const char *what, struct err *e)
{
	int error = nl->error;

	if (nl->text[0])
		return err_set(e, error, error_code(error), "%s", nl->text);
	err_set(e, error, error_code(error), "the kernel refuses to %s: %s", what,
		strerror(-error));
	if (error == -EPERM)
		err_mend(e, "run it as root");
	return error;
}

/* Send msg (consumed), take what comes back. `what` completes "the kernel refuses to ...". */
static int transact(struct nl *nl, struct nl_msg *msg, const char *what, struct err *e)
{
	struct nl_cb *cb;
	int r;

	nl->done = false;
	nl->error = nl->reply_error = 0;
	nl->text[0] = 0;
	cb = nl_cb_alloc(NL_CB_DEFAULT);
	if (!cb) {
		nlmsg_free(msg);
		return err_set(e, -ENOMEM, "no-memory", "no memory for a netlink request");
	}
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, nl);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_done, nl);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_done, nl);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, nl);

	r = nl_send_auto(nl->sk, msg);
	nlmsg_free(msg);
	while (r >= 0 && !nl->done)
		r = nl_recvmsgs(nl->sk, cb);
	nl_cb_put(cb);

	if (nl->error)
		return refused(nl, what, e);
	if (r == -NLE_DUMP_INTR)
		return err_set(e, -EINTR, "kernel-again", "the kernel's state kept changing");
	if (r < 0)
		return err_set(e, -EIO, "netlink", "could not ask the kernel to %s: %s", what,
			       nl_geterror(r));
	if (nl->reply_error)
		return err_set(e, nl->reply_error, "netlink",
			       "the kernel's answer is not understood: module and tools are of "
			       "different versions");
	return 0;
}

static struct nl_msg *request(struct nl *nl, u8 cmd, int flags, size_t extra)
{
	struct nl_msg *msg = nlmsg_alloc_size(4096 + extra);

	if (!msg)
		return NULL;
	if (!genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, nl->family, 0, flags, cmd,
			 LOCKSTEP_GENL_VERSION)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

static int too_long(struct nl_msg *msg, struct err *e)
{
	nlmsg_free(msg);
	return err_set(e, -ENOMEM, "no-memory", "no memory for a netlink request");
}

/* The common shape: a command about one resource, with `fill` adding the rest. */
typedef int (*fill_fn)(struct nl_msg *msg, const void *arg);

static int simple(struct nl *nl, u8 cmd, const char *name, fill_fn fill, const void *arg,
		  size_t extra, const char *what, struct err *e)
{
	struct nl_msg *msg = request(nl, cmd, NLM_F_ACK, extra);

	if (!msg)
		return err_set(e, -ENOMEM, "no-memory", "no memory for a netlink request");
	if (nla_put_string(msg, LOCKSTEP_ATTR_RES_NAME, name) < 0 ||
	    (fill && fill(msg, arg) < 0))
		return too_long(msg, e);
	nl->on_reply = NULL;
	return transact(nl, msg, what, e);
}

/* ---- sockets */

static int open_socket(struct nl **ret, struct err *e)
{
	struct timeval limit = { .tv_sec = ANSWER_S };
	struct nl *nl = calloc(1, sizeof(*nl));
	int on = 1, r = -ENOMEM;

	if (!nl)
		return err_set(e, -ENOMEM, "no-memory", "no memory for a netlink socket");
	nl->sk = nl_socket_alloc();
	if (!nl->sk || genl_connect(nl->sk) < 0) {
		err_set(e, -EIO, "netlink", "cannot open a generic netlink socket");
		goto fail;
	}
	/* Older kernels lack the first; then there is no text, only the number. */
	(void)setsockopt(nl_socket_get_fd(nl->sk), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(nl_socket_get_fd(nl->sk), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	nl_socket_enable_msg_peek(nl->sk);
	nl_socket_disable_auto_ack(nl->sk);

	nl->family = genl_ctrl_resolve(nl->sk, LOCKSTEP_GENL_NAME);
	if (nl->family < 0) {
		r = err_set(e, -ENOPKG, "no-module", "the kernel module lockstep is not loaded");
		err_mend(e, "modprobe lockstep");
		goto fail;
	}
	*ret = nl;
	return 0;
fail:
	nl_shut(nl);
	return r == -ENOMEM ? -EIO : r;
}

int nl_open(struct nl **ret, struct err *e)
{
	return open_socket(ret, e);
}

void nl_shut(struct nl *nl)
{
	if (!nl)
		return;
	nl_socket_free(nl->sk);
	free(nl->event_buf);
	free(nl);
}

int nl_fd(const struct nl *nl)
{
	return nl_socket_get_fd(nl->sk);
}

/* ---- status */

static void get_u32(u32 *to, const struct nlattr *a)
{
	if (a)
		*to = nla_get_u32(a);
}

static void get_u64(u64 *to, const struct nlattr *a)
{
	if (a)
		*to = nla_get_u64(a);
}

static void get_str(char *to, size_t size, const struct nlattr *a)
{
	if (a)
		nla_strlcpy(to, a, size);
}

static void parse_resource(struct model_resource *r, struct nlattr **a)
{
	get_u32(&r->node_id, a[LOCKSTEP_ATTR_NODE_ID]);
	get_u32(&r->peer_node_id, a[LOCKSTEP_ATTR_PEER_NODE_ID]);
	get_str(r->node, sizeof(r->node), a[LOCKSTEP_ATTR_NODE_NAME]);
	get_str(r->peer, sizeof(r->peer), a[LOCKSTEP_ATTR_PEER_NAME]);
	get_u32(&r->timeout_ms, a[LOCKSTEP_ATTR_TIMEOUT_MS]);
	get_u32(&r->ping_ms, a[LOCKSTEP_ATTR_PING_MS]);
	get_u32(&r->role, a[LOCKSTEP_ATTR_ROLE]);
	get_u32(&r->peer_role, a[LOCKSTEP_ATTR_PEER_ROLE]);
	get_u32(&r->link, a[LOCKSTEP_ATTR_LINK]);
	get_u32(&r->io_mode, a[LOCKSTEP_ATTR_IO_MODE]);
	get_u64(&r->session_id, a[LOCKSTEP_ATTR_SESSION_ID]);
	get_u64(&r->epoch, a[LOCKSTEP_ATTR_EPOCH]);
	get_u64(&r->boot_id, a[LOCKSTEP_ATTR_BOOT_ID]);
	get_u64(&r->peer_boot_id, a[LOCKSTEP_ATTR_PEER_BOOT_ID]);
	get_u32(&r->streams, a[LOCKSTEP_ATTR_STREAMS]);
	get_u32(&r->held, a[LOCKSTEP_ATTR_HELD]);
	get_str(r->wait, sizeof(r->wait), a[LOCKSTEP_ATTR_WAIT]);
	get_str(r->link_lost, sizeof(r->link_lost), a[LOCKSTEP_ATTR_LINK_LOST]);
}

static void parse_volume_state(struct model_volume *v, struct nlattr **a)
{
	get_u32(&v->disk, a[LOCKSTEP_ATTR_DISK]);
	get_u32(&v->peer_disk, a[LOCKSTEP_ATTR_PEER_DISK]);
	get_u32(&v->sync, a[LOCKSTEP_ATTR_SYNC]);
	get_u32(&v->flags, a[LOCKSTEP_ATTR_FLAGS]);
	get_u64(&v->oos_bits, a[LOCKSTEP_ATTR_OOS_BITS]);
	if (a[LOCKSTEP_ATTR_SYNC_TOTAL_BITS] && a[LOCKSTEP_ATTR_SYNC_MS]) {
		v->has_sync_progress = true;
		get_u64(&v->sync_total_bits, a[LOCKSTEP_ATTR_SYNC_TOTAL_BITS]);
		get_u64(&v->sync_ms, a[LOCKSTEP_ATTR_SYNC_MS]);
	}
	get_u32(&v->openers, a[LOCKSTEP_ATTR_OPENERS]);
	get_str(v->opener, sizeof(v->opener), a[LOCKSTEP_ATTR_OPENER]);
	get_u32(&v->in_flight, a[LOCKSTEP_ATTR_IN_FLIGHT]);
	get_u64(&v->reads, a[LOCKSTEP_ATTR_READS]);
	get_u64(&v->read_sect, a[LOCKSTEP_ATTR_READ_SECT]);
	get_u64(&v->writes, a[LOCKSTEP_ATTR_WRITES]);
	get_u64(&v->write_sect, a[LOCKSTEP_ATTR_WRITE_SECT]);
	get_u64(&v->peer_writes, a[LOCKSTEP_ATTR_PEER_WRITES]);
	get_u64(&v->peer_write_sect, a[LOCKSTEP_ATTR_PEER_WRITE_SECT]);
	get_u64(&v->resync_sect, a[LOCKSTEP_ATTR_RESYNC_SECT]);
}

static void parse_volume(struct model_volume *v, struct nlattr **a)
{
	const struct nlattr *history = a[LOCKSTEP_ATTR_GEN_HISTORY];

	get_u32(&v->minor, a[LOCKSTEP_ATTR_MINOR]);
	get_str(v->backing, sizeof(v->backing), a[LOCKSTEP_ATTR_BACKING]);
	get_str(v->meta, sizeof(v->meta), a[LOCKSTEP_ATTR_META]);
	get_u64(&v->data_sect, a[LOCKSTEP_ATTR_DATA_SECT]);
	get_u64(&v->data_max_sect, a[LOCKSTEP_ATTR_DATA_MAX_SECT]);
	get_u32(&v->logical_bytes, a[LOCKSTEP_ATTR_LOGICAL_BYTES]);
	get_u32(&v->physical_bytes, a[LOCKSTEP_ATTR_PHYSICAL_BYTES]);
	get_u32(&v->max_io_bytes, a[LOCKSTEP_ATTR_MAX_IO_BYTES]);
	get_u32(&v->caps, a[LOCKSTEP_ATTR_CAPS]);
	get_u64(&v->gen_current, a[LOCKSTEP_ATTR_GEN_CURRENT]);
	get_u64(&v->gen_nr, a[LOCKSTEP_ATTR_GEN_NR]);
	get_u64(&v->gen_since, a[LOCKSTEP_ATTR_GEN_SINCE]);
	get_u64(&v->last_boot_id, a[LOCKSTEP_ATTR_LAST_BOOT_ID]);
	get_u64(&v->written_s, a[LOCKSTEP_ATTR_WRITTEN_S]);
	if (history) {
		v->gen_history_nr = (u32)nla_len(history) / sizeof(u64);
		memcpy(v->gen_history, nla_data(history), v->gen_history_nr * sizeof(u64));
	}
	parse_volume_state(v, a);
}

static int on_status(struct nl *nl, struct nlattr **a)
{
	struct model *m = nl->reply_arg;
	struct model_resource *r;
	struct model_volume *v;

	if (!a[LOCKSTEP_ATTR_RES_NAME])
		return -EBADMSG;
	r = model_resource(m, nla_get_string(a[LOCKSTEP_ATTR_RES_NAME]));
	if (!r)
		return -ENOMEM;
	r->in_kernel = true;
	if (!a[LOCKSTEP_ATTR_VOLUME]) {
		parse_resource(r, a);
		return 0;
	}
	v = model_volume(r, nla_get_u32(a[LOCKSTEP_ATTR_VOLUME]));
	if (!v)
		return -ENOMEM;
	parse_volume(v, a);
	return 0;
}

static int status_once(struct nl *nl, const char *name, struct model *m, struct err *e)
{
	struct nl_msg *msg = request(nl, LOCKSTEP_CMD_STATUS_GET, NLM_F_DUMP, 0);

	if (!msg)
		return err_set(e, -ENOMEM, "no-memory", "no memory for a netlink request");
	if (name && nla_put_string(msg, LOCKSTEP_ATTR_RES_NAME, name) < 0)
		return too_long(msg, e);
	nl->on_reply = on_status;
	nl->reply_arg = m;
	return transact(nl, msg, "tell its status", e);
}

int nl_status(struct nl *nl, const char *name, struct model *ret, struct err *e)
{
	struct model m;
	int r = -EINTR;

	/* A dump that was interrupted by a change mixes old and new: take it again. */
	for (int i = 0; r == -EINTR && i < DUMP_TRIES; i++) {
		model_init(&m);
		r = status_once(nl, name, &m, e);
		if (r < 0)
			model_free(&m);
	}
	if (name && (r == -ENODEV || r == -ENOENT)) {
		model_init(&m);
		err_set(e, 0, "", "%s", "");
		r = 0;
	}
	if (r < 0)
		return r;
	m.has_module = true;
	*ret = m;
	return 0;
}

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
	return 0;
}

int nl_res_add(struct nl *nl, const struct nl_resource *r, struct err *e)
{
	return simple(nl, LOCKSTEP_CMD_RES_ADD, r->name, fill_res, r, 0, "add the resource", e);
}

int nl_res_del(struct nl *nl, const char *name, struct err *e)
{
	return simple(nl, LOCKSTEP_CMD_RES_DEL, name, NULL, NULL, 0, "remove the resource", e);
}

struct vol {
	u32 volume, minor;
	const char *backing, *meta;
};

static int fill_vol(struct nl_msg *msg, const void *arg)
{
	const struct vol *v = arg;

	if (nla_put_u32(msg, LOCKSTEP_ATTR_VOLUME, v->volume) < 0)
		return -1;
	if (!v->backing)
		return 0;
	if (nla_put_u32(msg, LOCKSTEP_ATTR_MINOR, v->minor) < 0 ||
	    nla_put_string(msg, LOCKSTEP_ATTR_BACKING, v->backing) < 0)
		return -1;
	if (v->meta && v->meta[0])
		return nla_put_string(msg, LOCKSTEP_ATTR_META, v->meta);
	return 0;
}

int nl_vol_add(struct nl *nl, const char *name, u32 volume, u32 minor, const char *backing,
	       const char *meta, struct err *e)
{
	struct vol v = { volume, minor, backing, meta };

	return simple(nl, LOCKSTEP_CMD_VOL_ADD, name, fill_vol, &v, 0, "add the volume", e);
}

int nl_vol_del(struct nl *nl, const char *name, u32 volume, struct err *e)
{
	struct vol v = { .volume = volume };

	return simple(nl, LOCKSTEP_CMD_VOL_DEL, name, fill_vol, &v, 0, "remove the volume", e);
}

int nl_sync_start(struct nl *nl, const char *name, u32 volume, struct err *e)
{
	struct vol v = { .volume = volume };

	return simple(nl, LOCKSTEP_CMD_SYNC_START, name, fill_vol, &v, 0, "start the resync", e);
}

static int fill_force(struct nl_msg *msg, const void *arg)
{
	const bool *force = arg;

	return *force ? nla_put_flag(msg, LOCKSTEP_ATTR_FORCE) : 0;
}

int nl_promote(struct nl *nl, const char *name, bool force, struct err *e)
{
	return simple(nl, LOCKSTEP_CMD_PROMOTE, name, fill_force, &force, 0, "promote", e);
}

int nl_demote(struct nl *nl, const char *name, struct err *e)
{
	return simple(nl, LOCKSTEP_CMD_DEMOTE, name, NULL, NULL, 0, "demote", e);
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
	return simple(nl, LOCKSTEP_CMD_SESSION_OPEN, s->name, fill_session, s,
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

	return simple(nl, LOCKSTEP_CMD_STREAM_ADD, name, fill_stream, &s, 0, "take a stream", e);
}

int nl_session_start(struct nl *nl, const char *name, u64 session_id, struct err *e)
{
	struct stream s = { .session_id = session_id, .fd = -1 };

	return simple(nl, LOCKSTEP_CMD_SESSION_START, name, fill_stream, &s, 0,
		      "start the session", e);
}

int nl_session_close(struct nl *nl, const char *name, u64 session_id, struct err *e)
{
	struct stream s = { .session_id = session_id, .fd = -1 };

	return simple(nl, LOCKSTEP_CMD_SESSION_CLOSE, name, fill_stream, &s, 0,
		      "close the session", e);
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

int nl_marks_get(struct nl *nl, const char *name, u32 volume, u64 first_bit,
		 struct nl_marks *ret, struct err *e)
{
	struct nl_msg *msg = request(nl, LOCKSTEP_CMD_MARKS_GET, NLM_F_ACK, 0);

	if (!msg)
		return err_set(e, -ENOMEM, "no-memory", "no memory for a netlink request");
	if (nla_put_string(msg, LOCKSTEP_ATTR_RES_NAME, name) < 0 ||
	    nla_put_u32(msg, LOCKSTEP_ATTR_VOLUME, volume) < 0 ||
	    nla_put_u64(msg, LOCKSTEP_ATTR_FIRST_BIT, first_bit) < 0)
		return too_long(msg, e);
	nl->on_reply = on_marks;
	nl->reply_arg = ret;
	return transact(nl, msg, "read the marks", e);
}

struct merge {
	u32 volume, run_bytes;
	u64 first_bit;
	const void *runs;
};

static int fill_merge(struct nl_msg *msg, const void *arg)
{
	const struct merge *m = arg;

	if (nla_put_u32(msg, LOCKSTEP_ATTR_VOLUME, m->volume) < 0 ||
	    nla_put_u64(msg, LOCKSTEP_ATTR_FIRST_BIT, m->first_bit) < 0)
		return -1;
	return nla_put(msg, LOCKSTEP_ATTR_RUNS, (int)m->run_bytes, m->runs);
}

int nl_marks_merge(struct nl *nl, const char *name, u32 volume, u64 first_bit, const void *runs,
		   u32 run_bytes, struct err *e)
{
	struct merge m = { volume, run_bytes, first_bit, runs };

	if (run_bytes > NL_RUNS_BYTES)
		return err_set(e, -EMSGSIZE, "netlink", "a chunk of marks is too long");
	return simple(nl, LOCKSTEP_CMD_MARKS_MERGE, name, fill_merge, &m, run_bytes,
		      "take the peer's marks", e);
}

/* ---- events */

int nl_events_open(struct nl **ret, struct err *e)
{
	struct nl *nl;
	int group, r;

	r = open_socket(&nl, e);
	if (r < 0)
		return r;
	group = genl_ctrl_resolve_grp(nl->sk, LOCKSTEP_GENL_NAME, LOCKSTEP_GENL_MCGRP);
	nl->event_buf = malloc(EVENT_BYTES);
	if (group < 0 || !nl->event_buf || nl_socket_add_membership(nl->sk, group) < 0 ||
	    nl_socket_set_nonblocking(nl->sk) < 0) {
		nl_shut(nl);
		return err_set(e, -EIO, "netlink", "cannot listen to the kernel's events");
	}
	/*
	 * Room for a burst while a page of ours is read back from disk: losing some costs a
	 * dump.
	 */
	(void)nl_socket_set_buffer_size(nl->sk, 1 << 20, 0);
	*ret = nl;
	return 0;
}

int nl_event_next(struct nl *nl, struct nl_event *ret)
{
	struct nlmsghdr *nlh = (void *)nl->event_buf;
	struct nlattr *a[LOCKSTEP_ATTR_MAX + 1];
	struct sockaddr_nl from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t n;

	n = recvfrom(nl_fd(nl), nlh, EVENT_BYTES, MSG_DONTWAIT | MSG_TRUNC,
		     (struct sockaddr *)&from, &from_len);
	if (n < 0)
		return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
	/* Only the kernel is believed. */
	if (n > (ssize_t)EVENT_BYTES || from.nl_pid != 0 || !nlmsg_ok(nlh, (int)n) ||
	    nlh->nlmsg_type != nl->family || !genlmsg_valid_hdr(nlh, 0) ||
	    genlmsg_hdr(nlh)->cmd != LOCKSTEP_CMD_EVENT ||
	    genlmsg_parse(nlh, 0, a, LOCKSTEP_ATTR_MAX, policy) != 0)
		return -EBADMSG;
	if (!a[LOCKSTEP_ATTR_EVENT] || !a[LOCKSTEP_ATTR_SEQ] || !a[LOCKSTEP_ATTR_RES_NAME])
		return -EBADMSG;

	memset(ret, 0, sizeof(*ret));
	get_u32(&ret->event, a[LOCKSTEP_ATTR_EVENT]);
	get_u64(&ret->seq, a[LOCKSTEP_ATTR_SEQ]);
	get_str(ret->name, sizeof(ret->name), a[LOCKSTEP_ATTR_RES_NAME]);
	get_str(ret->resource.name, sizeof(ret->resource.name), a[LOCKSTEP_ATTR_RES_NAME]);
	parse_resource(&ret->resource, a);
	if (a[LOCKSTEP_ATTR_VOLUME]) {
		ret->has_volume = true;
		get_u32(&ret->volume.number, a[LOCKSTEP_ATTR_VOLUME]);
		parse_volume(&ret->volume, a);
	}
	return 0;
}
