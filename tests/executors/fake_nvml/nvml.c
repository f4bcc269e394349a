/* A stand-in for the NVIDIA driver's libnvidia-ml.so.1, as far as hdcore asks it.

   The machine stands in the file FAKE_NVML, read anew at each call so that a test can change it:
   one GPU a line, `UUID NAME TOTAL_MIB USED_MIB STATE [MIG_UUID...]`; STATE is ok, lost, or mig, where the
   UUIDs of the instances follow ("-" is an empty place). Without the file the driver is not loaded.

   Beside it may stand FAKE_NVML.processes, one `UUID PID BYTES` a line: memory that is in use as long as the process
   lives. And FAKE_NVML.topology: `link A B LANES` (B = -1: a switch), `level A B LEVEL`, `cpus A HEXMASK`. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID = 2, TOO_SMALL = 7, NOT_SUPPORTED = 3, NOT_FOUND = 6, NOT_LOADED = 9, LOST = 15 };
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

static FILE *beside(const char *what, const char *mode) {
    char path[4096];
    snprintf(path, sizeof path, "%s.%s", getenv("FAKE_NVML"), what);
    return fopen(path, mode);
}

static int is_alive(int pid) {
    char path[64], text[512], *end;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = 0;
    end = strrchr(text, ')');
    return end && end[2] != 'Z' && end[2] != 'X';
}

typedef struct {
    unsigned pid;
    unsigned long long bytes;
    unsigned gpu_instance, compute_instance;
} process;

enum { MOST_PROCESSES = 128 };

/* Living processes on a device, or on an instance; returns how many. */
static unsigned users(const char *uuid, process *found) {
    FILE *file = beside("processes", "r");
    char name[96];
    int pid;
    unsigned n = 0;
    unsigned long long bytes;
    if (!file) return 0;
    while (n < MOST_PROCESSES && fscanf(file, "%95s %d %llu", name, &pid, &bytes) == 3)
        if (!strcmp(name, uuid) && is_alive(pid)) found[n++] = (process){(unsigned)pid, bytes, ~0u, ~0u};
    fclose(file);
    return n;
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
    process found[MOST_PROCESSES];
    unsigned n = users(instance >= 0 ? g->instances[instance] : g->uuid, found);
    for (unsigned i = 0; i < n; i++) memory[2] += found[i].bytes;
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

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, process *list) {
    FIND
    process found[MOST_PROCESSES];
    unsigned n = users(instance >= 0 ? g->instances[instance] : g->uuid, found), room = *count;
    if (getenv("FAKE_NVML_NO_PIDS")) n = 0; /* as in a container with pids of its own */
    *count = n;
    if (n > room) return TOO_SMALL;
    if (n) memcpy(list, found, n * sizeof *list);
    for (unsigned i = 0; i < n; i++) { /* lets a program wait until it was measured */
        char what[64];
        snprintf(what, sizeof what, "seen.%u", found[i].pid);
        FILE *file = beside(what, "w");
        if (file) fclose(file);
    }
    return OK;
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned *count, process *list) {
    return nvmlDeviceGetComputeRunningProcesses_v3(handle, count, list);
}

int nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, void **handle) {
    unsigned domain, bus;
    if (sscanf(bus_id, "%x:%x", &domain, &bus) != 2 || (int)bus > load() || bus == 0) return NOT_FOUND;
    *handle = (void *)(uintptr_t)bus;
    return OK;
}

/* The n-th link of GPU a: its other end, or -1 for a switch; 0 if there is none. */
static int link_of(int a, unsigned n, int *other) {
    FILE *file = beside("topology", "r");
    char line[128];
    int x, y, lanes, is_found = 0;
    if (!file) return 0;
    while (!is_found && fgets(line, sizeof line, file)) {
        if (sscanf(line, "link %d %d %d", &x, &y, &lanes) != 3 || (x != a && y != a)) continue;
        if (n < (unsigned)lanes) {
            *other = x == a ? y : x;
            is_found = 1;
        } else
            n -= (unsigned)lanes;
    }
    fclose(file);
    return is_found;
}

int nvmlDeviceGetNvLinkState(void *handle, unsigned link, unsigned *is_active) {
    FIND
    int other;
    if (!link_of((int)(g - gpus), link, &other)) return NOT_SUPPORTED;
    *is_active = 1;
    return OK;
}

int nvmlDeviceGetNvLinkRemotePciInfo_v2(void *handle, unsigned link, pci *info) {
    FIND
    int other;
    if (!link_of((int)(g - gpus), link, &other)) return NOT_SUPPORTED;
    memset(info, 0, sizeof *info);
    snprintf(info->bus_id, sizeof info->bus_id, "00000000:%02X:00.0", other < 0 ? 0xC0u : (unsigned)other + 1);
    return OK;
}

int nvmlDeviceGetTopologyCommonAncestor(void *handle, void *second, unsigned *level) {
    FIND
    int a = (int)(g - gpus), b = (int)((uintptr_t)second & 0xff) - 1, x, y;
    unsigned found;
    FILE *file = beside("topology", "r");
    char line[128];
    if (!file) return NOT_SUPPORTED;
    *level = 50;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "level %d %d %u", &x, &y, &found) == 3 && ((x == a && y == b) || (x == b && y == a))) *level = found;
    fclose(file);
    return OK;
}

int nvmlDeviceGetCpuAffinity(void *handle, unsigned words, unsigned long *mask) {
    FIND
    int a;
    unsigned long found;
    FILE *file = beside("topology", "r");
    char line[128];
    int result = NOT_SUPPORTED;
    if (!file) return result;
    memset(mask, 0, words * sizeof *mask);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "cpus %d %lx", &a, &found) == 2 && a == (int)(g - gpus)) mask[0] = found, result = OK;
    fclose(file);
    return result;
}
