// SPDX-License-Identifier: GPL-2.0
#include "remote.h"

#include "resource.h"
#include "session.h"
#include "volume.h"

/* A message's extent lies in one region and is no longer than a payload may be. */
static u32 part_bytes(const struct bvec_iter *iter)
{
	u64 to_region = LOCKSTEP_REGION_SECT - (iter->bi_sector & (LOCKSTEP_REGION_SECT - 1));

	return min3(iter->bi_size, (u32)(to_region << LOCKSTEP_SECT_SHIFT), LOCKSTEP_MAX_IO_BYTES);
}

static void part_done(struct lockstep_call *call, int status);

/* Ask for the first part of what is left. */
static bool ask(struct lockstep_remote *r)
{
	struct lockstep_resource *res = r->vol->res;
	struct lockstep_call *call = &r->call;
	struct lockstep_session *s;
	bool asked = false;
	int idx;

	call->tx.payload = NULL;
	call->done = part_done;
	call->soft = false;
	call->rx_vec = r->bio->bi_io_vec;
	call->rx_iter = r->iter;
	call->rx_iter.bi_size = part_bytes(&r->iter);
	idx = srcu_read_lock(&res->mode_srcu);
	s = srcu_dereference(res->session, &res->mode_srcu);
	if (s && READ_ONCE(s->started)) {
		call->msg = (struct wire_msg){
			.type = LOCKSTEP_WT_READ,
			.flags = LOCKSTEP_WH_SYNC,
			.volume = r->vol->number,
			.sector = r->iter.bi_sector,
			.size_bytes = call->rx_iter.bi_size,
			.epoch = s->epoch,
		};
		asked = lockstep_stream_call(lockstep_session_stream(s), call);
	}
	srcu_read_unlock(&res->mode_srcu, idx);
	return asked;
}

static void part_done(struct lockstep_call *call, int status)
{
	struct lockstep_remote *r = container_of(call, struct lockstep_remote, call);

	if (status == LOCKSTEP_WS_OK) {
		bio_advance_iter(r->bio, &r->iter, call->msg.size_bytes);
		if (r->iter.bi_size) {
			if (ask(r))
				return;
			status = LOCKSTEP_CALL_LOST;
		}
	}
	r->done(r, status);
}

bool lockstep_remote_read(struct lockstep_volume *vol, struct lockstep_remote *r)
{
	r->vol = vol;
	return ask(r);
}
