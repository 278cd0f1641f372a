/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What mends a refusal, for those who say only what is wrong: a command for each refusal of the
 * state machine (kernel/core/state.h), whose sentences the module sends, and for each stable word a
 * problem may have. Pure tables; tests/tools/test_refusal.c sees that nothing is missing in them.
 */
#ifndef LOCKSTEP_REFUSAL_H
#define LOCKSTEP_REFUSAL_H

#include "err.h"
#include "os.h"
#include "state.h"

/* NULL: no row. NAME in it stands for the resource. */
const char *refusal_mend_state(enum state_refusal rf);
/* Of a problem or refusal of the daemon's; PEER stands for the other host. NULL: no row. */
const char *refusal_mend_code(const char *code);

/*
 * The sentence of the module, as it came, into e->what and e->mend: a command that it ends with
 * ("...; on bob: lockstep demote r0") is what mends it; else what the table has for a sentence of
 * the state machine; else nothing.
 */
void refusal_split(struct err *e, const char *resource);

/*
 * The kernel's refusal of OUTDATE, `error`, under the words that exit codes of fencing programs are
 * made of. That it may not be asked at all (-EPERM too, but "no-permission") is a word on who asks
 * and none on the copy: taken for "primary" it would keep the peer waiting for nothing.
 */
void refusal_outdate(struct err *e, int error);

/* If e says what is wrong and not what mends it: the row of its code, or where to look. */
void refusal_complete(struct err *e, const char *resource, const char *peer);

#endif /* LOCKSTEP_REFUSAL_H */
