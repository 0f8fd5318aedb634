/* holdfast lab --list: the scenarios of a folder with their first lines. */
#define _POSIX_C_SOURCE 200809L
#include "cli/cli.h"
#include <hf/ladder.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const usual_folders[] = {"lab/scenarios", HF_SCENARIOS};

static int is_scenario(const struct dirent *entry) {
    const size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".lua") == 0;
}

/* Prints what the file says of itself in its first line. */
static void list_one(const char *folder, const char *name) {
    char path[1024], line[256] = "";
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *const file = fopen(path, "r");
    if (!file) return;
    if (!fgets(line, sizeof line, file)) line[0] = 0;
    fclose(file);
    line[strcspn(line, "\n")] = 0;
    printf("%s\n", name);
    hf_print_wrapped(stdout, line + strspn(line, "- "), 4, 80);
}

static const char *choose_folder(const char *folder) {
    struct stat status;
    if (folder) return folder;
    for (size_t i = 0; i < sizeof usual_folders / sizeof usual_folders[0]; i++)
        if (stat(usual_folders[i], &status) == 0 && S_ISDIR(status.st_mode))
            return usual_folders[i];
    return usual_folders[0];
}

int cli_lab_list(const char *folder) {
    struct dirent **entries;
    folder = choose_folder(folder);
    const int count = scandir(folder, &entries, is_scenario, alphasort);
    if (count < 0) {
        fprintf(stderr, "holdfast lab: the folder '%s' cannot be read\n", folder);
        return CLI_USAGE;
    }
    for (int i = 0; i < count; i++) {
        list_one(folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return CLI_PASS;
}
