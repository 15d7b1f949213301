#include <benchmark/benchmark.h>

#include "core/config/runtime_snapshot.h"
#include "core/config/snapshot_file.h"
#include "core/config/test_snapshot.h"

namespace postern {
namespace {

// From the bytes of a stored snapshot to something that serves.
void BM_LoadSnapshot(benchmark::State& state) {
  TestSnapshot large = MakeLargeSnapshot(static_cast<int>(state.range(0)));
  const std::string content = EncodeSnapshotFile(large.Finish());
  for (auto _ : state) {
    snapshot::v1::Snapshot message;
    if (!DecodeSnapshotFile(content, &message).ok()) state.SkipWithError("not decoded");
    const RuntimeSnapshot::Built built = RuntimeSnapshot::Build(message, {});
    if (built.snapshot == nullptr) state.SkipWithError("not built");
    benchmark::DoNotOptimize(built.snapshot.get());
  }
}
BENCHMARK(BM_LoadSnapshot)->Arg(10)->Arg(1000)->Arg(9999)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace postern
