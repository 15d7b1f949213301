#include "core/http/http1/writer.h"

#include <charconv>
#include <cstring>
#include <string>

namespace postern {
namespace {

// Names and values are short; a call of memcpy for each would cost more than the copy. Up to 32
// bytes go by two loads and stores that may overlap.
template <size_t kWidth>
char* PutTwice(char* at, std::string_view text) {
  char first[kWidth];
  char last[kWidth];
  std::memcpy(first, text.data(), kWidth);
  std::memcpy(last, text.data() + text.size() - kWidth, kWidth);
  std::memcpy(at, first, kWidth);
  std::memcpy(at + text.size() - kWidth, last, kWidth);
  return at + text.size();
}

inline char* Put(char* at, std::string_view text) {
  const size_t size = text.size();
  if (size > 32) {
    std::memcpy(at, text.data(), size);
    return at + size;
  }
  if (size >= 16) return PutTwice<16>(at, text);
  if (size >= 8) return PutTwice<8>(at, text);
  if (size >= 4) return PutTwice<4>(at, text);
  for (char c : text) *at++ = c;
  return at;
}

char* PutField(char* at, std::string_view name, std::string_view value) {
  at = Put(at, name);
  *at++ = ':';
  *at++ = ' ';
  at = Put(at, value);
  *at++ = '\r';
  *at++ = '\n';
  return at;
}

char* PutNumber(char* at, uint64_t number) { return std::to_chars(at, at + 20, number).ptr; }

size_t FieldsSize(const HeaderMap& headers) {
  size_t size = 0;
  for (const HeaderField& field : headers) size += field.name.size() + field.value.size() + 4;
  return size;
}

// Upper bound of what the codec adds: start line without its free parts, framing, Connection.
constexpr size_t kFixed = 160;

char* PutFraming(char* at, Framing framing, uint64_t content_length) {
  switch (framing) {
    case Framing::kLength:
      at = Put(at, "Content-Length: ");
      at = PutNumber(at, content_length);
      return Put(at, "\r\n");
    case Framing::kChunked:
      return Put(at, "Transfer-Encoding: chunked\r\n");
    case Framing::kNone:
    case Framing::kClose:
      return at;
  }
  return at;
}

char* PutConnection(char* at, ConnectionOption connection, std::string_view upgrade) {
  switch (connection) {
    case ConnectionOption::kKeepAlive:
      return Put(at, "Connection: keep-alive\r\n");
    case ConnectionOption::kClose:
      return Put(at, "Connection: close\r\n");
    case ConnectionOption::kUpgrade:
      at = Put(at, "Connection: upgrade\r\n");
      return PutField(at, "Upgrade", upgrade);
    case ConnectionOption::kNone:
      return at;
  }
  return at;
}

// Heads above what a sink reserves at once are rare enough to be gathered on the heap.
template <typename Fill>
void WriteBlock(ByteSink* sink, size_t bound, Fill fill) {
  if (bound <= ByteSink::kMaxReserve) {
    char* begin = sink->Reserve(bound);
    sink->Commit(static_cast<size_t>(fill(begin) - begin));
    return;
  }
  std::string block(bound, '\0');
  block.resize(static_cast<size_t>(fill(block.data()) - block.data()));
  sink->Write(block);
}

}  // namespace

void WriteResponseHead(ByteSink* sink, const ResponseHead& head, Framing framing,
                       uint64_t content_length, ConnectionOption connection) {
  const std::string_view reason = head.reason.empty() ? ReasonPhrase(head.status) : head.reason;
  const size_t bound = kFixed + reason.size() + head.upgrade.size() + FieldsSize(head.headers);
  WriteBlock(sink, bound, [&](char* at) {
    at = Put(at, "HTTP/1.1 ");
    at = PutNumber(at, head.status);
    *at++ = ' ';
    at = Put(at, reason);
    at = Put(at, "\r\n");
    for (const HeaderField& field : head.headers) {
      if (field.id == HeaderId::kDate) at = PutField(at, field.name, field.value);
    }
    for (const HeaderField& field : head.headers) {
      if (field.id == HeaderId::kContentType) at = PutField(at, field.name, field.value);
    }
    at = PutFraming(at, framing, content_length);
    at = PutConnection(at, connection, head.upgrade);
    for (const HeaderField& field : head.headers) {
      if (field.id == HeaderId::kDate || field.id == HeaderId::kContentType) continue;
      at = PutField(at, field.name, field.value);
    }
    return Put(at, "\r\n");
  });
}

void WriteRequestHead(ByteSink* sink, const RequestHead& head, Framing framing,
                      uint64_t content_length) {
  const std::string_view method =
      head.method == Method::kOther ? head.method_text : MethodName(head.method);
  const size_t bound = kFixed + method.size() + head.target.size() + head.authority.size() +
                       head.upgrade.size() + FieldsSize(head.headers);
  WriteBlock(sink, bound, [&](char* at) {
    at = Put(at, method);
    *at++ = ' ';
    at = Put(at, head.target);
    at = Put(at, " HTTP/1.1\r\n");
    at = PutField(at, "Host", head.authority);
    for (const HeaderField& field : head.headers) at = PutField(at, field.name, field.value);
    at = PutFraming(at, framing, content_length);
    if (!head.upgrade.empty()) at = PutConnection(at, ConnectionOption::kUpgrade, head.upgrade);
    if (head.te_trailers) at = Put(at, "TE: trailers\r\nConnection: TE\r\n");
    return Put(at, "\r\n");
  });
}

void WriteChunk(ByteSink* sink, std::string_view data) {
  char* begin = sink->Reserve(18);
  char* at = std::to_chars(begin, begin + 16, data.size(), 16).ptr;
  at = Put(at, "\r\n");
  sink->Commit(static_cast<size_t>(at - begin));
  sink->Write(data);
  sink->Write("\r\n");
}

void WriteLastChunk(ByteSink* sink, const HeaderMap* trailers) {
  if (trailers == nullptr || trailers->empty()) {
    sink->Write("0\r\n\r\n");
    return;
  }
  WriteBlock(sink, 8 + FieldsSize(*trailers), [&](char* at) {
    at = Put(at, "0\r\n");
    for (const HeaderField& field : *trailers) at = PutField(at, field.name, field.value);
    return Put(at, "\r\n");
  });
}

bool ContentWriter::Write(ByteSink* sink, std::string_view data) {
  if (data.empty()) return true;
  switch (framing_) {
    case Framing::kNone:
      return true;
    case Framing::kLength:
      if (data.size() > left_) return false;
      left_ -= data.size();
      sink->Write(data);
      return true;
    case Framing::kChunked:
      WriteChunk(sink, data);
      return true;
    case Framing::kClose:
      sink->Write(data);
      return true;
  }
  return true;
}

bool ContentWriter::End(ByteSink* sink, const HeaderMap* trailers) {
  if (left_ > 0) return false;
  if (framing_ == Framing::kChunked) WriteLastChunk(sink, trailers);
  return true;
}

}  // namespace postern
