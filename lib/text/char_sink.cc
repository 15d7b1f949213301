#include "lib/text/char_sink.h"

#include <algorithm>

namespace postern {
namespace {

constexpr size_t kFirstWindow = 256;

}  // namespace

StringSink::StringSink(std::string* out, size_t max_size) : out_(out), max_size_(max_size) {
  cur_ = end_ = out->data() + out->size();
}

void StringSink::Finish() {
  out_->resize(static_cast<size_t>(cur_ - out_->data()));
  cur_ = end_ = out_->data() + out_->size();
}

bool StringSink::Grow(size_t size) {
  const size_t used = static_cast<size_t>(cur_ - out_->data());
  if (used >= max_size_ || size > max_size_ - used) return false;
  // The whole capacity once it is paid for, then twice as much, so that growing stays linear.
  size_t target = std::max({out_->capacity(), used + size, kFirstWindow});
  if (out_->size() >= out_->capacity()) target = std::max(target, out_->size() * 2);
  out_->resize(std::min(target, max_size_));
  cur_ = out_->data() + used;
  end_ = out_->data() + out_->size();
  return true;
}

}  // namespace postern
