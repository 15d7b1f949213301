#include "core/http/http2/frame_guard.h"

namespace postern {
namespace {

using Action = FrameVerdict::Action;
using Type = Http2FrameType;

constexpr FrameVerdict kPass{};
constexpr FrameVerdict kSkip{.action = Action::kSkip, .detail = {}};

FrameVerdict ConnectionError(Http2Error error, std::string_view detail) {
  return {.action = Action::kConnectionError, .error = error, .detail = detail};
}

FrameVerdict StreamError(Http2Error error, std::string_view detail) {
  return {.action = Action::kStreamError, .error = error, .detail = detail};
}

// RFC 9113 §6: frames that need a stream, or must not have one.
FrameVerdict NeedsStream() { return ConnectionError(Http2Error::kProtocolError, "stream_zero"); }
FrameVerdict NeedsNoStream() {
  return ConnectionError(Http2Error::kProtocolError, "stream_not_zero");
}
FrameVerdict BadSize() { return ConnectionError(Http2Error::kFrameSizeError, "frame_size"); }
FrameVerdict IdleStream() { return ConnectionError(Http2Error::kProtocolError, "stream_idle"); }

bool IsClosed(StreamPhase phase) {
  return phase != StreamPhase::kIdle && phase != StreamPhase::kOpen &&
         phase != StreamPhase::kHalfClosedRemote;
}

}  // namespace

FrameVerdict FrameGuard::OnHeader(const Http2FrameHeader& frame, StreamPhase phase,
                                  uint64_t now_ms) {
  // RFC 9113 §4.3: nothing comes between the frames of a field block, not even extensions (§5.5).
  if (block_stream_ != 0 &&
      (frame.type != Type::kContinuation || frame.stream_id != block_stream_)) {
    return ConnectionError(Http2Error::kProtocolError, "continuation_expected");
  }
  // RFC 9113 §3.4: the preface ends with SETTINGS.
  if (!settings_seen_ && (frame.type != Type::kSettings || frame.has(kFlagAck))) {
    return ConnectionError(Http2Error::kProtocolError, "preface");
  }
  if (frame.length > kMaxFrameSize) return BadSize();
  switch (frame.type) {
    case Type::kData:
      return OnData(frame, phase, now_ms);
    case Type::kHeaders:
      return OnHeaders(frame, phase, now_ms);
    case Type::kPriority:
      if (frame.stream_id == 0) return NeedsStream();
      if (frame.length != 5) {
        // A stream error that cannot be one on an idle stream (RFC 9113 §6.3, §6.4).
        if (phase == StreamPhase::kIdle) return BadSize();
        return Idle({.action = Action::kStreamErrorSkip,
                     .error = Http2Error::kFrameSizeError,
                     .detail = "frame_size"},
                    "priority_flood", now_ms);
      }
      return Idle(kPass, "priority_flood", now_ms);
    case Type::kRstStream:
      if (frame.stream_id == 0) return NeedsStream();
      if (frame.length != 4) return BadSize();
      if (phase == StreamPhase::kIdle) return IdleStream();
      if (IsClosed(phase)) return Idle(kSkip, "reset_flood", now_ms);
      return kPass;
    case Type::kSettings:
      return OnSettings(frame, now_ms);
    case Type::kPushPromise:
      // Clients never push; servers were told not to (RFC 9113 §8.4, §6.5.2).
      return ConnectionError(Http2Error::kProtocolError, "push_promise");
    case Type::kPing:
      if (frame.stream_id != 0) return NeedsNoStream();
      if (frame.length != 8) return BadSize();
      return Idle(kPass, "ping_flood", now_ms);
    case Type::kGoaway:
      if (frame.stream_id != 0) return NeedsNoStream();
      if (frame.length < 8) return BadSize();
      return Idle(kPass, "goaway_flood", now_ms);
    case Type::kWindowUpdate:
      if (frame.length != 4) return BadSize();
      if (frame.stream_id != 0 && phase == StreamPhase::kIdle) return IdleStream();
      return Idle(kPass, "window_update_flood", now_ms);
    case Type::kContinuation:
      return OnContinuation(frame);
  }
  return Idle(kSkip, "unknown_frame_flood", now_ms);
}

FrameVerdict FrameGuard::OnData(const Http2FrameHeader& frame, StreamPhase phase, uint64_t now_ms) {
  if (frame.stream_id == 0) return NeedsStream();
  // RFC 9113 §4.2: too small for what it says it has.
  if (frame.has(kFlagPadded) && frame.length < 1) return BadSize();
  switch (phase) {
    case StreamPhase::kIdle:
      return IdleStream();
    case StreamPhase::kOpen:
      return kPass;
    case StreamPhase::kHalfClosedRemote:
    case StreamPhase::kClosedByPeer:
      return Idle(StreamError(Http2Error::kStreamClosed, "stream_closed"), "closed_stream_flood",
                  now_ms);
    case StreamPhase::kClosedByUs:
      // What was on its way when we reset the stream costs no more than content that is wanted.
      return frame.length > 0 ? kPass : Idle(kPass, "closed_stream_flood", now_ms);
    case StreamPhase::kSkipped:
    case StreamPhase::kClosedByEndStream:
      return ConnectionError(Http2Error::kStreamClosed, "stream_closed");
  }
  return kPass;
}

FrameVerdict FrameGuard::OnHeaders(const Http2FrameHeader& frame, StreamPhase phase,
                                   uint64_t now_ms) {
  if (frame.stream_id == 0) return NeedsStream();
  const uint32_t fixed = (frame.has(kFlagPadded) ? 1 : 0) + (frame.has(kFlagPriority) ? 5 : 0);
  if (frame.length < fixed) return BadSize();
  FrameVerdict verdict = kPass;
  switch (phase) {
    case StreamPhase::kIdle:
      // RFC 9113 §5.1.1: clients open odd streams; servers, that may not push, none.
      if (side_ == Side::kClient || frame.stream_id % 2 == 0) {
        return ConnectionError(Http2Error::kProtocolError, "stream_id");
      }
      break;
    case StreamPhase::kOpen:
      break;
    case StreamPhase::kSkipped:
      return ConnectionError(Http2Error::kProtocolError, "stream_id");
    case StreamPhase::kClosedByEndStream:
      return ConnectionError(Http2Error::kStreamClosed, "stream_closed");
    case StreamPhase::kHalfClosedRemote:
    case StreamPhase::kClosedByPeer:
      verdict = Idle(StreamError(Http2Error::kStreamClosed, "stream_closed"), "closed_stream_flood",
                     now_ms);
      break;
    case StreamPhase::kClosedByUs:
      verdict = Idle(kPass, "closed_stream_flood", now_ms);
      break;
  }
  if (!frame.has(kFlagEndHeaders)) {
    block_stream_ = frame.stream_id;
    block_frames_ = 0;
    block_bytes_ = frame.length;
  }
  return verdict;
}

FrameVerdict FrameGuard::OnContinuation(const Http2FrameHeader& frame) {
  if (block_stream_ == 0) {
    return ConnectionError(Http2Error::kProtocolError, "continuation_unexpected");
  }
  block_bytes_ += frame.length;
  if (++block_frames_ > options_.max_continuations || block_bytes_ > options_.max_field_block) {
    return ConnectionError(Http2Error::kEnhanceYourCalm, "continuation_flood");
  }
  if (frame.has(kFlagEndHeaders)) block_stream_ = 0;
  return kPass;
}

FrameVerdict FrameGuard::OnSettings(const Http2FrameHeader& frame, uint64_t now_ms) {
  if (frame.stream_id != 0) return NeedsNoStream();
  if (frame.length % 6 != 0 || (frame.has(kFlagAck) && frame.length != 0)) return BadSize();
  if (frame.length > kMaxSettings) {
    return ConnectionError(Http2Error::kEnhanceYourCalm, "settings_size");
  }
  settings_seen_ = true;
  return Idle(kPass, "settings_flood", now_ms);
}

FrameVerdict FrameGuard::OnPayload(const Http2FrameHeader& frame, StreamPhase phase,
                                   std::string_view payload) {
  if (frame.type == Type::kPriority) {
    // RFC 7540 §5.3.1; RFC 9113 leaves no other meaning to the frame.
    const uint32_t dependency = ReadUint32(payload.data()) & 0x7fffffff;
    if (dependency != frame.stream_id) return kSkip;
    if (phase == StreamPhase::kIdle) {
      return ConnectionError(Http2Error::kProtocolError, "priority_self");
    }
    return {.action = Action::kStreamErrorSkip,
            .error = Http2Error::kProtocolError,
            .detail = "priority_self"};
  }
  if (frame.type == Type::kWindowUpdate) {
    if (IsClosed(phase) && frame.stream_id != 0) return kSkip;
    // RFC 9113 §6.9.
    if ((ReadUint32(payload.data()) & 0x7fffffff) == 0) {
      if (frame.stream_id == 0) {
        return ConnectionError(Http2Error::kProtocolError, "window_increment");
      }
      return {.action = Action::kStreamErrorSkip,
              .error = Http2Error::kProtocolError,
              .detail = "window_increment"};
    }
  }
  return kPass;
}

FrameVerdict FrameGuard::Idle(FrameVerdict verdict, std::string_view flood, uint64_t now_ms) {
  if (idle_frames_.Spend(now_ms)) return verdict;
  return ConnectionError(Http2Error::kEnhanceYourCalm, flood);
}

}  // namespace postern
