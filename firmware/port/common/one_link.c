/* For boards with one link, which sends bytes without being asked to. */
#include "port.h"

const int32_t bonsai_port_links = 1;

void bonsai_port_flush(int32_t link)
{
    (void)link;
}
