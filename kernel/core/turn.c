// SPDX-License-Identifier: GPL-2.0
#include "turn.h"

bool turn_is_soft(const struct wire_msg *m, u64 epoch)
{
	return m->type == LOCKSTEP_WT_ACK && m->status == LOCKSTEP_WS_OK && m->epoch == epoch;
}

u32 turn_need(const struct wire_msg *m, u64 epoch)
{
	u32 need = sizeof(struct lockstep_wire_hdr);

	/* What belongs to no session of ours has a length that nobody should wait for. */
	if (m && m->epoch == epoch)
		need += min(m->payload_bytes, TURN_ENOUGH_BYTES);
	return need;
}

bool turn_wakes(bool owned, u32 queued, u32 need, u32 room)
{
	return owned || queued >= min(need, room / 4);
}

u32 turn_part(u32 left, u32 room, bool *ret_wait)
{
	u32 most = min(room / 4, TURN_PART_BYTES), part = min(left, most);

	*ret_wait = part > TURN_ENOUGH_BYTES;
	return *ret_wait ? part : left;
}
