// The floor under every TCP proxy: one epoll loop, one upstream connection for each client
// connection, bytes passed on unread. Two reads and two writes a request besides the wait.
//
// usage: bench_floor PORT UPSTREAM_PORT

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { kMaxDescriptors = 65536, kEvents = 256, kBufferSize = 65536 };

// The other end of a proxied connection, by descriptor; 0 where there is none.
static int other_end[kMaxDescriptors];
static char buffer[kBufferSize];

static struct sockaddr_in Loopback(const char* port) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons((unsigned short)atoi(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static void Watch(int epoll, int descriptor) {
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) perror("epoll_ctl");
}

static void Accept(int epoll, int listener, const struct sockaddr_in* upstream) {
  const int client = accept4(listener, NULL, NULL, 0);
  if (client < 0) return;
  const int server = socket(AF_INET, SOCK_STREAM, 0);
  if (server < 0 || server >= kMaxDescriptors || client >= kMaxDescriptors ||
      connect(server, (const struct sockaddr*)upstream, sizeof *upstream) != 0) {
    close(client);
    if (server >= 0) close(server);
    return;
  }
  other_end[client] = server;
  other_end[server] = client;
  Watch(epoll, client);
  Watch(epoll, server);
}

static void PassOn(int descriptor) {
  const int target = other_end[descriptor];
  if (target == 0) return;  // Closed earlier in this round of events.
  const ssize_t size = recv(descriptor, buffer, sizeof buffer, MSG_DONTWAIT);
  if (size < 0 && errno == EAGAIN) return;
  if (size > 0 && send(target, buffer, (size_t)size, MSG_NOSIGNAL) == size) return;
  other_end[descriptor] = other_end[target] = 0;
  close(descriptor);
  close(target);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const struct sockaddr_in address = Loopback(argv[1]);
  const struct sockaddr_in upstream = Loopback(argv[2]);
  const int on = 1;
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (const struct sockaddr*)&address, sizeof address) != 0 ||
      listen(listener, 4096) != 0) {
    perror("listen");
    return 1;
  }
  const int epoll = epoll_create1(0);
  Watch(epoll, listener);
  struct epoll_event events[kEvents];
  for (;;) {
    const int count = epoll_wait(epoll, events, kEvents, -1);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == listener) {
        Accept(epoll, listener, &upstream);
      } else {
        PassOn(events[i].data.fd);
      }
    }
  }
}
