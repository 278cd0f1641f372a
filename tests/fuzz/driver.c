// SPDX-License-Identifier: GPL-2.0
/*
 * Stand-in for libFuzzer in `make check`: mutates valid inputs (LLVMFuzzerSeed of each fuzzer) from
 * a fixed seed, a fixed number of times. Finds the same kind of fault, only less cleverly.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "os.h"

#define RUNS	60000
#define CAP	8192

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);
/* Valid input number n in buf (CAP bytes); returns its length, 0: no more. */
size_t fuzz_seed(u32 n, u8 *buf, size_t cap);

static u64 rng = 1;

static u64 roll(u64 n)
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return (rng * 0x2545f4914f6cdd1dull >> 33) % n;
}

static size_t mutate(u8 *buf, size_t len)
{
	static const u8 odd[] = { 0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x10, 0x20 };
	u64 n = roll(6);

	while (n--) {
		size_t at = len ? roll(len) : 0;

		switch (roll(6)) {
		case 0:
			len = roll(8) ? len : roll(len + 1);
			break;
		case 1:
			if (len + 16 < CAP) {
				memset(buf + len, (int)roll(256), 16);
				len += roll(17);
			}
			break;
		case 2:
			if (len > 8)
				memmove(buf + at / 2, buf + at, len - at);
			break;
		case 3:
			if (len)
				buf[at] = odd[roll(sizeof(odd))];
			break;
		default:
			if (len)
				buf[at] ^= (u8)(1u << roll(8));
		}
	}
	return len;
}

int main(int argc, char **argv)
{
	static u8 buf[CAP];
	u32 i, nr = 0;
	size_t len;
	u8 *exact;

	(void)argc;
	while (fuzz_seed(nr, buf, CAP))
		nr++;
	for (i = 0; i < RUNS; i++) {
		len = mutate(buf, fuzz_seed((u32)roll(nr), buf, CAP));
		/* Of exactly this size, so that one byte too far is seen. */
		exact = malloc(len ? len : 1);
		if (!exact)
			return 1;
		memcpy(exact, buf, len);
		LLVMFuzzerTestOneInput(exact, len);
		free(exact);
	}
	printf("  FUZZ    %s: %u runs from %u inputs\n", strrchr(argv[0], '/') + 1, RUNS, nr);
	return 0;
}
