#include "cowherd/account_nodes.h"
#include "cowherd/kernel.h"
#include "cowherd/text.h"

static int take_node(const struct observation *seen, dev_t device, char **text)
{
    const struct dm_device *known = observation_find(seen, device);
    char path[KERNEL_NODE_MAX];
    if (known && known->error == 0)
        kernel_node_of_name(known->name, path);
    else if (kernel_device_node(device, path) < 0)
        return 0;
    return text_replace(text, path);
}

int account_take_nodes(struct account *account, const struct observation *seen, dev_t origin, dev_t store)
{
    int r = take_node(seen, origin, &account->origin);
    return r < 0 ? r : take_node(seen, store, &account->store);
}
