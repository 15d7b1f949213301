/* A filter for the tests of loading and reloading: it says which version of it answers, holds every
 * request for a moment, hands its worker state over, and ends the process when it is called with
 * something that has been destroyed. Configuration: "text", which is shown; "bad" is refused. */
#include <stdlib.h>
#include <string.h>

#include "api/abi/abi.h"

#ifndef VERSION
#define VERSION "1.0.0"
#endif

POSTERN_EXPORT const postern_manifest postern_module_manifest = {POSTERN_ABI_MAGIC,
                                                                 sizeof(postern_manifest),
                                                                 POSTERN_ABI_MAJOR,
                                                                 0,
                                                                 0,
                                                                 "test.versioned",
                                                                 VERSION};

enum { ALIVE = 0x600d, DEAD = 0xdead };

typedef struct config {
  int alive;
  size_t length;
  char text[64];
} config;

typedef struct worker {
  int alive;
  unsigned generation; /* Rises with each hand-over. */
} worker;

typedef struct stream {
  int alive;
  const config* config;
  const worker* worker;
} stream;

static const postern_host* host;

static void must(int condition) {
  if (!condition) abort();
}

static postern_str text(const char* data) {
  postern_str s;
  s.data = data;
  s.len = strlen(data);
  return s;
}

static void refuse(postern_config_ctx* ctx, const char* field, const char* message) {
  host->config_error(ctx, text(field), text(message));
}

/* Good enough for {"text":"..."} as the gateway writes it. */
static postern_status config_create(void* module, postern_config_ctx* ctx, const postern_config* in,
                                    void** out) {
  static const char key[] = "{\"text\":\"";
  const size_t skip = sizeof(key) - 1;
  config* made;
  (void)module;
  must(in->parent == NULL || ((const config*)in->parent)->alive == ALIVE);
  if (in->bytes.len < skip + 2 || memcmp(in->bytes.data, key, skip) != 0) {
    refuse(ctx, "text", "is needed");
    refuse(ctx, "", "nothing else is known");
    return POSTERN_E_INVALID;
  }
  made = calloc(1, sizeof(*made));
  made->alive = ALIVE;
  made->length = in->bytes.len - skip - 2;
  if (made->length >= sizeof(made->text)) made->length = sizeof(made->text) - 1;
  memcpy(made->text, in->bytes.data + skip, made->length);
  if (made->length == 3 && memcmp(made->text, "bad", 3) == 0) refuse(ctx, "text", "is bad");
  *out = made;
  return POSTERN_OK;
}

static void config_destroy(void* c) {
  must(((config*)c)->alive == ALIVE);
  ((config*)c)->alive = DEAD;
  free(c);
}

static postern_status worker_create(const void* c, postern_ctx* ctx, void* previous, void** state) {
  worker* made = calloc(1, sizeof(*made));
  (void)ctx;
  must(((const config*)c)->alive == ALIVE);
  if (previous != NULL) {
    must(((worker*)previous)->alive == ALIVE);
    made->generation = ((worker*)previous)->generation + 1;
  }
  made->alive = ALIVE;
  *state = made;
  return POSTERN_OK;
}

static void worker_destroy(void* state) {
  must(((worker*)state)->alive == ALIVE);
  ((worker*)state)->alive = DEAD;
  free(state);
}

static void* stream_create(const void* c, void* state, postern_ctx* ctx) {
  stream* made = calloc(1, sizeof(*made));
  (void)ctx;
  made->alive = ALIVE;
  made->config = c;
  made->worker = state;
  must(made->config->alive == ALIVE && made->worker->alive == ALIVE);
  return made;
}

static const stream* check(void* self) {
  const stream* s = self;
  must(s->alive == ALIVE && s->config->alive == ALIVE && s->worker->alive == ALIVE);
  return s;
}

static postern_verdict request_headers(void* self, postern_ctx* ctx, uint32_t flags) {
  (void)flags;
  check(self);
  must(host->timer_start(ctx, 3, 1, NULL) == POSTERN_OK);
  return POSTERN_PAUSE;
}

static void stream_event(void* self, postern_ctx* ctx, const postern_event* event) {
  check(self);
  must(event->type == POSTERN_EVENT_TIMER);
  must(host->resume(ctx, POSTERN_REQUEST) == POSTERN_OK);
}

static postern_verdict response_headers(void* self, postern_ctx* ctx, uint32_t flags) {
  const stream* s = check(self);
  postern_str shown;
  char generation[2] = {'0', '\0'};
  (void)flags;
  generation[0] = (char)('0' + (s->worker->generation > 9 ? 9 : s->worker->generation));
  shown.data = s->config->text;
  shown.len = s->config->length;
  host->header_set(ctx, POSTERN_RESPONSE_HEADERS, text("x-version"), text(VERSION));
  host->header_set(ctx, POSTERN_RESPONSE_HEADERS, text("x-generation"), text(generation));
  host->header_set(ctx, POSTERN_RESPONSE_HEADERS, text("x-text"), shown);
  return POSTERN_CONTINUE;
}

static void stream_end(void* self, postern_ctx* ctx) {
  (void)ctx;
  check(self);
}

static void stream_destroy(void* self) {
  check(self);
  ((stream*)self)->alive = DEAD;
  free(self);
}

POSTERN_EXPORT postern_status postern_module_init(const postern_host* h, postern_self* self,
                                                  void** module, const postern_filter** filter) {
  static postern_filter hooks;
  (void)self;
  (void)module;
  host = h;
  hooks.size = sizeof(hooks);
  hooks.config_create = config_create;
  hooks.config_destroy = config_destroy;
  hooks.worker_create = worker_create;
  hooks.worker_destroy = worker_destroy;
  hooks.stream_create = stream_create;
  hooks.request_headers = request_headers;
  hooks.stream_event = stream_event;
  hooks.response_headers = response_headers;
  hooks.stream_end = stream_end;
  hooks.stream_destroy = stream_destroy;
  *filter = &hooks;
  return POSTERN_OK;
}
