/* cowherd-hook: runs one hook for cowherd, outside of its sandbox and longer than it, if need be.
 *
 * Standard input is a socket; the order comes over it and the outcome goes back. Where the daemon has ended
 * meanwhile, the outcome is written to standard error.
 */
#include "cowherd/hook_supervisor.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

/* It is a unit's main process: a TERM to the unit is for the hook, which it waits for. */
static void set_up(void)
{
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    close_range(STDERR_FILENO + 1, ~0U, 0);
}

static void tell(const struct hook_order *order, const struct hook_outcome *outcome)
{
    static const char *const ends[] = {
        [HOOK_EXITED] = "exit code ",
        [HOOK_KILLED] = "killed by signal ",
        [HOOK_OVERDUE] = "it took too long and was stopped",
        [HOOK_NOT_STARTED] = "it cannot be run, error ",
    };
    char number[16] = "";
    if (send(STDIN_FILENO, outcome, sizeof(*outcome), MSG_NOSIGNAL) == sizeof(*outcome))
        return;
    if (outcome->end != HOOK_OVERDUE)
        snprintf(number, sizeof(number), "%d", (int)outcome->number);
    fprintf(stderr, "The hook %s has ended after cowherd: %s%s\n%.*s\n", order->arguments[0],
            ends[outcome->end], number, (int)outcome->n_output, outcome->output);
}

int main(void)
{
    static char block[HOOK_ORDER_BYTES_MAX];
    struct hook_order order;
    struct hook_outcome outcome;
    set_up();
    ssize_t size = recv(STDIN_FILENO, block, sizeof(block), 0);
    if (size <= 0 || hook_order_decode(block, (size_t)size, &order) < 0) {
        fprintf(stderr, "cowherd-hook: cowherd starts this program; there was no order from it\n");
        return EX_USAGE;
    }
    hook_supervise(&order, &outcome);
    tell(&order, &outcome);
    free(order.environment);
    return EX_OK;
}
