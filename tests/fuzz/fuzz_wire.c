// SPDX-License-Identifier: GPL-2.0
/* Data message headers. What is accepted is in bounds, and encodes to the same bytes. */
#include <assert.h>
#include "wire.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
size_t fuzz_seed(u32 n, u8 *buf, size_t cap);

static void check(const struct lockstep_wire_hdr *h)
{
	struct lockstep_wire_hdr again;
	struct wire_msg m;

	if (wire_msg_decode(h, &m))
		return;
	assert(m.volume < LOCKSTEP_MAX_VOLUMES);
	assert(m.payload_bytes <= LOCKSTEP_MAX_IO_BYTES);
	if (wire_type_has_extent(m.type)) {
		assert(m.size_bytes && m.size_bytes <= LOCKSTEP_REGION_BYTES);
		assert(m.sector + m.size_bytes / 512 <= LOCKSTEP_MAX_DATA_SECT);
		assert(wire_msg_memory(&m) <= LOCKSTEP_MAX_IO_BYTES);
		if (m.type == LOCKSTEP_WT_CSUM_DATA)
			assert(m.payload_bytes == wire_sums_bytes(m.size_bytes) &&
			       m.payload_bytes <= 2048);
		else
			assert(!m.payload_bytes || m.payload_bytes == m.size_bytes);
	} else {
		assert(!m.payload_bytes);
	}
	wire_msg_encode(&m, &again);
	assert(!memcmp(h, &again, sizeof(again)));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct lockstep_wire_hdr h;

	if (size < sizeof(h))
		return 0;
	memcpy(&h, data, sizeof(h));
	check(&h);
	/* A peer can always make the checksum right. */
	h.magic = cpu_to_le16(LOCKSTEP_WIRE_MAGIC);
	h.crc = cpu_to_le32(os_crc32c(&h, offsetof(struct lockstep_wire_hdr, crc)));
	check(&h);
	return 0;
}

size_t fuzz_seed(u32 n, u8 *buf, size_t cap)
{
	struct wire_msg m = {
		.type = (u8)(n + 1), .slot = 7, .slot_gen = 9, .epoch = 3, .sector = 8,
	};

	if (n + 1 >= LOCKSTEP_WT_NR || cap < sizeof(struct lockstep_wire_hdr))
		return 0;
	if (wire_type_has_extent(m.type))
		m.size_bytes = 4096;
	if (m.type == LOCKSTEP_WT_WRITE || m.type == LOCKSTEP_WT_DATA)
		m.payload_bytes = 4096;
	if (m.type == LOCKSTEP_WT_CSUM_DATA)
		m.payload_bytes = 8;
	wire_msg_encode(&m, (struct lockstep_wire_hdr *)buf);
	return sizeof(struct lockstep_wire_hdr);
}
