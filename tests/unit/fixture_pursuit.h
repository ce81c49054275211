/* A pursuit, and what it is given: plans and what its child has found. */
#pragma once

#include "cowherd/pursuit.h"

#define SECOND UINT64_C(1000000)
#define NOW    (100 * SECOND)

/* What is told, with the start of the child as one more bit. */
#define STARTED (1u << 16)

struct plan plan_of(enum plan_verdict verdict, size_t n_steps, const char *reason);
struct action_result result_of(enum plan_verdict verdict, int error, const char *reason);

/* Of a live snapshot's merge, since NOW. */
struct pursuit pursuit_of(bool recorded);

/* Returns what is told, and STARTED. */
unsigned consider(struct pursuit *pursuit, enum plan_verdict verdict, size_t n_steps, const char *reason,
                  uint64_t now_usec);

/* Returns what is told. */
unsigned take(struct pursuit *pursuit, enum plan_verdict verdict, int error, const char *reason,
              uint64_t now_usec);

/* As take(), of a child that has ended the action. */
unsigned take_end(struct pursuit *pursuit, enum plan_verdict verdict, const char *reason);
