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
#include "nl-talk.h"

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

#include "refusal.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK	270
#endif

#define EVENT_BYTES	(64u << 10)
/* The answer is queued before the request returns: longer than a moment is a bug. */
#define ANSWER_S	30
#define DUMP_TRIES	5

#define U32	{ .type = NLA_U32 }
#define U64	{ .type = NLA_U64 }
#define FLAG	{ .type = NLA_FLAG }
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
	[LOCKSTEP_ATTR_META_SEQ]	= U64,
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
	[LOCKSTEP_ATTR_DEVICE_SECT]	= U64,
	[LOCKSTEP_ATTR_DISK_WHY]	= STR(MODEL_TEXT_BYTES),
	[LOCKSTEP_ATTR_STUCK]		= U32,
	[LOCKSTEP_ATTR_READ_ERRORS]	= U64,
	[LOCKSTEP_ATTR_WRITE_ERRORS]	= U64,
	[LOCKSTEP_ATTR_REPAIRS]		= U64,
	[LOCKSTEP_ATTR_LOADING]		= FLAG,
	[LOCKSTEP_ATTR_DIRTY_REGIONS]	= U64,
	[LOCKSTEP_ATTR_DISK_TIMEOUT_MS]	= U32,
	[LOCKSTEP_ATTR_SYNC_COMPARED_BITS] = U64,
	[LOCKSTEP_ATTR_SYNC_COPIED_BITS] = U64,
	[LOCKSTEP_ATTR_SYNC_RATE]	= U64,
	[LOCKSTEP_ATTR_SYNC_LEFT_MS]	= U64,
	[LOCKSTEP_ATTR_SYNC_ERROR_BITS]	= U64,
	[LOCKSTEP_ATTR_VERIFY]		= U32,
	[LOCKSTEP_ATTR_VERIFY_FIRST_BIT] = U64,
	[LOCKSTEP_ATTR_VERIFY_BIT]	= U64,
	[LOCKSTEP_ATTR_VERIFY_END_BIT]	= U64,
	[LOCKSTEP_ATTR_VERIFY_BAD_BITS]	= U64,
	[LOCKSTEP_ATTR_VERIFY_REPAIRED_BITS] = U64,
	[LOCKSTEP_ATTR_FENCING]		= U32,
	[LOCKSTEP_ATTR_FENCE_ROUND]	= U32,
	[LOCKSTEP_ATTR_UNFENCED]	= FLAG,
	[LOCKSTEP_ATTR_WRITE_S]		= U64,
	[LOCKSTEP_ATTR_PRIMARY_S]	= U64,
	[LOCKSTEP_ATTR_AUTO_PROMOTE]	= U32,
	[LOCKSTEP_ATTR_AUTOMATIC]	= FLAG,
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
	case -EOPNOTSUPP: return "kernel-lacks";
	default:	return "kernel-refused";
	}
}

static int refused(struct nl *nl, const char *what, struct err *e)
{
	int error = nl->error;
	bool denied = error == -EPERM || error == -EACCES;

	if (nl->text[0]) {
		err_set(e, error, error_code(error), "%s", nl->text);
		if (e)
			refusal_split(e, nl->name);
		return error;
	}
	if (error == -EOPNOTSUPP) {
		err_set(e, error, error_code(error), "the kernel module that is loaded cannot %s",
			what);
		err_means(e, "It is older than the tools");
		err_mend(e, "modinfo lockstep; install module and tools of one release");
		return error;
	}
	/* Not the module, which says why, but generic netlink, of who asks: refusal_outdate(). */
	err_set(e, error, denied ? "no-permission" : error_code(error),
		"the kernel refuses to %s: %s", what, strerror(-error));
	if (denied)
		err_mend(e, "run it as root");
	return error;
}

int nl_talk(struct nl *nl, struct nl_msg *msg, const char *what, struct err *e)
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

struct nl_msg *nl_request(struct nl *nl, u8 cmd, int flags, size_t extra)
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

int nl_too_long(struct nl_msg *msg, struct err *e)
{
	nlmsg_free(msg);
	return err_set(e, -ENOMEM, "no-memory", "no memory for a netlink request");
}

int nl_command(struct nl *nl, u8 cmd, const char *name, nl_fill_fn fill, const void *arg,
	       size_t extra, const char *what, struct err *e)
{
	struct nl_msg *msg = nl_request(nl, cmd, NLM_F_ACK, extra);

	if (!msg)
		return err_set(e, -ENOMEM, "no-memory", "no memory for a netlink request");
	if (nla_put_string(msg, LOCKSTEP_ATTR_RES_NAME, name) < 0 ||
	    (fill && fill(msg, arg) < 0))
		return nl_too_long(msg, e);
	nl->on_reply = NULL;
	snprintf(nl->name, sizeof(nl->name), "%s", name);
	return nl_talk(nl, msg, what, e);
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
	r->has_disk_timeout = a[LOCKSTEP_ATTR_DISK_TIMEOUT_MS];
	get_u32(&r->disk_timeout_ms, a[LOCKSTEP_ATTR_DISK_TIMEOUT_MS]);
	get_u32(&r->role, a[LOCKSTEP_ATTR_ROLE]);
	get_u32(&r->peer_role, a[LOCKSTEP_ATTR_PEER_ROLE]);
	get_u32(&r->link, a[LOCKSTEP_ATTR_LINK]);
	get_u32(&r->io_mode, a[LOCKSTEP_ATTR_IO_MODE]);
	get_u64(&r->session_id, a[LOCKSTEP_ATTR_SESSION_ID]);
	get_u64(&r->epoch, a[LOCKSTEP_ATTR_EPOCH]);
	get_u64(&r->boot_id, a[LOCKSTEP_ATTR_BOOT_ID]);
	get_u64(&r->peer_boot_id, a[LOCKSTEP_ATTR_PEER_BOOT_ID]);
	get_u32(&r->streams, a[LOCKSTEP_ATTR_STREAMS]);
	get_u32(&r->kernel_volumes, a[LOCKSTEP_ATTR_NR_VOLUMES]);
	get_u32(&r->held, a[LOCKSTEP_ATTR_HELD]);
	get_u32(&r->fencing, a[LOCKSTEP_ATTR_FENCING]);
	get_u32(&r->fence_round, a[LOCKSTEP_ATTR_FENCE_ROUND]);
	r->unfenced = a[LOCKSTEP_ATTR_UNFENCED];
	get_u32(&r->auto_promote, a[LOCKSTEP_ATTR_AUTO_PROMOTE]);
	r->automatic = a[LOCKSTEP_ATTR_AUTOMATIC];
	get_str(r->wait, sizeof(r->wait), a[LOCKSTEP_ATTR_WAIT]);
	get_str(r->link_lost, sizeof(r->link_lost), a[LOCKSTEP_ATTR_LINK_LOST]);
}

static void parse_disk(struct model_volume *v, struct nlattr **a)
{
	get_str(v->disk_why, sizeof(v->disk_why), a[LOCKSTEP_ATTR_DISK_WHY]);
	get_u32(&v->stuck, a[LOCKSTEP_ATTR_STUCK]);
	get_u64(&v->read_errors, a[LOCKSTEP_ATTR_READ_ERRORS]);
	get_u64(&v->write_errors, a[LOCKSTEP_ATTR_WRITE_ERRORS]);
	get_u64(&v->repairs, a[LOCKSTEP_ATTR_REPAIRS]);
	v->loading = a[LOCKSTEP_ATTR_LOADING];
	get_u64(&v->dirty_regions, a[LOCKSTEP_ATTR_DIRTY_REGIONS]);
	get_u64(&v->device_sect, a[LOCKSTEP_ATTR_DEVICE_SECT]);
}

static void parse_sync(struct model_volume *v, struct nlattr **a)
{
	get_u64(&v->oos_bits, a[LOCKSTEP_ATTR_OOS_BITS]);
	if (a[LOCKSTEP_ATTR_SYNC_TOTAL_BITS] && a[LOCKSTEP_ATTR_SYNC_MS]) {
		v->has_sync_progress = true;
		get_u64(&v->sync_total_bits, a[LOCKSTEP_ATTR_SYNC_TOTAL_BITS]);
		get_u64(&v->sync_ms, a[LOCKSTEP_ATTR_SYNC_MS]);
	}
	get_u64(&v->sync_compared_bits, a[LOCKSTEP_ATTR_SYNC_COMPARED_BITS]);
	get_u64(&v->sync_copied_bits, a[LOCKSTEP_ATTR_SYNC_COPIED_BITS]);
	get_u64(&v->sync_error_bits, a[LOCKSTEP_ATTR_SYNC_ERROR_BITS]);
	v->has_sync_rate = a[LOCKSTEP_ATTR_SYNC_RATE];
	get_u64(&v->sync_rate, a[LOCKSTEP_ATTR_SYNC_RATE]);
	v->has_sync_left = a[LOCKSTEP_ATTR_SYNC_LEFT_MS];
	get_u64(&v->sync_left_ms, a[LOCKSTEP_ATTR_SYNC_LEFT_MS]);
}

static void parse_verify(struct model_volume *v, struct nlattr **a)
{
	get_u32(&v->verify, a[LOCKSTEP_ATTR_VERIFY]);
	get_u64(&v->verify_first_bit, a[LOCKSTEP_ATTR_VERIFY_FIRST_BIT]);
	get_u64(&v->verify_bit, a[LOCKSTEP_ATTR_VERIFY_BIT]);
	get_u64(&v->verify_end_bit, a[LOCKSTEP_ATTR_VERIFY_END_BIT]);
	get_u64(&v->verify_bad_bits, a[LOCKSTEP_ATTR_VERIFY_BAD_BITS]);
	get_u64(&v->verify_repaired_bits, a[LOCKSTEP_ATTR_VERIFY_REPAIRED_BITS]);
}

static void parse_volume_state(struct model_volume *v, struct nlattr **a)
{
	get_u32(&v->disk, a[LOCKSTEP_ATTR_DISK]);
	get_u32(&v->peer_disk, a[LOCKSTEP_ATTR_PEER_DISK]);
	get_u32(&v->sync, a[LOCKSTEP_ATTR_SYNC]);
	get_u32(&v->flags, a[LOCKSTEP_ATTR_FLAGS]);
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
	get_u64(&v->meta_seq, a[LOCKSTEP_ATTR_META_SEQ]);
	get_u64(&v->write_s, a[LOCKSTEP_ATTR_WRITE_S]);
	get_u64(&v->primary_s, a[LOCKSTEP_ATTR_PRIMARY_S]);
	if (history) {
		v->gen_history_nr = (u32)nla_len(history) / sizeof(u64);
		memcpy(v->gen_history, nla_data(history), v->gen_history_nr * sizeof(u64));
	}
	parse_volume_state(v, a);
	parse_disk(v, a);
	parse_sync(v, a);
	parse_verify(v, a);
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
	struct nl_msg *msg = nl_request(nl, LOCKSTEP_CMD_STATUS_GET, NLM_F_DUMP, 0);

	if (!msg)
		return err_set(e, -ENOMEM, "no-memory", "no memory for a netlink request");
	if (name && nla_put_string(msg, LOCKSTEP_ATTR_RES_NAME, name) < 0)
		return nl_too_long(msg, e);
	nl->on_reply = on_status;
	nl->reply_arg = m;
	return nl_talk(nl, msg, "tell its status", e);
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
