/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Wire codec: the only place that reads or writes bytes of include/lockstep/wire.h (P8). Decoders
 * take a buffer and its length, check every field, and hand out host-order structs; on failure they
 * say which field, and write nothing. Buffers are aligned to 8 bytes. Data messages are in wire.c,
 * all else is in wire-ctl.c.
 */
#ifndef LOCKSTEP_CORE_WIRE_H
#define LOCKSTEP_CORE_WIRE_H

#include "os.h"
#include <lockstep/wire.h>

enum wire_err {
	WIRE_OK,
	WIRE_SHORT,		/* fewer bytes than the message needs */
	WIRE_MAGIC,
	WIRE_CRC,
	WIRE_TYPE,
	WIRE_FLAGS,
	WIRE_PAD,		/* a pad that must be zero is not */
	WIRE_LENGTH,		/* payload or body length not possible for this type */
	/* extent not aligned, empty, crossing a region, or beyond the largest device */
	WIRE_SECTOR,
	WIRE_VALUE,		/* another value out of range */
	WIRE_TEXT,		/* a string not terminated or not printable */
	WIRE_ORDER,		/* volumes not ascending */
	WIRE_ERR_NR
};

/* One data message. `arg` replaces `sector` for types without an extent. */
struct wire_msg {
	u8 type;
	u8 flags;
	u16 volume;
	u16 status;
	u32 payload_bytes;
	u32 size_bytes;
	u64 sector;
	u32 slot;
	u32 slot_gen;
	u64 epoch;
};

void wire_msg_encode(const struct wire_msg *m, struct lockstep_wire_hdr *ret);
enum wire_err wire_msg_decode(const struct lockstep_wire_hdr *h, struct wire_msg *ret);

/* Has this type an extent (sector, size) / a slot? */
bool wire_type_has_extent(u8 type);
bool wire_type_has_slot(u8 type);
/* Does it ask the receiver to read the extent? */
bool wire_type_is_read(u8 type);
/* Payload of a CSUM_DATA about an extent of so many bytes. */
#define LOCKSTEP_SUM_BYTES	8u
u32 wire_sums_bytes(u32 size_bytes);
/* Memory that a request takes at the receiver until it is answered: what the window counts. */
u32 wire_msg_memory(const struct wire_msg *m);
/*
 * May `answer` (decoded; slot and generation fit already) end `request`? One with a payload is
 * about the same extent, so its length is what the asker has made room for.
 */
bool wire_answer_fits(const struct wire_msg *request, const struct wire_msg *answer);
const char *wire_type_name(u8 type);
const char *wire_err_name(enum wire_err err);

/* Control messages. */
struct wire_ctl {
	u16 type;
	u32 body_bytes;
};

struct wire_hello_volume {
	u32 volume, flags;
	u64 current_id, current_nr, since_id, peer_boot_id;
	u64 data_sect, data_max_sect, oos_bits, meta_seq;
	u32 logical_bytes, physical_bytes, max_io_bytes, caps;
	u32 disk, sync;
	u64 history[LOCKSTEP_HISTORY];
};

struct wire_hello {
	u32 version_min, version_max;
	u64 features, boot_id, epoch, session_id;
	u32 node_id, peer_node_id, role, streams, nr_volumes, timeout_ms;
	char resource[LOCKSTEP_NAME_BYTES];
	char node[LOCKSTEP_NAME_BYTES];
};

struct wire_choice {
	u32 volume;
	u16 verdict, rule;
};

struct wire_token {
	u64 session_id, epoch;
	u32 streams, timeout_ms;
	u8 token[LOCKSTEP_KEY_BYTES];
};

struct wire_marks {
	u32 volume, run_bytes;
	u64 first_bit;
	const u8 *runs;			/* points into the decoded buffer */
};

struct wire_resize {
	u32 volume, flags;
	u64 data_sect;
};

struct wire_resize_done {
	u32 volume, refused;
	u64 data_max_sect;
	char text[240];
};

struct wire_split {
	u32 nr_volumes, role, no_primary, one_primary;
};

struct wire_split_volume {
	u32 volume, flags;
	u64 oos_bits, dirty_bytes, write_s, primary_s;
};

struct wire_resolve_done {
	u32 refused;
	char text[248];
};

struct wire_trace_done {
	u32 op, refused, nr;
	u64 epoch;
	char text[232];
};

struct wire_trace_item {
	u32 stream, slot, slot_gen;
	u64 disk_ns, answer_ns;
};

struct wire_refuse {
	u32 code;
	char text[252];
};

/* Header of a control message; body_bytes is checked against what the type can have. */
enum wire_err wire_ctl_decode(const void *buf, size_t len, struct wire_ctl *ret);
void wire_ctl_encode(const struct wire_ctl *c, struct lockstep_ctl_hdr *ret);

/*
 * Bodies. Encoders return the bytes written, or 0 if `cap` is too small. The hello decoder writes
 * at most `max_volumes` entries and fails with WIRE_LENGTH if there are more.
 */
size_t wire_hello_encode(const struct wire_hello *h, const struct wire_hello_volume *v, void *buf,
			 size_t cap);
enum wire_err wire_hello_decode(const void *buf, size_t len, struct wire_hello *ret,
				struct wire_hello_volume *ret_v, u32 max_volumes);
size_t wire_verdict_encode(const struct wire_choice *c, u32 nr, void *buf, size_t cap);
enum wire_err wire_verdict_decode(const void *buf, size_t len, struct wire_choice *ret, u32 max,
				  u32 *ret_nr);
size_t wire_token_encode(const struct wire_token *t, void *buf, size_t cap);
enum wire_err wire_token_decode(const void *buf, size_t len, struct wire_token *ret);
/* Header and runs. */
size_t wire_marks_encode(const struct wire_marks *m, void *buf, size_t cap);
enum wire_err wire_marks_decode(const void *buf, size_t len, struct wire_marks *ret);
/* The text is cut to fit. */
size_t wire_refuse_encode(u32 code, const char *text, void *buf, size_t cap);
enum wire_err wire_refuse_decode(const void *buf, size_t len, struct wire_refuse *ret);
size_t wire_resize_encode(const struct wire_resize *r, void *buf, size_t cap);
enum wire_err wire_resize_decode(const void *buf, size_t len, struct wire_resize *ret);
/* The text is r->text, cut to fit. */
size_t wire_resize_done_encode(const struct wire_resize_done *r, void *buf, size_t cap);
enum wire_err wire_resize_done_decode(const void *buf, size_t len, struct wire_resize_done *ret);

/* Of a split brain: wire-split.c. At most `max` volumes, WIRE_LENGTH if there are more. */
size_t wire_split_encode(const struct wire_split *s, const struct wire_split_volume *v, void *buf,
			 size_t cap);
enum wire_err wire_split_decode(const void *buf, size_t len, struct wire_split *ret,
				struct wire_split_volume *ret_v, u32 max);
size_t wire_resolve_encode(u32 keep, void *buf, size_t cap);
enum wire_err wire_resolve_decode(const void *buf, size_t len, u32 *ret_keep);
/* The text is d->text, cut to fit. */
size_t wire_resolve_done_encode(const struct wire_resolve_done *d, void *buf, size_t cap);
enum wire_err wire_resolve_done_decode(const void *buf, size_t len, struct wire_resolve_done *ret);

/* Of a trace: wire-trace.c. At most `max` items, WIRE_LENGTH if there are more. */
size_t wire_trace_encode(u32 op, void *buf, size_t cap);
enum wire_err wire_trace_decode(const void *buf, size_t len, u32 *ret_op);
/* The text is d->text, cut to fit. */
size_t wire_trace_done_encode(const struct wire_trace_done *d, const struct wire_trace_item *item,
			      void *buf, size_t cap);
enum wire_err wire_trace_done_decode(const void *buf, size_t len, struct wire_trace_done *ret,
				     struct wire_trace_item *ret_item, u32 max);

/* For the codec's own files: a text in its field, checked and written. */
bool wire_is_text(const u8 *field, size_t size);
void wire_put_text(const char *text, u8 *field, size_t size);

/* Data socket hello. proof and nonces are computed by the daemon. */
struct wire_join {
	u64 session_id;
	u32 stream;
	u8 nonce[32], proof[32];
};
void wire_join_encode(const struct wire_join *j, struct lockstep_wire_join *ret);
enum wire_err wire_join_decode(const void *buf, size_t len, struct wire_join *ret);

#endif /* LOCKSTEP_CORE_WIRE_H */
