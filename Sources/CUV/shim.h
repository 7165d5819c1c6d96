#include <sys/socket.h>
#include <uv.h>

// GNU's, which Swift's Glibc module does not show.
extern int accept4(int descriptor, struct sockaddr *restrict address, socklen_t *restrict length, int flags);
extern int pthread_setname_np(pthread_t thread, const char *name);

// `uv_loop_configure` takes any number of arguments, which Swift cannot call.
static inline int uv_measure_idle_time(uv_loop_t *loop) { return uv_loop_configure(loop, UV_METRICS_IDLE_TIME); }
