#include "core/base/log.h"

#include <unistd.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <ctime>

namespace postern {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kInfo};
std::atomic<LogFormat> g_format{LogFormat::kJson};
std::atomic<int> g_fd{2};

constexpr std::string_view kNames[] = {"trace", "debug", "info", "warn", "error", "off"};

// Control characters, quotes and backslashes never reach a log line raw, so that a header value
// cannot forge a second line.
void AppendEscaped(std::string* out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (c == '\n') {
      out->append("\\n");
    } else if (u < 0x20 || u == 0x7f) {
      out->append("\\u00");
      out->push_back(kHex[u >> 4]);
      out->push_back(kHex[u & 15]);
    } else {
      out->push_back(c);
    }
  }
}

template <typename N>
void AppendNumber(std::string* out, N number) {
  char buffer[32];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), number);
  out->append(buffer, end);
}

void AppendValue(std::string* out, const LogField& field, bool json) {
  std::visit(
      [&](auto value) {
        using V = decltype(value);
        if constexpr (std::is_same_v<V, std::string_view>) {
          const bool quote = json || value.empty() || value.find_first_of(" \"=\n") != value.npos;
          if (quote) out->push_back('"');
          AppendEscaped(out, value);
          if (quote) out->push_back('"');
        } else if constexpr (std::is_same_v<V, bool>) {
          out->append(value ? "true" : "false");
        } else {
          AppendNumber(out, value);
        }
      },
      field.value);
}

void AppendTime(std::string* out) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const std::time_t seconds = ms / 1000;
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  char buffer[40];
  const size_t used = std::strftime(buffer, sizeof(buffer), "%Y-%m-%dT%H:%M:%S", &tm);
  out->append(buffer, used);
  const int rest = static_cast<int>(ms % 1000);
  const char tail[] = {'.', static_cast<char>('0' + rest / 100),
                       static_cast<char>('0' + rest / 10 % 10), static_cast<char>('0' + rest % 10),
                       'Z'};
  out->append(tail, sizeof(tail));
}

}  // namespace

void SetLogLevel(LogLevel level) { g_level.store(level, std::memory_order_relaxed); }
LogLevel GetLogLevel() { return g_level.load(std::memory_order_relaxed); }
void SetLogFormat(LogFormat format) { g_format.store(format, std::memory_order_relaxed); }
void SetLogFd(int fd) { g_fd.store(fd, std::memory_order_relaxed); }

std::string_view LogLevelName(LogLevel level) { return kNames[static_cast<size_t>(level)]; }

bool ParseLogLevel(std::string_view name, LogLevel* level) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) {
      *level = static_cast<LogLevel>(i);
      return true;
    }
  }
  return false;
}

bool LogEnabled(LogLevel level) { return level >= g_level.load(std::memory_order_relaxed); }

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!LogEnabled(level) || level == LogLevel::kOff) return;
  const bool json = g_format.load(std::memory_order_relaxed) == LogFormat::kJson;
  std::string line;
  line.reserve(256);
  if (json) {
    line.append("{\"time\":\"");
    AppendTime(&line);
    line.append("\",\"level\":\"");
    line.append(LogLevelName(level));
    line.append("\",\"event\":\"");
    AppendEscaped(&line, event);
    line.push_back('"');
    for (const LogField& field : fields) {
      line.append(",\"");
      AppendEscaped(&line, field.key);
      line.append("\":");
      AppendValue(&line, field, true);
    }
    line.append("}\n");
  } else {
    AppendTime(&line);
    line.push_back(' ');
    line.append(LogLevelName(level));
    line.append(6 - LogLevelName(level).size(), ' ');
    line.append(event);
    for (const LogField& field : fields) {
      line.push_back(' ');
      line.append(field.key);
      line.push_back('=');
      AppendValue(&line, field, false);
    }
    line.push_back('\n');
  }
  // One write a line: lines of several threads do not mix. A reader that is gone loses lines, not
  // the gateway its life.
  [[maybe_unused]] const ssize_t written =
      ::write(g_fd.load(std::memory_order_relaxed), line.data(), line.size());
}

}  // namespace postern
