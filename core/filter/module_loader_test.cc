#include "core/filter/module_loader.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/crypto/digest.h"
#include "lib/text/concat.h"

namespace postern {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

namespace fs = std::filesystem;

std::string Built(std::string_view name) { return Concat("core/filter/testdata/", name, ".so"); }

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

std::string DigestOf(std::string_view name) { return Sha256Hex(ReadFile(Built(name))); }

std::string Text(const absl::Status& status) { return std::string(status.message()); }

// A module folder as an operator keeps it.
class Folder {
 public:
  Folder() {
    std::string path = (fs::temp_directory_path() / "modules-XXXXXX").string();
    if (::mkdtemp(path.data()) == nullptr) std::abort();
    path_ = path;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  // Puts a module in place as a careful installer does: beside, then renamed.
  std::string Put(std::string_view built, std::string_view as) const {
    return PutBytes(ReadFile(Built(built)), as);
  }
  std::string PutBytes(std::string_view bytes, std::string_view as) const {
    const std::string path = Concat(path_, "/", as);
    const std::string beside = path + ".new";
    std::ofstream(beside, std::ios::binary) << bytes;
    ::chmod(beside.c_str(), 0644);
    fs::rename(beside, path);
    return path;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class ModuleLoaderTest : public testing::Test {
 protected:
  ModuleLoaderTest() {
    host_.size = sizeof(host_);
    ::unsetenv("POSTERN_PROBE_LOADED");
    ::unsetenv("POSTERN_PROBE_DESTROYED");
  }

  ModuleLoader::Options Options() const {
    ModuleLoader::Options options;
    options.host = &host_;
    options.folders = {folder_.path()};
    options.allow_unpinned = true;
    return options;
  }

  static ModuleLoader::Request Probe() {
    ModuleLoader::Request request;
    request.name = "test.probe";
    return request;
  }

  // Why a module is refused; "" if it is not.
  std::string Refusal(std::string_view built) {
    const std::string path = folder_.Put(built, "probe.so");
    ModuleLoader loader(Options());
    const auto module = loader.LoadFile(path);
    return module.ok() ? "" : Text(module.status());
  }

  static bool CodeRan() { return std::getenv("POSTERN_PROBE_LOADED") != nullptr; }

  postern_host host_{};
  Folder folder_;
};

// ---- plugin-abi.md §4: what the loader relies on. ----

TEST_F(ModuleLoaderTest, FactSamePathReturnsTheOldHandle) {
  const std::string path = folder_.Put("good", "a.so");
  void* const first = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(first, nullptr) << ::dlerror();
  folder_.Put("good_2", "a.so");
  EXPECT_EQ(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL), first);
}

TEST_F(ModuleLoaderTest, FactMemoryFilesCanBeOpened) {
  const std::string bytes = ReadFile(Built("good"));
  const int fd = ::memfd_create("fact", MFD_CLOEXEC);
  ASSERT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  void* const handle = ::dlopen(Concat("/proc/self/fd/", fd).c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(handle, nullptr) << ::dlerror();
  EXPECT_NE(::dlsym(handle, "postern_module_manifest"), nullptr);
}

TEST_F(ModuleLoaderTest, FactInlineStateIsSharedUnlessHidden) {
  const auto next = [](std::string_view name) {
    void* const handle = ::dlopen(Built(name).c_str(), RTLD_NOW | RTLD_LOCAL);
    return reinterpret_cast<int (*)()>(::dlsym(handle, "Next"))();
  };
  EXPECT_EQ(next("inline_private_1"), 1);
  EXPECT_EQ(next("inline_private_2"), 1);
#ifdef __GNUC__
#ifndef __clang__
  EXPECT_EQ(next("inline_shared_1"), 1);
  EXPECT_EQ(next("inline_shared_2"), 2);
#endif
#endif
  const absl::StatusOr<ModuleFile> shared = ReadModuleFile(ReadFile(Built("inline_shared_1")));
  EXPECT_THAT(Text(shared.status()), HasSubstr("does not export postern_module_manifest"));
}

TEST_F(ModuleLoaderTest, FactNodeleteKeepsTheObject) {
  const std::string path = folder_.Put("good", "nodelete.so");
  void* const handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  ASSERT_NE(handle, nullptr);
  const auto* const manifest =
      static_cast<const postern_manifest*>(::dlsym(handle, "postern_module_manifest"));
  ::dlclose(handle);
  EXPECT_EQ(manifest->magic, POSTERN_ABI_MAGIC);
  EXPECT_NE(::dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD), nullptr);
}

TEST_F(ModuleLoaderTest, FactConstructorsRunInsideDlopen) {
  EXPECT_FALSE(CodeRan());
  ::dlopen(folder_.Put("good", "constructor.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  EXPECT_TRUE(CodeRan());
}

// ---- plugin-abi.md §14, negotiation. ----

TEST_F(ModuleLoaderTest, LoadsAndInitializes) {
  const std::string path = folder_.Put("good", "probe.so");
  {
    ModuleLoader loader(Options());
    const auto module = loader.Load(Probe());
    ASSERT_TRUE(module.ok()) << module.status();
    EXPECT_EQ((*module)->name(), "test.probe");
    EXPECT_EQ((*module)->version(), "1.0.0");
    EXPECT_EQ((*module)->title(), "test.probe 1.0.0");
    EXPECT_EQ((*module)->digest(), DigestOf("good"));
    EXPECT_EQ((*module)->file(), path);
    EXPECT_EQ((*module)->hook_mask(), kHookResponseHeaders);
    EXPECT_NE((*module)->hooks().config_create, nullptr);
    EXPECT_EQ((*module)->hooks().stream_create, nullptr);
    EXPECT_EQ(FilterModule::Of((const_cast<FilterModule*>(*module))->self()), *module);
    // Once for each content.
    EXPECT_EQ(*loader.Load(Probe()), *module);
    EXPECT_EQ(loader.counts().loads, 1u);
    EXPECT_EQ(loader.counts().mapped, 1u);
    EXPECT_EQ(std::getenv("POSTERN_PROBE_DESTROYED"), nullptr);
  }
  EXPECT_NE(std::getenv("POSTERN_PROBE_DESTROYED"), nullptr);
}

// Whatever a file can say by itself is found before any of its code runs.
TEST_F(ModuleLoaderTest, RefusesBeforeCodeRuns) {
  EXPECT_THAT(Refusal("wrong_magic"), HasSubstr("does not begin with POSTERN_ABI_MAGIC"));
  EXPECT_THAT(Refusal("major_2"),
              AllOf(HasSubstr("is built for major 2"), HasSubstr("this gateway has 1")));
  EXPECT_THAT(Refusal("minor_1"),
              AllOf(HasSubstr("needs minor 1"), HasSubstr("this gateway has 0")));
  EXPECT_THAT(Refusal("lies_long"), HasSubstr("says that it has 4096 bytes, but has "));
  EXPECT_THAT(Refusal("lies_short"), HasSubstr("says that it has 16 bytes"));
  EXPECT_THAT(Refusal("bad_name"), HasSubstr("manifest's name"));
  EXPECT_THAT(Refusal("bad_version"), HasSubstr("manifest's version"));
  EXPECT_THAT(Refusal("bad_capability"), HasSubstr("does not know (bits 16)"));
  EXPECT_THAT(Refusal("no_manifest"), HasSubstr("does not export postern_module_manifest"));
  EXPECT_THAT(Refusal("no_init"), HasSubstr("does not export the function postern_module_init"));
  EXPECT_THAT(Refusal("in_bss"), HasSubstr("not among the bytes of the file"));
  EXPECT_FALSE(CodeRan());
}

TEST_F(ModuleLoaderTest, EachRefusalNamesModuleAndFile) {
  const std::string refusal = Refusal("major_2");
  EXPECT_THAT(refusal, testing::StartsWith(
                           Concat("module \"test.probe\" (", folder_.path(), "/probe.so): ")));
  EXPECT_THAT(refusal, Not(HasSubstr("\n")));
}

// RTLD_NOW: a host function that does not exist is found at load, not at the first call.
TEST_F(ModuleLoaderTest, RefusesUndefinedSymbols) {
  EXPECT_THAT(Refusal("undefined"),
              AllOf(HasSubstr("undefined symbol: postern_function_that_no_host_has"),
                    Not(HasSubstr("/proc/self"))));
  EXPECT_FALSE(CodeRan());
}

TEST_F(ModuleLoaderTest, RefusesWhatInitGives) {
  EXPECT_THAT(Refusal("init_fails"), HasSubstr("postern_module_init failed with status -7"));
  EXPECT_THAT(Refusal("no_table"), HasSubstr("gave no table"));
  EXPECT_THAT(Refusal("table_tiny"), HasSubstr("has 4 bytes"));
  EXPECT_THAT(Refusal("body_undeclared"), HasSubstr("does not declare POSTERN_CAP_BODY"));
  EXPECT_THAT(Refusal("throws"), HasSubstr("threw an exception"));
}

// A hook past the end of an older table is not there; what a later minor added is not looked at.
TEST_F(ModuleLoaderTest, TablesMayBeShorterAndLonger) {
  ModuleLoader loader(Options());
  const auto older = loader.LoadFile(folder_.Put("table_short", "short.so"));
  ASSERT_TRUE(older.ok()) << older.status();
  EXPECT_NE((*older)->hooks().config_create, nullptr);
  EXPECT_EQ((*older)->hooks().config_destroy, nullptr);
  EXPECT_EQ((*older)->hooks().response_headers, nullptr);
  EXPECT_EQ((*older)->hook_mask(), 0u);
  const auto newer = loader.LoadFile(folder_.Put("table_long", "long.so"));
  ASSERT_TRUE(newer.ok()) << newer.status();
  EXPECT_EQ((*newer)->hooks().size, sizeof(postern_filter));
  EXPECT_EQ((*newer)->hook_mask(), kHookResponseHeaders);
}

TEST_F(ModuleLoaderTest, CapabilitiesMustBeGranted) {
  folder_.Put("callout", "probe.so");
  ModuleLoader loader(Options());
  ModuleLoader::Request request = Probe();
  request.capabilities = POSTERN_CAP_BODY | POSTERN_CAP_SHARED;
  const auto refused = loader.Load(request);
  EXPECT_THAT(Text(refused.status()), AllOf(HasSubstr("declares the capabilities BODY, CALLOUT"),
                                            HasSubstr("does not grant CALLOUT")));
  EXPECT_FALSE(CodeRan());
  EXPECT_EQ(loader.counts().refused, 1u);
  request.capabilities = POSTERN_CAP_BODY | POSTERN_CAP_CALLOUT;
  const auto module = loader.Load(request);
  ASSERT_TRUE(module.ok()) << module.status();
  EXPECT_TRUE((*module)->may(POSTERN_CAP_CALLOUT));
  EXPECT_FALSE((*module)->may(POSTERN_CAP_SHARED));
}

// ---- Which file. ----

TEST_F(ModuleLoaderTest, PinsAreHeld) {
  folder_.Put("good", "probe.so");
  ModuleLoader loader(Options());
  ModuleLoader::Request request = Probe();
  request.digest = std::string(64, '0');
  EXPECT_THAT(Text(loader.Load(request).status()),
              AllOf(HasSubstr("no file has the digest 0000"), HasSubstr(DigestOf("good"))));
  EXPECT_FALSE(CodeRan());
  request.digest = DigestOf("good");
  EXPECT_TRUE(loader.Load(request).ok());
  request.version = "1.0.1";
  EXPECT_THAT(Text(loader.Load(request).status()),
              AllOf(HasSubstr("version 1.0.1 is asked for"), HasSubstr("probe.so is 1.0.0")));
}

// architecture.md §4.4.
TEST_F(ModuleLoaderTest, UnpinnedOnesNeedPermission) {
  folder_.Put("good", "probe.so");
  ModuleLoader::Options options = Options();
  options.allow_unpinned = false;
  ModuleLoader loader(options);
  EXPECT_THAT(Text(loader.Load(Probe()).status()),
              AllOf(HasSubstr("is not pinned"), HasSubstr(DigestOf("good")),
                    HasSubstr("--allow-unpinned-modules")));
  EXPECT_FALSE(CodeRan());
  ModuleLoader::Request request = Probe();
  request.digest = DigestOf("good");
  EXPECT_TRUE(loader.Load(request).ok());
}

// What lies in the program's own folder is as good as the program; what the gateway wants of its
// own accord is looked for there alone.
TEST_F(ModuleLoaderTest, TheProgramsOwnNeedNoPin) {
  const Folder own;
  ModuleLoader::Options options = Options();
  options.own_folders = {own.path()};
  options.allow_unpinned = false;
  ModuleLoader::Request standard = Probe();
  standard.standard = true;
  folder_.Put("good_2", "probe.so");
  ModuleLoader loader(options);
  EXPECT_THAT(Text(loader.Load(standard).status()),
              AllOf(HasSubstr("is not installed"), HasSubstr(own.path())));
  own.Put("good", "probe.so");
  const auto module = loader.Load(standard);
  ASSERT_TRUE(module.ok()) << module.status();
  EXPECT_EQ((*module)->version(), "1.0.0");
  EXPECT_THAT(Text(loader.Load(Probe()).status()), HasSubstr("different content"));
  folder_.Put("good", "probe.so");
  EXPECT_TRUE(loader.Load(Probe()).ok()) << "the same content as the program's own";
}

// plugin-abi.md §9, "Repeated fault".
TEST_F(ModuleLoaderTest, ModulesThatEndedProcessesAreQuarantined) {
  folder_.Put("good", "probe.so");
  ModuleLoader::Options options = Options();
  for (size_t i = 1; i <= FaultRecord::kLimit; ++i) {
    options.faults.push_back({0, "test.probe", "1.0.0", DigestOf("good"), "request_headers"});
    ModuleLoader loader(options);
    const auto module = loader.Load(Probe());
    ASSERT_TRUE(module.ok()) << module.status();
    EXPECT_EQ(loader.IsQuarantined(**module), i == FaultRecord::kLimit);
  }
}

TEST_F(ModuleLoaderTest, TwoContentsOfOneNameAreAmbiguous) {
  folder_.Put("good", "a.so");
  folder_.Put("good_2", "b.so");
  ModuleLoader loader(Options());
  EXPECT_THAT(Text(loader.Load(Probe()).status()),
              AllOf(HasSubstr("a.so"), HasSubstr("b.so"), HasSubstr("different content")));
  ModuleLoader::Request request = Probe();
  request.version = "2.0.0";
  const auto second = loader.Load(request);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ((*second)->version(), "2.0.0");
  // The same content twice is no question.
  folder_.Put("good", "c.so");
  request.version = "1.0.0";
  EXPECT_TRUE(loader.Load(request).ok());
}

TEST_F(ModuleLoaderTest, SaysWhereItLooked) {
  ModuleLoader loader(Options());
  EXPECT_THAT(Text(loader.Load(Probe()).status()),
              AllOf(HasSubstr("no file of this name is in"), HasSubstr(folder_.path())));
  folder_.PutBytes("#!/bin/sh\n", "script.so");
  EXPECT_THAT(Text(loader.Load(Probe()).status()), HasSubstr("script.so: is no shared object"));
  ModuleLoader::Options options = Options();
  options.folders.clear();
  EXPECT_THAT(Text(ModuleLoader(options).Load(Probe()).status()), HasSubstr("--modules"));
  options.folders = {folder_.path() + "/missing"};
  EXPECT_THAT(Text(ModuleLoader(options).Load(Probe()).status()),
              HasSubstr("cannot be opened: No such file"));
}

// New content under the old name is a new module beside the old one, until there are too many.
TEST_F(ModuleLoaderTest, NewContentIsANewModule) {
  folder_.Put("good", "probe.so");
  ModuleLoader::Options options = Options();
  options.max_mapped = 2;
  ModuleLoader loader(options);
  const auto first = loader.Load(Probe());
  ASSERT_TRUE(first.ok());
  folder_.Put("good_2", "probe.so");
  const auto second = loader.Load(Probe());
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_NE(*first, *second);
  EXPECT_EQ((*second)->version(), "2.0.0");
  EXPECT_NE((*first)->hooks().config_create, (*second)->hooks().config_create);
  // Back to what is mapped already.
  folder_.Put("good", "probe.so");
  EXPECT_EQ(*loader.Load(Probe()), *first);
  folder_.Put("callout", "probe.so");
  EXPECT_THAT(Text(loader.Load(Probe()).status()),
              AllOf(HasSubstr("beside 2 others"), HasSubstr("restart the gateway")));
  EXPECT_EQ(loader.counts().mapped, 2u);
}

// One that fails in init stays mapped, and is not mapped again at each reload.
TEST_F(ModuleLoaderTest, WhatFailedAfterMappingIsRemembered) {
  const std::string path = folder_.Put("init_fails", "probe.so");
  ModuleLoader loader(Options());
  const auto first = loader.LoadFile(path);
  const auto second = loader.LoadFile(path);
  EXPECT_EQ(first.status(), second.status());
  EXPECT_EQ(loader.counts().mapped, 1u);
}

// ---- Who may write it. ----

TEST_F(ModuleLoaderTest, OthersMustNotWriteFileOrFolder) {
  const std::string path = folder_.Put("good", "probe.so");
  ModuleLoader loader(Options());
  for (const mode_t mode : {0664, 0646}) {
    ::chmod(path.c_str(), mode);
    EXPECT_THAT(Text(loader.Load(Probe()).status()),
                AllOf(HasSubstr("the file can be written by others"), HasSubstr("chmod go-w")));
  }
  ::chmod(path.c_str(), 0644);
  ::chmod(folder_.path().c_str(), 0777);
  EXPECT_THAT(Text(loader.Load(Probe()).status()),
              HasSubstr("the folder can be written by others"));
  EXPECT_FALSE(CodeRan());
  ::chmod(folder_.path().c_str(), 0755);
  EXPECT_TRUE(loader.Load(Probe()).ok());
}

TEST_F(ModuleLoaderTest, OwnerMustBeRootOrThisUser) {
  const std::string path = folder_.Put("good", "probe.so");
  if (::chown(path.c_str(), 12345, 12345) != 0) GTEST_SKIP() << "files cannot be given away here";
  EXPECT_THAT(Text(ModuleLoader(Options()).Load(Probe()).status()),
              HasSubstr("the file belongs to user 12345"));
  ASSERT_EQ(::chown(path.c_str(), 0, 0), 0);
  ASSERT_EQ(::chown(folder_.path().c_str(), 12345, 12345), 0);
  EXPECT_THAT(Text(ModuleLoader(Options()).Load(Probe()).status()),
              HasSubstr("the folder belongs to user 12345"));
}

TEST_F(ModuleLoaderTest, OddFilesDoNoHarm) {
  ModuleLoader loader(Options());
  ASSERT_EQ(::mkfifo(Concat(folder_.path(), "/pipe.so").c_str(), 0600), 0);
  fs::create_directory(Concat(folder_.path(), "/folder.so"));
  folder_.PutBytes("", "empty.so");
  const std::string good = ReadFile(Built("good"));
  folder_.PutBytes(std::string_view(good).substr(0, good.size() / 4), "part.so");
  EXPECT_THAT(Text(loader.Load(Probe()).status()),
              AllOf(HasSubstr("pipe.so: is no file"), HasSubstr("folder.so: is no file"),
                    HasSubstr("empty.so: is no shared object"), HasSubstr("part.so: is cut off")));
  folder_.Put("good", "good.so");
  EXPECT_TRUE(loader.Load(Probe()).ok());
}

// ---- Built-in modules. ----

postern_manifest BuiltInManifest() {
  return {
      POSTERN_ABI_MAGIC, sizeof(postern_manifest), POSTERN_ABI_MAJOR, 0, 0, "test.probe", "9.0"};
}

TEST_F(ModuleLoaderTest, BuiltInOnesNeedNoFile) {
  static const postern_manifest manifest = BuiltInManifest();
  static postern_filter hooks{};
  hooks.size = sizeof(hooks);
  ModuleLoader::Options options = Options();
  options.allow_unpinned = false;
  options.built_in = {
      {&manifest, [](const postern_host*, postern_self*, void**, const postern_filter** filter) {
         *filter = &hooks;
         return postern_status{POSTERN_OK};
       }}};
  ModuleLoader loader(options);
  const auto module = loader.Load(Probe());
  ASSERT_TRUE(module.ok()) << module.status();
  EXPECT_EQ((*module)->version(), "9.0");
  EXPECT_EQ((*module)->digest(), "");
  EXPECT_EQ(*loader.Load(Probe()), *module);
  EXPECT_EQ(loader.counts().mapped, 0u);
  // A digest asks for a file.
  folder_.Put("good", "probe.so");
  ModuleLoader::Request request = Probe();
  request.digest = DigestOf("good");
  EXPECT_EQ((*loader.Load(request))->version(), "1.0.0");
  request = Probe();
  request.version = "1.0.0";
  EXPECT_THAT(Text(loader.Load(request).status()), HasSubstr("9.0 is built into this program"));
}

// ---- Metrics. ----

class Samples final : public MetricsSink {
 public:
  void Counter(const MetricFamily& family, MetricLabels, uint64_t value) override {
    text += Concat(family.name, " ", value, "\n");
  }
  void Counter(const MetricFamily&, MetricLabels, double) override {}
  void Gauge(const MetricFamily& family, MetricLabels, double value) override {
    text += Concat(family.name, " ", static_cast<int64_t>(value), "\n");
  }
  void Histogram(const MetricFamily&, MetricLabels, std::span<const double>,
                 std::span<const uint64_t>, double) override {}
  void Info(const MetricFamily& family, MetricLabels labels) override {
    text += Concat(family.name, " ", labels.begin()->value, "\n");
  }
  std::string text;
};

TEST_F(ModuleLoaderTest, Counts) {
  folder_.Put("good", "probe.so");
  ModuleLoader loader(Options());
  ASSERT_TRUE(loader.Load(Probe()).ok());
  ModuleLoader::Request missing;
  missing.name = "none";
  EXPECT_FALSE(loader.Load(missing).ok());
  Samples samples;
  loader.Collect(&samples);
  EXPECT_EQ(samples.text,
            "postern_modules_mapped 1\npostern_modules_mapped_limit 64\npostern_module_loads 1\n"
            "postern_module_refusals 1\npostern_module test.probe\n");
}

// ---- Bytes. ----

// Every prefix, and every byte changed, is read within bounds.
TEST(ModuleFileTest, DamagedFilesAreReadWithinBounds) {
  const std::string good = ReadFile(Built("good"));
  ASSERT_TRUE(ReadModuleFile(good).ok());
  for (size_t size = 0; size < good.size(); size += 7) {
    (void)ReadModuleFile(std::string(good, 0, size));
  }
  std::string changed = good;
  for (size_t at = 0; at < changed.size(); at += 3) {
    const char kept = changed[at];
    changed[at] = static_cast<char>(~kept);
    (void)ReadModuleFile(changed);
    changed[at] = kept;
  }
}

TEST(ModuleFileTest, SaysWhatElseIsExported) {
  const absl::StatusOr<ModuleFile> good = ReadModuleFile(ReadFile(Built("good")));
  ASSERT_TRUE(good.ok());
  EXPECT_TRUE(good->exported.empty());
  EXPECT_THAT(good->needed, testing::Contains("libc.so.6"));
  EXPECT_THAT(Text(ReadModuleFile(ReadFile("/proc/self/exe")).status()),
              HasSubstr("does not export postern_module_manifest"));
}

TEST(ModuleFileTest, CapabilitiesHaveNames) {
  EXPECT_EQ(CapabilityNames(0), "none");
  EXPECT_EQ(CapabilityNames(kAllCapabilities), "BODY, CALLOUT, SHARED, THREADS");
  EXPECT_EQ(ParseCapability("SHARED"), static_cast<uint32_t>(POSTERN_CAP_SHARED));
  EXPECT_EQ(ParseCapability("shared"), 0u);
}

}  // namespace
}  // namespace postern
