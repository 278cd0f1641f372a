// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin for QEMU that counts the instructions a guest executes, by where they stand: for
 * emulated machines only, whose time they are, whatever else the host does.
 *
 *	qemu-system-x86_64 -accel tcg,thread=single -icount shift=3 \
 *		-plugin count.so,control=SOCKET ...
 *
 * Whoever connects to the unix socket SOCKET gets all counters there are at that moment, as triples
 * of 64-bit numbers in the host's order, and then the end of the stream:
 *
 *	address		of a block of instructions that are executed one after the other
 *	length		of the block, in instructions
 *	executions	since the machine began
 *
 * Nothing is ever reset: what happened in between is the difference of two answers, and the guest
 * is not disturbed by asking. A block that is translated again, after QEMU has run out of room for
 * its translations, goes on with its counter. Addresses are virtual, so that programs which lie at
 * the same ones share counters. A block that an exception leaves in its midst counts as a whole.
 *
 * The few declarations of QEMU's interface for plugins (version 1) that this needs are its own: the
 * header is in no package.
 */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- QEMU's side ---------------------------------------------------------------------------- */

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;

struct plugin_info {
	const char *target;
	struct {
		int min, cur;
	} version;
	bool is_system;
	/* more follows */
};

enum {
	INLINE_ADD_U64,
};

extern void qemu_plugin_register_vcpu_tb_trans_cb(
	uint64_t id, void (*cb)(uint64_t id, struct qemu_plugin_tb *tb));
extern void qemu_plugin_register_vcpu_tb_exec_inline(
	struct qemu_plugin_tb *tb, int op, void *ptr, uint64_t n);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
extern uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);

EXPORT int qemu_plugin_version = 1;

/* ---- counters ------------------------------------------------------------------------------- */

struct block {
	uint64_t address, length, executions;
};

#define AT_ONCE	4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Under lock. A block stays where it is: translations have its address in them. */
static struct block **table;
static size_t room, used;
static struct block *fresh;
static size_t nr_fresh;

static size_t place_of(struct block **in, size_t size, uint64_t address, uint64_t length)
{
	size_t i = (address * 0x9e3779b97f4a7c15u >> 20) + length;

	for (i &= size - 1; in[i]; i = (i + 1) & (size - 1))
		if (in[i]->address == address && in[i]->length == length)
			break;
	return i;
}

static void *zeroed(size_t nr, size_t size)
{
	void *p = calloc(nr, size);

	if (!p) {
		fprintf(stderr, "count: no memory\n");
		abort();
	}
	return p;
}

static void grow(void)
{
	size_t size = room ? 2 * room : 1u << 16, i;
	struct block **larger = zeroed(size, sizeof(struct block *));

	for (i = 0; i < room; i++)
		if (table[i])
			larger[place_of(larger, size, table[i]->address, table[i]->length)] =
				table[i];
	free(table);
	table = larger;
	room = size;
}

static struct block *block_at(uint64_t address, uint64_t length)
{
	size_t i;

	if (used >= room / 2)
		grow();
	i = place_of(table, room, address, length);
	if (!table[i]) {
		if (!nr_fresh) {
			fresh = zeroed(AT_ONCE, sizeof(struct block));
			nr_fresh = AT_ONCE;
		}
		table[i] = &fresh[--nr_fresh];
		table[i]->address = address;
		table[i]->length = length;
		used++;
	}
	return table[i];
}

/* The translated code adds by itself: with -icount one thread executes all vCPUs. */
static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	struct block *b;

	(void)id;
	pthread_mutex_lock(&lock);
	b = block_at(qemu_plugin_tb_vaddr(tb), qemu_plugin_tb_n_insns(tb));
	pthread_mutex_unlock(&lock);
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &b->executions, 1);
}

/* ---- asking --------------------------------------------------------------------------------- */

/* A copy, so that the guest waits for memory at most, and not for who asks. */
static struct block *copy_all(size_t *nr)
{
	struct block *all;
	size_t i;

	pthread_mutex_lock(&lock);
	all = zeroed(used + 1, sizeof(*all));
	for (i = *nr = 0; i < room; i++)
		if (table[i])
			all[(*nr)++] = *(volatile struct block *)table[i];
	pthread_mutex_unlock(&lock);
	return all;
}

static void send_all(int to, const char *data, size_t len)
{
	ssize_t n;

	for (; len; data += n, len -= (size_t)n) {
		n = send(to, data, len, MSG_NOSIGNAL);
		if (n <= 0)
			return;
	}
}

static void *serve(void *arg)
{
	int listening = (int)(intptr_t)arg, asks;
	struct block *all;
	size_t nr;

	for (;;) {
		asks = accept(listening, NULL, NULL);
		if (asks < 0)
			continue;
		all = copy_all(&nr);
		send_all(asks, (const char *)all, nr * sizeof(*all));
		free(all);
		close(asks);
	}
	return NULL;
}

/* QEMU's signals are its own threads'. */
static bool start_serving(const char *path)
{
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	sigset_t all, old;
	pthread_t thread;
	int err;

	if (strlen(path) >= sizeof(a.sun_path))
		return false;
	strcpy(a.sun_path, path);
	unlink(path);
	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 4))
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&thread, NULL, serve, (void *)(intptr_t)s);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return !err;
}

EXPORT int qemu_plugin_install(uint64_t id, const struct plugin_info *info, int argc, char **argv);

EXPORT int qemu_plugin_install(uint64_t id, const struct plugin_info *info, int argc, char **argv)
{
	static const char key[] = "control=";

	if (!info->is_system || argc != 1 || strncmp(argv[0], key, sizeof(key) - 1)) {
		fprintf(stderr, "count: for whole machines, with control=SOCKET\n");
		return 1;
	}
	if (!start_serving(argv[0] + sizeof(key) - 1)) {
		perror("count: its socket");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
