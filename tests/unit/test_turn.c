// SPDX-License-Identifier: GPL-2.0
/* Every message that can be decoded, and every number of bytes around each limit. */
#include "test.h"
#include "turn.h"

#define HDR	((u32)sizeof(struct lockstep_wire_hdr))
#define EPOCH	7u

static void soft(void **state)
{
	u32 type, status, epoch, nr = 0;

	(void)state;
	for (type = 0; type < 256; type++)
		for (status = 0; status < LOCKSTEP_WS_NR; status++)
			for (epoch = EPOCH - 1; epoch <= EPOCH + 1; epoch++) {
				struct wire_msg m = { .type = (u8)type, .status = (u16)status,
						      .epoch = epoch };

				if (!turn_is_soft(&m, EPOCH))
					continue;
				assert_int_equal(type, LOCKSTEP_WT_ACK);
				assert_int_equal(status, LOCKSTEP_WS_OK);
				assert_int_equal(epoch, EPOCH);
				nr++;
			}
	assert_int_equal(nr, 1);
}

static void need(void **state)
{
	static const u32 bytes[] = { 0, 1, 512, 4096, TURN_ENOUGH_BYTES - 1, TURN_ENOUGH_BYTES,
				     TURN_ENOUGH_BYTES + 1, LOCKSTEP_MAX_IO_BYTES, ~0u };
	u32 i;

	(void)state;
	assert_int_equal(turn_need(NULL, EPOCH), HDR);
	for (i = 0; i < ARRAY_SIZE(bytes); i++) {
		struct wire_msg m = { .epoch = EPOCH, .payload_bytes = bytes[i] };
		u32 n = turn_need(&m, EPOCH);

		/* The whole message if it is short; never more than enough; the header always. */
		assert_int_equal(n, bytes[i] < TURN_ENOUGH_BYTES ? HDR + bytes[i] :
								   HDR + TURN_ENOUGH_BYTES);
		m.epoch++;
		assert_int_equal(turn_need(&m, EPOCH), HDR);
	}
}

static void wakes(void **state)
{
	u32 queued, want, room;

	(void)state;
	for (queued = 0; queued < 300; queued++)
		for (want = HDR; want < 300; want += 7)
			for (room = 4; room < 4 * 400; room += 52) {
				bool wake = turn_wakes(false, queued, want, room);

				assert_true(turn_wakes(true, queued, want, room));
				/* Nothing is waited for that is there, or cannot come. */
				if (queued >= want || queued >= room / 4)
					assert_true(wake);
				else
					assert_false(wake);
			}
}

static void part(void **state)
{
	static const u32 some[] = { 1, 4096, TURN_ENOUGH_BYTES, TURN_ENOUGH_BYTES + 1,
				    TURN_PART_BYTES - 1, TURN_PART_BYTES, TURN_PART_BYTES + 1,
				    LOCKSTEP_MAX_IO_BYTES };
	u32 i, k, n, quarter;
	bool wait;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(some); i++)
		for (k = 0; k < ARRAY_SIZE(some); k++) {
			quarter = some[k];
			n = turn_part(some[i], 4 * quarter + 3, &wait);
			assert_true(n > 0 && n <= some[i]);
			/* Nothing is waited for that cannot come, or is not worth it. */
			if (some[i] <= TURN_ENOUGH_BYTES || quarter <= TURN_ENOUGH_BYTES) {
				assert_false(wait);
				assert_int_equal(n, some[i]);
			} else {
				assert_true(wait);
				assert_true(n > TURN_ENOUGH_BYTES);
				assert_true(n == some[i] || n == quarter || n == TURN_PART_BYTES);
				assert_true(n <= quarter && n <= TURN_PART_BYTES);
			}
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(soft),
		cmocka_unit_test(need),
		cmocka_unit_test(wakes),
		cmocka_unit_test(part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
