#include <cstddef>
#include <cstdint>
#include <string>

#include "core/config/runtime_snapshot.h"
#include "core/config/snapshot_file.h"
#include "core/context/test_request.h"
#include "lib/crypto/digest.h"
#include "proto/snapshot/snapshot.pb.h"

namespace postern {
namespace {

/// Gives every deployment the digest it has, so that inputs get past that check.
void FixDigests(snapshot::v1::Snapshot* snapshot) {
  for (auto& stored : *snapshot->mutable_deployments()) {
    const std::string digest = Sha256Hex(stored.content());
    for (auto& stage : *snapshot->mutable_stages()) {
      if (stage.deployment_digest() == stored.digest()) stage.set_deployment_digest(digest);
      if (stage.has_canary() && stage.canary().deployment_digest() == stored.digest()) {
        stage.mutable_canary()->set_deployment_digest(digest);
      }
    }
    stored.set_digest(digest);
  }
}

/// Certificates are read from files; a fuzzer should not.
void RemoveFiles(snapshot::v1::Snapshot* snapshot) {
  for (auto& cluster : *snapshot->mutable_clusters()) cluster.clear_tls();
}

}  // namespace
}  // namespace postern

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace postern;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  snapshot::v1::Snapshot snapshot;
  // The first byte chooses between the file and the message in it.
  if (size > 0 && data[0] == 0x93) {
    if (!DecodeSnapshotFile(input, &snapshot).ok()) return 0;
  } else if (!snapshot.ParseFromArray(data, static_cast<int>(size))) {
    return 0;
  }
  FixDigests(&snapshot);
  RemoveFiles(&snapshot);
  const RuntimeSnapshot::Built built = RuntimeSnapshot::Build(snapshot, {});
  if (built.snapshot == nullptr) {
    if (built.problems.empty()) __builtin_trap();
    return 0;
  }
  // What was taken must route.
  for (const char* target : {"/", "/pets/7", "/prod/pets//x/", "/_aws/execute-api/pets/prod/fn"}) {
    for (const char* host : {"localhost", "pets.execute-api.local", "a.example.com"}) {
      TestRequest request("GET", target, {{"Accept", "text/plain"}}, host);
      const RouteMatch match =
          built.snapshot->router().Match(request.head, {}, &request.context, &request.arena);
      if (match.route == nullptr) {
        match.replies().Render(match.refusal, 0, &request.context, &request.arena);
      }
    }
  }
  return 0;
}
