/* The filter ABI of Postern, major 1: all that passes between the gateway and a filter module.
 *
 * What each minor added:
 *   1.0  2026-11-20  All of it.
 *
 * A module is a shared object that exports two symbols (the end of this file): a manifest without
 * pointers, which the host reads before it runs any code of the module, and postern_module_init,
 * where the host hands over its table of functions and gets the module's table of hooks. Nothing
 * else crosses, in either direction.
 *
 * Rules that hold throughout:
 *
 * Tables and structs   Those that may grow start with their own size in bytes, set by whoever fills
 *                      them. The receiver reads what both know. postern_str, postern_header and
 *                      postern_value never grow.
 * Borrowed bytes       A postern_str passed into a function is read before the function returns,
 *                      unless a release function comes with it. One that is handed out points into
 *                      host memory and lives until the hook returns, or until the same map or body
 *                      is changed, whichever is first. Bytes are not NUL-terminated. {NULL, 0} and
 *                      {x, 0} are both empty; where they differ the function says so.
 * Header names         Lower-case where the host gives them. Given to the host they may be in any
 *                      case: they are compared without it, and what a filter writes goes out over
 *                      HTTP/1.1 in the spelling it was given (HTTP/2 has lower-case names only).
 *                      The pseudo-headers ":method", ":path", ":scheme", ":authority" and ":status"
 *                      are lower-case, and read and set like others. The route was chosen before
 *                      the first filter and does not change, whatever a filter writes.
 * No re-entry          The host never calls a hook from inside a host function. Everything that
 *                      completes later (callout, timer, wake) arrives through stream_event or
 *                      worker_event, from the loop.
 * Threads              A stream belongs to one worker thread, from stream_create to stream_destroy;
 *                      its hooks never overlap. Each function below says where it may be called.
 *                      From elsewhere it returns POSTERN_E_STATE (or NULL, or 0) and does nothing.
 * Unwinding            No exception and no longjmp may leave a hook: the process would end.
 * Out-parameters       Written only when the function succeeds, unless it says otherwise. Never
 *                      NULL, unless it says otherwise.
 *
 * C99 or later, C++17 or later. Needs nothing but these two headers.
 */
#ifndef POSTERN_ABI_H_
#define POSTERN_ABI_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define POSTERN_ABI_MAGIC 0x4e545350u /* "PSTN" when read as little-endian bytes. */
#define POSTERN_ABI_MAJOR 1u          /* Equal on both sides, or the module is refused. */
#define POSTERN_ABI_MINOR 0u          /* The host's is at least the module's, or it is refused. */

/* ---- Plain values ----
 *
 * No C enum appears in a signature, because its width is the compiler's choice. Values that go from
 * module to host may gain members in any minor: the host answers an unknown one with E_INVALID, an
 * unknown verdict with the failure policy. Values that go from host to module gain members only for
 * modules whose manifest asks for the minor that added them.
 */

/* What a function returns. Negative: an error, and nothing was done. */
typedef int32_t postern_status;
enum {
  POSTERN_PENDING = 1, /* Returned by worker_create alone: not ready yet, see worker_ready. */
  POSTERN_OK = 0,
  POSTERN_E_INVALID = -1,   /* An argument breaks its contract. */
  POSTERN_E_STATE = -2,     /* The right call, but in the wrong phase or on the wrong thread. */
  POSTERN_E_NOT_FOUND = -3, /* No such thing, or its owner is gone. */
  POSTERN_E_LIMIT = -4,     /* A configured limit would be passed. */
  POSTERN_E_CONFLICT = -5,  /* shared_put: somebody else was faster. */
  POSTERN_E_DENIED = -6,    /* Capability not declared, not granted, or a name that is not yours. */
  POSTERN_E_INTERNAL = -7   /* None of these; the log has more. */
};

/* What a message hook decides. */
typedef uint32_t postern_verdict;
enum {
  POSTERN_CONTINUE = 0, /* Pass it on. */
  POSTERN_PAUSE = 1,    /* Hold this event and all behind it in this direction, until resume() or
                           reply(). Past the instance's pause limit the host fails the stream with
                           the detail "filter_stalled:<instance>". */
  POSTERN_DETACH = 2,   /* Pass it on, and call no more message hooks for this direction. In BUFFER
                           mode, from the headers hook, also gives the buffering up. */
  POSTERN_FAIL = 3      /* Apply the failure policy that the operator chose for this instance. */
};

/* Direction. */
enum { POSTERN_REQUEST = 0, POSTERN_RESPONSE = 1 };

/* Header map. */
enum {
  POSTERN_REQUEST_HEADERS = 0,
  POSTERN_RESPONSE_HEADERS = 1,
  POSTERN_REQUEST_TRAILERS = 2,
  POSTERN_RESPONSE_TRAILERS = 3
};

/* Or-ed to a header map, for header_list alone. */
#define POSTERN_AS_SENT 0x100u

/* How a filter wants a body; see body_mode. */
enum {
  POSTERN_BODY_SKIP = 0,    /* No body hook for this message. */
  POSTERN_BODY_OBSERVE = 1, /* Chunks may be read. The default where the body hook exists. */
  POSTERN_BODY_REWRITE = 2, /* Chunks may be read and changed as they pass. */
  POSTERN_BODY_BUFFER = 3   /* Headers and body wait until the body is whole. */
};

/* Flags of headers and body hooks. */
enum {
  POSTERN_F_END_STREAM = 1, /* Nothing follows in this direction: no body, no trailers. */
  POSTERN_F_BODY_LAST = 2   /* The last body event, the place to flush; trailers may follow. Each
                               body that exists ends with exactly one such event, maybe empty. */
};

/* Log level. */
enum {
  POSTERN_LOG_TRACE = 0,
  POSTERN_LOG_DEBUG = 1,
  POSTERN_LOG_INFO = 2,
  POSTERN_LOG_WARN = 3,
  POSTERN_LOG_ERROR = 4
};

/* Clock. */
enum {
  POSTERN_CLOCK_MONOTONIC_MS = 0, /* Milliseconds since some moment; never goes back. */
  POSTERN_CLOCK_WALL_MS = 1       /* Milliseconds since 1970-01-01T00:00:00Z. */
};

/* Kind of metric. */
enum { POSTERN_COUNTER = 0, POSTERN_GAUGE = 1, POSTERN_HISTOGRAM = 2 };

/* Capabilities, a bit each: declared in the manifest, granted by the operator. They catch mistakes
 * and shorten reviews; they are no security boundary, since a module is code in this process. */
enum {
  POSTERN_CAP_BODY = 1,    /* body_mode, body_read, body_splice. A module with a body hook that does
                              not declare this is refused. */
  POSTERN_CAP_CALLOUT = 2, /* upstream_resolve, callout_start, callout_cancel. */
  POSTERN_CAP_SHARED = 4,  /* shared_get, shared_put, shared_add. */
  POSTERN_CAP_THREADS = 8  /* Starts threads. They end when the configuration object that started
                              them is destroyed, or live as long as the process. */
};

/* Encoding of postern_config.bytes. Minor 0 hosts give JSON only. */
enum { POSTERN_CONFIG_JSON = 0, POSTERN_CONFIG_PROTO = 1 };

/* Type of a postern_value. */
enum {
  POSTERN_VALUE_NONE = 0,
  POSTERN_VALUE_BOOL = 1,   /* u.boolean, 0 or 1 */
  POSTERN_VALUE_INT = 2,    /* u.i64 */
  POSTERN_VALUE_DOUBLE = 3, /* u.f64, finite */
  POSTERN_VALUE_STRING = 4, /* u.str, UTF-8 by convention, not checked */
  POSTERN_VALUE_JSON = 5    /* u.str, one JSON text */
};

/* Type of a postern_event. */
enum {
  POSTERN_EVENT_WAKE = 0,   /* A waker was fired. */
  POSTERN_EVENT_TIMER = 1,  /* A timer ran out. */
  POSTERN_EVENT_CALLOUT = 2 /* A callout ended. */
};

/* How a callout ended. */
enum {
  POSTERN_CALLOUT_OK = 0,       /* A whole response, of whatever status. */
  POSTERN_CALLOUT_TIMEOUT = 1,  /* Its time ran out, wherever it was spent. */
  POSTERN_CALLOUT_CONNECT = 2,  /* No connection: name, TCP, TLS, or the circuit breaker is open. */
  POSTERN_CALLOUT_RESET = 3,    /* The connection or the exchange broke off. */
  POSTERN_CALLOUT_TOO_LARGE = 4 /* The response is above its limit. */
};

/* Reply kinds. From 10 on there is one for each gateway response type of the API model, rendered
 * with the status, headers and templates that the author of the API gave it. */
enum {
  POSTERN_REPLY_RAW = 0,   /* The given status, headers and body as they are. */
  POSTERN_REPLY_ABORT = 1, /* No answer: the stream is reset (HTTP/1.1: the connection closes). */
  POSTERN_REPLY_DEFAULT_4XX = 10,
  POSTERN_REPLY_DEFAULT_5XX = 11,
  POSTERN_REPLY_ACCESS_DENIED = 12,
  POSTERN_REPLY_UNAUTHORIZED = 13,
  POSTERN_REPLY_AUTHORIZER_FAILURE = 14,
  POSTERN_REPLY_AUTHORIZER_CONFIGURATION_ERROR = 15,
  POSTERN_REPLY_EXPIRED_TOKEN = 16,
  POSTERN_REPLY_INVALID_SIGNATURE = 17,
  POSTERN_REPLY_MISSING_AUTHENTICATION_TOKEN = 18,
  POSTERN_REPLY_INVALID_API_KEY = 19,
  POSTERN_REPLY_THROTTLED = 20,
  POSTERN_REPLY_QUOTA_EXCEEDED = 21,
  POSTERN_REPLY_BAD_REQUEST_BODY = 22,
  POSTERN_REPLY_BAD_REQUEST_PARAMETERS = 23,
  POSTERN_REPLY_REQUEST_TOO_LARGE = 24,
  POSTERN_REPLY_UNSUPPORTED_MEDIA_TYPE = 25,
  POSTERN_REPLY_RESOURCE_NOT_FOUND = 26,
  POSTERN_REPLY_WAF_FILTERED = 27,
  POSTERN_REPLY_API_CONFIGURATION_ERROR = 28,
  POSTERN_REPLY_INTEGRATION_FAILURE = 29,
  POSTERN_REPLY_INTEGRATION_TIMEOUT = 30
};

/* shared_put: store whatever the version is, and only if the key does not exist. */
#define POSTERN_SHARED_ANY UINT64_MAX
#define POSTERN_SHARED_ABSENT ((uint64_t)0)

/* ---- Structs ---- */

/* Borrowed bytes. */
typedef struct postern_str {
  const char* data; /* May be NULL when len is 0. */
  size_t len;       /* In bytes. */
} postern_str;

/* One header field. */
typedef struct postern_header {
  postern_str name; /* Lower-case from the host, of any case from a module. */
  postern_str value;
} postern_header;

/* The value of a variable. */
typedef struct postern_value {
  uint32_t type;     /* POSTERN_VALUE_* */
  uint32_t reserved; /* 0 */
  union {
    int32_t boolean;
    int64_t i64;
    double f64;
    postern_str str;
  } u;
} postern_value;

/* The module, as the host knows it. Given to init; good on any thread, as long as the process. */
typedef struct postern_self postern_self;

/* A configuration being read: alive only inside config_create. */
typedef struct postern_config_ctx postern_config_ctx;

/* An owner: one filter's place in one stream, or one instance on one worker. A stream's is alive
 * from stream_create until stream_end returns; a worker's from worker_create until worker_destroy
 * is called. What needs a stream answers POSTERN_E_STATE for a worker. */
typedef struct postern_ctx postern_ctx;

/* A handle to an owner that any thread may hold, also after the owner is gone. */
typedef struct postern_waker postern_waker;

/* The configuration of one instance at one scope. */
typedef struct postern_config {
  uint32_t size;        /* sizeof(postern_config) */
  uint32_t encoding;    /* POSTERN_CONFIG_* */
  postern_str instance; /* Name of the entry in the filter chain. */
  postern_str scope;    /* "" for the whole API, "/resource" or "METHOD /resource". */
  postern_str type_url; /* Schema of the bytes as authored; empty for JSON. */
  postern_str bytes;    /* One JSON object; "{}" when the author wrote none. At most 1 MiB. */
  const void* parent;   /* The object that config_create made one scope up, or NULL. */
} postern_config;

/* An HTTP exchange to be made. */
typedef struct postern_callout {
  uint32_t size;                 /* sizeof(postern_callout) */
  uint32_t upstream;             /* From upstream_resolve. */
  postern_str method;            /* A token, e.g. "GET". */
  postern_str path;              /* With query; starts with "/". Appended to the upstream's own. */
  const postern_header* headers; /* Checked as header_set does; host and framing are the host's. */
  size_t header_count;
  postern_str body;
  uint32_t timeout_ms;         /* For the whole exchange, retries included. 0: the upstream's. */
  uint32_t max_response_bytes; /* Of the body. 0: the host's default. Above it: TOO_LARGE. */
} postern_callout;

/* How it went. All of it lives until the hook returns. */
typedef struct postern_callout_result {
  uint32_t size;       /* sizeof(postern_callout_result) of the host */
  uint32_t outcome;    /* POSTERN_CALLOUT_* */
  uint32_t status;     /* 100 to 599; 0 unless the outcome is OK. */
  uint32_t latency_ms; /* From callout_start. */
  const postern_header* headers;
  size_t header_count;
  const postern_str* body; /* In order; a slice is never empty. */
  size_t body_count;       /* Number of slices. */
} postern_callout_result;

/* Something that a filter asked for has happened. */
typedef struct postern_event {
  uint32_t size;                         /* sizeof(postern_event) of the host */
  uint32_t type;                         /* POSTERN_EVENT_* */
  uint64_t tag;                          /* What the module gave when it asked. */
  uint64_t id;                           /* Of the timer or callout; 0 for a wake. */
  const postern_callout_result* callout; /* NULL unless the type is CALLOUT. */
} postern_event;

/* An answer to the client. */
typedef struct postern_reply {
  uint32_t size;                 /* sizeof(postern_reply) */
  uint32_t kind;                 /* POSTERN_REPLY_* */
  uint32_t status;               /* 200 to 599. 0: what the kind is configured to send; RAW: 200. */
  uint32_t reserved;             /* 0 */
  postern_str message;           /* $context.error.message. Empty: the text of the kind. */
  postern_str detail;            /* For the access log and metrics: 1 to 128 characters of
                                    [A-Za-z0-9._:/-], or empty. */
  const postern_header* headers; /* Added to what the kind sends, under header_set's checks. */
  size_t header_count;
  postern_str body;           /* RAW only. */
  void (*release)(void* arg); /* Not NULL: the host keeps the body uncopied, and calls this once,
                                 on the stream's worker, when it is written or dropped. When
                                 reply() fails it is not called: the memory stays the module's. */
  void* release_arg;
} postern_reply;

/* ---- What the host gives ----
 *
 * Append-only. A module that asks for an older minor than it would like to use tests for a later
 * member with POSTERN_HOST_HAS. No member up to the module's own minor is NULL.
 */
typedef struct postern_host {
  uint32_t size;      /* sizeof(postern_host) of the host */
  uint16_t abi_major; /* POSTERN_ABI_MAJOR of the host */
  uint16_t abi_minor; /* POSTERN_ABI_MINOR of the host */

  /* -- Process. Any thread. -- */

  /* Writes one line at a level. The host adds the module, and where the thread is inside one of its
   * hooks also instance, request id, route and snapshot; it escapes control characters, cuts the
   * text at 4 KiB, and limits the lines of an instance per second. */
  void (*log)(postern_self* self, uint32_t level, postern_str message);

  /* Not zero when that level is on; to skip building the text. */
  int32_t (*log_enabled)(postern_self* self, uint32_t level);

  /* Milliseconds of a POSTERN_CLOCK_*; 0 for an unknown one. Simulated in tests: a filter that asks
   * the system instead cannot be tested in simulated time. */
  uint64_t (*now)(uint32_t clock);

  /* Counter: adds value, which is not negative. Gauge: sets. Histogram: observes. `labels` has the
   * values in the order of the names, `n` of them. Past a cap of label sets per metric the value
   * goes to one overflow set, which a counter tells. An unknown id or a wrong n is dropped and
   * logged. */
  void (*metric_record)(uint32_t metric, int64_t value, const postern_str* labels, size_t n);

  /* -- Configuration. Only inside config_create, on its thread. -- */

  /* Reports one problem with the path of the field, e.g. "issuers[0].jwks_uri"; "" is the whole.
   * May be called many times; each rejects the snapshot, whatever config_create returns. */
  void (*config_error)(postern_config_ctx* ctx, postern_str field_path, postern_str message);

  /* Name of an upstream of this snapshot to an id, which is good for the streams and workers of
   * that snapshot. E_NOT_FOUND; E_DENIED without POSTERN_CAP_CALLOUT. Reports nothing by itself. */
  postern_status (*upstream_resolve)(postern_config_ctx* ctx, postern_str name, uint32_t* id);

  /* A dotted $context name, without "$context.", to an id, which is good for the streams of that
   * snapshot. E_NOT_FOUND when nothing can ever set it; free-form trees such as "authorizer." and
   * "filter." always resolve. So do "pathParameters.<name>", what the router cut out of the path
   * for the parameter (percent-encoding untouched), and "stageVariables.<name>"; both are STRING.
   */
  postern_status (*var_resolve)(postern_config_ctx* ctx, postern_str name, uint32_t* id);

  /* Kind, name and label names of a metric to an id, good on any thread as long as the process. The
   * host puts "postern_filter_" and the module's name in front. Names are [a-z][a-z0-9_]*, up to 64
   * characters; a counter's ends in "_total"; up to 8 labels. The same again gives the same id.
   * E_INVALID for other names, or for the same name with another kind or other labels. E_LIMIT past
   * the metrics of a module. */
  postern_status (*metric_define)(postern_config_ctx* ctx, uint32_t kind, postern_str name,
                                  const postern_str* label_names, size_t n, uint32_t* id);

  /* -- Message. The stream's worker. In any hook of the stream from the moment named, up to but not
   * in stream_end, where E_STATE; var_get and var_set in stream_end too. -- */

  /* The index-th value of a name, from 0. E_NOT_FOUND when there are not so many. REQUEST_HEADERS
   * from stream_create on; the other maps from their own hook on, and E_STATE before. */
  postern_status (*header_get)(postern_ctx* stream, uint32_t map, postern_str name, size_t index,
                               postern_str* value);

  /* Fills up to `cap` pairs, in order, pseudo-headers first. Returns how many there are, which may
   * be more than cap; 0 where header_get says E_STATE. `out` may be NULL when cap is 0. With
   * POSTERN_AS_SENT or-ed to the map, names are spelled as their sender spelled them. */
  size_t (*header_list)(postern_ctx* stream, uint32_t map, postern_header* out, size_t cap);

  /* Replaces all values of a name by one; a value whose data is NULL removes it. E_INVALID for a
   * bad name, for a value with CR, LF or NUL, for an unknown pseudo-header or the removal of one,
   * and for the framing and hop-by-hop fields, which belong to the codecs: connection,
   * content-length, host, keep-alive, proxy-connection, te, trailer, transfer-encoding, upgrade.
   * E_STATE once the map has gone past this filter, or before it came. E_LIMIT past the size that a
   * header block may have. */
  postern_status (*header_set)(postern_ctx* stream, uint32_t map, postern_str name,
                               postern_str value);

  /* Appends one value, under the same checks. E_INVALID for a pseudo-header. */
  postern_status (*header_add)(postern_ctx* stream, uint32_t map, postern_str name,
                               postern_str value);

  /* Starts the map anew: pseudo-headers keep their values, every other field is gone. The framing
   * stays, and with it the content-length of a message whose body is not changed. Of
   * REQUEST_HEADERS, this filter and those behind it get a map of their own from here on: those in
   * front of it, $context and the access log go on seeing the fields as they were, this filter and
   * those behind it, and the integration, the new ones. E_STATE as for header_set. */
  postern_status (*header_clear)(postern_ctx* stream, uint32_t map);

  /* How this filter wants the body of the message; in the headers hook of that direction, and while
   * paused in it, else E_STATE. E_INVALID for REWRITE, BUFFER or OBSERVE without a body hook.
   * In REWRITE the length is no longer promised: content-length goes, at the latest when the
   * headers pass. In BUFFER headers and body wait here until the body is whole, at most `limit`
   * bytes of it (0, or above the host's own limit: the host's). Then the body hook runs once with
   * all of it and BODY_LAST, and headers can still be changed. Over the limit the host replies
   * REQUEST_TOO_LARGE, or to a response INTEGRATION_FAILURE, without calling the filter.
   * `limit` is read for BUFFER only. For a message without body the mode changes nothing. */
  postern_status (*body_mode)(postern_ctx* stream, uint32_t direction, uint32_t mode,
                              uint64_t limit);

  /* The chunk in hand, or the whole body in BUFFER mode, as a list of slices; in the body hook, and
   * while paused in it. Fills up to `cap` slices and returns how many there are, which may be more.
   * `total`, unless NULL, gets the sum of all. Elsewhere: 0 slices, total 0. `out` may be NULL when
   * cap is 0. */
  size_t (*body_read)(postern_ctx* stream, uint32_t direction, postern_str* out, size_t cap,
                      uint64_t* total);

  /* Replaces `remove` bytes at `offset` of what body_read shows by `insert`: drains, appends,
   * prepends and replaces. In REWRITE and BUFFER, in the body hook and while paused in it; and in a
   * headers hook with END_STREAM, or paused in it, where it gives a body to a message that has
   * none. With a release function the host takes the bytes over uncopied, and calls it once, on the
   * stream's worker, when they are written or dropped, which may be before this returns. When this
   * fails it is not called: the memory stays the module's. E_INVALID out of range; E_STATE; E_LIMIT
   * past what the host will hold. */
  postern_status (*body_splice)(postern_ctx* stream, uint32_t direction, uint64_t offset,
                                uint64_t remove, postern_str insert, void (*release)(void* arg),
                                void* release_arg);

  /* The value of a variable. E_NOT_FOUND when nothing has set it on this stream. */
  postern_status (*var_get)(postern_ctx* stream, uint32_t var, postern_value* out);

  /* Sets a variable by name, or removes it with POSTERN_VALUE_NONE. Later filters, mapping
   * templates and the access log see it. Under "filter.<instance>." always; under "authorizer."
   * where this instance stands at the authorize point; else E_DENIED, but for two that say why an
   * exchange went wrong and take a STRING: "error.validationErrorString" and "integration.error".
   * E_LIMIT past the variables of a stream. */
  postern_status (*var_set)(postern_ctx* stream, postern_str name, const postern_value* value);

  /* -- Flow. The stream's worker; not in stream_create and not in stream_end. -- */

  /* Ends the PAUSE of one direction: what was held goes on as if the hook had returned CONTINUE,
   * from the loop, not inside this call. E_STATE when not paused. */
  postern_status (*resume)(postern_ctx* stream, uint32_t direction);

  /* Answers the client. Filters behind this one are not called again, except for stream_end. Those
   * in front of it see the answer as a response; this one does not. In a hook, the verdict is
   * ignored after it. ABORT resets and asks nobody. E_STATE once response headers have gone past
   * this filter, or after another reply. E_INVALID for an unknown kind or status, a bad header, or
   * a body with another kind than RAW. */
  postern_status (*reply)(postern_ctx* stream, const postern_reply* reply);

  /* -- Time and the outside. The owner's worker, where nothing else is said; not in stream_end. --
   */

  /* A handle to this owner for other threads; NULL past the wakers of an owner. Freed by the module
   * with waker_free, always. */
  postern_waker* (*waker_new)(postern_ctx* owner);

  /* [any thread] Queues one WAKE event with a tag for the owner; never lost, never merged, in order
   * of firing. E_NOT_FOUND once the owner is gone; E_LIMIT when too many wait for it. */
  postern_status (*waker_fire)(postern_waker* waker, uint64_t tag);

  /* [any thread] Drops the handle; its pending events still come. NULL does nothing. */
  void (*waker_free)(postern_waker* waker);

  /* One TIMER event after delay_ms, at least one turn of the loop away. Cancelled with its owner.
   * `id` may be NULL; ids are never 0 and not used again within an owner. E_LIMIT past the timers
   * of an owner. */
  postern_status (*timer_start)(postern_ctx* owner, uint64_t delay_ms, uint64_t tag, uint64_t* id);

  /* No event will come. E_NOT_FOUND when it has come, or was cancelled. */
  postern_status (*timer_cancel)(postern_ctx* owner, uint64_t id);

  /* One HTTP exchange with an upstream of the snapshot, on the worker's own connections, under the
   * upstream's retries, circuit breaker, TLS and signing. Answered by exactly one CALLOUT event,
   * never before this returns, unless cancelled or the owner ends. `id` may be NULL. E_INVALID for
   * an unknown upstream, a bad method, path or header. E_LIMIT past the callouts of an owner.
   * E_DENIED without POSTERN_CAP_CALLOUT. */
  postern_status (*callout_start)(postern_ctx* owner, const postern_callout* callout, uint64_t tag,
                                  uint64_t* id);

  /* No event will come. E_NOT_FOUND when it has come, or was cancelled. */
  postern_status (*callout_cancel)(postern_ctx* owner, uint64_t id);

  /* -- State shared by all workers. Any thread. --
   * Keys are private to the module's name, so that a new version finds what the old one left. Keys
   * have 1 to 256 bytes, values up to 64 KiB; E_INVALID else. The store is bounded: past its limit
   * E_LIMIT. A key lives ttl_ms milliseconds, 0: until it is overwritten with another. E_DENIED
   * without POSTERN_CAP_SHARED. */

  /* Copies up to `cap` bytes of a value out. `len` gets the whole length, `version` the version, a
   * number above 0 that every change changes; both may be NULL. E_NOT_FOUND. */
  postern_status (*shared_get)(postern_self* self, postern_str key, char* buf, size_t cap,
                               size_t* len, uint64_t* version);

  /* Stores when the version is still `expect` (or POSTERN_SHARED_ABSENT, POSTERN_SHARED_ANY), else
   * E_CONFLICT. A value whose data is NULL removes the key. `version`, which may be NULL, gets the
   * new one; 0 after removal. */
  postern_status (*shared_put)(postern_self* self, postern_str key, postern_str value,
                               uint64_t expect, uint64_t ttl_ms, uint64_t* version);

  /* Adds to a number of 8 bytes in the machine's order, which starts at 0 when the key does not
   * exist; only then ttl_ms is set. Saturates. `result`, which may be NULL, gets the sum. E_INVALID
   * for a value that is not 8 bytes long. */
  postern_status (*shared_add)(postern_self* self, postern_str key, int64_t delta, uint64_t ttl_ms,
                               int64_t* result);

  /* -- Readiness. The worker's own thread. -- */

  /* Ends the wait of a worker_create that returned POSTERN_PENDING: OK, and traffic may come; or an
   * error, and the snapshot is rejected with `reason` (which may be empty). Called from
   * worker_event. E_STATE when the worker does not wait: not pending, answered already, or out of
   * time. */
  postern_status (*worker_ready)(postern_ctx* worker, postern_status status, postern_str reason);
} postern_host;

/* Whether a host's table reaches as far as `member`. */
#define POSTERN_HOST_HAS(host, member) \
  ((host)->size >= offsetof(postern_host, member) + sizeof((host)->member))

/* ---- What the module gives ----
 *
 * Append-only. A member that is NULL, or past the end of the module's table, means "not
 * interested". The table and what it points to live as long as the process.
 */
typedef struct postern_filter {
  uint32_t size;     /* sizeof(postern_filter) of the module */
  uint32_t reserved; /* 0 */

  /* -- Main thread, one at a time. -- */

  /* At a clean exit, after everything else. `module` is what init gave. */
  void (*module_destroy)(void* module);

  /* Reads and checks a configuration; once for the whole API and once for each scope that overrides
   * it, outer scopes first. On OK, *out holds the object that streams of that scope get; it must
   * not change from then on, since all workers share it. May be NULL. An error status, or a call of
   * config_error, rejects the snapshot; *out is then not used. Absent: config is NULL, and only
   * "{}" is accepted. */
  postern_status (*config_create)(void* module, postern_config_ctx* ctx,
                                  const postern_config* config, void** out);

  /* When the last worker is done with it, inner scopes first; the parent is still alive then. */
  void (*config_destroy)(void* config);

  /* -- A worker's thread. -- */

  /* State of an instance on one worker, made before the snapshot takes traffic there. `config` is
   * that of the whole API, or of the outermost scope that places the instance. `previous` is the
   * state of the instance of this name and this very module file in the snapshot in force, still in
   * use by its streams, or NULL. OK; PENDING, when worker_ready will follow (in either case *state
   * is set, and worker_destroy will come); or an error, which rejects the snapshot. */
  postern_status (*worker_create)(const void* config, postern_ctx* worker, void* previous,
                                  void** state);

  /* After the last stream that used it, or when the snapshot is not taken. Timers and callouts of
   * the worker are cancelled by then, its wakers dead. */
  void (*worker_destroy)(void* state);

  /* A timer, callout or waker that the worker owns. */
  void (*worker_event)(void* state, postern_ctx* worker, const postern_event* event);

  /* -- The stream's worker. -- */

  /* A stream begins; in chain order, before any message hook. `config` is that of the stream's
   * scope; worker_state may be NULL. What is returned is `self` of the hooks below. NULL: the
   * stream passes this filter by. Absent: hooks get NULL. A filter without state of its own may
   * return its config and leave stream_destroy out. */
  void* (*stream_create)(const void* config, void* worker_state, postern_ctx* stream);

  /* Message hooks: headers, then body events, then trailers, each once, in that order. Requests
   * meet the filters in chain order, responses in reverse. `flags` are POSTERN_F_*. A message
   * without body has no body event; its headers carry END_STREAM. */
  postern_verdict (*request_headers)(void* self, postern_ctx* stream, uint32_t flags);
  postern_verdict (*request_body)(void* self, postern_ctx* stream, uint32_t flags);
  postern_verdict (*request_trailers)(void* self, postern_ctx* stream);
  postern_verdict (*response_headers)(void* self, postern_ctx* stream, uint32_t flags);
  postern_verdict (*response_body)(void* self, postern_ctx* stream, uint32_t flags);
  postern_verdict (*response_trailers)(void* self, postern_ctx* stream);

  /* A timer, callout or waker that the stream owns; between hooks, paused or not. */
  void (*stream_event)(void* self, postern_ctx* stream, const postern_event* event);

  /* Exactly once, whether the exchange was finished or cut, before the access log is written. May
   * read and set variables, log and count; may start nothing. Then the stream's timers and callouts
   * are cancelled without events, and its wakers are dead. */
  void (*stream_end)(void* self, postern_ctx* stream);

  /* Frees self; after stream_end, soon or late, but before worker_destroy of its worker. */
  void (*stream_destroy)(void* self);
} postern_filter;

/* Whether a module's table reaches as far as `member`, and has it. */
#define POSTERN_FILTER_HAS(filter, member)                                          \
  ((filter)->size >= offsetof(postern_filter, member) + sizeof((filter)->member) && \
   (filter)->member != NULL)

/* ---- The two exported symbols ---- */

/* Who the module is. Without pointers, so that it can be read from the file of a module that was
 * never loaded. Bytes after the text of name and version are 0, and there is at least one. */
typedef struct postern_manifest {
  uint32_t magic;        /* POSTERN_ABI_MAGIC */
  uint32_t size;         /* sizeof(postern_manifest) */
  uint16_t abi_major;    /* POSTERN_ABI_MAJOR */
  uint16_t abi_minor;    /* The least minor of a host that this module needs. */
  uint32_t capabilities; /* POSTERN_CAP_*, or-ed. Unknown bits: refused. */
  char name[64];         /* [A-Za-z0-9._-]+, e.g. "acme.geo_block". */
  char version[32];      /* [A-Za-z0-9._+-]+, e.g. "1.4.0". */
} postern_manifest;

#if defined(__GNUC__)
#define POSTERN_EXPORT __attribute__((visibility("default")))
#else
#define POSTERN_EXPORT
#endif

/* Constant data of the module; in a section that the file itself holds (not .bss). */
POSTERN_EXPORT extern const postern_manifest postern_module_manifest;

/* Called once for each content of the file, on the main thread, before any hook. `host` and `self`
 * live as long as the process. On OK, *module (initially NULL) is handed to config_create and
 * module_destroy, and *filter is the module's table. May call the functions of the process group
 * and of the shared store. Any error refuses the module. */
POSTERN_EXPORT postern_status postern_module_init(const postern_host* host, postern_self* self,
                                                  void** module, const postern_filter** filter);

#ifdef __cplusplus
}
#endif
#endif /* POSTERN_ABI_H_ */
