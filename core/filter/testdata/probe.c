/* A module with one fault, or none: what a macro says. The tests of the loader build one of each.
 */
#include <stdlib.h>
#include <string.h>

#include "api/abi/abi.h"

#ifndef PROBE_NAME
#define PROBE_NAME "test.probe"
#endif
#ifndef PROBE_VERSION
#define PROBE_VERSION "1.0.0"
#endif
#ifndef PROBE_MAGIC
#define PROBE_MAGIC POSTERN_ABI_MAGIC
#endif
#ifndef PROBE_SIZE
#define PROBE_SIZE sizeof(postern_manifest)
#endif
#ifndef PROBE_MAJOR
#define PROBE_MAJOR POSTERN_ABI_MAJOR
#endif
#ifndef PROBE_MINOR
#define PROBE_MINOR POSTERN_ABI_MINOR
#endif
#ifndef PROBE_CAPABILITIES
#define PROBE_CAPABILITIES 0
#endif
#ifndef PROBE_TABLE_SIZE
#define PROBE_TABLE_SIZE sizeof(postern_filter)
#endif

/* Static constructors run inside dlopen, before the host can look at anything. */
__attribute__((constructor)) static void loaded(void) { setenv("POSTERN_PROBE_LOADED", "1", 1); }

#ifndef PROBE_NO_MANIFEST
#ifdef PROBE_MANIFEST_IN_BSS
/* All zero, so that the file does not hold its bytes. */
__asm__(
    ".bss\n"
    ".globl postern_module_manifest\n"
    ".type postern_module_manifest, @object\n"
    ".size postern_module_manifest, 112\n"
    "postern_module_manifest: .zero 112\n"
    ".text\n");
#else
POSTERN_EXPORT const postern_manifest postern_module_manifest = {
    PROBE_MAGIC,        PROBE_SIZE, PROBE_MAJOR,  PROBE_MINOR,
    PROBE_CAPABILITIES, PROBE_NAME, PROBE_VERSION};
#endif
#endif

static const postern_host* host;

static void module_destroy(void* module) {
  (void)module;
  setenv("POSTERN_PROBE_DESTROYED", "1", 1);
}

static postern_status config_create(void* module, postern_config_ctx* ctx,
                                    const postern_config* config, void** out) {
  (void)module;
  (void)ctx;
  *out = malloc(config->bytes.len + 1);
  memcpy(*out, config->bytes.data, config->bytes.len);
  ((char*)*out)[config->bytes.len] = '\0';
  return POSTERN_OK;
}

static void config_destroy(void* config) { free(config); }

static postern_verdict response_headers(void* self, postern_ctx* stream, uint32_t flags) {
  (void)self;
  (void)stream;
  (void)flags;
  return POSTERN_CONTINUE;
}

#ifdef PROBE_BODY_HOOK
static postern_verdict response_body(void* self, postern_ctx* stream, uint32_t flags) {
  (void)self;
  (void)stream;
  (void)flags;
  return POSTERN_CONTINUE;
}
#endif

/* More than today's table, as a later minor's would be. */
static struct {
  postern_filter table;
  void (*later[4])(void);
} hooks;

#ifdef PROBE_UNDEFINED
void postern_function_that_no_host_has(void);
#endif

#ifndef PROBE_NO_INIT
POSTERN_EXPORT postern_status postern_module_init(const postern_host* h, postern_self* self,
                                                  void** module, const postern_filter** filter) {
  host = h;
  (void)self;
  (void)module;
#ifdef PROBE_UNDEFINED
  postern_function_that_no_host_has();
#endif
#ifdef PROBE_INIT_FAILS
  return POSTERN_E_INTERNAL;
#endif
#ifdef PROBE_NO_TABLE
  *filter = NULL;
  return POSTERN_OK;
#endif
  hooks.table.size = PROBE_TABLE_SIZE;
  hooks.table.module_destroy = module_destroy;
  hooks.table.config_create = config_create;
  hooks.table.config_destroy = config_destroy;
  hooks.table.response_headers = response_headers;
#ifdef PROBE_BODY_HOOK
  hooks.table.response_body = response_body;
#endif
  hooks.later[0] = abort;
  *filter = &hooks.table;
  return POSTERN_OK;
}
#endif
