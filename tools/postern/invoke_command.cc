#include "tools/postern/invoke_command.h"

#include <rapidjson/document.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "core/base/log.h"
#include "core/config/runtime_snapshot.h"
#include "core/server/server.h"
#include "lib/text/char_sink.h"
#include "lib/text/json_writer.h"
#include "tools/postern/exit_codes.h"
#include "tools/postern/request_options.h"
#include "tools/postern/version.h"

namespace postern {
namespace {

namespace v1 = snapshot::v1;

// What API Gateway shows as $context.domainName of a test.
constexpr char kHost[] = "testPrefix.testDomainName";
constexpr size_t kMaxAnswer = size_t{64} << 20;

struct Answer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  int64_t latency_ms = 0;
};

/// A file without a name, for the lines of the execution log.
class MemoryFile {
 public:
  MemoryFile() : fd_(::memfd_create("execution-log", MFD_CLOEXEC)) {}
  ~MemoryFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  bool ok() const { return fd_ >= 0; }
  std::string path() const { return absl::StrCat("/proc/self/fd/", fd_); }
  std::string Read() const {
    std::string out;
    char buffer[65536];
    off_t at = 0;
    for (ssize_t size; (size = ::pread(fd_, buffer, sizeof(buffer), at)) > 0; at += size) {
      out.append(buffer, static_cast<size_t>(size));
    }
    return out;
  }

 private:
  int fd_;
};

/// A folder of our own for a socket.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "postern-XXXXXX").string();
    if (::mkdtemp(path.data()) != nullptr) path_ = path;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Sends one request over HTTP/1.0, whose answer ends with the connection, and reads all of it.
absl::StatusOr<Answer> Ask(const std::string& socket_path, const std::string& request,
                           uint64_t timeout_s) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket_path.c_str(), sizeof(address.sun_path) - 1);
  const timeval limit{static_cast<time_t>(timeout_s), 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  const auto begin = std::chrono::steady_clock::now();
  std::string received;
  int error =
      ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 ? 0 : errno;
  for (size_t sent = 0; error == 0 && sent < request.size();) {
    const ssize_t size = ::send(fd, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    // A request that is refused early is not read to its end; the answer is there.
    if (size <= 0) break;
    sent += static_cast<size_t>(size);
  }
  char buffer[65536];
  while (error == 0 && received.size() < kMaxAnswer) {
    const ssize_t size = ::recv(fd, buffer, sizeof(buffer), 0);
    if (size < 0 && received.empty()) error = errno;
    if (size <= 0) break;
    received.append(buffer, static_cast<size_t>(size));
  }
  ::close(fd);
  if (error != 0) return absl::ErrnoToStatus(error, "no answer");
  Answer answer;
  answer.latency_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                          std::chrono::steady_clock::now() - begin)
                          .count();
  const size_t end = received.find("\r\n\r\n");
  std::vector<std::string> lines =
      absl::StrSplit(received.substr(0, std::min(end, received.size())), "\r\n");
  const std::vector<std::string> first = absl::StrSplit(lines[0], absl::MaxSplits(' ', 2));
  if (end == received.npos || first.size() < 2 || !absl::SimpleAtoi(first[1], &answer.status)) {
    return absl::AbortedError("the connection was closed without an answer");
  }
  for (size_t i = 1; i < lines.size(); ++i) {
    std::pair<std::string, std::string> field = absl::StrSplit(lines[i], absl::MaxSplits(':', 1));
    // What says how this one connection is used is no part of the answer.
    if (field.first == "Connection") continue;
    field.second = std::string(absl::StripLeadingAsciiWhitespace(field.second));
    answer.headers.push_back(std::move(field));
  }
  answer.body = received.substr(end + 4);
  return answer;
}

/// Lines of the log as the console shows them (management-and-import.md 1.10).
std::string ShowLog(const std::string& lines) {
  std::string out;
  bool started = false;
  for (const absl::string_view line : absl::StrSplit(lines, '\n', absl::SkipEmpty())) {
    rapidjson::Document entry;
    entry.Parse(line.data(), line.size());
    if (entry.HasParseError()) continue;
    absl::string_view message = entry["message"].GetString();
    const size_t space = message.find(' ');
    const absl::string_view id = message.substr(1, space - 2);
    absl::string_view text = message.substr(space + 1);
    if (out.empty()) absl::StrAppend(&out, "Execution log for request ", id, "\n");
    // Tests begin behind the front half, unless that is where they end.
    started = started || absl::StartsWith(text, "Starting execution");
    if (!started &&
        (absl::StartsWith(text, "Extended Request Id") ||
         absl::StartsWith(text, "Verifying Usage Plan") || absl::StartsWith(text, "API Key ") ||
         absl::StartsWith(text, "Usage Plan check"))) {
      continue;
    }
    absl::Time time;
    absl::ParseTime(absl::RFC3339_full, entry["time"].GetString(), &time, nullptr);
    absl::StrAppend(&out, absl::FormatTime("%a %b %d %H:%M:%S UTC %Y", time, absl::UTCTimeZone()),
                    " : ", text, "\n");
    if (absl::StartsWith(text, "Method completed with status")) break;
  }
  return out;
}

// The reply of TestInvokeMethod.
std::string ToJson(const Answer& answer, const std::string& log) {
  std::string out;
  StringSink sink(&out);
  JsonWriter json(&sink);
  json.BeginObject();
  json.Key("status");
  json.Int(answer.status);
  json.Key("body");
  json.String(answer.body);
  for (const bool multi : {false, true}) {
    json.Key(multi ? "multiValueHeaders" : "headers");
    json.BeginObject();
    for (size_t i = 0; i < answer.headers.size(); ++i) {
      const auto same = [&](const auto& other) { return other.first == answer.headers[i].first; };
      const auto at = answer.headers.begin() + static_cast<ptrdiff_t>(i);
      if (std::any_of(answer.headers.begin(), at, same)) continue;
      json.Key(at->first);
      if (multi) json.BeginArray();
      std::string_view last;
      for (auto field = at; field != answer.headers.end(); ++field) {
        if (!same(*field)) continue;
        if (multi) json.String(field->second);
        last = field->second;
      }
      if (multi) {
        json.EndArray();
      } else {
        json.String(last);
      }
    }
    json.EndObject();
  }
  json.Key("latency");
  json.Int(answer.latency_ms);
  json.Key("log");
  json.String(log);
  json.EndObject();
  sink.Finish();
  return out;
}

void Print(const RequestOptions& options, const Answer& answer, const std::string& log) {
  if (options.json) {
    std::printf("%s\n", ToJson(answer, log).c_str());
    return;
  }
  std::printf("Request: %s %s\nStatus: %d\nLatency: %lld ms\n\nResponse headers:\n",
              options.method.c_str(), options.target.c_str(), answer.status,
              static_cast<long long>(answer.latency_ms));
  for (const auto& [name, value] : answer.headers) {
    std::printf("  %s: %s\n", name.c_str(), value.c_str());
  }
  std::printf("\nResponse body:\n");
  std::fwrite(answer.body.data(), 1, answer.body.size(), stdout);
  std::printf("%s\nLog:\n%s", answer.body.empty() || answer.body.back() == '\n' ? "" : "\n",
              log.c_str());
}

std::string MakeRequest(const RequestOptions& options, const std::string& body) {
  std::string request = absl::StrCat(options.method, " ", options.target, " HTTP/1.0\r\n");
  bool host = false;
  for (const std::string& header : options.headers) {
    absl::StrAppend(&request, header, "\r\n");
    host = host || absl::StartsWithIgnoreCase(header, "host:");
  }
  if (!host) absl::StrAppend(&request, "Host: ", kHost, "\r\n");
  if (!body.empty()) absl::StrAppend(&request, "Content-Length: ", body.size(), "\r\n");
  return absl::StrCat(request, "\r\n", body);
}

/// Lets every method of the stage log all there is, and every host lead to it.
void SetUp(const RequestTarget& target, const std::string& log, v1::Snapshot* snapshot) {
  const std::string api_id = target.api->id();
  const std::string stage_name = target.stage->name();
  for (v1::Stage& stage : *snapshot->mutable_stages()) {
    stage.clear_access_log();
    if (stage.api_id() != api_id || stage.name() != stage_name) continue;
    stage.mutable_execution_log()->set_file(log);
    bool all = false;
    for (v1::MethodSettings& settings : *stage.mutable_method_settings()) {
      settings.set_logging_level(v1::LOGGING_LEVEL_INFO);
      settings.set_data_trace_enabled(true);
      all = all || settings.resource_path() == "*";
    }
    if (all) continue;
    v1::MethodSettings& settings = *stage.add_method_settings();
    settings.set_resource_path("*");
    settings.set_http_method("*");
    settings.set_logging_level(v1::LOGGING_LEVEL_INFO);
    settings.set_data_trace_enabled(true);
  }
  snapshot->clear_domains();
  v1::Domain& domain = *snapshot->add_domains();
  domain.set_name("*");
  v1::BasePathMapping& mapping = *domain.add_mappings();
  mapping.set_api_id(api_id);
  mapping.set_stage(stage_name);
}

}  // namespace

int InvokeCommand(const std::vector<std::string>& args) {
  CommandLine command("invoke", kRequestArguments, 3, SIZE_MAX);
  FlagSet& flags = command.flags();
  RequestOptions options;
  std::string body;
  std::string body_file;
  uint64_t timeout_s = 60;
  options.Bind(&flags);
  flags.String("body", "TEXT", "Content of the request.", &body);
  flags.String("body-file", "FILE", "A file with the content of the request.", &body_file);
  flags.Number("timeout", "SECONDS", "Longest wait for anything of the answer. Default 60.", 1,
               3600, &timeout_s);
  int code = kExitOk;
  if (!command.Begin(args, &code) || !options.Take(command, &code)) return code;
  const auto fail = [&](absl::string_view problem) { return command.Fail(kExitFailed, problem); };
  if (!body_file.empty()) {
    absl::StatusOr<std::string> text = ReadDefinitionFile(body_file);
    if (!text.ok()) return fail(text.status().message());
    body = *std::move(text);
  }
  absl::StatusOr<ModuleLoader::Options> loader_options = options.modules.ToLoaderOptions();
  if (!loader_options.ok()) return fail(loader_options.status().message());
  SetLogLevel(LogLevel::kError);

  const TemporaryFolder folder;
  const MemoryFile log;
  if (folder.path().empty() || !log.ok()) return fail("no temporary folder can be made");
  const std::string socket_path = folder.path() + "/socket";
  v1::Listener listener;
  listener.set_name("http");
  listener.mutable_address()->set_unix_path(socket_path);
  Definitions definitions = LoadDefinitions(options.definitions, {listener}, 1);
  if (!definitions.ok()) {
    PrintReports(definitions);
    return kExitRefused;
  }
  const absl::StatusOr<RequestTarget> target = FindTarget(options, definitions.snapshot);
  if (!target.ok()) return fail(target.status().message());
  SetUp(*target, log.path(), &definitions.snapshot);

  ModuleLoader modules(*std::move(loader_options));
  absl::StatusOr<Answer> answer = absl::UnavailableError("the gateway did not start");
  {
    Server::Options server_options;
    server_options.workers = 1;
    server_options.version = std::string(kVersion);
    Server server(std::move(server_options));
    RuntimeSnapshot::Built built = RuntimeSnapshot::Build(
        definitions.snapshot,
        {.workers = 1, .credentials = server.credentials(), .modules = &modules});
    if (built.snapshot == nullptr) return command.Fail(kExitRefused, built.ProblemText());
    if (absl::Status status = server.Start(); !status.ok()) return fail(status.message());
    std::thread client;
    server.Activate(built.snapshot, [&](absl::Status status) {
      if (!status.ok()) {
        answer = status;
        server.Stop();
        return;
      }
      client = std::thread([&] {
        answer = Ask(socket_path, MakeRequest(options, body), timeout_s);
        server.dispatcher()->Post([&] { server.Stop(); });
      });
    });
    code = server.Run();
    if (client.joinable()) client.join();
  }
  // The gateway is gone, and all its lines are written.
  if (!answer.ok()) return fail(answer.status().message());
  Print(options, *answer, ShowLog(log.Read()));
  return code;
}

}  // namespace postern
