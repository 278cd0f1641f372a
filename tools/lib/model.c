// SPDX-License-Identifier: GPL-2.0
#include "model.h"

#include <stdlib.h>

void model_init(struct model *m)
{
	memset(m, 0, sizeof(*m));
}

void model_free(struct model *m)
{
	for (u32 i = 0; i < m->nr_resources; i++)
		free(m->resource[i].volume);
	free(m->resource);
	model_init(m);
}

static int copy_volumes(struct model_resource *to, const struct model_resource *from)
{
	size_t size = from->nr_volumes * sizeof(*from->volume);

	to->volume = size ? malloc(size) : NULL;
	to->nr_volumes = 0;
	if (!size)
		return 0;
	if (!to->volume)
		return -ENOMEM;
	memcpy(to->volume, from->volume, size);
	to->nr_volumes = from->nr_volumes;
	return 0;
}

int model_copy(struct model *to, const struct model *from)
{
	int ret = 0;

	model_init(to);
	to->resource = calloc(from->nr_resources + 1, sizeof(*to->resource));
	if (!to->resource)
		return -ENOMEM;
	to->has_module = from->has_module;
	to->has_daemon = from->has_daemon;
	for (u32 i = 0; i < from->nr_resources && ret == 0; i++) {
		to->resource[i] = from->resource[i];
		ret = copy_volumes(&to->resource[i], &from->resource[i]);
		to->nr_resources++;
	}
	if (ret)
		model_free(to);
	return ret;
}

struct model_resource *model_find(const struct model *m, const char *name)
{
	for (u32 i = 0; i < m->nr_resources; i++)
		if (!strcmp(m->resource[i].name, name))
			return &m->resource[i];
	return NULL;
}

struct model_volume *model_find_volume(const struct model_resource *r, u32 number)
{
	for (u32 i = 0; i < r->nr_volumes; i++)
		if (r->volume[i].number == number)
			return &r->volume[i];
	return NULL;
}

struct model_resource *model_resource(struct model *m, const char *name)
{
	struct model_resource *r = model_find(m, name);
	size_t len = strnlen(name, sizeof(r->name));
	u32 at = 0;

	if (r || len == sizeof(r->name))
		return r;
	r = reallocarray(m->resource, m->nr_resources + 1, sizeof(*r));
	if (!r)
		return NULL;
	m->resource = r;
	while (at < m->nr_resources && strcmp(r[at].name, name) < 0)
		at++;
	memmove(&r[at + 1], &r[at], (m->nr_resources - at) * sizeof(*r));
	memset(&r[at], 0, sizeof(*r));
	memcpy(r[at].name, name, len + 1);
	m->nr_resources++;
	return &r[at];
}

struct model_volume *model_volume(struct model_resource *r, u32 number)
{
	struct model_volume *v = model_find_volume(r, number);
	u32 at = 0;

	if (v || r->nr_volumes >= LOCKSTEP_MAX_VOLUMES)
		return v;
	v = reallocarray(r->volume, r->nr_volumes + 1, sizeof(*v));
	if (!v)
		return NULL;
	r->volume = v;
	while (at < r->nr_volumes && v[at].number < number)
		at++;
	memmove(&v[at + 1], &v[at], (r->nr_volumes - at) * sizeof(*v));
	memset(&v[at], 0, sizeof(*v));
	v[at].number = number;
	r->nr_volumes++;
	return &v[at];
}

bool model_is_partial(const struct model_resource *r)
{
	return r->in_kernel && r->nr_volumes < r->kernel_volumes;
}

u64 model_volume_sect(const struct model_volume *v)
{
	return v->data_sect ? v->data_sect : v->data_max_sect;
}
