#include "tools/postern/request_options.h"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace postern {

void RequestOptions::Bind(FlagSet* flags) {
  definitions.Bind(flags);
  definitions.secrets.Bind(flags);
  modules.Bind(flags);
  flags->String("api", "NAME", "Which API, by title or id, where there are several.", &api);
  flags->Strings("header", "NAME: VALUE", "A header field of the request. May be repeated.",
                 &headers);
  flags->Switch("json", "Write JSON.", &json);
}

bool RequestOptions::Take(const CommandLine& command, int* code) {
  const auto usage = [&](absl::string_view problem) {
    *code = command.Usage(problem);
    return false;
  };
  std::vector<std::string>& files = definitions.files;
  files = command.arguments();
  target = files.back();
  files.pop_back();
  method = absl::AsciiStrToUpper(files.back());
  files.pop_back();
  if (!target.starts_with('/')) return usage(absl::StrCat(target, ": a path begins with a slash"));
  for (const std::string& header : headers) {
    const size_t colon = header.find(':');
    if (colon == header.npos || colon == 0 || header.find_first_of("\r\n") != header.npos) {
      return usage(absl::StrCat("--header ", header, ": write NAME: VALUE"));
    }
  }
  if (target.find_first_of(" \r\n") != target.npos ||
      method.find_first_of(" \r\n") != method.npos) {
    return usage("method and path have no white space; write %20");
  }
  return true;
}

absl::StatusOr<RequestTarget> FindTarget(const RequestOptions& options,
                                         const snapshot::v1::Snapshot& snapshot) {
  const snapshot::v1::Api* api = nullptr;
  for (const snapshot::v1::Api& candidate : snapshot.apis()) {
    if (options.api.empty() ? snapshot.apis_size() == 1
                            : candidate.id() == options.api || candidate.name() == options.api) {
      api = &candidate;
    }
  }
  if (api == nullptr) {
    if (options.api.empty()) {
      return absl::InvalidArgumentError("there are several APIs; say which by --api");
    }
    return absl::NotFoundError(absl::StrCat("there is no API \"", options.api, "\""));
  }
  // The stage of --stage, else the first of the settings, is the first of each API.
  for (const snapshot::v1::Stage& stage : snapshot.stages()) {
    if (stage.api_id() == api->id()) return RequestTarget{api, &stage};
  }
  return absl::NotFoundError("the API has no stage");
}

}  // namespace postern
