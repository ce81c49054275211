#include "cowherd/account.h"
#include <stdlib.h>

static void account_rung_done(struct account_rung *rung)
{
    free(rung->text);
    free(rung->in_time);
    free(rung->reason);
}

static void account_action_done(struct account_action *action)
{
    free(action->kind);
    free(action->phase);
    free(action->rung);
    free(action->reason);
}

void account_done(struct account *account)
{
    for (size_t i = 0; i < account->n_rungs; i++)
        account_rung_done(&account->rungs[i]);
    account_action_done(&account->action);
    char *texts[] = {account->name,    account->uuid,      account->role,          account->state,
                     account->origin,  account->store,     account->origin_device, account->store_device,
                     account->section, account->next_rung, account->guarantee,     account->guarantee_reason};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        free(texts[i]);
    free(account->rungs);
    *account = (struct account){0};
}

void accounts_free(struct account *accounts, size_t n_accounts)
{
    for (size_t i = 0; i < n_accounts; i++)
        account_done(&accounts[i]);
    free(accounts);
}
