/* hf-two-engines: two TCP/IP stacks in one process, on a wire in memory. One asks, one echoes. */
#include <hf/explain.h>
#include <hf/mem.h>
#include <hf/os.h>
#include <stdio.h>
#include <stdlib.h>

static uint32_t host_start(hf_engine *engine, uint8_t last_byte) {
    hf_config config;
    hf_interface_options link;
    const hf_addr addr = hf_addr4(10, 0, 0, last_byte);
    hf_config_default(&config);
    if (!hf_seed_from_os(config.seed)) exit(1);
    const hf_memory need = hf_engine_bytes(&config);
    hf_engine_init(engine, &config, aligned_alloc(64, need.block_bytes), need.block_bytes,
                   aligned_alloc(64, need.data_bytes), need.data_bytes, 0);
    uint32_t interface;
    hf_mem_interface_options(&link);
    hf_interface_add(engine, &link, &interface);
    hf_address_add(engine, interface, &addr, 24);
    return interface;
}

/* The server's whole application: accept, and send back what comes until the peer closes. */
static void echo(hf_engine *server, hf_listener listener, hf_conn *conn) {
    char bytes[64];
    size_t count;
    hf_err err = hf_accept(server, listener, conn);
    while ((err = hf_receive(server, *conn, bytes, sizeof bytes, &count)) == HF_OK)
        hf_send(server, *conn, bytes, count, &count);
    if (err == HF_END_OF_STREAM) hf_close(server, *conn, NULL);
}

int main(void) {
    static hf_engine client, server;
    const uint32_t client_if = host_start(&client, 1), server_if = host_start(&server, 2);
    const hf_connect_options to_server = {.remote = hf_addr4(10, 0, 0, 2), .remote_port = 7};
    hf_mem wire;
    hf_listener listener;
    hf_conn asker, echoer = {UINT32_MAX, 0};
    hf_end end = {0};
    char text[512];
    size_t count;
    hf_mem_join(&wire, &client, client_if, &server, server_if, NULL);
    hf_listen(&server, &(hf_listen_options){.port = 7}, &listener);
    hf_connect(&client, &to_server, &asker);
    hf_send(&client, asker, "Hello, wire!", 12, &count);
    for (hf_ns now_ns = 0; now_ns != HF_NEVER; now_ns = hf_mem_next_at(&wire)) {
        do {
            echo(&server, listener, &echoer);
            if (hf_receive(&client, asker, text, sizeof text, &count) != HF_OK) continue;
            printf("The server echoed: %.*s\n", (int)count, text);
            hf_close(&client, asker, NULL);
        } while (hf_mem_exchange(&wire, now_ns) != 0);
        if (hf_conn_end(&client, asker, &end) == HF_OK) break;
    }
    if (hf_explain_end(&end, text, sizeof text) != 0) puts(text);
    hf_mem_part(&wire);
    return end.cause == HF_CAUSE_END_CLOSED && end.bytes_to_app == 12 ? 0 : 1;
}
