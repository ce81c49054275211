#include "fixture_pursuit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct intent intent = {.action = ACTION_MERGE, .role = ROLE_LIVE, .name = "snapshot"};

struct plan plan_of(enum plan_verdict verdict, size_t n_steps, const char *reason)
{
    struct plan plan = {.verdict = verdict, .n_steps = n_steps};
    strcpy(plan.reason, reason);
    return plan;
}

struct action_result result_of(enum plan_verdict verdict, int error, const char *reason)
{
    struct action_result result = {.verdict = verdict, .error = error};
    strcpy(result.reason, reason);
    return result;
}

struct pursuit pursuit_of(bool recorded)
{
    struct pursuit pursuit;
    memset(&pursuit, 0xa5, sizeof(pursuit));
    pursuit_begin(&pursuit, &intent, recorded, NOW);
    return pursuit;
}

unsigned consider(struct pursuit *pursuit, enum plan_verdict verdict, size_t n_steps, const char *reason,
                  uint64_t now_usec)
{
    struct plan plan = plan_of(verdict, n_steps, reason);
    unsigned tell = 0xa5a5;
    bool start = pursuit_consider(pursuit, &plan, now_usec, &tell);
    assert_int_equal(tell & STARTED, 0);
    return tell | (start ? STARTED : 0);
}

unsigned take(struct pursuit *pursuit, enum plan_verdict verdict, int error, const char *reason,
              uint64_t now_usec)
{
    struct action_result result = result_of(verdict, error, reason);
    return pursuit_take_result(pursuit, &result, now_usec);
}

unsigned take_end(struct pursuit *pursuit, enum plan_verdict verdict, const char *reason)
{
    struct action_result result = result_of(verdict, 0, reason);
    result.ended = true;
    return pursuit_take_result(pursuit, &result, NOW);
}
