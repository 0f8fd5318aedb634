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

enum { MOST_PATH = 1024 };

/* common.lua is what the scenarios of a folder share. */
static int is_scenario(const struct dirent *entry) {
    const size_t length = strlen(entry->d_name);
    return length > 4 && strcmp(entry->d_name + length - 4, ".lua") == 0 &&
           strcmp(entry->d_name, "common.lua") != 0;
}

static int is_plain_name(const struct dirent *entry) { return strchr(entry->d_name, '.') == NULL; }

/* Prints what the file says of itself in its first line. */
static void list_one(const char *path, const char *shown) {
    char line[256] = "";
    FILE *const file = fopen(path, "r");
    if (!file) return;
    if (!fgets(line, sizeof line, file)) line[0] = 0;
    fclose(file);
    line[strcspn(line, "\n")] = 0;
    printf("%s\n", shown);
    hf_print_wrapped(stdout, line + strspn(line, "- "), 4, 80);
}

/* The scenarios of a folder, shown with a prefix; false if it cannot be read. */
static bool list_folder(const char *folder, const char *prefix) {
    struct dirent **entries;
    char path[MOST_PATH], shown[MOST_PATH];
    const int count = scandir(folder, &entries, is_scenario, alphasort);
    if (count < 0) return false;
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        snprintf(shown, sizeof shown, "%s%s", prefix, entries[i]->d_name);
        list_one(path, shown);
        free(entries[i]);
    }
    free(entries);
    return true;
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
    char path[MOST_PATH], prefix[MOST_PATH];
    folder = choose_folder(folder);
    if (!list_folder(folder, "")) {
        fprintf(stderr, "holdfast lab: the folder '%s' cannot be read\n", folder);
        return CLI_USAGE;
    }
    const int count = scandir(folder, &entries, is_plain_name, alphasort);
    for (int i = 0; i < count; i++) { /* one level of folders; a file without a dot is not read */
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        snprintf(prefix, sizeof prefix, "%s/", entries[i]->d_name);
        list_folder(path, prefix);
        free(entries[i]);
    }
    if (count >= 0) free(entries);
    return CLI_PASS;
}
