/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The configuration file of one resource, NAME.conf, identical on both hosts: text -> plain struct.
 * Knows neither netlink nor the daemon. A file that conf_load() takes is right in every number and
 * name; what depends on the host it is read on (does the disk exist, who am I) is not its business,
 * with the one exception of conf_self().
 *
 * The format is described in lockstep.conf(5). Every setting it does not know is refused, naming
 * the line and the closest setting it does know: a typo never falls back to a default in silence.
 */
#ifndef LOCKSTEP_CONF_H
#define LOCKSTEP_CONF_H

#include "os.h"
#include "err.h"
#include <lockstep/limits.h>

#define CONF_DIR		"/etc/lockstep"		/* LOCKSTEP_CONF_DIR wins */
#define CONF_MAX_BYTES		(256u << 10)		/* longest file */
#define CONF_PATH_BYTES		256			/* of a device, a key, the file itself */
#define CONF_ADDRESS_BYTES	256			/* longest host name, with its NUL */
#define CONF_NODES		2

struct conf_node {
	char name[LOCKSTEP_NAME_BYTES];
	u32 id;
	char address[CONF_ADDRESS_BYTES];	/* IPv4, IPv6 (no brackets) or host name */
	u16 port;
};

/* What a primary does about a peer that it has lost. */
struct conf_fencing {
	u32 policy;				/* enum lockstep_fencing */
	char program[CONF_PATH_BYTES];		/* not empty, unless the policy is NONE */
	char unfence[CONF_PATH_BYTES];		/* empty: none */
	u32 timeout_ms;
};

struct conf_volume {
	u32 number;
	u32 minor;
	char disk[CONF_NODES][CONF_PATH_BYTES];	/* index as in conf.node */
	char meta[CONF_NODES][CONF_PATH_BYTES];	/* empty: internal */
};

/* Programs that are told of events. */
enum conf_hook {
	CONF_HOOK_SPLIT_BRAIN,
	CONF_HOOK_DISK_FAILED,
	CONF_HOOK_PEER_LOST,
	CONF_HOOK_PEER_BACK,
	CONF_HOOK_SYNC_DONE,
	CONF_HOOK_PROBLEM,
	CONF_HOOK_ANY,
	CONF_HOOK_NR
};

struct conf {
	char name[LOCKSTEP_NAME_BYTES];		/* of the resource: the file's name without .conf */
	char path[CONF_PATH_BYTES];
	char key[CONF_PATH_BYTES];		/* file with the pre-shared key */
	u32 streams, timeout_ms, ping_ms;
	u32 disk_timeout_ms;			/* 0: never */
	char hook[CONF_HOOK_NR][CONF_PATH_BYTES];	/* empty: none */
	/* Split brain, by the number of primaries: enum lockstep_split_policy. */
	u32 split_no_primary, split_one_primary;
	struct conf_fencing fencing;
	bool auto_promote;			/* by who opens it for writing */
	struct conf_node node[CONF_NODES];	/* ascending id, so node[0] is the one that dials */
	struct conf_volume *volume;		/* ascending number, at least one */
	u32 nr_volumes;
};

/*
 * Read and check a file. On success *ret is the caller's, conf_free() it. Negative errno, e says
 * why.
 */
int conf_load(const char *path, struct conf **ret, struct err *e);

/* The same for /etc/lockstep/NAME.conf. Accepts only names that meta_name_ok() accepts. */
int conf_load_name(const char *name, struct conf **ret, struct err *e);

/* The same on text in memory; `path` gives the name and the messages. Pure: opens nothing. */
int conf_parse(const char *text, size_t len, const char *path, struct conf **ret, struct err *e);

void conf_free(struct conf *c);		/* NULL is fine */

/* Directory in force: CONF_DIR, or what the environment says. */
const char *conf_dir(void);

/* Names of all resources that have a file, sorted; *ret is one block, free() it. */
int conf_names(char (**ret)[LOCKSTEP_NAME_BYTES], size_t *ret_nr, struct err *e);

/*
 * Which of conf->node[] is this host: `node` (the option, NULL or "" if not given), else the word
 * in the file "node" of the directory, else the short host name. Returns 0 or 1, the peer is the
 * other one; negative and e, listing the names, if none of them fits. An option or file that names
 * nobody is refused; it does not fall through to the host name.
 */
int conf_self(const struct conf *c, const char *node, struct err *e);

/*
 * The pre-shared key: 64 hex digits and a newline, in a file that only its owner may read. Refuses
 * anything else, naming what and the way out.
 */
int conf_read_key(const struct conf *c, u8 ret_key[LOCKSTEP_KEY_BYTES], struct err *e);

#endif /* LOCKSTEP_CONF_H */
