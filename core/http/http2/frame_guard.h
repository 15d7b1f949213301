#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/http/http2/budget.h"
#include "core/http/http2/frame.h"
#include "core/http/http2/options.h"
#include "core/http/http2/stream_history.h"

namespace postern {

/// Where a stream stands as seen by the receiver of a frame (RFC 9113 §5.1). Priorities aside, the
/// states reserved (local) and reserved (remote) cannot occur: nobody pushes.
enum class StreamPhase : uint8_t {
  kIdle,
  kOpen,              ///< open or half-closed (local): the peer may send
  kHalfClosedRemote,  ///< the peer has ended its direction
  kSkipped,           ///< closed because a higher identifier was opened first
  kClosedByUs,
  kClosedByEndStream,
  kClosedByPeer,
};

/// What is to be done with a frame.
struct FrameVerdict {
  enum class Action : uint8_t {
    kPass,         ///< to nghttp2
    kSkip,         ///< its payload is dropped unread
    kStreamError,  ///< RST_STREAM with `error`, then as kPass: the state it carries is kept in step
    kStreamErrorSkip,  ///< RST_STREAM with `error`, then as kSkip
    kConnectionError,  ///< GOAWAY with `error`
  };
  Action action = Action::kPass;
  Http2Error error = Http2Error::kNoError;
  std::string_view detail;  ///< short stable token; static
};

/// Stands before nghttp2 and judges each frame by its header and, for the small frames, its
/// payload: the rules of RFC 9113 §4 to §6 that nghttp2 does not enforce, or not with the error
/// code asked for, and the limits against floods (§10.5). Knows nothing of HTTP.
class FrameGuard {
 public:
  enum class Side : uint8_t { kServer, kClient };

  /// What may be sent to us in one frame: we never raise SETTINGS_MAX_FRAME_SIZE.
  static constexpr uint32_t kMaxFrameSize = 16384;
  /// Longest SETTINGS payload accepted: 32 entries.
  static constexpr uint32_t kMaxSettings = 32 * 6;

  /// `options` outlives the guard.
  FrameGuard(Side side, const Http2Options& options)
      : side_(side),
        options_(options),
        idle_frames_(options.max_idle_frames, options.idle_frames_per_second) {}

  /// Whether OnHeader() wants to know the phase of the frame's stream.
  bool NeedsPhase(const Http2FrameHeader& frame) const {
    return frame.stream_id != 0 && block_stream_ == 0;
  }

  /// Judges a frame by its header. Called once per frame, in order.
  FrameVerdict OnHeader(const Http2FrameHeader& frame, StreamPhase phase, uint64_t now_ms);

  /// Whether the payload is to be gathered (at most kMaxSettings bytes) for OnPayload().
  static bool WantsPayload(const Http2FrameHeader& frame) {
    return frame.type == Http2FrameType::kWindowUpdate || frame.type == Http2FrameType::kSettings ||
           frame.type == Http2FrameType::kPriority;
  }
  /// Judges a frame that passed OnHeader() by its payload.
  FrameVerdict OnPayload(const Http2FrameHeader& frame, StreamPhase phase,
                         std::string_view payload);

  /// A frame turned out to carry nothing. False: that was one too many.
  [[nodiscard]] bool SpendIdle(uint64_t now_ms) { return idle_frames_.Spend(now_ms); }
  /// A useful frame: a new request, content received, content sent.
  void EarnIdle(uint32_t frames) { idle_frames_.Earn(frames); }

  /// Inside of a field block: after HEADERS without END_HEADERS.
  bool in_field_block() const { return block_stream_ != 0; }
  /// The peer's preface is complete.
  bool settings_seen() const { return settings_seen_; }

 private:
  FrameVerdict OnData(const Http2FrameHeader& frame, StreamPhase phase, uint64_t now_ms);
  FrameVerdict OnHeaders(const Http2FrameHeader& frame, StreamPhase phase, uint64_t now_ms);
  FrameVerdict OnContinuation(const Http2FrameHeader& frame);
  FrameVerdict OnSettings(const Http2FrameHeader& frame, uint64_t now_ms);
  FrameVerdict Idle(FrameVerdict verdict, std::string_view flood, uint64_t now_ms);

  Side side_;
  bool settings_seen_ = false;
  const Http2Options& options_;
  Budget idle_frames_;
  uint32_t block_stream_ = 0;  // stream of the field block under way
  size_t block_frames_ = 0;    // its CONTINUATION frames
  size_t block_bytes_ = 0;
};

}  // namespace postern
