// SPDX-License-Identifier: GPL-2.0
/*
 * Text -> struct conf. libconfig does the syntax; this file does the meaning, and is strict in one
 * direction only: whatever is not understood is refused. A setting that is skipped in silence is
 * how two hosts end up with different ideas of one mirror.
 */
#include "conf.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "meta.h"
#include <lockstep/wire.h>
#include <linux/lockstep.h>

/* Typing errors further away than this are not the same word. */
#define MAX_TYPO_DISTANCE	3
#define MAX_WORD		64
/* Fewer pings than this in one time-out, and one lost packet would cut the link. */
#define PINGS_PER_TIMEOUT	2
#define MIN_PING_MS		50u
/* Deeper nesting than any of our settings; bounds libconfig's recursion. */
#define MAX_DEPTH		32

struct parser {
	struct conf *conf;
	const char *path;
	struct err *e;
};

static int refuse(struct parser *p, const config_setting_t *s, const char *code, const char *fmt,
		  ...) __attribute__((format(printf, 4, 5)));

/* For what has no better advice: the text says what is wrong there. */
static int see_page(struct parser *p, unsigned int line, int err)
{
	if (line)
		err_mend(p->e, "correct line %u of %s: man 5 lockstep.conf", line, p->path);
	else
		err_mend(p->e, "correct %s: man 5 lockstep.conf", p->path);
	return err;
}

/* "PATH:LINE: ..." */
static int refuse(struct parser *p, const config_setting_t *s, const char *code, const char *fmt,
		  ...)
{
	unsigned int line = s ? config_setting_source_line(s) : 0;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (line)
		err_set(p->e, -EINVAL, code, "%s:%u: %s", p->path, line, text);
	else
		err_set(p->e, -EINVAL, code, "%s: %s", p->path, text);
	return see_page(p, line, -EINVAL);
}

/* Edits (insert, delete, replace) from a to b; both shorter than MAX_WORD. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[MAX_WORD + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > MAX_WORD || lb > MAX_WORD)
		return MAX_WORD;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned int above = row[j];

			row[j] = min(min(above, row[j - 1]) + 1,
				     diagonal + (tolower((unsigned char)a[i - 1]) !=
						 tolower((unsigned char)b[j - 1])));
			diagonal = above;
		}
	}
	return row[lb];
}

/* What an unknown name may have been meant to be: "did you mean ...", or the list. */
static void suggest(struct parser *p, const char *name, const char *const *known, size_t nr)
{
	unsigned int best = MAX_WORD, d;
	char list[256] = "";
	size_t at = 0, used = 0;

	for (size_t i = 0; i < nr; i++) {
		d = distance(name, known[i]);
		if (d < best) {
			best = d;
			at = i;
		}
		used += snprintf(list + used, sizeof(list) - used, "%s%s", i ? ", " : "", known[i]);
		used = min(used, sizeof(list) - 1);
	}
	if (nr && best <= MAX_TYPO_DISTANCE && best < strlen(name))
		err_mend(p->e, "write \"%s\" (what is known here: %s)", known[at], list);
	else
		err_mend(p->e, "what is known here: %s", list);
}

/* Refuse the first member of group `g` which is not in the list. `where`: "" at the top level. */
static int check_known(struct parser *p, const config_setting_t *g, const char *where,
		       const char *const *known, size_t nr)
{
	int len = config_setting_length(g);

	for (int i = 0; i < len; i++) {
		const config_setting_t *s = config_setting_get_elem(g, i);
		const char *name = config_setting_name(s);
		size_t j = 0;

		while (j < nr && strcmp(known[j], name))
			j++;
		if (j < nr)
			continue;
		refuse(p, s, "conf-unknown-setting", "unknown setting \"%.64s\"%s%s", name,
		       *where ? " in " : "", where);
		suggest(p, name, known, nr);
		return -EINVAL;
	}
	return 0;
}

/* Member `name` of g as a number from lo to hi. Absent: *ret stays, unless it is `required`. */
static int get_number(struct parser *p, const config_setting_t *g, const char *name, bool required,
		      u32 lo, u32 hi, u32 *ret)
{
	const config_setting_t *s = config_setting_get_member(g, name);
	long long v;
	int type;

	if (!s && !required)
		return 0;
	if (!s) {
		refuse(p, g, "conf-missing", "\"%s\" is missing", name);
		err_mend(p->e, "add a line \"%s = ...;\", a number from %u to %u", name, lo, hi);
		return -EINVAL;
	}
	type = config_setting_type(s);
	if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64)
		refuse(p, s, "conf-type", "\"%s\" must be a whole number", name);
	v = config_setting_get_int64(s);
	if (type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) {
		err_mend(p->e, "write \"%s = N;\", without quotes, N from %u to %u", name, lo, hi);
		return -EINVAL;
	}
	if (v < lo || v > hi) {
		refuse(p, s, "conf-range", "\"%s\" is %lld, which is out of range", name, v);
		err_mend(p->e, "write a number from %u to %u", lo, hi);
		return -ERANGE;
	}
	*ret = (u32)v;
	return 0;
}

/* Member `name` of g as true or false. Absent: *ret stays. */
static int get_bool(struct parser *p, const config_setting_t *g, const char *name, bool *ret)
{
	const config_setting_t *s = config_setting_get_member(g, name);

	if (!s)
		return 0;
	if (config_setting_type(s) != CONFIG_TYPE_BOOL) {
		refuse(p, s, "conf-type", "\"%s\" must be true or false", name);
		err_mend(p->e, "write \"%s = true;\" or \"%s = false;\", without quotes", name,
			 name);
		return -EINVAL;
	}
	*ret = config_setting_get_bool(s);
	return 0;
}

/* The text of a setting: shorter than `size`, not empty, nothing unprintable. */
static int get_text(struct parser *p, const config_setting_t *s, const char *name, char *ret,
		    size_t size)
{
	const char *v = config_setting_get_string(s);

	if (config_setting_type(s) != CONFIG_TYPE_STRING || !v)
		return refuse(p, s, "conf-type", "\"%s\" must be a text in quotes", name);
	if (!*v)
		return refuse(p, s, "conf-empty", "\"%s\" is empty", name);
	if (strlen(v) >= size)
		return refuse(p, s, "conf-too-long", "\"%s\" is longer than %zu bytes", name,
			      size - 1);
	for (const char *c = v; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return refuse(p, s, "conf-text", "\"%s\" contains a control character",
				      name);
	strcpy(ret, v);
	return 0;
}

static int get_path(struct parser *p, const config_setting_t *s, const char *name, char *ret)
{
	int err = get_text(p, s, name, ret, CONF_PATH_BYTES);

	if (err || ret[0] == '/')
		return err;
	refuse(p, s, "conf-path", "\"%s\" is \"%s\", which is not an absolute path", name, ret);
	err_mend(p->e, "write the whole path, as in \"/dev/%s\"",
		 strcmp(name, "key") ? ret : "...");
	return -EINVAL;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

/* Host name as in RFC 1123; what looks like a number but was no address above is a mistyped one. */
static bool host_name_ok(const char *s)
{
	bool digits_only = true;
	size_t label = 0;

	if (strlen(s) > 253 || s[0] == '.')
		return false;
	for (; *s; s++) {
		if (*s == '.') {
			if (!label || s[-1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (!isalnum((unsigned char)*s) && (*s != '-' || !label))
			return false;
		if (!isdigit((unsigned char)*s))
			digits_only = false;
		if (++label > 63)
			return false;
	}
	return !digits_only && s[-1] != '-';
}

static bool address_ok(const char *s)
{
	char plain[CONF_ADDRESS_BYTES];
	struct in6_addr a;
	size_t len = strcspn(s, "%");

	if (inet_pton(AF_INET, s, &a) == 1)
		return true;
	/* IPv6 may carry a zone, "fe80::1%eth0". */
	memcpy(plain, s, len);
	plain[len] = '\0';
	if (inet_pton(AF_INET6, plain, &a) == 1)
		return !s[len] || s[len + 1];
	return host_name_ok(s);
}

static int parse_node(struct parser *p, const config_setting_t *g, struct conf_node *n)
{
	static const char *const known[] = { "id", "address", "port" };
	const char *name = config_setting_name(g);
	const config_setting_t *s;
	u32 port = LOCKSTEP_DEF_PORT;
	int err;

	if (!meta_name_ok(name)) {
		refuse(p, g, "bad-name", "\"%.64s\" cannot be a node's name", name);
		err_mend(p->e, "use letters, digits, '-' and '_', at most %u",
			 LOCKSTEP_NAME_BYTES - 1);
		return -EINVAL;
	}
	strcpy(n->name, name);
	if (!config_setting_is_group(g))
		return refuse(p, g, "conf-type", "node \"%s\" must be a group, { id = ...; }",
			      name);
	err = check_known(p, g, "a node", known, ARRAY_SIZE(known));
	if (!err)
		err = get_number(p, g, "id", true, 0, LOCKSTEP_MAX_NODES - 1, &n->id);
	if (!err)
		err = get_number(p, g, "port", false, 1, 65535, &port);
	if (err)
		return err;
	n->port = (u16)port;
	s = config_setting_get_member(g, "address");
	if (!s) {
		refuse(p, g, "conf-missing", "node \"%s\" has no \"address\"", name);
		err_mend(p->e, "add: address = \"10.77.0.%u\";", n->id + 1);
		return -EINVAL;
	}
	err = get_text(p, s, "address", n->address, sizeof(n->address));
	if (err || address_ok(n->address))
		return err;
	refuse(p, s, "conf-address", "\"%s\" is neither an IP address nor a host name", n->address);
	err_mend(p->e, "write it without port and brackets: address = \"10.77.0.%u\"; port = %u;",
		 n->id + 1, LOCKSTEP_DEF_PORT);
	return -EINVAL;
}

static int parse_nodes(struct parser *p, const config_setting_t *root)
{
	const config_setting_t *g = config_setting_get_member(root, "nodes");
	struct conf_node *n = p->conf->node;

	if (!g || !config_setting_is_group(g)) {
		refuse(p, g, "conf-missing",
		       "there is no group \"nodes\", which says who the two are");
		err_mend(p->e, "nodes: { alice: { id = 0; address = \"10.77.0.1\"; }; "
			 "bob: { id = 1; address = \"10.77.0.2\"; }; };");
		return -EINVAL;
	}
	if (config_setting_length(g) != CONF_NODES) {
		refuse(p, g, "conf-nodes", "\"nodes\" names %d, and a mirror has exactly two",
		       config_setting_length(g));
		return -EINVAL;
	}
	for (int i = 0; i < CONF_NODES; i++) {
		int err = parse_node(p, config_setting_get_elem(g, i), &n[i]);

		if (err)
			return err;
	}
	if (n[0].id == n[1].id) {
		refuse(p, g, "conf-nodes", "\"%s\" and \"%s\" both have id %u", n[0].name,
		       n[1].name, n[0].id);
		err_means(p->e,
			  "A copy is told from the other by the id its disk was initialised with");
		err_mend(p->e, "give one of them another id, 0 to %u", LOCKSTEP_MAX_NODES - 1);
		return -EINVAL;
	}
	if (!strcasecmp(n[0].address, n[1].address) && n[0].port == n[1].port)
		return refuse(p, g, "conf-nodes",
			      "\"%s\" and \"%s\" both have the address %s port %u", n[0].name,
			      n[1].name, n[0].address, n[0].port);
	return 0;
}

/* So that a file means the same in whatever order it was written. After the volumes were parsed. */
static void sort_nodes(struct conf *c)
{
	struct conf_node node = c->node[0];

	if (c->node[0].id < c->node[1].id)
		return;
	c->node[0] = c->node[1];
	c->node[1] = node;
	for (u32 i = 0; i < c->nr_volumes; i++) {
		struct conf_volume old = c->volume[i];

		for (int n = 0; n < CONF_NODES; n++) {
			memcpy(c->volume[i].disk[n], old.disk[1 - n], CONF_PATH_BYTES);
			memcpy(c->volume[i].meta[n], old.meta[1 - n], CONF_PATH_BYTES);
		}
	}
}

/* ---- volumes -------------------------------------------------------------------------------- */

/* Is it the word "internal"? Only "meta" may say so; the place stays empty then. */
static bool is_internal(const config_setting_t *s, const char *what)
{
	const char *v = config_setting_get_string(s);

	return v && !strcmp(what, "meta") && !strcmp(v, "internal");
}

/* "disk" or "meta": one path for both nodes, or a group with one for each. */
static int parse_place(struct parser *p, const config_setting_t *s, const char *what,
		       char ret[CONF_NODES][CONF_PATH_BYTES])
{
	const char *const known[] = { p->conf->node[0].name, p->conf->node[1].name };
	int err;

	if (!config_setting_is_group(s)) {
		err = is_internal(s, what) ? 0 : get_path(p, s, what, ret[0]);
		if (!err)
			memcpy(ret[1], ret[0], CONF_PATH_BYTES);
		return err;
	}
	err = check_known(p, s, what, known, ARRAY_SIZE(known));
	for (int i = 0; i < CONF_NODES && !err; i++) {
		const config_setting_t *one = config_setting_get_member(s, known[i]);

		if (one) {
			err = is_internal(one, what) ? 0 : get_path(p, one, what, ret[i]);
			continue;
		}
		err = refuse(p, s, "conf-missing", "\"%s\" says nothing about node \"%s\"", what,
			     known[i]);
		err_mend(p->e, "add to the group: %s = \"/dev/...\";", known[i]);
	}
	return err;
}

static int parse_volume(struct parser *p, const config_setting_t *g, struct conf_volume *v)
{
	static const char *const known[] = { "number", "minor", "disk", "meta" };
	const config_setting_t *s;
	int err;

	if (!config_setting_is_group(g)) {
		refuse(p, g, "conf-type", "a volume must be a group");
		err_mend(p->e, "{ number = 0; minor = 0; disk = \"/dev/...\"; }");
		return -EINVAL;
	}
	err = check_known(p, g, "a volume", known, ARRAY_SIZE(known));
	if (!err)
		err = get_number(p, g, "number", true, 0, LOCKSTEP_MAX_VOLUMES - 1, &v->number);
	if (!err)
		err = get_number(p, g, "minor", true, 0, LOCKSTEP_MAX_MINOR, &v->minor);
	if (err)
		return err;
	s = config_setting_get_member(g, "disk");
	if (!s) {
		refuse(p, g, "conf-missing", "volume %u has no \"disk\"", v->number);
		err_mend(p->e, "add: disk = \"/dev/...\";");
		return -EINVAL;
	}
	err = parse_place(p, s, "disk", v->disk);
	s = config_setting_get_member(g, "meta");
	if (!err && s)
		err = parse_place(p, s, "meta", v->meta);
	return err;
}

/* Metadata and data each own the whole of their device: nothing may be named twice on one node. */
static int check_places(struct parser *p, const config_setting_t *list)
{
	const struct conf *c = p->conf;

	for (u32 i = 0; i < 2 * c->nr_volumes; i++) {
		const struct conf_volume *v = &c->volume[i / 2];

		for (int n = 0; n < CONF_NODES; n++) {
			const char *path = i % 2 ? v->meta[n] : v->disk[n];

			for (u32 j = 0; j < i && *path; j++) {
				const struct conf_volume *o = &c->volume[j / 2];

				if (strcmp(path, j % 2 ? o->meta[n] : o->disk[n]))
					continue;
				refuse(p, list, "conf-twice", "%s is named twice for node \"%s\"",
				       path, c->node[n].name);
				err_mend(p->e, "give each volume a disk (and, where external, "
					 "metadata) of its own");
				return -EINVAL;
			}
		}
	}
	return 0;
}

static int compare_volumes(const void *a, const void *b)
{
	const struct conf_volume *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static int check_volumes(struct parser *p, const config_setting_t *list)
{
	struct conf *c = p->conf;

	for (u32 i = 0; i < c->nr_volumes; i++) {
		for (u32 j = 0; j < i; j++) {
			if (c->volume[i].number == c->volume[j].number)
				return refuse(p, list, "conf-twice",
					      "volume number %u is there twice",
					      c->volume[i].number);
			if (c->volume[i].minor == c->volume[j].minor)
				return refuse(p, list, "conf-twice",
					      "minor %u (/dev/lockstep%u) is there twice",
					      c->volume[i].minor, c->volume[i].minor);
		}
	}
	qsort(c->volume, c->nr_volumes, sizeof(*c->volume), compare_volumes);
	return check_places(p, list);
}

static int parse_volumes(struct parser *p, const config_setting_t *root)
{
	const config_setting_t *list = config_setting_get_member(root, "volumes");
	struct conf *c = p->conf;
	int nr = list ? config_setting_length(list) : 0;

	if (!list || !config_setting_is_list(list) || !nr) {
		refuse(p, list, "conf-missing",
		       "there is no list \"volumes\" with at least one volume");
		err_mend(p->e, "volumes: ( { number = 0; minor = 0; disk = \"/dev/...\"; } );");
		return -EINVAL;
	}
	if (nr > LOCKSTEP_MAX_VOLUMES)
		return refuse(p, list, "conf-range", "there are %d volumes, more than %u", nr,
			      LOCKSTEP_MAX_VOLUMES);
	c->volume = calloc((size_t)nr, sizeof(*c->volume));
	if (!c->volume)
		return err_set(p->e, -ENOMEM, "no-memory", "out of memory");
	for (int i = 0; i < nr; i++) {
		int err = parse_volume(p, config_setting_get_elem(list, (unsigned int)i),
				       &c->volume[i]);

		if (err)
			return err;
		c->nr_volumes++;
	}
	return check_volumes(p, list);
}

/* ---- net and the rest ----------------------------------------------------------------------- */

static int parse_net(struct parser *p, const config_setting_t *root)
{
	static const char *const known[] = { "streams", "timeout_ms", "ping_ms" };
	const config_setting_t *g = config_setting_get_member(root, "net");
	struct conf *c = p->conf;
	int err;

	c->streams = LOCKSTEP_DEF_STREAMS;
	c->timeout_ms = LOCKSTEP_DEF_TIMEOUT_MS;
	c->ping_ms = 0;
	if (g && !config_setting_is_group(g))
		return refuse(p, g, "conf-type", "\"net\" must be a group, net: { ... };");
	err = g ? check_known(p, g, "\"net\"", known, ARRAY_SIZE(known)) : 0;
	if (!err && g)
		err = get_number(p, g, "streams", false, 1, LOCKSTEP_MAX_STREAMS, &c->streams);
	if (!err && g)
		err = get_number(p, g, "timeout_ms", false, LOCKSTEP_MIN_TIMEOUT_MS,
				 LOCKSTEP_MAX_TIMEOUT_MS, &c->timeout_ms);
	if (!err && g)
		err = get_number(p, g, "ping_ms", false, MIN_PING_MS,
				 c->timeout_ms / PINGS_PER_TIMEOUT, &c->ping_ms);
	if (!err && !c->ping_ms)
		c->ping_ms = min(LOCKSTEP_DEF_PING_MS, c->timeout_ms / PINGS_PER_TIMEOUT);
	return err;
}

static int parse_key(struct parser *p, const config_setting_t *root)
{
	const config_setting_t *s = config_setting_get_member(root, "key");
	const char *slash = strrchr(p->path, '/');
	int len = slash ? (int)(slash - p->path + 1) : 0;

	if (s)
		return get_path(p, s, "key", p->conf->key);
	/* Beside the file itself. */
	if ((size_t)snprintf(p->conf->key, CONF_PATH_BYTES, "%.*s%s.key", len, p->path,
			     p->conf->name) >= CONF_PATH_BYTES)
		return refuse(p, NULL, "conf-too-long", "the path of its key is too long");
	return 0;
}

/* Local disks, on either host. */
static int parse_disks(struct parser *p, const config_setting_t *root)
{
	const char *name = "disk_timeout_ms";
	u32 *ms = &p->conf->disk_timeout_ms;
	int err;

	*ms = LOCKSTEP_DEF_DISK_TIMEOUT_MS;
	err = get_number(p, root, name, false, 0, LOCKSTEP_MAX_DISK_TIMEOUT_MS, ms);
	if (err || !*ms || *ms >= LOCKSTEP_MIN_DISK_TIMEOUT_MS)
		return err;
	refuse(p, config_setting_get_member(root, name), "conf-range",
	       "\"%s\" is %u, and a healthy disk may be as slow", name, *ms);
	err_mend(p->e, "write a number from %u to %u, or 0 for never", LOCKSTEP_MIN_DISK_TIMEOUT_MS,
		 LOCKSTEP_MAX_DISK_TIMEOUT_MS);
	return -ERANGE;
}

static int parse_hooks(struct parser *p, const config_setting_t *root)
{
	static const char *const known[CONF_HOOK_NR] = {
		[CONF_HOOK_SPLIT_BRAIN]	= "split_brain",
		[CONF_HOOK_DISK_FAILED]	= "disk_failed",
		[CONF_HOOK_PEER_LOST]	= "peer_lost",
		[CONF_HOOK_PEER_BACK]	= "peer_back",
		[CONF_HOOK_SYNC_DONE]	= "sync_done",
		[CONF_HOOK_PROBLEM]	= "problem",
		[CONF_HOOK_ANY]		= "any",
	};
	const config_setting_t *g = config_setting_get_member(root, "hooks"), *s;
	int err;

	if (!g)
		return 0;
	if (!config_setting_is_group(g)) {
		refuse(p, g, "conf-type", "\"hooks\" must be a group");
		err_mend(p->e, "hooks: { any = \"/usr/local/sbin/...\"; };");
		return -EINVAL;
	}
	err = check_known(p, g, "\"hooks\"", known, ARRAY_SIZE(known));
	for (u32 i = 0; i < CONF_HOOK_NR && !err; i++) {
		s = config_setting_get_member(g, known[i]);
		if (!s)
			continue;
		err = get_path(p, s, known[i], p->conf->hook[i]);
		if (err)
			err_mend(p->e, "write the whole path of a program: %s = "
				 "\"/usr/local/sbin/...\";", known[i]);
	}
	return err;
}

struct word {
	const char *word;
	u32 value;
};

/* Member `name` of g as one of a few words. Absent: *ret stays. */
static int get_word(struct parser *p, const config_setting_t *g, const char *name,
		    const struct word *words, size_t nr, u32 *ret)
{
	const config_setting_t *s = config_setting_get_member(g, name);
	const char *known[4];
	char text[MAX_WORD];
	int err = s ? get_text(p, s, name, text, sizeof(text)) : 0;

	if (!s || err)
		return err;
	for (size_t i = 0; i < nr; i++) {
		known[i] = words[i].word;
		if (strcmp(text, words[i].word))
			continue;
		*ret = words[i].value;
		return 0;
	}
	refuse(p, s, "conf-word", "\"%s\" is \"%s\", which is not known", name, text);
	suggest(p, text, known, nr);
	return -EINVAL;
}

/* What is done about a split brain without asking a person: nothing, if it does not say so. */
static int parse_split(struct parser *p, const config_setting_t *root)
{
	static const char *const known[] = { "no_primary", "one_primary" };
	static const struct word no_primary[] = { { "none", LOCKSTEP_SP_NONE },
						  { "keep-changed", LOCKSTEP_SP_KEEP_CHANGED } };
	static const struct word one_primary[] = { { "none", LOCKSTEP_SP_NONE },
						   { "keep-primary", LOCKSTEP_SP_KEEP_PRIMARY } };
	const config_setting_t *g = config_setting_get_member(root, "split_brain");
	int err;

	if (!g)
		return 0;
	if (!config_setting_is_group(g))
		return refuse(p, g, "conf-type",
			      "\"split_brain\" must be a group, split_brain: { ... };");
	err = check_known(p, g, "\"split_brain\"", known, ARRAY_SIZE(known));
	if (!err)
		err = get_word(p, g, "no_primary", no_primary, ARRAY_SIZE(no_primary),
			       &p->conf->split_no_primary);
	if (!err)
		err = get_word(p, g, "one_primary", one_primary, ARRAY_SIZE(one_primary),
			       &p->conf->split_one_primary);
	return err;
}

/* ---- fencing -------------------------------------------------------------------------------- */

#define DEF_FENCE_MS		60000u
#define MIN_FENCE_MS		1000u
#define MAX_FENCE_MS		3600000u

static int parse_policy(struct parser *p, const config_setting_t *g)
{
	static const struct word words[] = { { "none", LOCKSTEP_FENCING_NONE },
					     { "outdate", LOCKSTEP_FENCING_OUTDATE },
					     { "fence", LOCKSTEP_FENCING_FENCE } };

	if (config_setting_get_member(g, "policy"))
		return get_word(p, g, "policy", words, ARRAY_SIZE(words), &p->conf->fencing.policy);
	refuse(p, g, "conf-missing", "\"fencing\" has no \"policy\"");
	err_mend(p->e, "add: policy = \"fence\"; or \"outdate\", or \"none\"");
	return -EINVAL;
}

static int parse_program(struct parser *p, const config_setting_t *g, const char *name, char *ret)
{
	const config_setting_t *s = config_setting_get_member(g, name);

	return s ? get_path(p, s, name, ret) : 0;
}

static int parse_fencing(struct parser *p, const config_setting_t *root)
{
	static const char *const known[] = { "policy", "program", "unfence", "timeout_ms" };
	const config_setting_t *g = config_setting_get_member(root, "fencing");
	struct conf_fencing *f = &p->conf->fencing;
	int err;

	f->timeout_ms = DEF_FENCE_MS;
	if (!g)
		return 0;
	if (!config_setting_is_group(g))
		return refuse(p, g, "conf-type", "\"fencing\" must be a group, fencing: { ... };");
	err = check_known(p, g, "\"fencing\"", known, ARRAY_SIZE(known));
	if (!err)
		err = parse_policy(p, g);
	if (!err)
		err = parse_program(p, g, "program", f->program);
	if (!err)
		err = parse_program(p, g, "unfence", f->unfence);
	if (!err)
		err = get_number(p, g, "timeout_ms", false, MIN_FENCE_MS, MAX_FENCE_MS,
				 &f->timeout_ms);
	if (err || f->policy == LOCKSTEP_FENCING_NONE || f->program[0])
		return err;
	refuse(p, g, "conf-missing", "there is a fencing policy, and no \"program\" for it");
	err_mend(p->e, "add: program = \"/usr/local/share/lockstep/fencing/outdate-ssh\";");
	return -EINVAL;
}

static int parse_root(struct parser *p, const config_setting_t *root)
{
	static const char *const known[] = { "nodes", "volumes", "net", "key",
					     "disk_timeout_ms", "hooks", "split_brain",
					     "fencing", "auto_promote" };
	int err;

	err = check_known(p, root, "", known, ARRAY_SIZE(known));
	if (!err)
		err = parse_nodes(p, root);
	if (!err)
		err = parse_volumes(p, root);
	if (!err)
		err = parse_net(p, root);
	if (!err)
		err = parse_key(p, root);
	if (!err)
		err = parse_disks(p, root);
	if (!err)
		err = parse_hooks(p, root);
	if (!err)
		err = parse_split(p, root);
	if (!err)
		err = parse_fencing(p, root);
	if (!err)
		err = get_bool(p, root, "auto_promote", &p->conf->auto_promote);
	if (!err)
		sort_nodes(p->conf);
	return err;
}

/* The resource is called like its file. */
static int name_from_path(struct parser *p)
{
	const char *slash = strrchr(p->path, '/'), *base = slash ? slash + 1 : p->path;
	size_t len = strlen(base), suffix = strlen(".conf");

	if (strlen(p->path) < CONF_PATH_BYTES && len > suffix &&
	    len - suffix < LOCKSTEP_NAME_BYTES && !strcmp(base + len - suffix, ".conf")) {
		memcpy(p->conf->name, base, len - suffix);
		p->conf->name[len - suffix] = '\0';
		strcpy(p->conf->path, p->path);
	}
	if (meta_name_ok(p->conf->name))
		return 0;
	err_set(p->e, -EINVAL, "bad-name", "the file's name %.300s gives no resource name",
		p->path);
	err_means(p->e, "The resource is called like its file without .conf: letters, digits, "
		  "'_', '.' and '-', shorter than %u, beginning with none of the last two",
		  LOCKSTEP_NAME_BYTES);
	return -EINVAL;
}

/*
 * What libconfig would do and we do not want, found before it sees the text: an @include would make
 * the meaning depend on another file, and nesting without end would make it recurse without end.
 */
static int check_text(struct parser *p, const char *text, size_t len)
{
	unsigned int line = 1, depth = 0;
	bool fresh = true;

	if (len > CONF_MAX_BYTES)
		return see_page(p, 0, err_set(p->e, -EFBIG, "conf-too-long", "%s is longer than "
					      "%u KiB", p->path, CONF_MAX_BYTES >> 10));
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!c)
			return see_page(p, 0, err_set(p->e, -EINVAL, "conf-text", "%s:%u: a NUL "
						      "byte; this is no text file", p->path, line));
		if (fresh && c == '@')
			return see_page(p, line, err_set(p->e, -EINVAL, "conf-include", "%s:%u: "
							 "\"@...\" at the beginning of a line; a "
							 "configuration is one file, the same on "
							 "both hosts", p->path, line));
		if (c == '{' || c == '(' || c == '[')
			depth++;
		if ((c == '}' || c == ')' || c == ']') && depth)
			depth--;
		if (depth > MAX_DEPTH)
			return see_page(p, line, err_set(p->e, -EINVAL, "conf-syntax", "%s:%u: "
							 "more than %u brackets are open", p->path,
							 line, MAX_DEPTH));
		line += c == '\n';
		fresh = c == '\n' || (fresh && isspace((unsigned char)c));
	}
	return 0;
}

/* Line number `line` of the text, without blanks around it, for the message. */
static void quote_line(const char *text, int line, char *ret, size_t size)
{
	for (; line > 1 && *text; text++)
		line -= *text == '\n';
	text += strspn(text, " \t\r");
	snprintf(ret, size, "%.*s", (int)min(strcspn(text, "\r\n"), (size_t)60), text);
}

static int read_syntax(struct parser *p, const char *text, config_t *cfg)
{
	char quoted[64];

	if (config_read_string(cfg, text) == CONFIG_TRUE)
		return 0;
	quote_line(text, config_error_line(cfg), quoted, sizeof(quoted));
	err_set(p->e, -EINVAL, "conf-syntax", "%s:%d: %s near \"%s\"", p->path,
		config_error_line(cfg), config_error_text(cfg), quoted);
	err_mend(p->e, "a setting is \"name = value;\", a group \"name: { ... };\", a list "
		 "\"name: ( ... );\"; look at the line before, too");
	return -EINVAL;
}

int conf_parse(const char *text, size_t len, const char *path, struct conf **ret, struct err *e)
{
	struct parser p = { .path = path, .e = e };
	char *copy = NULL;
	config_t cfg;
	int err;

	config_init(&cfg);
	p.conf = calloc(1, sizeof(*p.conf));
	err = p.conf ? 0 : err_set(e, -ENOMEM, "no-memory", "out of memory");
	if (!err)
		err = name_from_path(&p);
	if (!err)
		err = check_text(&p, text, len);
	if (!err) {
		copy = strndup(text, len);
		err = copy ? read_syntax(&p, copy, &cfg)
			: err_set(e, -ENOMEM, "no-memory", "out of memory");
	}
	if (!err)
		err = parse_root(&p, config_root_setting(&cfg));
	config_destroy(&cfg);
	free(copy);
	if (err)
		conf_free(p.conf);
	else
		*ret = p.conf;
	return err;
}

void conf_free(struct conf *c)
{
	if (c)
		free(c->volume);
	free(c);
}
