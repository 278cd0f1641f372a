// SPDX-License-Identifier: GPL-2.0
#include "streampick.h"

u32 streampick_io(u32 cpu, u32 nr_streams)
{
	return cpu % nr_streams;
}

u32 streampick_nr_bulk(u32 nr_streams, u32 nr_cpus)
{
	u32 most = max(nr_streams - 1, 1u), half = max(nr_cpus / 2, 1u);

	return min(most, half);
}

u32 streampick_bulk(u32 turn, u32 nr_streams, u32 nr_cpus)
{
	return nr_streams - 1 - turn % streampick_nr_bulk(nr_streams, nr_cpus);
}
