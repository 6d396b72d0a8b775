/* M/M/c on cimba (https://github.com/ambonvik/cimba): an arrival process, and one process a server, which take customers from
 * one queue; a customer is the time at which it came. Prints, as JSON, the mean sojourn time of `customers` of them.
 *
 *     cimba ARRIVAL_RATE SERVERS CUSTOMERS SEED
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cimba.h>

struct station {
    struct cmb_objectqueue *queue;
    double mean_interarrival;
    uint64_t customers, served;
    double sojourn;
};

static void *arrivals(struct cmb_process *me, void *context)
{
    (void)me;
    struct station *station = context;
    for (uint64_t i = 0; i < station->customers; i++) {
        cmb_process_hold(cmb_random_exponential(station->mean_interarrival));
        void *customer;
        const double now = cmb_time();
        memcpy(&customer, &now, sizeof customer);
        cmb_objectqueue_put(station->queue, customer);
    }
    return NULL;
}

static void *server(struct cmb_process *me, void *context)
{
    (void)me;
    struct station *station = context;
    while (true) {
        void *customer;
        double came;
        cmb_objectqueue_get(station->queue, &customer);
        memcpy(&came, &customer, sizeof came);
        cmb_process_hold(cmb_random_exponential(1.0));
        station->sojourn += cmb_time() - came;
        station->served++;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    const int servers = atoi(argv[2]);
    struct station station = {.mean_interarrival = 1 / atof(argv[1]), .customers = strtoull(argv[3], NULL, 10)};
    cmb_logger_flags_off(CMB_LOGGER_INFO);
    cmb_random_initialize(strtoull(argv[4], NULL, 10));
    cmb_event_queue_initialize(0.0);
    station.queue = cmb_objectqueue_create();
    cmb_objectqueue_initialize(station.queue, "queue", CMB_UNLIMITED);
    for (int i = 0; i <= servers; i++) {
        struct cmb_process *process = cmb_process_create();
        cmb_process_initialize(process, i ? "server" : "arrivals", i ? server : arrivals, &station, 0);
        cmb_process_start(process);
    }
    const clock_t began = clock();
    cmb_event_queue_execute();
    const double seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
    printf("{\"sojourn\": %.17g, \"customers\": %" PRIu64 ", \"seconds\": %g}\n", station.sojourn / (double)station.served,
           station.served, seconds);
    return 0;
}
