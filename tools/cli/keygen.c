// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "conf.h"

/* The file meant by NAME|FILE, and what to call the other host. */
static int key_path(const char *operand, char *ret, char *ret_peer, struct err *e)
{
	struct conf *c;
	int err, self;

	strcpy(ret_peer, "OTHER-HOST");
	if (strchr(operand, '/')) {
		if (strlen(operand) < CONF_PATH_BYTES) {
			strcpy(ret, operand);
			return 0;
		}
		err_set(e, -ENAMETOOLONG, "key-path", "the path is longer than %u bytes",
			CONF_PATH_BYTES - 1);
		err_mend(e, "lockstep keygen NAME    (writes %s/NAME.key)", conf_dir());
		return -ENAMETOOLONG;
	}
	err = conf_load_name(operand, &c, e);
	if (!err) {
		self = conf_self(c, NULL, NULL);
		if (self >= 0)
			snprintf(ret_peer, CONF_ADDRESS_BYTES, "%s", c->node[1 - self].address);
		strcpy(ret, c->key);
		conf_free(c);
		return 0;
	}
	/* The key may come before the configuration; a configuration that is wrong comes first. */
	if (err != -ENOENT)
		return err;
	if ((size_t)snprintf(ret, CONF_PATH_BYTES, "%s/%s.key", conf_dir(), operand) >=
	    CONF_PATH_BYTES)
		return err_set(e, -ENAMETOOLONG, "key-path", "the key's path is too long");
	return 0;
}

static int create_failed(const char *path, int err, struct err *e)
{
	const char *slash = strrchr(path, '/');

	if (err == -EEXIST) {
		err_set(e, err, "key-exists", "%s is there already, and keygen never overwrites",
			path);
		err_means(e, "Hosts with different keys do not connect");
		err_mend(e, "use this one, or remove it on both hosts first");
		return err;
	}
	err_set(e, err, "key-write", "%s cannot be written: %s", path, strerror(-err));
	if (err == -ENOENT)
		err_mend(e, "mkdir -p %.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
	if (err == -EACCES)
		err_mend(e, "sudo lockstep keygen ...");
	return err;
}

/*
 * The key as hex digits and a newline, durable; a file that could not be finished is taken away
 * again.
 */
static int write_key(const char *path, const char *hex, size_t len, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), err = 0;
	ssize_t n;

	if (fd < 0)
		return create_failed(path, -errno, e);
	n = write(fd, hex, len);
	if (n != (ssize_t)len)
		err = n < 0 ? -errno : -ENOSPC;
	if (!err && (fchmod(fd, 0600) || fsync(fd)))
		err = -errno;
	close(fd);
	if (err) {
		unlink(path);
		return create_failed(path, err, e);
	}
	return 0;
}

int cmd_keygen(const struct opts *o)
{
	char path[CONF_PATH_BYTES], peer[CONF_ADDRESS_BYTES], hex[2 * LOCKSTEP_KEY_BYTES + 2];
	u8 key[LOCKSTEP_KEY_BYTES];
	struct err e;
	int err;

	err = key_path(o->operand, path, peer, &e);
	if (!err && getrandom(key, sizeof(key), 0) != sizeof(key))
		err = err_set(&e, -EIO, "random", "the kernel gave no random bytes");
	if (err)
		return cmd_refuse(&e);
	for (size_t i = 0; i < sizeof(key); i++)
		sprintf(hex + 2 * i, "%02x", key[i]);
	strcat(hex, "\n");
	err = write_key(path, hex, strlen(hex), &e);
	explicit_bzero(key, sizeof(key));
	explicit_bzero(hex, sizeof(hex));
	if (err)
		return cmd_refuse(&e);
	printf("wrote %s\n", path);
	printf("Both hosts need the same key. Copy it over a channel you trust:\n");
	printf("  scp -p %s root@%s:%s\n", path, peer, path);
	return CMD_OK;
}
