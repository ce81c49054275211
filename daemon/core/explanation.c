#include "cowherd/explanation.h"
#include <stdlib.h>

static void explanation_rung_done(struct explanation_rung *rung)
{
    free(rung->text);
    free(rung->state);
    free(rung->would);
    free(rung->in_time);
    free(rung->reason);
}

void explanation_done(struct explanation *explanation)
{
    for (size_t i = 0; i < explanation->n_rungs; i++)
        explanation_rung_done(&explanation->rungs[i]);
    free(explanation->rungs);
    free(explanation->section);
    free(explanation->guarantee);
    free(explanation->reason);
    *explanation = (struct explanation){0};
}
