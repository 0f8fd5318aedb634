/* BPF, where it is built in and permitted. */
#ifndef DOCTOR_BPF_H
#define DOCTOR_BPF_H

#include "doctor/facts.h"

typedef struct doctor_bpf doctor_bpf;

doctor_bpf *doctor_bpf_begin(char *why, size_t size); /* NULL: not here, and why */
void doctor_bpf_end(doctor_bpf *bpf);                 /* NULL is nothing */

/* The options of the sockets from index `from` on, which are of the network namespace that this
 * thread is in. */
bool doctor_bpf_settings(doctor_bpf *bpf, doctor_view *view, size_t from);
bool doctor_bpf_owners(doctor_bpf *bpf, doctor_view *view);

#endif
