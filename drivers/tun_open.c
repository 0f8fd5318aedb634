/* Opening a TUN device, and saying well why it did not work. */
#include "drivers/tun_own.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DEVICE "/dev/net/tun"
/* A program that ended with work in flight inside the kernel holds its device for some 100 ms more.
 */
#define BUSY_TRIES 30
#define BUSY_WAIT_NS (10 * 1000 * 1000)
/* The kernel's queue towards us. Its default of 500 packets is less than a window without offload,
 * and what does not fit is dropped silently. */
#define QUEUE_PACKETS 4096

typedef struct opening {
    const hf_tun_options *options;
    hf_tun *tun;
    char *error;
    bool existed;
} opening;

static bool fail(const opening *job, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const int start = snprintf(job->error, HF_TUN_ERROR_BYTES, "TUN device %s: ", job->tun->name);
    vsnprintf(job->error + start, HF_TUN_ERROR_BYTES - (size_t)start, format, args);
    va_end(args);
    return false;
}

/* ---- What the machine says about a device of that name ---- */

/* Asks about a device or changes it. Any kind of socket takes these calls; a local one is always
 * allowed. */
static int device_ioctl(unsigned long request, struct ifreq *ask) {
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    const int answer = ioctl(fd, request, ask);
    const int saved = errno;
    close(fd);
    errno = saved;
    return answer;
}

static void name_device(struct ifreq *ask, const char *name) {
    memset(ask, 0, sizeof *ask);
    memcpy(ask->ifr_name, name, strnlen(name, IFNAMSIZ - 1));
}

static bool device_exists(const char *name) {
    struct ifreq ask;
    name_device(&ask, name);
    return device_ioctl(SIOCGIFFLAGS, &ask) == 0;
}

/* The flags it was made with, or 0: not a TUN device, or /sys shows another network namespace. */
static unsigned made_flags(const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/sys/class/net/%s/tun_flags", name);
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    unsigned flags = 0;
    if (fscanf(file, "%x", &flags) != 1) flags = 0;
    fclose(file);
    return flags;
}

/* ---- Steps of opening ---- */

static bool check_name(const opening *job) {
    const char *name = job->options->name;
    if (!name || !*name) return fail(job, "no name was given");
    if (strlen(name) >= IFNAMSIZ || strpbrk(name, "/ %"))
        return fail(job, "a name has at most %d characters, and no '/', '%%' or space",
                    IFNAMSIZ - 1);
    return true;
}

static bool open_driver(const opening *job) {
    job->tun->fd = open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (job->tun->fd >= 0) return true;
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
        return fail(job,
                    "open " DEVICE
                    ": %s. The kernel offers no TUN here: try 'modprobe tun'; start a "
                    "container with --device " DEVICE,
                    strerror(errno));
    return fail(job, "open " DEVICE ": %s. Give this user access to the file", strerror(errno));
}

static int attach_once(const opening *job, unsigned flags) {
    struct ifreq ask;
    name_device(&ask, job->tun->name);
    ask.ifr_flags = (short)flags;
    for (int i = 0; i < BUSY_TRIES; i++) {
        if (ioctl(job->tun->fd, TUNSETIFF, &ask) == 0) return 0;
        if (errno != EBUSY) break;
        nanosleep(&(struct timespec){.tv_nsec = BUSY_WAIT_NS}, NULL);
    }
    return -1;
}

static bool attach_failed(const opening *job) {
    const char *name = job->tun->name, *why = strerror(errno);
    switch (errno) {
    case EPERM:
        if (job->existed)
            return fail(job,
                        "ioctl TUNSETIFF: %s. Opening it takes CAP_NET_ADMIN or its owner: run as "
                        "root, or make it with 'ip tuntap add dev %s mode tun user USER'",
                        why, name);
        return fail(job,
                    "it does not exist, and ioctl TUNSETIFF cannot make it: %s. Making it takes "
                    "CAP_NET_ADMIN: run as root, or let root run 'ip tuntap add dev %s mode tun "
                    "user USER' first",
                    why, name);
    case EBUSY:
        return fail(job,
                    "ioctl TUNSETIFF: %s. Another program has it open: end that one, or make it "
                    "with 'ip tuntap add dev %s mode tun multi_queue'",
                    why, name);
    case EINVAL:
        if (job->existed && (made_flags(name) & IFF_TUN) == 0)
            return fail(job,
                        "ioctl TUNSETIFF: %s. A device of that name exists and is no TUN device: "
                        "choose another name",
                        why);
        return fail(job,
                    "ioctl TUNSETIFF: %s. It was made with other flags than a TUN device without "
                    "packet information: remove it and let it be made anew",
                    why);
    default: return fail(job, "ioctl TUNSETIFF: %s", why);
    }
}

/* A device with several queues is opened with IFF_MULTI_QUEUE and another without: the kernel
 * refuses the wrong one with EINVAL. If /sys does not tell which it is, the refusal does. */
static bool attach(opening *job) {
    const char *name = job->tun->name;
    job->existed = device_exists(name);
    const unsigned made = job->existed ? made_flags(name) : 0;
    const bool many = job->existed ? made & IFF_MULTI_QUEUE : job->options->multi_queue;
    const unsigned flags =
        IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | (many ? (unsigned)IFF_MULTI_QUEUE : 0);
    if (attach_once(job, flags) == 0) return true;
    if (job->existed && made == 0 && errno == EINVAL &&
        attach_once(job, flags ^ (unsigned)IFF_MULTI_QUEUE) == 0)
        return true;
    return attach_failed(job);
}

/* The flags of a device with several queues are those of its first handle, so ours may not have
 * counted. */
static bool check_flags(const opening *job) {
    struct ifreq ask;
    memset(&ask, 0, sizeof ask);
    if (ioctl(job->tun->fd, TUNGETIFF, &ask) != 0)
        return fail(job, "ioctl TUNGETIFF: %s", strerror(errno));
    const unsigned need = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
    if (((unsigned)(unsigned short)ask.ifr_flags & need) == need) return true;
    return fail(job, "another program has it open without virtio headers: end that one first");
}

static bool set_offload(const opening *job) {
    const int fd = job->tun->fd;
    int header_bytes = sizeof(struct virtio_net_hdr);
    if (ioctl(fd, TUNSETVNETHDRSZ, &header_bytes) != 0)
        return fail(job, "ioctl TUNSETVNETHDRSZ: %s", strerror(errno));
    const unsigned wanted =
        job->tun->offload ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN : 0;
    if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)wanted) == 0) return true;
    return fail(job, "ioctl TUNSETOFFLOAD: %s. Try without offload", strerror(errno));
}

/* A device of our own is brought up with room for a window; one that exists is its owner's to set.
 */
static bool set_up(const opening *job) {
    if (job->existed) return true;
    struct ifreq ask;
    name_device(&ask, job->tun->name);
    ask.ifr_qlen = QUEUE_PACKETS;
    if (device_ioctl(SIOCSIFTXQLEN, &ask) != 0)
        return fail(job, "ioctl SIOCSIFTXQLEN: %s", strerror(errno));
    if (device_ioctl(SIOCGIFFLAGS, &ask) != 0)
        return fail(job, "ioctl SIOCGIFFLAGS: %s", strerror(errno));
    ask.ifr_flags |= IFF_UP;
    if (device_ioctl(SIOCSIFFLAGS, &ask) == 0) return true;
    return fail(job, "ioctl SIOCSIFFLAGS: %s. Bringing it up takes CAP_NET_ADMIN", strerror(errno));
}

/* The carrier comes with the handle, but the kernel puts its queue to work a moment later, in a
 * work queue, and drops until then what it sends: a SYN-ACK lost so costs a second. Asking for the
 * link's state does that work at once, and anybody may ask. Where it does not help, nothing is lost
 * but that moment. */
static void settle_link(const opening *job) {
    struct ifreq ask;
    struct ethtool_value link = {.cmd = ETHTOOL_GLINK};
    name_device(&ask, job->tun->name);
    ask.ifr_data = (void *)&link;
    device_ioctl(SIOCETHTOOL, &ask);
}

static bool read_mtu(const opening *job) {
    struct ifreq ask;
    name_device(&ask, job->tun->name);
    if (device_ioctl(SIOCGIFMTU, &ask) != 0)
        return fail(job, "ioctl SIOCGIFMTU: %s", strerror(errno));
    job->tun->mtu = (uint32_t)ask.ifr_mtu;
    return true;
}

static bool make_room(const opening *job) {
    hf_tun *tun = job->tun;
    tun->batch_frames = job->options->batch_frames ? job->options->batch_frames : BATCH_FRAMES;
    tun->frames = calloc(tun->batch_frames, sizeof *tun->frames);
    tun->room = aligned_alloc(LINE_BYTES, ROOM_BYTES);
    return (tun->frames && tun->room) || fail(job, "out of memory for its buffers");
}

hf_tun *hf_tun_open(const hf_tun_options *options, char *ret_error) {
    hf_tun *tun = calloc(1, sizeof *tun);
    if (!tun) {
        snprintf(ret_error, HF_TUN_ERROR_BYTES, "TUN device: out of memory");
        return NULL;
    }
    tun->fd = -1;
    tun->offload = !options->no_offload;
    snprintf(tun->name, sizeof tun->name, "%s", options->name ? options->name : "");
    opening job = {options, tun, ret_error, false};
    if (check_name(&job) && open_driver(&job) && attach(&job) && check_flags(&job) &&
        set_offload(&job) && set_up(&job) && read_mtu(&job) && make_room(&job)) {
        settle_link(&job);
        return tun;
    }
    hf_tun_close(tun);
    return NULL;
}

void hf_tun_close(hf_tun *tun) {
    if (!tun) return;
    if (tun->fd >= 0) close(tun->fd);
    free(tun->frames);
    free(tun->room);
    free(tun);
}
