#include "core/http/http1/chunked_decoder.h"

#include <algorithm>

namespace postern {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

}  // namespace

// One byte of an extension outside a quoted string; false when the grammar has no place for it.
bool ChunkedDecoder::Extension(char c) {
  const bool token = IsToken({&c, 1});
  switch (ext_) {
    case Ext::kBeforeSemicolon:
      if (c == ';') {
        ext_ = Ext::kNameStart;
        return true;
      }
      return IsBlank(c);
    case Ext::kNameStart:
      if (token) ext_ = Ext::kName;
      return token || IsBlank(c);
    case Ext::kName:
    case Ext::kAfterName:
      if (c == '=') {
        ext_ = Ext::kValueStart;
      } else if (c == ';') {
        ext_ = Ext::kNameStart;
      } else if (IsBlank(c)) {
        ext_ = Ext::kAfterName;
      } else {
        return token && ext_ == Ext::kName;
      }
      return true;
    case Ext::kValueStart:
      if (c == '"') {
        state_ = State::kExtensionQuoted;
        return true;
      }
      if (token) ext_ = Ext::kValue;
      return token || IsBlank(c);
    case Ext::kValue:
      if (c == ';') {
        ext_ = Ext::kNameStart;
      } else if (IsBlank(c)) {
        ext_ = Ext::kBeforeSemicolon;
      } else {
        return token;
      }
      return true;
  }
  return false;
}

ChunkedDecoder::Result ChunkedDecoder::Decode(std::string_view* input) {
  data_ = {};
  while (!input->empty()) {
    const char c = input->front();
    switch (state_) {
      case State::kSizeStart:
      case State::kSize: {
        const int digit = HexDigit(c);
        if (digit >= 0) {
          if (++digits_ > kMaxSizeDigits || remaining_ >> 58 != 0) return Error("chunk_size");
          remaining_ = remaining_ << 4 | static_cast<uint64_t>(digit);
          state_ = State::kSize;
          break;
        }
        if (state_ == State::kSizeStart) return Error("chunk_size");
        if (c == '\r') {
          state_ = State::kSizeLf;
          break;
        }
        state_ = State::kExtension;
        ext_ = Ext::kBeforeSemicolon;
        [[fallthrough]];
      }
      case State::kExtension:
        if (c == '\r') {
          // White space that leads to no extension is in no rule of the grammar (§7.1.1).
          const bool complete = ext_ == Ext::kName || ext_ == Ext::kValue ||
                                (ext_ == Ext::kBeforeSemicolon && extension_ > 0 && quoted_end_);
          if (!complete) return Error("chunk_extension");
          state_ = State::kSizeLf;
          break;
        }
        if (++extension_ > kMaxExtension) return Error("chunk_extension_size");
        quoted_end_ = false;
        if (!Extension(c)) return Error("chunk_extension");
        break;
      case State::kExtensionQuoted:
        if (++extension_ > kMaxExtension) return Error("chunk_extension_size");
        if (c == '"') {
          state_ = State::kExtension;
          ext_ = Ext::kBeforeSemicolon;
          quoted_end_ = true;
        } else if (c == '\\') {
          state_ = State::kExtensionEscape;
        } else if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) {
          return Error("chunk_extension");
        }
        break;
      case State::kExtensionEscape:
        if (++extension_ > kMaxExtension) return Error("chunk_extension_size");
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) {
          return Error("chunk_extension");
        }
        state_ = State::kExtensionQuoted;
        break;
      case State::kSizeLf:
        if (c != '\n') return Error("chunk_size_line");
        content_ += remaining_;
        overhead_ += extension_;
        if (overhead_ > kMaxOverhead + content_) return Error("chunk_extension_size");
        state_ = remaining_ == 0 ? State::kTrailers : State::kData;
        digits_ = 0;
        extension_ = 0;
        break;
      case State::kData: {
        const size_t take = static_cast<size_t>(std::min<uint64_t>(remaining_, input->size()));
        data_ = input->substr(0, take);
        input->remove_prefix(take);
        remaining_ -= take;
        if (remaining_ == 0) state_ = State::kDataCr;
        return Result::kData;
      }
      case State::kDataCr:
        if (c != '\r') return Error("chunk_data_end");
        state_ = State::kDataLf;
        break;
      case State::kDataLf:
        if (c != '\n') return Error("chunk_data_end");
        state_ = State::kSizeStart;
        break;
      case State::kTrailers: {
        const size_t before = trailers_.size();
        const size_t room = max_trailer_bytes_ + 2 - std::min(before, max_trailer_bytes_ + 2);
        trailers_.append(input->substr(0, std::min(room, input->size())));
        switch (scanner_.Scan(trailers_)) {
          case HeadScanner::Result::kComplete:
            input->remove_prefix(scanner_.end() - before);
            trailers_.resize(scanner_.end());
            state_ = State::kDone;
            return Result::kDone;
          case HeadScanner::Result::kBad:
            return Error(scanner_.detail());
          case HeadScanner::Result::kIncomplete:
            break;
        }
        if (trailers_.size() >= max_trailer_bytes_ + 2) return Error("trailer_size");
        input->remove_prefix(trailers_.size() - before);
        return Result::kMore;
      }
      case State::kDone:
        return Result::kDone;
    }
    input->remove_prefix(1);
  }
  return Result::kMore;
}

}  // namespace postern
