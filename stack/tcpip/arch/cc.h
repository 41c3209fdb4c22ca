/* What lwIP asks of compiler and platform: gcc or clang on Linux. */
#ifndef GODWIT_LWIP_ARCH_CC_H
#define GODWIT_LWIP_ARCH_CC_H

#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define LWIP_NO_UNISTD_H 1 /* nothing of the platform's sockets */

/* A broken promise of lwIP's own: going on would work with wrong memory, so it ends here, in a
   release too. Nothing that a packet can contain may lead to one; where it does, it is a bug. */
#define LWIP_PLATFORM_ASSERT(message)                                     \
  do {                                                                    \
    fprintf(stderr, "lwIP: %s (%s:%d)\n", (message), __FILE__, __LINE__); \
    abort();                                                              \
  } while (0)
#define LWIP_PLATFORM_DIAG(arguments) \
  do {                                \
    printf arguments;                 \
  } while (0)

#ifdef __cplusplus
extern "C" {
#endif
uint32_t godwit_lwip_random(void);
#ifdef __cplusplus
}
#endif
#define LWIP_RAND() godwit_lwip_random()

#endif
