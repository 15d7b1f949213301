// Read by LeakSanitizer, in builds with it only.

extern "C" const char* __lsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier)

// gRPC's resolver leaves ten bytes of c-ares behind where a process ends right after a call. What
// our own use of c-ares allocates is freed in the unit tests of core/net, which do not link this.
extern "C" const char* __lsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
  return "leak:libcares.so\n";
}
