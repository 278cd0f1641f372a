// SPDX-License-Identifier: GPL-2.0
/*
 * Asks for what a lockstepd, or lockstep, that an upgrade left behind would: a command of an
 * earlier version of the netlink family. Prints the kernel's sentence, and fails, when that
 * refuses it.
 *
 *	oldtool RESOURCE VERSION	demote it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <linux/lockstep.h>

/* The attributes of an extended acknowledgement follow the request it echoes. */
static const char *text_of(struct nlmsgerr *ne)
{
	const struct nlmsghdr *nlh = (const void *)((const char *)ne - NLMSG_HDRLEN);
	size_t skip = sizeof(*ne), have = nlh->nlmsg_len - NLMSG_HDRLEN;
	struct nlattr *attr[NLMSGERR_ATTR_MAX + 1];

	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += ne->msg.nlmsg_len - sizeof(ne->msg);
	skip = NLMSG_ALIGN(skip);
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) || skip >= have ||
	    nla_parse(attr, NLMSGERR_ATTR_MAX, (struct nlattr *)((char *)ne + skip),
		      (int)(have - skip), NULL) < 0 || !attr[NLMSGERR_ATTR_MSG])
		return "no sentence";
	return nla_get_string(attr[NLMSGERR_ATTR_MSG]);
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *ne, void *arg)
{
	(void)from;
	*(int *)arg = ne->error;
	printf("%s: %s\n", text_of(ne), strerror(-ne->error));
	return NL_STOP;
}

int main(int argc, char **argv)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	struct nl_sock *s = nl_socket_alloc();
	struct nl_msg *msg = nlmsg_alloc();
	int on = 1, error = 0, family;

	if (argc != 3 || !cb || !s || !msg || genl_connect(s) < 0 ||
	    setsockopt(nl_socket_get_fd(s), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) < 0)
		return 2;
	family = genl_ctrl_resolve(s, LOCKSTEP_GENL_NAME);
	if (family < 0 || !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_ACK,
				       LOCKSTEP_CMD_DEMOTE, (uint8_t)atoi(argv[2])) ||
	    nla_put_string(msg, LOCKSTEP_ATTR_RES_NAME, argv[1]) < 0)
		return 2;
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, &error);
	if (nl_send_auto(s, msg) < 0 || (nl_recvmsgs(s, cb) < 0 && !error))
		return 2;
	return error ? 1 : 0;
}
