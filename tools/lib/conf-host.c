// SPDX-License-Identifier: GPL-2.0
/*
 * What of the configuration touches the host: its files, its directory, who this host is, its key.
 */
#include "conf.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "meta.h"

#define KEY_HEX_BYTES	(2 * LOCKSTEP_KEY_BYTES)

const char *conf_dir(void)
{
	const char *env = getenv("LOCKSTEP_CONF_DIR");

	return env && *env ? env : CONF_DIR;
}

/* All of a small regular file, at most `max` bytes. 0 bytes to negative errno. */
static ssize_t read_small(const char *path, char *buf, size_t max, struct stat *ret_st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), err = 0;
	ssize_t n = 0, len = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, ret_st))
		err = -errno;
	else if (!S_ISREG(ret_st->st_mode))
		err = -EINVAL;
	while (!err && (size_t)len < max && (n = read(fd, buf + len, max - (size_t)len)) > 0)
		len += n;
	if (n < 0)
		err = -errno;
	close(fd);
	return err ? err : len;
}

int conf_load(const char *path, struct conf **ret, struct err *e)
{
	/* One more than fits, so that conf_parse() sees a file that is too long. */
	size_t max = CONF_MAX_BYTES + 1;
	struct stat st;
	ssize_t len;
	char *text;
	int err;

	text = malloc(max);
	if (!text)
		return err_set(e, -ENOMEM, "no-memory", "out of memory");
	len = read_small(path, text, max, &st);
	if (len >= 0) {
		err = conf_parse(text, (size_t)len, path, ret, e);
	} else {
		err = err_set(e, (int)len, "no-conf", "the configuration %s cannot be read: %s",
			      path, len == -EINVAL ? "it is no regular file" : strerror((int)-len));
		if (len == -ENOENT)
			err_mend(e,
				 "write it (see lockstep.conf(5)) or copy it from the other host");
	}
	free(text);
	return err;
}

int conf_load_name(const char *name, struct conf **ret, struct err *e)
{
	char path[CONF_PATH_BYTES];

	if (!meta_name_ok(name)) {
		err_set(e, -EINVAL, "bad-name", "\"%.64s\" cannot be a resource's name", name);
		err_means(e, "Names are letters, digits, '_', '.' and '-', shorter than %u, "
			  "beginning with none of the last two", LOCKSTEP_NAME_BYTES);
		err_mend(e, "ls %s", conf_dir());
		return -EINVAL;
	}
	if ((size_t)snprintf(path, sizeof(path), "%s/%s.conf", conf_dir(), name) >= sizeof(path))
		return err_set(e, -ENAMETOOLONG, "conf-too-long", "the path %.200s/... is too long",
			       conf_dir());
	return conf_load(path, ret, e);
}

static int is_conf(const struct dirent *d)
{
	char name[LOCKSTEP_NAME_BYTES];
	size_t len = strlen(d->d_name), suffix = strlen(".conf");

	if (len <= suffix || len - suffix >= sizeof(name) ||
	    strcmp(d->d_name + len - suffix, ".conf"))
		return 0;
	memcpy(name, d->d_name, len - suffix);
	name[len - suffix] = '\0';
	return meta_name_ok(name);
}

int conf_names(char (**ret)[LOCKSTEP_NAME_BYTES], size_t *ret_nr, struct err *e)
{
	char (*names)[LOCKSTEP_NAME_BYTES];
	struct dirent **list = NULL;
	int nr = scandir(conf_dir(), &list, is_conf, alphasort), err = 0;

	if (nr < 0) {
		err_set(e, -errno, "no-conf", "the directory %s cannot be read: %s", conf_dir(),
			strerror(errno));
		err_mend(e, "mkdir -m 755 %s", conf_dir());
		return -ENOENT;
	}
	names = calloc(nr ? (size_t)nr : 1, sizeof(*names));
	if (!names)
		err = err_set(e, -ENOMEM, "no-memory", "out of memory");
	for (int i = 0; i < nr; i++) {
		if (names)
			memcpy(names[i], list[i]->d_name,
			       strlen(list[i]->d_name) - strlen(".conf"));
		free(list[i]);
	}
	free(list);
	if (!err) {
		*ret = names;
		*ret_nr = (size_t)nr;
	}
	return err;
}

static int find_node(const struct conf *c, const char *name)
{
	for (int i = 0; i < CONF_NODES; i++)
		if (!strcmp(c->node[i].name, name))
			return i;
	return -ENOENT;
}

static int not_a_node(const struct conf *c, const char *name, const char *source, struct err *e)
{
	err_set(e, -ENOENT, "unknown-node",
		"%s is \"%.64s\", and %s has only the nodes \"%s\" and \"%s\"", source, name,
		c->path, c->node[0].name, c->node[1].name);
	err_means(e,
		  "A host never guesses which of the two it is: it would take the other's place");
	err_mend(e, "echo %s > %s/node    (or %s, on the other host)", c->node[0].name, conf_dir(),
		 c->node[1].name);
	return -ENOENT;
}

/* The one word in the file "node"; 0 bytes if there is no such file. */
static int read_node_file(char *ret, size_t size, struct err *e)
{
	char path[CONF_PATH_BYTES], text[256];
	struct stat st;
	ssize_t len;
	char *word;

	snprintf(path, sizeof(path), "%s/node", conf_dir());
	ret[0] = '\0';
	len = read_small(path, text, sizeof(text) - 1, &st);
	if (len == -ENOENT)
		return 0;
	if (len < 0) {
		err_set(e, (int)len, "node-file", "%s cannot be read: %s", path,
			len == -EINVAL ? "it is no regular file" : strerror((int)-len));
		err_mend(e, "ls -ld %s; it holds one word, this node's name", path);
		return (int)len;
	}
	text[len] = '\0';
	word = text + strspn(text, " \t\r\n");
	len = (ssize_t)strcspn(word, " \t\r\n");
	if (!len || (size_t)len >= size || word[len + strspn(word + len, " \t\r\n")]) {
		err_set(e, -EINVAL, "node-file", "%s must hold one word, this node's name", path);
		err_mend(e, "echo NAME > %s", path);
		return -EINVAL;
	}
	memcpy(ret, word, (size_t)len);
	ret[len] = '\0';
	return 0;
}

int conf_self(const struct conf *c, const char *node, struct err *e)
{
	char name[256], source[CONF_PATH_BYTES + 32];
	int err;

	if (node && *node) {
		err = find_node(c, node);
		return err >= 0 ? err : not_a_node(c, node, "the node given", e);
	}
	err = read_node_file(name, sizeof(name), e);
	if (err)
		return err;
	if (name[0]) {
		snprintf(source, sizeof(source), "the word in %s/node", conf_dir());
	} else {
		snprintf(source, sizeof(source), "this host's name");
		if (gethostname(name, sizeof(name)))
			return err_set(e, -errno, "no-host-name", "this host has no name");
		name[sizeof(name) - 1] = '\0';
		name[strcspn(name, ".")] = '\0';
	}
	err = find_node(c, name);
	return err >= 0 ? err : not_a_node(c, name, source, e);
}

static int decode_key(const char *text, size_t len, u8 *ret)
{
	if (len && text[len - 1] == '\n')
		len--;
	if (len != KEY_HEX_BYTES)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		u8 digit = isdigit(c) ? c - '0' : (u8)(tolower(c) - 'a' + 10);

		if (!isxdigit(c))
			return -EINVAL;
		ret[i / 2] = (u8)(i % 2 ? ret[i / 2] | digit : digit << 4);
	}
	return 0;
}

/* A key that others can read is no secret: it opens the disk to whoever can reach the port. */
static int check_key_file(const char *path, const struct stat *st, struct err *e)
{
	if (st->st_mode & 077) {
		err_set(e, -EPERM, "key-mode", "the key %s may be read by others (mode %03o)", path,
			(unsigned int)st->st_mode & 0777);
		err_mend(e, "chmod 600 %s", path);
		return -EPERM;
	}
	if (st->st_uid != 0 && st->st_uid != geteuid()) {
		err_set(e, -EPERM, "key-owner", "the key %s belongs to user %u", path, st->st_uid);
		err_mend(e, "chown root: %s", path);
		return -EPERM;
	}
	return 0;
}

int conf_read_key(const struct conf *c, u8 ret_key[LOCKSTEP_KEY_BYTES], struct err *e)
{
	char text[KEY_HEX_BYTES + 8];
	u8 key[LOCKSTEP_KEY_BYTES];
	struct stat st;
	ssize_t len = read_small(c->key, text, sizeof(text), &st);
	int err;

	if (len < 0) {
		err_set(e, (int)len, "no-key", "the key %s cannot be read: %s", c->key,
			len == -EINVAL ? "it is no regular file" : strerror((int)-len));
		err_means(e, "The two hosts know each other by a key that both have");
		err_mend(e, "lockstep keygen %s    (on one host; then copy the file to the other)",
			 c->name);
		return (int)len;
	}
	err = check_key_file(c->key, &st, e);
	if (!err && decode_key(text, (size_t)len, key)) {
		err_set(e, -EINVAL, "bad-key",
			"%s is not a key: it must be one line of %u hex digits", c->key,
			KEY_HEX_BYTES);
		err_mend(e,
			 "copy it again from the other host, or make a new one: lockstep keygen");
		err = -EINVAL;
	}
	if (!err)
		memcpy(ret_key, key, sizeof(key));
	explicit_bzero(text, sizeof(text));
	explicit_bzero(key, sizeof(key));
	return err;
}
