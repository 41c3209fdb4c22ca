// A function that takes the place of the C library's.
#pragma once

#define GODWIT_TAKES_OVER extern "C" __attribute__((visibility("default")))
