/* What every cmocka test includes first. */
#ifndef HF_TEST_H
#define HF_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#endif
