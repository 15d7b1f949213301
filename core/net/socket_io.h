#pragma once

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>

namespace postern {

// Sanitizers see what libc's functions read and write, and what they order between threads.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define POSTERN_PLAIN_SOCKET_CALLS 1
#endif
#endif

/// recv(2) and send(2), result and errno as theirs, without being points of thread cancellation: in
/// a program with threads glibc pays four atomic operations a call for that, and nothing here ever
/// cancels a thread.
inline ssize_t SocketReceive(int fd, void* data, size_t size, int flags) {
#ifdef POSTERN_PLAIN_SOCKET_CALLS
  return ::recv(fd, data, size, flags);
#else
  return ::syscall(SYS_recvfrom, fd, data, size, flags, nullptr, nullptr);
#endif
}

inline ssize_t SocketSend(int fd, const void* data, size_t size, int flags) {
#ifdef POSTERN_PLAIN_SOCKET_CALLS
  return ::send(fd, data, size, flags);
#else
  return ::syscall(SYS_sendto, fd, data, size, flags, nullptr, nullptr);
#endif
}

#undef POSTERN_PLAIN_SOCKET_CALLS

}  // namespace postern
