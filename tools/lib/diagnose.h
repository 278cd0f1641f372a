/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is going on with a resource, and what is wrong with it: pure functions over the model, so
 * that text and JSON say the same and the tests can ask without a kernel.
 */
#ifndef LOCKSTEP_DIAGNOSE_H
#define LOCKSTEP_DIAGNOSE_H

#include "err.h"
#include "model.h"

#define HEADLINE_BYTES	320

/* One line of words: "primary here, connected to bob, both copies up to date". */
void diagnose_headline(const struct model *m, const struct model_resource *r,
		       char ret[HEADLINE_BYTES]);

/* The one thing most worth mending. False: nothing is wrong, and *ret is empty. */
bool diagnose_problem(const struct model *m, const struct model_resource *r, struct err *ret);

/*
 * How bad a problem of a resource is, 0 the worst:
 *
 *   0  reads or writes wait
 *   1  the copies contradict each other, or cannot be read
 *   2  a disk is gone
 *   3  the primary goes on with one copy
 *   4  anything else
 *   5  somebody asked for it, or has yet to say what is wanted
 */
int diagnose_rank(const struct model_resource *r, const struct err *problem);

/* What diagnose_problem() says, about the host as a whole: module not loaded, daemon dead. */
bool diagnose_host(const struct model *m, struct err *ret);

#define SPLIT_SIDE_BYTES	320

/*
 * One side of a split brain: "12.0 KiB of its own, last written 2031-04-05 06:07:08; secondary,
 * last promoted 2031-04-05 06:00:00".
 */
void diagnose_split_side(const struct model_split_side *s, char ret[SPLIT_SIDE_BYTES]);

struct diagnose_sync {
	u64 total_bytes, left_bytes, done_bytes;
	unsigned int permille;		/* done */
	u64 rate_bytes_s;		/* of the last seconds, or since it began; 0: unknown */
	bool has_eta;
	u64 eta_s;
};

/* Progress of a running resync; false: none runs, or nothing is known of it. */
bool diagnose_sync(const struct model_volume *v, struct diagnose_sync *ret);
/* Of all volumes of a resource that are being synchronised, together. */
bool diagnose_sync_all(const struct model_resource *r, struct diagnose_sync *ret);

struct diagnose_verify {
	u64 total_bytes, done_bytes;
	unsigned int permille;
	u64 bad_bytes, repaired_bytes;
};

/* A verify that runs, or the last one; false: there was none. */
bool diagnose_verify(const struct model_volume *v, struct diagnose_verify *ret);

#endif /* LOCKSTEP_DIAGNOSE_H */
