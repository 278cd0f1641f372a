/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the model says of a resource, as JSON: one form for `lockstep status --json` and for the
 * daemon's stream of events. Below it the small pieces, for whoever prints more in the same style.
 */
#ifndef LOCKSTEP_STATE_JSON_H
#define LOCKSTEP_STATE_JSON_H

#include <jansson.h>

#include "err.h"
#include "model.h"

json_t *state_json_resource(const struct model *m, const struct model_resource *r);
json_t *state_json_verify(const struct model_volume *v);
json_t *state_json_flags(u32 flags);			/* LOCKSTEP_MF_*, by their words */
json_t *state_json_err(const struct err *e, u64 since_s);

/* Text need not be UTF-8, which is all JSON can carry: what is not becomes '?'. */
json_t *sj_str(const char *s);
json_t *sj_str_or_null(const char *s);		/* "": null */
json_t *sj_num(u64 v);
json_t *sj_id(u64 v);				/* hex string; 0: null */
json_t *sj_bits(u64 v);				/* of the bitmap, as bytes */
void sj_put(json_t *o, const char *key, json_t *value);	/* consumes value */

#endif /* LOCKSTEP_STATE_JSON_H */
