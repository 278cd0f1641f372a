// SPDX-License-Identifier: GPL-2.0
#include "autorole.h"

enum autorole_next autorole_next(const struct autorole_facts *f)
{
	if (f->wanted)
		return f->enabled && !f->writable ? AUTOROLE_PROMOTE : AUTOROLE_NOTHING;
	return f->primary && f->automatic && !f->openers ? AUTOROLE_DEMOTE : AUTOROLE_NOTHING;
}

/*
 * ALREADY: it is primary, and not writable: a demotion is under way, and this side may be promoted
 * again when that is done.
 */
bool autorole_may_pass(enum state_refusal r)
{
	switch (r) {
	case STATE_RF_ALREADY:
	case STATE_RF_PEER_PRIMARY:
	case STATE_RF_ASKING:
	case STATE_RF_CONNECTING:
	case STATE_RF_NARROWING:
	case STATE_RF_STRAYS:
		return true;
	default:
		return false;
	}
}

/* Numbers of tries go round; nobody waits for half of them. */
bool autorole_saw_one(const struct autorole_opener *o)
{
	u32 since = o->ended - o->came;

	return since && since < 1u << 31;
}

enum autorole_wait autorole_wait(const struct autorole_opener *o)
{
	if (o->going)
		return AUTOROLE_GONE;
	if (o->writable)
		return AUTOROLE_OPEN;
	if (!o->enabled || o->waited_ms >= o->limit_ms)
		return AUTOROLE_REFUSED;
	if (autorole_saw_one(o) && (!o->may_pass || o->waited_ms >= AUTOROLE_PATIENCE_MS))
		return AUTOROLE_REFUSED;
	return AUTOROLE_WAIT;
}

u64 autorole_limit_ms(u32 timeout_ms)
{
	return 2ull * timeout_ms + AUTOROLE_PATIENCE_MS;
}
