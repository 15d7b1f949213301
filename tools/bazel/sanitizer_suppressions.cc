// Read by the run times of the sanitizers, in builds with them only; for programs that link gRPC.

// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions();

// gRPC's resolver leaves ten bytes of c-ares behind where a process ends right after a call. What
// our own use of c-ares allocates is freed in the unit tests of core/net, which do not link this.
extern "C" const char* __lsan_default_suppressions() { return "leak:libcares.so\n"; }

// gRPC's library is not instrumented: the thread sanitizer sees the templates in its headers, and
// its calls of our reactors, but not the locks between them.
extern "C" const char* __tsan_default_suppressions() {
  return "race:grpc::internal::\n"
         "race:grpc::ClientContext\n"
         "race:grpc::ServerContextBase\n"
         "race:postern::ControlClient::Impl::Stream::On\n";
}
// NOLINTEND(bugprone-reserved-identifier)
