/* A stand-in for the NVIDIA driver's libnvidia-ml.so.1, as far as hdcore asks it.

   The machine stands in the file FAKE_NVML, read anew at each call so that a test can change it:
   one GPU a line, `UUID NAME TOTAL_MIB USED_MIB STATE [MIG_UUID...]`; STATE is ok, lost, or mig, where the
   UUIDs of the instances follow ("-" is an empty place). Without the file the driver is not loaded. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, NOT_LOADED = 9, LOST = 15 };
enum { MOST_GPUS = 16, MOST_INSTANCES = 7 };

typedef struct {
    char uuid[96], name[96], state[16], instances[MOST_INSTANCES][96];
    unsigned long long total, used;
    int instance_count;
} gpu;

static gpu gpus[MOST_GPUS];

static int load(void) {
    const char *path = getenv("FAKE_NVML");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[2048];
    int n = 0;
    if (!file) return -1;
    while (n < MOST_GPUS && fgets(line, sizeof line, file)) {
        gpu *g = &gpus[n];
        memset(g, 0, sizeof *g);
        int at = 0, step;
        if (sscanf(line, "%95s %95s %llu %llu %15s%n", g->uuid, g->name, &g->total, &g->used, g->state, &at) < 5) continue;
        while (g->instance_count < MOST_INSTANCES && sscanf(line + at, "%95s%n", g->instances[g->instance_count], &step) == 1) {
            g->instance_count++;
            at += step;
        }
        n++;
    }
    fclose(file);
    return n;
}

/* A handle is the number of the GPU + 1, and for an instance its place + 1 in the next byte. */
static gpu *find(void *handle, int *instance) {
    uintptr_t value = (uintptr_t)handle;
    int n = load(), index = (int)(value & 0xff) - 1;
    *instance = (int)(value >> 8) - 1;
    return index >= 0 && index < n ? &gpus[index] : NULL;
}

#define FIND                                   \
    int instance;                              \
    gpu *g = find(handle, &instance);          \
    if (!g) return NOT_FOUND;                  \
    if (!strcmp(g->state, "lost")) return LOST;

int nvmlInitWithFlags(unsigned flags) { return (void)flags, load() < 0 ? NOT_LOADED : OK; }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return code == LOST ? "GPU is lost" : "error"; }

int nvmlDeviceGetCount_v2(unsigned *count) {
    int n = load();
    if (n < 0) return NOT_LOADED;
    *count = (unsigned)n;
    return OK;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    if ((int)index >= load()) return INVALID;
    if (!strcmp(gpus[index].state, "lost")) return LOST;
    *handle = (void *)(uintptr_t)(index + 1);
    return OK;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    int n = load();
    for (int i = 0; i < n; i++) {
        if (!strcmp(gpus[i].uuid, uuid)) {
            *handle = (void *)(uintptr_t)(i + 1);
            return OK;
        }
        for (int k = 0; k < gpus[i].instance_count; k++)
            if (!strcmp(gpus[i].instances[k], uuid)) {
                *handle = (void *)(uintptr_t)(i + 1 + ((k + 1) << 8));
                return OK;
            }
    }
    return NOT_FOUND;
}

int nvmlDeviceGetName(void *handle, char *name, unsigned room) {
    FIND
    snprintf(name, room, "%s%s", g->name, instance >= 0 ? "-MIG" : "");
    return OK;
}

int nvmlDeviceGetUUID(void *handle, char *uuid, unsigned room) {
    FIND
    snprintf(uuid, room, "%s", instance >= 0 ? g->instances[instance] : g->uuid);
    return OK;
}

int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long memory[3]) {
    FIND
    unsigned long long parts = instance >= 0 ? MOST_INSTANCES : 1;
    memory[0] = (g->total << 20) / parts;
    memory[2] = (g->used << 20) / parts;
    memory[1] = memory[0] - memory[2];
    return OK;
}

typedef struct {
    char legacy[16];
    unsigned domain, bus, device, id, subsystem;
    char bus_id[32];
} pci;

int nvmlDeviceGetPciInfo_v3(void *handle, pci *info) {
    FIND
    memset(info, 0, sizeof *info);
    snprintf(info->bus_id, sizeof info->bus_id, "00000000:%02X:00.0", (unsigned)(g - gpus) + 1);
    return OK;
}

int nvmlDeviceGetUtilizationRates(void *handle, unsigned rates[2]) {
    FIND
    rates[0] = 37;
    rates[1] = 5;
    return OK;
}

int nvmlDeviceGetMigMode(void *handle, unsigned *now, unsigned *later) {
    FIND
    if (strcmp(g->state, "mig") && strcmp(g->state, "ok-mig-capable")) return NOT_SUPPORTED;
    *now = *later = !strcmp(g->state, "mig");
    return OK;
}

int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) {
    FIND
    *count = MOST_INSTANCES;
    return OK;
}

int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned index, void **part) {
    FIND
    if ((int)index >= g->instance_count || !strcmp(g->instances[index], "-")) return NOT_FOUND;
    *part = (void *)((uintptr_t)handle + ((uintptr_t)(index + 1) << 8));
    return OK;
}
