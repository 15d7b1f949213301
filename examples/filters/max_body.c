/* In plain C: collects the request body up to a limit, and tells the integration its length and a
 * checksum (FNV-1a, 64 bits) in two headers. A body above the limit is answered by the gateway. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/abi/abi.h"

static const postern_host* g_host;

static postern_str Text(const char* text) {
  postern_str s;
  s.data = text;
  s.len = strlen(text);
  return s;
}

/* {"limit":N}, compact as the gateway sends it, is all that this reads. */
static postern_status CreateConfig(void* module, postern_config_ctx* ctx,
                                   const postern_config* config, void** out) {
  static const char kBefore[] = "{\"limit\":";
  const size_t before = sizeof kBefore - 1;
  uint64_t limit = 0;
  uint64_t* object;
  size_t i = before;
  (void)module;
  if (config->bytes.len > before && memcmp(config->bytes.data, kBefore, before) == 0) {
    while (i < config->bytes.len && i < before + 9 && config->bytes.data[i] >= '0' &&
           config->bytes.data[i] <= '9') {
      limit = limit * 10 + (uint64_t)(config->bytes.data[i++] - '0');
    }
  }
  if (limit == 0 || i + 1 != config->bytes.len || config->bytes.data[i] != '}') {
    g_host->config_error(ctx, Text("limit"), Text("write {\"limit\":BYTES}, 1 to 999999999"));
    return POSTERN_E_INVALID;
  }
  object = malloc(sizeof *object);
  if (object == NULL) return POSTERN_E_INTERNAL;
  *object = limit;
  *out = object;
  return POSTERN_OK;
}

/* Without state of its own, a stream's filter is its configuration. */
static void* CreateStream(const void* config, void* worker_state, postern_ctx* stream) {
  (void)worker_state;
  (void)stream;
  return (void*)config;
}

static postern_verdict RequestHeaders(void* self, postern_ctx* stream, uint32_t flags) {
  const uint64_t* limit = self;
  if (flags & POSTERN_F_END_STREAM) return POSTERN_DETACH;
  if (g_host->body_mode(stream, POSTERN_REQUEST, POSTERN_BODY_BUFFER, *limit) != POSTERN_OK) {
    return POSTERN_FAIL;
  }
  return POSTERN_CONTINUE;
}

/* Once, with the whole body. */
static postern_verdict RequestBody(void* self, postern_ctx* stream, uint32_t flags) {
  postern_str few[16];
  postern_str* slices = few;
  char text[32];
  uint64_t total = 0;
  uint64_t sum = 14695981039346656037u;
  size_t count = g_host->body_read(stream, POSTERN_REQUEST, few, 16, &total);
  size_t i;
  size_t k;
  (void)self;
  (void)flags;
  if (count > 16) {
    slices = malloc(count * sizeof *slices);
    if (slices == NULL) return POSTERN_FAIL;
    g_host->body_read(stream, POSTERN_REQUEST, slices, count, NULL);
  }
  for (i = 0; i < count; ++i) {
    for (k = 0; k < slices[i].len; ++k) {
      sum = (sum ^ (unsigned char)slices[i].data[k]) * 1099511628211u;
    }
  }
  if (slices != few) free(slices);
  snprintf(text, sizeof text, "%llu", (unsigned long long)total);
  g_host->header_set(stream, POSTERN_REQUEST_HEADERS, Text("x-body-length"), Text(text));
  snprintf(text, sizeof text, "%016llx", (unsigned long long)sum);
  g_host->header_set(stream, POSTERN_REQUEST_HEADERS, Text("x-body-fnv1a"), Text(text));
  return POSTERN_DETACH;
}

static const postern_filter kFilter = {
    .size = sizeof(postern_filter),
    .config_create = CreateConfig,
    .config_destroy = free,
    .stream_create = CreateStream,
    .request_headers = RequestHeaders,
    .request_body = RequestBody,
};

const postern_manifest postern_module_manifest = {
    .magic = POSTERN_ABI_MAGIC,
    .size = sizeof(postern_manifest),
    .abi_major = POSTERN_ABI_MAJOR,
    .abi_minor = 0,
    .capabilities = POSTERN_CAP_BODY,
    .name = "sample.max_body",
    .version = "1.0.0",
};

postern_status postern_module_init(const postern_host* host, postern_self* self, void** module,
                                   const postern_filter** filter) {
  (void)self;
  (void)module;
  g_host = host;
  *filter = &kFilter;
  return POSTERN_OK;
}
