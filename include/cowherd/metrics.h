/* Metrics: the accounts of all snapshots and what was counted, in the text format that Prometheus' node_exporter reads from
 * files (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * Pure: data in, text out. Each family stands together under its HELP and TYPE, in the order of the accounts. What is not
 * known is left out; the counters of a snapshot are there from 0 on, for what has no first value has no increase.
 *
 * Labels: snapshot, the dm name (bytes that are not UTF-8 as \xNN; a target that is not its device's first has "@" and its
 * first sector behind it), and uuid. No two series of a family have the same labels, whatever the names are: one such pair,
 * and the whole file is refused by its reader. The later of two accounts that would is left out.
 */
#pragma once

#include "cowherd/account.h"
#include "cowherd/tally.h"

struct metrics {
    const struct account *accounts;
    size_t n_accounts;
    const struct tally *tally;
    uint64_t looked_usec; /* CLOCK_REALTIME: the last look of all; 0: none yet */
    bool configuration_error;
    const char *version;
};

/* Writes them as text, allocated, with a terminating zero behind its length. 0 or -ENOMEM. */
int metrics_format(const struct metrics *metrics, char **ret_text, size_t *ret_length);
