/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What two hellos lead to: a session on agreed terms, or a refusal both sides word alike. Pure:
 * no sockets, no kernel, no time. Each side computes it for itself and the verdicts are compared
 * afterwards (P5).
 *
 * [A1] Both sides calling agree() with the arguments swapped come to mirrored verdicts and the
 * same refusal code.
 * [A2] A primary is never made a target: that is refused here, on top of gen_compare().
 */
#ifndef LOCKSTEPD_AGREE_H
#define LOCKSTEPD_AGREE_H

#include "gen.h"
#include "model.h"
#include "os.h"
#include "wire.h"

struct hello {
	struct wire_hello h;
	struct wire_hello_volume *v;	/* h.nr_volumes of LOCKSTEP_MAX_VOLUMES */
};

struct agreed_volume {
	u32 volume;
	enum gen_verdict verdict;
	enum gen_rule rule;
	u64 data_sect;
	u32 logical_bytes, physical_bytes, max_io_bytes, caps;
};

struct agreement {
	u32 refuse;		/* enum lockstep_refuse; 0: agreed, and only then the rest counts */
	char text[252];		/* one sentence, the same on both sides */
	char mend[512];
	u32 streams, timeout_ms;
	u64 epoch;		/* least one for a new session */
	bool is_target, is_source;	/* of any volume */
	bool starts_first;	/* our SESSION_START comes before the peer's */
	/* With refuse SPLIT: the first volume that is, by which rule; the same number on both sides
	 * for as long as both say the same.
	 */
	u32 split_volume;
	enum gen_rule split_rule;	/* GEN_RULE_NONE: volumes that are newer here and there */
	u64 split_id;
	u32 nr_volumes;
	struct agreed_volume *volume;	/* caller's array of LOCKSTEP_MAX_VOLUMES */
};

/* Our hello from what the kernel says. `hello->v` is the caller's array. */
struct agree_self {
	u32 streams, timeout_ms;	/* wanted */
};

void agree_fill_hello(const struct model_resource *r, const struct agree_self *self,
		      struct hello *ret);

/*
 * What is split, as one number: it changes with any generation and role of either side and with
 * each write of the metadata. Never 0; the same with the arguments swapped and `dialler` too.
 */
u64 agree_split_id(const struct hello *mine, const struct hello *theirs, bool dialler);
/*
 * Of two such numbers: would the dialler (else the listener) lose the same, to the same copy? Then
 * a side that is secondary has not been written in between. What the other one did is no matter: it
 * loses nothing.
 */
bool agree_split_same(u64 a, u64 b, bool dialler_loses);

/*
 * What a session on these terms would copy, in words: "volume 0: at most 12.0 KiB from bob (rule
 * since-peer); ...".
 */
void agree_describe(const struct hello *mine, const struct hello *theirs,
		    const struct agreement *a, char *ret, size_t size);

/* dialler: we are the one that dials. */
void agree(const struct hello *mine, const struct hello *theirs, bool dialler,
	   struct agreement *ret);

#endif /* LOCKSTEPD_AGREE_H */
